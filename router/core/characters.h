/*
 * Agents that are made, changed or deleted over REST: the bridges do it where they keep their
 * characters. A new one goes to the first bridge that keeps any; for one that is there, all
 * bridges that run it are asked, one after the other.
 */
#ifndef ROUTER_CORE_CHARACTERS_H
#define ROUTER_CORE_CHARACTERS_H

struct bus_character_changed;
struct bus_message;
struct peer;
struct router;

void characters_receive_change(struct peer *edge, const struct bus_message *message);
void characters_receive_changed(struct peer *bridge, const struct bus_character_changed *changed);
void characters_bridge_lost(struct peer *bridge);
void characters_forget(struct router *router);

#endif
