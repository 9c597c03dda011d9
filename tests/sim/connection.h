/*
 * A connection between a client and the cluster, in memory: a WebSocket to an edge, ordered both
 * ways like TCP, each side of which learns of its end by itself and maybe late; or requests to any
 * edge (polling.h), until it is upgraded. It may be choked (the client reads nothing) or lost
 * (nothing passes any more and nobody is told).
 */
#ifndef TESTS_SIM_CONNECTION_H
#define TESTS_SIM_CONNECTION_H

#include "edge/session/session.h"
#include "tests/sim/actor_edge.h"

struct connection;
struct polling;

/* The client's side of it. The connection stays valid until the world ends. */
struct connection_peer {
    void (*received)(void *context, struct connection *connection, struct slice packet);
    /*
     * For the oracle: from now on nothing arrives that is said on it, although this side does not
     * know yet. `doubt`: how much earlier its last sign of life may count, ms.
     */
    void (*severed)(void *context, struct connection *connection, int64_t doubt);
    void (*closed)(void *context, struct connection *connection);
};

struct connection {
    struct websocket websocket; /* first */
    struct world *world;
    struct actor_edge *edge;        /* borrows: the one that owns the session, as a rule */
    struct actor_edge *former_edge; /* borrows: from which it has moved; or NULL */
    uint64_t edge_life;
    struct polling *polling;         /* owns; NULL: a WebSocket */
    char sid[SESSION_ID_LENGTH + 1]; /* of a WebSocket: the session it takes over, or empty */
    bool takes_offsets; /* the client's library stands another argument behind those of an event */
    const struct connection_peer *peer;
    void *context;
    bool is_open_at_edge;
    bool is_open_at_client;
    int64_t opened_at;
    bool is_lost;
    bool is_cut;
    bool has_choked; /* the edge was told so and waits for room */
    int64_t choked_until;
    int64_t last_to_edge; /* arrival times: the order is kept */
    int64_t last_to_client;
    struct connection *next; /* of all that ever were */
};

/* Connects to an edge. *all: the list that owns them; free it with connections_destroy(). */
struct connection *connection_open(struct connection **all, struct actor_edge *edge,
                                   bool takes_offsets, const struct connection_peer *peer,
                                   void *context);
/* By polling, to any of these edges, and then upgraded or not. */
struct connection *connection_open_polling(struct connection **all, struct actor_edge *edges,
                                           size_t edge_count, bool takes_offsets, bool is_upgraded,
                                           const struct connection_peer *peer, void *context);
/* A WebSocket for that session. */
struct connection *connection_open_upgrade(struct connection **all, struct actor_edge *edge,
                                           struct slice sid, const struct connection_peer *peer,
                                           void *context);
void connections_destroy(struct connection **all);
/* For the oracle: an edge may have ended sessions whose clients hear of it when they poll. */
void connections_look(struct connection *all, const struct actor_edge *edge);
/* An edge is about to end. */
void connections_edge_ends(struct connection *all, struct actor_edge *edge);
/* How much earlier than it seems its last sign of life may count, ms. */
int64_t connection_doubt(const struct connection *connection);

/* One text message from the client. */
void connection_send(struct connection *connection, struct slice text);
/* The client ends it. */
void connection_close(struct connection *connection);
/* Its end for both sides, who learn of it one after the other. */
void connection_cut(struct connection *connection);
/* Nothing passes any more. */
void connection_lose(struct connection *connection);
void connection_choke(struct connection *connection, int64_t duration);

#endif
