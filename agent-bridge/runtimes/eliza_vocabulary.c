#include "agent-bridge/runtimes/eliza_vocabulary.h"

#include "agent-bridge/runtimes/eliza_text.h"
#include "proto/base/memory.h"

#define uthash_malloc(size) memory_allocate(size)
#include "proto/base/hash.h"

struct eliza_vocabulary_slot {
    struct eliza_entry entry;
    UT_hash_handle hh;
};

void eliza_vocabulary_init(struct eliza_vocabulary *vocabulary)
{
    memset(vocabulary, 0, sizeof(*vocabulary));
}

void eliza_vocabulary_deinit(struct eliza_vocabulary *vocabulary)
{
    HASH_CLEAR(hh, vocabulary->slots); /* the slots themselves lie in the script's arena */
    memset(vocabulary, 0, sizeof(*vocabulary));
}

static struct eliza_vocabulary_slot *find_folded(const struct eliza_vocabulary *vocabulary,
                                                 const char *folded, size_t length)
{
    struct eliza_vocabulary_slot *slot;

    HASH_FIND(hh, vocabulary->slots, folded, length, slot);
    return slot;
}

const struct eliza_entry *eliza_vocabulary_find(const struct eliza_vocabulary *vocabulary,
                                                struct slice word)
{
    char folded[ELIZA_FOLD_MAX];
    size_t length = eliza_fold(word, folded);
    struct eliza_vocabulary_slot *slot = NULL;

    if (length > 0) {
        slot = find_folded(vocabulary, folded, length);
    }
    return slot == NULL ? NULL : &slot->entry;
}

struct eliza_entry *eliza_vocabulary_add(struct eliza_vocabulary *vocabulary, struct arena *arena,
                                         struct slice word)
{
    char folded[ELIZA_FOLD_MAX];
    size_t length = eliza_fold(word, folded);
    struct eliza_vocabulary_slot *slot;

    if (length == 0) {
        return NULL;
    }
    slot = find_folded(vocabulary, folded, length);
    if (slot == NULL) {
        if (HASH_COUNT(vocabulary->slots) >= ELIZA_VOCABULARY_MAX) {
            return NULL;
        }
        slot = arena_allocate(arena, sizeof(*slot));
        memset(slot, 0, sizeof(*slot));
        slot->entry.folded = arena_copy(arena, slice_of(folded, length));
        slot->entry.spelling = slot->entry.folded;
        HASH_ADD_KEYPTR(hh, vocabulary->slots, slot->entry.folded.data, length, slot);
    }
    return &slot->entry;
}

uint64_t eliza_vocabulary_class(const struct eliza_vocabulary *vocabulary, struct slice name)
{
    for (size_t i = 0; i < vocabulary->class_count; i++) {
        if (slice_equals(vocabulary->classes[i], name)) {
            return UINT64_C(1) << i;
        }
    }
    return 0;
}

uint64_t eliza_vocabulary_add_class(struct eliza_vocabulary *vocabulary, struct arena *arena,
                                    struct slice name)
{
    uint64_t bit = eliza_vocabulary_class(vocabulary, name);

    if (bit != 0 || vocabulary->class_count == ELIZA_CLASSES_MAX) {
        return bit;
    }
    vocabulary->classes[vocabulary->class_count] = arena_copy(arena, name);
    return UINT64_C(1) << vocabulary->class_count++;
}
