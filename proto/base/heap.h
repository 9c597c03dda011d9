/*
 * A binary min-heap of deadlines: for the few timers of a core (leases, grace periods, request
 * deadlines). Entries are embedded in their owners; moving and removing is O(log n). Heartbeats of
 * sessions do not belong here: see wheel.h.
 */
#ifndef PROTO_BASE_HEAP_H
#define PROTO_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_entry {
    int64_t deadline; /* ms, monotonic */
    size_t position;  /* 1-based place in the heap; 0: not in it */
};

struct heap {
    struct heap_entry **entries; /* owns the array, borrows the entries */
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap);
void heap_deinit(struct heap *heap);
/* Inserts, or moves an entry that is in already. */
void heap_set(struct heap *heap, struct heap_entry *entry, int64_t deadline);
void heap_remove(struct heap *heap, struct heap_entry *entry); /* no-op when not in */
/* The earliest entry whose deadline is <= now, removed from the heap; NULL when there is none. */
struct heap_entry *heap_pop_due(struct heap *heap, int64_t now);
/* Deadline of the earliest entry, or -1. */
int64_t heap_next_deadline(const struct heap *heap);

#endif
