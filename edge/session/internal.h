/*
 * The inside of the session layer, shared by its files and by nobody else: the structures behind
 * session.h and socket.h, and what the parts call of each other.
 *
 *   session.c              states, ending, packets
 *   session_table.c        all sessions of an edge: looking up, flushing, draining
 *   opening.c              handshakes
 *   heartbeat.c            every timer of a session
 *   transport_polling.c    GET and POST
 *   transport_websocket.c  WebSocket, and the upgrade to it
 *   guest.c                sessions on their way from one edge to another
 *   socket.c               Socket.IO on top
 *   parser.c               how its packets look: the JSON and the msgpack parser
 */
#ifndef EDGE_SESSION_INTERNAL_H
#define EDGE_SESSION_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/session/attachments.h"
#include "edge/session/guest.h"
#include "edge/session/outbox.h"
#include "edge/session/session.h"
#include "edge/session/socket.h"
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/hash.h"
#include "proto/base/wheel.h"
#include "proto/wire/engineio.h"
#include "proto/wire/socketio.h"
#include "proto/wire/socketio_msgpack.h"

enum {
    SESSION_SOCKETS_MAX = 32,        /* namespaces of one session */
    UPGRADE_NOOP_INTERVAL_MS = 100,  /* a GET parked while upgrading is held no longer than this */
    CLOSING_LINGER_MS = 5000,        /* an ended polling session waits so long for its last GET */
    SCRATCH_KEPT_BYTES = 256 * 1024, /* of the table's scratch buffer, between two uses */
};

/*
 *      ──► POLLING ──upgrade──► PROBING ──2probe──► UPGRADING ──5──► WEBSOCKET ◄──
 *             ▲                    │                    │                │
 *             └────── probe lost, refused, timed out ───┘                │
 *                                                                        ▼
 *      another edge's, on a WebSocket here: GUEST ──settled──► WEBSOCKET, see guest.h
 *
 *      from every state: ended ──► CLOSED, or first CLOSING when a polling client is between two
 *      GETs and is to be told
 */
enum session_state {
    SESSION_POLLING,
    SESSION_PROBING,   /* polling; a WebSocket is attached beside it */
    SESSION_UPGRADING, /* polling; the WebSocket was probed, GETs are sent home */
    SESSION_WEBSOCKET,
    SESSION_GUEST,   /* another edge's, which the WebSocket here is to take over */
    SESSION_CLOSING, /* over for the application; the next GET is told */
    SESSION_CLOSED   /* waits for the end of the turn to be freed */
};

enum socket_state {
    SOCKET_UNUSED,
    SOCKET_PENDING, /* the application has yet to accept it */
    SOCKET_ACCEPTED,
    SOCKET_OVER /* waits for the end of the turn to be freed */
};

/*
 * How the client's Socket.IO packets look: told by the first of them, which is its CONNECT, or by
 * the opening of clients that are connected unasked.
 */
enum session_parser { PARSER_UNKNOWN, PARSER_JSON, PARSER_MSGPACK };

struct socket {
    struct session *session; /* borrows */
    struct socket *next;     /* on the session, or among the table's dead */
    void *data;              /* the application's */
    struct slice name_space; /* owns, unless it is "/" */
    uint32_t turn;           /* of the loop in which it was accepted */
    uint8_t state;           /* enum socket_state */
    char id[SESSION_ID_LENGTH + 1];
};

struct session {
    struct wheel_entry timer; /* the earliest of the deadlines below */
    struct session_table *table;
    const struct engineio_codec *engineio;
    const struct socketio_codec *socketio;
    struct outbox outbox;
    struct poll_exchange *poll;  /* borrows: the parked GET */
    struct websocket *websocket; /* borrows: the transport in state WEBSOCKET */
    struct websocket *probe;     /* borrows: the WebSocket beside polling */
    struct session *next_dirty;
    struct session *next_dead;
    struct socket *sockets;          /* owns */
    struct attachments *attachments; /* owns: of a packet still incomplete, or NULL */
    char *credentials;               /* owns: shown by its opening, or NULL */
    struct session_guest *guest;     /* borrows: of a GUEST, else NULL */

    int64_t last_life;        /* when the client last sent a packet */
    int64_t heartbeat_at;     /* next ping is due, or the pong is */
    int64_t connect_deadline; /* for a Socket.IO CONNECT; 0: none */
    int64_t state_deadline;   /* for PROBING, UPGRADING and CLOSING to pass; 0: none */
    int64_t noop_at;          /* the GET parked while UPGRADING is sent home; 0: none */

    uint8_t state;  /* enum session_state */
    uint8_t parser; /* enum session_parser */
    bool is_dirty : 1;
    bool is_choked : 1;        /* the WebSocket takes nothing until it is writable */
    bool is_awaiting_pong : 1; /* heartbeat_at is the deadline of the client's pong */
    bool is_pong_extended : 1; /* another packet has moved that deadline already */
    bool is_post_begun : 1;    /* head of a POST seen, body on its way */
    bool wants_base64 : 1;     /* binary data goes out as text */
    bool takes_offsets : 1;    /* gets packets with their suffix */
    bool is_held_back : 1;     /* what its client says waits at another edge */

    uint32_t taken_at; /* low 32 bits of ms: when the client last took a packet */
    char id[SESSION_ID_LENGTH + 1];
    struct socket first_socket; /* most sessions have one */
    UT_hash_handle hh;
};

/* Packets that never change, rendered once. */
struct session_packets {
    struct packet *ping, *pong, *pong_probe, *noop, *close;
};

struct session_table {
    struct session_settings settings;
    const struct socket_application *application; /* borrows */
    void *application_context;                    /* borrows */
    struct id_source *ids;                        /* borrows */
    char incarnation[INCARNATION_LENGTH + 1];
    int64_t now;              /* of the latest call that knew it */
    struct session *sessions; /* owns: by id, CLOSED ones left out */
    struct session *dirty_first, *dirty_last;
    struct session *dead_sessions; /* freed by the end of session_table_flush() */
    struct socket *dead_sockets;
    struct session_packets packets;
    struct session_counters counters;
    struct buffer scratch;         /* rendering; valid until the next use */
    struct buffer payload;         /* JSON of a packet with binary values, while it is looked at */
    struct arena arena;            /* decoding of one payload */
    const struct slice *delivered; /* borrows: attachments of the packet an upcall is looking at */
    size_t delivered_count;
    struct wheel wheel;
    uint32_t turn; /* of the loop; each ends with a flush */
    bool is_flushing;
    bool opens_none; /* draining */
};

/* session.c */
bool session_is_open(const struct session *session); /* not CLOSING, not CLOSED */
void session_enter_state(struct session *session, enum session_state state);
/* A session of that id, which is nobody's in the table; no timer is set yet. */
struct session *session_make(struct session_table *table, int revision, struct slice id,
                             enum session_state state);
void session_end(struct session *session, enum session_close_reason reason);
/* As Socket.IO ends one: a polling client between two GETs is told with its next. */
void session_end_told(struct session *session, enum session_close_reason reason);
/* Handles one packet of the client, whichever transport brought it. */
void session_receive(struct session *session, const struct engineio_packet *packet);
/* Queues a packet; takes a reference of its own. Limits are enforced by the flush. */
void session_queue(struct session *session, struct packet *packet);
/* Queues what the scratch buffer holds as a text packet. */
void session_queue_scratch(struct session *session);
/* Does more wait for the client than outbox_max_bytes? */
bool session_is_behind(const struct session *session);
/* How long the client has taken nothing of what waits for it, in ms. */
int64_t session_stalled_for(const struct session *session);
/* Drops volatile packets when the outbox is over a limit, and ends a slow consumer. */
void session_enforce_limits(struct session *session);

/* session_table.c */
struct buffer *session_scratch(struct session_table *table);
void session_new_id(struct session_table *table, char out[SESSION_ID_LENGTH + 1]);
void session_mark_dirty(struct session *session);

/* heartbeat.c */
void heartbeat_start(struct session *session);
void heartbeat_received(struct session *session, const struct engineio_packet *packet);
void heartbeat_transport_changed(struct session *session);
void heartbeat_expire(void *table, struct wheel_entry *entry);
/* To be called when a deadline changed: sets the session's one timer. */
void heartbeat_schedule(struct session *session);

/* transport_polling.c */
/*
 * Answers the parked GET with what is queued and, unless it is NULL or what is queued is more than
 * one payload takes, `last` behind it.
 */
void polling_answer(struct session *session, struct packet *last);

/* transport_websocket.c */
void websocket_flush(struct session *session);
void websocket_end(struct session *session, enum session_close_reason reason);
void websocket_abort_upgrade(struct session *session);
/* Sends all that waits; false: the connection does not take it now, or is dead. */
bool websocket_send_all(struct session *session);
/* Closes the connection with this code, behind what waits. */
void websocket_close(struct session *session, int code);

/* guest.c */
void guest_message(struct session *session, struct slice message, bool is_binary);
/* Keeps a packet of its sockets until it is settled. */
void guest_queue(struct session *session, struct packet *packet);
void guest_end(struct session *session);

/* socket.c */
/* A session has opened: connects clients that do not ask for it to the main namespace. */
void sockets_open(struct session *session, struct slice auth);
/* A packet that is whole, in the one form that packets have here. */
void socket_receive(struct session *session, const struct socketio_packet *packet);
/* Ends every socket of an ended session. */
bool sockets_are_busy(const struct session *session); /* the application says so of one */
void sockets_end(struct session *session, enum session_close_reason reason);
void sockets_reap(struct session_table *table);
/* An accepted socket that another edge has handed over. */
struct socket *socket_import(struct session *session, struct slice name_space, struct slice id);

/* parser.c */
/* An Engine.IO message: one Socket.IO packet, or one attachment. */
void parser_receive(struct session *session, struct slice message, bool is_binary);
/* Queues a Socket.IO packet, with its attachments, in the form that the client's parser reads. */
void parser_send(struct session *session, struct packet *packet);
/* The same with what the table's scratch buffer holds. */
void parser_send_scratch(struct session *session);

#endif
