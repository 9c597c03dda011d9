#include "edge/session/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

const char *session_close_reason_name(enum session_close_reason reason)
{
    static const char *const names[SESSION_CLOSE_REASONS] = {
        [SESSION_CLOSE_CLIENT] = "client",
        [SESSION_CLOSE_TRANSPORT] = "transport",
        [SESSION_CLOSE_PING_TIMEOUT] = "ping_timeout",
        [SESSION_CLOSE_PARSE_ERROR] = "parse_error",
        [SESSION_CLOSE_PROTOCOL_ERROR] = "protocol_error",
        [SESSION_CLOSE_TOO_LARGE] = "too_large",
        [SESSION_CLOSE_SLOW_CONSUMER] = "slow_consumer",
        [SESSION_CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
        [SESSION_CLOSE_SERVER] = "server",
        [SESSION_CLOSE_ISOLATED] = "isolated",
        [SESSION_CLOSE_MOVED] = "moved",
    };

    assert(reason < SESSION_CLOSE_REASONS);
    return names[reason];
}

static struct packet *fixed_packet(const char *text)
{
    struct slice part = slice_of_string(text);

    return packet_new(PACKET_TEXT, &part, 1);
}

struct session_table *session_table_new(const struct session_settings *settings,
                                        const struct socket_application *application,
                                        void *application_context, struct id_source *ids,
                                        const char *incarnation, int64_t now)
{
    struct session_table *self = memory_allocate_zeroed(sizeof(*self));

    self->settings = *settings;
    self->application = application;
    self->application_context = application_context;
    self->ids = ids;
    assert(strlen(incarnation) == INCARNATION_LENGTH);
    memcpy(self->incarnation, incarnation, INCARNATION_LENGTH);
    self->now = now;
    self->packets.ping = fixed_packet("2");
    self->packets.pong = fixed_packet("3");
    self->packets.pong_probe = fixed_packet("3probe");
    self->packets.noop = fixed_packet("6");
    self->packets.close = fixed_packet("1");
    arena_init(&self->arena);
    wheel_init(&self->wheel, now);
    return self;
}

void session_table_destroy(struct session_table **table)
{
    struct session_table *self = *table;

    if (self == NULL) {
        return;
    }
    for (struct session *session = self->sessions, *next; session != NULL; session = next) {
        next = session->hh.next;
        session_end(session, SESSION_CLOSE_SERVER);
        session_enter_state(session, SESSION_CLOSED);
    }
    session_table_flush(self, self->now);
    packet_release(&self->packets.ping);
    packet_release(&self->packets.pong);
    packet_release(&self->packets.pong_probe);
    packet_release(&self->packets.noop);
    packet_release(&self->packets.close);
    buffer_deinit(&self->scratch);
    buffer_deinit(&self->payload);
    arena_deinit(&self->arena);
    free(self);
    *table = NULL;
}

struct buffer *session_scratch(struct session_table *table)
{
    buffer_shrink(&table->scratch, SCRATCH_KEPT_BYTES);
    return &table->scratch;
}

void session_new_id(struct session_table *table, char out[SESSION_ID_LENGTH + 1])
{
    memcpy(out, table->incarnation, INCARNATION_LENGTH);
    id_random_text(table->ids, out + INCARNATION_LENGTH, SESSION_ID_LENGTH - INCARNATION_LENGTH);
}

size_t session_backlog(const struct session *session)
{
    bool waits = session->is_choked || (session->websocket == NULL && session->poll == NULL);
    return waits ? session->outbox.bytes : 0;
}

bool session_is_over(const struct session *session)
{
    return !session_is_open(session);
}

bool session_is_open(const struct session *session)
{
    return session->state < SESSION_CLOSING;
}

static bool is_polling(enum session_state state)
{
    return state < SESSION_WEBSOCKET;
}

void session_enter_state(struct session *session, enum session_state state)
{
    struct session_table *table = session->table;
    enum session_state old = session->state;

    if (old == state || old == SESSION_CLOSED) {
        return;
    }
    table->counters.pollings -= is_polling(old);
    table->counters.websockets -= old == SESSION_WEBSOCKET;
    table->counters.pollings += is_polling(state);
    table->counters.websockets += state == SESSION_WEBSOCKET;
    session->state = (uint8_t)state;
    session->noop_at = 0;

    switch (state) {
    case SESSION_PROBING:
        session->state_deadline = table->now + table->settings.upgrade_timeout;
        break;
    case SESSION_UPGRADING:
        break; /* one deadline for the whole upgrade */
    case SESSION_CLOSING:
        session->state_deadline = table->now + CLOSING_LINGER_MS;
        break;
    case SESSION_POLLING:
    case SESSION_WEBSOCKET:
    case SESSION_GUEST:
        session->state_deadline = 0;
        break;
    case SESSION_CLOSED:
        wheel_cancel(&session->timer);
        outbox_clear(&session->outbox);
        HASH_DEL(table->sessions, session);
        session->next_dead = table->dead_sessions;
        table->dead_sessions = session;
        return;
    }
    heartbeat_schedule(session);
}

bool session_table_serves(const struct session_table *table, int revision)
{
    const struct engineio_codec *codec = engineio_codec(revision);

    return codec != NULL && (codec->revision > 3 || table->settings.allow_eio3);
}

struct session *session_make(struct session_table *table, int revision, struct slice id,
                             enum session_state state)
{
    struct session *session = memory_allocate_zeroed(sizeof(*session));

    session->table = table;
    session->engineio = engineio_codec(revision);
    session->socketio = socketio_codec(revision + 1);
    outbox_init(&session->outbox);
    memcpy(session->id, id.data, SESSION_ID_LENGTH);
    session->last_life = table->now;
    session->state = (uint8_t)state;
    table->counters.pollings += is_polling(state);
    table->counters.websockets += state == SESSION_WEBSOCKET;
    HASH_ADD(hh, table->sessions, id, SESSION_ID_LENGTH, session);
    return session;
}

static struct session *session_new(struct session_table *table,
                                   const struct session_opening *opening, enum session_state state)
{
    char id[SESSION_ID_LENGTH + 1];
    size_t address_length = strnlen(opening->remote_address, REMOTE_ADDRESS_SIZE - 1);
    struct session *session;

    session_new_id(table, id);
    session = session_make(table, opening->revision, slice_of(id, SESSION_ID_LENGTH), state);
    session->wants_base64 = opening->wants_base64;
    session->takes_offsets = opening->takes_offsets && session->socketio->revision >= 5;
    session->parser = opening->speaks_msgpack && !session->socketio->asks_for_main ? PARSER_MSGPACK
                                                                                   : PARSER_UNKNOWN;
    memcpy(session->remote_address, opening->remote_address, address_length);
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

struct session *session_find(struct session_table *table, struct slice sid)
{
    struct session *session = NULL;

    if (sid.length == SESSION_ID_LENGTH) {
        HASH_FIND(hh, table->sessions, sid.data, SESSION_ID_LENGTH, session);
    }
    return session != NULL && session->state == SESSION_GUEST ? NULL : session;
}

static bool is_ours(enum session_close_reason reason)
{
    return reason == SESSION_CLOSE_SERVER || reason == SESSION_CLOSE_ISOLATED ||
           reason == SESSION_CLOSE_CONNECT_TIMEOUT;
}

/* What is queued goes home with a parked GET; who is to be told then hears of the end behind it. */
static void end(struct session *session, enum session_close_reason reason, bool is_told)
{
    struct session_table *table = session->table;
    bool lingers = is_told && is_polling(session->state);

    if (!session_is_open(session)) {
        return;
    }
    table->counters.closed[reason]++;
    websocket_end(session, reason);
    session->connect_deadline = 0;
    attachments_destroy(&session->attachments);
    if (session->poll != NULL && session->outbox.count > 0) {
        polling_answer(session, NULL);
    } else if (session->poll != NULL) {
        polling_answer(session,
                       reason == SESSION_CLOSE_CLIENT ? table->packets.noop : table->packets.close);
        lingers = false;
    }
    session_enter_state(session, lingers ? SESSION_CLOSING : SESSION_CLOSED);
    sockets_end(session, reason);
    if (session->guest != NULL) {
        guest_end(session);
    }
}

void session_end(struct session *session, enum session_close_reason reason)
{
    end(session, reason, is_ours(reason));
}

void session_end_told(struct session *session, enum session_close_reason reason)
{
    end(session, reason, true);
}

void session_close(struct session_table *table, struct session *session,
                   enum session_close_reason reason, int64_t now)
{
    table->now = now;
    session_end(session, reason);
}

void session_mark_dirty(struct session *session)
{
    struct session_table *table = session->table;

    if (session->is_dirty) {
        return;
    }
    session->is_dirty = true;
    session->next_dirty = NULL;
    if (table->dirty_last == NULL) {
        table->dirty_first = session;
    } else {
        table->dirty_last->next_dirty = session;
    }
    table->dirty_last = session;
}

static bool is_over_limit(const struct session *session, size_t more)
{
    size_t later = session->guest == NULL ? 0 : session->guest->later.bytes;

    return session->outbox.bytes + later + more > (size_t)session->table->settings.outbox_max_bytes;
}

/* A packet of bytes as revision 3 has it: with its type before it, or as text. */
static struct packet *binary_with_type(const struct session *session, const struct packet *packet)
{
    static const char type = ENGINEIO_MESSAGE;
    struct slice parts[] = {slice_of(&type, 1), packet_payload(packet)};
    struct buffer text = BUFFER_EMPTY;
    struct packet *made;

    if (!session->wants_base64) {
        return packet_new(PACKET_BINARY, parts, 2);
    }
    engineio_write_base64_message(parts[1], &text);
    parts[0] = buffer_slice(&text);
    made = packet_new(PACKET_TEXT, parts, 1);
    buffer_deinit(&text);
    return made;
}

static void queue(struct session *session, struct packet *packet)
{
    if (!session_is_open(session)) {
        return;
    }
    if (packet->is_volatile && is_over_limit(session, packet_frame(packet).length)) {
        session->table->counters.volatile_dropped++;
        return;
    }
    if (session->guest != NULL) {
        guest_queue(session, packet);
        return;
    }
    outbox_push(&session->outbox, packet, session->table->now);
    if (!session->is_choked || is_over_limit(session, 0)) {
        session_mark_dirty(session);
    }
}

void session_queue(struct session *session, struct packet *packet)
{
    if (packet->kind == PACKET_BINARY && session->engineio->binary_has_type) {
        struct packet *typed = binary_with_type(session, packet);

        typed->is_volatile = packet->is_volatile;
        queue(session, typed);
        packet_release(&typed);
    } else {
        queue(session, packet);
    }
}

void session_queue_scratch(struct session *session)
{
    struct slice text = buffer_slice(&session->table->scratch);
    struct packet *packet = packet_new(PACKET_TEXT, &text, 1);

    session_queue(session, packet);
    packet_release(&packet);
}

void session_enforce_limits(struct session *session)
{
    struct session_table *table = session->table;
    bool is_stalled = session->is_choked &&
                      outbox_age(&session->outbox, table->now) > table->settings.outbox_max_age;

    if (!is_over_limit(session, 0) && !is_stalled) {
        return;
    }
    table->counters.volatile_dropped += outbox_drop_volatile(&session->outbox);
    is_stalled = session->is_choked &&
                 outbox_age(&session->outbox, table->now) > table->settings.outbox_max_age;
    if (is_over_limit(session, 0) || is_stalled) {
        session_end(session, SESSION_CLOSE_SLOW_CONSUMER);
    }
}

static void flush(struct session *session)
{
    if (!session_is_open(session)) {
        return;
    }
    if (session->websocket != NULL) {
        websocket_flush(session);
    } else if (session->poll != NULL && session->outbox.count > 0) {
        polling_answer(session, NULL);
    }
    if (session_is_open(session)) {
        session_enforce_limits(session);
    }
}

static void reap(struct session_table *table)
{
    sockets_reap(table);
    while (table->dead_sessions != NULL) {
        struct session *session = table->dead_sessions;

        table->dead_sessions = session->next_dead;
        outbox_deinit(&session->outbox);
        free(session->credentials);
        free(session);
    }
}

void session_table_flush(struct session_table *table, int64_t now)
{
    assert(!table->is_flushing);
    table->is_flushing = true;
    table->now = now;
    while (table->dirty_first != NULL) {
        struct session *session = table->dirty_first;

        table->dirty_first = session->next_dirty;
        if (table->dirty_first == NULL) {
            table->dirty_last = NULL;
        }
        session->is_dirty = false;
        flush(session);
    }
    reap(table); /* now that no list and no caller knows them any more */
    table->turn++;
    table->is_flushing = false;
}

void session_table_tick(struct session_table *table, int64_t now)
{
    table->now = now;
    wheel_run(&table->wheel, now, heartbeat_expire, table);
}

bool session_table_is_dirty(const struct session_table *table)
{
    return table->dirty_first != NULL || table->dead_sessions != NULL ||
           table->dead_sockets != NULL;
}

size_t session_table_count(const struct session_table *table)
{
    return HASH_COUNT(table->sessions);
}

size_t session_table_limit(const struct session_table *table)
{
    return (size_t)table->settings.sessions_max;
}

void session_table_stop_opening(struct session_table *table)
{
    table->opens_none = true;
}

bool session_table_is_full(const struct session_table *table)
{
    return table->opens_none || session_table_count(table) >= session_table_limit(table);
}

static bool is_busy(const struct session *session)
{
    return session->outbox.count > 0 || session->is_post_begun || sockets_are_busy(session);
}

size_t session_table_close_batch(struct session_table *table, size_t most, bool spares_busy,
                                 enum session_close_reason reason, int64_t now)
{
    struct session *next;
    size_t closed = 0;

    for (struct session *session = table->sessions; session != NULL && closed < most;
         session = next) {
        next = session->hh.next;
        if (session_is_open(session) && !(spares_busy && is_busy(session))) {
            session_close(table, session, reason, now);
            closed++;
        }
    }
    return closed;
}

size_t session_table_close_some(struct session_table *table, size_t most, int64_t now)
{
    session_table_close_batch(table, most, false, SESSION_CLOSE_SERVER, now);
    return session_table_count(table);
}

void session_receive(struct session *session, const struct engineio_packet *packet)
{
    struct session_table *table = session->table;

    session->last_life = table->now;
    table->counters.packets_in++;
    heartbeat_received(session, packet);
    switch (packet->type) {
    case ENGINEIO_MESSAGE:
        parser_receive(session, packet->data, packet->is_binary);
        break;
    case ENGINEIO_PING:
        if (session->engineio->server_pings) {
            session_end(session, SESSION_CLOSE_PROTOCOL_ERROR);
        } else {
            session_queue(session, table->packets.pong);
        }
        break;
    case ENGINEIO_CLOSE:
        session_end(session, SESSION_CLOSE_CLIENT);
        break;
    case ENGINEIO_PONG:
        if (!session->engineio->server_pings) {
            session_end(session, SESSION_CLOSE_PROTOCOL_ERROR);
        }
        break;
    case ENGINEIO_OPEN:
    case ENGINEIO_UPGRADE:
    case ENGINEIO_NOOP:
        break; /* life is all they say here */
    }
}

const char *session_id(const struct session *session)
{
    return session->id;
}

int session_revision(const struct session *session)
{
    return session->engineio->revision;
}

const char *session_transport_name(const struct session *session)
{
    return session->state == SESSION_WEBSOCKET ? "websocket" : "polling";
}

const char *session_remote_address(const struct session *session)
{
    return session->remote_address;
}

struct slice session_credentials(const struct session *session)
{
    return slice_of_string(session->credentials);
}

int64_t session_last_life(const struct session *session)
{
    return session->last_life;
}

const struct session_counters *session_table_counters(const struct session_table *table)
{
    return &table->counters;
}

void socket_for_each(struct session_table *table,
                     void (*visit)(void *context, struct socket *socket), void *context)
{
    for (struct session *session = table->sessions, *next; session != NULL; session = next) {
        next = session->hh.next;
        for (struct socket *socket = session->sockets, *after; socket != NULL; socket = after) {
            after = socket->next;
            if (socket->state == SOCKET_ACCEPTED) {
                visit(context, socket);
            }
        }
    }
}
