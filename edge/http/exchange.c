/* The answering half of http.h: what a handler does with its exchange. */
#include <assert.h>
#include <unistd.h>

#include "edge/http/connection.h"
#include "edge/http/response.h"
#include "proto/base/error.h"

enum { CHUNK_LINE_MAX = 20 /* a size in hexadecimal, and CRLF */ };

void http_exchange_on_closed(struct http_exchange *exchange,
                             void (*closed)(struct http_exchange *exchange, void *context),
                             void *context)
{
    exchange->closed = closed;
    exchange->context = context;
}

void http_body_take(struct http_exchange *exchange, const struct http_body_taker *taker,
                    int64_t deadline)
{
    struct http_connection *connection = http_connection_of(exchange);

    assert(connection->state == HTTP_ANSWERING && exchange->has_body_left);
    exchange->taker = taker;
    http_connection_enter(connection, HTTP_RECEIVING);
    connection->deadline = (int64_t)uv_now(connection->common->loop) + deadline;
}

void http_body_pause(struct http_exchange *exchange)
{
    exchange->is_paused = true;
    http_connection_settle(http_connection_of(exchange));
}

void http_body_resume(struct http_exchange *exchange)
{
    exchange->is_paused = false;
    http_connection_schedule(http_connection_of(exchange));
}

void http_add_header(struct http_exchange *exchange, const char *name, struct slice value)
{
    struct http_common *common = http_connection_of(exchange)->common;

    if (exchange->headers.data == NULL) {
        exchange->headers = common->spare;
        common->spare = BUFFER_EMPTY;
    }
    http_response_add_line(&exchange->headers, name, value);
}

/* The head of the answer, in the server's scratch. Decides whether the connection goes on. */
static struct slice render(struct http_exchange *exchange, int status, const char *content_type,
                           enum http_response_body body, uint64_t length)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct http_common *common = connection->common;

    assert(connection->state == HTTP_ANSWERING || connection->state == HTTP_RECEIVING);
    if (exchange->has_body_left) {
        exchange->keeps_alive = false;
        connection->must_linger = true;
    }
    if (common->is_draining && exchange->keeps_alive) {
        /* The client may have sent its next request already. */
        exchange->keeps_alive = false;
        connection->must_linger = true;
    }
    if (body == HTTP_BODY_UNTIL_CLOSE) {
        exchange->keeps_alive = false;
    }
    struct http_response response = {
        .status = status,
        .date = http_connection_date(connection),
        .content_type = content_type,
        .body = body,
        .length = length,
        .connection = !exchange->keeps_alive ? "close"
                      : exchange->is_old     ? "keep-alive"
                                             : NULL,
        .added = buffer_slice(&exchange->headers),
    };
    http_response_render(&response, &common->rendered);
    return buffer_slice(&common->rendered);
}

void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  struct slice body)
{
    struct http_connection *connection = http_connection_of(exchange);
    bool has_body = content_type != NULL && !http_status_has_no_body(status);
    struct slice head = render(exchange, status, content_type,
                               http_status_has_no_body(status) ? HTTP_BODY_NONE : HTTP_BODY_LENGTH,
                               content_type == NULL ? 0 : body.length);
    int error = http_output_send(&connection->output, connection->descriptor, head,
                                 has_body && !exchange->is_head ? body : SLICE_EMPTY);

    http_connection_answered(connection, error);
}

void http_respond_file(struct http_exchange *exchange, int status, const char *content_type,
                       int descriptor, int64_t offset, uint64_t length)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct slice head = render(exchange, status, content_type, HTTP_BODY_LENGTH, length);
    int error;

    if (exchange->is_head) {
        close(descriptor);
        error = http_output_send(&connection->output, connection->descriptor, head, SLICE_EMPTY);
    } else {
        error = http_output_send_file(&connection->output, connection->descriptor, head, descriptor,
                                      (off_t)offset, length);
    }
    http_connection_answered(connection, error);
}

/* Queues bytes that the end of the loop's turn writes out. */
static void queue(struct http_connection *connection, struct slice bytes)
{
    if (http_output_is_empty(&connection->output)) {
        http_connection_note_progress(connection);
    }
    http_output_append(&connection->output, bytes);
    http_connection_schedule(connection);
}

void http_stream_start(struct http_exchange *exchange, int status, const char *content_type)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct slice head = render(exchange, status, content_type,
                               exchange->is_old ? HTTP_BODY_UNTIL_CLOSE : HTTP_BODY_CHUNKED, 0);

    exchange->is_chunked = !exchange->is_old;
    queue(connection, head);
    http_connection_enter(connection, HTTP_STREAMING);
}

static void queue_chunk(struct http_connection *connection, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char line[CHUNK_LINE_MAX];
    size_t at = sizeof(line);

    if (!connection->exchange.is_chunked) {
        queue(connection, bytes);
        return;
    }
    line[--at] = '\n';
    line[--at] = '\r';
    for (size_t left = bytes.length; left > 0; left /= 16) {
        line[--at] = digits[left % 16];
    }
    queue(connection, slice_of(line + at, sizeof(line) - at));
    queue(connection, bytes);
    queue(connection, SLICE_LITERAL("\r\n"));
}

int http_stream_write(struct http_exchange *exchange, struct slice bytes)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct http_output *output = &connection->output;
    struct http_common *common = connection->common;
    const size_t most = (size_t)common->settings.stream_backlog_max;

    assert(connection->state == HTTP_STREAMING);
    if (exchange->is_head || bytes.length == 0) {
        return 0;
    }
    /* What waits may be only what this turn has written: it is measured after it was offered. */
    size_t waiting = http_output_backlog(output);
    if (waiting > 0 && (waiting > most || bytes.length > most - waiting)) {
        if (http_output_flush(output, connection->descriptor) < 0) {
            return 0; /* the connection's turn finds the same error and says closed() */
        }
        waiting = http_output_backlog(output);
    }
    if (waiting > 0 && (waiting > most || bytes.length > most - waiting)) {
        common->counters.streams_cut++;
        http_connection_cut(connection);
        return ERROR_OVERLOADED;
    }
    queue_chunk(connection, bytes);
    return 0;
}

bool http_stream_is_behind(struct http_exchange *exchange, size_t most)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct http_output *output = &connection->output;

    /* As above: what this turn has written is offered first. */
    return http_output_backlog(output) > most &&
           http_output_flush(output, connection->descriptor) >= 0 &&
           http_output_backlog(output) > most;
}

void http_stream_end(struct http_exchange *exchange)
{
    struct http_connection *connection = http_connection_of(exchange);

    assert(connection->state == HTTP_STREAMING);
    if (exchange->is_chunked && !exchange->is_head) {
        queue(connection, SLICE_LITERAL("0\r\n\r\n"));
    }
    ssize_t sent = http_output_flush(&connection->output, connection->descriptor);
    http_connection_answered(connection, sent < 0 ? ERROR_CLOSED : 0);
}

void http_exchange_detach(struct http_exchange *exchange,
                          void (*taken)(void *context, int descriptor, struct slice head),
                          void *context)
{
    struct http_connection *connection = http_connection_of(exchange);
    struct http_common *common = connection->common;
    struct slice head = common->unread_head;
    struct slice rest = common->unread_rest;
    struct buffer whole = BUFFER_EMPTY;

    assert(connection->state == HTTP_ANSWERING);
    if (!connection->is_in_request) {
        assert(connection->incoming != NULL);
        head = buffer_slice(&connection->incoming->head);
        rest = buffer_slice(&connection->stash);
    }
    /* The empty line that may precede a request is not part of it. */
    while (head.length > 0 && (head.data[0] == '\r' || head.data[0] == '\n')) {
        head = slice_of(head.data + 1, head.length - 1);
    }
    if (rest.length > 0) {
        buffer_append_slice(&whole, head);
        buffer_append_slice(&whole, rest);
        head = buffer_slice(&whole);
    }
    exchange->closed = NULL;
    common->counters.detached++;
    taken(context, http_connection_release(connection), head);
    buffer_deinit(&whole);
}
