/*
 * A simulated edge: uplink, chat, sessions, relays and moves as edge/main.c puts them together,
 * with connections in memory below the sessions (connection.h).
 *
 *   actor_edge.c   the process      actor_edge_peers.c   frames between edges
 */
#ifndef TESTS_SIM_ACTOR_EDGE_H
#define TESTS_SIM_ACTOR_EDGE_H

#include "edge/chat/chat.h"
#include "edge/drain.h"
#include "edge/move.h"
#include "edge/peer.h"
#include "edge/rest/rest.h"
#include "edge/session/session.h"
#include "edge/uplink.h"
#include "tests/sim/actor.h"
#include "tests/sim/network.h"

enum { EDGES_MAX = 4 };

struct askers;
struct connection;

struct actor_edge_settings {
    struct session_settings session;
    struct uplink_settings uplink;
    struct chat_settings chat; /* name and incarnation are given at the start */
    int64_t drain_timeout;
    int64_t isolation_timeout; /* 0: never */
    struct rest_settings rest;
};

struct actor_edge {
    struct actor actor; /* first */
    const struct actor_edge_settings *settings;
    struct channel *channel;
    struct actor_edge *all; /* borrows: the edges, and how many */
    size_t count;
    struct connection **connections; /* borrows: all that ever were */
    struct askers *askers;           /* borrows: who asks over HTTP */
    struct chat *chat;               /* these six: owns while it runs */
    struct rest *rest;
    struct session_table *sessions;
    struct uplink *uplink;
    struct peers *peers;
    struct moves *moves;
    int64_t peer_arrival[EDGES_MAX]; /* of the last frame to each: the order is kept */
    int64_t stop_deadline;
    struct drain drain;
    struct isolation isolation;
    uint64_t links;     /* opened in this life */
    int64_t linked_at;  /* world's time of the last one */
    uint64_t moved;     /* sessions that came from other edges, in all lives */
    bool dies_silently; /* when killed: its clients are not told */
};

extern const struct actor_class actor_edge_class;

/* What the network hands to an edge. */
void actor_edge_receive(struct actor *actor, struct slice frame);
extern const struct peers_operations actor_edge_peers_operations;
/* It runs and takes connections. */
bool actor_edge_accepts(const struct actor_edge *edge);

#endif
