/*
 * A bump allocator for what lives as long as one event: decoded strings, small arrays. Pointers
 * stay valid until arena_reset(). One arena per loop, reset after each event; it keeps its first
 * block, so the common event allocates nothing.
 */
#ifndef PROTO_BASE_ARENA_H
#define PROTO_BASE_ARENA_H

#include <stddef.h>
#include "proto/base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *first; /* owns */
    struct arena_block *current;
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
void arena_reset(struct arena *arena);
void *arena_allocate(struct arena *arena, size_t size); /* aligned for any type, uninitialised */
struct slice arena_copy(struct arena *arena, struct slice slice);

#endif
