/*
 * The edge's HTTP/1.1: requests and exchanges, as handlers see them. The server behind it
 * (server.h) is strict: what it cannot parse without doubt it answers 4xx and closes.
 *
 * Implements: RFC 9110, RFC 9112.
 */
#ifndef EDGE_HTTP_HTTP_H
#define EDGE_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum http_method {
    HTTP_GET_METHOD,
    HTTP_HEAD_METHOD,
    HTTP_POST_METHOD,
    HTTP_PUT_METHOD,
    HTTP_PATCH_METHOD,
    HTTP_DELETE_METHOD,
    HTTP_OPTIONS_METHOD,
    HTTP_OTHER_METHOD
};

enum {
    HTTP_PATH_SEGMENTS_MAX = 16,
    HTTP_BODY_LIMIT_DEFAULT = 1 << 20 /* bytes, for handlers that do not say */
};

struct http_header {
    struct slice name;
    struct slice value;
};

/* A whole request; every slice borrows and is valid only during the handler's call. */
struct http_request {
    enum http_method method;
    struct slice path;  /* as sent, still percent-encoded, without the query */
    struct slice query; /* as sent, without '?' */
    struct slice body;
    bool has_body; /* it is still to come: answer, or http_body_take() */
    const struct http_header *headers;
    size_t header_count;
    const char *remote_address; /* without port */
    bool wants_websocket;       /* Upgrade: websocket with Connection: upgrade */
};

/* Value of a header (case-insensitive name), empty slice when absent. */
struct slice http_request_header(const struct http_request *request, const char *name);
/*
 * Decoded value of the first query parameter of that name; false when absent. '+' is a space, bad
 * %xx stays.
 */
bool http_query_get(struct slice query, const char *name, struct arena *arena, struct slice *value);
/*
 * Splits a path at '/', then decodes each segment ('%2F' does not split; what is decoded need not
 * be UTF-8). Returns how many: "/" has none, "/a" and "/a/" one, "/a//b" three. -1: too many, or
 * bad (no leading '/', a '%' without two hexadecimal digits, %00).
 */
int http_path_split(struct slice path, struct arena *arena,
                    struct slice segments[HTTP_PATH_SEGMENTS_MAX]);

/*
 * One request and its answer. The handle is valid until the answer is finished or closed() was
 * called. A handler that answers later sets `closed` and `context` first, and copies what it needs
 * of the request; the exchange may then be answered from anywhere on the loop's thread. While it
 * waits it costs no more than the connection itself.
 */
struct http_exchange;

/*
 * closed() comes when the client has gone (a FIN counts), does not read, or the server is
 * destroyed; never for an exchange that was answered.
 */
void http_exchange_on_closed(struct http_exchange *exchange,
                             void (*closed)(struct http_exchange *exchange, void *context),
                             void *context);
/*
 * A body that is taken as it comes, by a handler that said so (http_handler.streams_body): its
 * request() is called with the head alone, and either answers there or takes the body. Nothing of
 * it is kept here. It may be answered at any time; when bytes are still to come then, the
 * connection ends with the answer.
 *
 * What the server answers itself, to a body that is malformed, too large or not whole in time, is
 * like a client that has gone: closed() is called before.
 */
struct http_body_taker {
    void (*piece)(void *context, struct slice bytes); /* valid during the call */
    void (*end)(void *context);                       /* it was whole */
};
/* taker: borrowed; context: that of http_exchange_on_closed(). deadline: ms for all of it. */
void http_body_take(struct http_exchange *exchange, const struct http_body_taker *taker,
                    int64_t deadline);
/* Nothing more is read from the client until it is resumed; what was read already still comes. */
void http_body_pause(struct http_exchange *exchange);
void http_body_resume(struct http_exchange *exchange);
/*
 * Adds a response header; before http_respond() or http_stream_start(). Values must be clean:
 * control bytes become spaces. Date, Content-Type, Content-Length, Transfer-Encoding, Connection
 * and X-Content-Type-Options are the server's own.
 */
void http_add_header(struct http_exchange *exchange, const char *name, struct slice value);
/* The whole answer. HEAD requests get the headers only. content_type NULL: no body. */
void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  struct slice body);
/*
 * The same with `length` bytes of a regular file from `offset` on, read piece by piece as the
 * client takes them. Takes the descriptor over. A file that shrinks meanwhile ends the connection.
 */
void http_respond_file(struct http_exchange *exchange, int status, const char *content_type,
                       int descriptor, int64_t offset, uint64_t length);
/*
 * The answer is a stream of unknown length (SSE); ends with http_stream_end(). It goes out in
 * chunks, so that its end can be told from a loss and proxies keep the connection; to HTTP/1.0 the
 * connection's end is its end. What is written within one turn of the loop leaves in one call.
 */
void http_stream_start(struct http_exchange *exchange, int status, const char *content_type);
/*
 * Queues bytes of the stream. 0, or ERROR_OVERLOADED when bytes wait already and the server's
 * stream_backlog_max would be passed: the stream was then cut and closed() called. A client that
 * takes nothing of what waits for write_deadline is cut too.
 */
int http_stream_write(struct http_exchange *exchange, struct slice bytes);
/* Do more than `most` bytes wait for a client that does not take them? */
bool http_stream_is_behind(struct http_exchange *exchange, size_t most);
void http_stream_end(struct http_exchange *exchange);
/*
 * Takes the connection away from HTTP, for a WebSocket (wants_websocket): gives up the descriptor,
 * which the caller owns now, and all bytes read from it since the request began: the whole head as
 * sent, and what came behind it. None of them is in the socket any more, on the first request of a
 * connection as on a later one, so whoever goes on must be given them. The exchange is over.
 * `taken` is called before this returns; the loop then no longer watches the descriptor, which is
 * non-blocking. `head` is valid during the call.
 */
void http_exchange_detach(struct http_exchange *exchange,
                          void (*taken)(void *context, int descriptor, struct slice head),
                          void *context);

/* What answers requests. */
struct http_handler {
    void *context; /* borrows */
    void (*request)(void *context, struct http_exchange *exchange,
                    const struct http_request *request);
    /*
     * How large a body may be for this request, decided on its head; beyond it: 413. NULL:
     * HTTP_BODY_LIMIT_DEFAULT.
     */
    size_t (*body_limit)(void *context, const struct http_request *head);
    /* Is the body of this request to be taken piece by piece? NULL: never. */
    bool (*streams_body)(void *context, const struct http_request *head);
    /*
     * Words the answer to a request whose body is over its limit (413, with CORS headers where they
     * belong); the connection ends with it. NULL: the server does, in JSON.
     */
    void (*too_large)(void *context, struct http_exchange *exchange,
                      const struct http_request *head);
};

#endif
