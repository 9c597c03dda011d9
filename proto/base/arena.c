#include "proto/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { BLOCK_SIZE = 16 * 1024 };

/*
 * bytes[] of what is not handed out is poisoned, so that ASan sees a pointer outliving its event.
 */
struct arena_block {
    struct arena_block *next; /* owns */
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = memory_allocate(sizeof(*block) + size);

    block->next = NULL;
    block->used = 0;
    block->size = size;
    ASAN_POISON_MEMORY_REGION(block->bytes, size);
    return block;
}

static void blocks_free(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;

        ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size);
        free(block);
        block = next;
    }
}

static void *block_take(struct arena_block *block, size_t size)
{
    char *start = block->bytes + block->used;

    block->used += size;
    ASAN_UNPOISON_MEMORY_REGION(start, size);
    return start;
}

void arena_init(struct arena *arena)
{
    arena->first = NULL;
    arena->current = NULL;
}

void arena_deinit(struct arena *arena)
{
    blocks_free(arena->first);
    arena_init(arena);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->first;

    if (first == NULL) {
        return;
    }
    blocks_free(first->next);
    first->next = NULL;
    first->used = 0;
    ASAN_POISON_MEMORY_REGION(first->bytes, first->size);
    arena->current = first;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    assert(rounded >= size);
    if (arena->first == NULL) {
        arena->first = arena->current = block_new(BLOCK_SIZE);
    }
    if (arena->current->size - arena->current->used >= rounded) {
        return block_take(arena->current, rounded);
    }

    /* A big piece gets a block of its own and leaves the rest of the current one in use. */
    struct arena_block *block = block_new(rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE);
    block->next = arena->current->next;
    arena->current->next = block;
    if (rounded <= BLOCK_SIZE) {
        arena->current = block;
    }
    return block_take(block, rounded);
}

struct slice arena_copy(struct arena *arena, struct slice slice)
{
    char *copy;

    if (slice.length == 0) {
        return SLICE_EMPTY;
    }
    copy = arena_allocate(arena, slice.length);
    memcpy(copy, slice.data, slice.length);
    return slice_of(copy, slice.length);
}
