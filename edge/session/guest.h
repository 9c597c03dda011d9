/*
 * Sessions between two edges. Pure; the frames between the edges are edge/move.h's.
 *
 * A WebSocket that is to take over a polling session of another edge is a *guest* here: a session
 * of this table without sockets, whose messages are passed on and whose packets come from there.
 * At its owner the WebSocket is a carrier like any other (struct websocket), so that probe and
 * upgrade go as they always do. Once the session is at rest there, its state is taken over here:
 * what its sockets are told from then on waits behind what its former edge still has to say.
 *
 * session_find() does not know guests: whoever names their id is sent on to its owner.
 */
#ifndef EDGE_SESSION_GUEST_H
#define EDGE_SESSION_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/session/outbox.h"
#include "edge/session/session.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* --- at the edge that the WebSocket reached --------------------------------------------------- */

struct session_guest;
struct session_guest_operations {
    /* The client said this. */
    void (*message)(struct session_guest *guest, struct slice message, bool is_binary, int64_t now);
    /*
     * The session is over; the guest is not touched any more. Not called by session_guest_close().
     */
    void (*ended)(struct session_guest *guest);
};
/* Embedded by whoever speaks to the owner, zeroed at first. */
struct session_guest {
    const struct session_guest_operations *operations; /* borrows */
    struct session *session;                           /* managed by the session layer */
    struct outbox later;                               /* waits for session_guest_settle() */
    uint32_t arriving;                                 /* sockets not taken over whole yet */
    bool is_taken_over;
    bool is_listening; /* what its sockets are told is kept in `later` */
};

/* False, and nothing done: sessions_max is reached, or that id is a guest already. */
bool session_guest_open(struct session_table *table, struct slice sid, int revision,
                        struct websocket *websocket, struct session_guest *guest, int64_t now);
/* May its session come here now? Otherwise later. */
bool session_guest_may_arrive(const struct session_guest *guest);
/* A packet from the owner, as it is to be sent. */
void session_guest_send(struct session_guest *guest, bool is_binary, struct slice bytes);
/*
 * Takes the state over. What its sockets are told meanwhile is their former edge's to say, and
 * dropped here. 0, or ERROR_BUS_MALFORMED: then the guest is to be closed.
 */
int session_guest_take_over(struct session_guest *guest, struct slice state, int64_t now);
/*
 * From here on what its sockets are told is ours to say. False: they are not all taken over, and it
 * is to be closed.
 */
bool session_guest_listen(struct session_guest *guest, int64_t now);
/*
 * The owner has said its last, and ends like this. The guest becomes a session of this table;
 * false: the two states do not meet, and it is to be closed.
 */
bool session_guest_settle(struct session_guest *guest, struct slice state, int64_t now);
/* Closes the WebSocket with that code, behind what waits for it, and forgets the guest. */
void session_guest_close(struct session_guest *guest, int code, int64_t now);

/* --- at the edge that owns the session -------------------------------------------------------- */

enum session_rest {
    SESSION_AT_REST,    /* nothing is under way but what may be handed over */
    SESSION_RESTS_SOON, /* if its client says nothing more */
    SESSION_BUSY,       /* its client has to go on first, or something of it takes its time */
};
/* Is it on a WebSocket? */
bool session_is_upgraded(const struct session *session);
enum session_rest session_rest(const struct session *session);
/*
 * What its client says waits at the other edge, for as long as that and the owner agree on: nothing
 * is to be concluded from its silence. Afterwards a pong, or the client's ping, has a full term.
 */
void session_hold_back(struct session *session, bool is_on, int64_t now);
/* Appends its state and rests its heartbeat. False: it is more than the bus carries. */
bool session_hand_over(struct session *session, struct buffer *state, int64_t now);
/* Sends what waits, all of it; appends the state as it is now. False: it cannot go any more. */
bool session_depart(struct session *session, struct buffer *state, int64_t now);

#endif
