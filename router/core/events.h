/*
 * Events of a room and messages submitted under an id of their own: they take their place in the
 * room's order like any message (send.c), and with it replay and catching up.
 */
#ifndef ROUTER_CORE_EVENTS_H
#define ROUTER_CORE_EVENTS_H

#include <stdbool.h>
#include "proto/base/slice.h"

struct bus_message;
struct peer;
struct question;
struct room;
struct router;
struct store_page;

/* False: the message is not for this part. */
bool events_receive(struct peer *peer, const struct bus_message *message);
/* One that is there, and open to the viewer; or NULL. */
struct room *events_room(struct router *router, struct slice id, struct slice viewer);
/* channelUpdated, with the row as it is now. */
void events_say_updated(struct router *router, struct room *room, struct slice id);
void events_submit_answered(struct router *router, const struct question *question,
                            const struct store_page *page);

#endif
