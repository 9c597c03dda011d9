/*
 * What the files of the router's core share: the state and who may touch it. Not included outside
 * router/core.
 *
 *   router.c    entry points, batches, flush       peers.c     links to edges and bridges
 *   room.c      rooms and attachments              presence.c  members, grace, joins and leaves
 *   send.c      messages: order, idempotence       replay.c    what a joiner or an edge missed
 *   agents.c    agents, and who answers            work.c      jobs, their order and their ends
 *   dispatch.c  giving jobs to bridges             bridges.c   what bridges say
 *   run.c       what viewers see of a run          lookup.c    history, search, members, receipts
 *   sessions.c  sockets that can be recovered      asked.c     askers whose input may be disabled
 *   channels.c  rooms as REST sees them            events.c    what happens to rooms and messages
 *   records.c   what REST keeps in the store       attach.c    runs by the id of a message
 *   asking.c    who is asked by a message          said.c      which agent said what
 *   registry.c  agents as REST sees them           run_records.c  runs that were
 *   logs.c      what all processes log             characters.c  agents made and changed over REST
 */
#ifndef ROUTER_CORE_INTERNAL_H
#define ROUTER_CORE_INTERNAL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "proto/base/hash.h"
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "router/core/dedupe.h"
#include "proto/wire/recovery.h"
#include "proto/base/version.h"
#include "router/core/router.h"

enum {
    ROUTING_ID_MAX = 255,
    REPLAY_PAGE = 500,             /* messages of one query */
    REPLAY_BYTES_MAX = 3 << 20,    /* of one join's replay: it must fit one bus payload */
    PAGE_BYTES_MAX = 3 << 20,      /* of a history or members page, likewise */
    STREAMED_MAX = 1 << 20,        /* bytes of an unfinished reply that are kept and shown */
    TOLD_EDGES_MAX = 64,           /* edges outside the room that follow one job */
    QUESTION_BYTES_MAX = 64 << 20, /* bodies of waiting questions kept in memory, all together */
};

/* Fixed text for ids that come and go with their owner. */
struct text {
    char *data; /* owns, NUL-terminated */
    size_t length;
};
static inline struct text text_copy(struct slice slice)
{
    return (struct text){memory_copy_string(slice.data, slice.length), slice.length};
}
static inline struct slice text_slice(const struct text *text)
{
    return slice_of(text->data, text->length);
}
static inline void text_replace(struct text *text, struct slice slice)
{
    free(text->data);
    *text = text_copy(slice);
}

struct room;
struct member;
struct attachment;
struct kept_line;
struct character_request;

/* --- peers ------------------------------------------------------------------------------------ */

/* A process at the other end of a link. */
struct peer {
    struct router *router;
    enum router_side side;
    struct link link;
    uint64_t link_id; /* key of hh */
    char routing_id[ROUTING_ID_MAX];
    size_t routing_id_length;
    struct text incarnation;
    struct text name;
    struct text address;            /* of an edge, for relays */
    struct attachment *attachments; /* of an edge: its rooms */
    struct attachment *owed;        /* of these, borrows: those that get a PRESENCE_LIST */
    bool is_synchronised;           /* of an edge: SYNC_DONE came */
    bool is_caught_up;              /* and it was told CAUGHT_UP, or SETTLED */
    bool is_settled;
    size_t catching_up; /* of its attachments */
    uint64_t credit;    /* of a bridge */
    uint64_t working;   /* jobs it has now */
    bool has_left;      /* it said goodbye */
    bool watches_logs;  /* of an edge: clients of it do */
    bool is_dead;       /* to be freed at the end of the entry point */
    struct peer *next_dead;
    UT_hash_handle hh; /* router->peers, by link id */
};

/* --- rooms ------------------------------------------------------------------------------------ */

/* An edge that has members of a room. */
struct attachment {
    struct room *room;
    struct peer *peer;
    struct presence *presences;
    uint64_t sent_through;                    /* while catching up: the last seq this edge has */
    bool is_catching_up;                      /* gets no live messages yet, see replay.c */
    struct attachment *prev, *next;           /* room->attachments */
    struct attachment *peer_prev, *peer_next; /* peer->attachments */
    bool is_asking;    /* what is running; to be told when it has caught up */
    bool is_owed_list; /* in peer->owed */
    struct attachment *owed_prev, *owed_next;
};

/* An entity on one edge in one room. */
struct presence {
    struct member *member;
    struct attachment *attachment;
    uint64_t connections;
    struct presence *prev, *next; /* attachment->presences */
    struct presence *sibling;     /* member->presences: the same entity on other edges */
};

/* An entity in a room: one, however many tabs and edges. */
struct member {
    struct heap_entry leaving; /* set while it has no connection left and the grace period runs */
    bool is_participant;       /* it has sent something, and that is noted */
    struct room *room;
    struct text entity;
    struct text name;
    int64_t last_life; /* latest sign of life of the connections that it has lost */
    struct presence *presences;
    UT_hash_handle hh; /* room->members, by entity */
};

struct participant {
    struct text id;
    UT_hash_handle hh; /* room->participants, by id, in order of being added */
};

struct room {
    struct text id;
    uint64_t number;
    uint64_t epoch;
    uint64_t assigned;           /* last sequence number given */
    uint64_t published;          /* last one broadcast */
    int64_t last_at;             /* created_at of the last message: never falls */
    uint64_t published_position; /* nothing was broadcast after it */
    uint64_t changed_at;         /* stamp of the last change of presence that was announced */
    struct text server_id;
    struct text name;
    struct text type;
    struct text source_type;
    struct text metadata;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;          /* 0: it is there; else only its line of numbers is */
    const struct agent *answers; /* of those without a list: the agent that is noted */
    uint64_t agent_answers;      /* of agents to agents since a person spoke */
    bool agents_stopped;         /* by a limit, since a person spoke */
    bool is_stored;              /* its row is committed, or in a batch */
    bool has_participants;
    struct participant *participants;
    struct member *members;
    struct attachment *attachments;
    struct work_queue *queues; /* by agent */
    uint32_t joining;          /* joins that wait for the store */
    bool is_crowded;           /* too large for events of single members, see presence.c */
    struct exodus *exodus;     /* while members leave */
    bool is_idle;              /* in router->idle_rooms */
    struct room *next_idle;
    UT_hash_handle hh;        /* router->rooms, by id */
    UT_hash_handle by_number; /* router->rooms_by_number */
};

/* --- agents and jobs -------------------------------------------------------------------------- */

/* When an agent answers what is not said to it alone. */
enum agent_policy { AGENT_ALWAYS, AGENT_MENTION, AGENT_NEVER };

struct agent {
    struct heap_entry turn; /* first; in router->turns: a bridge runs it, and a question waits */
    struct heap ready;      /* of its queues, by their first question */
    bool is_passed_over;    /* by the dispatch that runs: its bridges are full */
    struct agent *next_passed_over;
    struct text id;
    struct text name;
    enum agent_policy to_people; /* in groups */
    enum agent_policy to_agents;
    struct text details; /* JSON object */
    struct text bio;     /* the first line of it */
    bool is_stopped;     /* asked for nothing until somebody starts it again */
    bool is_deleted;     /* nobody hears of it until a bridge offers it again */
    int64_t created_at;
    int64_t updated_at;
    bool is_stored;       /* its row is committed, or in a batch */
    struct offer *offers; /* bridges that run it now */
    UT_hash_handle hh;    /* router->agents, by id, in order of first registration */
};

struct offer {
    struct agent *agent;
    struct peer *bridge;
    struct offer *next;
};

enum job_phase {
    JOB_PHASE_WAITING, /* made in a batch that is not committed yet */
    JOB_PHASE_QUEUED,
    JOB_PHASE_READING,  /* its question is being read from the store, for a bridge that has room */
    JOB_PHASE_WORKING,  /* a bridge has it */
    JOB_PHASE_ANSWERED, /* a bridge has answered; an earlier answer of the queue is with the store
                         */
    JOB_PHASE_ENDING    /* its end is in a batch */
};

struct job {
    uint64_t number;
    struct work_queue *queue;
    struct text question;
    struct text asker;      /* entity that sent the question */
    struct text asker_edge; /* incarnation */
    struct text *told;      /* owns: incarnations of other edges where somebody follows it */
    size_t told_count;
    uint64_t question_seq;
    int64_t question_at;
    char reply[UUID_TEXT_SIZE];
    enum job_phase phase;
    enum job_state end; /* while ENDING */
    uint64_t end_batch; /* while ENDING: the number of the batch that its end is in */
    int end_error;
    uint64_t attempt;
    uint64_t hops;        /* see asking.c */
    int64_t losses;       /* bridges that were lost while they had it */
    unsigned failures;    /* commits of its end that failed */
    struct peer *bridge;  /* while READING or WORKING: counts it as work */
    struct buffer body;   /* of the question; empty: to be read from the store */
    struct buffer answer; /* while ANSWERED: the body of the reply */
    struct buffer text;   /* of the reply, as this attempt has written it so far */
    size_t shown;         /* bytes of it that viewers have */
    uint64_t chunks;      /* of this attempt, handed to viewers */
    bool is_replacing;    /* viewers may have pieces of an earlier attempt */
    bool is_too_long;     /* viewers wait for the end */
    bool was_announced;   /* RUN started went out */
    bool is_streaming;    /* in router->streaming */
    struct job *streaming_prev, *streaming_next;
    struct job *prev, *next; /* queue->jobs */
    UT_hash_handle hh;       /* router->jobs, by number */
};

/* The questions of one room to one agent, in order; the first one may be with a bridge. */
struct work_queue {
    struct heap_entry ready; /* first; in agent->ready */
    struct room *room;
    struct agent *agent;
    struct job *jobs;
    size_t count;
    size_t ending;           /* of them: answered, their end is in a batch */
    struct job *active;      /* borrows: the one that is READING, WORKING or ANSWERED */
    struct job *found;       /* borrows: where work_job_of() goes on; or NULL */
    struct work_queue *next; /* room->queues */
};

/* --- what a commit or an answer sets off ------------------------------------------------------ */

enum pending_kind {
    PENDING_MESSAGE,
    PENDING_DUPLICATE,
    PENDING_JOB_END,
    PENDING_CHANNEL,
    PENDING_HISTORY,
    PENDING_JOIN,  /* of a socket that can be recovered: its row */
    PENDING_CLAIM, /* of a session that is to be recovered */
    PENDING_RECORD,
    PENDING_RECORD_GONE,
    PENDING_AGENT,
    PENDING_RUN_GONE
};

/* A join whose answer carries this stamp, or a later one: until then nobody is told of so late a
 * stamp, so that whoever has been told of it has been told of the join. */
struct unanswered_join {
    uint64_t stamp;
    struct unanswered_join *prev, *next; /* router->unanswered, in order of stamps */
};

/* Waits for its batch. Done in order when the batch is committed. */
struct pending {
    enum pending_kind kind;
    struct room *room;
    const struct message_record *message; /* borrows from the batch: MESSAGE */
    struct text origin;                   /* incarnation of the edge that asked */
    uint64_t request;
    uint64_t trace;
    uint8_t no_agent;   /* enum bus_answering */
    bool stops_agents;  /* a conversation of agents ends with this message */
    uint64_t first_job; /* of a question: its jobs have successive numbers */
    uint64_t jobs;
    struct dedupe_key key;
    uint64_t job;                        /* JOB_END, and a MESSAGE that is a reply */
    uint64_t room_number;                /* HISTORY */
    uint64_t limit;                      /* HISTORY */
    uint64_t link_id;                    /* JOIN, CLAIM: of the edge that asked */
    struct buffer asked;                 /* JOIN: the message; CLAIM: the socket, the subject */
    struct unanswered_join *unanswered;  /* owns; JOIN */
    bool is_cancelled;                   /* JOIN */
    bool is_new;                         /* CHANNEL: nobody knows it before it is committed */
    const struct record_outcome *record; /* borrows from the batch: RECORD, RECORD_GONE */
    const struct agent *agent;           /* AGENT */
    int64_t at;                          /* wall ms: RECORD */
    struct pending *next;
};

struct open_batch {
    struct store_batch *batch; /* owns until handed to the store */
    struct pending *first;
    struct pending *last;
};

enum question_kind {
    QUESTION_JOIN,     /* a join with since */
    QUESTION_CATCH_UP, /* an edge that missed messages of a room */
    QUESTION_HISTORY,
    QUESTION_RECEIPT,
    QUESTION_SESSION, /* one that was claimed */
    QUESTION_REJOIN,  /* an entity's last one */
    QUESTION_JOB,     /* the body of a question for a bridge */
    QUESTION_SEARCH,
    QUESTION_MESSAGE,
    QUESTION_SUBMIT,  /* whether an id is taken; replay keeps the message that wants it */
    QUESTION_CHANNEL, /* who takes part in it */
    QUESTION_CHANNELS,
    QUESTION_RECORD,
    QUESTION_RECORDS,
    QUESTION_RUN, /* a message whose run an edge wants to follow */
    QUESTION_RUNS
};

/* Waits for a page of the store; key is the query's token. */
struct question {
    uint64_t token;
    enum question_kind kind;
    uint64_t trace;
    struct text origin; /* incarnation of the edge that asked */
    uint64_t request;
    uint64_t room;    /* number */
    uint64_t link_id; /* JOIN, CATCH_UP: of the edge that asked; over another one it asks anew */
    uint64_t job;
    struct text entity; /* JOIN: entity, name; RECEIPT: user, status;
                           SESSION: the subject that claims it */
    struct text name;
    struct bus_list_builder replay;     /* JOIN: what was found so far */
    bool is_forward;                    /* HISTORY: the oldest ones after a time */
    bool is_cancelled;                  /* JOIN: its edge does not want it any more */
    struct unanswered_join *unanswered; /* owns; JOIN; NULL: not kept */
    uint64_t through; /* JOIN, CATCH_UP: the pages so far hold all up to this seq */
    UT_hash_handle hh;
};

struct router {
    struct router_settings settings;
    const struct router_operations *operations;
    void *context;
    struct id_source *ids;
    struct text incarnation;
    struct instant time; /* of the entry point that runs */
    int64_t started_at;
    struct link_refusal refusals[2]; /* by enum router_side */

    struct peer *peers;
    struct peer *dead;
    struct room *rooms;
    struct room *rooms_by_number;
    struct room *idle_rooms; /* to be looked at, at the end of the entry point */
    struct agent *agents;
    size_t known_agents;
    size_t active_agents;    /* that are not stopped and have a bridge */
    bool has_counted_agents; /* else these numbers are out of date */
    struct job *jobs;
    struct heap turns;     /* of agents, by the question of theirs that waits longest */
    struct asked *asked;   /* owns, oldest first */
    struct said *said;     /* owns, oldest first */
    struct job *streaming; /* those with text that viewers do not have yet */
    struct question *questions;
    struct heap leaving; /* members in their grace period */
    bool needs_sweep;    /* something in the store expires, or was cleared */
    int64_t records_swept_at;
    struct dedupe *dedupe;

    struct open_batch open;       /* fills */
    struct open_batch with_store; /* is being committed */
    uint64_t last_batch;
    uint64_t last_room;
    uint64_t last_job;
    uint64_t last_token;
    uint64_t last_position;      /* given to a message */
    uint64_t published_position; /* of the last one broadcast */
    uint64_t last_stamp;
    struct unanswered_join *unanswered;
    struct buffer secret;
    int64_t sweep_until; /* until then there may be sessions to drop */
    int64_t swept_at;
    size_t question_bytes;
    size_t member_count;
    size_t edge_count;
    size_t bridge_count;
    int64_t bridge_seen_at;    /* when the last bridge was there; -1: never one */
    bool store_failed;         /* the last commit failed */
    int64_t work_paused_until; /* a failed commit is not followed by the same work at once */
    struct character_request *character_requests; /* owns, oldest first */
    uint64_t last_character_request;
    struct kept_line *logs; /* owns, oldest first */
    size_t log_count;
    size_t log_bytes;
    struct buffer scratch;           /* one encoded message */
    struct router_counters counters; /* those of links: of the peers that are gone */
    struct router_counters totals;   /* as they are read */
};

/* router.c */
struct store_batch *router_batch(struct router *router); /* the open batch, made when needed */
bool router_batch_is_full(const struct router *router);
struct pending *router_pend(struct router *router, enum pending_kind kind); /* in the open batch */
struct question *router_ask(struct router *router, enum question_kind kind,
                            struct store_query *query);
struct slice router_encode(struct router *router, const struct bus_message *message); /* scratch */

/* peers.c */
struct peer *peer_by_incarnation(struct router *router, struct slice incarnation);
struct peer *peer_by_link(struct router *router, uint64_t link_id);
/* Nothing of its rooms is missing any more: says so, once. */
void peer_consider_caught_up(struct peer *peer);
void peer_receive(struct router *router, enum router_side side, struct slice routing_id,
                  struct slice frame);
/* Sends to one peer; one that cannot take it is given up and has to synchronise anew. */
void peer_send_encoded(struct peer *peer, struct slice message);
void peer_send(struct peer *peer, const struct bus_message *message);
void peer_drop(struct peer *peer, const char *why); /* its members enter their grace period */
void peer_count_link(const struct peer *peer, struct router_counters *counters); /* adds it up */
void peers_reap(struct router *router);
void peers_announce(struct router *router); /* PEERS to all edges */

/* room.c */
struct room *room_find(struct router *router, struct slice id);
struct room *room_by_number(struct router *router, uint64_t number);
/* Finds or makes; NULL when rooms_max is reached. */
struct room *room_obtain(struct router *router, struct slice id, struct slice server_id,
                         struct slice type, struct slice metadata);
struct room *room_new(struct router *router, const struct room_record *record);
void room_destroy(struct router *router, struct room *room);
void room_store(struct router *router, struct room *room); /* puts its row into the open batch */
/* False: it is on the list already. */
bool room_add_participant(struct room *room, struct slice id);
bool room_remove_participant(struct room *room, struct slice id); /* false: it is not on the list */
void room_forget_participants(struct room *room);
void room_changed(struct router *router, struct room *room); /* its row goes to the store anew */
/* Something is said in it: one that was deleted begins a new life. */
void room_revive(struct router *router, struct room *room);
/* Somebody speaks in a room without a list: the store notes who, so that REST can tell. */
void room_note_participant(struct router *router, struct room *room, struct slice id);
/* Somebody left: a room that nobody is in and nothing was ever said in need not be kept. */
void room_consider(struct router *router, struct room *room);
void rooms_reap(struct router *router);
struct attachment *room_attachment(struct room *room, const struct peer *peer);
struct attachment *room_attach(struct room *room, struct peer *peer);
void room_detach(struct attachment *attachment); /* has no presences any more */
/* To every edge that has members, but those catching up when it is a room message. */
void room_publish(struct router *router, struct room *room, const struct bus_message *message,
                  const struct peer *also);

/* presence.c */
void presence_receive_sync(struct peer *peer, const struct bus_room_sync *sync);
void presence_receive_join(struct peer *peer, const struct bus_message *message);
void presence_receive_leave(struct peer *peer, const struct bus_leave *leave);
/* A join that was found good; its answer ends *unanswered, which is taken over. */
void presence_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                         struct unanswered_join **unanswered);
void presence_refuse_join(struct peer *peer, const struct bus_message *message, int error);
/* Records the member and answers the join. */
struct admission {
    uint64_t request;
    uint64_t trace;
    struct slice entity;
    struct slice name;
    bool replay_complete;
    struct bus_list replay;
};
void presence_admit(struct peer *peer, struct room *room, const struct admission *admission);
void presence_drop_edge(struct peer *peer, int64_t last_life);
void presence_tick(struct router *router);
size_t presence_count(const struct room *room);
void presence_list(const struct room *room, size_t offset, size_t limit, size_t bytes_max,
                   struct bus_list_builder *list);
void member_destroy(struct router *router, struct member *member);
bool room_has_entity_on(const struct attachment *attachment, struct slice entity);

/* send.c */
void send_receive(struct peer *peer, const struct bus_message *message);
void send_committed(struct router *router, struct pending *pending, int result);
void send_reply(struct router *router, struct job *job, struct slice body);
/* An agent has said something: other agents may be meant. */
void send_ask_agents(struct router *router, struct room *room, const struct message_record *said,
                     uint64_t hops, struct pending *pending);
/* Gives a message its place in the room and puts it into the open batch. */
const struct message_record *send_append(struct router *router, struct room *room,
                                         struct message_record *record);
void send_answer_duplicate(struct peer *peer, uint64_t request, uint64_t trace,
                           const struct dedupe_entry *entry);

/* replay.c */
void replay_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                       struct unanswered_join **unanswered);
/* The edge does not want the answer any more. False: that join is not waiting for the store. */
bool replay_cancel_join(struct peer *peer, uint64_t request);
void replay_begin_catch_up(struct attachment *attachment);
void replay_answered(struct router *router, struct question *question, struct store_page *page);

/* sessions.c */
bool sessions_are_kept(const struct router *router);
/* A number that rises with the wall clock, and always. */
uint64_t clock_after(uint64_t last, int64_t wall);
uint64_t stamp_next(struct router *router);
uint64_t stamp_told(const struct router *router); /* the latest that may be told */
void unanswered_end(struct router *router, struct unanswered_join **join);
void sessions_load_secret(struct router *router, struct slice secret);
void sessions_loaded(struct router *router);
void sessions_greet(struct peer *peer);
void sessions_lose_edge(struct router *router, struct slice edge); /* empty: all of them */
void sessions_find_edge(struct peer *peer);
void sessions_tick(struct router *router);
/* Writes the row of a join, which goes on when it is committed. */
void sessions_keep_join(struct peer *peer, struct room *room, const struct bus_message *message);
bool sessions_cancel_join(struct peer *peer, uint64_t request); /* as replay_cancel_join() */
bool sessions_receive(struct peer *peer, const struct bus_message *message);
void sessions_committed(struct router *router, struct pending *pending, int result);
void sessions_answered(struct router *router, struct question *question,
                       const struct store_page *page);

/* agents.c */
struct agent *work_agent_obtain(struct router *router, struct slice id, struct slice name,
                                struct slice details);
struct agent *work_agent_find(struct router *router, struct slice id);
/* What a bridge says of it; details that are no JSON object count as {}. */
void work_agent_describe(struct agent *agent, struct slice name, struct slice details);
void work_agent_store(struct router *router, struct agent *agent); /* row into the open batch */
bool work_can_wait(struct router *router); /* a bridge is there, or was within agent_grace */
/* Who answers in rooms without a list; NULL: there has never been an agent. */
struct agent *agent_default(struct router *router);
bool agent_may_answer(const struct agent *agent); /* neither stopped nor deleted */
void work_agents_destroy(struct router *router);

/* asking.c */
/* A message that may be a question. */
struct asking {
    struct room *room;
    struct slice sender;
    struct slice body;
    bool is_of_agent;
    uint64_t hops; /* of an agent: how many messages of agents follow from one another up to it */
};
/* Who is to answer it. */
struct choice {
    struct agent **agents; /* owns the array */
    size_t count;
    size_t capacity;
    bool is_stop; /* a conversation of agents is stopped here */
};
/* A person has spoken: agents may talk with each other anew. */
void asking_of_person(struct room *room);
enum bus_answering asking_choose(struct router *router, const struct asking *asking,
                                 struct choice *choice);
/* The jobs go into the batch of the message, whose `pending` notes them. */
void asking_make_jobs(struct router *router, const struct asking *asking,
                      const struct choice *choice, const struct message_record *message,
                      struct slice asker_edge, struct pending *pending);
void choice_deinit(struct choice *choice);
/* The room is told that its agents were stopped. */
void asking_say_stopped(struct router *router, const struct pending *pending);

/* said.c */
void said_note(struct router *router, struct slice id, struct agent *agent); /* NULL: nobody */
struct agent *said_by(struct router *router, struct slice id);               /* NULL: not known */
void said_destroy(struct router *router);

/* work.c */
struct job *work_find(struct router *router, uint64_t number);
/* Is an agent still to answer it, or the end of that still to be stored? */
bool work_has_question(const struct room *room, struct slice question);
/* The one that answers the message of that seq, or NULL. Only for rising seqs, while loading. */
struct job *work_job_of(struct work_queue *queue, uint64_t seq);
struct job *work_job_new(struct router *router, struct room *room, struct agent *agent,
                         const struct job_record *record, struct slice asker);
void work_job_ready(struct router *router, struct job *job); /* its question is committed */
void work_job_drop(struct router *router, struct job *job);  /* its question was not */
/* A bridge has answered; or the question ends without an answer. */
void work_job_answer(struct router *router, struct job *job, struct slice body);
void work_job_fail(struct router *router, struct job *job, enum job_state state, int error);
void work_job_ended(struct router *router, struct pending *pending, int result);
void work_cancel_room(struct router *router, struct room *room);
/* Ends those with that reply, or to that question. Returns how many. */
size_t work_cancel_run(struct router *router, struct room *room, struct slice id);
void work_cancel_agent(struct router *router, const struct agent *agent);
void work_tick(struct router *router); /* questions that have waited for too long */
void work_destroy(struct router *router);

/* dispatch.c */
void work_dispatch(struct router *router);
/* A question of this queue may be given out, or none any more. */
void dispatch_ready(struct router *router, struct work_queue *queue);
void dispatch_sleep(struct router *router, struct work_queue *queue);
/* Its questions or its bridges are others: it has its turn accordingly. */
void dispatch_agent(struct router *router, struct agent *agent);
void work_question_read(struct router *router, struct question *question, struct store_page *page);

/* bridges.c */
void work_receive(struct peer *peer, const struct bus_message *message);
void work_bridge_lost(struct peer *peer);

/* attach.c */
void attach_receive(struct peer *peer, const struct bus_message *message);
void attach_answered(struct router *router, const struct question *question,
                     const struct store_page *page);
void attach_receive_stop(struct peer *peer, const struct bus_message *message);

/* asked.c */
/* A question of that entity has been answered, or will not be. at: wall ms, now or in the past. */
void asked_note(struct router *router, const struct room *room, struct slice entity,
                struct slice agent, int64_t at);
/* It has joined there. */
void asked_greet(struct peer *edge, const struct room *room, struct slice entity);
void asked_tick(struct router *router);
void asked_destroy(struct router *router);

/* run.c */
/* What concerns a run: to the room's edges, and to those where somebody waits for the reply. */
void work_publish(struct router *router, const struct job *job, struct bus_message *message);
/* A question was repeated through this edge: it hears of the reply too. Returns its open jobs. */
uint64_t work_also_tell(struct router *router, const struct dedupe_entry *question,
                        const struct peer *edge);
void run_tell(struct job *job, const struct peer *edge); /* this edge follows the job */
void run_begin(struct router *router, struct job *job);  /* a new attempt */
void run_append(struct router *router, struct job *job, struct slice text);
/* Viewers get what they do not have yet, unless an earlier answer is still to come. */
void run_show(struct router *router, struct job *job);
void run_reveal(struct router *router, struct work_queue *queue); /* that answer has come */
void run_flush(struct router *router);                   /* once per loop turn: one chunk per job */
void run_finish(struct router *router, struct job *job); /* the end follows */
void run_end(struct router *router, struct job *job);    /* the run is over without a reply */
void run_forget(struct router *router, struct job *job);
/* An edge that has a room now: what is being written there, so far. */
void run_catch_up(const struct room *room, struct peer *edge);
/* The run and its text so far, for an edge that has not the room; those that have it know. */
void run_catch_up_outsider(const struct job *job, struct peer *edge);
/* The same for an edge through which a question was repeated: after its answer. */
void run_catch_up_repeat(struct router *router, const struct dedupe_entry *question,
                         struct peer *edge);
/* And what is being written in rooms that it does not have, for those who asked from outside. */
void run_catch_up_askers(struct peer *edge);
/* It asks what is running, and hears it when it has all messages of the room. */
void run_receive_asking(struct peer *edge, struct slice room);
void run_caught_up(struct attachment *attachment);

/* The store has too many questions waiting: refuse this one. */
bool router_may_not_ask(const struct router *router);

/* lookup.c */
void lookup_receive(struct peer *peer, const struct bus_message *message);
void lookup_answered(struct router *router, struct question *question, struct store_page *page);
/*
 * The history for a bridge: with what is being committed, the answer to the question before this
 * one among it.
 */
void lookup_receive_of_bridge(struct peer *peer, const struct bus_message *message);
void lookup_history_due(struct router *router, const struct pending *pending);

/* channels.c, events.c, records.c, registry.c, run_records.c: receive is false when the message is
 * not theirs. */
bool channels_receive(struct peer *peer, const struct bus_message *message);
void channels_answered(struct router *router, struct question *question, struct store_page *page);
void channels_stored(struct router *router, struct pending *pending, int result);
bool events_receive(struct peer *peer, const struct bus_message *message);
struct room *events_room(struct router *router, struct slice id); /* one that is there, or NULL */
/* channelUpdated, with the row as it is now. */
void events_say_updated(struct router *router, struct room *room, struct slice id);
void events_submit_answered(struct router *router, const struct question *question,
                            const struct store_page *page);
bool records_receive(struct peer *peer, const struct bus_message *message);
void records_answered(struct router *router, const struct question *question,
                      const struct store_page *page);
void records_stored(struct router *router, const struct pending *pending, int result);
bool registry_receive(struct peer *peer, const struct bus_message *message);
bool run_records_receive(struct peer *peer, const struct bus_message *message);
void run_records_answered(struct router *router, const struct question *question,
                          const struct store_page *page);
void run_records_stored(struct router *router, const struct pending *pending, int result);
void registry_answer(struct peer *peer, uint64_t request, uint64_t trace, int error,
                     const struct agent *agent, struct slice reason);
size_t registry_count_bridges(const struct agent *agent);
/* Its row is gone for everybody, until a bridge offers it again. */
void registry_delete(struct router *router, struct agent *agent);
/* characters.c: agents that are made, changed and deleted where their characters are kept */
void characters_receive_change(struct peer *edge, const struct bus_message *message);
void characters_receive_changed(struct peer *bridge, const struct bus_character_changed *changed);
void characters_bridge_lost(struct peer *bridge);
void characters_forget(struct router *router);

/* logs.c */
bool logs_receive(struct peer *peer, const struct bus_message *message);
void logs_take(struct router *router, const struct bus_list *lines);
void logs_forget(struct router *router);

void registry_stored(struct router *router, const struct pending *pending, int result);

#endif
