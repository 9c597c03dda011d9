#include "edge/session/internal.h"

#include <string.h>

#include "proto/base/memory.h"

bool session_table_serves(const struct session_table *table, int revision)
{
    const struct engineio_codec *codec = engineio_codec(revision);

    return codec != NULL && (codec->revision > 3 || table->settings.allow_eio3);
}

static struct session *session_new(struct session_table *table,
                                   const struct session_opening *opening, enum session_state state)
{
    char id[SESSION_ID_LENGTH + 1];
    struct session *session;

    session_new_id(table, id);
    session = session_make(table, opening->revision, slice_of(id, SESSION_ID_LENGTH), state);
    session->wants_base64 = opening->wants_base64;
    session->takes_offsets = opening->takes_offsets && session->socketio->revision >= 5;
    session->parser = opening->speaks_msgpack && !session->socketio->asks_for_main ? PARSER_MSGPACK
                                                                                   : PARSER_UNKNOWN;
    if (opening->credentials.length > 0) {
        session->credentials =
            memory_copy_string(opening->credentials.data, opening->credentials.length);
    }
    session->connect_deadline = table->now + table->settings.connect_timeout;
    table->counters.opened++;
    heartbeat_start(session);
    return session;
}

static void write_handshake(const struct session *session, bool offer_websocket, struct buffer *out)
{
    const struct session_settings *settings = &session->table->settings;
    struct engineio_handshake handshake = {
        .sid = slice_of(session->id, SESSION_ID_LENGTH),
        .offer_websocket = offer_websocket,
        .ping_interval_ms = settings->ping_interval,
        .ping_timeout_ms = settings->ping_timeout,
        .max_payload = settings->max_http_buffer_size,
    };

    engineio_write_open(&handshake, out);
}

static void answer_handshake(struct session *session, struct poll_exchange *exchange)
{
    struct buffer *scratch = session_scratch(session->table);
    struct buffer payload = BUFFER_EMPTY;

    write_handshake(session, session->table->settings.allow_upgrades, scratch);
    session->engineio->append(&payload, buffer_slice(scratch), false);
    exchange->opened = session->id;
    exchange->answer(exchange, 200, "text/plain; charset=UTF-8", buffer_slice(&payload));
    buffer_deinit(&payload);
}

void session_open_polling(struct session_table *table, const struct session_opening *opening,
                          struct poll_exchange *exchange, int64_t now)
{
    struct buffer *scratch = session_scratch(table);
    struct session *session;

    table->now = now;
    exchange->session = NULL;
    exchange->opened = NULL;
    if (!session_table_serves(table, opening->revision)) {
        engineio_write_error(ENGINEIO_ERROR_UNSUPPORTED_VERSION, scratch);
        exchange->answer(exchange, 400, "application/json", buffer_slice(scratch));
        return;
    }
    if (session_table_is_full(table)) {
        engineio_write_error(ENGINEIO_ERROR_FORBIDDEN, scratch);
        exchange->answer(exchange, 503, "application/json", buffer_slice(scratch));
        return;
    }
    session = session_new(table, opening, SESSION_POLLING);
    answer_handshake(session, exchange);
    sockets_open(session, opening->auth);
}

bool session_open_websocket(struct session_table *table, const struct session_opening *opening,
                            struct websocket *websocket, int64_t now)
{
    struct session *session;

    table->now = now;
    websocket->session = NULL;
    if (!session_table_serves(table, opening->revision) || session_table_is_full(table)) {
        return false;
    }
    session = session_new(table, opening, SESSION_WEBSOCKET);
    session->websocket = websocket;
    websocket->session = session;
    write_handshake(session, false, session_scratch(table));
    session_queue_scratch(session);
    sockets_open(session, opening->auth);
    return true;
}
