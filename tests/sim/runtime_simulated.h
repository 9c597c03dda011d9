/*
 * A runtime for simulated bridges: its answer follows from the question alone, so that the oracle
 * knows it and a further attempt repeats it; unless the profile has it diverge or fail.
 */
#ifndef TESTS_SIM_RUNTIME_SIMULATED_H
#define TESTS_SIM_RUNTIME_SIMULATED_H

#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/buffer.h"
#include "tests/sim/actor.h"

/* Begins and ends with its bridge. */
struct runtime *runtime_simulated_new(struct actor *actor);

/* Appends what every attempt answers to this question, as long as it does not diverge. */
void runtime_simulated_answer(struct slice question, struct buffer *out);

#endif
