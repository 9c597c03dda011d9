#include "tests/sim/profile.h"

#include <string.h>

#include "tests/sim/chance.h"

const struct profile profiles[] = {
    {.name = "calm", .delay_max = 3},
    {.name = "moves",
     .delay_max = 5,
     .fault_every = 250,
     .weights = {[FAULT_CUT_CLIENT] = 5,
                 [FAULT_LOSE_CLIENT] = 2,
                 [FAULT_LEAVE_CLIENT] = 2,
                 [FAULT_CHOKE_CLIENT] = 1}},
    {.name = "lossy",
     .drop = 30,
     .duplicate = 30,
     .reorder = 60,
     .refuse = 20,
     .delay_max = 40,
     .fault_every = 1000,
     .weights = {[FAULT_CUT_CLIENT] = 2, [FAULT_FLAP] = 2, [FAULT_HIGH_WATER] = 1}},
    {.name = "kills",
     .delay_max = 5,
     .fault_every = 900,
     .weights = {[FAULT_KILL_EDGE] = 3,
                 [FAULT_KILL_ROUTER] = 2,
                 [FAULT_KILL_BRIDGE] = 3,
                 [FAULT_CUT_CLIENT] = 2,
                 [FAULT_LEAVE_CLIENT] = 1,
                 [FAULT_CLOCK_JUMP] = 1}},
    {.name = "restarts",
     .delay_max = 5,
     .fault_every = 1200,
     .weights = {[FAULT_STOP_EDGE] = 3,
                 [FAULT_STOP_ROUTER] = 2,
                 [FAULT_STOP_BRIDGE] = 2,
                 [FAULT_CUT_CLIENT] = 1}},
    {.name = "partitions",
     .delay_max = 10,
     .fault_every = 900,
     .weights = {[FAULT_PARTITION] = 4,
                 [FAULT_FLAP] = 2,
                 [FAULT_HIGH_WATER] = 1,
                 [FAULT_CUT_CLIENT] = 2,
                 [FAULT_LEAVE_CLIENT] = 1}},
    {.name = "stalls",
     .delay_max = 20,
     .fault_every = 700,
     .weights = {[FAULT_PAUSE] = 3,
                 [FAULT_STORE_STALL] = 3,
                 [FAULT_CHOKE_CLIENT] = 2,
                 [FAULT_HIGH_WATER] = 2,
                 [FAULT_CUT_CLIENT] = 2,
                 [FAULT_LOSE_CLIENT] = 1}},
    {.name = "store",
     .delay_max = 5,
     .fault_every = 1500,
     .weights = {[FAULT_STORE_STALL] = 3, [FAULT_KILL_ROUTER] = 2, [FAULT_CUT_CLIENT] = 2},
     .store_failures = 60},
    {.name = "agents",
     .delay_max = 5,
     .fault_every = 900,
     .weights = {[FAULT_KILL_BRIDGE] = 4,
                 [FAULT_STOP_BRIDGE] = 2,
                 [FAULT_PAUSE_BRIDGE] = 2,
                 [FAULT_KILL_ROUTER] = 1,
                 [FAULT_CUT_CLIENT] = 1},
     .agent_failures = 100,
     .agent_diverges = 400,
     .controls = 25},
    {.name = "tight",
     .refuse = 10,
     .delay_max = 20,
     .fault_every = 900,
     .weights = {[FAULT_PARTITION] = 2,
                 [FAULT_HIGH_WATER] = 3,
                 [FAULT_PAUSE] = 1,
                 [FAULT_STORE_STALL] = 1,
                 [FAULT_CUT_CLIENT] = 2,
                 [FAULT_CHOKE_CLIENT] = 1},
     .is_tight = true},
    {.name = "chaos",
     .drop = 5,
     .duplicate = 5,
     .reorder = 5,
     .refuse = 5,
     .delay_max = 25,
     .fault_every = 500,
     .weights = {[FAULT_KILL_EDGE] = 2,
                 [FAULT_KILL_ROUTER] = 2,
                 [FAULT_KILL_BRIDGE] = 2,
                 [FAULT_STOP_EDGE] = 1,
                 [FAULT_STOP_ROUTER] = 1,
                 [FAULT_STOP_BRIDGE] = 1,
                 [FAULT_PARTITION] = 2,
                 [FAULT_FLAP] = 2,
                 [FAULT_HIGH_WATER] = 1,
                 [FAULT_PAUSE] = 2,
                 [FAULT_CUT_CLIENT] = 3,
                 [FAULT_LOSE_CLIENT] = 2,
                 [FAULT_LEAVE_CLIENT] = 2,
                 [FAULT_CHOKE_CLIENT] = 1,
                 [FAULT_STORE_STALL] = 2,
                 [FAULT_CLOCK_JUMP] = 1},
     .store_failures = 5,
     .agent_failures = 20,
     .agent_diverges = 100,
     .controls = 5},
};
const size_t profile_count = sizeof(profiles) / sizeof(profiles[0]);

const struct profile *profile_find(const char *name)
{
    for (size_t i = 0; i < profile_count; i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            return &profiles[i];
        }
    }
    return NULL;
}

const struct profile *profile_of_seed(uint64_t seed)
{
    struct chance chance = {seed};
    return &profiles[chance_below(&chance, profile_count)];
}

bool profile_keeps_links(const struct profile *profile)
{
    return profile->drop == 0 && profile->refuse == 0 && !profile->is_tight &&
           profile->weights[FAULT_PARTITION] == 0 && profile->weights[FAULT_FLAP] == 0 &&
           profile->weights[FAULT_HIGH_WATER] == 0 && profile->weights[FAULT_PAUSE] == 0;
}
