/*
 * Who a client has proved to be, and where it may go. Only a token makes one: it binds what its
 * holder calls itself, and may name the rooms that are open to it. NULL stands for a client that is
 * bound by nothing.
 */
#ifndef EDGE_AUTH_IDENTITY_H
#define EDGE_AUTH_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum { IDENTITY_ROOMS_MAX = 1000, IDENTITY_ROOMS_BYTES_MAX = 8192 };

struct identity;

/*
 * rooms: a JSON array of strings that passed json_scan(), or empty: all rooms are open. NULL when
 * the subject is no usable id, or rooms is something else or too long.
 */
struct identity *identity_new(struct slice subject, struct slice rooms);
void identity_destroy(struct identity **identity);
/* For who outlives the request; NULL of NULL. */
struct identity *identity_copy(const struct identity *identity);

/* Empty for NULL. */
struct slice identity_subject(const struct identity *identity);
/* The array that it was made with; empty: all rooms are open. */
struct slice identity_rooms(const struct identity *identity);
/* May it speak as this entity? An empty one, which says nothing, it may. */
bool identity_may_be(const struct identity *identity, struct slice entity);
bool identity_may_enter(const struct identity *identity, struct slice room);

#endif
