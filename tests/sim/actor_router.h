/*
 * The simulated router: router/core as router/main.c drives it, on a memory store whose commits and
 * answers take their time, may fail, and are in doubt when the router is killed.
 */
#ifndef TESTS_SIM_ACTOR_ROUTER_H
#define TESTS_SIM_ACTOR_ROUTER_H

#include "router/core/router.h"
#include "tests/sim/actor.h"
#include "tests/sim/memory_store.h"
#include "tests/sim/network.h"

struct commit;

struct actor_router {
    struct actor actor; /* first */
    struct network *network;
    struct memory_store *store;
    struct router_settings settings;
    struct router *router;     /* owns while it runs */
    struct commit *committing; /* borrows: with the store, not written yet */
    int64_t stalled_until;     /* the store does nothing before */
    int64_t stop_deadline;
};

extern const struct actor_class actor_router_class;

/* What the network hands to the router. */
void actor_router_receive(struct actor *actor, enum router_side side, struct slice routing_id,
                          struct slice frame);

#endif
