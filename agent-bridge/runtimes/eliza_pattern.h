/*
 * Decomposition: how a rule takes a clause apart (Weizenbaum, "ELIZA", CACM 9(1), 1966).
 *
 * A pattern is written as elements with spaces between them; each matches a run of words:
 *
 *     0            any number of words, as few as possible
 *     1 2 3 …      exactly that many words
 *     you          that word
 *     /family      a word of that class
 *     want|need    one of these words or classes
 *
 * A pattern matches a whole clause. Its elements are numbered from 1; a reassembly (see
 * eliza_template.h) refers to what they matched.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_PATTERN_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_PATTERN_H

#include "agent-bridge/runtimes/eliza_vocabulary.h"

enum { ELIZA_ELEMENTS_MAX = 16, ELIZA_ALTERNATIVES_MAX = 32 };

struct eliza_element {
    enum { ELIZA_ANY_NUMBER, ELIZA_EXACT_NUMBER, ELIZA_ONE_OF } kind;
    size_t number;                    /* of words, for ELIZA_EXACT_NUMBER */
    const struct eliza_entry **words; /* for ELIZA_ONE_OF, with `classes` */
    size_t word_count;
    uint64_t classes;
};

struct eliza_pattern {
    struct slice source; /* as it stands in the script */
    struct eliza_element *elements;
    size_t count;
};

struct eliza_span {
    size_t start; /* index of the first word */
    size_t count;
};

/*
 * Compiles source into the arena; source must live as long. Returns NULL, or what is wrong with it.
 * Classes must be known before; words become known.
 */
const char *eliza_pattern_compile(struct eliza_pattern *pattern,
                                  struct eliza_vocabulary *vocabulary, struct arena *arena,
                                  struct slice source);

/* Time is at most the number of words times the number of elements. */
bool eliza_pattern_match(const struct eliza_pattern *pattern, const struct eliza_word *words,
                         size_t count, struct eliza_span spans[ELIZA_ELEMENTS_MAX]);

#endif
