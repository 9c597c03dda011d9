/*
 * Bus messages: one enum, one struct per message, one table of their fields, and one codec that the
 * table drives. BUS.md is the grammar and the prose; this header is its C form.
 *
 * A message on the wire is a MessagePack array [type, trace, field, …] with the fields in the order
 * of the table. The decoder refuses unknown types, a wrong number of fields, a field of another
 * kind or over its bound; a frame's reader refuses bytes that remain. Decoded slices borrow from
 * the frame.
 */
#ifndef PROTO_BUS_MESSAGE_H
#define PROTO_BUS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/id.h"
#include "proto/base/slice.h"
#include "proto/base/msgpack.h"

enum {
    BUS_VERSION = 2,
    BUS_ID_MAX = USER_ID_MAX,          /* room, entity, message ids: bytes */
    BUS_NAME_MAX = 1024,               /* display names, addresses, short texts */
    BUS_PAYLOAD_MAX = 4 * 1024 * 1024, /* an opaque payload, or a list's bytes */
    BUS_FRAME_MAX = 8 * 1024 * 1024
};

/*
 * A list field: elements of one kind, kept encoded. Read it with bus_list_next(); build it with
 * bus_list_add() into a buffer and bus_list_of().
 */
struct bus_list {
    uint32_t count;
    struct slice elements; /* encoded elements, one after the other */
};

/* --- elements of lists ------------------------------------------------------------------------ */

struct bus_member {
    struct slice entity;
    struct slice name;
    uint64_t connections; /* sockets of this entity in the room */
};

enum { BUS_KIND_EVENT = 3 }; /* of the store's message kinds: what is shown under its own name */

struct bus_stored_message {
    struct slice id;
    uint64_t seq;
    uint64_t kind; /* enum message_kind of the store */
    int64_t created_at;
    struct slice sender;
    struct slice client_message_id;
    struct slice in_reply_to;
    struct slice body;
    uint64_t position;
};

/* A room that a recovered socket is in. */
struct bus_session_room {
    struct slice room;
    struct slice entity;
    struct slice name;
    uint64_t position; /* what came after it is to be replayed, unless the client has it */
    uint64_t stamp;    /* of the join: a client that has come so far has been told of it */
    bool was_replayed; /* the join had `since` */
};

struct bus_agent {
    struct slice id;
    struct slice name;
    struct slice details; /* raw JSON object */
};

struct bus_peer {
    struct slice incarnation;
    struct slice address; /* ZeroMQ endpoint for relays */
};

struct bus_text {
    struct slice text;
};

/* A record as it is listed; see router/store/record.h. */
struct bus_record_row {
    struct slice id;
    struct slice owner;
    uint64_t number;
    uint64_t revision;
    int64_t created_at;
    int64_t updated_at;
    int64_t expires_at;
    struct slice body;
};

struct bus_channel_row {
    struct slice id;
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice source_type;
    struct slice metadata; /* raw JSON object */
    int64_t created_at;
    int64_t updated_at;
};

struct bus_known_agent {
    struct slice id;
    struct slice name;
    struct slice bio;   /* the first line */
    uint64_t bridges;   /* that run it now */
    bool is_stopped;    /* it answers nothing until it is started */
    int64_t created_at; /* first registration */
    int64_t updated_at;
};

/* A job as the record of a run. */
struct bus_run_record {
    uint64_t job;
    struct slice room;
    struct slice question;
    struct slice reply;
    struct slice asker; /* empty when its question is gone */
    uint64_t state;     /* enum job_state of the store */
    int64_t created_at;
    int64_t finished_at; /* 0 while it runs */
    uint64_t attempts;
    struct slice error; /* wire name of why it failed; or empty */
};

/* A line that a process has logged. */
struct bus_log_line {
    int64_t at;     /* wall ms */
    uint64_t level; /* as ElizaOS numbers them: 20 debug, 30 info, 40 warn, 50 error */
    struct slice program;
    struct slice process; /* incarnation */
    struct slice agent;   /* name of the agent it is about; or empty */
    struct slice event;
    struct slice pairs; /* logfmt */
};

/* --- edge to router --------------------------------------------------------------------------- */

/* After (re)connecting: what this edge holds of a room. */
struct bus_room_sync {
    struct slice room;
    uint64_t epoch;
    uint64_t last_seq;       /* delivered to this edge's sockets so far */
    struct bus_list members; /* bus_member */
};
struct bus_sync_done {
    uint64_t rooms;
};

enum bus_since {
    BUS_SINCE_NOTHING,
    BUS_SINCE_SEQ,
    BUS_SINCE_ID,
    BUS_SINCE_TIME,
    BUS_SINCE_POSITION /* since_seq is one */
};

struct bus_join {
    uint64_t request;
    struct slice room;
    struct slice entity;
    struct slice name;
    struct slice server_id;
    uint64_t since; /* enum bus_since */
    uint64_t since_seq;
    uint64_t since_epoch; /* 0: any */
    int64_t since_time;
    struct slice since_id;
    struct slice socket; /* whose membership is kept for its recovery; empty: it is not kept */
    bool begins;         /* it is in no room: should nothing of it be kept, that begins here */
};
struct bus_leave {
    struct slice room;
    struct slice entity;
    bool is_explicit; /* the user meant it: no grace period */
    uint64_t silence; /* ms since the last sign of life of the socket */
    uint64_t request; /* of a join whose answer nobody waits for any more; 0: of a member */
};

struct bus_send {
    uint64_t request;
    struct slice room;
    struct slice sender;
    struct slice message_id; /* makes the send idempotent; '~' and a UUID: minted by the edge */
    struct slice server_id;
    bool asks_agent;               /* false: type MESSAGE, broadcast only */
    struct slice channel_type;     /* "DM", "GROUP" or empty: when the room is created by this */
    struct slice channel_metadata; /* raw JSON object or empty */
    struct slice body;             /* JSON members of the broadcast, see BUS.md */
};

enum bus_signal_kind { BUS_SIGNAL_TYPING, BUS_SIGNAL_THINKING, BUS_SIGNAL_CONTROL };

/* Passing events that nobody stores; both directions. */
struct bus_signal {
    struct slice room;
    uint64_t kind; /* enum bus_signal_kind */
    struct slice entity;
    bool is_on;          /* typing, thinking */
    struct slice action; /* control */
};
struct bus_receipt {
    uint64_t request;
    struct slice room;
    struct slice message_id;
    struct slice user;
    struct slice status;
};
struct bus_history {
    uint64_t request;
    struct slice room;
    uint64_t limit;
    int64_t before;
    int64_t after;
};
struct bus_members {
    uint64_t request;
    struct slice room;
    uint64_t offset;
    uint64_t limit;
};
struct bus_channel_put {
    uint64_t request;
    struct slice id; /* made unless it is there already; then it is answered as it is */
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice metadata; /* raw JSON object */
    struct slice source_type;
    struct bus_list participants; /* bus_text */
};

/* A socket that can be recovered has come into being. */
struct bus_session_open {
    struct slice socket;
    struct slice entity;
};
/* It has lost its transport, or (for good) the client has ended it. */
struct bus_session_end {
    struct slice socket;
    bool is_explicit;
};
/* A client wants to go on as that socket. */
struct bus_recover {
    uint64_t request;
    struct slice socket;
    struct slice subject; /* of the client's token: nobody else's socket is given to it; or empty */
};

/* Records: what REST keeps. The store decides, in the order of commits. */
struct bus_record_put {
    uint64_t request;
    struct slice collection;
    struct slice id;
    struct slice owner;
    uint64_t expected;  /* revision; 0: there is none yet; UINT64_MAX: any or none */
    int64_t expires_at; /* wall ms; 0: never */
    struct slice body;
};
struct bus_record_get {
    uint64_t request;
    struct slice collection;
    struct slice id;
};
struct bus_record_list {
    uint64_t request;
    struct slice collection;
    struct slice owner; /* empty: everybody's */
    uint64_t after;     /* number of a record; 0: from the first, or the last when descending */
    uint64_t limit;
    bool is_descending;
};
struct bus_record_delete {
    uint64_t request;
    struct slice collection;
    struct slice id;
};

struct bus_channel_get {
    uint64_t request;
    struct slice room;
    bool wants_participants;
};
/* What is empty stays as it is. The room is told with channelUpdated. */
struct bus_channel_change {
    uint64_t request;
    struct slice room;
    struct slice id; /* of the event: makes the change idempotent */
    struct slice name;
    struct slice metadata;
    bool sets_participants;
    struct bus_list participants; /* bus_text */
    struct slice added;           /* to the participants */
    struct slice removed;
};
struct bus_channel_list {
    uint64_t request;
    struct slice server_id;
    uint64_t before; /* what the page before said is next; 0: from the newest on */
    uint64_t limit;
};

enum bus_room_action {
    BUS_ROOM_TELLS,           /* nothing but the event */
    BUS_ROOM_DELETES_MESSAGE, /* message_id */
    BUS_ROOM_EDITS_MESSAGE,   /* message_id gets that body */
    BUS_ROOM_CLEARS,          /* all messages so far */
    BUS_ROOM_IS_DELETED
};
struct bus_room_event {
    uint64_t request;
    struct slice room;
    struct slice id; /* makes it idempotent */
    uint64_t action; /* enum bus_room_action */
    struct slice message_id;
    struct slice body;
    struct slice event; /* name, a space, JSON object; see BUS.md, "Events of a room" */
};
struct bus_message_get {
    uint64_t request;
    struct slice id;
};
struct bus_search {
    uint64_t request;
    struct slice room;   /* empty: all */
    struct slice sender; /* empty: all */
    struct slice text;   /* empty: all */
    int64_t after;
    int64_t before;
    uint64_t limit;
    uint64_t offset;
};
/* A message of an agent that runs elsewhere, under the id that it has given it. */
struct bus_submit {
    uint64_t request;
    struct slice room;
    struct slice id;
    struct slice sender;
    struct slice in_reply_to;
    struct slice server_id;
    struct slice body;
};
/* Is an agent still to answer that message? `done` says so with 0, or NOT_FOUND. */
struct bus_job_get {
    uint64_t request;
    struct slice room;
    struct slice question; /* message id */
};
struct bus_agents_get {
    uint64_t request;
    uint64_t after; /* so many of them are known already */
    uint64_t limit; /* 0: as many as fit */
};
struct bus_agent_get {
    uint64_t request;
    struct slice id;
};
/* The newest runs of an agent first. */
struct bus_runs_list {
    uint64_t request;
    struct slice agent;
    uint64_t job;        /* that one only; 0: all that the rest lets through */
    struct slice room;   /* empty: all */
    struct slice status; /* as STORE_QUERY_RUNS takes it; empty: all */
    int64_t after;       /* of their beginning, both bounds inclusive; 0: none */
    int64_t before;
    uint64_t limit;
    uint64_t offset;
};
struct bus_run_delete {
    uint64_t request;
    struct slice agent;
    uint64_t job; /* one that has ended */
};
/* What the agent was asked, and has answered; history_page answers, newest first. */
struct bus_agent_history {
    uint64_t request;
    struct slice agent;
    int64_t before; /* 0: from the newest on */
    uint64_t limit;
};
/* Rooms that somebody is noted in; channels_page answers. */
struct bus_rooms_of {
    uint64_t request;
    struct slice participant;
    uint64_t before; /* what the page before said is next; 0: from the newest on */
    uint64_t limit;
};
/* Lines of the sender, to the router; from there to edges that want them. */
struct bus_log_lines {
    struct bus_list lines; /* bus_log_line, oldest first */
};
struct bus_logs_watch {
    bool is_on;
};
/* What is kept of them, and, with `clears`, nothing any more. */
struct bus_logs_get {
    uint64_t request;
    int64_t since;      /* 0: all */
    uint64_t level;     /* that one only; 0: all */
    struct slice agent; /* empty: all */
    uint64_t limit;
    bool clears;
};
enum bus_agent_action {
    BUS_AGENT_STARTS,
    BUS_AGENT_STOPS,
    BUS_AGENT_IS_MADE, /* what follows is for the bridges that keep its character */
    BUS_AGENT_IS_CHANGED,
    BUS_AGENT_IS_DELETED
};
/* Answered when it is committed, or the bridges have done it. */
struct bus_agent_change {
    uint64_t request;
    struct slice id;
    uint64_t action;      /* enum bus_agent_action */
    struct slice details; /* MADE: the character, CHANGED: what is another; raw JSON object */
};
/* An entity is here again, as a new socket: which rooms was its last one in? */
struct bus_rejoin {
    uint64_t request;
    struct slice entity;
};

/* --- router to edge --------------------------------------------------------------------------- */

struct bus_joined {
    uint64_t request;
    int64_t error;
    struct slice room;
    uint64_t epoch;
    uint64_t last_seq; /* everything up to here was broadcast before this join */
    struct slice server_id;
    uint64_t member_count;
    struct bus_list members; /* bus_member, at most presence_limit */
    bool replay_complete;
    struct bus_list replay; /* bus_stored_message, oldest first */
    uint64_t position;      /* every message up to here was broadcast before this join */
    uint64_t stamp;         /* see BUS.md, "Recovery" */
    uint64_t changed_at;    /* stamp of the room's last change of presence */
};
/* Whether a message that asks will be answered; else why not. */
enum bus_answering {
    BUS_ANSWERED,
    BUS_UNANSWERED,               /* it is not known any more why */
    BUS_UNANSWERED_NO_AGENT,      /* no agent takes part in the channel */
    BUS_UNANSWERED_AWAY,          /* no bridge has been there for the agent grace */
    BUS_UNANSWERED_NOT_ADDRESSED, /* the agents answer when they are addressed, or never */
    BUS_UNANSWERED_OF_AGENT       /* an agent said it, and to no other agent that may answer */
};
/* The reason in a word for clients; empty: none is known. */
const char *bus_answering_reason(uint64_t answering);

struct bus_send_done {
    uint64_t request;
    int64_t error;
    struct slice message_id;
    uint64_t seq;
    uint64_t epoch;
    int64_t created_at;
    bool is_duplicate;
    uint64_t no_agent;    /* enum bus_answering: accepted, but nobody will answer */
    uint64_t jobs;        /* answers to come */
    uint64_t retry_after; /* ms, with ERROR_OVERLOADED */
};
struct bus_room_message {
    struct slice room;
    uint64_t epoch;
    uint64_t seq;
    struct slice id;
    uint64_t kind;
    int64_t created_at;
    struct slice sender;
    struct slice in_reply_to;
    struct slice asker;             /* of a reply: who sent the question */
    struct slice origin;            /* incarnation of the sending edge; empty: none */
    uint64_t origin_request;        /* that edge's bus_send.request */
    struct slice client_message_id; /* only when sent again from the store: the sender's own */
    struct slice body;
    uint64_t position; /* rises from message to message, over all rooms */
};
struct bus_presence {
    struct slice room;
    bool is_joined;
    struct slice entity;
    struct slice name;
    uint64_t member_count;
    uint64_t stamp;
};
/* Those whose grace period has passed in the same moment. */
struct bus_presence_left {
    struct slice room;
    struct bus_list members; /* bus_member */
    uint64_t member_count;   /* without them */
    uint64_t stamp;
};
/* Everybody who is in a room: an edge tells its sockets what they do not know yet. */
struct bus_presence_list {
    struct slice room;
    struct bus_list members; /* bus_member */
};
struct bus_chunk {
    struct slice room;
    struct slice reply; /* id of the message being written */
    struct slice question;
    struct slice agent;
    uint64_t
        index; /* of the attempt's chunks, from 0; with is_reset: of the last one it stands for */
    struct slice text;
    uint64_t attempt;
    uint64_t offset; /* bytes of this attempt's text that come before it */
    bool is_reset;   /* replaces all that was said of this reply before; its offset is 0 */
};

enum bus_run_state { BUS_RUN_STARTED, BUS_RUN_COMPLETED, BUS_RUN_FAILED, BUS_RUN_CANCELLED };

struct bus_run {
    struct slice room;
    uint64_t state; /* enum bus_run_state */
    struct slice agent;
    struct slice agent_name;
    struct slice question;
    struct slice reply;
    struct slice asker;
    struct slice server_id;
    struct slice reason;  /* FAILED: error code */
    struct slice partial; /* FAILED: the text of the reply, as far as it was written */
};
/* Somebody outside the room wants to follow a run: id of its question or its reply. */
struct bus_run_attach {
    uint64_t request;
    struct slice room;
    struct slice id;
};
struct bus_run_attached {
    uint64_t request;
    int64_t error;
    bool is_open;  /* it is going on: what comes of it comes to this edge too */
    bool no_agent; /* nobody was there to answer */
    struct slice question;
    struct slice reply; /* when it is over and `id` was the reply's */
    int64_t created_at; /* of the message with that id; of the question when it is open */
    struct slice body;  /* of that reply */
};
/* Answered by `done`; ERROR_NOT_FOUND: nothing of that id is going on. */
struct bus_run_stop {
    uint64_t request;
    struct slice room;
    struct slice id;
};
/* An edge with runs from before an outage asks which of a room are still going on. */
struct bus_runs_wanted {
    struct slice room;
};
/* The answer, when it has got all messages that it had missed. */
struct bus_runs {
    struct slice room;
    struct bus_list replies; /* bus_text: ids of the replies to come */
};
/* Somebody who asked is back, and none of its questions is being answered any more. */
struct bus_input {
    struct slice room;
    struct slice entity;
    struct slice agent;
};
struct bus_receipt_note {
    struct slice room;
    struct slice message_id;
    struct slice author;
    struct slice user;
    struct slice status;
};
struct bus_done {
    uint64_t request;
    int64_t error;
};
struct bus_history_page {
    uint64_t request;
    int64_t error;
    uint64_t epoch;
    struct slice server_id;
    struct bus_list messages; /* bus_stored_message, newest first */
};
struct bus_members_page {
    uint64_t request;
    int64_t error;
    uint64_t total;
    struct bus_list members; /* bus_member */
};
struct bus_channel {
    uint64_t request;
    int64_t error;
    struct slice id;
    uint64_t epoch;
    struct slice server_id;
    struct slice name;
    struct slice type;
    struct slice source_type;
    struct slice metadata;
    int64_t created_at;
    int64_t updated_at;
    struct bus_list participants; /* bus_text */
};
struct bus_peers {
    struct bus_list peers; /* bus_peer: every edge with a relay address */
};
/* What all edges share; comes first on every link. */
struct bus_cluster {
    struct slice secret; /* RECOVERY_SECRET_LENGTH bytes */
};
/* This edge has been sent all that its rooms were behind: what comes now comes in order. */
struct bus_caught_up {
    uint64_t position;
};
/* This edge knows again who is in its rooms, as of this stamp. */
struct bus_settled {
    uint64_t stamp;
};
struct bus_recovered {
    uint64_t request;
    int64_t error; /* not a session, ended too long ago, or no store: nothing is recovered */
    struct slice entity;
    struct bus_list rooms; /* bus_session_room */
};
struct bus_rejoined {
    uint64_t request;
    int64_t error;
    struct bus_list rooms; /* bus_session_room: position = where its replay is to begin */
};
/* A socket of this edge goes on elsewhere. */
struct bus_session_taken {
    struct slice socket;
};
/* Answers record_put (without body) and record_get. */
struct bus_record {
    uint64_t request;
    int64_t error; /* CONFLICT: another revision is there */
    struct slice id;
    struct slice owner;
    uint64_t number;
    uint64_t revision;
    int64_t created_at;
    int64_t updated_at;
    int64_t expires_at;
    struct slice body;
};
struct bus_records_page {
    uint64_t request;
    int64_t error;
    uint64_t total; /* of the collection, with those that have expired and are not swept yet */
    bool is_complete;
    struct bus_list records; /* bus_record_row */
};
struct bus_channels_page {
    uint64_t request;
    int64_t error;
    uint64_t next;            /* 0: these are the last */
    struct bus_list channels; /* bus_channel_row, newest first */
};
struct bus_agents_page {
    uint64_t request;
    int64_t error;
    uint64_t total;  /* of all pages */
    uint64_t active; /* of these: not stopped, and a bridge runs them */
    bool is_complete;
    struct bus_list agents; /* bus_known_agent, in order of first registration */
};
struct bus_logs_page {
    uint64_t request;
    int64_t error;
    uint64_t total;        /* that are kept */
    struct bus_list lines; /* bus_log_line, oldest first */
};
struct bus_runs_page {
    uint64_t request;
    int64_t error;
    uint64_t total; /* of those looked at, which are the newest ones */
    bool is_complete;
    struct bus_list runs; /* bus_run_record */
};
struct bus_agent_state {
    uint64_t request;
    int64_t error;
    struct slice id;
    struct slice name;
    uint64_t bridges;
    bool is_stopped;
    int64_t created_at;
    int64_t updated_at;
    struct slice details; /* raw JSON object */
    struct slice reason;  /* of an error, for people; or empty */
};

/* --- bridge to router ------------------------------------------------------------------------- */

struct bus_register_agents {
    uint64_t credit;        /* jobs this bridge works on at once */
    struct bus_list agents; /* bus_agent; the first one is a candidate for default agent */
};
/* Between registrations: agents that are new or have changed, and ids of those that are gone. */
struct bus_offer {
    struct bus_list agents; /* bus_agent */
};
struct bus_withdraw {
    struct bus_list agents; /* bus_text */
};
struct bus_work_chunk {
    uint64_t job;
    uint64_t attempt;
    uint64_t index;
    struct slice text;
};
/* What became of a character_change; what has changed was offered or withdrawn before. */
struct bus_character_changed {
    uint64_t change;
    int64_t error; /* FORBIDDEN: this bridge keeps no characters */
    struct slice reason;
};
struct bus_work_done {
    uint64_t job;
    uint64_t attempt;
    struct slice body; /* JSON members of the reply's broadcast */
};
struct bus_work_failed {
    uint64_t job;
    uint64_t attempt;
    int64_t error;
};

/* --- router to bridge ------------------------------------------------------------------------- */

struct bus_registered {
    uint64_t agents;
};
struct bus_work {
    uint64_t job;
    uint64_t attempt;
    struct slice room;
    struct slice server_id;
    struct slice agent;
    struct slice question; /* message id */
    struct slice reply;    /* message id of the answer */
    struct slice sender;
    int64_t created_at;
    uint64_t backlog;  /* questions waiting behind this one in the room */
    struct slice body; /* of the question */
};
struct bus_character_change {
    uint64_t change;
    uint64_t action; /* enum bus_agent_action, from MADE on */
    struct slice agent;
    struct slice details;
};
struct bus_work_cancel {
    uint64_t job;
    uint64_t attempt;
};

/* --- edge to edge ----------------------------------------------------------------------------- */

enum bus_relay_method { BUS_RELAY_GET, BUS_RELAY_POST };

struct bus_relay_request {
    uint64_t request;
    uint64_t method;   /* enum bus_relay_method */
    uint64_t revision; /* of Engine.IO */
    struct slice sid;
    struct slice body;
};
struct bus_relay_response {
    uint64_t request;
    uint64_t status; /* HTTP */
    struct slice content_type;
    struct slice body;
};
struct bus_relay_gone {
    uint64_t request; /* the client left before the answer */
};
struct bus_relay_recall {
    uint64_t request; /* answer it soon: the edge in between is leaving */
};

/*
 * A session on its way to the edge that its WebSocket reached, see BUS.md, "Moves". `move` is a
 * random number given by that edge; `number` counts what its sender has said of this move, from 1.
 */
struct bus_move_begin {
    uint64_t move;
    uint64_t number;
    struct slice edge; /* incarnation of the sender */
    struct slice sid;
    uint64_t revision; /* of Engine.IO */
};
/* Both ways: what the client says, and packets for it. */
struct bus_move_data {
    uint64_t move;
    uint64_t number;
    bool is_binary;
    struct slice bytes;
};
/* Whether what the client says is to be held back; the same back when it is. */
struct bus_move_hold {
    uint64_t move;
    uint64_t number;
    bool is_on;
};
struct bus_move_state {
    uint64_t move;
    uint64_t number;
    struct slice state; /* edge/session/handover.h */
};
struct bus_move_end {
    uint64_t move;
    uint64_t number;
    bool is_complete;   /* the session has moved; else its WebSocket is gone, or is to be closed */
    uint64_t code;      /* to close it with, RFC 6455 */
    struct slice state; /* complete: as it is now */
};
/* To the router, behind the joins of a session that moves; it passes the mark on to that edge. */
struct bus_mark {
    uint64_t request;
    struct slice edge; /* incarnation */
    uint64_t move;
};
/* From the router: what it sent this edge before this was before the joins. */
struct bus_marked {
    uint64_t move;
};

/* --- link handshake --------------------------------------------------------------------------- */

enum bus_role { BUS_ROLE_EDGE, BUS_ROLE_BRIDGE, BUS_ROLE_ROUTER };

struct bus_hello {
    uint64_t role; /* enum bus_role */
    struct slice incarnation;
    struct slice name;
    struct slice peer_address; /* of an edge, for relays; empty: none */
    struct slice program_version;
};

/* X(enum name, member and struct name, number): the numbers are the wire's. */
#define BUS_MESSAGES(X)                                                                            \
    X(HELLO, hello, 1)                                                                             \
    X(ROOM_SYNC, room_sync, 10)                                                                    \
    X(SYNC_DONE, sync_done, 11)                                                                    \
    X(JOIN, join, 12)                                                                              \
    X(LEAVE, leave, 13)                                                                            \
    X(SEND, send, 14)                                                                              \
    X(SIGNAL, signal, 15)                                                                          \
    X(RECEIPT, receipt, 16)                                                                        \
    X(HISTORY, history, 17)                                                                        \
    X(MEMBERS, members, 18)                                                                        \
    X(CHANNEL_PUT, channel_put, 19)                                                                \
    X(SESSION_OPEN, session_open, 20)                                                              \
    X(SESSION_END, session_end, 21)                                                                \
    X(RECOVER, recover, 22)                                                                        \
    X(REJOIN, rejoin, 23)                                                                          \
    X(RECORD_PUT, record_put, 32)                                                                  \
    X(RECORD_GET, record_get, 33)                                                                  \
    X(RECORD_LIST, record_list, 34)                                                                \
    X(RECORD_DELETE, record_delete, 35)                                                            \
    X(CHANNEL_GET, channel_get, 36)                                                                \
    X(CHANNEL_CHANGE, channel_change, 37)                                                          \
    X(CHANNEL_LIST, channel_list, 38)                                                              \
    X(ROOM_EVENT, room_event, 39)                                                                  \
    X(JOINED, joined, 40)                                                                          \
    X(SEND_DONE, send_done, 41)                                                                    \
    X(ROOM_MESSAGE, room_message, 42)                                                              \
    X(PRESENCE, presence, 43)                                                                      \
    X(CHUNK, chunk, 44)                                                                            \
    X(RUN, run, 45)                                                                                \
    X(RECEIPT_NOTE, receipt_note, 46)                                                              \
    X(DONE, done, 47)                                                                              \
    X(HISTORY_PAGE, history_page, 48)                                                              \
    X(MEMBERS_PAGE, members_page, 49)                                                              \
    X(CHANNEL, channel, 50)                                                                        \
    X(PEERS, peers, 51)                                                                            \
    X(PRESENCE_LIST, presence_list, 52)                                                            \
    X(CLUSTER, cluster, 53)                                                                        \
    X(CAUGHT_UP, caught_up, 54)                                                                    \
    X(SETTLED, settled, 55)                                                                        \
    X(RECOVERED, recovered, 56)                                                                    \
    X(SESSION_TAKEN, session_taken, 57)                                                            \
    X(REJOINED, rejoined, 58)                                                                      \
    X(RECORD, record, 63)                                                                          \
    X(RECORDS_PAGE, records_page, 64)                                                              \
    X(CHANNELS_PAGE, channels_page, 65)                                                            \
    X(AGENTS_PAGE, agents_page, 66)                                                                \
    X(PRESENCE_LEFT, presence_left, 67)                                                            \
    X(RUNS, runs, 100)                                                                             \
    X(INPUT, input, 101)                                                                           \
    X(RUNS_WANTED, runs_wanted, 102)                                                               \
    X(RUN_ATTACH, run_attach, 103)                                                                 \
    X(RUN_ATTACHED, run_attached, 104)                                                             \
    X(RUN_STOP, run_stop, 105)                                                                     \
    X(REGISTER, register_agents, 70)                                                               \
    X(WORK_CHUNK, work_chunk, 71)                                                                  \
    X(WORK_DONE, work_done, 72)                                                                    \
    X(WORK_FAILED, work_failed, 73)                                                                \
    X(OFFER, offer, 74)                                                                            \
    X(WITHDRAW, withdraw, 75)                                                                      \
    X(REGISTERED, registered, 80)                                                                  \
    X(WORK, work, 81)                                                                              \
    X(WORK_CANCEL, work_cancel, 82)                                                                \
    X(RELAY_REQUEST, relay_request, 90)                                                            \
    X(RELAY_RESPONSE, relay_response, 91)                                                          \
    X(RELAY_RECALL, relay_recall, 26)                                                              \
    X(RELAY_GONE, relay_gone, 92)                                                                  \
    X(MOVE_BEGIN, move_begin, 93)                                                                  \
    X(MOVE_DATA, move_data, 94)                                                                    \
    X(MOVE_HOLD, move_hold, 95)                                                                    \
    X(MOVE_STATE, move_state, 96)                                                                  \
    X(MOVE_END, move_end, 97)                                                                      \
    X(MARK, mark, 98)                                                                              \
    X(MARKED, marked, 99)                                                                          \
    X(MESSAGE_GET, message_get, 110)                                                               \
    X(SEARCH, search, 111)                                                                         \
    X(SUBMIT, submit, 112)                                                                         \
    X(JOB_GET, job_get, 114)                                                                       \
    X(AGENTS_GET, agents_get, 113)                                                                 \
    X(AGENT_GET, agent_get, 126)                                                                   \
    X(AGENT_STATE, agent_state, 127)                                                               \
    X(AGENT_CHANGE, agent_change, 128)                                                             \
    X(RUNS_LIST, runs_list, 129)                                                                   \
    X(RUNS_PAGE, runs_page, 130)                                                                   \
    X(RUN_DELETE, run_delete, 131)                                                                 \
    X(AGENT_HISTORY, agent_history, 132)                                                           \
    X(ROOMS_OF, rooms_of, 133)                                                                     \
    X(LOG_LINES, log_lines, 134)                                                                   \
    X(LOGS_WATCH, logs_watch, 135)                                                                 \
    X(LOGS_GET, logs_get, 136)                                                                     \
    X(LOGS_PAGE, logs_page, 137)                                                                   \
    X(CHARACTER_CHANGE, character_change, 138)                                                     \
    X(CHARACTER_CHANGED, character_changed, 139)

enum bus_type {
#define X(name, member, number) BUS_##name = (number),
    BUS_MESSAGES(X)
#undef X
};

struct bus_message {
    enum bus_type type;
    uint64_t trace; /* follows one client event through the cluster's logs; 0: none */
    union {
#define X(name, member, number) struct bus_##member member;
        BUS_MESSAGES(X)
#undef X
    };
};

/* Appends the encoded message. What we encode ourselves is within bounds: asserted. */
void bus_encode(struct buffer *out, const struct bus_message *message);
/* Reads one message; 0 or ERROR_BUS_MALFORMED. */
int bus_decode(struct msgpack_reader *reader, struct bus_message *message);
const char *bus_type_name(enum bus_type type);

/* Lists: one add/next pair per kind of element. */
enum bus_element {
    BUS_ELEMENT_MEMBER,
    BUS_ELEMENT_STORED,
    BUS_ELEMENT_AGENT,
    BUS_ELEMENT_PEER,
    BUS_ELEMENT_TEXT,
    BUS_ELEMENT_SESSION_ROOM,
    BUS_ELEMENT_RECORD,
    BUS_ELEMENT_CHANNEL,
    BUS_ELEMENT_KNOWN_AGENT,
    BUS_ELEMENT_RUN,
    BUS_ELEMENT_LOG_LINE
};

/* A list under construction; owns its buffer. */
struct bus_list_builder {
    struct buffer bytes;
    uint32_t count;
};
void bus_list_add(struct bus_list_builder *builder, enum bus_element kind, const void *element);
static inline struct bus_list bus_list_of(const struct bus_list_builder *builder)
{
    return (struct bus_list){builder->count, buffer_slice(&builder->bytes)};
}
/* Walks a list that bus_decode() accepted; every element was checked there. */
struct msgpack_reader bus_list_read(const struct bus_list *list);
bool bus_list_next(struct msgpack_reader *reader, enum bus_element kind, void *element);

#endif
