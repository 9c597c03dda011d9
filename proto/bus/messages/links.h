/* How a link begins: who is at its ends, and what all edges share. */
#ifndef PROTO_BUS_MESSAGES_LINKS_H
#define PROTO_BUS_MESSAGES_LINKS_H

#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- link handshake --------------------------------------------------------------------------- */

enum bus_role { BUS_ROLE_EDGE, BUS_ROLE_BRIDGE, BUS_ROLE_ROUTER };
struct bus_hello {
    uint64_t role; /* enum bus_role */
    struct slice incarnation;
    struct slice name;
    struct slice peer_address; /* of an edge, for relays; empty: none */
    struct slice program_version;
};

/* --- elements of lists ------------------------------------------------------------------------ */

struct bus_peer {
    struct slice incarnation;
    struct slice address; /* ZeroMQ endpoint for relays */
};

/* --- router to edge --------------------------------------------------------------------------- */

/* What all edges share; comes first on every link. */
struct bus_cluster {
    struct slice secret;   /* RECOVERY_SECRET_LENGTH bytes; empty: no socket can be recovered */
    bool has_closed_rooms; /* only their participants see them, see BUS.md, "Viewers" */
};
struct bus_peers {
    struct bus_list peers; /* bus_peer: every edge with a relay address */
};

#endif
