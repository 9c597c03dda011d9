/*
 * Who is in a room: what an edge says of its sockets, what it is told of the others, and how both
 * are brought together again after an outage.
 */
#ifndef PROTO_BUS_MESSAGES_PRESENCE_H
#define PROTO_BUS_MESSAGES_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

struct bus_member {
    struct slice entity;
    struct slice name;
    uint64_t connections; /* sockets of this entity in the room */
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
    bool is_last; /* its edge keeps nothing of the room any more, what is written there neither */
};
struct bus_members {
    uint64_t request;
    struct slice room;
    uint64_t offset;
    uint64_t limit;
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
/* It takes part in the room no more: all of the room that goes to that entity ends. */
struct bus_expelled {
    struct slice room;
    struct slice entity;
};
/* Everybody who is in a room: an edge tells its sockets what they do not know yet. */
struct bus_presence_list {
    struct slice room;
    struct bus_list members; /* bus_member */
};
struct bus_members_page {
    uint64_t request;
    int64_t error;
    uint64_t total;
    struct bus_list members; /* bus_member */
};
/* This edge has been sent all that its rooms were behind: what comes now comes in order. */
struct bus_caught_up {
    uint64_t position;
};
/* This edge knows again who is in its rooms, as of this stamp. */
struct bus_settled {
    uint64_t stamp;
};

#endif
