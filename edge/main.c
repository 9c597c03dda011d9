/*
 * The edge process: the listener and what it feeds (HTTP, WebSockets, sessions, chat, REST), the
 * uplink to the router and the relays to other edges. Every main.c of the cluster reads in this
 * order: options (here in options.h), construction, events, stopping. What the parts say to each
 * other is in application.c.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge/application.h"
#include "edge/metrics.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/version.h"

/* --- construction ----------------------------------------------------------------------------- */

static int64_t wall_clock(void *context)
{
    (void)context;
    return clock_wall_ms();
}

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
    struct edge_parts parts = {application->sessions, application->chat,   application->uplink,
                               application->peers,    application->moves,  application->http,
                               application->rest,     &application->guard, &application->isolation,
                               application->media};
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
    const struct edge_options *options = &application->options;
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
    application->uplink = uplink_new(&options->uplink, &application_uplink_operations, application,
                                     &application->ids, &self, now);
    application->peers = peers_new(&peers_settings, &application_peers_operations, application);
    peer_sockets_set_peers(application->peer_sockets, application->peers);
    application->router = bus_socket_new(loop, BUS_SOCKET_DEALER, options->router,
                                         application_receive, application, reason, size);
    return application->router != NULL;
}

/* What is behind the sockets of clients. */
static void start_sessions(struct application *application)
{
    struct edge_options *options = &application->options;
    options->chat.edge_name = application->name;
    options->chat.incarnation = slice_of_string(application->incarnation);
    application->chat = chat_new(&options->chat, &application->ids);
    chat_set_wall_clock(application->chat, wall_clock, NULL);
    chat_set_uplink(application->chat, application->uplink);
    application->sessions =
        session_table_new(&options->session, &chat_socket_application, application->chat,
                          &application->ids, application->incarnation, clock_monotonic_ms());
    chat_set_sessions(application->chat, application->sessions);
    struct moves_settings moves = {.incarnation = slice_of_string(application->incarnation),
                                   .upgrade_timeout = options->session.upgrade_timeout,
                                   .moves_max = options->relays_max,
                                   .held_max = options->session.outbox_max_bytes};
    application->moves = moves_new(&moves, application->sessions, application->peers,
                                   application->uplink, &application->ids);
}

static bool start_rest(struct application *application, char *reason, size_t size)
{
    struct edge_options *options = &application->options;
    options->rest.auth = application->auth;
    application->rest = rest_new(&options->rest, application->chat, application->uplink,
                                 &application->ids, clock_monotonic_ms());
    rest_set_wall_clock(application->rest, wall_clock, NULL);
    if (options->media.directory != NULL) {
        application->media =
            media_new(&application->process.loop, &options->media, &application->ids, reason, size);
        if (application->media == NULL) {
            return false;
        }
        rest_set_media(application->rest, application->media);
    }
    return true;
}

static bool start_clients(struct application *application, char *reason, size_t size)
{
    struct edge_options *options = &application->options;
    struct uv_loop_s *loop = &application->process.loop;
    if (auth_is_required(application->auth)) {
        options->chat.auth = application->auth;
        options->engineio_http.takes_credentials = true;
    }
    guard_init(&application->guard, application->auth, options->engineio_http.trusted_proxies,
               &options->engineio.cors, &options->api_rate, &options->key_rate,
               &options->upload_rate);
    start_sessions(application);
    if (!start_rest(application, reason, size)) {
        return false;
    }
    application->websockets =
        websocket_server_new(loop, application->sessions, options->session.max_http_buffer_size,
                             options->send_buffer, reason, size);
    if (application->websockets == NULL || !open_sites(application, reason, size)) {
        return false;
    }
    struct websocket_guests guests = {application, application_begin_move};
    websocket_server_set_guests(application->websockets, &guests);
    engineio_http_init(&application->engineio, application->sessions, application->websockets,
                       application->incarnation, &options->engineio_http);
    engineio_http_set_relay(&application->engineio, &application_relay_operations, application);
    application->front = (struct front){.engineio = &application->engineio,
                                        .rest = application->rest,
                                        .guard = &application->guard,
                                        .media = application->media,
                                        .client = application->client,
                                        .site = application->site,
                                        .admin = {application, is_ready, render_metrics},
                                        .now = clock_monotonic_ms,
                                        .wall = clock_wall_ms};
    struct http_handler handler = front_handler(&application->front);
    application->http = http_server_new(loop, &options->http, &handler, reason, size);
    return application->http != NULL;
}

static bool start(struct application *application, char *reason, size_t size)
{
    id_source_init(&application->ids);
    id_random_text(&application->ids, application->incarnation, INCARNATION_LENGTH);
    application->auth = auth_new(&application->options.auth, reason, size);
    if (application->auth == NULL) {
        return false;
    }
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
    moves_destroy(&application->moves, clock_monotonic_ms());
    peers_destroy(&application->peers, clock_monotonic_ms());
    peer_sockets_destroy(&application->peer_sockets);
    bus_socket_destroy(&application->router, 200);
}

static void tear_down(struct application *application)
{
    close_shells(application);
    process_deinit(&application->process);
    rest_destroy(&application->rest);
    media_destroy(&application->media);
    session_table_destroy(&application->sessions);
    uplink_destroy(&application->uplink, clock_monotonic_ms());
    chat_destroy(&application->chat);
    engineio_http_deinit(&application->engineio);
    static_site_destroy(&application->site);
    static_site_destroy(&application->client);
    guard_deinit(&application->guard);
    auth_destroy(&application->auth);
    bus_socket_library_deinit();
}

/* --- events ----------------------------------------------------------------------------------- */

enum {
    FLUSH_CROWD = 400, /* sockets; writing to fewer is followed by no pause */
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

/*
 * Draining: sessions one after the other, each when it is not in the middle of something; requests
 * over REST and streams to their end. Clients come back elsewhere.
 */
static void drain(struct application *application, int64_t now)
{
    struct session_table *sessions = application->sessions;
    size_t due = drain_due(&application->drain, now, id_random_u64(&application->ids));
    application->drain.closed +=
        session_table_close_batch(sessions, due, true, SESSION_CLOSE_SERVER, now);
    peers_recall(application->peers);
    bool is_done =
        session_table_count(sessions) == 0 && /* one that is over lingers for its poll */
        peers_counters(application->peers)->waiting == 0 &&
        uplink_counters(application->uplink)->waiting == 0 &&
        rest_counters(application->rest)->waiting == 0 &&
        (application->media == NULL || media_counters(application->media)->uploading == 0);
    if (is_done || now >= application->stop_deadline) {
        finish(application);
    }
}

/* Cut off from the router for too long: clients are sent to look for a better edge. */
static void move_on(struct application *application, int64_t now)
{
    struct isolation *isolation = &application->isolation;
    uint64_t times = isolation->times;
    size_t due = isolation_due(isolation, uplink_is_ready(application->uplink, now),
                               session_table_count(application->sessions),
                               application->options.isolation_timeout, now,
                               id_random_u64(&application->ids));
    if (isolation->times != times) {
        log_warn("isolated", "sessions=%zu", isolation->drain.total);
    }
    /* If they are busy, then with waiting for the router. */
    isolation_closed(isolation, session_table_close_batch(application->sessions, due, false,
                                                          SESSION_CLOSE_ISOLATED, now));
}

static void tick(void *context)
{
    struct application *application = context;
    int64_t now = clock_monotonic_ms();
    uplink_tick(application->uplink, now);
    chat_tick(application->chat, now);
    session_table_tick(application->sessions, now);
    peers_tick(application->peers, now);
    moves_tick(application->moves, now);
    rest_tick(application->rest, now);
    if (application->stop == STOP_DRAINING) {
        drain(application, now);
    } else {
        move_on(application, now);
    }
}

static void on_flush_due(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop; flush() comes before it blocks again */
}

/*
 * Writes to clients once per loop turn. When writing to many takes long (a large room), the next
 * time waits about as long as it took, at most FLUSH_PAUSE_MAX_US: what arrives meanwhile shares
 * its system calls, and reading gets its turn. At moderate load none waits.
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
    size_t flushed = session_table_flush(application->sessions, start / 1000);
    int64_t end = clock_monotonic_us();
    int64_t cost = end - start;
    int64_t pause = flushed < FLUSH_CROWD || cost < FLUSH_HEAVY_US ? 0 : cost;
    application->next_flush_us = end + (pause > FLUSH_PAUSE_MAX_US ? FLUSH_PAUSE_MAX_US : pause);
}

/* What this process has logged waits for a router. */
static void tell_logs(struct application *application)
{
    struct bus_message lines;
    if (log_feed_message(&application->logs, &lines) &&
        uplink_is_ready(application->uplink, clock_monotonic_ms())) {
        uplink_notify(application->uplink, &lines);
        log_feed_clear(&application->logs);
    }
}

static void flush(void *context)
{
    struct application *application = context;
    if (application->stop != STOP_DONE) {
        flush_clients(application);
        moves_flush(application->moves, clock_monotonic_ms());
        tell_logs(application);
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
        drain_begin(&application->drain, sessions, application->options.drain_timeout / 2, now);
        session_table_stop_opening(application->sessions);
        http_server_stop_accepting(application->http);
    }
    if (hard) {
        application->stop_deadline =
            now + PROCESS_HARD_STOP_MS / 3; /* acknowledgements on their way */
    }
}

/* Keys change without anybody noticing; files that cannot be used change nothing. */
static void reload(void *context)
{
    struct application *application = context;
    char reason[512];
    if (auth_reload(application->auth, reason, sizeof(reason))) {
        log_info("keys_reloaded", "required=%s",
                 auth_is_required(application->auth) ? "yes" : "no");
    } else {
        log_error("keys_not_reloaded", "reason=%s", reason);
    }
}

int main(int argc, char **argv)
{
    static struct application application;
    char reason[512] = "";
    bool done;
    int status = edge_options_read(&application.options, argc, argv, &done);
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
        log_feed_init(&application.logs, slice_of_string(application.incarnation));
        log_set_tap(log_feed_take, &application.logs);
        process_run(&application.process,
                    (struct process_handler){&application, tick, flush, stop, reload});
    } else {
        status = options_fail("edge", "%s", reason);
    }
    log_set_tap(NULL, NULL);
    log_feed_deinit(&application.logs);
    tear_down(&application);
    return status;
}
