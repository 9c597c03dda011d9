/*
 * So many in such a time, per client. Each client's time begins with its first request and then
 * anew. Memory is bounded: beyond clients_max whoever began first is forgotten, which can only be
 * to a client's advantage.
 */
#ifndef EDGE_AUTH_RATE_LIMIT_H
#define EDGE_AUTH_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/options.h"

enum { RATE_CLIENT_BYTES = 32 };

/* The window of one client, for who keeps it elsewhere. Zeroed at first. */
struct rate_window {
    int64_t ends; /* ms */
    int64_t used;
};

struct rate_verdict {
    bool is_allowed;
    int64_t remaining;
    int64_t reset; /* ms until the window ends */
};

/* Counts one. rate->count is not 0. */
struct rate_verdict rate_window_take(struct rate_window *window, const struct rate *rate,
                                     int64_t now);

struct rate_limit;

/* NULL when the rate is off. */
struct rate_limit *rate_limit_new(const struct rate *rate, size_t clients_max);
void rate_limit_destroy(struct rate_limit **limit);
struct rate_verdict rate_limit_take(struct rate_limit *limit,
                                    const unsigned char client[RATE_CLIENT_BYTES], int64_t now);
const struct rate *rate_limit_rate(const struct rate_limit *limit);
size_t rate_limit_count(const struct rate_limit *limit);     /* clients known now */
uint64_t rate_limit_evicted(const struct rate_limit *limit); /* forgotten before their time */

#endif
