/*
 * Runs that were, and those that are: jobs stay in the store when they have ended.
 */
#ifndef ROUTER_CORE_RUN_RECORDS_H
#define ROUTER_CORE_RUN_RECORDS_H

#include <stdbool.h>

struct bus_message;
struct peer;
struct pending;
struct question;
struct router;
struct store_page;

/* False: the message is not for this part. */
bool run_records_receive(struct peer *peer, const struct bus_message *message);
void run_records_answered(struct router *router, const struct question *question,
                          const struct store_page *page);
void run_records_stored(struct router *router, const struct pending *pending, int result);

#endif
