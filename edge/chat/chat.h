/*
 * Chat: the application on top of the session layer. Client events become bus messages to the
 * router, bus messages become client events, each rendered once per message and shared by all
 * sockets. Pure: below it are session tables and an uplink that tests and the simulator can drive.
 *
 * Implements: "Messaging" of the ElizaOS documentation, the server's side; BUS.md, the edge's side.
 */
#ifndef EDGE_CHAT_CHAT_H
#define EDGE_CHAT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/auth/auth.h"
#include "edge/session/socket.h"
#include "edge/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/base/options.h"

struct chat;

struct chat_settings {
    int64_t rooms_per_socket_max;
    bool rejoin_entity;              /* puts those who come back as new sockets into their rooms */
    int64_t requests_per_socket_max; /* waiting for the router; beyond: overloaded */
    struct rate socket_rate;         /* events of one socket; beyond: rate_limited */
    const struct auth *auth;         /* borrowed; NULL: everybody is let in */
    const char *edge_name;           /* shown to clients in connection_established; borrowed */
    struct slice incarnation;        /* of this edge; borrowed */
};

/* Why a client that wanted to go on as another socket did not. */
enum chat_recovery_refusal {
    CHAT_RECOVERY_FORGED,     /* its pid or offset is none of ours, or says nothing */
    CHAT_RECOVERY_UNKNOWN,    /* that socket is not known (any more) */
    CHAT_RECOVERY_INCOMPLETE, /* not all that it missed can be had */
    CHAT_RECOVERY_FORBIDDEN,  /* its token does not let it into all of its rooms */
    CHAT_RECOVERY_LATE,       /* the cluster did not answer in time, or not at all */
    CHAT_RECOVERY_REFUSALS
};
const char *chat_recovery_refusal_name(enum chat_recovery_refusal refusal);

struct chat_counters {
    uint64_t events, faults, refused, joins, sends, signals;
    uint64_t unauthorized, limited; /* sockets and events refused */
    uint64_t deliveries;            /* packets queued to sockets for room events */
    uint64_t rendered;              /* packets made for them */
    uint64_t chunks_held;           /* pieces of replies kept back from viewers behind */
    uint64_t rejoins;               /* rooms that sockets were put into */
    uint64_t recovered;             /* sockets that clients went on with */
    uint64_t recoveries_refused[CHAT_RECOVERY_REFUSALS]; /* they got new ones instead */
    size_t rooms, memberships, watches;                  /* now */
};

struct chat *chat_new(const struct chat_settings *settings, struct id_source *ids);
void chat_destroy(struct chat **chat);
/* Both exist after the chat does and go before it: they call back into it. */
void chat_set_uplink(struct chat *chat, struct uplink *uplink);
void chat_set_sessions(struct chat *chat, struct session_table *sessions);
void chat_set_wall_clock(struct chat *chat, int64_t (*wall)(void *context), void *context);

/* What sits on the session layer: pass it to session_table_new() with the chat as context. */
extern const struct socket_application chat_socket_application;

/* Deadlines, and what is held back for senders that do not join; call every 50 ms or so. */
void chat_tick(struct chat *chat, int64_t now);

/* The uplink's upcalls. */
uint64_t chat_synchronise(struct chat *chat, int64_t now);
void chat_deliver(struct chat *chat, const struct bus_message *message, int64_t now);

const struct chat_counters *chat_counters(struct chat *chat);
/* Are rooms closed to all but their participants? As far as the router has said so. */
bool chat_has_closed_rooms(const struct chat *chat);

/*
 * Watching a run: a caller outside the room (REST, or a sender that has not joined) follows the
 * answers to one question. Events come in order: CHUNK, ROOM_MESSAGE (a final reply) and RUN; and
 * EXPELLED of any room, which whoever watches on behalf of that entity has to end for. Whoever
 * watches ends it, also from within event(). Embedded in the watcher, zeroed at first.
 */
struct chat_watch {
    void (*event)(struct chat_watch *watch, const struct bus_message *event);
    char question[UUID_TEXT_SIZE];
    struct chat_watch *prev, *next; /* managed by chat */
};
void chat_watch(struct chat *chat, struct chat_watch *watch, struct slice question);
/* What this edge knows of a run in that room that is watched: its text so far, as one CHUNK. */
void chat_catch_up(struct chat *chat, struct chat_watch *watch, struct slice room);
/*
 * The same for the caller, of that reply (empty: of any); valid until something is delivered.
 * False: nothing is known of it.
 */
bool chat_so_far(struct chat *chat, const struct chat_watch *watch, struct slice room,
                 struct slice reply, struct bus_chunk *out);
void chat_unwatch(struct chat *chat, struct chat_watch *watch); /* no-op when not watching */

#endif
