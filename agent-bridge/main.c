/*
 * The agent-bridge process: options, the runtime, one ZeroMQ socket to the router, the admin
 * listener, and the core between them. Every main.c of the cluster reads in this order: options,
 * construction, events, stopping.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-bridge/agent_files.h"
#include "agent-bridge/character_files.h"
#include "agent-bridge/extract/lines.h"
#include "agent-bridge/http_client.h"
#include "agent-bridge/metrics.h"
#include "agent-bridge/options.h"
#include "agent-bridge/work.h"
#include "proto/base/admin.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proto/base/process.h"
#include "proto/base/version.h"
#include "proto/bus/log_feed.h"
#include "proto/bus/socket.h"

/* --- construction ----------------------------------------------------------------------------- */

enum stop_state { STOP_NOT, STOP_DRAINING, STOP_DONE };

struct application {
    struct bridge_options *options; /* owns: the block */
    struct process process;
    struct id_source ids;
    char incarnation[INCARNATION_LENGTH + 1];
    struct log_feed logs;
    struct buffer changes; /* of characters, as they came */
    struct agents *agents;
    struct http_client *http_client;
    struct runtime_set runtimes; /* owns those in it */
    struct bridge *bridge;
    struct bus_socket *router;
    struct admin *admin;
    uv_timer_t wake; /* ends the loop's sleep when the runtime has something to do */
    int64_t wake_at;
    enum stop_state stop;
    int64_t stop_deadline;
};

/* The runtime of that name, made if it is not there yet. NULL: error says why. */
static struct runtime *obtain_runtime(void *context, struct slice name, char *error)
{
    struct application *application = context;
    struct runtime_set *set = &application->runtimes;
    const struct runtime_class *class = runtime_class_find(name);
    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i]->class == class) {
            return set->list[i];
        }
    }
    if (class == NULL) {
        snprintf(error, RUNTIME_ERROR_SIZE, "the runtime %.*s is not built in this version",
                 name.length > 80 ? 80 : (int)name.length, name.data);
        return NULL;
    }
    struct runtime_config config = {.options = bridge_options_of_class(application->options, class),
                                    .http = application->http_client,
                                    .limits = application->options->limits};
    struct runtime *runtime = NULL;
    if (class->create(&config, &runtime, error) != 0) {
        return NULL;
    }
    set->list[set->count++] = runtime;
    if (application->bridge != NULL) {
        bridge_add_runtime(application->bridge, runtime);
    }
    return runtime;
}

static bool add_agent(struct application *application, char *reason, size_t size)
{
    const struct bridge_options *options = application->options;
    struct buffer bio = BUFFER_EMPTY;
    buffer_append_format(&bio, "Answers with the %s runtime.", options->runtime);
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

static struct agent_files agent_files_of(struct application *application)
{
    return (struct agent_files){.path = application->options->agents,
                                .default_runtime = application->options->runtime,
                                .context = application,
                                .runtime = obtain_runtime};
}

/* former: at a reload, else NULL. */
static bool load_agents(struct application *application, struct agents *agents,
                        const struct agents *former, char *reason, size_t size)
{
    const struct bridge_options *options = application->options;
    const struct agent_files files = agent_files_of(application);
    if (!agent_files_load(&files, agents, former, reason, size)) {
        return false;
    }
    if (agents_bytes(agents) > (size_t)options->bus_buffer / 2) {
        snprintf(reason, size, "the characters are larger together than half of --bus-buffer");
        return false;
    }
    return true;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return path != NULL && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Everything that can be checked without asking anyone. */
static bool configure(struct application *application, char *reason, size_t size)
{
    const struct bridge_options *options = application->options;
    const char *ca_file = options->http_client.ca_file;
    char problem[RUNTIME_ERROR_SIZE] = "";
    if (ca_file != NULL && access(ca_file, R_OK) != 0) {
        snprintf(reason, size, "--runtime-ca-file %.200s: %s", ca_file, strerror(errno));
        return false;
    }
    if (options->agents_writable && !is_directory(options->agents)) {
        snprintf(reason, size, "--agents-writable needs a directory in --agents");
        return false;
    }
    application->http_client = http_client_new(&application->process.loop, &options->http_client);
    if (application->http_client == NULL) {
        snprintf(reason, size, "libcurl does not start");
        return false;
    }
    if (obtain_runtime(application, slice_of_string(options->runtime), problem) == NULL) {
        snprintf(reason, size, "%s", problem);
        return false;
    }
    application->agents = agents_new();
    return options->agents == NULL
               ? add_agent(application, reason, size)
               : load_agents(application, application->agents, NULL, reason, size);
}

static bool transmit(void *context, struct slice header, struct slice body)
{
    struct application *application = context;
    return application->router != NULL &&
           bus_socket_send(application->router, SLICE_EMPTY, header, body);
}

/* Done in flush(): it loads the agents anew, while the bridge is not in the middle of something. */
static void change_character(void *context, const struct bus_message *message)
{
    struct application *application = context;
    bus_encode(&application->changes, message);
}

static const struct bridge_operations operations = {transmit, change_character};

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
    const struct bridge_options *options = application->options;
    struct uv_loop_s *loop = &application->process.loop;
    id_source_init(&application->ids);
    id_random_text(&application->ids, application->incarnation, INCARNATION_LENGTH);
    struct bus_hello self = {.role = BUS_ROLE_BRIDGE,
                             .incarnation = slice_of_string(application->incarnation),
                             .name = SLICE_LITERAL("agent-bridge"),
                             .program_version = SLICE_LITERAL(ELIZAMQ_VERSION)};
    struct admin_source source = {application, is_ready, render_metrics};
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

static void destroy_runtimes(struct runtime_set *runtimes)
{
    while (runtimes->count > 0) {
        runtime_destroy(&runtimes->list[--runtimes->count]);
    }
}

/* The bridge's runs end before the runtimes, these before what carries their requests. */
static void tear_down(struct application *application)
{
    admin_destroy(&application->admin);
    bus_socket_destroy(&application->router, 0);
    bridge_destroy(&application->bridge);
    destroy_runtimes(&application->runtimes);
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
    destroy_runtimes(&application->runtimes);
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

/* What cannot be read leaves everything as it is. */
static void load_again(struct application *application)
{
    char reason[RUNTIME_ERROR_SIZE] = "";
    struct agents *next = agents_new();
    if (load_agents(application, next, application->agents, reason, sizeof(reason))) {
        bridge_reload(application->bridge, &next, clock_monotonic_ms());
    } else {
        log_error("agents_not_reloaded", "reason=%s", reason);
        agents_destroy(&next);
    }
}

static void apply_change(struct application *application, const struct bus_message *change)
{
    const struct bridge_options *options = application->options;
    const struct agent_files files = agent_files_of(application);
    const struct character_files characters = {&files, application->agents,
                                               options->agents_writable};
    char reason[RUNTIME_ERROR_SIZE] = "";
    int error = character_files_apply(&characters, &change->character_change, reason);
    if (error == 0) {
        load_again(application);
    }
    struct bus_message answer = {.type = BUS_CHARACTER_CHANGED,
                                 .trace = change->trace,
                                 .character_changed = {.change = change->character_change.change,
                                                       .error = error,
                                                       .reason = slice_of_string(reason)}};
    bridge_notify(application->bridge, &answer, clock_monotonic_ms());
}

static void apply_changes(struct application *application)
{
    struct buffer changes = application->changes;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&changes));
    struct bus_message change;
    application->changes = BUFFER_EMPTY;
    while (reader.at != reader.end && bus_decode(&reader, &change) == 0) {
        apply_change(application, &change);
    }
    buffer_deinit(&changes);
}

static void flush(void *context)
{
    struct application *application = context;
    if (application->stop != STOP_DONE) {
        int64_t now = clock_monotonic_ms();
        struct bus_message lines;
        if (application->changes.length > 0) {
            apply_changes(application);
        }
        if (log_feed_message(&application->logs, &lines) &&
            bridge_notify(application->bridge, &lines, now)) {
            log_feed_clear(&application->logs);
        }
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

/* SIGHUP. */
static void reload(void *context)
{
    struct application *application = context;
    if (application->stop == STOP_NOT && application->options->agents != NULL) {
        load_again(application);
    }
}

static int run(struct application *application)
{
    char reason[RUNTIME_ERROR_SIZE] = "";
    const struct bridge_options *options = application->options;
    int status = 0;
    bus_socket_library_init();
    if (start(application, reason, sizeof(reason))) {
        log_info("started", "router=%s http=%s runtime=%s agents=%zu credit=%lld", options->router,
                 options->http, options->runtime, agents_count(application->agents),
                 (long long)options->core.jobs.credit);
        log_feed_init(&application->logs, slice_of_string(application->incarnation));
        log_set_tap(log_feed_take, &application->logs);
        process_run(&application->process,
                    (struct process_handler){application, tick, flush, stop, reload});
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
    log_set_tap(NULL, NULL);
    log_feed_deinit(&application->logs);
    buffer_deinit(&application->changes);
    tear_down(application);
    agents_destroy(&application->agents);
    return status;
}

int main(int argc, char **argv)
{
    static struct application application;
    bool done;
    int status = bridge_options_read(argc, argv, &application.options, &done);
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
