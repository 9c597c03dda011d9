/*
 * What the files of a move share. Not included elsewhere.
 *
 *   move.c   what both sides have in common      departure.c   the owner's side
 *   arrival.c   the side that the WebSocket reached
 */
#ifndef EDGE_MOVE_INTERNAL_H
#define EDGE_MOVE_INTERNAL_H

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "edge/move.h"
#include "edge/session/guest.h"
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum {
    MOVE_DEADLINE_MS = 15000, /* for a step that the other edge or the router has to take */
    MOVE_REST_MS = 7000,      /* for a held client's session to rest: above the request deadline */
    MOVE_RETRY_MS = 250,      /* a session that was busy is looked at again */
    MOVE_RETRY_LATE_MS = 60000, /* one whose state was too large */
    MOVE_ROUTING_ID_MAX = 255,
    MOVE_CLOSE_GOING_AWAY = 1001, /* RFC 6455 §7.4.1 */
    MOVE_CLOSE_POLICY = 1008,
};

struct departure;
struct arrival;

struct moves {
    struct moves_settings settings;
    struct session_table *sessions; /* borrows, as all of these */
    struct peers *peers;
    struct uplink *uplink;
    struct id_source *ids;
    struct departure *departures; /* owns: by number of the move */
    struct departure *held;       /* those whose client is held back */
    struct arrival *arrivals;     /* owns: by number of the move */
    struct heap departing, arriving;
    struct moves_counters counters;
};

/* Puts the move's number and the message's own into it; all move messages begin with these. */
static inline void move_number(struct bus_message *message, uint64_t move, uint64_t *sent)
{
    message->move_begin.move = move;
    message->move_begin.number = ++*sent;
}

/* Is this the next message of the other edge? */
static inline bool move_is_next(const struct bus_message *message, uint64_t *received)
{
    return message->move_begin.number == ++*received;
}

void move_failed(struct moves *moves, enum move_failure failure, uint64_t move);

/* departure.c: messages that came to us as the owner */
void departure_receive(struct moves *moves, struct slice routing_id,
                       const struct bus_message *message, int64_t now);
void departures_edge_gone(struct moves *moves, struct slice incarnation, int64_t now);
void departures_tick(struct moves *moves, int64_t now);
void departures_destroy(struct moves *moves, int64_t now);
size_t departures_count(const struct moves *moves);

/* arrival.c: messages of the owner */
void arrival_receive(struct moves *moves, const struct bus_message *message, int64_t now);
void arrivals_edge_gone(struct moves *moves, struct slice incarnation, int64_t now);
void arrivals_tick(struct moves *moves, int64_t now);
void arrivals_destroy(struct moves *moves, int64_t now);
size_t arrivals_count(const struct moves *moves);

#endif
