/*
 * Engine.IO by HTTP long polling between a client and the edges, in memory: every request lands on
 * any edge, as behind a balancer without affinity, and so does the WebSocket that it is upgraded
 * to, if it is. The client's half is engine.io-client's: one GET and one POST at a time, a probe,
 * a pause until both are answered, the upgrade.
 *
 * Part of a connection (connection.h), which is what clients know.
 */
#ifndef TESTS_SIM_POLLING_H
#define TESTS_SIM_POLLING_H

#include "tests/sim/connection.h"

struct polling;

struct polling *polling_new(struct connection *self, struct actor_edge *edges, size_t edge_count,
                            struct connection **all, bool is_upgraded);
void polling_destroy(struct polling **polling);

bool polling_is_upgraded(const struct polling *polling);

/* As the functions of connections. */
void polling_send(struct polling *polling, struct slice packet);
void polling_close(struct polling *polling);
void polling_cut(struct polling *polling);
void polling_lose(struct polling *polling);
void polling_choke(struct polling *polling, int64_t duration);

void polling_look(struct polling *polling, const struct actor_edge *edge);
/* An edge ends, and its sessions with it. */
void polling_edge_ends(struct polling *polling, struct actor_edge *edge);

#endif
