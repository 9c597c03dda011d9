/*
 * Edge to edge: a polling request whose session lives on another edge makes one hop there and its
 * answer one hop back. Pure; the sockets are the caller's.
 *
 * The router tells every edge the relay addresses of all edges (PEERS). A relay is one frame each
 * way, not repeated: HTTP clients repeat by themselves, and a lost answer must not be told twice.
 *
 * Implements: BUS.md, "Relays"; the frames of "Moves", which are move.h's, pass through here.
 */
#ifndef EDGE_PEER_H
#define EDGE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/engineio_http.h"
#include "edge/session/session.h"
#include "proto/bus/message.h"

struct peers;

struct peers_settings {
    struct slice incarnation; /* of this edge; borrowed */
    int64_t deadline; /* ms until a relayed request without answer fails: above the longest poll */
    int64_t relays_max; /* under way at once, each direction */
};

struct peers_operations {
    /* Makes frames to this incarnation possible, or ends that. */
    void (*connect)(void *context, struct slice incarnation, struct slice address);
    void (*disconnect)(void *context, struct slice incarnation);
    bool (*transmit)(void *context, struct slice incarnation, struct slice header,
                     struct slice body);
    /* The way back to the edge that asked. */
    bool (*answer)(void *context, struct slice routing_id, struct slice header, struct slice body);
    /* A request for a session of this edge: answer through the exchange. */
    void (*serve)(void *context, const struct relay_request *request,
                  struct poll_exchange *exchange, int64_t now);
    /* The client of a request that is being served has left. */
    void (*gone)(void *context, struct poll_exchange *exchange, int64_t now);
    /* Answer that request soon, if it is parked. */
    void (*recall)(void *context, struct poll_exchange *exchange, int64_t now);
    /* A message about a move; routing_id is empty when it answers one of ours. */
    void (*move)(void *context, struct slice routing_id, const struct bus_message *message,
                 int64_t now);
};

struct peers *peers_new(const struct peers_settings *settings,
                        const struct peers_operations *operations, void *context);
void peers_destroy(struct peers **peers, int64_t now);

/*
 * What the router said about the edges of the cluster. An edge it does not list is gone; but after
 * peers_unsettle(), to be called when a link to it was opened, it may lack some for a moment.
 */
void peers_unsettle(struct peers *peers, int64_t now);
void peers_update(struct peers *peers, const struct bus_peers *list, int64_t now);
/*
 * Relays a request to the edge that owns the session. False: no such edge (answer "Session ID
 * unknown"), or too many relays under way. On true the exchange is answered later, once. It is held
 * for up to two seconds when there is no way to the owner yet.
 */
bool peers_relay(struct peers *peers, const struct relay_request *request,
                 struct poll_exchange *exchange, int64_t now);
/* The client of a relayed request left: no-op when the exchange is not one. */
void peers_exchange_gone(struct peers *peers, struct poll_exchange *exchange);

/*
 * This edge is leaving: asks for the answers of what is relayed, each once. Wait until
 * peers_counters()->waiting is 0.
 */
void peers_recall(struct peers *peers);

/* Is there an edge of that incarnation (or the one that a session id begins with)? */
bool peers_knows(struct peers *peers, struct slice incarnation);
/* A message of a move, to an edge or as an answer to one. False: it does not go out. */
bool peers_send(struct peers *peers, struct slice incarnation, const struct bus_message *message);
bool peers_answer(struct peers *peers, struct slice routing_id, const struct bus_message *message);

/* A frame from another edge: routing_id empty when it answers one of ours. */
void peers_receive(struct peers *peers, struct slice routing_id, struct slice frame, int64_t now);
void peers_tick(struct peers *peers, int64_t now);

struct peers_counters {
    uint64_t relayed, served, failed, frames_refused;
    size_t peers, waiting; /* now */
};
const struct peers_counters *peers_counters(struct peers *peers);

#endif
