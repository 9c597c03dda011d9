#include "edge/http/server.h"

#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

#include "edge/http/connection.h"
#include "edge/http/listener.h"
#include "proto/base/memory.h"

struct http_server {
    struct http_common common; /* first, so that it leads here */
    struct http_listener *listener;
    uv_timer_t tick;
    /* The turn's end: what is ready runs after the events and again before the loop waits. */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active while something is left for the next turn: the loop does not wait */
    bool is_destroyed;
};

static struct http_server *server_of(struct http_common *common)
{
    return (struct http_server *)(void *)common;
}

static void on_released(struct http_common *common)
{
    buffer_deinit(&common->rendered);
    buffer_deinit(&common->spare);
    free(server_of(common));
}

static void release(struct http_common *common)
{
    if (--common->references == 0) {
        on_released(common);
    }
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all that is wanted */
}

/* Runs what was ready when the call began; what becomes ready meanwhile waits for the next call. */
static void run_ready(struct http_common *common)
{
    struct http_connection *last = common->ready == NULL ? NULL : common->ready->ready_previous;
    bool is_last = last == NULL;

    while (!is_last) {
        struct http_connection *connection = common->ready;

        is_last = connection == last;
        DL_DELETE2(common->ready, connection, ready_previous, ready_next);
        http_connection_run(connection);
    }
}

static void run_turn(struct http_server *server)
{
    struct http_common *common = &server->common;

    run_ready(common);
    if (server->is_destroyed) {
        return;
    }
    if ((int64_t)common->counters.connections < common->settings.connections_max) {
        http_listener_resume(server->listener);
    }
    if (common->ready != NULL) {
        uv_idle_start(&server->idle, on_idle);
    } else {
        uv_idle_stop(&server->idle);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    run_turn(prepare->data);
}

static void on_check(uv_check_t *check)
{
    run_turn(check->data);
}

static void expire(void *context, struct wheel_entry *entry)
{
    char *at = (char *)entry - offsetof(struct http_connection, timer);

    (void)context;
    http_connection_expire((struct http_connection *)(void *)at);
}

static void on_tick(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    wheel_run(&server->common.wheel, (int64_t)uv_now(server->common.loop), expire, NULL);
}

static void on_accepted(void *context, int descriptor, const char *remote_address)
{
    http_connection_start(context, descriptor, remote_address);
}

static bool may_accept(void *context)
{
    const struct http_common *common = context;

    return (int64_t)common->counters.connections < common->settings.connections_max;
}

static void on_paused(void *context)
{
    struct http_common *common = context;

    common->counters.accept_pauses++;
}

static void on_listener_gone(void *context)
{
    release(context);
}

/* Part of the loop's turn, but no reason to keep the loop running. */
static void add_turn_handles(struct http_server *server)
{
    uv_loop_t *loop = server->common.loop;

    uv_timer_init(loop, &server->tick);
    uv_prepare_init(loop, &server->prepare);
    uv_check_init(loop, &server->check);
    uv_idle_init(loop, &server->idle);
    server->tick.data = server;
    server->prepare.data = server;
    server->check.data = server;
    server->idle.data = server;
    server->common.references += 4;
    uv_timer_start(&server->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_check_start(&server->check, on_check);
    uv_unref((uv_handle_t *)&server->tick);
    uv_unref((uv_handle_t *)&server->prepare);
    uv_unref((uv_handle_t *)&server->check);
}

struct http_server *http_server_new(struct uv_loop_s *loop,
                                    const struct http_server_settings *settings,
                                    const struct http_handler *handler, char *reason,
                                    size_t reason_size)
{
    struct http_server *server = memory_allocate_zeroed(sizeof(*server));
    struct http_listener_events events = {
        .context = &server->common,
        .accepted = on_accepted,
        .may_accept = may_accept,
        .paused = on_paused,
        .gone = on_listener_gone,
    };

    server->listener = http_listener_new(loop, settings->listen, settings->share_port, &events,
                                         reason, reason_size);
    if (server->listener == NULL) {
        free(server);
        return NULL;
    }
    server->common.loop = loop;
    server->common.settings = *settings;
    server->common.settings.listen = NULL; /* was borrowed for this call */
    server->common.handler = *handler;
    server->common.references = 1; /* the listener */
    server->common.released = on_released;
    wheel_init(&server->common.wheel, (int64_t)uv_now(loop));
    add_turn_handles(server);
    return server;
}

int http_server_port(const struct http_server *server)
{
    return http_listener_port(server->listener);
}

void http_server_stop_accepting(struct http_server *server)
{
    server->common.is_draining = true;
    http_listener_finish(server->listener);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;

    /* Those that were never watched have no close callback of their own. */
    run_ready(&server->common);
    release(&server->common);
}

void http_server_destroy(struct http_server **self)
{
    struct http_server *server = *self;

    if (server == NULL) {
        return;
    }
    *self = NULL;
    server->is_destroyed = true;
    while (server->common.connections != NULL) {
        http_connection_abort(server->common.connections);
    }
    http_listener_destroy(&server->listener);
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->check, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}

const struct http_server_counters *http_server_counters(const struct http_server *server)
{
    return &server->common.counters;
}
