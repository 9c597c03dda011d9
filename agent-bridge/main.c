/*
 * The agent-bridge process: options, the runtime, one ZeroMQ socket to the router, the admin
 * listener, and the core between them. Every main.c of the cluster reads in this order: options,
 * construction, events, stopping.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent-bridge/extract/lines.h"
#include "agent-bridge/http_client.h"
#include "agent-bridge/metrics.h"
#include "agent-bridge/work.h"
#include "proto/base/admin.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/base/options.h"
#include "proto/base/process.h"
#include "proto/base/version.h"
#include "proto/bus/socket.h"

/* --- options ---------------------------------------------------------------------------------- */

struct options {
    const char *router;
    const char *runtime;
    const char *agent_name;
    const char *agent_id;
    const char *http;
    const char *extract;
    struct bridge_settings core;
    struct runtime_limits limits;
    struct http_client_settings http_client;
    int64_t bus_timeout;
    int64_t bus_buffer;
    int64_t drain_timeout;
    bool check_config;
};

#define AT(member) offsetof(struct options, member)
static const struct option option_table[] = {
    {"router", OPTION_ENDPOINT, AT(router), "tcp://127.0.0.1:7401", 0, 0, "ENDPOINT",
     "the router's --bind-bridges"},
    {"runtime", OPTION_STRING, AT(runtime), "eliza", 0, 0, "NAME", "which agent runtime answers"},
    {"agent-name", OPTION_STRING, AT(agent_name), "Eliza", 0, 0, "NAME",
     "what the agent is called"},
    {"agent-id", OPTION_STRING, AT(agent_id), NULL, 0, 0, "UUID",
     "who the agent is (default: derived from its name, as ElizaOS does it)"},
    {"http", OPTION_ADDRESS, AT(http), "127.0.0.1:7403", 0, 0, "ADDRESS",
     "listener of /healthz, /readyz and /metrics"},
    {"credit", OPTION_INTEGER, AT(core.jobs.credit), "64", 1, 4096, "JOBS",
     "questions this bridge works on at once"},
    {"agent-concurrency", OPTION_INTEGER, AT(core.jobs.agent_concurrency), "64", 1, 4096, "RUNS",
     "questions one agent works on at once"},
    {"runtime-concurrency", OPTION_INTEGER, AT(limits.concurrency), "256", 1, 4096, "RUNS",
     "questions one runtime is asked at once, over HTTP"},
    {"runtime-wait", OPTION_DURATION, AT(core.jobs.wait_timeout), "30s", 100, 3600000, "TIME",
     "a question that its runtime has no room for fails after this"},
    {"runtime-tries", OPTION_INTEGER, AT(limits.tries), "3", 1, 10, "TRIES",
     "of one request to a runtime, before its first text"},
    {"runtime-connect-timeout", OPTION_DURATION, AT(http_client.connect_timeout), "5s", 10, 300000,
     "TIME", "to connect to a runtime"},
    {"runtime-first-byte-timeout", OPTION_DURATION, AT(http_client.first_byte_timeout), "30s", 10,
     3600000, "TIME", "until a runtime begins to answer"},
    {"runtime-idle-timeout", OPTION_DURATION, AT(http_client.idle_timeout), "30s", 10, 3600000,
     "TIME", "silence within a runtime's answer"},
    {"runtime-total-timeout", OPTION_DURATION, AT(limits.total_timeout), "300s", 10, 86400000,
     "TIME", "a runtime's answer as a whole, with all tries"},
    {"runtime-ca-file", OPTION_STRING, AT(http_client.ca_file), NULL, 0, 0, "FILE",
     "certificates that a runtime's is checked against (default: the system's)"},
    {"bus-timeout", OPTION_DURATION, AT(bus_timeout), "3s", 500, 60000, "TIME",
     "silence of the router after which this bridge is not ready"},
    {"bus-buffer", OPTION_SIZE, AT(bus_buffer), "64m", BRIDGE_RETAINED_MIN, 1 << 30, "BYTES",
     "unacknowledged bytes kept for the router"},
    {"drain-timeout", OPTION_DURATION, AT(drain_timeout), "30s", 100, 86400000, "TIME",
     "SIGTERM: what runs has this long to finish"},
    {"extract", OPTION_STRING, AT(extract), NULL, 0, 0, "NAME",
     "no bridge: puts JSON lines through a stream extractor (see README)"},
};
enum { OPTION_COUNT = sizeof(option_table) / sizeof(option_table[0]) };

/*
 * One block of memory holds struct options and, behind it, the options struct of every runtime, so
 * that one table fills them all. Where that of `class` begins; NULL: the size of the block.
 */
static size_t class_options_offset(const struct runtime_class *class)
{
    const size_t alignment = alignof(max_align_t);
    const struct runtime_class *other;
    size_t end = sizeof(struct options);
    for (size_t i = 0;; i++) {
        size_t offset = (end + alignment - 1) / alignment * alignment;
        other = runtime_class_at(i);
        if (other == class) {
            return offset;
        }
        end = offset + other->options_size;
    }
}

static size_t add_to_table(struct option *table, size_t count, const struct option *more,
                           size_t more_count, size_t offset)
{
    for (size_t i = 0; i < more_count; i++) {
        table[count + i] = more[i];
        table[count + i].offset += offset;
    }
    return count + more_count;
}

static enum options_result parse(int argc, char **argv, struct options *options,
                                 struct options_common *common)
{
    const struct runtime_class *class;
    size_t total = OPTION_COUNT;
    for (size_t i = 0; (class = runtime_class_at(i)) != NULL; i++) {
        total += class->option_count;
    }
    struct option *table = memory_allocate(total * sizeof(*table));
    size_t count = add_to_table(table, 0, option_table, OPTION_COUNT, 0);
    for (size_t i = 0; (class = runtime_class_at(i)) != NULL; i++) {
        count = add_to_table(table, count, class->options, class->option_count,
                             class_options_offset(class));
    }
    enum options_result result =
        options_parse(table, count, "agent-bridge",
                      "The agent-bridge of an elizamq cluster: puts questions to an agent runtime.",
                      argc, argv, options, common);
    free(table);
    return result;
}

static int read_options(int argc, char **argv, struct options **out, bool *done)
{
    struct options_common common;
    struct options *options = memory_allocate_zeroed(class_options_offset(NULL));
    enum options_result result = parse(argc, argv, options, &common);
    *out = options;
    *done = result != OPTIONS_RUN;
    if (*done) {
        return result == OPTIONS_EXIT_0 ? 0 : 2;
    }
    options->check_config = common.check_config;
    options->limits.wait_timeout = options->core.jobs.wait_timeout;
    options->core.link = (struct link_settings){.heartbeat = 500,
                                                .timeout = options->bus_timeout,
                                                .retained_max = (size_t)options->bus_buffer,
                                                .frame_max = BUS_FRAME_MAX};
    log_configure("agent-bridge", (enum log_level)common.log_level,
                  (enum log_format)common.log_format);
    return 0;
}

/* --- construction ----------------------------------------------------------------------------- */

enum stop_state { STOP_NOT, STOP_DRAINING, STOP_DONE };

struct application {
    struct options *options; /* owns: the block */
    struct process process;
    struct id_source ids;
    char incarnation[INCARNATION_LENGTH + 1];
    struct agents *agents;
    struct http_client *http_client;
    struct runtime *runtime;
    struct runtime_set runtimes;
    struct bridge *bridge;
    struct bus_socket *router;
    struct admin *admin;
    uv_timer_t wake; /* ends the loop's sleep when the runtime has something to do */
    int64_t wake_at;
    enum stop_state stop;
    int64_t stop_deadline;
};

static bool add_agent(struct application *application, char *reason, size_t size)
{
    const struct options *options = application->options;
    struct buffer bio = BUFFER_EMPTY;
    buffer_append_format(&bio, "Answers with the %s runtime.", options->runtime);
    application->agents = agents_new();
    int error = agents_add(application->agents, slice_of_string(options->agent_id),
                           slice_of_string(options->agent_name), slice_of_string(options->runtime),
                           buffer_slice(&bio));
    buffer_deinit(&bio);
    if (error == 0) {
        return true;
    }
    if (options->agent_id != NULL && !uuid_is_valid(slice_of_string(options->agent_id))) {
        snprintf(reason, size, "--agent-id must be a UUID");
    } else {
        snprintf(reason, size, "--agent-name must be UTF-8 of 1 to %d bytes", AGENT_NAME_MAX);
    }
    return false;
}

/* Everything that can be checked without asking anyone. */
static bool configure(struct application *application, char *reason, size_t size)
{
    const struct options *options = application->options;
    const struct runtime_class *class = runtime_class_find(slice_of_string(options->runtime));
    if (options->http_client.ca_file != NULL && access(options->http_client.ca_file, R_OK) != 0) {
        snprintf(reason, size, "--runtime-ca-file %.200s: %s", options->http_client.ca_file,
                 strerror(errno));
        return false;
    }
    application->http_client = http_client_new(&application->process.loop, &options->http_client);
    if (application->http_client == NULL) {
        snprintf(reason, size, "libcurl does not start");
        return false;
    }
    if (class == NULL) {
        snprintf(reason, size, "--runtime %.80s is not built in this version", options->runtime);
        return false;
    }
    struct runtime_config config = {.options = (const char *)options + class_options_offset(class),
                                    .http = application->http_client,
                                    .limits = options->limits};
    char problem[RUNTIME_ERROR_SIZE] = "";
    if (class->create(&config, &application->runtime, problem) != 0) {
        snprintf(reason, size, "%s", problem);
        return false;
    }
    return add_agent(application, reason, size);
}

static bool transmit(void *context, struct slice header, struct slice body)
{
    struct application *application = context;
    return application->router != NULL &&
           bus_socket_send(application->router, SLICE_EMPTY, header, body);
}

static const struct bridge_operations operations = {transmit};

static void received_from_router(void *context, struct slice peer, struct slice frame)
{
    struct application *application = context;
    (void)peer;
    bridge_receive(application->bridge, frame, clock_monotonic_ms());
}

static bool is_ready(void *context, const char **reason)
{
    struct application *application = context;
    return bridge_is_ready(application->bridge, clock_monotonic_ms(), reason);
}

static void render_metrics(void *context, struct buffer *out)
{
    struct application *application = context;
    bridge_metrics_render(application->bridge, &application->runtimes, clock_monotonic_ms(), out);
}

static bool start(struct application *application, char *reason, size_t size)
{
    const struct options *options = application->options;
    struct uv_loop_s *loop = &application->process.loop;
    id_source_init(&application->ids);
    id_random_text(&application->ids, application->incarnation, INCARNATION_LENGTH);
    struct bus_hello self = {.role = BUS_ROLE_BRIDGE,
                             .incarnation = slice_of_string(application->incarnation),
                             .name = SLICE_LITERAL("agent-bridge"),
                             .program_version = SLICE_LITERAL(ELIZAMQ_VERSION)};
    struct admin_source source = {application, is_ready, render_metrics};
    application->runtimes = (struct runtime_set){.list = {application->runtime}, .count = 1};
    application->bridge =
        bridge_new(&options->core, &operations, application, &application->ids, &self,
                   application->agents, &application->runtimes, clock_monotonic_ms());
    application->router = bus_socket_new(loop, BUS_SOCKET_DEALER, options->router,
                                         received_from_router, application, reason, size);
    if (application->router == NULL ||
        (application->admin = admin_new(loop, options->http, source, reason, size)) == NULL) {
        return false;
    }
    uv_timer_init(loop, &application->wake);
    return true;
}

/* The bridge's runs end before the runtimes, these before what carries their requests. */
static void tear_down(struct application *application)
{
    admin_destroy(&application->admin);
    bus_socket_destroy(&application->router, 0);
    bridge_destroy(&application->bridge);
    runtime_destroy(&application->runtime);
    http_client_destroy(&application->http_client);
    process_deinit(&application->process);
    bus_socket_library_deinit();
}

/* --- events ----------------------------------------------------------------------------------- */

static void finish(struct application *application)
{
    application->stop = STOP_DONE;
    bridge_say_goodbye(application->bridge, clock_monotonic_ms());
    admin_destroy(&application->admin);
    bus_socket_destroy(&application->router, 200);
    bridge_destroy(&application->bridge);
    runtime_destroy(&application->runtime);
    http_client_destroy(&application->http_client);
    uv_close((uv_handle_t *)&application->wake, NULL);
    process_finish(&application->process);
}

static void tick(void *context)
{
    struct application *application = context;
    int64_t now = clock_monotonic_ms();
    bridge_tick(application->bridge, now);
    if (application->stop == STOP_DRAINING &&
        (bridge_is_drained(application->bridge, now) || now >= application->stop_deadline)) {
        finish(application);
    }
}

static void on_wake(uv_timer_t *timer)
{
    (void)timer; /* flush() follows and does what is due */
}

static void wake_in_time(struct application *application, int64_t now)
{
    int64_t deadline = bridge_deadline(application->bridge);
    bool is_set = uv_is_active((const uv_handle_t *)&application->wake);
    if (deadline < 0) {
        uv_timer_stop(&application->wake);
    } else if (!is_set || deadline != application->wake_at) {
        application->wake_at = deadline;
        uv_timer_start(&application->wake, on_wake, deadline > now ? (uint64_t)(deadline - now) : 0,
                       0);
    }
}

static void flush(void *context)
{
    struct application *application = context;
    if (application->stop != STOP_DONE) {
        int64_t now = clock_monotonic_ms();
        bridge_flush(application->bridge, now);
        wake_in_time(application, now);
    }
}

static void stop(void *context, bool hard)
{
    struct application *application = context;
    int64_t now = clock_monotonic_ms();
    if (application->stop == STOP_NOT) {
        const struct jobs_counters *jobs = bridge_counters(application->bridge)->jobs;
        log_info("draining", "jobs=%zu", jobs->running + jobs->waiting);
        application->stop = STOP_DRAINING;
        application->stop_deadline = now + application->options->drain_timeout;
        bridge_drain(application->bridge, now);
    }
    if (hard && application->stop != STOP_DONE) {
        finish(application); /* what runs is given to other bridges */
    }
}

static int run(struct application *application)
{
    char reason[RUNTIME_ERROR_SIZE] = "";
    const struct options *options = application->options;
    int status = 0;
    bus_socket_library_init();
    if (start(application, reason, sizeof(reason))) {
        log_info("started", "router=%s http=%s runtime=%s agents=%zu credit=%lld", options->router,
                 options->http, options->runtime, agents_count(application->agents),
                 (long long)options->core.jobs.credit);
        process_run(&application->process,
                    (struct process_handler){application, tick, flush, stop, NULL});
    } else {
        status = options_fail("agent-bridge", "%s", reason);
    }
    return status;
}

/* A tool for people who write prompts: needs no cluster. */
static int extract(const char *name)
{
    struct extractor *extractor = extractor_new(slice_of_string(name));
    if (extractor == NULL) {
        return options_fail("agent-bridge", "--extract takes passthrough, xml-tag:TAG, response or "
                                            "action-filter");
    }
    int error = extract_lines(extractor, STDIN_FILENO, STDOUT_FILENO);
    extractor_destroy(&extractor);
    return error == 0 ? 0 : 1;
}

static int serve(struct application *application)
{
    char reason[RUNTIME_ERROR_SIZE] = "";
    int status = 0;
    process_init(&application->process);
    if (!configure(application, reason, sizeof(reason))) {
        status = options_fail("agent-bridge", "%s", reason);
    } else if (application->options->check_config) {
        printf("configuration ok\n");
    } else {
        status = run(application);
    }
    tear_down(application);
    agents_destroy(&application->agents);
    return status;
}

int main(int argc, char **argv)
{
    static struct application application;
    bool done;
    int status = read_options(argc, argv, &application.options, &done);
    if (done) {
        /* --help, --version, or bad usage: said already */
    } else if (application.options->extract != NULL) {
        status = extract(application.options->extract);
    } else {
        status = serve(&application);
    }
    free(application.options);
    return status;
}
