/*
 * Engine.IO sessions: the state machine between transports and Socket.IO sockets. Pure: no socket,
 * no clock, no thread; transports are reached through small tables of operations, so that tests
 * and the simulator put their own below.
 *
 * A session has one transport at a time: polling (a GET is parked, POSTs come in) or WebSocket, or
 * polling with a WebSocket probing beside it. Packets for the client wait in the session's outbox,
 * shared and in order; dirty sessions are flushed once per loop turn by session_table_flush(), all
 * frames of one session in one call of its transport.
 *
 * Implements: Engine.IO protocol, revisions 3 and 4: "Handshake", "Heartbeat", "Upgrade", "HTTP
 * long-polling", "WebSocket". Ids travel across modules; a session pointer is valid until
 * disconnected() of its sockets or the end of the current call, whichever is first.
 */
#ifndef EDGE_SESSION_SESSION_H
#define EDGE_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/id.h"
#include "proto/base/packet.h"
#include "proto/base/slice.h"

struct session;
struct session_table;
struct socket_application; /* socket.h */

/*
 * Slow consumers. Volatile packets are left out for a client for whom more than outbox_max_bytes
 * wait. It is cut when it takes nothing of that for OUTBOX_STALL_MS, and while it reads when
 * OUTBOX_HARD_FACTOR times as much waits: a burst is no reason, and memory has its bound. A poll's
 * answer of a megabyte takes its time on a phone, and counts as taken when it is given out.
 */
enum { OUTBOX_STALL_MS = 10000, OUTBOX_HARD_FACTOR = 4 };

/* Limits and timers, named as Socket.IO names its options. Durations in ms, sizes in bytes. */
struct session_settings {
    int64_t ping_interval;        /* 25 000 */
    int64_t ping_timeout;         /* 20 000 */
    int64_t upgrade_timeout;      /* 10 000: from probe to upgrade */
    int64_t connect_timeout;      /* 45 000: a session without a Socket.IO CONNECT is closed */
    int64_t max_http_buffer_size; /* 1 000 000: largest message in, announced as maxPayload */
    int64_t outbox_max_bytes;     /* waiting for one client: see "Slow consumers" */
    int64_t outbox_max_age;       /* ms the oldest waiting packet may be old on a live transport */
    int64_t sessions_max;         /* per edge */
    int64_t payload_packets_max;  /* packets in one polling payload */
    bool allow_upgrades;
    bool allow_eio3; /* clients 1.x and 2.x */
};

/* Why a session ended. Given to the application and counted; clients see a code of RFC 6455. */
enum session_close_reason {
    SESSION_CLOSE_CLIENT,    /* close packet, or DISCONNECT: the client meant it */
    SESSION_CLOSE_TRANSPORT, /* connection lost */
    SESSION_CLOSE_PING_TIMEOUT,
    SESSION_CLOSE_PARSE_ERROR,    /* malformed packet */
    SESSION_CLOSE_PROTOCOL_ERROR, /* overlapping polls, packet that does not fit the state */
    SESSION_CLOSE_TOO_LARGE,
    SESSION_CLOSE_SLOW_CONSUMER, /* it takes nothing of what waits for it */
    SESSION_CLOSE_OUTBOX_FULL,   /* it reads, but far more is said to it */
    SESSION_CLOSE_CONNECT_TIMEOUT,
    SESSION_CLOSE_SERVER,   /* we ended it: drain */
    SESSION_CLOSE_ISOLATED, /* we ended it: this edge is cut off from the router */
    SESSION_CLOSE_MOVED,    /* not over: it is another edge's now */
    SESSION_CLOSE_REASONS
};
const char *session_close_reason_name(enum session_close_reason reason);

/*
 * A polling request on its way to an answer. Whoever carries it (the HTTP server, or the relay
 * from another edge) embeds this, and calls session_exchange_gone() when the client leaves before
 * the answer. answer() is called exactly once, unless the exchange is gone; afterwards the session
 * layer does not touch it again. body is borrowed for the call, and answer() calls nothing of the
 * session layer. content_type NULL: no body.
 */
struct poll_exchange {
    void (*answer)(struct poll_exchange *exchange, int status, const char *content_type,
                   struct slice body);
    struct session *session; /* while parked; managed by the session layer */
    const char *opened;      /* in answer(): the id of the session that it opens, or NULL */
};
void session_exchange_gone(struct session_table *table, struct poll_exchange *exchange,
                           int64_t now);
/* A parked GET is to be answered now, with nothing if there is nothing: the client polls again. */
void session_exchange_recall(struct session_table *table, struct poll_exchange *exchange,
                             int64_t now);

/*
 * A WebSocket connection. Whoever carries it embeds this. All calls come from the loop's thread.
 */
struct websocket;
struct websocket_operations {
    /*
     * Sends the frames of the packets, first to last, in one system call. Returns how many packets
     * the connection took over (one sent in part counts: its rest is the carrier's), 0 when it is
     * choked; the carrier then calls session_websocket_writable(). Negative: the connection is
     * dead.
     */
    int (*send)(struct websocket *websocket, struct packet *const *packets, size_t count);
    /* Closes, with a close frame of this code when possible (0: abruptly). No upcall follows. */
    void (*close)(struct websocket *websocket, int code);
};
struct websocket {
    const struct websocket_operations *operations; /* borrows */
    struct session *session;                       /* managed by the session layer; NULL: none */
};

struct session_table *session_table_new(const struct session_settings *settings,
                                        const struct socket_application *application,
                                        void *application_context, struct id_source *ids,
                                        const char *incarnation, int64_t now);
/* Ends what is left (SESSION_CLOSE_SERVER, with upcalls) and frees everything. */
void session_table_destroy(struct session_table **table);

/* What the request for a new session said. Borrowed for the call. */
struct session_opening {
    int revision;        /* of Engine.IO */
    bool wants_base64;   /* revision 3: the client's transport takes no binary data */
    bool takes_offsets;  /* its handlers stand another argument: it can be recovered */
    bool speaks_msgpack; /* revision 3, whose clients hear the first packet before they say one */
    /*
     * A JSON object, or empty. Clients of revision 3 are connected to the main namespace unasked:
     * this is the auth of it, as the request's query had it.
     */
    struct slice auth;
    struct slice credentials; /* what its headers show, for the application; mostly empty */
};
/* Is the revision served here? */
bool session_table_serves(const struct session_table *table, int revision);
/* Opens a session over polling; the handshake is the exchange's answer. */
void session_open_polling(struct session_table *table, const struct session_opening *opening,
                          struct poll_exchange *exchange, int64_t now);
/*
 * Opens a session over WebSocket; false (and nothing done) when the revision is not served or
 * sessions_max is reached.
 */
bool session_open_websocket(struct session_table *table, const struct session_opening *opening,
                            struct websocket *websocket, int64_t now);

/* The session of this edge with that id, or NULL. Guests (guest.h) are not this edge's. */
struct session *session_find(struct session_table *table, struct slice sid);

/* Polling requests for a session of this edge. The body's form shows in its first byte. */
void session_poll(struct session_table *table, struct session *session,
                  struct poll_exchange *exchange, int64_t now);
void session_post(struct session_table *table, struct session *session, struct slice body,
                  struct poll_exchange *exchange, int64_t now);
/*
 * The head of a POST was read, its body is on its way. Optional; with it, a second POST that begins
 * before the first is whole ends the session, and one that a client began before its upgrade is
 * still taken after it.
 */
void session_post_begin(struct session_table *table, struct session *session, int64_t now);

/* A WebSocket that is to take a polling session over (it will probe). False: refused, close it. */
bool session_upgrade_begin(struct session_table *table, struct session *session,
                           struct websocket *websocket, int64_t now);
/* One whole message arrived, or the connection can be written again, or it is gone. */
void session_websocket_message(struct session_table *table, struct websocket *websocket,
                               struct slice message, bool is_binary, int64_t now);
void session_websocket_writable(struct session_table *table, struct websocket *websocket,
                                int64_t now);
void session_websocket_gone(struct session_table *table, struct websocket *websocket, int64_t now);
/* The carrier refuses what the peer sent (too large, for one): it is closed with that reason. */
void session_websocket_failed(struct session_table *table, struct websocket *websocket,
                              enum session_close_reason reason, int64_t now);

/* Closes a session for a reason of ours. Only the transport is closed: no DISCONNECT packet. */
void session_close(struct session_table *table, struct session *session,
                   enum session_close_reason reason, int64_t now);

/* Runs timers; call every WHEEL_TICK_MS. */
void session_table_tick(struct session_table *table, int64_t now);
/*
 * Writes out what is queued; call once per loop turn, after all events of the turn. Returns how
 * many sessions had something.
 */
size_t session_table_flush(struct session_table *table, int64_t now);
bool session_table_is_dirty(const struct session_table *table);
size_t session_table_count(const struct session_table *table);
/* From now on no session is opened here: the table counts as full. */
void session_table_stop_opening(struct session_table *table);
bool session_table_is_full(const struct session_table *table); /* sessions_max is reached */
size_t session_table_limit(const struct session_table *table); /* sessions_max */
/* Closes up to `most` sessions (drain: paced batches); returns how many are left. */
size_t session_table_close_some(struct session_table *table, size_t most, int64_t now);
/*
 * The same for a reason; returns how many it closed. spares_busy: not those in the middle of
 * something, with packets waiting to be written or a socket that the application calls busy.
 */
size_t session_table_close_batch(struct session_table *table, size_t most, bool spares_busy,
                                 enum session_close_reason reason, int64_t now);

/* About a session. */
const char *session_id(const struct session *session);
int session_revision(const struct session *session);               /* of Engine.IO */
const char *session_transport_name(const struct session *session); /* "polling", "websocket" */
struct slice session_credentials(const struct session *session);   /* of its opening */
/* Bytes that wait for a client that does not take them now. */
size_t session_backlog(const struct session *session);
bool session_is_over(const struct session *session);      /* its transport is gone, or going */
int64_t session_last_life(const struct session *session); /* ms: last packet from the client */

/* Counters, for the edge's metrics. */
struct session_counters {
    uint64_t opened, upgraded, closed[SESSION_CLOSE_REASONS];
    uint64_t packets_in, packets_out, bytes_in, bytes_out, flushes;
    uint64_t events_refused, polls_overlapping, volatile_dropped;
    size_t websockets, pollings; /* now */
};
const struct session_counters *session_table_counters(const struct session_table *table);

#endif
