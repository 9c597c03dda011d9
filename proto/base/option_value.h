/*
 * The text of one option's value: parsing with bounds, and printing durations and sizes the way
 * they are written. Used by options.c only.
 */
#ifndef PROTO_BASE_OPTION_VALUE_H
#define PROTO_BASE_OPTION_VALUE_H

#include "proto/base/buffer.h"
#include "proto/base/options.h"

/* Whether a value of this type is a number with a minimum and a maximum. */
bool option_is_number(enum option_type type);

/*
 * Parses `text` into its field of `target`. On false, appends to `complaint` what is expected,
 * e.g. "must be a duration between 1s and 5m, such as 30s".
 */
bool option_value_parse(const struct option *option, const char *text, void *target,
                        struct buffer *complaint);
/* Not given anywhere and without a default: NULL, 0 or false. */
void option_value_clear(const struct option *option, void *target);

/* Appends a number as its type is written, in the largest unit that divides it: 30s, 64k, 17. */
void option_value_format(enum option_type type, int64_t value, struct buffer *out);

#endif
