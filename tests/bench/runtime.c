#include "tests/bench/runtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utlist.h>

#include "tests/bench/answer.h"
#include "tests/bench/frame.h"

enum {
    LISTEN_BACKLOG = 4096,
    EVENTS_PER_TURN = 256,
    REQUEST_MAX = 4096,
    CHUNK_HEADER_MAX = 20,
};

struct runtime_connection {
    int fd;
    bool is_framed; /* a viewer's own; otherwise HTTP */
    bool is_talking;
    uint32_t number; /* of the reply */
    int64_t due;     /* when it goes on */
    size_t length;
    uint8_t request[REQUEST_MAX]; /* what has come of it */
    struct runtime_connection *next_of_all;
    struct runtime_connection *prev, *next; /* of those that talk, by `due` */
};

static void fail(struct runtime *self, const char *reason)
{
    if (self->error[0] == '\0') {
        snprintf(self->error, sizeof self->error, "%s", reason);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static int listen_on(uint16_t *port)
{
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(*port),
    };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* those it accepts inherit it */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static int watch(struct runtime *self, int fd, struct runtime_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(struct runtime *self)
{
    for (;;) {
        int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct runtime_connection *connection = calloc(1, sizeof *connection);
        if (!connection || watch(self, fd, connection) != 0) {
            fail(self, "the runtime cannot take a connection");
            free(connection);
            close(fd);
            return;
        }
        connection->fd = fd;
        LL_PREPEND2(self->all, connection, next_of_all);
    }
}

static void close_connection(struct runtime *self, struct runtime_connection *connection)
{
    if (connection->is_talking) {
        DL_DELETE(self->talking, connection);
    }
    LL_DELETE2(self->all, connection, next_of_all);
    close(connection->fd);
    free(connection);
}

/* --- what is said ----------------------------------------------------------------------------- */

static const char stream_head[] = "HTTP/1.1 200 OK\r\n"
                                  "Content-Type: text/event-stream\r\n"
                                  "Transfer-Encoding: chunked\r\n"
                                  "\r\n";

/* A text with what stands around it. */
struct wording {
    const char *before;
    const char *after;
    const char *end; /* behind the chunk of HTTP */
};

static const struct wording event_of_token = {"event: chunk\ndata: {\"chunk\":\"", "\"}\n\n",
                                              "\r\n"};
static const struct wording event_of_end = {"event: done\ndata: {\"text\":\"",
                                            "\",\"actions\":[]}\n\n", "\r\n0\r\n\r\n"};
static const struct wording packet_of_token = {"42[\"messageStreamChunk\",{\"chunk\":\"", "\"}]",
                                               ""};
static const struct wording packet_of_end = {"42[\"messageBroadcast\",{\"text\":\"",
                                             "\",\"inReplyTo\":\"\"}]", ""};

static struct iovec vector_of(const char *bytes, size_t length)
{
    return (struct iovec){.iov_base = (char *)bytes, .iov_len = length};
}

/* Says a text on a connection, as one chunk of HTTP or one frame. */
static void say(struct runtime *self, const struct runtime_connection *connection,
                const struct wording *wording, const char *text, size_t length)
{
    char header[CHUNK_HEADER_MAX];
    size_t size = strlen(wording->before) + length + strlen(wording->after);
    size_t header_length = connection->is_framed
                               ? frame_write_header((uint8_t *)header, FRAME_TEXT, size)
                               : (size_t)snprintf(header, sizeof header, "%zx\r\n", size);
    struct iovec vectors[] = {
        vector_of(header, header_length),
        vector_of(wording->before, strlen(wording->before)),
        vector_of(text, length),
        vector_of(wording->after, strlen(wording->after)),
        vector_of(wording->end, strlen(wording->end)),
    };
    struct msghdr message = {
        .msg_iov = vectors,
        .msg_iovlen = sizeof vectors / sizeof vectors[0],
    };
    ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)(header_length + size + strlen(wording->end))) {
        fail(self, "who asked the runtime does not take the answer");
    }
}

static void say_token(struct runtime *self, const struct runtime_connection *connection)
{
    char token[REPLIES_TOKEN_LENGTH];
    if (replies_write(self->replies, connection->number, clock_now(), token) != 0) {
        fail(self, "out of memory");
        return;
    }
    say(self, connection, connection->is_framed ? &packet_of_token : &event_of_token, token,
        sizeof token);
}

static void say_end(struct runtime *self, const struct runtime_connection *connection)
{
    const struct replies_text *text = &self->replies->all[connection->number].written;
    say(self, connection, connection->is_framed ? &packet_of_end : &event_of_end, text->bytes,
        text->length);
}

/* Puts a connection among those that talk. Nearly always it is the last one: all go on after the
 * same interval. */
static void schedule(struct runtime *self, struct runtime_connection *connection)
{
    struct runtime_connection *before = self->talking ? self->talking->prev : NULL;
    while (before && before->due > connection->due) {
        before = before == self->talking ? NULL : before->prev;
    }
    DL_APPEND_ELEM(self->talking, before, connection);
}

int64_t runtime_speak(struct runtime *self)
{
    int64_t now = clock_now();
    while (self->talking && self->talking->due <= now) {
        struct runtime_connection *connection = self->talking;
        DL_DELETE(self->talking, connection);
        if (self->finishing) {
            connection->is_talking = false;
            say_end(self, connection);
        } else {
            say_token(self, connection);
            connection->due += self->interval;
            schedule(self, connection);
        }
    }
    return self->talking ? self->talking->due : INT64_MAX;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void begin_reply(struct runtime *self, struct runtime_connection *connection,
                        const char *question, size_t length)
{
    uint64_t phase = 0;
    int64_t number = replies_ask(self->replies, question, length);
    if (number < 0) {
        fail(self, "the runtime was asked what nobody asks, or the same twice");
        return;
    }
    if (getrandom(&phase, sizeof phase, 0) != (ssize_t)sizeof phase) {
        fail(self, "no random bytes");
        return;
    }
    connection->number = (uint32_t)number;
    connection->due = clock_now() + (int64_t)(phase % (uint64_t)self->interval);
    connection->is_talking = true;
    schedule(self, connection);
    if (!connection->is_framed && send(connection->fd, stream_head, sizeof stream_head - 1,
                                       MSG_NOSIGNAL) != (ssize_t)sizeof stream_head - 1) {
        fail(self, "who asked the runtime does not take the answer");
    }
}

static void receive_frame(struct runtime *self, struct runtime_connection *connection)
{
    struct frame frame;
    switch (frame_read(&frame, connection->request, connection->length)) {
    case FRAME_COMPLETE:
        connection->length = 0;
        connection->is_framed = true;
        begin_reply(self, connection, (const char *)frame.payload, frame.length);
        break;
    case FRAME_INVALID:
        fail(self, "the runtime was asked in an invalid frame");
        break;
    case FRAME_INCOMPLETE:
        break;
    }
}

static void receive_request(struct runtime *self, struct runtime_connection *connection)
{
    struct answer request;
    const char *bytes = (const char *)connection->request;
    switch (request_read(bytes, connection->length, &request)) {
    case ANSWER_WHOLE:
        connection->length = 0;
        begin_reply(self, connection, bytes + request.head, request.body);
        break;
    case ANSWER_REFUSED:
        fail(self, "the runtime was asked by another request than a POST with a length");
        break;
    case ANSWER_INCOMPLETE:
        break;
    }
}

static void receive(struct runtime *self, struct runtime_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->request + connection->length,
                       REQUEST_MAX - connection->length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        if (connection->length == REQUEST_MAX) {
            fail(self, "who asks the runtime asks for too long");
        } else if (connection->is_talking) {
            fail(self, "who asked the runtime hung up");
        }
        close_connection(self, connection);
        return;
    }
    connection->length += (size_t)got;
    if (connection->is_talking) {
        fail(self, "the runtime is asked while it answers");
    } else if (connection->request[0] == 'P') {
        receive_request(self, connection);
    } else {
        receive_frame(self, connection);
    }
}

void runtime_receive(struct runtime *self)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_wait(self->epoll, events, EVENTS_PER_TURN, 0);
    for (int i = 0; i < count; i++) {
        struct runtime_connection *connection = events[i].data.ptr;
        if (connection) {
            receive(self, connection);
        } else {
            accept_all(self);
        }
    }
}

/* --- the runtime ------------------------------------------------------------------------------ */

int runtime_init(struct runtime *self, struct replies *replies, uint16_t port, double rate)
{
    memset(self, 0, sizeof *self);
    self->replies = replies;
    self->interval = (int64_t)(1e9 / rate);
    self->port = port;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->listener = listen_on(&self->port);
    if (self->epoll < 0 || self->listener < 0 || self->interval <= 0 ||
        watch(self, self->listener, NULL) != 0) {
        runtime_deinit(self);
        return -1;
    }
    return 0;
}

void runtime_deinit(struct runtime *self)
{
    while (self->all) {
        close_connection(self, self->all);
    }
    if (self->listener >= 0) {
        close(self->listener);
        self->listener = -1;
    }
    if (self->epoll >= 0) {
        close(self->epoll);
        self->epoll = -1;
    }
}
