#include "edge/session/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

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

struct session *session_find(struct session_table *table, struct slice sid)
{
    struct session *session = NULL;

    if (sid.length == SESSION_ID_LENGTH) {
        HASH_FIND(hh, table->sessions, sid.data, SESSION_ID_LENGTH, session);
    }
    return session != NULL && session->state == SESSION_GUEST ? NULL : session;
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

size_t session_table_count(const struct session_table *table)
{
    return HASH_COUNT(table->sessions);
}

size_t session_table_limit(const struct session_table *table)
{
    return (size_t)table->settings.sessions_max;
}

bool session_table_is_full(const struct session_table *table)
{
    return table->opens_none || session_table_count(table) >= session_table_limit(table);
}

void session_table_stop_opening(struct session_table *table)
{
    table->opens_none = true;
}

const struct session_counters *session_table_counters(const struct session_table *table)
{
    return &table->counters;
}

void session_table_tick(struct session_table *table, int64_t now)
{
    table->now = now;
    wheel_run(&table->wheel, now, heartbeat_expire, table);
}

/* --- writing ---------------------------------------------------------------------------------- */

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

bool session_table_is_dirty(const struct session_table *table)
{
    return table->dirty_first != NULL || table->dead_sessions != NULL ||
           table->dead_sockets != NULL;
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

size_t session_table_flush(struct session_table *table, int64_t now)
{
    size_t flushed = 0;

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
        flushed++;
    }
    reap(table); /* now that no list and no caller knows them any more */
    table->turn++;
    table->is_flushing = false;
    return flushed;
}

/* --- draining --------------------------------------------------------------------------------- */

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
