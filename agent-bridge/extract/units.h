/*
 * A growing text of UTF-16 code units: what stream extractors count and cut in, since the original
 * they follow is JavaScript. A surrogate may stand alone, as in a JavaScript string. Owned by
 * whoever declared it; units_deinit() ends it.
 */
#ifndef AGENT_BRIDGE_EXTRACT_UNITS_H
#define AGENT_BRIDGE_EXTRACT_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

struct units {
    uint16_t *data; /* owns */
    size_t length;  /* units in use */
    size_t capacity;
};

#define UNITS_EMPTY ((struct units){NULL, 0, 0})
#define UNITS_NONE SIZE_MAX

void units_deinit(struct units *units);
void units_append(struct units *units, const uint16_t *data, size_t length);
/* Unicode scalar values become one unit or a pair. */
void units_append_character(struct units *units, uint32_t character);
/* Bytes that are no UTF-8 become U+FFFD. */
void units_append_utf8(struct units *units, struct slice text);
void units_consume(struct units *units, size_t length); /* drop from the front */

/* Where `needle`, which is not empty, begins at or after `from`; UNITS_NONE: nowhere. */
size_t units_find(const struct units *units, const struct units *needle, size_t from);

static inline bool unit_is_high_surrogate(uint16_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}
static inline bool unit_is_low_surrogate(uint16_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}
/* White space as String.prototype.trim() sees it. */
bool unit_is_space(uint16_t unit);

/*
 * Takes the next character off `at`, which is before `end`: a scalar value, or the surrogate that
 * stands there alone.
 */
uint32_t units_next(const uint16_t **at, const uint16_t *end);
/* UTF-8; surrogates that stand alone become U+FFFD. */
void units_write_utf8(const uint16_t *at, const uint16_t *end, struct buffer *out);

#endif
