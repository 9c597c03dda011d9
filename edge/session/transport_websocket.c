/*
 * The WebSocket transport, and the upgrade from polling to it. While a session is upgrading,
 * everything for the client still goes out by polling; with the client's UPGRADE packet the
 * WebSocket takes the outbox over as it stands, so nothing is lost, doubled or reordered.
 */
#include "edge/session/internal.h"

#include <assert.h>

enum {
    CLOSE_ABRUPTLY = 0,
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_LARGE = 1009,
};

/* RFC 6455 §7.4.1. A peer that does not read or answer gets no close frame through either. */
static int close_code(enum session_close_reason reason)
{
    switch (reason) {
    case SESSION_CLOSE_CLIENT:
    case SESSION_CLOSE_MOVED:
        return CLOSE_NORMAL;
    case SESSION_CLOSE_PARSE_ERROR:
    case SESSION_CLOSE_PROTOCOL_ERROR:
        return CLOSE_PROTOCOL_ERROR;
    case SESSION_CLOSE_TOO_LARGE:
        return CLOSE_TOO_LARGE;
    case SESSION_CLOSE_CONNECT_TIMEOUT:
        return CLOSE_POLICY;
    case SESSION_CLOSE_SERVER:
    case SESSION_CLOSE_ISOLATED:
        return CLOSE_GOING_AWAY;
    case SESSION_CLOSE_TRANSPORT:
    case SESSION_CLOSE_PING_TIMEOUT:
    case SESSION_CLOSE_SLOW_CONSUMER:
    case SESSION_CLOSE_OUTBOX_FULL:
    case SESSION_CLOSE_REASONS:
        break;
    }
    return CLOSE_ABRUPTLY;
}

static void detach(struct websocket **slot, int code)
{
    struct websocket *websocket = *slot;

    *slot = NULL;
    if (websocket == NULL) {
        return;
    }
    websocket->session = NULL;
    websocket->operations->close(websocket, code);
}

static void set_choked(struct session *session, bool is_choked)
{
    if (session->is_choked == is_choked) {
        return;
    }
    session->is_choked = is_choked;
    heartbeat_schedule(session);
}

/* False when the connection turned out to be dead. */
static bool send_queued(struct session *session)
{
    struct session_counters *counters = &session->table->counters;
    struct outbox *outbox = &session->outbox;
    struct packet *copy[OUTBOX_BATCH];

    while (outbox->count > 0 && !session->is_choked) {
        size_t before = outbox->bytes;
        size_t count;
        struct packet *const *packets = outbox_front(outbox, copy, &count);
        int sent = session->websocket->operations->send(session->websocket, packets, count);

        if (sent < 0) {
            return false;
        }
        if (sent > 0) {
            session->taken_at = (uint32_t)session->table->now;
        }
        assert((size_t)sent <= count);
        outbox_pop(outbox, (size_t)sent);
        counters->flushes++;
        counters->packets_out += (size_t)sent;
        counters->bytes_out += before - outbox->bytes;
        if ((size_t)sent < count) {
            set_choked(session, true);
        }
    }
    return true;
}

void websocket_flush(struct session *session)
{
    if (!send_queued(session)) {
        session_end(session, SESSION_CLOSE_TRANSPORT);
    }
}

bool websocket_send_all(struct session *session)
{
    return send_queued(session) && session->outbox.count == 0;
}

void websocket_close(struct session *session, int code)
{
    if (session->websocket != NULL && code != CLOSE_ABRUPTLY) {
        (void)send_queued(session);
    }
    detach(&session->websocket, code);
}

void websocket_end(struct session *session, enum session_close_reason reason)
{
    detach(&session->probe, CLOSE_NORMAL);
    if (session->websocket == NULL) {
        return;
    }
    /* What was said before the end is sent before the end. */
    if (close_code(reason) != CLOSE_ABRUPTLY) {
        (void)send_queued(session);
    }
    detach(&session->websocket, close_code(reason));
}

bool session_upgrade_begin(struct session_table *table, struct session *session,
                           struct websocket *websocket, int64_t now)
{
    table->now = now;
    websocket->session = NULL;
    if (session->state != SESSION_POLLING || !table->settings.allow_upgrades) {
        return false;
    }
    session->probe = websocket;
    websocket->session = session;
    session_enter_state(session, SESSION_PROBING);
    return true;
}

void websocket_abort_upgrade(struct session *session)
{
    detach(&session->probe, CLOSE_NORMAL);
    session_enter_state(session, SESSION_POLLING);
}

static void probe_answer(struct session *session)
{
    struct session_table *table = session->table;
    struct websocket *probe = session->probe;

    if (probe->operations->send(probe, &table->packets.pong_probe, 1) != 1) {
        websocket_abort_upgrade(session);
        return;
    }
    table->counters.packets_out++;
    session_enter_state(session, SESSION_UPGRADING);
    if (session->poll != NULL) {
        polling_answer(session, table->packets.noop);
    }
}

static void upgrade_complete(struct session *session)
{
    struct session_table *table = session->table;

    if (session->poll != NULL) {
        polling_answer(session, table->packets.noop);
    }
    session->websocket = session->probe;
    session->probe = NULL;
    session->wants_base64 = false; /* a WebSocket takes bytes */
    table->counters.upgraded++;
    session_enter_state(session, SESSION_WEBSOCKET);
    heartbeat_transport_changed(session);
    if (session->outbox.count > 0) {
        session_mark_dirty(session);
    }
}

static void probe_message(struct session *session, const struct engineio_packet *packet)
{
    session->table->counters.packets_in++;
    if (packet->type == ENGINEIO_PING && slice_is(packet->data, "probe")) {
        probe_answer(session);
    } else if (packet->type == ENGINEIO_UPGRADE) {
        upgrade_complete(session);
    } else {
        websocket_abort_upgrade(session);
    }
}

void session_websocket_message(struct session_table *table, struct websocket *websocket,
                               struct slice message, bool is_binary, int64_t now)
{
    struct session *session = websocket->session;
    struct engineio_packet packet;

    if (session == NULL) {
        return;
    }
    table->now = now;
    table->counters.bytes_in += message.length;
    if (session->guest != NULL) {
        guest_message(session, message, is_binary);
        return;
    }
    arena_reset(&table->arena);
    if (session->engineio->decode(message, is_binary, &table->arena, &packet) != 0) {
        session_websocket_failed(table, websocket, SESSION_CLOSE_PARSE_ERROR, now);
    } else if (websocket == session->probe) {
        probe_message(session, &packet);
    } else {
        session_receive(session, &packet);
    }
}

void session_websocket_failed(struct session_table *table, struct websocket *websocket,
                              enum session_close_reason reason, int64_t now)
{
    struct session *session = websocket->session;

    if (session == NULL) {
        return;
    }
    table->now = now;
    if (websocket == session->probe) {
        websocket_abort_upgrade(session); /* polling goes on without it */
    } else {
        session_end(session, reason);
    }
}

void session_websocket_writable(struct session_table *table, struct websocket *websocket,
                                int64_t now)
{
    struct session *session = websocket->session;

    if (session == NULL || websocket == session->probe) {
        return;
    }
    table->now = now;
    set_choked(session, false);
    if (session->outbox.count > 0) {
        session_mark_dirty(session);
    }
}

void session_websocket_gone(struct session_table *table, struct websocket *websocket, int64_t now)
{
    struct session *session = websocket->session;

    if (session == NULL) {
        return;
    }
    table->now = now;
    websocket->session = NULL;
    if (websocket == session->probe) {
        session->probe = NULL;
        websocket_abort_upgrade(session);
        return;
    }
    session->websocket = NULL;
    session_end(session, SESSION_CLOSE_TRANSPORT);
}
