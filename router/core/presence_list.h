/*
 * Lists of who is in a room: those that joins and REST are answered with, and those that edges are
 * owed whenever what they know may be out of date.
 */
#ifndef ROUTER_CORE_PRESENCE_LIST_H
#define ROUTER_CORE_PRESENCE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/bus/list.h"

struct attachment;
struct room;
struct router;

/*
 * After a start, what edges bring back is no news to anyone. Whoever was there before counts as in
 * its grace period from the start on: an edge that died together with the router leaves no ghosts.
 */
bool presence_is_rebuilding(const struct router *router);
/* Adds members from `offset` on: `limit` in all, or as many as are within bytes_max. */
void presence_list(const struct room *room, size_t offset, size_t limit, size_t bytes_max,
                   struct bus_list_builder *list);
/* What this edge knows of the room may be out of date: it gets the whole list by and by. */
void presence_owe_list(struct attachment *attachment);
void presence_pay_lists(struct router *router);

#endif
