/*
 * JSONP polling, for pages that can neither do CORS nor WebSocket: answers are scripts, posts are
 * forms. All of it is a coat around ordinary polls.
 *
 * Implements: Engine.IO protocol, revision 3, "Transports": polling with j=.
 */
#ifndef EDGE_JSONP_H
#define EDGE_JSONP_H

#include <stdbool.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum { JSONP_INDEX_MAX = 20 }; /* digits */

/* The number of the callback, as it is written: empty when the request asks for no JSONP. */
struct jsonp {
    bool is_asked;
    char index[JSONP_INDEX_MAX + 1];
};

/* j: the query's value. All but its digits is dropped. */
struct jsonp jsonp_of(struct slice j);
/* Appends ___eio[INDEX]("payload"); as a script that every browser reads. */
void jsonp_wrap(const struct jsonp *jsonp, struct slice payload, struct buffer *out);
/* The payload in a form's d=, in the arena; empty when there is none. */
struct slice jsonp_unwrap(struct slice form, struct arena *arena);

#endif
