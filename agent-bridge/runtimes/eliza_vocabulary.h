/*
 * The words a script knows. Each distinct word (folded, see eliza_text.h) is one entry, so that
 * matching compares pointers. Built while a script is loaded, constant afterwards.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_VOCABULARY_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/slice.h"

struct eliza_keyword; /* eliza_script.h */
struct eliza_entry;

enum {
    ELIZA_CLASSES_MAX = 64,      /* classes are bits of a word */
    ELIZA_VOCABULARY_MAX = 16384 /* entries */
};

/* A word of a clause or of a reply. */
struct eliza_word {
    struct slice text;               /* as it is shown; borrows the input or the script */
    const struct eliza_entry *entry; /* NULL: the script does not know it */
    bool is_glued;                   /* no space before it */
    bool is_captured;                /* came out of the user's text */
};

/* Rewrites a run of words of a finished reply ("I are" to "I am"); listed at its first word. */
struct eliza_repair {
    struct eliza_repair *next; /* the next one for the same first word; longer ones come first */
    const struct eliza_entry **from;
    size_t from_count;
    bool is_at_end; /* only where the user's words end */
    struct eliza_word *to;
    size_t to_count;
};

struct eliza_entry {
    struct slice folded;
    struct slice spelling;      /* within a sentence; folded unless the script says otherwise */
    uint64_t classes;           /* bit set */
    bool is_delimiter;          /* ends a clause like a comma: "but" */
    struct eliza_word *becomes; /* what takes its place when the input is read; NULL: itself */
    size_t becomes_count;
    const struct eliza_keyword *keyword; /* NULL: no keyword */
    struct eliza_repair *repairs;
};

struct eliza_vocabulary {
    struct eliza_vocabulary_slot *slots; /* owns; hash table */
    struct slice classes[ELIZA_CLASSES_MAX];
    size_t class_count;
};

void eliza_vocabulary_init(struct eliza_vocabulary *vocabulary);
void eliza_vocabulary_deinit(struct eliza_vocabulary *vocabulary);

/* The entry of a word, made in the arena when there is none; NULL: too long, or too many. */
struct eliza_entry *eliza_vocabulary_add(struct eliza_vocabulary *vocabulary, struct arena *arena,
                                         struct slice word);
/* The entry of a word, or NULL. */
const struct eliza_entry *eliza_vocabulary_find(const struct eliza_vocabulary *vocabulary,
                                                struct slice word);

/* The bit of a class, 0 when there is no such class (or, adding, no room for one more). */
uint64_t eliza_vocabulary_class(const struct eliza_vocabulary *vocabulary, struct slice name);
uint64_t eliza_vocabulary_add_class(struct eliza_vocabulary *vocabulary, struct arena *arena,
                                    struct slice name);

#endif
