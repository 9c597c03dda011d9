#include "edge/drain.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void drain_begin(struct drain *drain, size_t sessions, int64_t most, int64_t now)
{
    int64_t wanted = larger(DRAIN_SPREAD_LEAST_MS, (int64_t)(sessions / DRAIN_SESSIONS_PER_MS));
    int64_t spread = larger(DRAIN_SPREAD_LEAST_MS, smaller(wanted, most));
    *drain = (struct drain){.total = sessions, .begun_at = now, .spread = spread};
}

size_t drain_due(const struct drain *drain, int64_t now, uint64_t random)
{
    int64_t elapsed = now - drain->begun_at;
    if (elapsed >= drain->spread) {
        return SIZE_MAX;
    }
    int64_t late = larger(0, elapsed - (int64_t)(random % DRAIN_JITTER_MS));
    size_t target = (size_t)((uint64_t)drain->total * (uint64_t)late / (uint64_t)drain->spread);
    return target > drain->closed ? target - drain->closed : 0;
}

size_t isolation_due(struct isolation *isolation, bool has_router, size_t sessions, int64_t timeout,
                     int64_t now, uint64_t random)
{
    if (has_router) {
        isolation->away_since = 0;
        isolation->is_moving = false;
        return 0;
    }
    if (isolation->away_since == 0) {
        isolation->away_since = now;
    }
    if (!isolation->is_moving && timeout > 0 && now - isolation->away_since >= timeout) {
        isolation->is_moving = true;
        isolation->times++;
        drain_begin(&isolation->drain, sessions, INT64_MAX, now);
    }
    if (!isolation->is_moving) {
        return 0;
    }
    size_t left = isolation->drain.total - isolation->drain.closed;
    size_t due = drain_due(&isolation->drain, now, random);
    return due < left ? due : left;
}

void isolation_closed(struct isolation *isolation, size_t closed)
{
    isolation->drain.closed += closed;
}
