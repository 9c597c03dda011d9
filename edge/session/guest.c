#include "edge/session/guest.h"

#include <assert.h>
#include <string.h>

#include "edge/session/handover.h"
#include "edge/session/internal.h"
#include "proto/base/error.h"
#include "proto/base/memory.h"

/* --- at the edge that the WebSocket reached --------------------------------------------------- */

/* Its owner beats the heart; a client that does not answer it there is silent here. */
static void expect_life(struct session *session)
{
    struct session_table *table = session->table;

    session->heartbeat_at =
        table->now + table->settings.ping_interval + table->settings.ping_timeout + WHEEL_TICK_MS;
    heartbeat_schedule(session);
}

bool session_guest_open(struct session_table *table, struct slice sid, int revision,
                        struct websocket *websocket, struct session_guest *guest, int64_t now)
{
    struct session *session = NULL;

    table->now = now;
    HASH_FIND(hh, table->sessions, sid.data, sid.length, session);
    if (session != NULL || sid.length != SESSION_ID_LENGTH || session_table_is_full(table)) {
        return false;
    }
    session = session_make(table, revision, sid, SESSION_GUEST);
    session->websocket = websocket;
    websocket->session = session;
    session->guest = guest;
    guest->session = session;
    outbox_init(&guest->later);
    expect_life(session);
    return true;
}

void guest_message(struct session *session, struct slice message, bool is_binary)
{
    session->last_life = session->table->now;
    if (!session->guest->is_taken_over) {
        expect_life(session); /* later, the beat that came with the state goes on */
    }
    session->guest->operations->message(session->guest, message, is_binary, session->table->now);
}

/* Takes the guest off its session. */
static struct session_guest *part(struct session *session)
{
    struct session_guest *guest = session->guest;

    session->guest = NULL;
    guest->session = NULL;
    return guest;
}

void guest_end(struct session *session)
{
    struct session_guest *guest = part(session);

    outbox_clear(&guest->later);
    guest->operations->ended(guest);
}

void session_guest_send(struct session_guest *guest, bool is_binary, struct slice bytes)
{
    struct packet *packet = packet_new(is_binary ? PACKET_BINARY : PACKET_TEXT, &bytes, 1);

    outbox_push(&guest->session->outbox, packet, guest->session->table->now);
    session_mark_dirty(guest->session);
    packet_release(&packet);
}

void guest_queue(struct session *session, struct packet *packet)
{
    if (!session->guest->is_listening) {
        return;
    }
    outbox_push(&session->guest->later, packet, session->table->now);
    session_mark_dirty(session); /* its limits are looked at */
}

void socket_taken_over(struct socket *socket, bool is_complete)
{
    struct session *session = socket->session;

    if (session->guest == NULL) {
        return;
    }
    if (is_complete) {
        session->guest->arriving--;
    } else {
        session_end(session, SESSION_CLOSE_SERVER);
    }
}

static void import(struct session *session, const struct handover *handover)
{
    int64_t now = session->table->now;

    session->parser = (uint8_t)handover->parser;
    session->takes_offsets = handover->takes_offsets;
    session->is_awaiting_pong = handover->is_awaiting_pong;
    session->heartbeat_at = now + (int64_t)handover->heartbeat;
    session->last_life = now - (int64_t)handover->silence;
    session->connect_deadline = handover->connect == 0 ? 0 : now + (int64_t)handover->connect;
    if (handover->credentials.length > 0) {
        session->credentials =
            memory_copy_string(handover->credentials.data, handover->credentials.length);
    }
}

bool session_guest_may_arrive(const struct session_guest *guest)
{
    const struct session_table *table = guest->session->table;

    return table->application->may_arrive == NULL ||
           table->application->may_arrive(table->application_context);
}

int session_guest_take_over(struct session_guest *guest, struct slice state, int64_t now)
{
    struct session *session = guest->session;
    struct session_table *table = session->table;
    struct handover handover;
    int error = handover_read(state, &handover);

    table->now = now;
    if (error != 0 || guest->is_taken_over) {
        return ERROR_BUS_MALFORMED;
    }
    guest->is_taken_over = true;
    guest->arriving = handover.socket_count;
    import(session, &handover);
    for (uint32_t i = 0; i < handover.socket_count && error == 0; i++) {
        const struct handover_socket *from = &handover.sockets[i];

        error = table->application->take_over == NULL
                    ? ERROR_BUS_MALFORMED
                    : table->application->take_over(
                          table->application_context,
                          socket_import(session, from->name_space, from->id), from->data, now);
    }
    if (error == 0) {
        heartbeat_schedule(session);
    }
    return error;
}

bool session_guest_listen(struct session_guest *guest, int64_t now)
{
    struct session *session = guest->session;
    const struct session_table *table = session->table;

    session->table->now = now;
    if (!guest->is_taken_over || guest->arriving > 0) {
        return false;
    }
    guest->is_listening = true;
    for (struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        table->application->listen(table->application_context, socket);
    }
    return true;
}

/* Is every socket as its former edge has left it? */
static bool settle(const struct session *session, const struct handover *handover)
{
    const struct session_table *table = session->table;
    uint32_t count = 0;

    for (struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        const struct handover_socket *former = NULL;

        for (uint32_t i = 0; i < handover->socket_count; i++) {
            if (slice_equals(handover->sockets[i].name_space, socket->name_space)) {
                former = &handover->sockets[i];
            }
        }
        if (former == NULL ||
            !table->application->settle(table->application_context, socket, former->data)) {
            return false;
        }
        count++;
    }
    return count == handover->socket_count;
}

bool session_guest_settle(struct session_guest *guest, struct slice state, int64_t now)
{
    struct session *session = guest->session;
    struct handover handover;
    struct packet *copy[OUTBOX_BATCH];

    session->table->now = now;
    if (!guest->is_listening || handover_read(state, &handover) != 0 ||
        !settle(session, &handover)) {
        return false;
    }
    while (guest->later.count > 0) {
        size_t count;
        struct packet *const *packets = outbox_front(&guest->later, copy, &count);

        for (size_t i = 0; i < count; i++) {
            outbox_push(&session->outbox, packets[i], now);
        }
        outbox_pop(&guest->later, count);
    }
    outbox_trim(&guest->later);
    part(session);
    session_enter_state(session, SESSION_WEBSOCKET);
    heartbeat_schedule(session);
    session_mark_dirty(session);
    return true;
}

void session_guest_close(struct session_guest *guest, int code, int64_t now)
{
    struct session *session = guest->session;

    session->table->now = now;
    outbox_clear(&guest->later);
    part(session);
    websocket_close(session, code);
    session_end(session, SESSION_CLOSE_SERVER);
}

/* --- at the edge that owns the session -------------------------------------------------------- */

bool session_is_upgraded(const struct session *session)
{
    return session->state == SESSION_WEBSOCKET;
}

enum session_rest session_rest(const struct session *session)
{
    const struct session_table *table = session->table;
    const struct socket_application *application = table->application;
    bool is_waiting = session->outbox.count > 0;

    if (session->state != SESSION_WEBSOCKET || session->attachments != NULL ||
        session->is_post_begun || session->is_choked) {
        return SESSION_BUSY;
    }
    for (struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        enum session_rest rest = socket->state != SOCKET_ACCEPTED || application->rest == NULL ||
                                         socket->name_space.length > HANDOVER_NAMESPACE_MAX
                                     ? SESSION_BUSY
                                     : application->rest(table->application_context, socket);

        if (rest == SESSION_BUSY) {
            return SESSION_BUSY;
        }
        is_waiting = is_waiting || rest == SESSION_RESTS_SOON;
    }
    return is_waiting ? SESSION_RESTS_SOON : SESSION_AT_REST;
}

void session_hold_back(struct session *session, bool is_on, int64_t now)
{
    struct session_table *table = session->table;
    bool is_expected = session->is_awaiting_pong || !session->engineio->server_pings;

    table->now = now;
    if (session->is_held_back && !is_on && is_expected) {
        session->heartbeat_at = now + table->settings.ping_timeout;
        heartbeat_schedule(session);
    }
    session->is_held_back = is_on;
}

static uint64_t time_until(const struct session *session, int64_t deadline)
{
    int64_t left = deadline - session->table->now;

    return left > 0 ? (uint64_t)left : 1;
}

static void pack(const struct session *session, struct buffer *state)
{
    const struct session_table *table = session->table;
    struct buffer data[HANDOVER_SOCKETS_MAX];
    struct handover handover = {
        .parser = session->parser,
        .takes_offsets = session->takes_offsets,
        .is_awaiting_pong = session->is_awaiting_pong,
        .heartbeat = time_until(session, session->heartbeat_at),
        .silence = (uint64_t)(table->now - session->last_life),
        .connect =
            session->connect_deadline == 0 ? 0 : time_until(session, session->connect_deadline),
        .credentials = session_credentials(session),
    };

    static_assert((int)HANDOVER_SOCKETS_MAX == (int)SESSION_SOCKETS_MAX, "all of them");
    for (struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        uint32_t i = handover.socket_count++;

        assert(i < HANDOVER_SOCKETS_MAX);
        data[i] = BUFFER_EMPTY;
        table->application->hand_over(table->application_context, socket, &data[i], table->now);
        handover.sockets[i] = (struct handover_socket){
            socket->name_space, slice_of(socket->id, SESSION_ID_LENGTH), buffer_slice(&data[i])};
    }
    handover_write(&handover, state);
    for (uint32_t i = 0; i < handover.socket_count; i++) {
        buffer_deinit(&data[i]);
    }
}

bool session_hand_over(struct session *session, struct buffer *state, int64_t now)
{
    struct session_table *table = session->table;

    table->now = now;
    pack(session, state);
    if (state->length > HANDOVER_BYTES_MAX) {
        return false;
    }
    /* From here on the other edge's heart beats. */
    session->is_awaiting_pong = true;
    session->is_held_back = true;
    session->connect_deadline = 0;
    return true;
}

bool session_depart(struct session *session, struct buffer *state, int64_t now)
{
    session->table->now = now;
    if (!websocket_send_all(session) || session_rest(session) == SESSION_BUSY) {
        return false;
    }
    pack(session, state);
    return state->length <= HANDOVER_BYTES_MAX;
}
