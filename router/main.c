/*
 * The router process: options, two ZeroMQ sockets, the store's threads, the admin listener, and the
 * core between them. Every main.c of the cluster reads in this order: options, construction,
 * events, stopping.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/admin.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/process.h"
#include "proto/bus/log_feed.h"
#include "proto/bus/socket.h"
#include "router/core/router.h"
#include "router/metrics.h"
#include "router/store/store_thread.h"

/* --- options ---------------------------------------------------------------------------------- */

struct options {
    const char *bind_edges;
    const char *bind_bridges;
    const char *store;
    int store_sync;
    const char *http;
    struct router_settings core;
    int64_t bus_timeout;
    int64_t bus_buffer;
};

#define AT(member) offsetof(struct options, member)
static const struct option option_table[] = {
    {"bind-edges", OPTION_ENDPOINT, AT(bind_edges), "tcp://127.0.0.1:7400", 0, 0, "ENDPOINT",
     "where edges connect"},
    {"bind-bridges", OPTION_ENDPOINT, AT(bind_bridges), "tcp://127.0.0.1:7401", 0, 0, "ENDPOINT",
     "where agent bridges connect"},
    {"store", OPTION_STRING, AT(store), "sqlite:./data/elizamq.db", 0, 0, "URL",
     "where messages, rooms and jobs are kept"},
    {"store-sync", OPTION_CHOICE, AT(store_sync), "normal", 0, 0, "normal|full",
     "normal survives any kill, full also power loss"},
    {"http", OPTION_ADDRESS, AT(http), "127.0.0.1:7402", 0, 0, "ADDRESS",
     "listener of /healthz, /readyz and /metrics"},
    {"presence-limit", OPTION_INTEGER, AT(core.presence_limit), "1000", 0, 100000, "MEMBERS",
     "rooms above it send no per-user presence events"},
    {"presence-grace", OPTION_DURATION, AT(core.presence_grace), "5s", 0, 3600000, "TIME",
     "how long a lost connection stays present"},
    {"agent-grace", OPTION_DURATION, AT(core.agent_grace), "30s", 0, 86400000, "TIME",
     "how long questions wait for a bridge to come back before no_agent is said"},
    {"dedupe-window", OPTION_DURATION, AT(core.dedupe_window), "10m", 1000, 86400000, "TIME",
     "how long a messageId is remembered"},
    {"dedupe-limit", OPTION_INTEGER, AT(core.dedupe_limit), "4000000", 1000, 1000000000, "COUNT",
     "messageIds remembered at most"},
    {"rooms-max", OPTION_INTEGER, AT(core.rooms_max), "1000000", 1, 100000000, "ROOMS",
     "rooms in the store at most"},
    {"room-members-max", OPTION_INTEGER, AT(core.room_members_max), "100000", 1, 10000000,
     "MEMBERS", "entities in one room at most"},
    {"jobs-max", OPTION_INTEGER, AT(core.jobs_max), "100000", 1, 10000000, "JOBS",
     "open questions to agents at most; beyond: overloaded"},
    {"job-attempts", OPTION_INTEGER, AT(core.job_attempts), "3", 1, 100, "BRIDGES",
     "bridges that one question may cost before it fails"},
    {"job-deadline", OPTION_DURATION, AT(core.job_deadline), "15m", 1000, 86400000, "TIME",
     "a question that is not answered by then fails"},
    {"agent-hops", OPTION_INTEGER, AT(core.agent_hops), "4", 0, 1000, "ANSWERS",
     "of agents to agents that follow from one another; 0: agents do not answer agents"},
    {"agent-budget", OPTION_INTEGER, AT(core.agent_budget), "16", 0, 100000, "ANSWERS",
     "of agents to agents in a room until a person speaks again"},
    {"replay-max", OPTION_INTEGER, AT(core.replay_max), "1000", 0, 10000, "MESSAGES",
     "messages a join with `since` replays at most"},
    {"recovery-window", OPTION_DURATION, AT(core.recovery_window), "2m", 0, 86400000, "TIME",
     "how long a client that lost its connection can go on where it was; 0: never"},
    {"data-isolation", OPTION_FLAG, AT(core.data_isolation), "false", 0, 0, NULL,
     "rooms are open to their participants only, and to whoever makes them (also "
     "ENABLE_DATA_ISOLATION)"},
    {"batch-bytes-max", OPTION_SIZE, AT(core.batch_bytes_max), "64m", 65536, 1 << 30, "BYTES",
     "messages waiting for the store at most; beyond: overloaded"},
    {"bus-timeout", OPTION_DURATION, AT(bus_timeout), "3s", 500, 60000, "TIME",
     "silence after which an edge or bridge counts as dead"},
    {"bus-buffer", OPTION_SIZE, AT(bus_buffer), "64m", 1 << 20, 1 << 30, "BYTES",
     "unacknowledged bytes kept for one edge or bridge"},
};

/* What ElizaOS calls it; the cluster's own name for it wins. */
static void adopt_variable(const char *name, const char *own)
{
    const char *value = getenv(name), *given = getenv(own);
    if (value != NULL && (given == NULL || *given == '\0')) {
        setenv(own, value, 1);
    }
}

static int read_options(int argc, char **argv, struct options *options, bool *done)
{
    struct options_common common;
    *options = (struct options){.core = router_default_settings};
    adopt_variable("ENABLE_DATA_ISOLATION", "ELIZAMQ_DATA_ISOLATION");
    enum options_result result = options_parse(
        option_table, sizeof(option_table) / sizeof(option_table[0]), "router",
        "The router of an elizamq cluster: rooms, presence, order, and work for agents.", argc,
        argv, options, &common);
    *done = result != OPTIONS_RUN;
    if (*done) {
        return result == OPTIONS_EXIT_0 ? 0 : 2;
    }
    options->core.link.timeout = options->bus_timeout;
    options->core.link.retained_max = (size_t)options->bus_buffer;
    log_configure("router", (enum log_level)common.log_level, (enum log_format)common.log_format);
    char reason[256];
    if (!store_is_known(options->store, reason, sizeof(reason))) {
        *done = true;
        return options_fail("router", "%s", reason);
    }
    if (common.check_config) {
        printf("configuration ok\n");
        *done = true;
    }
    return 0;
}

/* --- construction ----------------------------------------------------------------------------- */

enum stop_state { STOP_NOT, STOP_FINISHING, STOP_DONE };

struct application {
    struct options options;
    struct process process;
    struct router *router;
    struct id_source ids;
    struct bus_socket *edges;
    struct bus_socket *bridges;
    struct store_thread *store;
    struct admin *admin;
    char incarnation[INCARNATION_LENGTH + 1];
    struct log_feed logs;
    enum stop_state stop;
    int64_t stop_deadline;
};

static struct instant now(void)
{
    return (struct instant){clock_monotonic_ms(), clock_wall_ms()};
}

static bool transmit(void *context, enum router_side side, struct slice routing_id,
                     struct slice header, struct slice body)
{
    struct application *application = context;
    struct bus_socket *socket =
        side == ROUTER_SIDE_EDGES ? application->edges : application->bridges;
    return socket != NULL && bus_socket_send(socket, routing_id, header, body);
}

static void commit(void *context, struct store_batch *batch)
{
    struct application *application = context;
    store_thread_commit(application->store, batch);
}

static void query(void *context, const struct store_query *store_query)
{
    struct application *application = context;
    store_thread_query(application->store, store_query);
}

static const struct router_operations operations = {transmit, commit, query};

static void received_from_edge(void *context, struct slice peer, struct slice frame)
{
    struct application *application = context;
    router_receive(application->router, ROUTER_SIDE_EDGES, peer, frame, now());
}

static void received_from_bridge(void *context, struct slice peer, struct slice frame)
{
    struct application *application = context;
    router_receive(application->router, ROUTER_SIDE_BRIDGES, peer, frame, now());
}

static void committed(void *context, struct store_batch *batch, int result)
{
    struct application *application = context;
    router_committed(application->router, batch, result, now());
}

static void answered(void *context, struct store_page *page)
{
    struct application *application = context;
    router_answered(application->router, page, now());
}

static bool is_ready(void *context, const char **reason)
{
    struct application *application = context;
    *reason = "stopping";
    return application->stop == STOP_NOT && router_is_ready(application->router, reason);
}

static void render_metrics(void *context, struct buffer *out)
{
    struct application *application = context;
    router_metrics_render(application->router, application->store, out);
}

static bool load_store(struct application *application, char *reason, size_t size)
{
    struct store_settings settings = {.url = application->options.store,
                                      .sync_full = application->options.store_sync == 1};
    struct store *store = store_open(&settings, reason, size);
    if (store == NULL) {
        return false;
    }
    struct store_loader loader = router_loader(application->router, now());
    int error = store->backend->load(store, &loader);
    if (error != 0) {
        snprintf(reason, size, "cannot load %s: %s", application->options.store, error_text(error));
        store_close(&store);
        return false;
    }
    router_loaded(application->router, &loader);
    struct store_completion completion = {application, committed, answered};
    application->store =
        store_thread_new(&application->process.loop, store, &settings, completion, reason, size);
    return application->store != NULL;
}

static bool start(struct application *application, char *reason, size_t size)
{
    const struct options *options = &application->options;
    id_source_init(&application->ids);
    id_random_text(&application->ids, application->incarnation, INCARNATION_LENGTH);
    application->router = router_new(&options->core, &operations, application, &application->ids,
                                     slice_of_string(application->incarnation), now());
    struct admin_source source = {application, is_ready, render_metrics};
    struct uv_loop_s *loop = &application->process.loop;
    return load_store(application, reason, size) &&
           (application->edges = bus_socket_new(loop, BUS_SOCKET_ROUTER, options->bind_edges,
                                                received_from_edge, application, reason, size)) !=
               NULL &&
           (application->bridges =
                bus_socket_new(loop, BUS_SOCKET_ROUTER, options->bind_bridges, received_from_bridge,
                               application, reason, size)) != NULL &&
           (application->admin = admin_new(loop, options->http, source, reason, size)) != NULL;
}

static void tear_down(struct application *application)
{
    admin_destroy(&application->admin);
    bus_socket_destroy(&application->edges, 200);
    bus_socket_destroy(&application->bridges, 200);
    store_thread_destroy(&application->store);
    process_deinit(&application->process);
    router_destroy(&application->router);
    bus_socket_library_deinit();
}

/* --- events ----------------------------------------------------------------------------------- */

static void finish(struct application *application)
{
    router_say_goodbye(application->router, now());
    application->stop = STOP_DONE;
    admin_destroy(&application->admin);
    bus_socket_destroy(&application->edges, 200);
    bus_socket_destroy(&application->bridges, 200);
    store_thread_destroy(&application->store); /* waits for what it was given, and checkpoints */
    process_finish(&application->process);
}

static void tick(void *context)
{
    struct application *application = context;
    router_tick(application->router, now());
    if (application->stop == STOP_FINISHING &&
        (router_is_settled(application->router) ||
         clock_monotonic_ms() >= application->stop_deadline)) {
        finish(application);
    }
}

static void flush(void *context)
{
    struct application *application = context;
    if (application->stop != STOP_DONE) {
        struct bus_message lines;
        if (log_feed_message(&application->logs, &lines)) {
            router_note_logs(application->router, &lines.log_lines.lines);
            log_feed_clear(&application->logs);
        }
        router_flush(application->router, now());
    }
}

static void stop(void *context, bool hard)
{
    struct application *application = context;
    (void)hard; /* committing what is accepted takes milliseconds: the soft way is the fast way */
    if (application->stop == STOP_NOT) {
        log_info("stopping", "store=%s", application->options.store);
        application->stop = STOP_FINISHING;
        application->stop_deadline = clock_monotonic_ms() + PROCESS_HARD_STOP_MS;
    }
}

int main(int argc, char **argv)
{
    static struct application application;
    char reason[512] = "";
    bool done;
    int status = read_options(argc, argv, &application.options, &done);
    if (done) {
        return status;
    }
    process_init(&application.process);
    bus_socket_library_init();
    if (start(&application, reason, sizeof(reason))) {
        log_info("ready", "edges=%s bridges=%s http=%s store=%s",
                 bus_socket_endpoint(application.edges), bus_socket_endpoint(application.bridges),
                 application.options.http, application.options.store);
        log_feed_init(&application.logs, slice_of_string(application.incarnation));
        log_set_tap(log_feed_take, &application.logs);
        process_run(&application.process,
                    (struct process_handler){&application, tick, flush, stop, NULL});
    } else {
        status = options_fail("router", "%s", reason);
    }
    log_set_tap(NULL, NULL);
    log_feed_deinit(&application.logs);
    tear_down(&application);
    return status;
}
