#include "edge/http/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "edge/http/intake.h"
#include "proto/base/memory.h"

struct http_connection *http_connection_of(struct http_exchange *exchange)
{
    char *at = (char *)exchange - offsetof(struct http_connection, exchange);
    return (struct http_connection *)(void *)at;
}

static int64_t now_of(const struct http_connection *connection)
{
    return (int64_t)uv_now(connection->common->loop);
}

static bool has_open_exchange(const struct http_connection *connection)
{
    return connection->state == HTTP_RECEIVING || connection->state == HTTP_ANSWERING ||
           connection->state == HTTP_STREAMING;
}

bool http_connection_may_take(const struct http_connection *connection)
{
    return connection->state <= HTTP_RECEIVING && http_output_is_empty(&connection->output);
}

void http_connection_schedule(struct http_connection *connection)
{
    if (connection->is_scheduled) {
        return;
    }
    connection->is_scheduled = true;
    DL_APPEND2(connection->common->ready, connection, ready_previous, ready_next);
}

/* The end of the memory: nobody is left who could hold a pointer to it. */
static void connection_free(struct http_connection *connection)
{
    struct http_common *common = connection->common;

    if (connection->is_scheduled) {
        DL_DELETE2(common->ready, connection, ready_previous, ready_next);
    }
    http_intake_drop(connection);
    buffer_deinit(&connection->exchange.headers);
    free(connection);
    if (--common->references == 0) {
        common->released(common);
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    connection_free(handle->data);
}

int http_connection_release(struct http_connection *connection)
{
    struct http_common *common = connection->common;
    int descriptor = connection->descriptor;

    assert(connection->state != HTTP_CLOSED);
    connection->state = HTTP_CLOSED;
    connection->descriptor = -1;
    wheel_cancel(&connection->timer);
    http_output_deinit(&connection->output);
    buffer_deinit(&connection->stash);
    DL_DELETE2(common->connections, connection, previous, next);
    common->counters.connections--;
    /*
     * From here on the loop does not know the descriptor; only the memory waits for the callback.
     */
    if (connection->is_watched) {
        uv_close((uv_handle_t *)&connection->poll, on_poll_closed);
    } else {
        http_connection_schedule(connection);
    }
    return descriptor;
}

void http_connection_tell_closed(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    void (*closed)(struct http_exchange *, void *) = exchange->closed;

    exchange->closed = NULL;
    if (closed != NULL) {
        closed(exchange, exchange->context);
    }
}

void http_connection_abort(struct http_connection *connection)
{
    bool was_open = has_open_exchange(connection);

    close(http_connection_release(connection));
    if (was_open) {
        http_connection_tell_closed(connection);
    }
}

void http_connection_cut(struct http_connection *connection)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    http_connection_abort(connection);
}

void http_connection_enter(struct http_connection *connection, enum http_connection_state state)
{
    const struct http_server_settings *settings = &connection->common->settings;
    int64_t deadline = INT64_MAX;

    switch (state) {
    case HTTP_IDLE:
        deadline = now_of(connection) + settings->idle_timeout;
        break;
    case HTTP_HEAD:
        /* The first head's time runs from the accept on. */
        deadline = connection->is_first ? connection->deadline
                                        : now_of(connection) + settings->head_deadline;
        break;
    case HTTP_BODY:
    case HTTP_RECEIVING:
        deadline = now_of(connection) + settings->body_deadline;
        break;
    case HTTP_LINGERING:
        deadline = now_of(connection) + HTTP_LINGER_MS;
        break;
    case HTTP_ANSWERING:
    case HTTP_STREAMING:
    case HTTP_ENDING:
    case HTTP_CLOSED:
        break;
    }
    connection->state = (uint8_t)state;
    connection->deadline = deadline;
}

void http_connection_note_progress(struct http_connection *connection)
{
    connection->write_deadline = now_of(connection) + connection->common->settings.write_deadline;
}

const char *http_connection_date(struct http_connection *connection)
{
    struct http_common *common = connection->common;
    int64_t wall = clock_wall_ms();

    if (wall / 1000 != common->date_second) {
        common->date_second = wall / 1000;
        clock_format_http(wall, common->date);
    }
    return common->date;
}

static int64_t deadline_of(const struct http_connection *connection)
{
    return http_output_is_empty(&connection->output) ? connection->deadline
                                                     : connection->write_deadline;
}

/*
 * Moving a timer with every request would cost more than looking again when it fires: it is only
 * ever moved to an earlier time.
 */
static void arm_timer(struct http_connection *connection)
{
    int64_t deadline = deadline_of(connection);

    if (deadline == INT64_MAX) {
        return;
    }
    if (!wheel_entry_is_set(&connection->timer) || connection->timer.deadline > deadline) {
        wheel_set(&connection->common->wheel, &connection->timer, deadline);
    }
}

void http_connection_expire(struct http_connection *connection)
{
    struct http_server_counters *counters = &connection->common->counters;

    if (deadline_of(connection) > now_of(connection)) {
        arm_timer(connection);
        return;
    }
    if (!http_output_is_empty(&connection->output)) {
        counters->deadlines++;
        if (connection->state == HTTP_STREAMING) {
            counters->streams_cut++;
        }
        http_connection_cut(connection);
        return;
    }
    switch ((enum http_connection_state)connection->state) {
    case HTTP_RECEIVING:
        http_connection_tell_closed(connection);
        /* fall through */
    case HTTP_HEAD:
    case HTTP_BODY:
        counters->deadlines++;
        http_intake_refuse(connection, 408);
        http_connection_settle(connection);
        break;
    case HTTP_IDLE:
        if (connection->is_first) {
            counters->deadlines++;
        }
        http_connection_abort(connection);
        break;
    case HTTP_LINGERING:
        http_connection_abort(connection);
        break;
    case HTTP_ANSWERING:
    case HTTP_STREAMING:
    case HTTP_ENDING:
    case HTTP_CLOSED:
        assert(false); /* these have no deadline */
    }
}

/*
 * An answer that closes is lost if input is unread when the socket closes: the kernel then sends a
 * reset, which overtakes it. So our side is shut first and the rest is read and thrown away.
 */
static void end(struct http_connection *connection)
{
    if (!connection->must_linger || connection->is_finished) {
        http_connection_abort(connection);
        return;
    }
    shutdown(connection->descriptor, SHUT_WR);
    buffer_deinit(&connection->stash);
    http_connection_enter(connection, HTTP_LINGERING);
}

/* How much may be read now. */
static size_t reading_room(const struct http_connection *connection)
{
    if (connection->is_finished || connection->state == HTTP_ENDING ||
        (connection->state == HTTP_RECEIVING && connection->exchange.is_paused)) {
        return 0;
    }
    if (connection->state == HTTP_LINGERING ||
        (http_connection_may_take(connection) && connection->stash.length == 0)) {
        return HTTP_INPUT_SIZE;
    }
    if (!http_output_is_empty(&connection->output) && connection->state != HTTP_STREAMING) {
        return 0;
    }
    return connection->stash.length < HTTP_STASH_MAX ? HTTP_STASH_MAX - connection->stash.length
                                                     : 0;
}

static void read_input(struct http_connection *connection)
{
    struct http_common *common = connection->common;
    size_t room = reading_room(connection);

    if (room == 0) {
        return;
    }
    ssize_t length = recv(connection->descriptor, common->input, room, MSG_DONTWAIT);
    if (length < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            http_connection_abort(connection);
        }
        return;
    }
    if (connection->state == HTTP_LINGERING) {
        if (length == 0) {
            http_connection_abort(connection);
        }
        return;
    }
    if (length == 0) {
        connection->is_finished = true;
        return;
    }
    struct slice input = slice_of(common->input, (size_t)length);
    if (http_connection_may_take(connection) && connection->stash.length == 0) {
        http_intake(connection, input);
    } else {
        buffer_append_slice(&connection->stash, input);
    }
}

/* True while the connection lives. */
static bool flush(struct http_connection *connection)
{
    if (http_output_is_empty(&connection->output)) {
        return true;
    }
    ssize_t sent = http_output_flush(&connection->output, connection->descriptor);
    if (sent < 0) {
        http_connection_abort(connection);
        return false;
    }
    if (sent > 0) {
        http_connection_note_progress(connection);
    }
    if (connection->state == HTTP_IDLE && http_output_is_empty(&connection->output)) {
        http_connection_enter(connection, HTTP_IDLE); /* its time begins now */
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct http_connection *connection = poll->data;

    if (status < 0 || (events & UV_DISCONNECT) != 0) {
        http_connection_abort(connection);
        return;
    }
    if ((events & UV_WRITABLE) != 0 && !flush(connection)) {
        return;
    }
    if ((events & UV_READABLE) != 0) {
        read_input(connection);
    }
    http_connection_settle(connection);
}

static int wanted_events(const struct http_connection *connection)
{
    int events = http_output_is_empty(&connection->output) ? 0 : UV_WRITABLE;

    if (reading_room(connection) > 0) {
        events |= UV_READABLE;
    } else if (has_open_exchange(connection)) {
        events |= UV_DISCONNECT; /* too much is stashed to go on reading, but a FIN shall be seen */
    }
    return events;
}

static void watch(struct http_connection *connection)
{
    int events = wanted_events(connection);

    if (connection->is_watched && events == connection->events) {
        return;
    }
    if (!connection->is_watched) {
        if (uv_poll_init(connection->common->loop, &connection->poll, connection->descriptor) !=
            0) {
            http_connection_abort(connection);
            return;
        }
        connection->poll.data = connection;
        connection->is_watched = true;
    }
    connection->events = events;
    if (uv_poll_start(&connection->poll, events, on_poll) != 0) {
        http_connection_abort(connection);
    }
}

void http_connection_settle(struct http_connection *connection)
{
    if (connection->state == HTTP_CLOSED || connection->is_in_request) {
        return;
    }
    bool has_written = http_output_is_empty(&connection->output);
    if (connection->state == HTTP_ENDING && has_written) {
        end(connection);
        if (connection->state == HTTP_CLOSED) {
            return;
        }
    }
    /* The client has shut its side: complete answers are still written, nothing is waited for. */
    if (connection->is_finished &&
        (has_open_exchange(connection) ||
         (connection->state <= HTTP_BODY && has_written && connection->stash.length == 0))) {
        http_connection_abort(connection);
        return;
    }
    if (connection->stash.length > 0 && http_connection_may_take(connection)) {
        http_connection_schedule(connection);
    }
    arm_timer(connection);
    watch(connection);
}

void http_connection_run(struct http_connection *connection)
{
    connection->is_scheduled = false;
    if (connection->state == HTTP_CLOSED) {
        if (!connection->is_watched) {
            connection_free(connection);
        }
        return;
    }
    if (!flush(connection)) {
        return;
    }
    if (connection->stash.length > 0 && http_connection_may_take(connection)) {
        struct buffer stash = connection->stash;

        connection->stash = BUFFER_EMPTY;
        http_intake(connection, buffer_slice(&stash));
        buffer_deinit(&stash);
    }
    http_connection_settle(connection);
}

void http_connection_answered(struct http_connection *connection, int error)
{
    struct http_common *common = connection->common;
    struct http_exchange *exchange = &connection->exchange;

    exchange->closed = NULL;
    if (exchange->headers.capacity <= HTTP_SPARE_MAX && common->spare.data == NULL) {
        common->spare = exchange->headers;
        exchange->headers = BUFFER_EMPTY;
    }
    buffer_deinit(&exchange->headers);
    buffer_clear(&common->spare);
    if (!connection->is_in_request) {
        http_intake_drop(connection);
    }
    if (error != 0) {
        http_connection_abort(connection);
        return;
    }
    http_connection_note_progress(connection);
    http_connection_enter(connection, exchange->keeps_alive ? HTTP_IDLE : HTTP_ENDING);
    http_connection_settle(connection);
}

void http_connection_start(struct http_common *common, int descriptor, const char *remote_address)
{
    struct http_connection *connection = memory_allocate_zeroed(sizeof(*connection));

    connection->common = common;
    connection->descriptor = descriptor;
    connection->is_first = true;
    http_output_init(&connection->output);
    snprintf(connection->remote_address, sizeof(connection->remote_address), "%s", remote_address);
    connection->state = HTTP_IDLE;
    connection->deadline = now_of(connection) + common->settings.head_deadline;
    DL_APPEND2(common->connections, connection, previous, next);
    common->references++;
    common->counters.accepted++;
    common->counters.connections++;

    /* What is here already is worked on before the loop ever watches the descriptor. */
    read_input(connection);
    http_connection_settle(connection);
}
