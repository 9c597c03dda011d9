/*
 * Says in the log when the router falls silent on an open link, and when it is heard again: what
 * /readyz says meanwhile. A link that ends is its owner's to report.
 */
#ifndef PROTO_BUS_SILENCE_H
#define PROTO_BUS_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bus/link.h"

struct silence { /* zero: none */
    bool is_silent;
    int64_t since; /* ms */
};

/* Once a tick. */
void silence_watch(struct silence *self, const struct link *link, int64_t now);

#endif
