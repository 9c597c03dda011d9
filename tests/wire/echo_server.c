/*
 * The session layer, the HTTP server and the WebSocket shell with the smallest application on top:
 * what the wire tests and the official clients talk to. Not installed.
 *
 *     echo-server [--port N] [--ping-interval MS] [--ping-timeout MS] [--max-buffer BYTES]
 *                 [--outbox BYTES] [--send-buffer BYTES] [--no-upgrades] [--relay] [--eio3]
 *                 [--connect-timeout MS] [--path PATH] [--transports LIST] [--cookie NAME]
 *                 [--cors-origin LIST] [--trusted-proxy LIST] [--raw]
 *
 * Prints "listening PORT" when it is ready. SIGTERM or SIGINT ends it; SIGUSR1 prints its counters.
 *
 * Accepts the namespaces / and /custom and says "auth" with the handshake's auth on each; answers
 * "message" with "message-back" and acknowledges "message-with-ack", with the same arguments and
 * attachments;
 * "burst" N emits N numbered "tick" events, "volatile-burst" N as many that may be dropped;
 * "broadcast" sends its arguments to everybody as "news"; "bye" ends the socket. With --relay,
 * polls and posts for the sessions of other edges are taken on; the next tick answers them, except
 * GETs for a sid that begins with "stuck".
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "edge/engineio_http.h"
#include "edge/engineio_options.h"
#include "edge/http/server.h"
#include "edge/session/session.h"
#include "edge/session/socket.h"
#include "edge/websocket.h"
#include "proto/base/clock.h"
#include "proto/base/wheel.h"

enum { RELAYS_MAX = 16 };

struct relay {
    struct poll_exchange *exchange;
    char answer[64];
    bool is_stuck;
};

struct echo {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_prepare_t before_wait;
    uv_check_t after_wait;
    uv_signal_t stop_by_term, stop_by_int, report;
    struct id_source ids;
    struct session_table *sessions;
    struct websocket_server *websockets;
    struct http_server *http;
    struct engineio_http engineio;
    struct relay relays[RELAYS_MAX];
    unsigned relays_gone;
};

/* --- the application -------------------------------------------------------------------------- */

static void emit(struct socket *socket, const char *event, struct slice arguments, bool is_volatile)
{
    struct buffer text = BUFFER_EMPTY;
    struct slice rendered;
    struct packet *packet;

    socketio_write_event(&text, slice_of_string(socket_data(socket)), event, arguments, false, 0);
    rendered = buffer_slice(&text);
    packet = packet_new(PACKET_TEXT, &rendered, 1);
    packet->is_volatile = is_volatile;
    socket_emit(socket, packet);
    packet_release(&packet);
    buffer_deinit(&text);
}

static void on_connect(void *context, struct socket *socket, struct slice name_space,
                       struct slice auth, int64_t now)
{
    (void)context;
    (void)now;
    if (slice_is(name_space, "/")) {
        socket_set_data(socket, "/");
    } else if (slice_is(name_space, "/custom")) {
        socket_set_data(socket, "/custom");
    }
    if (socket_data(socket) == NULL) {
        socket_refuse(socket, "Invalid namespace");
        return;
    }
    socket_accept(socket, SLICE_EMPTY);
    emit(socket, "auth", auth.length == 0 ? SLICE_LITERAL("{}") : auth, false);
}

/* The answer to a packet with attachments: the same placeholders, then the same bytes. */
static void echo_attachments(struct socket *socket, const struct socketio_packet *packet,
                             struct slice arguments)
{
    const char *name_space = socket_data(socket);
    struct buffer text = BUFFER_EMPTY;
    size_t count;
    const struct slice *attachments = socket_attachments(socket, &count);
    struct packet *answer;
    struct slice part;

    buffer_append_format(&text, "4%d%zu-",
                         packet->has_ack_id ? SOCKETIO_BINARY_ACK : SOCKETIO_BINARY_EVENT, count);
    if (strcmp(name_space, "/") != 0) {
        buffer_append_format(&text, "%s,", name_space);
    }
    if (packet->has_ack_id) {
        buffer_append_unsigned(&text, packet->ack_id);
    }
    buffer_append_string(&text, packet->has_ack_id ? "[" : "[\"message-back\"");
    buffer_append_string(&text, packet->has_ack_id || arguments.length == 0 ? "" : ",");
    buffer_append_slice(&text, arguments);
    buffer_append_char(&text, ']');
    part = buffer_slice(&text);
    answer = packet_new(PACKET_TEXT, &part, 1);
    packet_attach(answer, attachments, count);
    socket_emit(socket, answer);
    packet_release(&answer);
    buffer_deinit(&text);
}

/* The arguments as they were sent, without the brackets and the event's name. */
static struct slice arguments_of(const struct socketio_packet *packet)
{
    struct json_iterator iterator = socketio_arguments(packet);
    struct slice first;
    struct slice last;

    if (!json_next_element(&iterator, &first)) {
        return SLICE_EMPTY;
    }
    last = first;
    while (json_next_element(&iterator, &last)) {
        continue;
    }
    return slice_of(first.data, (size_t)(last.data + last.length - first.data));
}

static void burst(struct socket *socket, struct slice arguments, bool is_volatile)
{
    int64_t count = 0;

    (void)json_to_integer(arguments, &count);
    for (int64_t i = 0; i < count; i++) {
        char number[24];

        snprintf(number, sizeof(number), "%lld", (long long)i);
        emit(socket, "tick", slice_of_string(number), is_volatile);
    }
}

struct news {
    struct packet *packet;
};

static void tell(void *context, struct socket *socket)
{
    const struct news *news = context;

    if (strcmp(socket_data(socket), "/") == 0) {
        socket_emit(socket, news->packet);
    }
}

static void broadcast(struct echo *echo, struct slice arguments)
{
    struct buffer text = BUFFER_EMPTY;
    struct slice rendered;
    struct news news;

    socketio_write_event(&text, SLICE_LITERAL("/"), "news", arguments, false, 0);
    rendered = buffer_slice(&text);
    news.packet = packet_new(PACKET_TEXT, &rendered, 1);
    socket_for_each(echo->sessions, tell, &news);
    packet_release(&news.packet);
    buffer_deinit(&text);
}

static void on_socket_event(void *context, struct socket *socket,
                            const struct socketio_packet *packet, int64_t now)
{
    struct slice arguments;

    (void)now;
    if (packet->data_state != SOCKETIO_DATA_VALID) {
        emit(socket, "refused", SLICE_LITERAL("\"too deep\""), false);
        return;
    }
    arguments = arguments_of(packet);
    if (packet->attachments > 0) {
        echo_attachments(socket, packet, arguments);
    } else if (slice_is(packet->event, "\"message\"")) {
        emit(socket, "message-back", arguments, false);
    } else if (slice_is(packet->event, "\"message-with-ack\"") && packet->has_ack_id) {
        socket_acknowledge(socket, packet->ack_id, arguments);
    } else if (slice_is(packet->event, "\"burst\"")) {
        burst(socket, arguments, false);
    } else if (slice_is(packet->event, "\"volatile-burst\"")) {
        burst(socket, arguments, true);
    } else if (slice_is(packet->event, "\"broadcast\"")) {
        broadcast(context, arguments);
    } else if (slice_is(packet->event, "\"bye\"")) {
        socket_disconnect(socket);
    }
}

static void on_acknowledged(void *context, struct socket *socket,
                            const struct socketio_packet *packet, int64_t now)
{
    (void)context;
    (void)socket;
    (void)packet;
    (void)now;
}

static void on_disconnected(void *context, struct socket *socket, enum session_close_reason reason,
                            int64_t now)
{
    (void)context;
    (void)socket;
    (void)reason;
    (void)now;
}

static const struct socket_application application = {
    .connect = on_connect,
    .event = on_socket_event,
    .acknowledged = on_acknowledged,
    .disconnected = on_disconnected,
};

/* --raw: Engine.IO without Socket.IO. Every message goes back as it came. */
static void on_message(void *context, struct session *session, struct slice message, bool is_binary,
                       int64_t now)
{
    struct slice parts[] = {SLICE_LITERAL("4"), message};
    struct packet *packet =
        is_binary ? packet_new(PACKET_BINARY, &parts[1], 1) : packet_new(PACKET_TEXT, parts, 2);

    (void)context;
    (void)now;
    session_send(session, packet);
    packet_release(&packet);
}

static const struct socket_application raw_application = {.message = on_message};

/* --- the way to other edges ------------------------------------------------------------------- */

static bool on_relay(void *context, const struct relay_request *request,
                     struct poll_exchange *exchange)
{
    struct echo *echo = context;
    bool is_get = request->method == HTTP_GET_METHOD;
    struct relay *relay = echo->relays;

    while (relay < echo->relays + RELAYS_MAX && relay->exchange != NULL) {
        relay++;
    }
    if (relay == echo->relays + RELAYS_MAX) {
        return false;
    }
    relay->exchange = exchange;
    relay->is_stuck = is_get && memcmp(request->sid.data, "stuck", 5) == 0;
    snprintf(relay->answer, sizeof(relay->answer), "%s %.*s %zu", is_get ? "GET" : "POST",
             (int)request->sid.length, request->sid.data, request->body.length);
    return true;
}

static void on_relay_gone(void *context, struct poll_exchange *exchange)
{
    struct echo *echo = context;

    for (struct relay *relay = echo->relays; relay < echo->relays + RELAYS_MAX; relay++) {
        if (relay->exchange == exchange) {
            relay->exchange = NULL;
        }
    }
    echo->relays_gone++;
}

static const struct relay_operations relay_operations = {
    .relay = on_relay,
    .gone = on_relay_gone,
};

static void answer_relays(struct echo *echo)
{
    for (struct relay *relay = echo->relays; relay < echo->relays + RELAYS_MAX; relay++) {
        struct poll_exchange *exchange = relay->exchange;

        if (exchange == NULL || relay->is_stuck) {
            continue;
        }
        relay->exchange = NULL;
        exchange->answer(exchange, 200, "text/plain", slice_of_string(relay->answer));
    }
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct echo *echo = context;

    if (engineio_http_serves(&echo->engineio, request->path)) {
        engineio_http_handle(&echo->engineio, exchange, request, clock_monotonic_ms());
    } else {
        http_respond(exchange, 404, "text/plain", SLICE_LITERAL("Not found\n"));
    }
}

static size_t on_body_limit(void *context, const struct http_request *head)
{
    struct echo *echo = context;

    return engineio_http_serves(&echo->engineio, head->path)
               ? engineio_http_body_limit(&echo->engineio, head, clock_monotonic_ms())
               : 0;
}

static void on_too_large(void *context, struct http_exchange *exchange,
                         const struct http_request *head)
{
    struct echo *echo = context;

    engineio_http_too_large(&echo->engineio, exchange, head);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void flush(struct echo *echo)
{
    if (session_table_is_dirty(echo->sessions)) {
        session_table_flush(echo->sessions, clock_monotonic_ms());
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct echo *echo = timer->data;

    session_table_tick(echo->sessions, clock_monotonic_ms());
    answer_relays(echo);
}

static void on_before_wait(uv_prepare_t *prepare)
{
    flush(prepare->data);
}

static void on_after_wait(uv_check_t *check)
{
    flush(check->data);
}

static void on_stop(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void on_report(uv_signal_t *signal, int number)
{
    struct echo *echo = signal->data;
    const struct session_counters *counters = session_table_counters(echo->sessions);

    (void)number;
    printf("opened=%llu upgraded=%llu websockets=%zu pollings=%zu packets_out=%llu flushes=%llu",
           (unsigned long long)counters->opened, (unsigned long long)counters->upgraded,
           counters->websockets, counters->pollings, (unsigned long long)counters->packets_out,
           (unsigned long long)counters->flushes);
    for (int reason = 0; reason < SESSION_CLOSE_REASONS; reason++) {
        printf(" %s=%llu", session_close_reason_name((enum session_close_reason)reason),
               (unsigned long long)counters->closed[reason]);
    }
    printf(" connections=%zu relays_gone=%u\n", websocket_server_count(echo->websockets),
           echo->relays_gone);
}

static void watch_signal(struct echo *echo, uv_signal_t *signal, uv_signal_cb callback, int number)
{
    uv_signal_init(&echo->loop, signal);
    signal->data = echo;
    uv_signal_start(signal, callback, number);
}

static void start_loop(struct echo *echo)
{
    uv_timer_init(&echo->loop, &echo->timer);
    uv_prepare_init(&echo->loop, &echo->before_wait);
    uv_check_init(&echo->loop, &echo->after_wait);
    echo->timer.data = echo->before_wait.data = echo->after_wait.data = echo;
    uv_timer_start(&echo->timer, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    uv_prepare_start(&echo->before_wait, on_before_wait);
    uv_check_start(&echo->after_wait, on_after_wait);
    watch_signal(echo, &echo->stop_by_term, on_stop, SIGTERM);
    watch_signal(echo, &echo->stop_by_int, on_stop, SIGINT);
    watch_signal(echo, &echo->report, on_report, SIGUSR1);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"ping-interval", required_argument, NULL, 'i'},
        {"ping-timeout", required_argument, NULL, 't'},
        {"max-buffer", required_argument, NULL, 'm'},
        {"outbox", required_argument, NULL, 'o'},
        {"send-buffer", required_argument, NULL, 's'},
        {"no-upgrades", no_argument, NULL, 'u'},
        {"relay", no_argument, NULL, 'r'},
        {"path", required_argument, NULL, 'P'},
        {"transports", required_argument, NULL, 'T'},
        {"cookie", required_argument, NULL, 'C'},
        {"cors-origin", required_argument, NULL, 'O'},
        {"trusted-proxy", required_argument, NULL, 'X'},
        {"raw", no_argument, NULL, 'R'},
        {"eio3", no_argument, NULL, '3'},
        {"connect-timeout", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    struct session_settings settings = {
        .ping_interval = 25000,
        .ping_timeout = 20000,
        .upgrade_timeout = 10000,
        .connect_timeout = 45000,
        .max_http_buffer_size = 1000000,
        .outbox_max_bytes = 4 << 20,
        .outbox_max_age = 60000,
        .sessions_max = 200000,
        .payload_packets_max = 10000,
        .allow_upgrades = true,
    };
    struct engineio_options engineio = {
        .path = "/socket.io",
        .transports = "polling,websocket",
        .http_compression = 1024,
        .cors = {.credentials = true, .methods = "GET,POST"},
    };
    struct engineio_http_settings engineio_settings;
    const struct socket_application *used = &application;
    struct http_server_settings http_settings = {
        .connections_max = 100000,
        .head_max = 8192,
        .head_deadline = 10000,
        .body_deadline = 30000,
        .idle_timeout = 30000,
        .write_deadline = 20000,
        .stream_backlog_max = 1 << 20,
        .bodies_max = 64 << 20,
    };
    struct echo echo = {.http = NULL};
    struct http_handler handler = {.context = &echo,
                                   .request = on_request,
                                   .body_limit = on_body_limit,
                                   .too_large = on_too_large};
    char incarnation[INCARNATION_LENGTH + 1];
    char listen[32] = "127.0.0.1:0";
    char reason[256];
    int64_t send_buffer = 128 * 1024;
    bool has_relay = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        long long value = optarg == NULL ? 0 : atoll(optarg);

        switch (option) {
        case 'p':
            snprintf(listen, sizeof(listen), "127.0.0.1:%lld", value);
            break;
        case 'i':
            settings.ping_interval = value;
            break;
        case 't':
            settings.ping_timeout = value;
            break;
        case 'm':
            settings.max_http_buffer_size = value;
            break;
        case 'o':
            settings.outbox_max_bytes = value;
            break;
        case 's':
            send_buffer = value;
            break;
        case 'u':
            settings.allow_upgrades = false;
            break;
        case '3':
            settings.allow_eio3 = true;
            break;
        case 'c':
            settings.connect_timeout = value;
            break;
        case 'P':
            engineio.path = optarg;
            break;
        case 'T':
            engineio.transports = optarg;
            break;
        case 'C':
            engineio.cookie = optarg;
            break;
        case 'O':
            engineio.cors.origins = optarg;
            break;
        case 'X':
            engineio.trusted_proxy = optarg;
            break;
        case 'R':
            used = &raw_application;
            break;
        case 'r':
            has_relay = true;
            break;
        default:
            return 2;
        }
    }
    if (!engineio_options_resolve(&engineio, &engineio_settings, reason, sizeof(reason))) {
        fprintf(stderr, "echo-server: %s\n", reason);
        return 2;
    }
    engineio_settings.max_http_buffer_size = settings.max_http_buffer_size;
    settings.allow_upgrades &= engineio_settings.serves_websocket;
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&echo.loop);
    id_source_init(&echo.ids);
    id_random_text(&echo.ids, incarnation, INCARNATION_LENGTH);
    echo.sessions =
        session_table_new(&settings, used, &echo, &echo.ids, incarnation, clock_monotonic_ms());
    echo.websockets = websocket_server_new(&echo.loop, echo.sessions, settings.max_http_buffer_size,
                                           send_buffer, reason, sizeof(reason));
    http_settings.listen = listen;
    if (echo.websockets != NULL) {
        echo.http = http_server_new(&echo.loop, &http_settings, &handler, reason, sizeof(reason));
    }
    if (echo.http == NULL) {
        fprintf(stderr, "echo-server: %s\n", reason);
        return 1;
    }
    engineio_http_init(&echo.engineio, echo.sessions, echo.websockets, incarnation,
                       &engineio_settings);
    if (has_relay) {
        engineio_http_set_relay(&echo.engineio, &relay_operations, &echo);
    }
    start_loop(&echo);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("listening %d\n", http_server_port(echo.http));
    uv_run(&echo.loop, UV_RUN_DEFAULT);

    http_server_destroy(&echo.http);
    session_table_close_some(echo.sessions, SIZE_MAX, clock_monotonic_ms());
    session_table_flush(echo.sessions, clock_monotonic_ms());
    websocket_server_destroy(&echo.websockets);
    session_table_destroy(&echo.sessions);
    engineio_http_deinit(&echo.engineio);
    uv_walk(&echo.loop, close_handle, NULL);
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&echo.loop) == 0 ? 0 : 1;
}
