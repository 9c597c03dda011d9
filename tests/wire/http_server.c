/*
 * The edge's HTTP server with a handler made for tests (built as http-server, never installed):
 *
 *     http-server [setting=value]…      settings: those of struct http_server_settings, and
 *                                       body_limit, root, client, falls_back, words_413
 *
 * It prints "listening PORT". SIGTERM stops accepting, SIGINT destroys the server; it ends when the
 * loop has nothing left. What it answers is in routes[].
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "edge/http/http.h"
#include "edge/http/server.h"
#include "edge/http/static.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { WAITING_MAX = 20000, ADOPTED_BYTES = 4096 };

/* Exchanges that are answered later: a set in an array, each entry knows its place. */
struct waiting {
    struct http_exchange *exchange;
    struct test_server *server;
    size_t index;
    bool is_stream;
};

struct adopted {
    uv_poll_t poll;
    int descriptor;
};

/* A body that is taken as it comes. */
struct taking {
    struct test_server *server;
    struct http_exchange *exchange;
    uint64_t length;
    uint64_t enough; /* bytes after which it is answered; 0: at its end */
};

struct test_server {
    uv_loop_t loop;
    uv_signal_t stop;
    uv_signal_t quit;
    struct http_server *http;
    struct static_site *site;
    struct static_site *client;
    struct arena arena;
    size_t body_limit;
    int64_t body_deadline;
    bool words_413;
    struct waiting *waiting[WAITING_MAX];
    size_t waiting_count;
    size_t closed; /* exchanges whose client went */
    struct taking *paused;
    uint64_t taken; /* bytes of bodies, so far */
};

static uint64_t number_of(struct test_server *server, const struct http_request *request,
                          const char *name)
{
    struct slice value;
    uint64_t number = 0;

    if (!http_query_get(request->query, name, &server->arena, &value)) {
        return 0;
    }
    for (size_t i = 0; i < value.length; i++) {
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    return number;
}

static void answer_text(struct http_exchange *exchange, const char *text)
{
    http_respond(exchange, 200, "text/plain", slice_of_string(text));
}

static void forget(struct waiting *waiting)
{
    struct test_server *server = waiting->server;

    server->waiting[waiting->index] = server->waiting[--server->waiting_count];
    server->waiting[waiting->index]->index = waiting->index;
    free(waiting);
}

static void on_closed(struct http_exchange *exchange, void *context)
{
    struct waiting *waiting = context;

    (void)exchange;
    waiting->server->closed++;
    forget(waiting);
}

static void keep(struct test_server *server, struct http_exchange *exchange, bool is_stream)
{
    struct waiting *waiting = memory_allocate(sizeof(*waiting));

    *waiting = (struct waiting){exchange, server, server->waiting_count, is_stream};
    server->waiting[server->waiting_count++] = waiting;
    http_exchange_on_closed(exchange, on_closed, waiting);
}

static void get_hello(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    (void)server;
    (void)request;
    answer_text(exchange, "hello");
}

static void get_path(struct test_server *server, struct http_exchange *exchange,
                     const struct http_request *request)
{
    (void)server;
    http_add_header(exchange, "X-Address", slice_of_string(request->remote_address));
    http_respond(exchange, 200, "text/plain", request->query);
}

static void post_echo(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    (void)server;
    http_add_header(exchange, "X-Echo", http_request_header(request, "X-Echo"));
    http_respond(exchange, 200, "application/octet-stream", request->body);
}

static void get_bytes(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    size_t length = (size_t)number_of(server, request, "n");
    char *bytes = memory_allocate(length + 1);

    memset(bytes, 'x', length);
    http_respond(exchange, 200, "text/plain", slice_of(bytes, length));
    free(bytes);
}

static void get_empty(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    http_respond(exchange, (int)number_of(server, request, "status"), NULL, SLICE_EMPTY);
}

static void get_park(struct test_server *server, struct http_exchange *exchange,
                     const struct http_request *request)
{
    (void)request;
    keep(server, exchange, false);
}

static void get_stream(struct test_server *server, struct http_exchange *exchange,
                       const struct http_request *request)
{
    (void)request;
    keep(server, exchange, true);
    http_stream_start(exchange, 200, "text/event-stream");
}

/* Answers what is parked, with the body; writes the body to every stream, `n` times. */
static void post_release(struct test_server *server, struct http_exchange *exchange,
                         const struct http_request *request)
{
    uint64_t times = number_of(server, request, "n");

    for (size_t i = server->waiting_count; i-- > 0;) {
        struct waiting *waiting = server->waiting[i];

        if (!waiting->is_stream) {
            http_exchange_on_closed(waiting->exchange, NULL, NULL);
            http_respond(waiting->exchange, 200, "text/plain", request->body);
            forget(waiting);
            continue;
        }
        for (uint64_t k = 0; k == 0 || k < times; k++) {
            if (http_stream_write(waiting->exchange, request->body) != 0) {
                break;
            }
        }
    }
    answer_text(exchange, "released");
}

static void post_end(struct test_server *server, struct http_exchange *exchange,
                     const struct http_request *request)
{
    (void)request;
    for (size_t i = server->waiting_count; i-- > 0;) {
        if (!server->waiting[i]->is_stream) {
            continue;
        }
        http_stream_end(server->waiting[i]->exchange);
        forget(server->waiting[i]);
    }
    answer_text(exchange, "ended");
}

static void get_state(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    const struct http_server_counters *counters = http_server_counters(server->http);
    char text[1000];

    (void)request;
    snprintf(text, sizeof(text),
             "{\"waiting\":%zu,\"closed\":%zu,\"accepted\":%" PRIu64 ",\"requests\":%" PRIu64
             ",\"refused_heads\":%" PRIu64 ",\"refused_bodies\":%" PRIu64 ",\"deadlines\":%" PRIu64
             ",\"streams_cut\":%" PRIu64 ",\"detached\":%" PRIu64 ",\"accept_pauses\":%" PRIu64
             ",\"connections\":%zu,\"taken\":%" PRIu64
             ",\"body_bytes\":%zu,\"bodies_overloaded\":%" PRIu64 "}",
             server->waiting_count, server->closed, counters->accepted, counters->requests,
             counters->refused_heads, counters->refused_bodies, counters->deadlines,
             counters->streams_cut, counters->detached, counters->accept_pauses,
             counters->connections, server->taken, counters->body_bytes,
             counters->bodies_overloaded);
    http_respond(exchange, 200, "application/json", slice_of_string(text));
}

static void free_adopted(uv_handle_t *handle)
{
    free(handle);
}

static void on_adopted(uv_poll_t *poll, int status, int events)
{
    struct adopted *adopted = (struct adopted *)(void *)poll;
    char bytes[ADOPTED_BYTES];
    ssize_t length = recv(adopted->descriptor, bytes, sizeof(bytes), 0);

    (void)status;
    (void)events;
    if (length > 0) {
        send(adopted->descriptor, bytes, (size_t)length, MSG_NOSIGNAL);
        return;
    }
    uv_close((uv_handle_t *)poll, free_adopted);
    close(adopted->descriptor);
}

/* Says what was handed over, then echoes, on a watcher of its own. */
static void on_taken(void *context, int descriptor, struct slice head)
{
    struct test_server *server = context;
    struct adopted *adopted = memory_allocate_zeroed(sizeof(*adopted));

    adopted->descriptor = descriptor;
    send(descriptor, "taken:", 6, MSG_NOSIGNAL | MSG_MORE);
    send(descriptor, head.data, head.length, MSG_NOSIGNAL);
    uv_poll_init(&server->loop, &adopted->poll, descriptor);
    uv_poll_start(&adopted->poll, UV_READABLE, on_adopted);
}

static void get_socket(struct test_server *server, struct http_exchange *exchange,
                       const struct http_request *request)
{
    if (!request->wants_websocket) {
        answer_text(exchange, "no upgrade");
    } else if (number_of(server, request, "later") != 0) {
        keep(server, exchange, false);
    } else {
        http_exchange_detach(exchange, on_taken, server);
    }
}

static void post_take(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    (void)request;
    while (server->waiting_count > 0) {
        http_exchange_detach(server->waiting[0]->exchange, on_taken, server);
        forget(server->waiting[0]);
    }
    answer_text(exchange, "taken");
}

static void answer_taking(struct taking *taking, const char *verdict)
{
    char text[64];

    snprintf(text, sizeof(text), "%s %" PRIu64, verdict, taking->length);
    answer_text(taking->exchange, text);
    free(taking);
}

static void on_piece(void *context, struct slice bytes)
{
    struct taking *taking = context;

    taking->length += bytes.length;
    taking->server->taken += bytes.length;
    if (taking->enough > 0 && taking->length >= taking->enough) {
        answer_taking(taking, "enough");
    }
}

static void on_body_end(void *context)
{
    answer_taking(context, "all");
}

static void on_taking_closed(struct http_exchange *exchange, void *context)
{
    struct taking *taking = context;

    (void)exchange;
    taking->server->closed++;
    free(taking);
}

/* ?enough=N answers after N bytes; ?now answers at once; ?pause waits for /resume. */
static void post_body(struct test_server *server, struct http_exchange *exchange,
                      const struct http_request *request)
{
    static const struct http_body_taker taker = {on_piece, on_body_end};
    struct taking *taking;

    if (!request->has_body || number_of(server, request, "now") != 0) {
        answer_text(exchange, request->has_body ? "now" : "no body");
        return;
    }
    taking = memory_allocate_zeroed(sizeof(*taking));
    taking->server = server;
    taking->exchange = exchange;
    taking->enough = number_of(server, request, "enough");
    http_exchange_on_closed(exchange, on_taking_closed, taking);
    http_body_take(exchange, &taker, server->body_deadline);
    if (number_of(server, request, "pause") != 0) {
        http_body_pause(exchange);
        server->paused = taking;
    }
}

static void post_resume(struct test_server *server, struct http_exchange *exchange,
                        const struct http_request *request)
{
    (void)request;
    http_body_resume(server->paused->exchange);
    answer_text(exchange, "resumed");
}

static bool streams_body(void *context, const struct http_request *head)
{
    (void)context;
    return slice_is(head->path, "/body");
}

static void get_file(struct test_server *server, struct http_exchange *exchange,
                     const struct http_request *request)
{
    if (server->client != NULL &&
        static_site_serve_client(server->client, SLICE_LITERAL("/socket.io/"), exchange, request)) {
        return;
    }
    if (server->site == NULL || !static_site_serve(server->site, exchange, request)) {
        http_respond(exchange, 404, "text/plain", SLICE_LITERAL("nothing here"));
    }
}

static const struct {
    const char *path;
    void (*answer)(struct test_server *, struct http_exchange *, const struct http_request *);
} routes[] = {
    {"/hello", get_hello},   {"/path", get_path},        {"/echo", post_echo},
    {"/bytes", get_bytes},   {"/empty", get_empty},      {"/park", get_park},
    {"/stream", get_stream}, {"/release", post_release}, {"/end", post_end},
    {"/state", get_state},   {"/socket", get_socket},    {"/take", post_take},
    {"/body", post_body},    {"/resume", post_resume},
};

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct test_server *server = context;

    arena_reset(&server->arena);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_is(request->path, routes[i].path)) {
            routes[i].answer(server, exchange, request);
            return;
        }
    }
    get_file(server, exchange, request);
}

static size_t body_limit(void *context, const struct http_request *head)
{
    const struct test_server *server = context;

    (void)head;
    return server->body_limit;
}

static void too_large(void *context, struct http_exchange *exchange,
                      const struct http_request *head)
{
    (void)context;
    http_add_header(exchange, "Access-Control-Allow-Origin", http_request_header(head, "Origin"));
    http_respond(exchange, 413, "text/plain", SLICE_LITERAL("worded"));
}

static void on_stop(uv_signal_t *signal, int number)
{
    struct test_server *server = signal->data;

    (void)number;
    http_server_stop_accepting(server->http);
}

static void on_quit(uv_signal_t *signal, int number)
{
    struct test_server *server = signal->data;

    (void)number;
    http_server_destroy(&server->http);
}

static void watch_signal(struct test_server *server, uv_signal_t *signal, int number,
                         uv_signal_cb callback)
{
    uv_signal_init(&server->loop, signal);
    signal->data = server;
    uv_signal_start(signal, callback, number);
    uv_unref((uv_handle_t *)signal);
}

static struct static_site *open_site(const char *root, bool falls_back)
{
    const struct static_site_settings settings = {root, falls_back, 60};
    char reason[200];
    struct static_site *site = static_site_new(&settings, reason, sizeof(reason));

    if (site == NULL) {
        fprintf(stderr, "http-server: %s\n", reason);
        exit(2);
    }
    return site;
}

static bool is_given(const char *argument, const char *name, const char **value)
{
    size_t length = strlen(name);

    if (strncmp(argument, name, length) != 0 || argument[length] != '=') {
        return false;
    }
    *value = argument + length + 1;
    return true;
}

static void read_settings(int count, char **arguments, struct test_server *server,
                          struct http_server_settings *settings)
{
    const struct {
        const char *name;
        int64_t *target;
    } numbers[] = {
        {"connections_max", &settings->connections_max},
        {"head_max", &settings->head_max},
        {"head_deadline", &settings->head_deadline},
        {"body_deadline", &settings->body_deadline},
        {"idle_timeout", &settings->idle_timeout},
        {"write_deadline", &settings->write_deadline},
        {"stream_backlog_max", &settings->stream_backlog_max},
        {"bodies_max", &settings->bodies_max},
    };
    const char *root = NULL;
    const char *falls_back = NULL;
    const char *value;

    for (int i = 1; i < count; i++) {
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
            if (is_given(arguments[i], numbers[k].name, &value)) {
                *numbers[k].target = atoll(value);
            }
        }
        if (is_given(arguments[i], "listen", &value)) {
            settings->listen = value;
        }
        if (is_given(arguments[i], "share_port", &value)) {
            settings->share_port = true;
        }
        if (is_given(arguments[i], "body_limit", &value)) {
            server->body_limit = (size_t)atoll(value);
        }
        if (is_given(arguments[i], "words_413", &value)) {
            server->words_413 = true;
        }
        if (is_given(arguments[i], "client", &value)) {
            server->client = open_site(value, false);
        }
        is_given(arguments[i], "falls_back", &falls_back);
        is_given(arguments[i], "root", &root);
    }
    if (root != NULL) {
        server->site = open_site(root, falls_back != NULL);
    }
}

int main(int argc, char **argv)
{
    static struct test_server server = {.body_limit = 100000};
    struct http_server_settings settings = {
        .listen = "127.0.0.1:0",
        .connections_max = 100000,
        .head_max = 8192,
        .head_deadline = 10000,
        .body_deadline = 30000,
        .idle_timeout = 30000,
        .write_deadline = 20000,
        .stream_backlog_max = 256 * 1024,
        .bodies_max = 64 << 20,
    };
    char reason[200];

    log_configure("http-server", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    read_settings(argc, argv, &server, &settings);
    server.body_deadline = settings.body_deadline;
    struct http_handler handler = {
        .context = &server,
        .request = on_request,
        .body_limit = body_limit,
        .streams_body = streams_body,
        .too_large = server.words_413 ? too_large : NULL,
    };
    arena_init(&server.arena);
    uv_loop_init(&server.loop);
    server.http = http_server_new(&server.loop, &settings, &handler, reason, sizeof(reason));
    if (server.http == NULL) {
        fprintf(stderr, "http-server: %s\n", reason);
        return 2;
    }
    watch_signal(&server, &server.stop, SIGTERM, on_stop);
    watch_signal(&server, &server.quit, SIGINT, on_quit);
    printf("listening %d\n", http_server_port(server.http));
    fflush(stdout);

    uv_run(&server.loop, UV_RUN_DEFAULT);
    http_server_destroy(&server.http);
    uv_close((uv_handle_t *)&server.stop, NULL);
    uv_close((uv_handle_t *)&server.quit, NULL);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(&server.loop);
    static_site_destroy(&server.site);
    static_site_destroy(&server.client);
    arena_deinit(&server.arena);
    if (left != 0 || server.waiting_count > 0) {
        fprintf(stderr, "http-server: something is left: %s\n", uv_strerror(left));
        return 1;
    }
    printf("ended\n");
    return 0;
}
