/*
 * HTTP requests to agent runtimes, on the bridge's loop: hundreds at once over pooled connections,
 * never blocking, names resolved in threads of libcurl's. http_client.c is the only file that knows
 * libcurl.
 *
 *     http_client_ask() ──> head()? ──> body()* ──> exactly one end()
 *
 * Events come from the loop, never from inside http_client_ask(). Within head() and body() nothing
 * may be called here but http_exchange_release(); within end() anything, and the exchange is gone
 * with it. Certificates are verified. A redirect is followed when it stays on the same host (and
 * neither leaves TLS nor the port), else it is the answer, whose status the caller sees; other
 * hosts never see the request, which carries the key of the runtime.
 *
 * http_proxy, https_proxy and no_proxy of the environment are heeded, as libcurl does it.
 */
#ifndef AGENT_BRIDGE_HTTP_CLIENT_H
#define AGENT_BRIDGE_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/slice.h"

struct uv_loop_s;
struct http_client;
struct http_exchange;

enum {
    HTTP_CLIENT_REDIRECTS_MAX = 3,
    HTTP_CLIENT_IDLE_CONNECTIONS_MAX = 256,
    HTTP_CLIENT_DRAIN_MS = 1000, /* a released answer may go on so long, to keep its connection */
    HTTP_CLIENT_DRAIN_BYTES = 64 * 1024,
};

struct http_client_settings {
    const char *ca_file;        /* PEM; NULL: the system's */
    int64_t connect_timeout;    /* ms, the name's resolution included */
    int64_t first_byte_timeout; /* ms since the request, to the first byte of the answer */
    int64_t idle_timeout;       /* ms without a byte after that */
};

struct http_client_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end */
    struct slice body;          /* copied; with POST only */
    int64_t total_timeout;      /* ms */
};

struct http_client_head {
    int status;
    struct slice content_type; /* as it came, may be empty; stays until head() returns */
    int64_t retry_after;       /* ms from now; -1: not said */
};

struct http_client_events {
    void (*head)(void *context, const struct http_client_head *head);
    void (*body)(void *context, struct slice bytes); /* which stay until it returns */
    /*
     * 0; ERROR_AGENT_UNREACHABLE: no connection; ERROR_TIMEOUT; ERROR_CLOSED: the connection broke;
     * ERROR_AGENT_FAILED: what came is no HTTP, or the like. why: a static text, for the log.
     */
    void (*end)(void *context, int error, const char *why);
};

/* Copies the settings but for ca_file. NULL: libcurl does not start. */
struct http_client *http_client_new(struct uv_loop_s *loop,
                                    const struct http_client_settings *settings);
/* Exchanges under way end in silence. The loop has to run once more. */
void http_client_destroy(struct http_client **client);

/* Whether a runtime can live there: absolute, http or https, with a host. */
int http_client_check_url(const char *url);

/* NULL: the request cannot be made (the URL). */
struct http_exchange *http_client_ask(struct http_client *client,
                                      const struct http_client_request *request,
                                      const struct http_client_events *events, void *context);
/* Ends it in silence, and its connection with it. */
void http_exchange_cancel(struct http_exchange *exchange);
/* Its owner wants to hear no more of it; it goes on for a little, to keep its connection. */
void http_exchange_release(struct http_exchange *exchange);

#endif
