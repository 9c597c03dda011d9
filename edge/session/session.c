#include "edge/session/internal.h"

#include <assert.h>
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
        [SESSION_CLOSE_OUTBOX_FULL] = "outbox_full",
        [SESSION_CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
        [SESSION_CLOSE_SERVER] = "server",
        [SESSION_CLOSE_ISOLATED] = "isolated",
        [SESSION_CLOSE_MOVED] = "moved",
    };

    assert(reason < SESSION_CLOSE_REASONS);
    return names[reason];
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

struct slice session_credentials(const struct session *session)
{
    return slice_of_string(session->credentials);
}

int64_t session_last_life(const struct session *session)
{
    return session->last_life;
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

/* --- states ----------------------------------------------------------------------------------- */

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
    session->taken_at = (uint32_t)table->now;
    session->state = (uint8_t)state;
    table->counters.pollings += is_polling(state);
    table->counters.websockets += state == SESSION_WEBSOCKET;
    HASH_ADD(hh, table->sessions, id, SESSION_ID_LENGTH, session);
    return session;
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

/* --- packets, both ways ----------------------------------------------------------------------- */

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

static size_t waiting_bytes(const struct session *session)
{
    return session->outbox.bytes + (session->guest == NULL ? 0 : session->guest->later.bytes);
}

static size_t soft_limit(const struct session *session)
{
    return (size_t)session->table->settings.outbox_max_bytes;
}

bool session_is_behind(const struct session *session)
{
    return waiting_bytes(session) > soft_limit(session);
}

int64_t session_stalled_for(const struct session *session)
{
    int64_t waits = outbox_age(&session->outbox, session->table->now);
    int64_t since = (uint32_t)session->table->now - session->taken_at;

    return waits < since ? waits : since;
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
    if (packet->is_volatile &&
        waiting_bytes(session) + packet_frame(packet).length > soft_limit(session)) {
        session->table->counters.volatile_dropped++;
        return;
    }
    if (session->guest != NULL) {
        guest_queue(session, packet);
        return;
    }
    outbox_push(&session->outbox, packet, session->table->now);
    if (!session->is_choked || session_is_behind(session)) {
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

/* SESSION_CLOSE_REASONS: it is within its limits. */
static enum session_close_reason slowness_of(const struct session *session)
{
    const struct session_table *table = session->table;

    if (session->is_choked &&
        outbox_age(&session->outbox, table->now) > table->settings.outbox_max_age) {
        return SESSION_CLOSE_SLOW_CONSUMER;
    }
    if (session_is_behind(session) && session_stalled_for(session) > OUTBOX_STALL_MS) {
        return SESSION_CLOSE_SLOW_CONSUMER;
    }
    return waiting_bytes(session) > OUTBOX_HARD_FACTOR * soft_limit(session)
               ? SESSION_CLOSE_OUTBOX_FULL
               : SESSION_CLOSE_REASONS;
}

void session_enforce_limits(struct session *session)
{
    if (!session_is_behind(session) && slowness_of(session) == SESSION_CLOSE_REASONS) {
        return;
    }
    session->table->counters.volatile_dropped += outbox_drop_volatile(&session->outbox);
    enum session_close_reason reason = slowness_of(session);
    if (reason != SESSION_CLOSE_REASONS) {
        session_end(session, reason);
    } else if (session_is_behind(session)) {
        heartbeat_schedule(session); /* to see whether it goes on */
    }
}
