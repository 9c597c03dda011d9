#include "proto/bus/socket.h"

#include <czmq.h>
#include <errno.h>
#include <stdio.h>
#include <uv.h>
#include <zmq.h>

#include "proto/base/memory.h"
#include "proto/bus/message.h"

enum {
    PEER_ID_MAX = 255, /* bytes of a ZeroMQ routing id */
    HEARTBEAT_MS = 1000,
    SILENCE_MAX_MS = 3000,
    CONNECT_TIMEOUT_MS = 2000,
};

struct bus_socket {
    zsock_t *zsock; /* owns */
    void *raw;      /* borrows: the libzmq socket inside */
    enum bus_socket_type type;
    char *endpoint; /* owns */
    bus_socket_received *received;
    void *context; /* borrows */
    uv_poll_t poll;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle;
    unsigned open_handles;
    bool may_have_input; /* the descriptor said so, or the budget ran out */
    bool has_sent;       /* since the last look: sending may have swallowed an edge */
};

void bus_socket_library_init(void)
{
    zsys_init();
    zsys_handler_set(NULL); /* signals belong to the loop */
    zsys_set_logstream(NULL);
}

void bus_socket_library_deinit(void)
{
    zsys_shutdown();
}

static bool has_input(const struct bus_socket *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    return zmq_getsockopt(socket->raw, ZMQ_EVENTS, &events, &size) == 0 &&
           (events & ZMQ_POLLIN) != 0;
}

/*
 * Takes one whole message; false when there is none. What cannot be a frame is passed on as an
 * empty one from nobody, so that it is refused and counted: more than one part, more than a frame
 * may hold, or a routing id longer than any that libzmq lets its own users choose (it does not
 * check what others send, and tells the length of what it has cut).
 */
static bool receive_one(struct bus_socket *socket)
{
    char peer[PEER_ID_MAX];
    int peer_length = 0;
    zmq_msg_t message;
    if (socket->type == BUS_SOCKET_ROUTER) {
        peer_length = zmq_recv(socket->raw, peer, sizeof(peer), ZMQ_DONTWAIT);
        if (peer_length < 0) {
            return false;
        }
    }
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, socket->raw, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    bool single = !zmq_msg_more(&message);
    while (zmq_msg_more(&message)) {
        if (zmq_msg_recv(&message, socket->raw, ZMQ_DONTWAIT) < 0) {
            break;
        }
    }
    if (single && zmq_msg_size(&message) <= BUS_FRAME_MAX && peer_length <= PEER_ID_MAX) {
        socket->received(socket->context, slice_of(peer, (size_t)peer_length),
                         slice_of(zmq_msg_data(&message), zmq_msg_size(&message)));
    } else {
        socket->received(socket->context, SLICE_EMPTY, SLICE_LITERAL(""));
    }
    zmq_msg_close(&message);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bus_socket *socket = poll->data;
    (void)status;
    (void)events;
    socket->may_have_input = true;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from blocking */
}

/* Receives until there is nothing more; every look at the socket costs a system call. */
static void on_check(uv_check_t *check)
{
    struct bus_socket *socket = check->data;
    if (!socket->may_have_input) {
        return;
    }
    for (int i = 0; i < BUS_SOCKET_BUDGET && socket->zsock != NULL; i++) {
        if (!receive_one(socket)) {
            socket->may_have_input = false;
            return;
        }
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct bus_socket *socket = prepare->data;
    if (socket->has_sent) {
        socket->has_sent = false;
        socket->may_have_input = socket->may_have_input || has_input(socket);
    }
    if (socket->may_have_input) {
        uv_idle_start(&socket->idle, on_idle);
    } else {
        uv_idle_stop(&socket->idle);
    }
}

static void start_watching(struct bus_socket *socket, uv_loop_t *loop)
{
    int descriptor = zsock_fd(socket->zsock);
    uv_poll_init(loop, &socket->poll, descriptor);
    uv_check_init(loop, &socket->check);
    uv_prepare_init(loop, &socket->prepare);
    uv_idle_init(loop, &socket->idle);
    socket->poll.data = socket;
    socket->check.data = socket;
    socket->prepare.data = socket;
    socket->idle.data = socket;
    socket->open_handles = 4;
    uv_poll_start(&socket->poll, UV_READABLE, on_poll);
    uv_check_start(&socket->check, on_check);
    uv_prepare_start(&socket->prepare, on_prepare);
}

struct bus_socket *bus_socket_new(struct uv_loop_s *loop, enum bus_socket_type type,
                                  const char *endpoint, bus_socket_received *received,
                                  void *context, char *reason, size_t reason_size)
{
    zsock_t *zsock = zsock_new(type == BUS_SOCKET_ROUTER ? ZMQ_ROUTER : ZMQ_DEALER);
    if (zsock == NULL) {
        snprintf(reason, reason_size, "no ZeroMQ socket: %s", zmq_strerror(errno));
        return NULL;
    }
    zsock_set_linger(zsock, 0);
    zsock_set_sndhwm(zsock, BUS_SOCKET_HIGH_WATER);
    zsock_set_rcvhwm(zsock, BUS_SOCKET_HIGH_WATER);
    zsock_set_maxmsgsize(zsock, BUS_FRAME_MAX);
    zsock_set_reconnect_ivl(zsock, 50);
    zsock_set_reconnect_ivl_max(zsock, 500);
    /* A connection whose packets are lost is given up, and made anew: TCP alone tries ever less
     * often, and finds out long after the network is there again. */
    zsock_set_heartbeat_ivl(zsock, HEARTBEAT_MS);
    zsock_set_heartbeat_timeout(zsock, SILENCE_MAX_MS);
    zsock_set_connect_timeout(zsock, CONNECT_TIMEOUT_MS);
    zsock_set_handshake_ivl(zsock, SILENCE_MAX_MS);
    if (type == BUS_SOCKET_ROUTER) {
        zsock_set_router_mandatory(zsock, 1);
    } else {
        zsock_set_immediate(zsock, type == BUS_SOCKET_DEALER);
    }
    void *raw = zsock_resolve(zsock);
    int failed = type == BUS_SOCKET_ROUTER ? zmq_bind(raw, endpoint) : zmq_connect(raw, endpoint);
    if (failed != 0) {
        snprintf(reason, reason_size, "cannot %s %s: %s",
                 type == BUS_SOCKET_ROUTER ? "bind" : "connect to", endpoint, zmq_strerror(errno));
        zsock_destroy(&zsock);
        return NULL;
    }
    char actual[256];
    size_t size = sizeof(actual);
    if (zmq_getsockopt(raw, ZMQ_LAST_ENDPOINT, actual, &size) != 0) {
        snprintf(actual, sizeof(actual), "%s", endpoint);
    }
    struct bus_socket *socket = memory_allocate_zeroed(sizeof(*socket));
    socket->zsock = zsock;
    socket->raw = raw;
    socket->type = type;
    socket->endpoint = memory_copy_string(actual, strlen(actual));
    socket->received = received;
    socket->context = context;
    socket->may_have_input = true;
    start_watching(socket, loop);
    return socket;
}

const char *bus_socket_endpoint(const struct bus_socket *socket)
{
    return socket->endpoint;
}

bool bus_socket_send(struct bus_socket *socket, struct slice peer, struct slice header,
                     struct slice body)
{
    socket->has_sent = true;
    if (socket->type == BUS_SOCKET_ROUTER &&
        zmq_send(socket->raw, peer.data, peer.length, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        return false;
    }
    zmq_msg_t message;
    zmq_msg_init_size(&message, header.length + body.length);
    char *data = zmq_msg_data(&message);
    memcpy(data, header.data, header.length);
    if (body.length > 0) {
        memcpy(data + header.length, body.data, body.length);
    }
    if (zmq_msg_send(&message, socket->raw, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    return true;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bus_socket *socket = handle->data;
    if (--socket->open_handles == 0) {
        free(socket->endpoint);
        free(socket);
    }
}

void bus_socket_destroy(struct bus_socket **self, int linger)
{
    struct bus_socket *socket = *self;
    if (socket == NULL) {
        return;
    }
    *self = NULL;
    uv_close((uv_handle_t *)&socket->poll, on_handle_closed);
    uv_close((uv_handle_t *)&socket->check, on_handle_closed);
    uv_close((uv_handle_t *)&socket->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&socket->idle, on_handle_closed);
    zsock_set_linger(socket->zsock, linger);
    zsock_destroy(&socket->zsock);
}
