/*
 * Rooms as REST sees them: channels that are made, listed and changed. A room is a channel once
 * its row is in the store.
 */
#ifndef ROUTER_CORE_CHANNELS_H
#define ROUTER_CORE_CHANNELS_H

#include <stdbool.h>

struct bus_message;
struct peer;
struct pending;
struct question;
struct router;
struct store_page;

/* False: the message is not for this part. */
bool channels_receive(struct peer *peer, const struct bus_message *message);
void channels_answered(struct router *router, struct question *question, struct store_page *page);
void channels_stored(struct router *router, struct pending *pending, int result);

#endif
