/*
 * The polling transport. At most one GET is parked; it goes home with everything queued that fits
 * one payload, with a heartbeat, with a NOOP when the client is to turn to its WebSocket, or with
 * CLOSE. POSTs are answered when they were handled.
 */
#include "edge/session/internal.h"

#include "proto/base/error.h"

#define CONTENT_TYPE_PAYLOAD "text/plain; charset=UTF-8"

static void answer_error(struct session_table *table, struct poll_exchange *exchange,
                         enum engineio_error error)
{
    struct buffer *scratch = session_scratch(table);

    engineio_write_error(error, scratch);
    exchange->answer(exchange, 400, "application/json", buffer_slice(scratch));
}

static void answer_empty(struct poll_exchange *exchange, int status)
{
    exchange->answer(exchange, status, NULL, SLICE_EMPTY);
}

#define CONTENT_TYPE_BINARY "application/octet-stream"

/* A payload under construction. */
struct payload {
    struct buffer *text;
    void (*append)(struct buffer *payload, struct slice packet, bool is_binary);
    const char *content_type;
};

/* Where a revision has a binary form, it is for what waits with a packet of bytes in it. */
static struct payload payload_for(const struct session *session)
{
    const struct engineio_codec *codec = session->engineio;
    struct buffer *scratch = session_scratch(session->table);

    if (codec->append_binary != NULL && outbox_holds(&session->outbox, PACKET_BINARY)) {
        return (struct payload){scratch, codec->append_binary, CONTENT_TYPE_BINARY};
    }
    return (struct payload){scratch, codec->append, CONTENT_TYPE_PAYLOAD};
}

static void append(const struct payload *payload, const struct packet *packet)
{
    payload->append(payload->text, packet_payload(packet), packet->kind == PACKET_BINARY);
}

/* As many of the oldest packets as make one payload: one at least, so that none is stuck. */
static void append_queued(struct session *session, const struct payload *payload)
{
    const struct session_settings *settings = &session->table->settings;
    struct outbox *outbox = &session->outbox;
    struct packet *copy[OUTBOX_BATCH];
    size_t appended = 0;
    bool is_full = false;

    while (outbox->count > 0 && !is_full) {
        size_t count;
        struct packet *const *packets = outbox_front(outbox, copy, &count);
        size_t taken = 0;

        while (taken < count && !is_full) {
            size_t before = payload->text->length;

            append(payload, packets[taken]);
            if (appended > 0 && payload->text->length > (size_t)settings->max_http_buffer_size) {
                payload->text->length = before;
                is_full = true;
                break;
            }
            taken++;
            appended++;
            is_full = appended == (size_t)settings->payload_packets_max;
        }
        outbox_pop(outbox, taken);
        session->taken_at = (uint32_t)session->table->now;
    }
    session->table->counters.bytes_out += payload->text->length;
    session->table->counters.packets_out += appended;
}

void polling_answer(struct session *session, struct packet *last)
{
    struct session_table *table = session->table;
    struct poll_exchange *exchange = session->poll;
    struct payload payload = payload_for(session);

    append_queued(session, &payload);
    if (last != NULL && session->outbox.count == 0) {
        append(&payload, last);
        table->counters.packets_out++;
    }
    session->poll = NULL;
    exchange->session = NULL;
    session->noop_at = 0;
    table->counters.flushes++;
    exchange->answer(exchange, 200, payload.content_type, buffer_slice(payload.text));
}

static void park(struct session *session, struct poll_exchange *exchange)
{
    session->poll = exchange;
    exchange->session = session;
}

/* What is still queued, and when there is nothing the end. */
static void tell_end(struct session *session)
{
    struct session_packets *packets = &session->table->packets;

    if (session->outbox.count > 0) {
        polling_answer(session, NULL);
        return;
    }
    outbox_push(&session->outbox, packets->noop, session->table->now);
    polling_answer(session, packets->close);
    session_enter_state(session, SESSION_CLOSED);
}

void session_poll(struct session_table *table, struct session *session,
                  struct poll_exchange *exchange, int64_t now)
{
    table->now = now;
    exchange->session = NULL;
    switch ((enum session_state)session->state) {
    case SESSION_CLOSED:
        answer_error(table, exchange, ENGINEIO_ERROR_UNKNOWN_SID);
        return;
    case SESSION_CLOSING:
        park(session, exchange);
        tell_end(session);
        return;
    case SESSION_WEBSOCKET:
    case SESSION_GUEST:
        answer_error(table, exchange, ENGINEIO_ERROR_BAD_REQUEST);
        return;
    case SESSION_POLLING:
    case SESSION_PROBING:
    case SESSION_UPGRADING:
        break;
    }
    if (session->poll != NULL) {
        table->counters.polls_overlapping++;
        session_end(session, SESSION_CLOSE_PROTOCOL_ERROR);
        answer_empty(exchange, 400);
        return;
    }
    park(session, exchange);
    if (session->outbox.count > 0) {
        session_mark_dirty(session);
    } else if (session->state == SESSION_UPGRADING) {
        /* Not at once: until the client has read 3probe it would only come back. */
        session->noop_at = now + UPGRADE_NOOP_INTERVAL_MS;
        heartbeat_schedule(session);
    }
}

void session_post_begin(struct session_table *table, struct session *session, int64_t now)
{
    table->now = now;
    if (session->state >= SESSION_WEBSOCKET) {
        return;
    }
    if (session->is_post_begun) {
        table->counters.polls_overlapping++;
        session_end(session, SESSION_CLOSE_PROTOCOL_ERROR);
        session_enter_state(session, SESSION_CLOSED);
        return;
    }
    session->is_post_begun = true;
}

/* 0, or the error that ended the walk. A session that ends on the way ends the walk too. */
static int receive_payload(struct session *session, struct slice body)
{
    struct session_table *table = session->table;
    struct engineio_payload payload = engineio_payload_of(body);
    struct engineio_packet packet;
    int result = body.length > 0 ? 1 : ERROR_MALFORMED;

    arena_reset(&table->arena);
    while (result == 1 && session_is_open(session)) {
        result = session->engineio->next(&payload, (size_t)table->settings.payload_packets_max,
                                         &table->arena, &packet);
        if (result == 1) {
            session_receive(session, &packet);
        }
    }
    return result < 0 ? result : 0;
}

void session_post(struct session_table *table, struct session *session, struct slice body,
                  struct poll_exchange *exchange, int64_t now)
{
    /* Begun before the client turned to its WebSocket: it belongs to what went before. */
    bool is_late = session->state == SESSION_WEBSOCKET && session->is_post_begun;
    int error;

    table->now = now;
    exchange->session = NULL;
    if (session->state == SESSION_CLOSED) {
        answer_error(table, exchange, ENGINEIO_ERROR_UNKNOWN_SID);
        return;
    }
    if (session->state == SESSION_WEBSOCKET && !is_late) {
        answer_error(table, exchange, ENGINEIO_ERROR_BAD_REQUEST);
        return;
    }
    session->is_post_begun = false;
    table->counters.bytes_in += body.length;
    error = receive_payload(session, body);
    if (error == ERROR_TOO_LARGE) {
        session_end(session, SESSION_CLOSE_TOO_LARGE);
    } else if (error < 0) {
        session_end(session, SESSION_CLOSE_PARSE_ERROR);
    }
    /* Revision 3 says nothing of a status: clients learn of the end by their next GET. */
    if (error < 0 && session->engineio->revision > 3) {
        answer_empty(exchange, 400);
    } else {
        exchange->answer(exchange, 200, "text/html", SLICE_LITERAL("ok"));
    }
}

void session_exchange_recall(struct session_table *table, struct poll_exchange *exchange,
                             int64_t now)
{
    struct session *session = exchange->session;

    if (session != NULL && session->poll == exchange) {
        table->now = now;
        polling_answer(session, table->packets.noop);
    }
}

void session_exchange_gone(struct session_table *table, struct poll_exchange *exchange, int64_t now)
{
    struct session *session = exchange->session;

    if (session == NULL) {
        return;
    }
    table->now = now;
    session->poll = NULL;
    exchange->session = NULL;
    session_end(session, SESSION_CLOSE_TRANSPORT);
}
