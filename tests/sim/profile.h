/*
 * Profiles: which misfortunes a simulated cluster meets, and how often. One line each in
 * profile.c; a run without --profile draws one from its seed.
 */
#ifndef TESTS_SIM_PROFILE_H
#define TESTS_SIM_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
    FAULT_KILL_EDGE, /* -9 */
    FAULT_KILL_ROUTER,
    FAULT_KILL_BRIDGE,
    FAULT_STOP_EDGE, /* SIGTERM, then started again */
    FAULT_STOP_ROUTER,
    FAULT_STOP_BRIDGE,
    FAULT_PARTITION,  /* a connection of the bus passes nothing, one way or both */
    FAULT_FLAP,       /* a connection of the bus breaks and comes again */
    FAULT_HIGH_WATER, /* a socket of the bus takes nothing for a while */
    FAULT_PAUSE,      /* a process gets no processor for a while */
    FAULT_PAUSE_BRIDGE,
    FAULT_CUT_CLIENT,   /* a client's connection ends; both sides notice */
    FAULT_LOSE_CLIENT,  /* the same, but only silence tells the edge */
    FAULT_LEAVE_CLIENT, /* a user leaves and means it */
    FAULT_CHOKE_CLIENT, /* a client reads nothing for a while */
    FAULT_STORE_STALL,
    FAULT_CLOCK_JUMP, /* a wall clock is set */
    FAULT_KINDS
};

struct profile {
    const char *name;
    /* Of 1 000 frames of the bus. */
    int drop;
    int duplicate;
    int reorder;
    int refuse;      /* by the sender's socket */
    int delay_max;   /* ms on the bus */
    int fault_every; /* ms between two faults on average; 0: none */
    uint8_t weights[FAULT_KINDS];
    int store_failures; /* of 1 000 commits and queries */
    int agent_failures; /* of 1 000 answers */
    int agent_diverges; /* of 1 000 further attempts: the answer is another one */
    int controls;       /* of 1 000 events of clients: "stop" */
    bool is_tight;      /* small bounds: links overflow, requests are refused */
};

extern const struct profile profiles[];
extern const size_t profile_count;

const struct profile *profile_find(const char *name); /* NULL: none of that name */
const struct profile *profile_of_seed(uint64_t seed);

/* Are links only lost because a process is? Then nobody else's silence may look like an absence. */
bool profile_keeps_links(const struct profile *profile);

#endif
