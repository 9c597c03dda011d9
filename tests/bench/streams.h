/*
 * The scenario of replies that are written token by token: the generator is the runtime that
 * writes them and the viewers that read them, in one loop, so that both ends have one clock.
 */
#ifndef TESTS_BENCH_STREAMS_H
#define TESTS_BENCH_STREAMS_H

#include "tests/bench/scenario.h"

/* As scenario_run(), with a result that is empty. */
int streams_run(const struct scenario_options *options, struct scenario_result *result);

#endif
