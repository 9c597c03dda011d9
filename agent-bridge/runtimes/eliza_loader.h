/*
 * What loading a script needs again and again: values of a JSON tree with their type, size and
 * spelling checked, and an error line that says where it went wrong. Used by eliza_script.c only.
 *
 * Everything returns false after writing the error; the first one counts, loading ends there.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_LOADER_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_LOADER_H

#include <cjson/cJSON.h>
#include "agent-bridge/runtimes/eliza_script.h"

struct eliza_loader {
    struct eliza_script *script; /* borrows; what is loaded goes into its arena */
    char *error;                 /* borrows */
    size_t error_size;
    char place[200]; /* where we are, e.g. keywords[4] "dream" rules[0] */
    size_t place_length;
};

/* Parses text that must be one JSON object in UTF-8; the tree is the caller's to delete. */
bool eliza_loader_parse(struct eliza_loader *loader, struct slice text, cJSON **tree);

bool eliza_loader_fail(struct eliza_loader *loader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends to the place; returns what eliza_loader_leave() needs to undo it. */
size_t eliza_loader_enter(struct eliza_loader *loader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a name from the script, shown in quotes and cut. */
size_t eliza_loader_enter_name(struct eliza_loader *loader, struct slice name);
void eliza_loader_leave(struct eliza_loader *loader, size_t place_length);

/* An object without members other than those in names (NULL at its end), and none twice. */
bool eliza_loader_object(struct eliza_loader *loader, const cJSON *item, const char *const *names);
/* A list of `minimum` to `maximum` elements. */
bool eliza_loader_list(struct eliza_loader *loader, const cJSON *item, size_t minimum,
                       size_t maximum);
/* A string without control characters that is not empty; *text is copied into the arena. */
bool eliza_loader_text(struct eliza_loader *loader, const cJSON *item, struct slice *text);
/* The words of a text, which are between 1 and `maximum`. */
bool eliza_loader_words(struct eliza_loader *loader, struct slice text, struct eliza_word words[],
                        size_t *count, size_t maximum);
/* A text that is one word, and its entry. */
bool eliza_loader_word(struct eliza_loader *loader, const cJSON *item, struct slice *text,
                       struct eliza_entry **entry);
/* A text of 1 to ELIZA_PHRASE_WORDS words, which are copied into the arena. */
bool eliza_loader_phrase(struct eliza_loader *loader, const cJSON *item, struct eliza_word **words,
                         size_t *count);
/* A phrase that takes the entry's place when the input is read; it must not have one already. */
bool eliza_loader_substitution(struct eliza_loader *loader, struct eliza_entry *entry,
                               const cJSON *item);
bool eliza_loader_integer(struct eliza_loader *loader, const cJSON *item, int minimum, int maximum,
                          int *value);

#endif
