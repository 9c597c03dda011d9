/*
 * The edge process: options, the listener and what it feeds (HTTP, WebSockets, sessions, chat,
 * REST), the uplink to the router and the relays to other edges. Every main.c of the cluster reads
 * in this order: options, construction, events, stopping.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge/chat/chat.h"
#include "edge/engineio_http.h"
#include "edge/engineio_options.h"
#include "edge/front.h"
#include "edge/http/server.h"
#include "edge/metrics.h"
#include "edge/peer.h"
#include "edge/peer_sockets.h"
#include "edge/rest/rest.h"
#include "edge/session/socket.h"
#include "edge/uplink.h"
#include "edge/websocket.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/process.h"
#include "proto/base/version.h"
#include "proto/bus/socket.h"

/* --- options ---------------------------------------------------------------------------------- */

struct options {
    struct http_server_settings http;
    const char *router;
    const char *peer_bind;
    const char *peer_advertise;
    const char *www;
    const char *name;
    struct engineio_options engineio;
    struct session_settings session;
    struct uplink_settings uplink;
    struct chat_settings chat;
    struct rest_settings rest;
    int64_t bus_timeout;
    int64_t bus_buffer;
    int64_t relays_max;
    int64_t send_buffer;
    int64_t drain_timeout;
    struct engineio_http_settings engineio_http; /* what engineio was resolved to */
};

#define AT(member) offsetof(struct options, member)
#define DAY 86400000
#define GIB (1 << 30)
static const struct option option_table[] = {
    {"listen", OPTION_ADDRESS, AT(http.listen), "127.0.0.1:3000", 0, 0, "ADDRESS",
     "where clients connect"},
    {"share-port", OPTION_FLAG, AT(http.share_port), "false", 0, 0, NULL,
     "let several edges listen on the same address"},
    {"router", OPTION_ENDPOINT, AT(router), "tcp://127.0.0.1:7400", 0, 0, "ENDPOINT",
     "the router's --bind-edges"},
    {"peer-bind", OPTION_ENDPOINT, AT(peer_bind), "tcp://127.0.0.1:7410", 0, 0, "ENDPOINT",
     "where other edges connect, for polls that landed on the wrong one"},
    {"peer-advertise", OPTION_ENDPOINT, AT(peer_advertise), NULL, 0, 0, "ENDPOINT",
     "how other edges reach --peer-bind (default: found out)"},
    {"www", OPTION_STRING, AT(www), NULL, 0, 0, "DIR",
     "serve this site instead of the chat page; unknown paths get its index.html"},
    {"name", OPTION_STRING, AT(name), NULL, 0, 0, "NAME",
     "what clients are told this edge is called (default: edge- and its incarnation)"},
    {"ping-interval", OPTION_DURATION, AT(session.ping_interval), "25s", 100, DAY, "TIME",
     "Engine.IO heartbeat"},
    {"ping-timeout", OPTION_DURATION, AT(session.ping_timeout), "20s", 100, DAY, "TIME",
     "how long a client may take to answer it"},
    {"upgrade-timeout", OPTION_DURATION, AT(session.upgrade_timeout), "10s", 100, DAY, "TIME",
     "how long an upgrade to WebSocket may take"},
    {"connect-timeout", OPTION_DURATION, AT(session.connect_timeout), "45s", 100, DAY, "TIME",
     "how long a session may exist without a Socket.IO CONNECT"},
    {"max-http-buffer-size", OPTION_SIZE, AT(session.max_http_buffer_size), "1000000", 1000,
     2000000, "BYTES", "largest message of a client, announced as maxPayload"},
    {"allow-upgrades", OPTION_FLAG, AT(session.allow_upgrades), "true", 0, 0, NULL,
     "let polling sessions upgrade to WebSocket"},
    {"allow-eio3", OPTION_FLAG, AT(session.allow_eio3), "true", 0, 0, NULL,
     "serve clients 1.x and 2.x (Engine.IO 3) too"},
    {"path", OPTION_STRING, AT(engineio.path), "/socket.io", 0, 0, "PATH",
     "where Socket.IO and its client bundle are"},
    {"transports", OPTION_STRING, AT(engineio.transports), "polling,websocket", 0, 0, "LIST",
     "transports that clients may use"},
    {"http-compression", OPTION_SIZE, AT(engineio.http_compression), "1024", 0, GIB, "BYTES",
     "answers to polls from this size on are compressed; 0: none"},
    {"per-message-deflate", OPTION_FLAG, AT(engineio.per_message_deflate), "false", 0, 0, NULL,
     "compression of WebSocket messages: not served"},
    {"cookie", OPTION_STRING, AT(engineio.cookie), NULL, 0, 0, "NAME",
     "give polling clients the session's id in this cookie too (default: none)"},
    {"cors-origin", OPTION_STRING, AT(engineio.cors.origins), NULL, 0, 0, "LIST",
     "scheme://host[:port],… whose pages may connect, or * (default: every origin, by name)"},
    {"cors-credentials", OPTION_FLAG, AT(engineio.cors.credentials), "true", 0, 0, NULL,
     "let those pages send credentials"},
    {"cors-methods", OPTION_STRING, AT(engineio.cors.methods), "GET,POST", 0, 0, "LIST",
     "methods that a preflight to --path is told"},
    {"cors-headers", OPTION_STRING, AT(engineio.cors.headers), NULL, 0, 0, "LIST",
     "headers that it is told (default: those it asks for)"},
    {"trusted-proxy", OPTION_STRING, AT(engineio.trusted_proxy), NULL, 0, 0, "LIST",
     "addresses or networks whose X-Forwarded-For is believed"},
    {"sessions-max", OPTION_INTEGER, AT(session.sessions_max), "100000", 1, 10000000, "COUNT",
     "sessions on this edge at most"},
    {"outbox-max", OPTION_SIZE, AT(session.outbox_max_bytes), "4m", 65536, GIB, "BYTES",
     "waiting for one client at most; beyond, it is cut as a slow consumer"},
    {"outbox-age", OPTION_DURATION, AT(session.outbox_max_age), "60s", 1000, DAY, "TIME",
     "how old what waits for one client may be"},
    {"payload-packets-max", OPTION_INTEGER, AT(session.payload_packets_max), "10000", 1, 1000000,
     "COUNT", "packets in one polling payload"},
    {"rooms-per-socket-max", OPTION_INTEGER, AT(chat.rooms_per_socket_max), "1000", 1, 1000000,
     "COUNT", "rooms one socket may be in"},
    {"requests-per-socket-max", OPTION_INTEGER, AT(chat.requests_per_socket_max), "1000", 1,
     1000000, "COUNT", "events of one socket waiting for the router; beyond: overloaded"},
    {"requests-max", OPTION_INTEGER, AT(uplink.requests_max), "200000", 1, 10000000, "COUNT",
     "requests waiting for the router; beyond: overloaded"},
    {"request-bytes-max", OPTION_SIZE, AT(uplink.request_bytes_max), "64m", 65536, GIB, "BYTES",
     "of those requests; beyond: overloaded"},
    {"request-deadline", OPTION_DURATION, AT(uplink.request_deadline), "5s", 100, DAY, "TIME",
     "how long the router may take; beyond: overloaded"},
    {"sync-timeout", OPTION_DURATION, AT(rest.sync_timeout), "25s", 100, DAY, "TIME",
     "how long a sync REST caller waits for the agent; beyond: 504"},
    {"stream-timeout", OPTION_DURATION, AT(rest.stream_timeout), "5m", 100, DAY, "TIME",
     "how long an SSE stream waits for the agent's end"},
    {"stream-comment", OPTION_DURATION, AT(rest.stream_comment), "15s", 100, DAY, "TIME",
     "keep-alive comments of a silent SSE stream"},
    {"runs-max", OPTION_INTEGER, AT(rest.runs_max), "10000", 1, 1000000, "COUNT",
     "REST callers waiting for an agent at most; beyond: overloaded"},
    {"http-connections-max", OPTION_INTEGER, AT(http.connections_max), "100000", 1, 10000000,
     "COUNT", "HTTP connections at once, WebSockets not counted"},
    {"http-head-max", OPTION_SIZE, AT(http.head_max), "8k", 1024, 65536, "BYTES",
     "largest request head; beyond: 431"},
    {"http-head-deadline", OPTION_DURATION, AT(http.head_deadline), "10s", 100, DAY, "TIME",
     "for a whole request head"},
    {"http-body-deadline", OPTION_DURATION, AT(http.body_deadline), "30s", 100, DAY, "TIME",
     "for a whole request body"},
    {"http-idle-timeout", OPTION_DURATION, AT(http.idle_timeout), "30s", 100, DAY, "TIME",
     "between requests of a connection"},
    {"http-write-deadline", OPTION_DURATION, AT(http.write_deadline), "20s", 100, DAY, "TIME",
     "without progress of an answer"},
    {"http-stream-backlog", OPTION_SIZE, AT(http.stream_backlog_max), "1m", 4096, GIB, "BYTES",
     "waiting for one SSE client at most; beyond, it is cut"},
    {"send-buffer", OPTION_SIZE, AT(send_buffer), "128k", 4096, GIB, "BYTES",
     "SO_SNDBUF of a WebSocket: what the kernel may hide of a slow consumer"},
    {"relays-max", OPTION_INTEGER, AT(relays_max), "100000", 1, 10000000, "COUNT",
     "polls passed on to other edges at once"},
    {"bus-timeout", OPTION_DURATION, AT(bus_timeout), "3s", 500, 60000, "TIME",
     "silence of the router after which this edge is not ready"},
    {"bus-buffer", OPTION_SIZE, AT(bus_buffer), "64m", 1 << 20, GIB, "BYTES",
     "unacknowledged bytes kept for the router"},
    {"drain-timeout", OPTION_DURATION, AT(drain_timeout), "30s", 100, DAY, "TIME",
     "SIGTERM: hard stop after this time"},
};

static int read_options(int argc, char **argv, struct options *options, bool *done, char *reason,
                        size_t size)
{
    struct options_common common;
    enum options_result result =
        options_parse(option_table, sizeof(option_table) / sizeof(option_table[0]), "edge",
                      "An edge of an elizamq cluster: speaks Socket.IO, REST and SSE to clients.",
                      argc, argv, options, &common);
    *done = result != OPTIONS_RUN;
    if (*done) {
        return result == OPTIONS_EXIT_0 ? 0 : 2;
    }
    options->uplink.link = (struct link_settings){.heartbeat = 500,
                                                  .timeout = options->bus_timeout,
                                                  .retained_max = (size_t)options->bus_buffer,
                                                  .frame_max = BUS_FRAME_MAX};
    if (!engineio_options_resolve(&options->engineio, &options->engineio_http, reason, size)) {
        *done = true;
        return options_fail("edge", "%s", reason);
    }
    options->engineio_http.max_http_buffer_size = options->session.max_http_buffer_size;
    options->session.allow_upgrades &= options->engineio_http.serves_websocket;
    options->rest.cors = &options->engineio.cors;
    log_configure("edge", (enum log_level)common.log_level, (enum log_format)common.log_format);
    if (common.check_config) {
        printf("configuration ok\n");
        *done = true;
    }
    return 0;
}

/* --- construction ----------------------------------------------------------------------------- */

enum stop_state { STOP_NOT, STOP_DRAINING, STOP_DONE };

struct application {
    struct options options;
    struct process process;
    struct id_source ids;
    char incarnation[INCARNATION_LENGTH + 1];
    char name[64];
    char advertised[512];
    struct chat *chat;
    struct session_table *sessions;
    struct uplink *uplink;
    struct bus_socket *router;
    struct peer_sockets *peer_sockets;
    struct peers *peers;
    struct rest *rest;
    struct websocket_server *websockets;
    struct engineio_http engineio;
    struct static_site *site;
    struct static_site *client;
    struct front front;
    struct http_server *http;
    uv_timer_t flush_timer;
    int64_t next_flush_us;
    enum stop_state stop;
    int64_t stop_deadline;
    size_t close_per_tick;
};

static int64_t wall_clock(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static bool uplink_transmit(void *context, struct slice header, struct slice body)
{
    struct application *application = context;
    return application->router != NULL &&
           bus_socket_send(application->router, SLICE_EMPTY, header, body);
}

static uint64_t uplink_synchronise(void *context, int64_t now)
{
    struct application *application = context;
    return chat_synchronise(application->chat, now);
}

static void uplink_deliver(void *context, const struct bus_message *message, int64_t now)
{
    struct application *application = context;
    if (message->type == BUS_PEERS) {
        peers_update(application->peers, &message->peers, now);
    } else {
        chat_deliver(application->chat, message, now);
    }
}

static const struct uplink_operations uplink_operations = {uplink_transmit, uplink_synchronise,
                                                           uplink_deliver};

static void received_from_router(void *context, struct slice peer, struct slice frame)
{
    struct application *application = context;
    (void)peer;
    uplink_receive(application->uplink, frame, clock_monotonic_ms());
}

static void peers_connect(void *context, struct slice incarnation, struct slice address)
{
    struct application *application = context;
    peer_sockets_connect(application->peer_sockets, incarnation, address);
}

static void peers_disconnect(void *context, struct slice incarnation)
{
    struct application *application = context;
    peer_sockets_disconnect(application->peer_sockets, incarnation);
}

static bool peers_transmit(void *context, struct slice incarnation, struct slice header,
                           struct slice body)
{
    struct application *application = context;
    return peer_sockets_transmit(application->peer_sockets, incarnation, header, body);
}

static bool peers_answer(void *context, struct slice routing_id, struct slice header,
                         struct slice body)
{
    struct application *application = context;
    return peer_sockets_answer(application->peer_sockets, routing_id, header, body);
}

static void peers_serve(void *context, const struct relay_request *request,
                        struct poll_exchange *exchange, int64_t now)
{
    struct application *application = context;
    engineio_relayed_request(application->sessions, request, exchange, now);
}

static void peers_gone(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct application *application = context;
    session_exchange_gone(application->sessions, exchange, now);
}

static const struct peers_operations peers_operations = {
    peers_connect, peers_disconnect, peers_transmit, peers_answer, peers_serve, peers_gone};

static bool relay(void *context, const struct relay_request *request,
                  struct poll_exchange *exchange)
{
    struct application *application = context;
    return peers_relay(application->peers, request, exchange, clock_monotonic_ms());
}

static void relay_gone(void *context, struct poll_exchange *exchange)
{
    struct application *application = context;
    peers_exchange_gone(application->peers, exchange);
}

static const struct relay_operations relay_operations = {relay, relay_gone};

static bool is_ready(void *context, const char **reason)
{
    struct application *application = context;
    *reason = application->stop != STOP_NOT ? "draining" : "router";
    return application->stop == STOP_NOT &&
           uplink_is_ready(application->uplink, clock_monotonic_ms());
}

static void render_metrics(void *context, struct buffer *out)
{
    struct application *application = context;
    struct edge_parts parts = {application->sessions, application->chat, application->uplink,
                               application->peers,    application->http, application->rest};
    edge_metrics_render(&parts, out);
}

static bool open_sites(struct application *application, char *reason, size_t size)
{
    char share[PATH_MAX], path[PATH_MAX];
    bool has_share = process_share_directory(share, sizeof(share));
    const char *www = application->options.www;
    struct static_site_settings settings = {.root = www, .falls_back = true, .max_age = 3600};
    if (has_share && snprintf(path, sizeof(path), "%s/client", share) < (int)sizeof(path)) {
        struct static_site_settings client = {.root = path, .max_age = 86400};
        application->client = static_site_new(&client, reason, size);
    }
    if (www == NULL && has_share &&
        snprintf(path, sizeof(path), "%s/www", share) < (int)sizeof(path)) {
        settings = (struct static_site_settings){.root = path};
    }
    if (settings.root != NULL) {
        application->site = static_site_new(&settings, reason, size);
    }
    if (application->client == NULL || application->site == NULL) {
        log_warn("site_missing", "page=%s client=%s",
                 application->site == NULL ? "missing" : "present",
                 application->client == NULL ? "missing" : "present");
    }
    return www == NULL || application->site != NULL;
}

static bool start_bus(struct application *application, char *reason, size_t size)
{
    const struct options *options = &application->options;
    struct uv_loop_s *loop = &application->process.loop;
    int64_t now = clock_monotonic_ms();
    application->peer_sockets = peer_sockets_new(loop, options->peer_bind, reason, size);
    if (application->peer_sockets == NULL) {
        return false;
    }
    if (!peer_advertised_endpoint(options->peer_advertise,
                                  peer_sockets_endpoint(application->peer_sockets), options->router,
                                  application->advertised, sizeof(application->advertised))) {
        snprintf(reason, size, "--peer-advertise is needed: the way to %s is not known yet",
                 options->router);
        return false;
    }
    struct bus_hello self = {
        .role = BUS_ROLE_EDGE,
        .incarnation = slice_of_string(application->incarnation),
        .name = slice_of_string(application->name),
        .peer_address = slice_of_string(application->advertised),
        .program_version = SLICE_LITERAL(ELIZAMQ_VERSION),
    };
    struct peers_settings peers_settings = {
        .incarnation = slice_of_string(application->incarnation),
        .deadline = options->session.ping_interval + options->session.ping_timeout,
        .relays_max = options->relays_max};
    application->uplink = uplink_new(&options->uplink, &uplink_operations, application,
                                     &application->ids, &self, now);
    application->peers = peers_new(&peers_settings, &peers_operations, application);
    peer_sockets_set_peers(application->peer_sockets, application->peers);
    application->router = bus_socket_new(loop, BUS_SOCKET_DEALER, options->router,
                                         received_from_router, application, reason, size);
    return application->router != NULL;
}

static bool start_clients(struct application *application, char *reason, size_t size)
{
    struct options *options = &application->options;
    struct uv_loop_s *loop = &application->process.loop;
    options->chat.edge_name = application->name;
    options->chat.incarnation = slice_of_string(application->incarnation);
    application->chat = chat_new(&options->chat, &application->ids);
    chat_set_wall_clock(application->chat, wall_clock, NULL);
    chat_set_uplink(application->chat, application->uplink);
    application->sessions =
        session_table_new(&options->session, &chat_socket_application, application->chat,
                          &application->ids, application->incarnation, clock_monotonic_ms());
    application->rest =
        rest_new(&options->rest, application->chat, application->uplink, &application->ids);
    application->websockets =
        websocket_server_new(loop, application->sessions, options->session.max_http_buffer_size,
                             options->send_buffer, reason, size);
    if (application->websockets == NULL || !open_sites(application, reason, size)) {
        return false;
    }
    engineio_http_init(&application->engineio, application->sessions, application->websockets,
                       application->incarnation, &options->engineio_http);
    engineio_http_set_relay(&application->engineio, &relay_operations, application);
    application->front = (struct front){.engineio = &application->engineio,
                                        .rest = application->rest,
                                        .client = application->client,
                                        .site = application->site,
                                        .admin = {application, is_ready, render_metrics},
                                        .now = clock_monotonic_ms};
    struct http_handler handler = front_handler(&application->front);
    application->http = http_server_new(loop, &options->http, &handler, reason, size);
    return application->http != NULL;
}

static bool start(struct application *application, char *reason, size_t size)
{
    id_source_init(&application->ids);
    id_random_text(&application->ids, application->incarnation, INCARNATION_LENGTH);
    const char *name = application->options.name;
    snprintf(application->name, sizeof(application->name), "%s%s", name == NULL ? "edge-" : name,
             name == NULL ? application->incarnation : "");
    return start_bus(application, reason, size) && start_clients(application, reason, size);
}

/* Ends what the loop watches; called once the clients are gone or must go. */
static void close_shells(struct application *application)
{
    if (!uv_is_closing((uv_handle_t *)&application->flush_timer)) {
        uv_close((uv_handle_t *)&application->flush_timer, NULL);
    }
    http_server_destroy(&application->http);
    websocket_server_destroy(&application->websockets);
    peers_destroy(&application->peers, clock_monotonic_ms());
    peer_sockets_destroy(&application->peer_sockets);
    bus_socket_destroy(&application->router, 200);
}

static void tear_down(struct application *application)
{
    close_shells(application);
    process_deinit(&application->process);
    rest_destroy(&application->rest);
    session_table_destroy(&application->sessions);
    uplink_destroy(&application->uplink, clock_monotonic_ms());
    chat_destroy(&application->chat);
    engineio_http_deinit(&application->engineio);
    static_site_destroy(&application->site);
    static_site_destroy(&application->client);
    bus_socket_library_deinit();
}

/* --- events ----------------------------------------------------------------------------------- */

enum {
    DRAIN_PACE_MS = 3000,
    CLOSE_PER_TICK_MIN = 20,
    FLUSH_HEAVY_US = 2000,
    FLUSH_PAUSE_MAX_US = 5000
};

static void finish(struct application *application)
{
    int64_t now = clock_monotonic_ms();
    application->stop = STOP_DONE;
    session_table_close_some(application->sessions, SIZE_MAX, now);
    session_table_flush(application->sessions, now);
    uplink_say_goodbye(application->uplink, now);
    close_shells(application);
    process_finish(&application->process);
}

/* Draining: acknowledgements first, then the sessions in paced batches; clients come back
 * elsewhere. */
static void drain(struct application *application, int64_t now)
{
    bool is_waiting = uplink_counters(application->uplink)->waiting > 0 ||
                      rest_counters(application->rest)->waiting > 0;
    bool must_end = now >= application->stop_deadline;
    if (is_waiting && !must_end) {
        return;
    }
    size_t left = session_table_close_some(application->sessions,
                                           must_end ? SIZE_MAX : application->close_per_tick, now);
    if (left == 0 || must_end) { /* what is left lingers for a last poll */
        finish(application);
    }
}

static void tick(void *context)
{
    struct application *application = context;
    int64_t now = clock_monotonic_ms();
    uplink_tick(application->uplink, now);
    chat_tick(application->chat, now);
    session_table_tick(application->sessions, now);
    peers_tick(application->peers, now);
    rest_tick(application->rest, now);
    if (application->stop == STOP_DRAINING) {
        drain(application, now);
    }
}

static void on_flush_due(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop; flush() comes before it blocks again */
}

/*
 * Writes to clients once per loop turn. When writing takes long (a large room), the next time waits
 * about as long as it took, at most FLUSH_PAUSE_MAX_US: what arrives meanwhile shares its system
 * calls, and reading gets its turn. At moderate load no flush takes FLUSH_HEAVY_US, and none waits.
 */
static void flush_clients(struct application *application)
{
    int64_t start = clock_monotonic_us();
    if (!session_table_is_dirty(application->sessions)) {
        return;
    }
    if (start < application->next_flush_us) {
        uint64_t wait = (uint64_t)(application->next_flush_us - start + 999) / 1000;
        uv_timer_start(&application->flush_timer, on_flush_due, wait, 0);
        return;
    }
    session_table_flush(application->sessions, start / 1000);
    int64_t end = clock_monotonic_us();
    int64_t cost = end - start;
    int64_t pause = cost < FLUSH_HEAVY_US ? 0 : cost;
    application->next_flush_us = end + (pause > FLUSH_PAUSE_MAX_US ? FLUSH_PAUSE_MAX_US : pause);
}

static void flush(void *context)
{
    struct application *application = context;
    if (application->stop != STOP_DONE) {
        flush_clients(application);
        uplink_flush(application->uplink, clock_monotonic_ms());
    }
}

static void stop(void *context, bool hard)
{
    struct application *application = context;
    int64_t now = clock_monotonic_ms();
    if (application->stop == STOP_DONE) {
        return;
    }
    if (application->stop == STOP_NOT) {
        size_t sessions = session_table_count(application->sessions);
        log_info("draining", "sessions=%zu", sessions);
        application->stop = STOP_DRAINING;
        application->stop_deadline = now + application->options.drain_timeout;
        application->close_per_tick = sessions * PROCESS_TICK_MS / DRAIN_PACE_MS;
        if (application->close_per_tick < CLOSE_PER_TICK_MIN) {
            application->close_per_tick = CLOSE_PER_TICK_MIN;
        }
        http_server_stop_accepting(application->http);
    }
    if (hard) {
        application->stop_deadline =
            now + PROCESS_HARD_STOP_MS / 3; /* acknowledgements on their way */
    }
}

int main(int argc, char **argv)
{
    static struct application application;
    char reason[512] = "";
    bool done;
    int status = read_options(argc, argv, &application.options, &done, reason, sizeof(reason));
    if (done) {
        return status;
    }
    process_init(&application.process);
    uv_timer_init(&application.process.loop, &application.flush_timer);
    bus_socket_library_init();
    if (start(&application, reason, sizeof(reason))) {
        log_info("listening", "address=%s port=%d router=%s peers=%s name=%s",
                 application.options.http.listen, http_server_port(application.http),
                 application.options.router, application.advertised, application.name);
        process_run(&application.process,
                    (struct process_handler){&application, tick, flush, stop});
    } else {
        status = options_fail("edge", "%s", reason);
    }
    tear_down(&application);
    return status;
}
