/*
 * Reassembly: how an answer is put together, and how it becomes a sentence.
 *
 * A template is text in which $1, $2, … stand for what the elements of the rule's pattern matched
 * ($$ is a dollar sign). "Tell me about your $4." keeps its stop close to whatever $4 is.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_TEMPLATE_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_TEMPLATE_H

#include "agent-bridge/runtimes/eliza_pattern.h"
#include "proto/base/buffer.h"

enum {
    ELIZA_PARTS_MAX = 96,       /* words and references of one template */
    ELIZA_SENTENCE_WORDS = 512, /* words of an answer; the rest is dropped */
    ELIZA_SENTENCE_BYTES = 4096 /* bytes of an answer; it ends at a word and with … */
};

struct eliza_part {
    size_t reference; /* number of an element, or 0: the word itself */
    struct eliza_word word;
};

struct eliza_template {
    struct eliza_part *parts;
    size_t count;
};

/*
 * Compiles source into the arena; source must live as long. `elements` is how many the pattern
 * has. Returns NULL, or what is wrong with it.
 */
const char *eliza_template_compile(struct eliza_template *template,
                                   struct eliza_vocabulary *vocabulary, struct arena *arena,
                                   struct slice source, size_t elements);

/* Puts the words together in out[capacity]; returns how many, dropping what has no room. */
size_t eliza_template_fill(const struct eliza_template *template, const struct eliza_word *words,
                           const struct eliza_span *spans, struct eliza_word *out, size_t capacity);

/*
 * Appends the words as a sentence: runs that the script repairs are repaired (only where the
 * user's words are involved), sentences begin with a capital. Appends nothing and returns false
 * when there is no letter in any of the words.
 */
bool eliza_sentence_write(struct buffer *out, const struct eliza_word *words, size_t count);

#endif
