/*
 * How ELIZA reads: a text becomes words and the marks that end a clause or a sentence.
 *
 * Any bytes are taken. ASCII and the common typographic marks of UTF-8 have a meaning (curly
 * quotes, dashes, ellipsis, full-width stops, the odd spaces); every other byte is a letter of a
 * word. A word is a slice of the text, so it comes out exactly as it went in.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_TEXT_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum {
    ELIZA_WORD_MAX = 256, /* bytes of a word; the rest of a longer one is passed over */
    ELIZA_FOLD_MAX = 48   /* bytes of a word a script may know */
};

enum eliza_token {
    ELIZA_TOKEN_END, /* of the text */
    ELIZA_TOKEN_WORD,
    ELIZA_TOKEN_CLAUSE, /* a comma or the like */
    ELIZA_TOKEN_STOP    /* the end of a sentence */
};

struct eliza_scanner {
    const char *at; /* borrows the text */
    const char *end;
};

void eliza_scanner_init(struct eliza_scanner *scanner, struct slice text);
/* Sets *word on ELIZA_TOKEN_WORD only. */
enum eliza_token eliza_scanner_next(struct eliza_scanner *scanner, struct slice *word);

/*
 * The form in which words are compared: ASCII letters small, a curly apostrophe straight. Returns
 * its length, or 0 when it has more than ELIZA_FOLD_MAX bytes.
 */
size_t eliza_fold(struct slice word, char out[ELIZA_FOLD_MAX]);

/* The longest start of the text that has at most `maximum` bytes and splits no character. */
struct slice eliza_cut(struct slice text, size_t maximum);

bool eliza_has_letter(struct slice text); /* an ASCII letter or digit, or any byte above ASCII */

#endif
