#include "edge/http/intake.h"

#include <assert.h>
#include <stdlib.h>

#include "edge/http/response.h"
#include "proto/base/memory.h"

void http_intake_drop(struct http_connection *connection)
{
    if (connection->incoming == NULL) {
        return;
    }
    connection->common->counters.body_bytes -= connection->incoming->counted;
    buffer_deinit(&connection->incoming->head);
    buffer_deinit(&connection->incoming->body);
    free(connection->incoming);
    connection->incoming = NULL;
}

/* From here on the request's head lies in memory of its own. */
static void keep_head(struct http_connection *connection, struct slice head)
{
    if (connection->incoming != NULL) {
        return;
    }
    connection->incoming = memory_allocate_zeroed(sizeof(*connection->incoming));
    buffer_append_slice(&connection->incoming->head, head);
}

/* Of all connections together. False: it is more than there may be. */
static bool count_body(struct http_connection *connection)
{
    struct http_common *common = connection->common;
    struct http_incoming *incoming = connection->incoming;

    common->counters.body_bytes += incoming->body.length - incoming->counted;
    incoming->counted = incoming->body.length;
    return common->counters.body_bytes <= (size_t)common->settings.bodies_max;
}

void http_intake_refuse(struct http_connection *connection, int status)
{
    struct http_common *common = connection->common;
    struct slice body = http_refusal_body(status);
    struct http_response response = {
        .status = status,
        .date = http_connection_date(connection),
        .content_type = "application/json; charset=utf-8",
        .body = HTTP_BODY_LENGTH,
        .length = body.length,
        .connection = "close",
        .added = status == 503 ? SLICE_LITERAL("Retry-After: 1\r\n") : SLICE_EMPTY,
    };

    http_response_render(&response, &common->rendered);
    connection->must_linger = true;
    connection->exchange.keeps_alive = false;
    http_intake_drop(connection);
    int error = http_output_send(&connection->output, connection->descriptor,
                                 buffer_slice(&common->rendered), body);
    http_connection_answered(connection, error);
}

static void refuse_head(struct http_connection *connection, int status)
{
    connection->common->counters.refused_heads++;
    http_intake_refuse(connection, status);
}

static struct http_request request_of(const struct http_connection *connection, struct slice body)
{
    const struct http_head *head = &connection->common->head;

    return (struct http_request){
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .body = body,
        .headers = head->headers,
        .header_count = head->header_count,
        .remote_address = connection->remote_address,
        .wants_websocket = head->wants_websocket,
    };
}

static void begin_exchange(struct http_connection *connection)
{
    const struct http_head *head = &connection->common->head;
    struct http_exchange *exchange = &connection->exchange;

    exchange->is_head = head->method == HTTP_HEAD_METHOD;
    exchange->is_old = head->minor_version == 0;
    exchange->keeps_alive = head->keeps_alive;
    exchange->is_chunked = false;
    exchange->has_body_left = false;
    exchange->is_paused = false;
    http_connection_enter(connection, HTTP_ANSWERING);
}

/* Gives the request to the handler; `rest` is what was read behind it. */
static void dispatch(struct http_connection *connection, struct slice head, struct slice body,
                     struct slice rest)
{
    struct http_common *common = connection->common;
    struct http_request request = request_of(connection, body);

    common->counters.requests++;
    begin_exchange(connection);
    common->unread_head = head;
    common->unread_rest = rest;
    connection->is_in_request = true;
    common->handler.request(common->handler.context, &connection->exchange, &request);
    connection->is_in_request = false;
    common->unread_head = SLICE_EMPTY;
    common->unread_rest = SLICE_EMPTY;

    /* Parked: only what may still be handed over is kept. */
    if (connection->state == HTTP_ANSWERING && request.wants_websocket) {
        keep_head(connection, head);
    } else {
        http_intake_drop(connection);
    }
}

/* The body is over its limit. The handler may word the answer, CORS headers for one are its own. */
static void refuse_body(struct http_connection *connection)
{
    struct http_common *common = connection->common;

    common->counters.refused_bodies++;
    if (common->handler.too_large == NULL) {
        http_intake_refuse(connection, 413);
        return;
    }
    struct http_request request = request_of(connection, SLICE_EMPTY);
    begin_exchange(connection);
    connection->exchange.keeps_alive = false;
    connection->must_linger = true;
    connection->is_in_request = true;
    common->handler.too_large(common->handler.context, &connection->exchange, &request);
    connection->is_in_request = false;
    http_intake_drop(connection);
}

static size_t body_limit(const struct http_connection *connection)
{
    const struct http_handler *handler = &connection->common->handler;

    if (handler->body_limit == NULL) {
        return HTTP_BODY_LIMIT_DEFAULT;
    }
    struct http_request request = request_of(connection, SLICE_EMPTY);
    return handler->body_limit(handler->context, &request);
}

static bool streams_body(const struct http_connection *connection)
{
    const struct http_handler *handler = &connection->common->handler;
    struct http_request request = request_of(connection, SLICE_EMPTY);

    return handler->streams_body != NULL && handler->streams_body(handler->context, &request);
}

/* "Go on", to a client that waits for it before it sends its body. */
static void send_continue(struct http_connection *connection)
{
    http_connection_note_progress(connection);
    if (http_output_send(&connection->output, connection->descriptor,
                         SLICE_LITERAL("HTTP/1.1 100 Continue\r\n\r\n"), SLICE_EMPTY) != 0) {
        http_connection_abort(connection);
    }
}

/* The handler is given the head, and takes the body as it comes or answers at once. */
static void begin_receiving(struct http_connection *connection, struct slice head_bytes,
                            size_t limit, bool is_awaited)
{
    struct http_common *common = connection->common;
    struct http_request request = request_of(connection, SLICE_EMPTY);

    common->counters.requests++;
    request.has_body = true;
    keep_head(connection, head_bytes);
    connection->incoming->body_limit = limit;
    http_framing_init(&connection->incoming->framing, &common->head);
    begin_exchange(connection);
    connection->exchange.has_body_left = true;
    connection->is_in_request = true;
    common->handler.request(common->handler.context, &connection->exchange, &request);
    connection->is_in_request = false;
    assert(connection->state != HTTP_ANSWERING); /* that is for after the body */
    if (connection->state != HTTP_RECEIVING) {
        http_intake_drop(connection);
    } else if (is_awaited) {
        send_continue(connection);
    }
}

/* The head in common->head is complete. Returns how much of what follows it was used. */
static size_t begin_request(struct http_connection *connection, struct slice head_bytes,
                            struct slice rest)
{
    const struct http_head *head = &connection->common->head;

    connection->is_first = false;
    if (!head->is_chunked && head->content_length == 0) {
        dispatch(connection, head_bytes, SLICE_EMPTY, rest);
        return 0;
    }
    size_t limit = body_limit(connection);
    if (head->content_length > limit) {
        refuse_body(connection);
        return 0;
    }
    bool is_awaited = head->expects_continue && rest.length == 0;
    if (streams_body(connection)) {
        begin_receiving(connection, head_bytes, limit, is_awaited);
        return 0;
    }
    if (!head->is_chunked && head->content_length <= rest.length) {
        size_t length = (size_t)head->content_length;

        dispatch(connection, head_bytes, slice_of(rest.data, length),
                 slice_of(rest.data + length, rest.length - length));
        return length;
    }
    keep_head(connection, head_bytes);
    connection->incoming->body_limit = limit;
    http_framing_init(&connection->incoming->framing, head);
    http_connection_enter(connection, HTTP_BODY);
    if (is_awaited) {
        send_continue(connection);
    }
    return 0;
}

static size_t take_head(struct http_connection *connection, struct slice input)
{
    struct http_head *head = &connection->common->head;
    const size_t head_max = (size_t)connection->common->settings.head_max;
    struct slice bytes = input;
    size_t taken = input.length;
    size_t before = 0;

    if (connection->incoming != NULL) {
        struct buffer *kept = &connection->incoming->head;

        before = kept->length;
        if (taken > head_max - before) {
            taken = head_max - before;
        }
        buffer_append(kept, input.data, taken);
        /* Looked at once per line, so that a head in single bytes costs no more than its length. */
        if (kept->length < head_max && memchr(input.data, '\n', taken) == NULL) {
            return taken;
        }
        bytes = buffer_slice(kept);
    }
    switch (http_head_check(bytes.data, bytes.length, head)) {
    case HTTP_HEAD_REFUSED:
        refuse_head(connection, head->status);
        return taken;
    case HTTP_HEAD_INCOMPLETE:
        if (bytes.length >= head_max) {
            refuse_head(connection, 431);
        } else {
            keep_head(connection, bytes);
            if (connection->state != HTTP_HEAD) {
                http_connection_enter(connection, HTTP_HEAD);
            }
        }
        return taken;
    case HTTP_HEAD_COMPLETE:
        break;
    }
    if (head->length > head_max) {
        refuse_head(connection, 431);
        return taken;
    }
    if (connection->incoming != NULL) {
        connection->incoming->head.length = head->length;
    }
    size_t used = head->length - before;
    return used + begin_request(connection, slice_of(bytes.data, head->length),
                                slice_of(input.data + used, input.length - used));
}

/* Fills common->head again, from a head that was found good before. */
static void recall_head(struct http_connection *connection)
{
    const struct buffer *kept = &connection->incoming->head;
    enum http_head_verdict verdict =
        http_head_check(kept->data, kept->length, &connection->common->head);

    assert(verdict == HTTP_HEAD_COMPLETE);
    (void)verdict;
}

static size_t take_body(struct http_connection *connection, struct slice input)
{
    struct http_incoming *incoming = connection->incoming;
    size_t used;

    switch (http_framing_take(&incoming->framing, input, incoming->body_limit, &incoming->body,
                              &used)) {
    case HTTP_FRAMING_MORE:
        if (!count_body(connection)) {
            connection->common->counters.bodies_overloaded++;
            http_intake_refuse(connection, 503);
        }
        break;
    case HTTP_FRAMING_MALFORMED:
        connection->common->counters.refused_bodies++;
        http_intake_refuse(connection, 400);
        break;
    case HTTP_FRAMING_TOO_LARGE:
        recall_head(connection);
        refuse_body(connection);
        break;
    case HTTP_FRAMING_DONE:
        recall_head(connection);
        dispatch(connection, buffer_slice(&incoming->head), buffer_slice(&incoming->body),
                 slice_of(input.data + used, input.length - used));
        break;
    }
    return used;
}

/* What is wrong with a body that the handler takes. The server answers. */
static void end_receiving(struct http_connection *connection, enum http_framing_verdict verdict)
{
    http_connection_tell_closed(connection);
    buffer_clear(&connection->exchange.headers);
    if (verdict == HTTP_FRAMING_TOO_LARGE) {
        recall_head(connection);
        refuse_body(connection);
        return;
    }
    connection->common->counters.refused_bodies++;
    http_intake_refuse(connection, 400);
}

/* Nothing of the body stays here. The handler may answer in any of its calls. */
static size_t take_piece(struct http_connection *connection, struct slice input)
{
    struct http_exchange *exchange = &connection->exchange;
    struct http_incoming *incoming = connection->incoming;
    size_t used;
    enum http_framing_verdict verdict =
        http_framing_take(&incoming->framing, input, incoming->body_limit, &incoming->body, &used);

    incoming->body_limit -= incoming->body.length;
    connection->is_in_request = true;
    if (incoming->body.length > 0) {
        exchange->taker->piece(exchange->context, buffer_slice(&incoming->body));
        buffer_clear(&incoming->body);
    }
    if (connection->state == HTTP_RECEIVING && verdict == HTTP_FRAMING_DONE) {
        exchange->has_body_left = false;
        http_connection_enter(connection, HTTP_ANSWERING);
        exchange->taker->end(exchange->context);
    }
    connection->is_in_request = false;
    if (connection->state != HTTP_RECEIVING) {
        http_intake_drop(connection);
    } else if (verdict != HTTP_FRAMING_MORE) {
        end_receiving(connection, verdict);
    }
    return used;
}

void http_intake(struct http_connection *connection, struct slice input)
{
    int turns = HTTP_REQUESTS_PER_TURN;

    while (input.length > 0 && turns > 0 && http_connection_may_take(connection)) {
        size_t used = connection->state == HTTP_BODY        ? take_body(connection, input)
                      : connection->state == HTTP_RECEIVING ? take_piece(connection, input)
                                                            : take_head(connection, input);

        input = slice_of(input.data + used, input.length - used);
        if (connection->state == HTTP_IDLE) {
            turns--;
        }
    }
    if (input.length == 0) {
        return;
    }
    if (connection->state < HTTP_ENDING) {
        buffer_append_slice(&connection->stash, input);
    } else {
        connection->must_linger = true;
    }
}
