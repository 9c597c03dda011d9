/*
 * The ZeroMQ side of peer.h: a ROUTER that other edges connect to, and one DEALER per other edge.
 */
#ifndef EDGE_PEER_SOCKETS_H
#define EDGE_PEER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include "edge/peer.h"

struct peer_sockets;
struct uv_loop_s;

/* Binds endpoint. Frames go to peers_receive(). NULL and a reason when that fails. */
struct peer_sockets *peer_sockets_new(struct uv_loop_s *loop, const char *endpoint, char *reason,
                                      size_t reason_size);
void peer_sockets_set_peers(struct peer_sockets *sockets, struct peers *peers);
const char *peer_sockets_endpoint(const struct peer_sockets *sockets);
void peer_sockets_destroy(struct peer_sockets **sockets);

/* The operations of peer.h that are sockets. */
void peer_sockets_connect(struct peer_sockets *sockets, struct slice incarnation,
                          struct slice address);
void peer_sockets_disconnect(struct peer_sockets *sockets, struct slice incarnation);
bool peer_sockets_transmit(struct peer_sockets *sockets, struct slice incarnation,
                           struct slice header, struct slice body);
bool peer_sockets_answer(struct peer_sockets *sockets, struct slice routing_id, struct slice header,
                         struct slice body);

/*
 * The endpoint other edges should use: `advertise` when given; the bound endpoint; or, when that is
 * a wildcard address, the address from which this host reaches the router. False: cannot be found.
 */
bool peer_advertised_endpoint(const char *advertise, const char *bound, const char *router,
                              char *out, size_t size);

#endif
