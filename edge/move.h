/*
 * Edge to edge: a session whose WebSocket landed on another edge moves there. Pure; frames travel
 * through peer.h.
 *
 * The edge that the WebSocket reached is a pipe at first (session/guest.h): probe, upgrade and all
 * else happen at the owner, over a WebSocket that is this edge's. When the session is at rest the
 * owner has its client held back, and hands its state over; the new edge joins its rooms, with a
 * mark behind that the router passes to the owner: what the owner hears before it is the owner's
 * to send, what comes after it is the new edge's. When the owner has sent its last the session is
 * the new edge's alone. A move that cannot be completed ends the WebSocket, as any lost connection.
 *
 *   owner   PROBING ──5──► PIPING ⇄ HOLDING ──held──► HELD ──at rest──► GIVEN ──marked──► over
 *   new     PROBING ─────► PIPING ⇄ HELD ──state──► ARRIVING ──joined, and the other's end──► over
 *
 * Implements: BUS.md, "Moves".
 */
#ifndef EDGE_MOVE_H
#define EDGE_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/peer.h"
#include "edge/session/session.h"
#include "edge/uplink.h"
#include "proto/base/id.h"
#include "proto/bus/message.h"

struct moves;

struct moves_settings {
    struct slice incarnation; /* of this edge; borrowed */
    int64_t upgrade_timeout;  /* ms; as of the sessions */
    int64_t moves_max;        /* under way at once, each direction */
    int64_t held_max;         /* bytes that a client may say while it is held back */
};

/* Borrows all of them; they outlive it. */
struct moves *moves_new(const struct moves_settings *settings, struct session_table *sessions,
                        struct peers *peers, struct uplink *uplink, struct id_source *ids);
/* Ends what is under way; its WebSockets are closed. */
void moves_destroy(struct moves **moves, int64_t now);

/* A WebSocket that names the session of another edge. False: refused, close it. */
bool moves_begin(struct moves *moves, struct slice sid, int revision, struct websocket *websocket,
                 int64_t now);
/* From another edge, and from the router. */
void moves_receive(struct moves *moves, struct slice routing_id, const struct bus_message *message,
                   int64_t now);
void moves_marked(struct moves *moves, uint64_t move, int64_t now);
/* That edge is gone, and the sessions on their way from it with it. */
void moves_edge_gone(struct moves *moves, struct slice incarnation, int64_t now);

void moves_tick(struct moves *moves, int64_t now);
/* Call once per loop turn, behind session_table_flush(). */
void moves_flush(struct moves *moves, int64_t now);

/* Why a move did not take place, or broke off. */
enum move_failure {
    MOVE_REFUSED,   /* session unknown there, or not upgrading, or too many at once */
    MOVE_ABANDONED, /* its WebSocket closed, or its session ended, while it was under way */
    MOVE_EDGE_GONE, /* the other edge */
    MOVE_LATE,      /* a deadline passed */
    MOVE_MALFORMED, /* a message was missed, or says what it must not */
    MOVE_TOO_LARGE, /* what the client said while it was held back, or the state */
    MOVE_UNJOINED,  /* the router did not answer, or does not know the other edge */
    MOVE_DIVERGED,  /* the two edges' streams do not meet */
    MOVE_FAILURES
};
const char *move_failure_name(enum move_failure failure);

struct moves_counters {
    uint64_t in, out, failed[MOVE_FAILURES];
    size_t arriving, departing; /* now, pipes included */
};
const struct moves_counters *moves_counters(struct moves *moves);

#endif
