#include "proto/base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/memory.h"

enum { CAPACITY_MIN = 16 };

/* Places are counted from 1, so that 0 says "not in": the children of n are 2n and 2n + 1. */
static struct heap_entry *entry_at(const struct heap *heap, size_t position)
{
    return heap->entries[position - 1];
}

static void place(struct heap *heap, struct heap_entry *entry, size_t position)
{
    heap->entries[position - 1] = entry;
    entry->position = position;
}

static void sift_up(struct heap *heap, struct heap_entry *entry, size_t position)
{
    while (position > 1 && entry_at(heap, position / 2)->deadline > entry->deadline) {
        place(heap, entry_at(heap, position / 2), position);
        position /= 2;
    }
    place(heap, entry, position);
}

static void sift_down(struct heap *heap, struct heap_entry *entry, size_t position)
{
    for (;;) {
        size_t child = position * 2;

        if (child > heap->count) {
            break;
        }
        if (child < heap->count &&
            entry_at(heap, child + 1)->deadline < entry_at(heap, child)->deadline) {
            child++;
        }
        if (entry_at(heap, child)->deadline >= entry->deadline) {
            break;
        }
        place(heap, entry_at(heap, child), position);
        position = child;
    }
    place(heap, entry, position);
}

/* Puts an entry where it belongs, beginning at a free place. */
static void settle(struct heap *heap, struct heap_entry *entry, size_t position)
{
    if (position > 1 && entry_at(heap, position / 2)->deadline > entry->deadline) {
        sift_up(heap, entry, position);
    } else {
        sift_down(heap, entry, position);
    }
}

void heap_init(struct heap *heap)
{
    heap->entries = NULL;
    heap->count = 0;
    heap->capacity = 0;
}

void heap_deinit(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        heap->entries[i]->position = 0;
    }
    free(heap->entries);
    heap_init(heap);
}

void heap_set(struct heap *heap, struct heap_entry *entry, int64_t deadline)
{
    entry->deadline = deadline;
    if (entry->position == 0) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity == 0 ? CAPACITY_MIN : heap->capacity * 2;
            heap->entries =
                memory_reallocate(heap->entries, heap->capacity * sizeof(*heap->entries));
        }
        heap->count++;
        sift_up(heap, entry, heap->count);
        return;
    }
    assert(entry_at(heap, entry->position) == entry);
    settle(heap, entry, entry->position);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
    size_t position = entry->position;
    struct heap_entry *last;

    if (position == 0) {
        return;
    }
    assert(position <= heap->count && entry_at(heap, position) == entry);
    last = entry_at(heap, heap->count);
    heap->count--;
    entry->position = 0;
    if (last != entry) {
        settle(heap, last, position);
    }
}

struct heap_entry *heap_pop_due(struct heap *heap, int64_t now)
{
    struct heap_entry *earliest;

    if (heap->count == 0 || heap->entries[0]->deadline > now) {
        return NULL;
    }
    earliest = heap->entries[0];
    heap_remove(heap, earliest);
    return earliest;
}

int64_t heap_next_deadline(const struct heap *heap)
{
    return heap->count == 0 ? -1 : heap->entries[0]->deadline;
}
