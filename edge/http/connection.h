/*
 * One HTTP/1.1 connection: reads, checks and frames requests, lends its exchange to the handler,
 * writes the answer, and starts over. Internal to the server; handlers see http.h only.
 *
 * One request is worked on at a time, in order: what arrives behind it waits in the stash. While
 * an answer is still being written nothing further is read. Memory: a connection without a partial
 * request or unsent answer, a parked poll for one, owns nothing but this structure.
 *
 * Implements: RFC 9112 §9 (connections), RFC 9110 §10.1.1 (100-continue).
 */
#ifndef EDGE_HTTP_CONNECTION_H
#define EDGE_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "edge/http/framing.h"
#include "edge/http/head.h"
#include "edge/http/http.h"
#include "edge/http/output.h"
#include "edge/http/server.h"
#include "proto/base/buffer.h"
#include "proto/base/clock.h"
#include "proto/base/wheel.h"

enum {
    HTTP_INPUT_SIZE = 64 * 1024, /* one read */
    HTTP_STASH_MAX = 64 * 1024,  /* bytes kept behind a request in work; then reading pauses */
    HTTP_REQUESTS_PER_TURN = 32, /* pipelined ones of one connection, then others have their turn */
    HTTP_LINGER_MS = 1000,       /* how long a closing connection is still drained */
    HTTP_SPARE_MAX = 4096,       /* memory kept for the next exchange's added headers */
    HTTP_ADDRESS_SIZE = 46       /* an IPv6 address as text, with its NUL */
};

enum http_connection_state {
    HTTP_IDLE,      /* between requests: nothing of the next one is here */
    HTTP_HEAD,      /* a part of a head is */
    HTTP_BODY,      /* the head is complete, its body is not */
    HTTP_RECEIVING, /* the same, and the handler takes the body as it comes */
    HTTP_ANSWERING, /* the handler has the exchange */
    HTTP_STREAMING, /* it has started a stream */
    HTTP_ENDING,    /* the last answer is being written */
    HTTP_LINGERING, /* our side is shut; what still comes in is thrown away (RFC 9112 §9.6) */
    HTTP_CLOSED
};

struct http_exchange {
    void (*closed)(struct http_exchange *exchange, void *context);
    void *context;                       /* borrows */
    struct buffer headers;               /* owns: lines the handler added */
    bool is_head;                        /* HEAD: no body in the answer */
    bool is_old;                         /* HTTP/1.0: no chunks */
    bool keeps_alive;                    /* the client wants it so */
    bool is_chunked;                     /* the stream is */
    bool has_body_left;                  /* of the request, to come */
    bool is_paused;                      /* and not wanted now */
    const struct http_body_taker *taker; /* borrows; while HTTP_RECEIVING */
};

/* A request that did not arrive in one piece. */
struct http_incoming {
    struct buffer head;
    struct buffer body;
    struct http_framing framing;
    size_t body_limit; /* of what is to come, when it is taken piece by piece */
    size_t counted;    /* bytes of the body, in the server's sum of all */
};

/* What all connections of a server share. The server owns it. */
struct http_common {
    uv_loop_t *loop; /* borrows */
    struct http_server_settings settings;
    struct http_handler handler;
    struct http_server_counters counters;
    struct wheel wheel;
    struct http_connection *connections; /* owns; all that are not closed */
    struct http_connection *ready;       /* have something to do before the loop waits again */
    bool is_draining;                    /* answers end their connection */
    size_t references;                   /* uv handles and connections that still exist */
    void (*released)(struct http_common *common); /* the last reference went */

    /* Scratch, for the event in hand. */
    struct http_head head;    /* the request's */
    struct buffer rendered;   /* the response head */
    struct buffer spare;      /* memory for added headers */
    struct slice unread_head; /* during request(): the bytes of its head */
    struct slice unread_rest; /* and those that came behind the request */
    char input[HTTP_INPUT_SIZE];

    int64_t date_second; /* that `date` says, since 1970 */
    char date[CLOCK_HTTP_SIZE];
};

struct http_connection {
    uv_poll_t poll; /* initialised once `is_watched` */
    struct http_common *common;
    struct http_connection *next; /* in common->connections */
    struct http_connection *previous;
    struct http_connection *ready_next; /* in common->ready */
    struct http_connection *ready_previous;
    struct wheel_entry timer;       /* fires at or before the deadline that counts */
    int64_t deadline;               /* of the state, ms; INT64_MAX: none */
    int64_t write_deadline;         /* while something waits to be written */
    struct http_incoming *incoming; /* owns; NULL: nothing partial */
    struct buffer stash;            /* bytes behind the request in work */
    struct http_output output;
    struct http_exchange exchange;
    int descriptor;
    int events; /* uv_poll's, as they are being watched */
    uint8_t state;
    bool is_watched;
    bool is_scheduled;  /* in common->ready */
    bool is_first;      /* no request has been completed yet */
    bool is_in_request; /* the handler's request() is on the stack */
    bool is_finished;   /* the client's side is shut */
    bool must_linger;   /* input may be unread when it closes */
    char remote_address[HTTP_ADDRESS_SIZE];
};

/* Takes an accepted, non-blocking descriptor and reads what is there already. */
void http_connection_start(struct http_common *common, int descriptor, const char *remote_address);
/* Its turn from common->ready: parses what is stashed, writes what is queued. */
void http_connection_run(struct http_connection *connection);
/* The timer fired; deadlines may have moved since it was set. */
void http_connection_expire(struct http_connection *connection);
/* The handler's exchange is over for it: closed(), unless it has been answered. */
void http_connection_tell_closed(struct http_connection *connection);
/* Closes at once. The exchange's closed() is called if the handler still has it. */
void http_connection_abort(struct http_connection *connection);
/* As above, and what the kernel still holds for the client is dropped: it does not read. */
void http_connection_cut(struct http_connection *connection);

/* For intake.c and exchange.c. */
struct http_connection *http_connection_of(struct http_exchange *exchange);
/* May (more of) a request be taken from what is read? */
bool http_connection_may_take(const struct http_connection *connection);
void http_connection_enter(struct http_connection *connection, enum http_connection_state state);
/* After anything happened: closes, waits, watches and sets timers as the state wants it. */
void http_connection_settle(struct http_connection *connection);
/* The exchange was answered, its answer is in the output; error: sending failed. */
void http_connection_answered(struct http_connection *connection, int error);
/* The output has something new to wait for. */
void http_connection_note_progress(struct http_connection *connection);
/* For the answer that is begun now; valid until the next. */
const char *http_connection_date(struct http_connection *connection);
void http_connection_schedule(struct http_connection *connection);
/* Gives up the descriptor: no longer watched, not closed. The connection is. */
int http_connection_release(struct http_connection *connection);

#endif
