/*
 * What the tests of agent work stand on: a room with somebody who asks, and a bridge that answers.
 */
#ifndef TESTS_UNIT_WORK_FIXTURE_H
#define TESTS_UNIT_WORK_FIXTURE_H

#include "tests/unit/router_fixture.h"

/* An edge with Ann in r, and a bridge that runs Eliza with that credit. */
struct cast {
    struct fake_peer *edge;
    struct fake_peer *bridge;
};

static inline struct cast gather(struct fixture *fixture, uint64_t credit)
{
    struct cast cast = {edge_new(fixture, "edgeA1"), NULL};
    join(fixture, cast.edge, 1, "r", "ann");
    cast.bridge = bridge_new(fixture, "bridg1", credit, "eliza");
    hear_nothing_yet(fixture);
    return cast;
}

/* Ann has asked two questions in r, and nothing is heard yet. */
static inline struct cast gather_asked(struct fixture *fixture, uint64_t credit)
{
    struct cast cast = gather(fixture, credit);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
    return cast;
}

/* --- cancelling ------------------------------------------------------------------------------ */

static inline void say_stop(struct fixture *fixture, struct fake_peer *edge)
{
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .signal = {.room = SLICE_LITERAL("r"),
                                             .kind = BUS_SIGNAL_CONTROL,
                                             .entity = SLICE_LITERAL("ann"),
                                             .action = SLICE_LITERAL("stop")}};
    say(fixture, edge, &message);
}

#endif
