/*
 * Sockets that can be recovered: their rows in the store, and the stamps by which is known what a
 * client has been told. The rows are the only memory of them; they are written in the batches of
 * everything else, and a join that is to be recoverable is answered only when its row is committed.
 */
#ifndef ROUTER_CORE_SESSIONS_H
#define ROUTER_CORE_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"

struct bus_message;
struct peer;
struct pending;
struct question;
struct room;
struct router;
struct store_page;

/* A join whose answer carries this stamp, or a later one: until then nobody is told of so late a
 * stamp, so that whoever has been told of it has been told of the join. */
struct unanswered_join {
    uint64_t stamp;
    struct unanswered_join *prev, *next; /* router->unanswered, in order of stamps */
};

bool sessions_are_kept(const struct router *router);
/* A number that rises with the wall clock, and always. */
uint64_t clock_after(uint64_t last, int64_t wall);
uint64_t stamp_next(struct router *router);
uint64_t stamp_told(const struct router *router); /* the latest that may be told */
void unanswered_end(struct router *router, struct unanswered_join **join);
void sessions_load_secret(struct router *router, struct slice secret);
void sessions_loaded(struct router *router);
void sessions_greet(struct peer *peer);
void sessions_lose_edge(struct router *router, struct slice edge); /* empty: all of them */
void sessions_find_edge(struct peer *peer);
void sessions_tick(struct router *router);
/* Writes the row of a join, which goes on when it is committed. */
void sessions_keep_join(struct peer *peer, struct room *room, const struct bus_message *message);
bool sessions_cancel_join(struct peer *peer, uint64_t request); /* as replay_cancel_join() */
/* False: the message is not for this part. */
bool sessions_receive(struct peer *peer, const struct bus_message *message);
void sessions_committed(struct router *router, struct pending *pending, int result);
void sessions_answered(struct router *router, struct question *question,
                       const struct store_page *page);

#endif
