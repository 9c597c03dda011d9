/*
 * What the store keeps, as plain records. Slices borrow from whoever hands the record over and are
 * valid for that call, or as long as the page or batch that carries them.
 */
#ifndef ROUTER_STORE_RECORD_H
#define ROUTER_STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/id.h"
#include "proto/base/slice.h"

/* A room (the API's channel). `number` is the store's short name for it, given by the router. */
struct room_record {
    uint64_t number; /* > 0, never reused */
    struct slice id;
    uint64_t epoch;         /* names this line of sequence numbers; < 2^53 */
    struct slice server_id; /* message server */
    struct slice name;
    struct slice type; /* "DM", "GROUP", … */
    struct slice source_type;
    struct slice metadata; /* raw JSON object */
    bool has_participants; /* made with a participant list of its own: it decides who answers */
    int64_t created_at;    /* wall ms */
    int64_t updated_at;
    int64_t deleted_at; /* 0: it is there; else its number and sequence wait for a next life */
    uint64_t last_seq;  /* when loaded: the highest committed sequence number, 0 for none */
    int64_t last_at;    /* when loaded: created_at of that message */
};

/*
 * An event is what happened to the room or to a message of it (BUS.md, "Events of a room"): it has
 * its place in the order and is replayed like a message, but is none in history.
 */
enum message_kind {
    MESSAGE_KIND_USER = 0,
    MESSAGE_KIND_AGENT = 1,
    MESSAGE_KIND_UNANSWERED = 2, /* a user's that asked when nobody was there to answer */
    MESSAGE_KIND_EVENT = 3
};

struct message_record {
    uint64_t room; /* room_record.number */
    uint64_t seq;  /* > 0, rises within the room, gaps are allowed */
    struct slice id;
    enum message_kind kind;
    struct slice sender;
    struct slice client_message_id; /* empty: the client chose none */
    struct slice in_reply_to;       /* id of the question; empty: none */
    int64_t created_at;             /* wall ms, never falls within a room */
    uint64_t position; /* rises over all rooms in the order of commits; 0: an old one */
    struct slice body; /* opaque: the JSON members of the broadcast, see BUS.md */
};

enum job_state { JOB_OPEN = 0, JOB_DONE = 1, JOB_FAILED = 2, JOB_CANCELLED = 3 };

/* Work for an agent: one per (question, agent). It stays, as the record of a run. */
struct job_record {
    uint64_t number; /* > 0, rises with the order of the questions */
    uint64_t room;
    uint64_t question_seq;
    struct slice question; /* message id */
    struct slice agent;
    struct slice reply;      /* id the final reply will have */
    struct slice asker_edge; /* incarnation of the edge the question came from */
    enum job_state state;
    int64_t created_at;
    int64_t finished_at; /* 0 while open */
    uint64_t attempts;   /* bridges that were given it; 0 while open */
    struct slice error;  /* wire name of why it failed; or empty */
};

/* What is asked about a job beside its row. */
struct run_record {
    struct job_record job;
    struct slice room_id;
    struct slice asker; /* empty when the question is gone */
};

/* A socket that can be recovered. */
struct session_record {
    struct slice id; /* of the socket */
    struct slice entity;
    struct slice edge;   /* incarnation of the edge that has it, or had it last */
    struct slice former; /* that of the edge that had it alive when it was claimed; or empty */
    int64_t ended_at;    /* wall ms; 0: it lives */
};

/* A room that such a socket is in. */
struct membership_record {
    struct slice session;
    struct slice room; /* id: a room in which nothing was said has no number that lasts */
    struct slice entity;
    struct slice name;
    uint64_t position; /* what came after it is this member's */
    uint64_t stamp;
    bool was_replayed; /* the join had `since` */
};

enum {
    RECORD_COLLECTION_MAX = 32,   /* bytes of a collection's name */
    RECORD_BODY_MAX = 512 * 1024, /* bytes */
    RECORDS_MAX = 1000000,        /* of one collection */
    RECORD_REVISION_NONE = 0,     /* expected: there is none yet */
};
#define RECORD_REVISION_ANY UINT64_MAX /* expected: whatever is there */

/*
 * What the REST API keeps beside rooms and messages (message servers, sessions, jobs, …): opaque to
 * router and store, found by (collection, id), listed by collection or by (collection, owner).
 */
struct named_record {
    struct slice collection;
    struct slice id;
    struct slice owner; /* what it is listed by; or empty */
    struct slice body;  /* raw JSON */
    uint64_t number;    /* when read: rises with creation, names a place to page on from */
    uint64_t revision;  /* when read: 1, and one more with each replacement */
    int64_t created_at; /* wall ms */
    int64_t updated_at;
    int64_t expires_at; /* wall ms: gone from then on; 0: never */
};

enum agent_state { AGENT_SERVES = 0, AGENT_STOPPED = 1, AGENT_DELETED = 2 };

struct agent_record {
    struct slice id;
    struct slice name;
    struct slice details; /* raw JSON object as the bridge registered it */
    enum agent_state state;
    int64_t created_at; /* first registration; a replacement keeps it */
    int64_t updated_at;
};

#endif
