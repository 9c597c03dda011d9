#include "agent-bridge/runtimes/breaker.h"

bool breaker_allows(const struct breaker *breaker, int64_t now)
{
    switch (breaker->state) {
    case BREAKER_OPEN:
        return now >= breaker->probe_at;
    case BREAKER_HALF_OPEN:
        return !breaker->is_probing;
    case BREAKER_CLOSED:
        break;
    }
    return true;
}

void breaker_begin(struct breaker *breaker, int64_t now)
{
    if (breaker->state == BREAKER_OPEN && now >= breaker->probe_at) {
        breaker->state = BREAKER_HALF_OPEN;
    }
    breaker->is_probing = breaker->state == BREAKER_HALF_OPEN;
}

void breaker_succeed(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    breaker->pause = 0;
    breaker->is_probing = false;
}

static void open_for(struct breaker *breaker, int64_t pause, int64_t now)
{
    breaker->state = BREAKER_OPEN;
    breaker->pause = pause > BREAKER_PAUSE_MAX_MS ? BREAKER_PAUSE_MAX_MS : pause;
    breaker->probe_at = now + breaker->pause;
    breaker->failures = 0;
    breaker->is_probing = false;
    breaker->openings++;
}

void breaker_fail(struct breaker *breaker, int64_t now)
{
    if (breaker->state == BREAKER_HALF_OPEN) {
        open_for(breaker, breaker->pause * 2, now);
    } else if (breaker->state == BREAKER_CLOSED && ++breaker->failures >= BREAKER_FAILURES) {
        open_for(breaker, BREAKER_PAUSE_MS, now);
    }
    /* Open: a try that began before; the pause has its length already. */
}

void breaker_abandon(struct breaker *breaker)
{
    breaker->is_probing = false;
}
