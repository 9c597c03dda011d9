/* What is said in rooms: messages, what passes without being kept, and history. */
#ifndef PROTO_BUS_MESSAGES_CHAT_H
#define PROTO_BUS_MESSAGES_CHAT_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

enum { BUS_KIND_EVENT = 3 }; /* of the store's message kinds: what is shown under its own name */

/* --- elements of lists ------------------------------------------------------------------------ */

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

/* --- edge to router --------------------------------------------------------------------------- */

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

/* --- router to edge --------------------------------------------------------------------------- */

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
struct bus_receipt_note {
    struct slice room;
    struct slice message_id;
    struct slice author;
    struct slice user;
    struct slice status;
};
struct bus_history_page {
    uint64_t request;
    int64_t error;
    uint64_t epoch;
    struct slice server_id;
    struct slice channel_type; /* empty: of no room in particular */
    struct bus_list messages;  /* bus_stored_message, newest first */
};

#endif
