/*
 * What all processes log comes here, the newest lines are kept, and edges whose clients watch get
 * them as they come. Nothing here logs, lest it hear itself.
 */
#ifndef ROUTER_CORE_LOGS_H
#define ROUTER_CORE_LOGS_H

#include <stdbool.h>

struct bus_list;
struct bus_message;
struct peer;
struct router;

/* False: the message is not for this part. */
bool logs_receive(struct peer *peer, const struct bus_message *message);
void logs_take(struct router *router, const struct bus_list *lines);
void logs_forget(struct router *router);

#endif
