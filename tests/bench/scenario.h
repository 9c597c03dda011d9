/*
 * What the load generator does to a server, and what it found.
 *
 * - closed: every room has `window` messages in flight; the next one is sent when one has reached
 *   all members. Throughput, CPU per delivery, latency.
 * - rate: messages leave at a fixed rate over all rooms, whatever the server does; latency counts
 *   from the moment a message was due (no coordinated omission).
 * - idle: clients open, join and stay; memory of the server after each step.
 * - storm: all clients open as fast as the server lets them, `concurrency` at a time.
 * - streams: each client, alone in its room, asks once; the generator is the agent runtime, too,
 * and writes all replies at the same time, at a fixed rate of tokens each. Latency of each token
 * from its writing to its viewer. With bare clients these ask the runtime without any server: the
 * floor.
 *
 * Before a closed, a rate or a streams run all clients are opened; the load runs for `warmup`
 * seconds, is measured for `seconds`, and then everything in flight is waited for, so that losses
 * and repeats are found.
 */
#ifndef TESTS_BENCH_SCENARIO_H
#define TESTS_BENCH_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/client.h"
#include "tests/bench/stats.h"

enum { SCENARIO_STEPS_MAX = 4, SCENARIO_ERROR_SIZE = 320 };

enum scenario_kind {
    SCENARIO_CLOSED,
    SCENARIO_RATE,
    SCENARIO_IDLE,
    SCENARIO_STORM,
    SCENARIO_STREAMS,
};

struct scenario_options {
    enum scenario_kind kind;
    struct clients_options clients;
    struct processes server;
    bool one_sender; /* of a room; otherwise its members take turns */
    uint32_t window; /* closed: messages in flight per room */
    double rate;     /* rate: messages per second over all rooms; streams: tokens, of each reply */
    double warmup;   /* seconds */
    double seconds;  /* measured; storm: at most so long */
    double settle;   /* idle: seconds of quiet before memory is read */
    uint32_t baseline; /* idle: clients opened before memory is read first, and not counted */
    uint32_t steps[SCENARIO_STEPS_MAX]; /* idle: clients after the baseline, ascending */
    uint32_t step_count;
    uint16_t runtime_port; /* streams: where the server asks for replies; 0: a free one */
};

struct scenario_memory {
    uint32_t clients;
    double rss_kib;  /* per client, of all server processes */
    double slab_kib; /* per client, of the kernel: both ends of its connection */
};

struct scenario_result {
    char error[SCENARIO_ERROR_SIZE]; /* empty when every delivery was exact and no client failed */
    double seconds;                  /* measured window */
    uint32_t ready;                  /* clients that were opened */
    double open_seconds;             /* storm: the measured window; otherwise for information */
    uint64_t window_deliveries;      /* streams: chunks */
    double server_cpu;               /* seconds in the window */
    double generator_cpu;            /* seconds in the window */
    struct histogram latency;        /* of deliveries; storm: of handshakes */
    uint64_t sent;                   /* messages, or tokens, from first to last */
    uint64_t delivered;
    uint64_t missing;
    uint64_t doubled;
    uint64_t stray;
    uint64_t reordered;
    uint32_t failed;
    uint64_t pings;
    uint64_t other_events;
    uint64_t reads;
    struct scenario_memory memory[SCENARIO_STEPS_MAX];
    uint32_t memory_count;
};

/* Runs one scenario. Returns 0 when it was exact, or -1 with result->error. */
int scenario_run(const struct scenario_options *options, struct scenario_result *result);

#endif
