/* The world whose story the processes' logs belong to; NULL: none. */
#ifndef TESTS_SIM_LOG_H
#define TESTS_SIM_LOG_H

#include "tests/sim/world.h"

void log_set_world(struct world *world);

#endif
