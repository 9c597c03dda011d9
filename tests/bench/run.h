/*
 * What the scenarios have in common: clients that open, a measured window, an end at the first
 * failure.
 */
#ifndef TESTS_BENCH_RUN_H
#define TESTS_BENCH_RUN_H

#include <stdint.h>

#include "tests/bench/client.h"
#include "tests/bench/scenario.h"

struct run {
    const struct scenario_options *options;
    struct scenario_result *result;
    struct clients clients;
};

/* The counters at the beginning of a measured window. */
struct mark {
    int64_t at;
    uint64_t deliveries;
    uint64_t reads;
    double server_cpu;
    double generator_cpu;
};

/* Nothing may stand still for longer than this; a turn takes no longer than that. In ns. */
extern const int64_t run_stall_limit;
extern const int64_t run_turn_longest;

int64_t run_ns(double seconds);

/* Keeps the first reason, with what the clients say; returns -1. */
int run_fail(struct run *self, const char *reason);

/* -1 when a client was lost or nothing has moved since `progress`, named by `what`. */
int run_check(struct run *self, int64_t now, int64_t progress, const char *what);

/* Opens clients until `count` are ready, or until `deadline` if that is not 0. */
int run_open(struct run *self, uint32_t count, int64_t deadline);

/* Takes what comes in for so many ns. */
int run_listen(struct run *self, int64_t duration);

/* The same for as long as it takes to see what should not come, repeats, after the last delivery.
 */
int run_listen_for_repeats(struct run *self);

struct mark run_mark(const struct run *self, uint64_t deliveries);

/* Ends the window: notes in the result what was used and delivered in it. */
void run_note_window(struct run *self, const struct mark *begin, uint64_t deliveries);

/* Notes what the clients counted. */
void run_note_clients(struct run *self);

#endif
