/*
 * Socket.IO sockets: one per namespace on an Engine.IO session, and the table of upcalls by which
 * an application sits on top of the session layers. Chat is one such application; the layers below
 * know nothing of it.
 *
 * Implements: Socket.IO protocol, revisions 4 and 5: connection to a namespace, events,
 * acknowledgements, disconnection.
 */
#ifndef EDGE_SESSION_SOCKET_H
#define EDGE_SESSION_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/session/guest.h"
#include "edge/session/session.h"
#include "proto/base/packet.h"
#include "proto/base/slice.h"
#include "proto/wire/socketio.h"

struct socket;

struct socket_application {
    /*
     * For an application that speaks Engine.IO alone: takes every message as it is; there are no
     * sockets then, and the other upcalls do not come. NULL: Socket.IO.
     */
    void (*message)(void *context, struct session *session, struct slice message, bool is_binary,
                    int64_t now);
    /*
     * A client asks to connect to a namespace. auth: raw JSON object, or empty; a client 1.x or
     * 2.x, which has none, says the same in the query of its connection or namespace. Answer with
     * socket_accept() or socket_refuse(), now or later; the socket exists until disconnected().
     */
    void (*connect)(void *context, struct socket *socket, struct slice name_space,
                    struct slice auth, int64_t now);
    /* An EVENT on an accepted socket. packet->data_state may say that its JSON is too deep. */
    void (*event)(void *context, struct socket *socket, const struct socketio_packet *packet,
                  int64_t now);
    /* The client's acknowledgement of an event emitted with an ack id. */
    void (*acknowledged)(void *context, struct socket *socket, const struct socketio_packet *packet,
                         int64_t now);
    /* Does the client wait for something of this socket? May be NULL: never. */
    bool (*is_busy)(void *context, const struct socket *socket);
    /* The socket is over, for any reason; the pointer is invalid afterwards. */
    void (*disconnected)(void *context, struct socket *socket, enum session_close_reason reason,
                         int64_t now);
    /*
     * Sessions that move between edges; all NULL: sockets do not. rest() says whether this one may
     * go, may_arrive() whether others may come now; hand_over() appends its state, when it goes
     * and when it has gone, and take_over() reads it: 0, and then socket_taken_over() once, or an
     * error. With listen() what it is told is ours to say, up to there its former edge's; settle()
     * gets the state that it was left with: false when the two together have not told it
     * everything once.
     */
    enum session_rest (*rest)(void *context, const struct socket *socket);
    void (*hand_over)(void *context, const struct socket *socket, struct buffer *state,
                      int64_t now);
    bool (*may_arrive)(void *context);
    int (*take_over)(void *context, struct socket *socket, struct slice state, int64_t now);
    void (*listen)(void *context, struct socket *socket);
    bool (*settle)(void *context, struct socket *socket, struct slice state);
};

/* A socket taken over is complete here, or cannot be: its session ends. */
void socket_taken_over(struct socket *socket, bool is_complete);

/* Queues a rendered packet for an application of message(); takes a reference of its own. */
void session_send(struct session *session, struct packet *packet);

/* Accepts a pending connect: CONNECT answer with the socket's id, and a private id unless empty. */
void socket_accept(struct socket *socket, struct slice private_id);
/* Can its client be told offsets, and so go on with another socket later? */
bool socket_takes_offsets(const struct socket *socket);
/* A pending one goes on as another: SESSION_ID_LENGTH characters. */
void socket_set_id(struct socket *socket, struct slice id);
/* Refuses it: CONNECT_ERROR with the message; the session stays. disconnected() is not called. */
void socket_refuse(struct socket *socket, const char *message);

/*
 * Queues a rendered packet of the JSON parser (an event) with its attachments; takes a reference of
 * its own. A client of the msgpack parser gets it in that form, made once per packet. No effect on
 * a socket that is not accepted, or over.
 */
void socket_emit(struct socket *socket, struct packet *packet);
/* The same on a pending socket: what a recovered client has missed comes before the CONNECT. */
void socket_emit_missed(struct socket *socket, struct packet *packet);
/* Answers an event that asked for it; arguments: raw JSON values joined by commas. */
void socket_acknowledge(struct socket *socket, uint64_t ack_id, struct slice arguments);
/*
 * Ends the socket with a DISCONNECT packet: clients do not come back by themselves from this.
 * disconnected() is called before it returns.
 */
void socket_disconnect(struct socket *socket);

/*
 * The binary attachments of the packet that event() or acknowledged() is being called with: the
 * canonical placeholder (placeholder.h) in its JSON stands for the Nth, and each is named at most
 * once. From clients of the msgpack parser they may be up to SOCKETIO_BINARIES_MAX. Valid during
 * the call.
 */
const struct slice *socket_attachments(const struct socket *socket, size_t *count);

/*
 * Calls visit for every accepted socket of the table.
 */
void socket_for_each(struct session_table *table,
                     void (*visit)(void *context, struct socket *socket), void *context);

/*
 * >= 20 URL-safe characters. On the main namespace of revision 4 it is the session's, as clients
 * take it to be.
 */
const char *socket_id(const struct socket *socket);
struct session *socket_session(const struct socket *socket);
void *socket_data(const struct socket *socket); /* the application's own, NULL at first */
void socket_set_data(struct socket *socket, void *data);

#endif
