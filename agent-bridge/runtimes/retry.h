/*
 * How long to wait before a failed try is repeated: doubling from RETRY_PAUSE_MS, with jitter, so
 * that those who failed together do not come back together; never earlier than the server asked
 * for. Pure.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_RETRY_H
#define AGENT_BRIDGE_RUNTIMES_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_PAUSE_MS = 500,
    RETRY_PAUSE_MAX_MS = 10000,
    RETRY_AFTER_MAX_MS = 60000 /* a server that wants more is not waited for */
};

/*
 * ms from now, or -1: give up. tries: those that were made; retry_after: ms, -1 when the server
 * said nothing; random: any number.
 */
int64_t retry_pause(unsigned tries, unsigned tries_max, int64_t retry_after, uint64_t random);

/* Whether another try may end better. error: ERROR_* of the exchange, or 0; then the status. */
bool retry_may_help(int error, int status);

/* What a status other than 2xx means to the one who asked: ERROR_*. */
int retry_error_of_status(int status);

#endif
