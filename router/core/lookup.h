/*
 * What edges ask of a room (history, search, members), and what passes without being kept: signals
 * and receipts.
 */
#ifndef ROUTER_CORE_LOOKUP_H
#define ROUTER_CORE_LOOKUP_H

struct bus_message;
struct peer;
struct pending;
struct question;
struct router;
struct store_page;

void lookup_receive(struct peer *peer, const struct bus_message *message);
void lookup_answered(struct router *router, struct question *question, struct store_page *page);
/*
 * The history for a bridge: with what is being committed, the answer to the question before this
 * one among it.
 */
void lookup_receive_of_bridge(struct peer *peer, const struct bus_message *message);
void lookup_history_due(struct router *router, const struct pending *pending);

#endif
