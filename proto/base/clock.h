/*
 * Time. Cores never read a clock: they get `now` as an argument, milliseconds of the monotonic
 * clock, and wall time only where a person or a peer sees it.
 */
#ifndef PROTO_BASE_CLOCK_H
#define PROTO_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include "proto/base/slice.h"

/* What a core is told about time. */
struct instant {
    int64_t now;  /* ms of the monotonic clock: for deadlines */
    int64_t wall; /* ms since 1970-01-01 UTC: for people and for the store */
};

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

enum { CLOCK_ISO_SIZE = 25 }; /* 2026-11-23T05:59:00.123Z and NUL */
void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_SIZE]);
enum { CLOCK_HTTP_SIZE = 30 }; /* Mon, 23 Nov 2026 05:59:00 GMT and NUL (RFC 9110 §5.6.7) */
void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_SIZE]);
/*
 * Milliseconds since 1970, or an ISO 8601 date with or without time, fraction and zone (Z or
 * ±hh:mm; none means UTC). False when it is neither, or out of range.
 */
bool clock_parse_time(struct slice text, int64_t *wall_ms);

#endif
