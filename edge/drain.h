/*
 * How an edge lets go of its sessions: spread over a time with jitter, so that their clients do not
 * all come back at once. When it stops, that is all of them; when the router has been away for too
 * long, those that were there then, so that they find an edge which is not cut off. Pure.
 */
#ifndef EDGE_DRAIN_H
#define EDGE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DRAIN_SPREAD_LEAST_MS = 3000, /* however few they are */
    DRAIN_SESSIONS_PER_MS = 1,    /* beyond that; the time is longer the more there are */
    DRAIN_JITTER_MS = 500
};

struct drain {
    size_t total;
    size_t closed;
    int64_t begun_at;
    int64_t spread;
};

/* most: ms that it may take, unless even that is less than DRAIN_SPREAD_LEAST_MS. */
void drain_begin(struct drain *drain, size_t sessions, int64_t most, int64_t now);
/*
 * How many more are to be closed now. random: any number. SIZE_MAX once the time is over: whoever
 * was busy when it was its turn goes as soon as it is not.
 */
size_t drain_due(const struct drain *drain, int64_t now, uint64_t random);

struct isolation {
    int64_t away_since; /* 0: the router is there */
    bool is_moving;
    struct drain drain;
    uint64_t times; /* that sessions were told to move, a counter */
};

/*
 * How many sessions are to be closed now because the router has been away for `timeout` ms (0:
 * never). Nobody who comes after that is closed: there seems to be no better edge.
 */
size_t isolation_due(struct isolation *isolation, bool has_router, size_t sessions, int64_t timeout,
                     int64_t now, uint64_t random);
/* So many of them were. */
void isolation_closed(struct isolation *isolation, size_t closed);

#endif
