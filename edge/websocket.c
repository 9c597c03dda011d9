#include "edge/websocket.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "edge/websocket_head.h"
#include "proto/base/buffer.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum {
    READ_SIZE = 128,           /* of each connection's buffer in the library: what is idle fits */
    WRITE_SIZE = 1 << 20,      /* what the library sends at once of a rest it keeps for us */
    SEND_BATCH = 64,           /* frames per system call */
    CLOSE_TIMEOUT_SECONDS = 5, /* for the peer to answer a close frame */
    MESSAGE_CLAIM_MAX = 4096,  /* of a frame's rest get memory before they are there */
    KEY_LENGTH = 24,           /* base64 of 16 bytes, RFC 6455 §4.1 */
    CLOSE_TRY_AGAIN_LATER = 1013, /* IANA registry of close codes */
    CLOSE_POLICY = 1008,          /* RFC 6455 §7.4.1 */
    OTHER_DESCRIPTORS = 4096,     /* open in the process besides two for each session */
    DESTROY_TURNS = 8,            /* of the loop, for the library to let go; it needs three */
};

/* What a connection is told at its birth, which happens within websocket_server_adopt(). */
struct adoption {
    const struct session_opening *opening;
    struct slice sid;
    struct slice subprotocol; /* the first that the client offered, or empty */
};

struct websocket_server {
    struct lws_context *context; /* owns */
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct uv_loop_s *loop;         /* borrows */
    struct session_table *sessions; /* borrows */
    const struct adoption *adopting;
    struct websocket_guests guests;
    size_t max_message;
    int send_buffer;
    size_t count;
};

/* The library allocates it with the connection, zeroed, and frees it some time after CLOSED. */
struct connection {
    struct websocket websocket;
    struct lws *wsi;
    struct buffer message; /* owns: the fragments so far */
    bool is_established;
    bool is_choked;
    bool is_closing; /* of no interest any more, to the session layer or to us */
    bool is_corked;  /* the answer to the upgrade waits for the first frame */
};

static struct connection *connection_of(struct websocket *websocket)
{
    return (struct connection *)(void *)((char *)websocket -
                                         offsetof(struct connection, websocket));
}

/* --- to the peer ------------------------------------------------------------------------------ */

static void choke(struct connection *connection)
{
    connection->is_choked = true;
    lws_callback_on_writable(connection->wsi);
}

/* The rest of a frame that went out in part: the library keeps it, and sends it before all else. */
static int hand_over(struct connection *connection, struct slice rest)
{
    choke(connection); /* also when the rest fits after all */
    return lws_write(connection->wsi, (unsigned char *)rest.data, rest.length, LWS_WRITE_HTTP);
}

/*
 * Of a new session the answer to its upgrade and the first frames, which follow in the same turn of
 * the loop, are one segment: the library would send the answer alone, and wake the client for it.
 */
static void cork(int descriptor, int on)
{
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void uncork(struct connection *connection)
{
    if (connection->is_corked) {
        connection->is_corked = false;
        cork(lws_get_socket_fd(connection->wsi), 0);
    }
}

static int connection_send(struct websocket *websocket, struct packet *const *packets, size_t count)
{
    struct connection *connection = connection_of(websocket);
    struct iovec frames[SEND_BATCH];
    struct msghdr message = {.msg_iov = frames};
    size_t whole = 0;
    ssize_t sent;

    if (connection->is_closing) {
        return -1;
    }
    if (connection->is_choked || lws_partial_buffered(connection->wsi)) {
        return 0;
    }
    if (count > SEND_BATCH) {
        count = SEND_BATCH;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice frame = packet_frame(packets[i]);

        frames[i] = (struct iovec){(void *)frame.data, frame.length};
    }
    message.msg_iovlen = count;
    do {
        sent = sendmsg(lws_get_socket_fd(connection->wsi), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        return -1;
    }
    uncork(connection);

    while (whole < count && sent >= (ssize_t)frames[whole].iov_len) {
        sent -= (ssize_t)frames[whole++].iov_len;
    }
    if (whole == count) {
        return (int)count;
    }
    if (sent <= 0) {
        choke(connection);
        return (int)whole;
    }
    if (hand_over(connection, slice_of((char *)frames[whole].iov_base + sent,
                                       frames[whole].iov_len - (size_t)sent)) < 0) {
        return -1;
    }
    return (int)whole + 1;
}

/*
 * Our close frame goes out by ourselves: Debian's build of the library closes twice on libuv when a
 * callback asks for a close, and the second time skips the frame. False: it cannot be sent now.
 */
static bool send_close_frame(struct connection *connection, int code)
{
    const unsigned char bytes[] = {0x88, 2, (unsigned char)(code >> 8), (unsigned char)code};

    return !connection->is_choked && !lws_partial_buffered(connection->wsi) &&
           send(lws_get_socket_fd(connection->wsi), bytes, sizeof(bytes),
                MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(bytes);
}

/* The reset frees what the kernel still holds for a peer that does not read. */
static void cut(struct connection *connection)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int descriptor = lws_get_socket_fd(connection->wsi);

    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)shutdown(descriptor, SHUT_RDWR); /* the loop finds it closed, and the library closes it */
}

static void connection_close(struct websocket *websocket, int code)
{
    struct connection *connection = connection_of(websocket);

    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    bool is_told = code != 0 && send_close_frame(connection, code);
    uncork(connection);
    if (!is_told) {
        cut(connection);
        return;
    }
    /* The peer answers with a close frame of its own, or is given up. */
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_TIMEOUT_SECONDS);
    lws_cancel_service(lws_get_context(connection->wsi)); /* or the timer waits for another event */
}

static const struct websocket_operations connection_operations = {
    .send = connection_send,
    .close = connection_close,
};

/* --- from the library ------------------------------------------------------------------------- */

static bool begin_guest(struct websocket_server *server, const struct adoption *adoption,
                        struct websocket *websocket, int64_t now)
{
    const struct websocket_guests *guests = &server->guests;

    return guests->begin != NULL && guests->begin(guests->context, adoption->sid,
                                                  adoption->opening->revision, websocket, now);
}

static void established(struct websocket_server *server, struct connection *connection,
                        struct lws *wsi)
{
    const struct adoption *adoption = server->adopting;
    struct session_table *sessions = server->sessions;
    struct websocket *websocket = &connection->websocket;
    struct session *session;
    int64_t now = clock_monotonic_ms();

    connection->wsi = wsi;
    connection->is_established = true;
    connection->is_corked = adoption->sid.length == 0;
    websocket->operations = &connection_operations;
    server->count++;
    if (adoption->sid.length == 0) {
        if (!session_open_websocket(sessions, adoption->opening, websocket, now)) {
            connection_close(websocket, CLOSE_TRY_AGAIN_LATER);
        }
        return;
    }
    session = session_find(sessions, adoption->sid);
    if (session != NULL ? !session_upgrade_begin(sessions, session, websocket, now)
                        : !begin_guest(server, adoption, websocket, now)) {
        connection_close(websocket, CLOSE_POLICY);
    }
}

static void received(struct websocket_server *server, struct connection *connection,
                     struct slice bytes)
{
    struct buffer *message = &connection->message;
    struct lws *wsi = connection->wsi;
    int64_t now = clock_monotonic_ms();
    bool is_binary = lws_frame_is_binary(wsi) != 0;

    if (connection->is_closing) {
        return;
    }
    size_t to_come = lws_remaining_packet_payload(wsi); /* of this frame, as the peer claims */
    if (message->length + bytes.length > server->max_message ||
        to_come > server->max_message - message->length - bytes.length) {
        buffer_deinit(message);
        session_websocket_failed(server->sessions, &connection->websocket, SESSION_CLOSE_TOO_LARGE,
                                 now);
        return;
    }
    if (message->length > 0 || !lws_is_final_fragment(wsi)) {
        if (message->length == 0) {
            size_t rest = to_come < MESSAGE_CLAIM_MAX ? to_come : MESSAGE_CLAIM_MAX;
            buffer_reserve(message, bytes.length + rest);
        }
        buffer_append_slice(message, bytes);
    }
    if (!lws_is_final_fragment(wsi)) {
        return;
    }
    session_websocket_message(server->sessions, &connection->websocket,
                              message->length > 0 ? buffer_slice(message) : bytes, is_binary, now);
    buffer_deinit(message);
}

static void writable(struct websocket_server *server, struct connection *connection)
{
    connection->is_choked = false;
    session_websocket_writable(server->sessions, &connection->websocket, clock_monotonic_ms());
}

/* 0 to have the library answer the close frame; -1 when it is the answer to ours. */
static int peer_closes(struct websocket_server *server, struct connection *connection)
{
    if (connection->is_closing) {
        return -1;
    }
    connection->is_closing = true;
    session_websocket_gone(server->sessions, &connection->websocket, clock_monotonic_ms());
    return 0;
}

static void closed(struct websocket_server *server, struct connection *connection)
{
    connection->is_closing = true;
    connection->is_established = false;
    server->count--;
    buffer_deinit(&connection->message);
    session_websocket_gone(server->sessions, &connection->websocket, clock_monotonic_ms());
}

/* A client that offered subprotocols breaks off when none is chosen: it gets its first. */
static int add_headers(const struct adoption *adoption, struct lws_process_html_args *args)
{
    struct slice chosen = adoption->subprotocol;
    int length;

    if (chosen.length == 0) {
        return 0;
    }
    length = snprintf(args->p, (size_t)args->max_len, "Sec-WebSocket-Protocol: %.*s\r\n",
                      (int)chosen.length, chosen.data);
    if (length < 0 || length >= args->max_len) {
        return -1;
    }
    args->p += length;
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length)
{
    struct websocket_server *server = lws_context_user(lws_get_context(wsi));
    struct connection *connection = user;

    switch ((int)reason) { /* of its many reasons these are ours */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return server->adopting == NULL ? -1 : 0;
    case LWS_CALLBACK_ADD_HEADERS:
        return server->adopting == NULL ? -1 : add_headers(server->adopting, in);
    case LWS_CALLBACK_ESTABLISHED:
        established(server, connection, wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        received(server, connection, slice_of(in, length));
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        writable(server, connection);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return peer_closes(server, connection);
    case LWS_CALLBACK_CLOSED: /* comes for refused handshakes too */
        if (connection != NULL && connection->is_established) {
            closed(server, connection);
        }
        return 0;
    default:
        return 0;
    }
}

static void log_library(int level, const char *line)
{
    struct slice text = slice_of_string(line);

    if (text.length > 0 && text.data[text.length - 1] == '\n') {
        text.length--;
    }
    if (level == LLL_ERR) {
        log_error("libwebsockets", "text=%.*s", (int)text.length, text.data);
    } else {
        log_warn("libwebsockets", "text=%.*s", (int)text.length, text.data);
    }
}

/* --- the server ------------------------------------------------------------------------------- */

/*
 * The library takes a table as long as the process's limit of descriptors, and walks it whole each
 * time it closes a connection: it shall not see a limit of a million when thousands are in use.
 */
static struct lws_context *create_context(const struct lws_context_creation_info *info,
                                          size_t descriptors)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit lowered;
    struct lws_context *context;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    lowered = limit;
    if (lowered.rlim_cur > descriptors) {
        lowered.rlim_cur = descriptors;
    }
    (void)setrlimit(RLIMIT_NOFILE, &lowered);
    context = lws_create_context(info);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return context;
}

struct websocket_server *websocket_server_new(struct uv_loop_s *loop,
                                              struct session_table *sessions, int64_t max_message,
                                              int64_t send_buffer, char *reason, size_t reason_size)
{
    /* Zeroed: none of the library's own pings and timers, which cost O(connections) each. */
    static const lws_retry_bo_t no_policy;
    struct websocket_server *self = memory_allocate_zeroed(sizeof(*self));
    void *loops[] = {loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = self->protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .retry_and_idle_policy = &no_policy,
        .user = self,
    };

    self->loop = loop;
    self->sessions = sessions;
    self->max_message = (size_t)max_message;
    self->send_buffer = (int)send_buffer;
    self->protocols[0] = (struct lws_protocols){
        .name = "engine.io",
        .callback = on_event,
        .per_session_data_size = sizeof(struct connection),
        .rx_buffer_size = READ_SIZE,
        .tx_packet_size = WRITE_SIZE,
    };

    lws_set_log_level(0, log_library); /* one line of ours is enough if this fails */
    self->context = create_context(&info, 2 * session_table_limit(sessions) + OTHER_DESCRIPTORS);
    if (self->context != NULL) {
        self->vhost = lws_get_vhost_by_name(self->context, "default");
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    if (self->vhost == NULL) {
        snprintf(reason, reason_size,
                 "libwebsockets cannot start on libuv (Debian package libwebsockets-evlib-uv)");
        websocket_server_destroy(&self);
    }
    return self;
}

void websocket_server_set_guests(struct websocket_server *server,
                                 const struct websocket_guests *guests)
{
    server->guests = *guests;
}

size_t websocket_server_count(const struct websocket_server *server)
{
    return server->count;
}

void websocket_server_destroy(struct websocket_server **server)
{
    struct websocket_server *self = *server;

    if (self == NULL) {
        return;
    }
    if (self->context != NULL) {
        /*
         * The first call closes its connections and the second frees it, with the code of its
         * handles' close callbacks: those have to have run, in turns of the loop between the two.
         */
        lws_set_log_level(0, NULL);
        lws_context_destroy(self->context);
        for (int turn = 0; turn < DESTROY_TURNS || self->count > 0; turn++) {
            uv_run(self->loop, UV_RUN_NOWAIT);
        }
        lws_context_destroy(self->context);
    }
    free(self);
    *server = NULL;
}

/* TCP_NODELAY comes with the connection, from its listener. */
static void prepare(const struct websocket_server *server, int descriptor, bool is_new)
{
    if (is_new) {
        cork(descriptor, 1);
    }
    if (server->send_buffer > 0) {
        (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &server->send_buffer,
                         sizeof(server->send_buffer));
    }
}

void websocket_server_adopt(struct websocket_server *server, int descriptor, struct slice head,
                            const struct session_opening *opening, struct slice sid)
{
    const char *head_end = memmem(head.data, head.length, "\r\n\r\n", 4);
    struct slice key = websocket_head_value(head, "Sec-WebSocket-Key");
    struct adoption adoption = {
        opening, sid, websocket_first_token(websocket_head_value(head, "Sec-WebSocket-Protocol"))};
    struct buffer request = BUFFER_EMPTY;
    struct slice early; /* frames that the client sent without waiting for our answer */
    struct lws *wsi;

    if (head_end == NULL || key.length != KEY_LENGTH) {
        close(descriptor);
        return;
    }
    head_end += 4;
    early = slice_of(head_end, head.length - (size_t)(head_end - head.data));
    prepare(server, descriptor, sid.length == 0);
    websocket_write_request(&request, key, early);

    server->adopting = &adoption;
    lws_set_log_level(0, NULL); /* it reports every such adoption as an error */
    wsi = lws_adopt_socket_vhost_readbuf(server->vhost, descriptor, request.data, request.length);
    lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
    server->adopting = NULL;
    if (wsi != NULL && early.length > 0) {
        struct lws_pollfd kept = {.fd = descriptor, .events = POLLIN, .revents = POLLIN};

        (void)lws_service_fd(server->context, &kept); /* no event of the loop's would come for it */
    }
    buffer_deinit(&request);
}
