/*
 * Pairs as application/x-www-form-urlencoded (WHATWG URL Standard): queries, and bodies of forms.
 */
#ifndef PROTO_BASE_FORM_H
#define PROTO_BASE_FORM_H

#include <stdbool.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* The byte that a "%xx" at the front of `text` stands for, or -1. */
int form_escaped_byte(struct slice text);
/*
 * Takes the next pair off the front of *rest and decodes it: '+' is a space, what is no escape
 * stays as it is, a missing value is empty. Borrows, or lives in the arena. False at the end.
 */
bool form_next(struct slice *rest, struct arena *arena, struct slice *name, struct slice *value);
/* Appends the pairs as a JSON object of strings. */
void form_write_json(struct slice pairs, struct arena *arena, struct buffer *out);

#endif
