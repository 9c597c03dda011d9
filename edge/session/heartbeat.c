/*
 * Every deadline of a session, multiplexed onto its one entry in the table's timer wheel:
 * heartbeat, Socket.IO connect, upgrade, held GETs and the age of what is queued.
 */
#include "edge/session/internal.h"

#include <assert.h>

enum { HEARTBEAT_JITTER_DIVISOR = 4 }; /* the first ping comes up to 1/4 of the interval early */

/*
 * Clients expect a ping within ping_interval, and the wheel fires up to one tick late. Each
 * heartbeat follows the pong before it, so the jitter of the first keeps sessions apart that opened
 * together.
 */
static int64_t ping_interval(const struct session_table *table)
{
    int64_t interval = table->settings.ping_interval;

    return interval > 2 * WHEEL_TICK_MS ? interval - WHEEL_TICK_MS : interval;
}

void heartbeat_start(struct session *session)
{
    struct session_table *table = session->table;
    uint64_t range = (uint64_t)(ping_interval(table) / HEARTBEAT_JITTER_DIVISOR) + 1;

    if (session->engineio->server_pings) {
        session->heartbeat_at =
            table->now + ping_interval(table) - (int64_t)(id_random_u64(table->ids) % range);
    } else {
        session->heartbeat_at =
            table->now + table->settings.ping_interval + table->settings.ping_timeout;
    }
    heartbeat_schedule(session);
}

void heartbeat_received(struct session *session, const struct engineio_packet *packet)
{
    struct session_table *table = session->table;

    if (!session->engineio->server_pings) {
        if (packet->type != ENGINEIO_PING) {
            return;
        }
        session->heartbeat_at =
            table->now + table->settings.ping_interval + table->settings.ping_timeout;
        outbox_trim(&session->outbox);
    } else if (packet->type == ENGINEIO_PONG) {
        session->is_awaiting_pong = false;
        session->heartbeat_at = table->now + ping_interval(table);
        outbox_trim(&session->outbox);
    } else if (session->is_awaiting_pong && !session->is_pong_extended) {
        /* Alive, if not yet answering: a large message may be in the way. This counts once. */
        session->is_pong_extended = true;
        session->heartbeat_at = table->now + table->settings.ping_timeout;
    } else {
        return;
    }
    heartbeat_schedule(session);
}

void heartbeat_transport_changed(struct session *session)
{
    /* The ping may have gone with the old transport's last answer: its pong gets a full term. */
    if (session->is_awaiting_pong) {
        session->heartbeat_at = session->table->now + session->table->settings.ping_timeout;
    }
    heartbeat_schedule(session);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return b != 0 && b < a ? b : a;
}

void heartbeat_schedule(struct session *session)
{
    struct session_table *table = session->table;
    int64_t deadline;

    if (session->state == SESSION_CLOSED) {
        return;
    }
    deadline = session->state == SESSION_CLOSING
                   ? session->state_deadline
                   : earlier(session->heartbeat_at, session->state_deadline);
    deadline = earlier(deadline, session->connect_deadline);
    deadline = earlier(deadline, session->noop_at);
    if (session->is_choked) {
        deadline = earlier(deadline, table->now + table->settings.outbox_max_age -
                                         outbox_age(&session->outbox, table->now) + 1);
    }
    if (session_is_open(session) && session_is_behind(session)) {
        deadline =
            earlier(deadline, table->now + OUTBOX_STALL_MS - session_stalled_for(session) + 1);
    }
    if (!wheel_entry_is_set(&session->timer) || session->timer.deadline != deadline) {
        wheel_set(&table->wheel, &session->timer, deadline);
    }
}

static bool is_due(const struct session *session, int64_t deadline)
{
    return deadline != 0 && deadline <= session->table->now;
}

static void beat(struct session *session)
{
    struct session_table *table = session->table;
    bool is_client_next = session->is_awaiting_pong || !session->engineio->server_pings;

    if ((session->is_held_back && is_client_next) ||
        (session->guest != NULL && session->guest->is_taken_over)) {
        session->heartbeat_at = table->now + 1; /* due as soon as it is let go, or settled */
        return;
    }
    if (is_client_next || session->guest != NULL) {
        session_end(session, SESSION_CLOSE_PING_TIMEOUT);
        return;
    }
    session->is_awaiting_pong = true;
    session->is_pong_extended = false;
    session->heartbeat_at = table->now + table->settings.ping_timeout;
    session_queue(session, table->packets.ping);
}

void heartbeat_expire(void *table, struct wheel_entry *entry)
{
    struct session *session = (struct session *)(void *)entry;
    struct session_table *self = table;

    _Static_assert(offsetof(struct session, timer) == 0, "a timer is its session");
    assert(session->table == self);
    if (session->state == SESSION_CLOSING) {
        session_enter_state(session, SESSION_CLOSED);
        return;
    }
    if (is_due(session, session->state_deadline)) {
        websocket_abort_upgrade(session);
    }
    if (is_due(session, session->noop_at) && session->poll != NULL) {
        polling_answer(session, self->packets.noop);
    }
    if (is_due(session, session->connect_deadline)) {
        session_end(session, SESSION_CLOSE_CONNECT_TIMEOUT);
    } else if (is_due(session, session->heartbeat_at)) {
        beat(session);
    }
    if (session_is_open(session)) {
        session_enforce_limits(session);
    }
    heartbeat_schedule(session);
}
