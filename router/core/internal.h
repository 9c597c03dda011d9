/*
 * What the parts of the router's core share: the router's state, and what waits for the store. Not
 * included outside router/core. The parts, each with its header:
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
 *   load.c      what was known before a start      dedupe.c    which sends have been taken
 *   access.c    who may see and enter which room   presence_list.c  who is there, for edges
 */
#ifndef ROUTER_CORE_INTERNAL_H
#define ROUTER_CORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "proto/bus/list.h"
#include "router/core/dedupe.h"
#include "router/core/router.h"
#include "router/core/text.h"

enum {
    ROUTING_ID_MAX = 255,
    REPLAY_PAGE = 500,             /* messages of one query */
    REPLAY_BYTES_MAX = 3 << 20,    /* of one join's replay: it must fit one bus payload */
    PAGE_BYTES_MAX = 3 << 20,      /* of a history or members page, likewise */
    STREAMED_MAX = 1 << 20,        /* bytes of an unfinished reply that are kept and shown */
    TOLD_EDGES_MAX = 64,           /* edges outside the room that follow one job */
    QUESTION_BYTES_MAX = 64 << 20, /* bodies of waiting questions kept in memory, all together */
};

struct agent;
struct asked;
struct character_request;
struct job;
struct kept_line;
struct message_record;
struct peer;
struct record_outcome;
struct room;
struct said;
struct unanswered_join;

/* --- what a commit or an answer sets off ------------------------------------------------------ */

enum pending_kind {
    PENDING_MESSAGE,
    PENDING_DUPLICATE,
    PENDING_JOB_END,
    PENDING_CHANNEL,
    PENDING_HISTORY,
    PENDING_JOIN,  /* of a socket that can be recovered: its row */
    PENDING_CLAIM, /* of a session that is to be recovered */
    PENDING_LEAVE, /* of a socket from what is kept of it */
    PENDING_RECORD,
    PENDING_RECORD_GONE,
    PENDING_AGENT,
    PENDING_RUN_GONE
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
    uint64_t link_id;                    /* JOIN, CLAIM, LEAVE: of the edge that asked */
    struct buffer asked;                 /* JOIN: the message; CLAIM: the socket, the subject;
                                            CHANNEL: whom it has lost (bus_text, a list's) */
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
    struct text viewer;                 /* of what only the page tells the room of */
    struct bus_list_builder replay;     /* JOIN: what was found so far */
    bool is_forward;                    /* HISTORY: the oldest ones after a time */
    bool is_cancelled;                  /* JOIN: its edge does not want it any more */
    struct unanswered_join *unanswered; /* owns; JOIN; NULL: not kept */
    uint64_t through; /* JOIN, CATCH_UP: the pages so far hold all up to this seq */
    UT_hash_handle hh;
};

/* --- the router ------------------------------------------------------------------------------- */

enum { ENDED_LINKS_KEPT = 64 };

struct router {
    struct router_settings settings;
    const struct router_operations *operations;
    void *context;
    struct id_source *ids;
    struct text incarnation;
    struct instant time; /* of the entry point that runs */
    int64_t started_at;
    struct link_refusal refusals[2];        /* by enum router_side */
    uint64_t ended_links[ENDED_LINKS_KEPT]; /* a ring: the latest that were given up */
    size_t ended_count;

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
    bool needs_sweep;    /* something in the store expires, was cleared, or is gone */
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

struct store_batch *router_batch(struct router *router); /* the open batch, made when needed */
bool router_batch_is_full(const struct router *router);
struct pending *router_pend(struct router *router, enum pending_kind kind); /* in the open batch */
struct question *router_ask(struct router *router, enum question_kind kind,
                            struct store_query *query);
struct slice router_encode(struct router *router, const struct bus_message *message); /* scratch */
/* The store has too many questions waiting: refuse this one. */
bool router_may_not_ask(const struct router *router);

#endif
