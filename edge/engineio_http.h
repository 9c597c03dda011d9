/*
 * The HTTP side of Engine.IO: requests for /socket.io/ become handshakes, polls, posts and
 * WebSocket upgrades of the session layer, or are passed on to the edge that owns their session.
 *
 * Implements: Engine.IO protocol, revisions 3 and 4, "HTTP long-polling", "WebSocket", "Upgrade";
 * the Fetch standard's CORS protocol, for polls from other origins.
 */
#ifndef EDGE_ENGINEIO_HTTP_H
#define EDGE_ENGINEIO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/http/compression.h"
#include "edge/http/cors.h"
#include "edge/http/forwarded.h"
#include "edge/http/http.h"
#include "edge/session/session.h"
#include "edge/websocket.h"
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* A GET or POST for the session of another edge. */
struct relay_request {
    enum http_method method; /* HTTP_GET_METHOD or HTTP_POST_METHOD */
    int revision;            /* of Engine.IO */
    struct slice sid;        /* borrows, as body; valid during the call */
    struct slice body;       /* of a POST */
};

/*
 * The way to other edges. relay() takes a request on, and then has exchange->answer() called once;
 * or returns false when it does not know the owner: the client is told that its session is unknown.
 * gone() says that the client left before the answer; the exchange is not to be touched any more.
 */
struct relay_operations {
    bool (*relay)(void *context, const struct relay_request *request,
                  struct poll_exchange *exchange);
    void (*gone)(void *context, struct poll_exchange *exchange);
    /*
     * Is there an owner of that session from which it could move to a WebSocket here? The WebSocket
     * itself goes to websocket_server_set_guests(). NULL: sessions do not move.
     */
    bool (*can_move)(void *context, struct slice sid);
};

/* Named as Socket.IO names its options. Texts are borrowed. */
struct engineio_http_settings {
    const char *path;                      /* begins and ends with '/' */
    bool serves_polling, serves_websocket; /* transports */
    int64_t max_http_buffer_size;          /* bytes of a POST; beyond: 413 */
    int64_t http_compression; /* polls of so many bytes are compressed where the client takes it;
                                 0: none are */
    const char *cookie;       /* name of one that is given with the session's id; NULL: none */
    bool takes_credentials;   /* sockets are asked for a key or a token */
    const struct cors *cors;
    const struct trusted_proxies *trusted_proxies;
};

struct engineio_http {
    struct engineio_http_settings settings;
    struct session_table *sessions;      /* borrows */
    struct websocket_server *websockets; /* borrows; NULL: WebSockets are not served */
    char incarnation[INCARNATION_LENGTH + 1];
    const struct relay_operations *relay; /* borrows; NULL: there are no other edges */
    void *relay_context;                  /* borrows */
    struct arena arena;                   /* of the request in hand */
    struct buffer auth;                   /* of a client 1.x or 2.x: its query as JSON */
    struct buffer credentials;            /* of a handshake's headers */
    struct buffer script, coded;          /* an answer on its way out */
    struct compressor *compressor;        /* owns */
};

void engineio_http_init(struct engineio_http *self, struct session_table *sessions,
                        struct websocket_server *websockets, const char *incarnation,
                        const struct engineio_http_settings *settings);
void engineio_http_set_relay(struct engineio_http *self, const struct relay_operations *relay,
                             void *context);
void engineio_http_deinit(struct engineio_http *self);

/* Is this path Engine.IO's? Exactly settings.path: the client bundle lies below it. */
bool engineio_http_serves(const struct engineio_http *self, struct slice path);
/* Answers a request for it, now or later. */
void engineio_http_handle(struct engineio_http *self, struct http_exchange *http,
                          const struct http_request *request, int64_t now);
/* The http_handler's two other calls, for requests with that path. */
size_t engineio_http_body_limit(struct engineio_http *self, const struct http_request *head,
                                int64_t now);
void engineio_http_too_large(struct engineio_http *self, struct http_exchange *http,
                             const struct http_request *head);

/* The owner's side of the relay: does as asked, or answers that the session is unknown. */
void engineio_relayed_request(struct session_table *sessions, const struct relay_request *request,
                              struct poll_exchange *exchange, int64_t now);

#endif
