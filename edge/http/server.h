/*
 * The HTTP/1.1 server of the edge, and its listening sockets: accept, strict head check and
 * framing, keep-alive and pipelining, total deadlines, bounded memory. Runs on a libuv loop, all
 * calls come from its thread. In reading order: server.c, listener.c, connection.c, intake.c,
 * exchange.c; pure below them: head.c, framing.c, response.c; output.c writes.
 *
 * Framing is our own: Debian's http_parser 2.9.4 (not kept up since 2020) takes a chunk line that
 * ends in CR and any byte, chunk data not followed by CRLF, and folded trailers, each of them a way
 * to smuggle a request past a proxy. Closing that means to read the chunks ourselves, and nothing
 * else would be left for it to do.
 */
#ifndef EDGE_HTTP_SERVER_H
#define EDGE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/http/http.h"

struct http_server;
struct uv_loop_s;

struct http_server_settings {
    const char *listen;      /* host:port, [v6]:port, :port (all addresses); port 0: any */
    bool share_port;         /* SO_REUSEPORT */
    int64_t connections_max; /* accepted at once, WebSockets not counted; beyond: accept pauses */
    int64_t head_max;        /* 8 192 bytes, beyond: 431 */
    int64_t head_deadline;   /* 10 000 ms, total */
    int64_t body_deadline;   /* 30 000 ms, total */
    int64_t idle_timeout;    /* 30 000 ms between requests */
    int64_t write_deadline;  /* 20 000 ms without progress */
    int64_t stream_backlog_max; /* bytes waiting for one stream */
    int64_t bodies_max;         /* bytes of all bodies that are not whole yet; beyond: 503 */
};

struct http_server_counters {
    uint64_t accepted, requests, refused_heads, refused_bodies, deadlines, streams_cut;
    uint64_t detached;          /* given away for WebSockets */
    uint64_t accept_pauses;     /* connections_max was reached, or descriptors ran out */
    uint64_t bodies_overloaded; /* bodies_max was reached */
    size_t connections;         /* now */
    size_t body_bytes;          /* now: of bodies that are not whole yet */
};

/*
 * NULL and a reason when the address cannot be bound. The handler is copied, its context borrowed.
 */
struct http_server *http_server_new(struct uv_loop_s *loop,
                                    const struct http_server_settings *settings,
                                    const struct http_handler *handler, char *reason,
                                    size_t reason_size);
int http_server_port(const struct http_server *server); /* the bound port */
/*
 * Stops accepting (drain), after what already waits in the listening sockets was accepted; open
 * connections go on, keep-alive ends after the current answer.
 */
void http_server_stop_accepting(struct http_server *server);
/*
 * Closes everything, open exchanges with closed(); memory goes when the loop has run the close
 * callbacks.
 */
void http_server_destroy(struct http_server **server);
const struct http_server_counters *http_server_counters(const struct http_server *server);

#endif
