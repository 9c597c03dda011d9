/*
 * What bridges say: the agents they run, and what becomes of their work.
 */
#ifndef ROUTER_CORE_BRIDGES_H
#define ROUTER_CORE_BRIDGES_H

struct bus_message;
struct peer;

void bridges_receive(struct peer *peer, const struct bus_message *message);
void bridges_lost(struct peer *peer);

#endif
