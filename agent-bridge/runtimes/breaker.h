/*
 * A circuit breaker: after BREAKER_FAILURES failures in a row nothing is tried for a while, then
 * one try at a time probes whether things are better. Each probe that fails doubles the pause.
 *
 *     closed ──failures──> open ──pause──> half open ──success──> closed
 *                           └─────<──failure──┘
 *
 * Pure: time comes as an argument, in ms.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_BREAKER_H
#define AGENT_BRIDGE_RUNTIMES_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 5, BREAKER_PAUSE_MS = 1000, BREAKER_PAUSE_MAX_MS = 30000 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker { /* zero: closed */
    enum breaker_state state;
    unsigned failures; /* in a row, while closed */
    int64_t pause;     /* of the current opening */
    int64_t probe_at;  /* while open: when a probe may go */
    bool is_probing;   /* half open: one try is under way */
    uint64_t openings; /* so far */
};

/* Whether a try may begin now. If so, breaker_begin() when it does. */
bool breaker_allows(const struct breaker *breaker, int64_t now);
void breaker_begin(struct breaker *breaker, int64_t now);

/* Each try that began ends in one of these. */
void breaker_succeed(struct breaker *breaker);
void breaker_fail(struct breaker *breaker, int64_t now);
void breaker_abandon(struct breaker *breaker); /* it was cancelled, and proves nothing */

#endif
