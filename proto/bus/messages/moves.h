/* Edge to edge: polls that are relayed, sessions that move. See BUS.md, "Relays" and "Moves". */
#ifndef PROTO_BUS_MESSAGES_MOVES_H
#define PROTO_BUS_MESSAGES_MOVES_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"

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

/* --- edge to router --------------------------------------------------------------------------- */

/* To the router, behind the joins of a session that moves; it passes the mark on to that edge. */
struct bus_mark {
    uint64_t request;
    struct slice edge; /* incarnation */
    uint64_t move;
};

/* --- router to edge --------------------------------------------------------------------------- */

/* From the router: what it sent this edge before this was before the joins. */
struct bus_marked {
    uint64_t move;
};

#endif
