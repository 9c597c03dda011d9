#include "proto/base/admin.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "proto/base/clock.h"
#include "proto/base/memory.h"

enum { BACKLOG = 64, HOST_SIZE = 256, PORT_SIZE = 8 };

#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct connection {
    uv_tcp_t tcp;
    uv_timer_t deadline;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct admin *admin;      /* borrows; outlives its connections */
    struct connection *next;  /* borrows */
    struct connection **link; /* the pointer that points here */
    unsigned open_handles;
    bool is_answered; /* what still arrives is thrown away */
    struct buffer response;
    size_t head_length;
    char head[ADMIN_HEAD_MAX];
};

struct admin {
    uv_tcp_t listener;
    struct admin_source source;
    struct connection *connections; /* owns */
    size_t connection_count;
    bool is_listener_closed;
};

bool admin_answer(const struct admin_source *source, struct slice path, int *status,
                  const char **content_type, struct buffer *body)
{
    const char *reason = NULL;

    *status = 200;
    *content_type = TEXT_TYPE;
    if (slice_is(path, "/healthz")) {
        buffer_append_string(body, "ok\n");
    } else if (slice_is(path, "/readyz")) {
        if (source->is_ready(source->context, &reason)) {
            buffer_append_string(body, "ready\n");
        } else {
            *status = 503;
            buffer_append_format(body, "not ready: %s\n", reason == NULL ? "unknown" : reason);
        }
    } else if (slice_is(path, "/metrics")) {
        *content_type = METRICS_TYPE;
        source->metrics(source->context, body);
    } else {
        return false;
    }
    return true;
}

/* The memory of the listener goes last, with the last connection at the latest. */
static void free_when_done(struct admin *admin)
{
    if (admin->is_listener_closed && admin->connections == NULL) {
        free(admin);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct admin *admin = connection->admin;

    if (--connection->open_handles > 0) {
        return;
    }
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    admin->connection_count--;
    buffer_deinit(&connection->response);
    free(connection);
    free_when_done(admin);
}

static void connection_close(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp)) {
        return;
    }
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->deadline, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    connection_close(timer->data);
}

/* Without it libuv would have none to call when the connection is cut first. */
static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status;
}

/* The client closes once it has read everything; closing before that could reset its connection. */
static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;

    if (status != 0 ||
        uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shutdown) != 0) {
        connection_close(connection);
    }
}

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

static void respond(struct connection *connection, int status, const char *content_type,
                    struct slice body, bool is_head_only)
{
    struct buffer *out = &connection->response;
    char date[CLOCK_HTTP_SIZE];
    uv_buf_t piece;

    clock_format_http(clock_wall_ms(), date);
    buffer_append_format(out,
                         "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                         "Date: %s\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
                         status, status_text(status), content_type, body.length,
                         status == 405 ? "Allow: GET, HEAD\r\n" : "", date);
    if (!is_head_only) {
        buffer_append_slice(out, body);
    }

    connection->is_answered = true;
    connection->write.data = connection;
    piece = uv_buf_init(out->data, (unsigned)out->length);
    uv_timer_start(&connection->deadline, on_deadline, ADMIN_DEADLINE_MS, 0);
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &piece, 1, on_written) != 0) {
        connection_close(connection);
    }
}

static void respond_error(struct connection *connection, int status)
{
    char body[64];
    int length = snprintf(body, sizeof(body), "%s\n", status_text(status));

    respond(connection, status, TEXT_TYPE, slice_of(body, (size_t)length), false);
}

/* Cuts the text up to a delimiter off the front. */
static bool take_until(struct slice *text, char delimiter, struct slice *piece)
{
    const char *at = memchr(text->data, delimiter, text->length);

    if (at == NULL) {
        return false;
    }
    *piece = slice_of(text->data, (size_t)(at - text->data));
    *text = slice_of(at + 1, text->length - piece->length - 1);
    return true;
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < 'A' || text.data[i] > 'Z') {
            return false;
        }
    }
    return text.length > 0;
}

static void answer(struct connection *connection, struct slice head)
{
    struct slice line;
    struct slice method;
    struct slice target;
    struct slice path;
    struct buffer body = BUFFER_EMPTY;
    const char *content_type;
    int status;

    if (!take_until(&head, '\r', &line) || !take_until(&line, ' ', &method) || !is_token(method) ||
        !take_until(&line, ' ', &target) || target.length == 0 || target.data[0] != '/' ||
        (!slice_is(line, "HTTP/1.1") && !slice_is(line, "HTTP/1.0"))) {
        respond_error(connection, 400);
        return;
    }
    if (!slice_is(method, "GET") && !slice_is(method, "HEAD")) {
        respond_error(connection, 405);
        return;
    }
    if (!take_until(&target, '?', &path)) {
        path = target;
    }
    if (admin_answer(&connection->admin->source, path, &status, &content_type, &body)) {
        respond(connection, status, content_type, buffer_slice(&body), slice_is(method, "HEAD"));
    } else {
        respond_error(connection, 404);
    }
    buffer_deinit(&body);
}

/* After the answer the same room is filled over and over. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct connection *connection = handle->data;
    size_t used = connection->is_answered ? 0 : connection->head_length;

    (void)suggested;
    *out = uv_buf_init(connection->head + used, (unsigned)(sizeof(connection->head) - used));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    const char *end;

    (void)buffer;
    if (length < 0) {
        connection_close(connection);
        return;
    }
    if (connection->is_answered) {
        return;
    }
    connection->head_length += (size_t)length;
    end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
    if (end != NULL) {
        answer(connection, slice_of(connection->head, (size_t)(end - connection->head) + 2));
    } else if (connection->head_length == sizeof(connection->head)) {
        respond_error(connection, 400);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct admin *admin = listener->data;
    struct connection *connection;

    if (status != 0) {
        return;
    }
    connection = memory_allocate_zeroed(sizeof(*connection));
    connection->admin = admin;
    connection->open_handles = 2;
    connection->tcp.data = connection;
    connection->deadline.data = connection;
    connection->next = admin->connections;
    connection->link = &admin->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    admin->connections = connection;
    admin->connection_count++;
    uv_tcp_init(listener->loop, &connection->tcp);
    uv_timer_init(listener->loop, &connection->deadline);

    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 ||
        admin->connection_count > ADMIN_CONNECTIONS_MAX ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read) != 0) {
        connection_close(connection);
        return;
    }
    uv_timer_start(&connection->deadline, on_deadline, ADMIN_DEADLINE_MS, 0);
}

/* host:port, [v6]:port or :port, as options.c checked it. */
static bool split_address(const char *address, char host[HOST_SIZE], char port[PORT_SIZE])
{
    const char *colon = strrchr(address, ':');
    size_t length;

    if (colon == NULL || strlen(colon + 1) >= PORT_SIZE) {
        return false;
    }
    strcpy(port, colon + 1);
    length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    if (length >= HOST_SIZE) {
        return false;
    }
    memcpy(host, address, length);
    host[length] = '\0';
    return true;
}

/* A bound socket, or -1 and errno. */
static int bind_to(const struct addrinfo *info)
{
    const int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* The first address that the name stands for and that can be bound. */
static int open_listener(const char *address, const char **reason)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *found = NULL;
    char host[HOST_SIZE];
    char port[PORT_SIZE];
    int fd = -1;
    int error;

    if (!split_address(address, host, port)) {
        *reason = "not host:port";
        return -1;
    }
    error = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &found);
    if (error != 0) {
        *reason = gai_strerror(error);
        return -1;
    }
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = bind_to(at);
    }
    if (fd < 0) {
        *reason = strerror(errno);
    }
    freeaddrinfo(found);
    return fd;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;

    admin->is_listener_closed = true;
    free_when_done(admin);
}

struct admin *admin_new(struct uv_loop_s *loop, const char *address, struct admin_source source,
                        char *reason, size_t reason_size)
{
    const char *cause = NULL;
    struct admin *admin;
    int fd = open_listener(address, &cause);
    int error;

    if (fd < 0) {
        snprintf(reason, reason_size, "cannot listen on %s: %s", address, cause);
        return NULL;
    }
    admin = memory_allocate_zeroed(sizeof(*admin));
    admin->source = source;
    uv_tcp_init(loop, &admin->listener);
    admin->listener.data = admin;
    error = uv_tcp_open(&admin->listener, fd);
    if (error != 0) {
        close(fd);
    } else {
        error = uv_listen((uv_stream_t *)&admin->listener, BACKLOG, on_connection);
    }
    if (error != 0) {
        snprintf(reason, reason_size, "cannot listen on %s: %s", address, uv_strerror(error));
        admin_destroy(&admin);
    }
    return admin;
}

void admin_destroy(struct admin **admin)
{
    struct admin *self = *admin;

    *admin = NULL;
    if (self == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&self->listener, on_listener_closed);
    for (struct connection *at = self->connections; at != NULL; at = at->next) {
        connection_close(at);
    }
}
