/*
 * Two kinds of catching up, both reading the store page by page until they meet the live stream:
 * a join with `since` collects what the client missed and is admitted in the same step in which
 * nothing is missing; an edge that missed frames of a room is sent them, and turned live likewise.
 */
#ifndef ROUTER_CORE_REPLAY_H
#define ROUTER_CORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct attachment;
struct bus_message;
struct peer;
struct question;
struct room;
struct router;
struct store_page;
struct unanswered_join;

void replay_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                       struct unanswered_join **unanswered);
/* The edge does not want the answer any more. False: that join is not waiting for the store. */
bool replay_cancel_join(struct peer *peer, uint64_t request);
void replay_begin_catch_up(struct attachment *attachment);
void replay_answered(struct router *router, struct question *question, struct store_page *page);

#endif
