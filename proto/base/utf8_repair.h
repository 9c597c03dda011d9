/*
 * Bytes that ought to be UTF-8 and need not be.
 */
#ifndef PROTO_BASE_UTF8_REPAIR_H
#define PROTO_BASE_UTF8_REPAIR_H

#include "proto/base/arena.h"
#include "proto/base/slice.h"

/* The bytes themselves when they are, else a copy in which each byte that is none is U+FFFD. */
struct slice utf8_repair(struct slice bytes, struct arena *arena);

#endif
