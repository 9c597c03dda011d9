/*
 * Who may see and enter which room. By default everybody may, and an id that is hard to guess is
 * all that protects a room. With --data-isolation a room is open to its participants and to nobody
 * else, whatever they know. The viewer of a message (BUS.md, "Viewers") is who wants something; an
 * empty one is the cluster itself or its operator, from whom nothing is hidden.
 *
 * To whom a room is closed it is not there: reading it, changing it and signalling in it end as for
 * a room that never was. Only what would make such a room (joining, sending) is refused.
 *
 * Implements: BUS.md, "Viewers".
 */
#ifndef ROUTER_CORE_ACCESS_H
#define ROUTER_CORE_ACCESS_H

#include <stdbool.h>
#include "proto/base/slice.h"

struct bus_message;
struct peer;
struct room;
struct router;
struct store_query;

enum access {
    ACCESS_OPEN,
    ACCESS_FREE, /* nobody's: not there, or deleted; who enters it first makes it its own */
    ACCESS_CLOSED
};

/* The decision. is_isolated: --data-isolation; room: NULL when there is none of that id. */
enum access access_of(bool is_isolated, const struct room *room, struct slice viewer);

/* The room of that id as the viewer sees it; NULL: not there, or closed to it. */
struct room *access_room(struct router *router, struct slice id, struct slice viewer);
/* Is it open to the viewer? */
bool access_may_see(const struct router *router, const struct room *room, struct slice viewer);
/* May the viewer act as that entity? Where rooms are closed everybody acts as who it is. */
bool access_may_be(const struct router *router, struct slice viewer, struct slice entity);
/* Both: may the viewer be in that room (NULL: there is none) or make it, as that entity? */
bool access_may_enter(const struct router *router, const struct room *room, struct slice viewer,
                      struct slice entity);
/* And see a record with that owner? One without is everybody's. */
bool access_may_have(const struct router *router, struct slice viewer, struct slice owner);
/*
 * The entity is about to be in the room, or to say something there. 0 or ERROR_ACCESS. A free room
 * becomes its own: it takes part there, and the default agent, and, in a direct channel, whom the
 * metadata (raw JSON, or empty) names.
 */
int access_enter(struct router *router, struct room *room, struct slice viewer, struct slice entity,
                 struct slice metadata);
/* The same for a JOIN; 0 or an error. */
int access_join(struct router *router, struct room *room, const struct bus_message *message);
/* An edge has it in that room, as it says after an outage. False: it was told that it has not. */
bool access_come_back(struct peer *edge, struct room *room, struct slice entity);
/* Limits what a query finds, where it is about no room in particular, to what the viewer may see.
 */
void access_limit(const struct router *router, struct store_query *query, struct slice viewer);

/* Whoever is in the room, and does not take part there, is in it no more. */
void access_enforce(struct router *router, struct room *room);
/* Somebody does not take part any more: all edges hear it. An agent has nothing to answer there. */
void access_expel(struct router *router, struct room *room, struct slice entity);

#endif
