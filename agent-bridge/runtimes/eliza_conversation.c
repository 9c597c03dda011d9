#include "agent-bridge/runtimes/eliza_conversation.h"

#include <stdlib.h>
#include "proto/base/memory.h"

#define uthash_malloc(size) memory_allocate(size)
#include "proto/base/hash.h"

struct memory {
    char *text; /* owns */
    size_t length;
};

struct eliza_conversation {
    UT_hash_handle hh;                          /* the table's order is the order of last use */
    struct memory memories[ELIZA_MEMORIES_MAX]; /* oldest first */
    size_t memory_count;
    size_t key_length;
    unsigned char limit;
    bool is_begun;
    unsigned char *key;        /* points behind rotations */
    unsigned char rotations[]; /* one per rule, then the key */
};

struct eliza_conversations {
    struct eliza_conversation *first; /* owns; hash table */
    size_t maximum;
    size_t rule_count;
};

static void forget(struct eliza_conversation *conversation)
{
    for (size_t i = 0; i < conversation->memory_count; i++) {
        free(conversation->memories[i].text);
    }
    conversation->memory_count = 0;
}

static void drop(struct eliza_conversations *table, struct eliza_conversation *conversation)
{
    HASH_DELETE(hh, table->first, conversation);
    forget(conversation);
    free(conversation);
}

struct eliza_conversations *eliza_conversations_new(size_t maximum, size_t rule_count)
{
    struct eliza_conversations *table = memory_allocate_zeroed(sizeof(*table));

    table->maximum = maximum;
    table->rule_count = rule_count;
    return table;
}

void eliza_conversations_destroy(struct eliza_conversations **table)
{
    if (*table == NULL) {
        return;
    }
    while ((*table)->first != NULL) {
        drop(*table, (*table)->first);
    }
    free(*table);
    *table = NULL;
}

size_t eliza_conversations_count(const struct eliza_conversations *table)
{
    return HASH_COUNT(table->first);
}

static struct eliza_conversation *begin(const struct eliza_conversations *table, struct slice key)
{
    struct eliza_conversation *conversation =
        memory_allocate_zeroed(sizeof(*conversation) + table->rule_count + key.length);

    conversation->limit = 1;
    conversation->key = conversation->rotations + table->rule_count;
    conversation->key_length = key.length;
    if (key.length > 0) {
        memcpy(conversation->key, key.data, key.length);
    }
    return conversation;
}

struct eliza_conversation *eliza_conversations_get(struct eliza_conversations *table,
                                                   struct slice key)
{
    struct eliza_conversation *found;

    HASH_FIND(hh, table->first, key.data, key.length, found);
    if (found != NULL) {
        HASH_DELETE(hh, table->first, found);
    } else {
        if (HASH_COUNT(table->first) >= table->maximum) {
            drop(table, table->first);
        }
        found = begin(table, key);
    }
    HASH_ADD_KEYPTR(hh, table->first, found->key, found->key_length, found);
    return found;
}

bool eliza_conversation_turn(struct eliza_conversation *conversation)
{
    bool is_first = !conversation->is_begun;

    conversation->is_begun = true;
    conversation->limit++;
    if (conversation->limit > ELIZA_LIMIT_MAX) {
        conversation->limit = 1;
    }
    return is_first;
}

unsigned eliza_conversation_limit(const struct eliza_conversation *conversation)
{
    return conversation->limit;
}

size_t eliza_conversation_rotate(struct eliza_conversation *conversation, size_t rule, size_t count)
{
    unsigned char *next = &conversation->rotations[rule];
    size_t now = *next;

    *next = (unsigned char)((now + 1) % count);
    return now;
}

void eliza_conversation_remember(struct eliza_conversation *conversation, struct slice text)
{
    struct memory *memories = conversation->memories;

    if (text.length > ELIZA_MEMORY_BYTES_MAX) {
        return;
    }
    if (conversation->memory_count == ELIZA_MEMORIES_MAX) {
        free(memories[0].text);
        memmove(&memories[0], &memories[1], (ELIZA_MEMORIES_MAX - 1) * sizeof(memories[0]));
        conversation->memory_count--;
    }
    memories[conversation->memory_count++] =
        (struct memory){memory_copy_string(text.data, text.length), text.length};
}

char *eliza_conversation_recall(struct eliza_conversation *conversation, size_t *length)
{
    struct memory *memories = conversation->memories;
    struct memory oldest = memories[0];

    if (conversation->limit != ELIZA_LIMIT_RECALL || conversation->memory_count == 0) {
        return NULL;
    }
    conversation->memory_count--;
    memmove(&memories[0], &memories[1], conversation->memory_count * sizeof(memories[0]));
    *length = oldest.length;
    return oldest.text;
}

void eliza_conversation_end(struct eliza_conversation *conversation)
{
    forget(conversation);
    conversation->limit = 1;
    conversation->is_begun = false;
}

/* The IBM 7094's six-bit code; a character it did not have gives its own low bits. */
static unsigned six_bits(unsigned char c)
{
    static const char marks[] = "='+.)-$*/,(";
    static const unsigned char codes[] = {013, 014, 020, 033, 034, 040, 053, 054, 061, 073, 074};
    const char *mark;

    if (c >= 'a' && c <= 'z') {
        c = (unsigned char)(c - 'a' + 'A');
    }
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'A' && c <= 'I') {
        return 021U + (unsigned)(c - 'A');
    }
    if (c >= 'J' && c <= 'R') {
        return 041U + (unsigned)(c - 'J');
    }
    if (c >= 'S' && c <= 'Z') {
        return 062U + (unsigned)(c - 'S');
    }
    mark = c == '\0' ? NULL : strchr(marks, c);
    return mark == NULL ? c & 077U : codes[mark - marks];
}

unsigned eliza_hash(struct slice word, unsigned bits)
{
    enum { CELL = 6, BLANK = 060 };
    uint64_t datum = 0;
    size_t start = word.length == 0 ? 0 : (word.length - 1) / CELL * CELL;

    for (size_t i = start; i < start + CELL; i++) {
        datum = datum << 6 | (i < word.length ? six_bits((unsigned char)word.data[i]) : BLANK);
    }
    datum &= (UINT64_C(1) << 35) - 1; /* the first bit is the sign and has no part in the product */
    datum *= datum;                   /* modulo 2^64, which keeps the middle */
    return (unsigned)(datum >> (35 - bits / 2) & ((UINT64_C(1) << bits) - 1));
}
