/*
 * Who asked lately, and has been answered: the end of a run enables the input of its asker, but one
 * whose connection or edge was just dying has not heard it, and nobody can tell. So whoever comes
 * (back) into a room in which none of its questions is open any more is told again, for a while.
 */
#ifndef ROUTER_CORE_ASKED_H
#define ROUTER_CORE_ASKED_H

#include <stdint.h>
#include "proto/base/slice.h"

struct peer;
struct room;
struct router;

/* A question of that entity has been answered, or will not be. at: wall ms, now or in the past. */
void asked_note(struct router *router, const struct room *room, struct slice entity,
                struct slice agent, int64_t at);
/* It has joined there. */
void asked_greet(struct peer *edge, const struct room *room, struct slice entity);
/*
 * It is there, on an edge that was away. Only of what has ended since the router's start: of what
 * ended before, the edge was told.
 */
void asked_greet_synchronised(struct peer *edge, const struct room *room, struct slice entity);
void asked_tick(struct router *router);
void asked_destroy(struct router *router);

#endif
