/*
 * One simulated cluster from its beginning to its end: edges, a router, bridges, a store, clients
 * and misfortune, all drawn from one seed. Then a time of calm, in which everything has to come
 * right, and an audit.
 *
 *   simulation.c   construction and phases      faults.c   what goes wrong, and when
 */
#ifndef TESTS_SIM_SIMULATION_H
#define TESTS_SIM_SIMULATION_H

#include "tests/sim/actor_bridge.h"
#include "tests/sim/actor_edge.h"
#include "tests/sim/actor_router.h"
#include "tests/sim/askers.h"
#include "tests/sim/callers.h"
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

enum { BRIDGES_MAX = 2, CLIENTS_MAX = 44, AUDITORS = 2 * EDGES_MAX };

struct simulation {
    struct world world;
    struct network network;
    struct memory_store store;
    struct actor_router router;
    struct actor_edge_settings edge_settings;
    struct actor_edge edges[EDGES_MAX];
    size_t edge_count;
    struct agents *agents;
    struct actor_bridge bridges[BRIDGES_MAX];
    size_t bridge_count;
    struct connection *connections;
    struct client clients[CLIENTS_MAX + AUDITORS]; /* the auditors behind the others */
    size_t client_count;
    size_t auditor_count;
    unsigned room_count;
    struct callers callers;
    struct askers askers;
    struct oracle oracle;
};

struct simulation_result {
    bool has_failed;
    char failure[1024];
    uint64_t digest;
    int64_t duration; /* virtual ms */
    uint64_t steps;
    size_t messages, acked, replied, replayed, recovered, moved;
};

/* Runs one seed. profile NULL: the seed's own. */
void simulation_run(uint64_t seed, const struct profile *profile, bool is_verbose,
                    struct simulation_result *result);

/* faults.c: one misfortune after the other, until the world is calm. */
void faults_begin(struct simulation *simulation);
/* Everything runs again and every connection passes what it gets. */
void faults_repair(struct simulation *simulation);

#endif
