/*
 * Records are the store's: the router hands requests on in the order in which they came, and keeps
 * nothing of them. What is expected of a record's revision is checked where it is committed.
 */
#ifndef ROUTER_CORE_RECORDS_H
#define ROUTER_CORE_RECORDS_H

#include <stdbool.h>

struct bus_message;
struct peer;
struct pending;
struct question;
struct router;
struct store_page;

/* False: the message is not for this part. */
bool records_receive(struct peer *peer, const struct bus_message *message);
void records_answered(struct router *router, const struct question *question,
                      const struct store_page *page);
void records_stored(struct router *router, const struct pending *pending, int result);

#endif
