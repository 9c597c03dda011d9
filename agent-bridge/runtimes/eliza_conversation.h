/*
 * What ELIZA remembers of one conversation: which reply of each rule is next, the counter that
 * decides when a memory may come back, and the memories.
 *
 * Conversations live in a table of bounded size; the one that was quiet for longest makes room for
 * a new one. Forgetting a conversation costs nothing but its memories: it begins anew.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_CONVERSATION_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/slice.h"

enum {
    ELIZA_MEMORIES_MAX = 8,       /* per conversation; a new one pushes out the oldest */
    ELIZA_MEMORY_BYTES_MAX = 256, /* longer ones are not kept */
    ELIZA_LIMIT_MAX = 4,          /* the counter of 1966 runs from 1 to 4 and round again */
    ELIZA_LIMIT_RECALL = 4        /* its state in which a memory may come back */
};

struct eliza_conversation;
struct eliza_conversations; /* the table */

/* A table for `maximum` conversations by a script with `rule_count` rules. */
struct eliza_conversations *eliza_conversations_new(size_t maximum, size_t rule_count);
void eliza_conversations_destroy(struct eliza_conversations **table);
size_t eliza_conversations_count(const struct eliza_conversations *table);

/* The conversation of a key (any bytes), begun if need be, and now the most recent one. It stays
 * until the next call. */
struct eliza_conversation *eliza_conversations_get(struct eliza_conversations *table,
                                                   struct slice key);

/* Begins the next turn: moves the counter on. True in the first turn. */
bool eliza_conversation_turn(struct eliza_conversation *conversation);
unsigned eliza_conversation_limit(const struct eliza_conversation *conversation); /* 1 to 4 */

/* Which of `count` replies of a rule comes now; the next one follows the next time. */
size_t eliza_conversation_rotate(struct eliza_conversation *conversation, size_t rule,
                                 size_t count);

void eliza_conversation_remember(struct eliza_conversation *conversation, struct slice text);
/* Takes out the oldest memory if this is the time for one; NULL: none. The caller frees it. */
char *eliza_conversation_recall(struct eliza_conversation *conversation, size_t *length);
/* Forgets the memories and sets the counter back, when somebody has said goodbye. */
void eliza_conversation_end(struct eliza_conversation *conversation);

/*
 * The hash of 1966 (SLIP's HASH on the IBM 7094): the middle `bits` of the square of a machine
 * word. The machine word is the last cell of the word: its last one to six characters in the
 * machine's six-bit code, padded with blanks. So the same words still choose the same memory rule.
 */
unsigned eliza_hash(struct slice word, unsigned bits); /* bits: 0 to 15 */

#endif
