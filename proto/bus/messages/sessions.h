/* Sockets that can be recovered; see BUS.md, "Recovery". */
#ifndef PROTO_BUS_MESSAGES_SESSIONS_H
#define PROTO_BUS_MESSAGES_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

/* A room that a recovered socket is in. */
struct bus_session_room {
    struct slice room;
    struct slice entity;
    struct slice name;
    uint64_t position; /* what came after it is to be replayed, unless the client has it */
    uint64_t stamp;    /* of the join: a client that has come so far has been told of it */
    bool was_replayed; /* the join had `since` */
};

/* --- edge to router --------------------------------------------------------------------------- */

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
/* Its join there was given up: what is kept of it is to be without that room. */
struct bus_session_leave {
    uint64_t request;
    struct slice socket;
    struct slice room;
};
/* A client wants to go on as that socket. */
struct bus_recover {
    uint64_t request;
    struct slice socket;
    struct slice subject; /* of the client's token: nobody else's socket is given to it; or empty */
};
/* An entity is here again, as a new socket: which rooms was its last one in? */
struct bus_rejoin {
    uint64_t request;
    struct slice entity;
};

/* --- router to edge --------------------------------------------------------------------------- */

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

#endif
