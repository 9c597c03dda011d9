/*
 * Runs by the id of their question or their reply, for callers outside of the room: following one,
 * and stopping it. Asked of a run that is over, the store knows the reply, or when it was asked.
 */
#ifndef ROUTER_CORE_ATTACH_H
#define ROUTER_CORE_ATTACH_H

struct bus_message;
struct peer;
struct question;
struct router;
struct store_page;

void attach_receive(struct peer *peer, const struct bus_message *message);
void attach_answered(struct router *router, const struct question *question,
                     const struct store_page *page);
void attach_receive_stop(struct peer *peer, const struct bus_message *message);

#endif
