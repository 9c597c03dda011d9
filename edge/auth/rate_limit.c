#include "edge/auth/rate_limit.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/hash.h"
#include "proto/base/memory.h"

/* In the order in which their windows end, which is the order in which they began. */
struct client {
    unsigned char id[RATE_CLIENT_BYTES];
    struct rate_window window;
    struct client *prev, *next;
    UT_hash_handle hh;
};

struct rate_limit {
    struct rate rate;
    size_t clients_max;
    struct client *table; /* owns */
    struct client *order;
    uint64_t evicted;
};

struct rate_verdict rate_window_take(struct rate_window *window, const struct rate *rate,
                                     int64_t now)
{
    if (now >= window->ends) {
        *window = (struct rate_window){.ends = now + rate->window, .used = 0};
    }
    struct rate_verdict verdict = {.is_allowed = window->used < rate->count,
                                   .reset = window->ends - now};
    window->used += verdict.is_allowed;
    verdict.remaining = rate->count - window->used;
    return verdict;
}

struct rate_limit *rate_limit_new(const struct rate *rate, size_t clients_max)
{
    struct rate_limit *limit;

    if (rate->count == 0) {
        return NULL;
    }
    limit = memory_allocate_zeroed(sizeof(*limit));
    limit->rate = *rate;
    limit->clients_max = clients_max;
    return limit;
}

static void forget(struct rate_limit *limit, struct client *client)
{
    DL_DELETE(limit->order, client);
    HASH_DEL(limit->table, client);
    free(client);
}

void rate_limit_destroy(struct rate_limit **self)
{
    struct rate_limit *limit = *self;

    *self = NULL;
    if (limit == NULL) {
        return;
    }
    while (limit->order != NULL) {
        forget(limit, limit->order);
    }
    free(limit);
}

/* Those whose time is over are as good as new ones. */
static void make_room(struct rate_limit *limit, int64_t now)
{
    while (limit->order != NULL && now >= limit->order->window.ends) {
        forget(limit, limit->order);
    }
    if (HASH_COUNT(limit->table) >= limit->clients_max) {
        limit->evicted++;
        forget(limit, limit->order);
    }
}

struct rate_verdict rate_limit_take(struct rate_limit *limit,
                                    const unsigned char id[RATE_CLIENT_BYTES], int64_t now)
{
    struct client *client;

    HASH_FIND(hh, limit->table, id, RATE_CLIENT_BYTES, client);
    if (client != NULL && now >= client->window.ends) {
        forget(limit, client);
        client = NULL;
    }
    if (client == NULL) {
        make_room(limit, now);
        client = memory_allocate_zeroed(sizeof(*client));
        memcpy(client->id, id, RATE_CLIENT_BYTES);
        HASH_ADD(hh, limit->table, id, RATE_CLIENT_BYTES, client);
        DL_APPEND(limit->order, client);
    }
    return rate_window_take(&client->window, &limit->rate, now);
}

const struct rate *rate_limit_rate(const struct rate_limit *limit)
{
    return &limit->rate;
}

size_t rate_limit_count(const struct rate_limit *limit)
{
    return limit == NULL ? 0 : HASH_COUNT(limit->table);
}

uint64_t rate_limit_evicted(const struct rate_limit *limit)
{
    return limit == NULL ? 0 : limit->evicted;
}
