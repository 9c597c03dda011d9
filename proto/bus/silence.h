/*
 * Says in the log when the router falls silent on an open link, and when it is heard again; and
 * when it does not answer at all for as long: what /readyz says meanwhile. A link that ends, and
 * one that opens, is its owner's to report.
 */
#ifndef PROTO_BUS_SILENCE_H
#define PROTO_BUS_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bus/link.h"

struct silence { /* zero: none */
    bool is_silent;
    int64_t since;   /* ms */
    bool is_waiting; /* for a link */
    bool is_told;    /* that it waits */
    bool is_refused; /* told, too */
    int64_t waits_since;
};

/* Once a tick. */
void silence_watch(struct silence *self, const struct link *link, int64_t now);
/* The link was refused, as every further one will be: said once, until one opens. */
void silence_refused(struct silence *self, const char *hint);

#endif
