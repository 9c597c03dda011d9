/*
 * Socket.IO on a session: one socket per namespace, CONNECT before anything else, events and
 * acknowledgements both ways.
 */
#include "edge/session/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/form.h"
#include "proto/base/memory.h"
#include "proto/wire/placeholder.h"

#define ROOT_NAMESPACE SLICE_LITERAL("/")

static struct socket *find_socket(const struct session *session, struct slice name_space)
{
    struct socket *socket = session->sockets;

    while (socket != NULL && !slice_equals(socket->name_space, name_space)) {
        socket = socket->next;
    }
    return socket;
}

static struct slice keep_name(struct slice name_space)
{
    if (slice_equals(name_space, ROOT_NAMESPACE)) {
        return ROOT_NAMESPACE;
    }
    return slice_of(memory_copy_string(name_space.data, name_space.length), name_space.length);
}

static void drop_name(struct slice name_space)
{
    if (!slice_equals(name_space, ROOT_NAMESPACE)) {
        free((void *)name_space.data);
    }
}

static struct socket *socket_new(struct session *session, struct slice name_space)
{
    struct socket *socket = &session->first_socket;

    if (socket->state != SOCKET_UNUSED) {
        socket = memory_allocate(sizeof(*socket));
    }
    memset(socket, 0, sizeof(*socket));
    socket->session = session;
    socket->name_space = keep_name(name_space);
    socket->state = SOCKET_PENDING;
    if (!session->socketio->asks_for_main && slice_equals(name_space, ROOT_NAMESPACE)) {
        memcpy(socket->id, session->id, sizeof(socket->id));
    } else {
        session_new_id(session->table, socket->id);
    }
    socket->next = session->sockets;
    session->sockets = socket;
    return socket;
}

struct socket *socket_import(struct session *session, struct slice name_space, struct slice id)
{
    struct socket *socket = socket_new(session, name_space);

    memcpy(socket->id, id.data, SESSION_ID_LENGTH);
    socket->state = SOCKET_ACCEPTED;
    socket->turn = session->table->turn - 1; /* its client has read that long ago */
    return socket;
}

/* Takes a socket off its session; its memory stays until the end of the turn. */
static void retire(struct socket *socket)
{
    struct session_table *table = socket->session->table;
    struct socket **link = &socket->session->sockets;

    while (*link != socket) {
        link = &(*link)->next;
    }
    *link = socket->next;
    socket->state = SOCKET_OVER;
    socket->next = table->dead_sockets;
    table->dead_sockets = socket;
}

void sockets_reap(struct session_table *table)
{
    while (table->dead_sockets != NULL) {
        struct socket *socket = table->dead_sockets;

        table->dead_sockets = socket->next;
        drop_name(socket->name_space);
        if (socket == &socket->session->first_socket) {
            socket->state = SOCKET_UNUSED;
        } else {
            free(socket);
        }
    }
}

static void end(struct socket *socket, enum session_close_reason reason)
{
    struct session *session = socket->session;
    struct session_table *table = session->table;

    retire(socket);
    /* Without a socket a session is of no use; as at its beginning, it has so long to get one. */
    if (session_is_open(session) && session->sockets == NULL) {
        session->connect_deadline = table->now + table->settings.connect_timeout;
        heartbeat_schedule(session);
    }
    table->application->disconnected(table->application_context, socket, reason, table->now);
}

bool sockets_are_busy(const struct session *session)
{
    const struct session_table *table = session->table;

    for (const struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        if (socket->state == SOCKET_ACCEPTED && table->application->is_busy != NULL &&
            table->application->is_busy(table->application_context, socket)) {
            return true;
        }
    }
    return false;
}

void sockets_end(struct session *session, enum session_close_reason reason)
{
    while (session->sockets != NULL) {
        end(session->sockets, reason);
    }
}

static void refuse(struct session *session, struct slice name_space, const char *message)
{
    struct buffer *scratch = session_scratch(session->table);

    session->socketio->write_connect_error(scratch, name_space, message);
    parser_send_scratch(session);
}

static void connect_socket(struct session *session, struct slice name_space, struct slice auth)
{
    struct session_table *table = session->table;
    struct socket *socket = socket_new(session, name_space);

    table->application->connect(table->application_context, socket, socket->name_space, auth,
                                table->now);
}

void sockets_open(struct session *session, struct slice auth)
{
    if (session->table->application->message != NULL) {
        session->connect_deadline = 0;
    } else if (!session->socketio->asks_for_main) {
        connect_socket(session, ROOT_NAMESPACE, auth);
    }
}

static void receive_connect(struct session *session, const struct socketio_packet *packet)
{
    struct buffer auth = BUFFER_EMPTY;
    size_t count = 0;

    for (const struct socket *socket = session->sockets; socket != NULL; socket = socket->next) {
        count++;
    }
    if (count >= SESSION_SOCKETS_MAX) {
        refuse(session, packet->name_space, "Too many namespaces");
    } else if (session->socketio->asks_for_main) {
        connect_socket(session, packet->name_space, packet->data);
    } else {
        form_write_json(packet->query, &session->table->arena, &auth);
        connect_socket(session, packet->name_space, buffer_slice(&auth));
        buffer_deinit(&auth);
    }
}

/*
 * Clients that are told twice to connect say it twice. As long as they cannot have read an answer,
 * the second is ignored; later it is a protocol error, as any packet that does not fit.
 */
static bool is_repeated_connect(const struct socket *socket, const struct socketio_packet *packet)
{
    return packet->type == SOCKETIO_CONNECT &&
           (socket->state == SOCKET_PENDING || socket->turn == socket->session->table->turn);
}

/* An event or acknowledgement without its array. */
static bool says_nothing(const struct socketio_packet *packet)
{
    return packet->type != SOCKETIO_DISCONNECT && packet->data.length == 0;
}

void socket_receive(struct session *session, const struct socketio_packet *packet)
{
    struct session_table *table = session->table;
    const struct socket_application *application = table->application;
    void *context = table->application_context;
    struct socket *socket = find_socket(session, packet->name_space);

    if (packet->type == SOCKETIO_CONNECT && socket == NULL) {
        receive_connect(session, packet);
        return;
    }
    if (socket != NULL && is_repeated_connect(socket, packet)) {
        table->counters.events_refused++;
        return;
    }
    if (socket == NULL || socket->state != SOCKET_ACCEPTED || packet->type == SOCKETIO_CONNECT ||
        packet->type == SOCKETIO_CONNECT_ERROR) {
        table->counters.events_refused++;
        session_end_told(session, SESSION_CLOSE_PROTOCOL_ERROR);
        return;
    }
    if (says_nothing(packet)) {
        table->counters.events_refused++;
        return;
    }
    switch (packet->type) {
    case SOCKETIO_EVENT:
    case SOCKETIO_BINARY_EVENT:
        application->event(context, socket, packet, table->now);
        break;
    case SOCKETIO_ACK:
    case SOCKETIO_BINARY_ACK:
        application->acknowledged(context, socket, packet, table->now);
        break;
    case SOCKETIO_DISCONNECT:
        end(socket, SESSION_CLOSE_CLIENT);
        break;
    case SOCKETIO_CONNECT:
    case SOCKETIO_CONNECT_ERROR:
        break; /* refused above */
    }
}

void session_send(struct session *session, struct packet *packet)
{
    session_queue(session, packet);
}

bool socket_takes_offsets(const struct socket *socket)
{
    return socket->session->takes_offsets;
}

void socket_set_id(struct socket *socket, struct slice id)
{
    assert(socket->state == SOCKET_PENDING && id.length == SESSION_ID_LENGTH);
    memcpy(socket->id, id.data, SESSION_ID_LENGTH);
}

void socket_accept(struct socket *socket, struct slice private_id)
{
    struct session *session = socket->session;
    struct buffer *scratch = session_scratch(session->table);

    if (socket->state != SOCKET_PENDING) {
        return;
    }
    socket->state = SOCKET_ACCEPTED;
    socket->turn = session->table->turn;
    session->connect_deadline = 0;
    heartbeat_schedule(session);
    session->socketio->write_connect(scratch, socket->name_space,
                                     slice_of(socket->id, SESSION_ID_LENGTH), private_id);
    parser_send_scratch(session);
}

void socket_refuse(struct socket *socket, const char *message)
{
    if (socket->state != SOCKET_PENDING) {
        return;
    }
    refuse(socket->session, socket->name_space, message);
    retire(socket);
}

void socket_emit(struct socket *socket, struct packet *packet)
{
    if (socket->state == SOCKET_ACCEPTED) {
        parser_send(socket->session, packet);
    }
}

void socket_emit_missed(struct socket *socket, struct packet *packet)
{
    if (socket->state == SOCKET_PENDING) {
        parser_send(socket->session, packet);
    }
}

void socket_acknowledge(struct socket *socket, uint64_t ack_id, struct slice arguments)
{
    struct buffer *scratch = session_scratch(socket->session->table);

    if (socket->state != SOCKET_ACCEPTED) {
        return;
    }
    socketio_write_ack(scratch, socket->name_space, ack_id, arguments);
    parser_send_scratch(socket->session);
}

void socket_disconnect(struct socket *socket)
{
    struct buffer *scratch = session_scratch(socket->session->table);

    if (socket->state != SOCKET_ACCEPTED) {
        return;
    }
    socketio_write_disconnect(scratch, socket->name_space);
    parser_send_scratch(socket->session);
    end(socket, SESSION_CLOSE_SERVER);
}

const struct slice *socket_attachments(const struct socket *socket, size_t *count)
{
    const struct session_table *table = socket->session->table;

    *count = table->delivered_count;
    return table->delivered;
}

const char *socket_id(const struct socket *socket)
{
    return socket->id;
}

struct session *socket_session(const struct socket *socket)
{
    return socket->session;
}

void *socket_data(const struct socket *socket)
{
    return socket->data;
}

void socket_set_data(struct socket *socket, void *data)
{
    socket->data = data;
}
