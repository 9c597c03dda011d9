#include "agent-bridge/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>
#include <uv.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/base/version.h"

enum {
    SWEEP_MS = 100, /* how exact the timeouts are that libcurl does not know */
    CONNECTION_AGE_S = 60,
};

/* A socket of libcurl's on the loop. */
struct watch {
    uv_poll_t poll;
    struct http_client *client; /* borrows */
    curl_socket_t socket;
};

struct http_exchange {
    struct http_client *client; /* borrows */
    struct http_client_events events;
    void *context;
    CURL *easy;                 /* owns */
    struct curl_slist *headers; /* owns */
    int64_t started_at;
    int64_t heard_at; /* -1: nothing yet */
    int64_t total_timeout;
    int64_t released_at; /* -1: its owner listens */
    size_t drained;      /* bytes since then */
    unsigned redirects;
    bool has_head; /* head() was called */
    struct http_exchange *prev, *next;
};

struct http_client {
    struct http_client_settings settings;
    uv_loop_t *loop;
    CURLM *multi;                    /* owns */
    struct http_exchange *exchanges; /* owns */
    size_t count;
    uv_timer_t timer; /* libcurl's */
    uv_timer_t sweep; /* ours; runs while there are exchanges */
    unsigned open_handles;
    bool is_inside; /* libcurl is on the stack with a callback of ours */
};

/* --- ends ------------------------------------------------------------------------------------- */

static void destroy_exchange(struct http_exchange *exchange)
{
    struct http_client *client = exchange->client;
    assert(!client->is_inside);
    DL_DELETE(client->exchanges, exchange);
    client->count--;
    if (client->count == 0) {
        uv_timer_stop(&client->sweep);
    }
    curl_multi_remove_handle(client->multi, exchange->easy);
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    free(exchange);
}

static void end(struct http_exchange *exchange, int error, const char *why)
{
    struct http_client_events events = exchange->events;
    void *context = exchange->context;
    bool is_heard = exchange->released_at < 0;
    destroy_exchange(exchange);
    if (is_heard) {
        events.end(context, error, why);
    }
}

void http_exchange_cancel(struct http_exchange *exchange)
{
    destroy_exchange(exchange);
}

void http_exchange_release(struct http_exchange *exchange)
{
    exchange->released_at = clock_monotonic_ms();
}

/* --- what arrives ----------------------------------------------------------------------------- */

static int status_of(const struct http_exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static bool is_url_part_equal(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
    char *of_a = NULL, *of_b = NULL;
    bool is_equal = curl_url_get(a, part, &of_a, flags) == CURLUE_OK &&
                    curl_url_get(b, part, &of_b, flags) == CURLUE_OK && strcasecmp(of_a, of_b) == 0;
    curl_free(of_a);
    curl_free(of_b);
    return is_equal;
}

static bool has_scheme(CURLU *url, const char *scheme)
{
    char *text = NULL;
    bool has =
        curl_url_get(url, CURLUPART_SCHEME, &text, 0) == CURLUE_OK && strcasecmp(text, scheme) == 0;
    curl_free(text);
    return has;
}

static bool has_own_port(CURLU *url)
{
    char *text = NULL;
    bool has = curl_url_get(url, CURLUPART_PORT, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool stays_on_host(const char *from, const char *to)
{
    CURLU *a = curl_url(), *b = curl_url();
    bool stays = curl_url_set(a, CURLUPART_URL, from, 0) == CURLUE_OK &&
                 curl_url_set(b, CURLUPART_URL, to, 0) == CURLUE_OK &&
                 is_url_part_equal(a, b, CURLUPART_HOST, 0);
    bool is_upgrade = stays && has_scheme(a, "http") && has_scheme(b, "https") &&
                      !has_own_port(a) && !has_own_port(b);
    stays = stays && (is_upgrade || (is_url_part_equal(a, b, CURLUPART_SCHEME, 0) &&
                                     is_url_part_equal(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT)));
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return stays;
}

/* Where the answer sends the request on to, or NULL: the answer is one. */
static char *redirect_of(struct http_exchange *exchange)
{
    int status = status_of(exchange);
    char *from = NULL, *to = NULL;
    if ((status != 301 && status != 302 && status != 307 && status != 308) ||
        exchange->redirects >= HTTP_CLIENT_REDIRECTS_MAX) {
        return NULL;
    }
    curl_easy_getinfo(exchange->easy, CURLINFO_REDIRECT_URL, &to);
    curl_easy_getinfo(exchange->easy, CURLINFO_EFFECTIVE_URL, &from);
    if (to == NULL || from == NULL || !stays_on_host(from, to)) {
        return NULL;
    }
    return memory_copy_string(to, strlen(to));
}

static void tell_head(struct http_exchange *exchange)
{
    char *type = NULL;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &retry_after);
    struct http_client_head head = {.status = status_of(exchange),
                                    .content_type = slice_of_string(type),
                                    .retry_after = retry_after > 0 && retry_after < INT32_MAX
                                                       ? (int64_t)retry_after * 1000
                                                       : -1};
    exchange->has_head = true;
    exchange->events.head(exchange->context, &head);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct http_exchange *exchange = context;
    (void)data;
    exchange->heard_at = clock_monotonic_ms();
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct http_exchange *exchange = context;
    size_t length = size * count;
    exchange->heard_at = clock_monotonic_ms();
    if (exchange->released_at >= 0 || status_of(exchange) / 100 == 3) {
        exchange->drained += length;
        return exchange->drained <= HTTP_CLIENT_DRAIN_BYTES ? length : 0;
    }
    exchange->client->is_inside = true;
    if (!exchange->has_head) {
        tell_head(exchange);
    }
    if (exchange->released_at < 0) {
        exchange->events.body(exchange->context, slice_of(data, length));
    }
    exchange->client->is_inside = false;
    return length;
}

static int error_of(CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* of the connection: the others are ours */
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return ERROR_AGENT_UNREACHABLE;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return ERROR_CLOSED;
    default:
        return ERROR_AGENT_FAILED;
    }
}

static void finish(struct http_exchange *exchange, CURLcode result)
{
    struct http_client *client = exchange->client;
    bool is_answer = exchange->released_at < 0;
    char *elsewhere = is_answer && result == CURLE_OK ? redirect_of(exchange) : NULL;
    if (elsewhere != NULL) {
        exchange->redirects++;
        exchange->drained = 0;
        curl_multi_remove_handle(client->multi, exchange->easy);
        curl_easy_setopt(exchange->easy, CURLOPT_URL, elsewhere);
        curl_multi_add_handle(client->multi, exchange->easy);
        free(elsewhere);
        return;
    }
    bool is_redirect = result == CURLE_WRITE_ERROR && status_of(exchange) / 100 == 3;
    if (is_answer && (result == CURLE_OK || is_redirect)) {
        if (!exchange->has_head) {
            tell_head(exchange);
        }
        if (exchange->released_at < 0) {
            end(exchange, 0, "");
        } else {
            destroy_exchange(exchange);
        }
        return;
    }
    end(exchange, error_of(result), curl_easy_strerror(result));
}

static void take_results(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct http_exchange *exchange = NULL;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
        finish(exchange, result);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http_client *client = watch->client;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    int running;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    curl_multi_socket_action(client->multi, watch->socket, flags, &running);
    take_results(client);
}

static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *context, void *data)
{
    struct http_client *client = context;
    struct watch *watch = data;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            curl_multi_assign(client->multi, socket, NULL);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = memory_allocate_zeroed(sizeof(*watch));
        watch->client = client;
        watch->socket = socket;
        watch->poll.data = watch;
        if (uv_poll_init_socket(client->loop, &watch->poll, socket) != 0) {
            free(watch);
            return -1;
        }
        curl_multi_assign(client->multi, socket, watch);
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    uv_poll_start(&watch->poll, events, on_socket_ready);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_results(client);
    /* libcurl goes on at once while there is more to read; libuv would run a timer of 0 ms again
     * before it looks at any socket. An answer that comes faster than it is read shall not be all
     * that this process does. */
    if (uv_is_active((const uv_handle_t *)timer) && uv_timer_get_due_in(timer) == 0) {
        uv_timer_start(timer, on_timer, 1, 0);
    }
}

static int on_timer_wanted(CURLM *multi, long timeout, void *context)
{
    struct http_client *client = context;
    (void)multi;
    if (timeout < 0) {
        uv_timer_stop(&client->timer);
    } else {
        uv_update_time(client->loop);
        uv_timer_start(&client->timer, on_timer, (uint64_t)timeout, 0);
    }
    return 0;
}

/* NULL: it may go on. */
static const char *why_too_late(const struct http_exchange *exchange, int64_t now)
{
    const struct http_client_settings *settings = &exchange->client->settings;
    if (exchange->released_at >= 0) {
        return now - exchange->released_at >= HTTP_CLIENT_DRAIN_MS ? "released" : NULL;
    }
    if (now - exchange->started_at >= exchange->total_timeout) {
        return "the answer took too long as a whole";
    }
    if (exchange->heard_at < 0) {
        return now - exchange->started_at >= settings->first_byte_timeout ? "no answer in time"
                                                                          : NULL;
    }
    return now - exchange->heard_at >= settings->idle_timeout ? "the answer stalled" : NULL;
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_client *client = timer->data;
    int64_t now = clock_monotonic_ms();
    struct http_exchange *exchange, *next;
    DL_FOREACH_SAFE (client->exchanges, exchange, next) {
        const char *why = why_too_late(exchange, now);
        if (why != NULL) {
            /* end() may begin others, which are appended, but never ends one. */
            end(exchange, ERROR_TIMEOUT, why);
        }
    }
}

/* --- entry points ----------------------------------------------------------------------------- */

int http_client_check_url(const char *text)
{
    CURLU *url = curl_url();
    char *host = NULL;
    bool is_fine = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                   (has_scheme(url, "http") || has_scheme(url, "https")) &&
                   curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host != '\0';
    curl_free(host);
    curl_url_cleanup(url);
    return is_fine ? 0 : ERROR_MALFORMED;
}

static void prepare(struct http_exchange *exchange, const struct http_client_request *request)
{
    const struct http_client_settings *settings = &exchange->client->settings;
    CURL *easy = exchange->easy;
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        exchange->headers = curl_slist_append(exchange->headers, request->headers[i]);
    }
    exchange->headers = curl_slist_append(exchange->headers, "Expect:"); /* no round trip for it */
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver's thread is not waited for */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_S);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "elizamq/" ELIZAMQ_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    if (settings->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
    }
    if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
                         request->body.length > 0 ? request->body.data : "");
    } else if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

struct http_exchange *http_client_ask(struct http_client *client,
                                      const struct http_client_request *request,
                                      const struct http_client_events *events, void *context)
{
    assert(!client->is_inside);
    struct http_exchange *exchange = memory_allocate_zeroed(sizeof(*exchange));
    exchange->client = client;
    exchange->events = *events;
    exchange->context = context;
    exchange->started_at = clock_monotonic_ms();
    exchange->heard_at = -1;
    exchange->released_at = -1;
    exchange->total_timeout = request->total_timeout;
    exchange->easy = curl_easy_init();
    DL_APPEND(client->exchanges, exchange);
    if (client->count++ == 0) {
        uv_timer_start(&client->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    }
    prepare(exchange, request);
    if (curl_easy_setopt(exchange->easy, CURLOPT_URL, request->url) != CURLE_OK ||
        curl_multi_add_handle(client->multi, exchange->easy) != CURLM_OK) {
        destroy_exchange(exchange);
        return NULL;
    }
    return exchange;
}

struct http_client *http_client_new(struct uv_loop_s *loop,
                                    const struct http_client_settings *settings)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct http_client *client = memory_allocate_zeroed(sizeof(*client));
    client->settings = *settings;
    client->loop = loop;
    client->multi = curl_multi_init();
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CLIENT_IDLE_CONNECTIONS_MAX);
    uv_timer_init(loop, &client->timer);
    uv_timer_init(loop, &client->sweep);
    client->timer.data = client;
    client->sweep.data = client;
    client->open_handles = 2;
    return client;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    if (--client->open_handles == 0) {
        free(client);
    }
}

void http_client_destroy(struct http_client **self)
{
    struct http_client *client = *self;
    *self = NULL;
    if (client == NULL) {
        return;
    }
    while (client->exchanges != NULL) {
        destroy_exchange(client->exchanges);
    }
    curl_multi_cleanup(client->multi);
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
    uv_close((uv_handle_t *)&client->sweep, on_timer_closed);
    curl_global_cleanup();
}
