/*
 * The text of an answer as it comes out of JSON strings, piece by piece. Every piece it hands out
 * is whole characters: a surrogate pair whose escapes lie in two strings is joined, half a pair is
 * U+FFFD. Pure.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ANSWER_H
#define AGENT_BRIDGE_RUNTIMES_ANSWER_H

#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum {
    ANSWER_MAX = 1024 * 1024,     /* bytes of text */
    ANSWER_ESCAPE = 6,            /* bytes of "\uXXXX" */
    ANSWER_PIECE_MAX = 16 * 1024, /* bytes that answer_next_piece() takes at most */
};

struct answer { /* zero: empty */
    struct buffer text;
    char pending[ANSWER_ESCAPE]; /* the escape of half a pair */
    size_t pending_length;       /* 0 or ANSWER_ESCAPE */
};

void answer_deinit(struct answer *answer);

/*
 * Adds a JSON string (raw, validated). 0 and what became readable with it, which may be nothing and
 * stays until the next call; or ERROR_TOO_LARGE.
 */
int answer_add(struct answer *answer, struct slice value, struct arena *scratch,
               struct slice *added);
/*
 * The whole text, as the end of the answer tells it again: what it has beyond the text so far is
 * added, if it begins with that; else what was said counts.
 */
int answer_complete(struct answer *answer, struct slice whole, struct slice *added);
/* At the end: what was held back. */
int answer_finish(struct answer *answer, struct slice *added);

/* Takes a piece off the front of *text that is no longer than ANSWER_PIECE_MAX. */
struct slice answer_next_piece(struct slice *text);

#endif
