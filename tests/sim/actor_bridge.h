/*
 * A simulated agent bridge: agent-bridge/work.h as its main.c drives it, with the simulated runtime
 * or ELIZA.
 */
#ifndef TESTS_SIM_ACTOR_BRIDGE_H
#define TESTS_SIM_ACTOR_BRIDGE_H

#include "agent-bridge/work.h"
#include "tests/sim/actor.h"
#include "tests/sim/network.h"

struct actor_bridge {
    struct actor actor; /* first */
    struct bridge_settings settings;
    struct agents *agents; /* borrows */
    bool is_eliza;
    struct channel *channel;
    struct runtime *runtime; /* these two: owns while it runs */
    struct bridge *bridge;
    int64_t stop_deadline;
};

extern const struct actor_class actor_bridge_class;

/* What the network hands to a bridge. */
void actor_bridge_receive(struct actor *actor, struct slice frame);

#endif
