#include "tests/bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/frame.h"
#include "tests/bench/polling.h"
#include "tests/bench/stats.h"

enum {
    EVENTS_PER_TURN = 512,
    RECEIVE_SIZE = 256 * 1024,
    SCRATCH_SIZE = FRAME_PAYLOAD_MAX + FRAME_HEADER_MAX + RECEIVE_SIZE,
    /* Each source address has the whole range of ports: enough for any number of sockets. */
    SOURCE_ADDRESSES = 8,
    ID_SIZE = 37,
    CONTROL_PAYLOAD_MAX = 125,
};

static const uint32_t watched_number = UINT32_MAX; /* no client's */

static const int64_t ns_per_second = 1000000000;

/* The key and its answer are the example of RFC 6455 §1.3. */
static const char upgrade_request[] = "GET /socket.io/?EIO=%d&transport=websocket HTTP/1.1\r\n"
                                      "Host: 127.0.0.1\r\n"
                                      "Connection: Upgrade\r\n"
                                      "Upgrade: websocket\r\n"
                                      "Sec-WebSocket-Version: 13\r\n"
                                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                      "\r\n";
static const char upgrade_accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

int clients_init(struct clients *self, const struct clients_options *options,
                 const struct clients_events *events)
{
    memset(self, 0, sizeof *self);
    self->options = *options;
    self->events = *events;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->all = calloc(options->count, sizeof *self->all);
    self->scratch = malloc(SCRATCH_SIZE);
    for (uint32_t i = 0; self->all && i < options->count; i++) {
        self->all[i].fd = -1;
        self->all[i].number = i;
    }
    if (self->epoll < 0 || !self->all || !self->scratch ||
        getrandom(&self->run, sizeof self->run, 0) != (ssize_t)sizeof self->run) {
        clients_deinit(self);
        return -1;
    }
    return 0;
}

static void close_client(struct clients *self, struct client *client)
{
    if (client->state > CLIENT_IDLE && client->state < CLIENT_READY) {
        self->opening--;
    } else if (client->state == CLIENT_READY) {
        self->ready--;
    }
    client->state = CLIENT_CLOSED;
    if (client->fd >= 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(client->fd);
        client->fd = -1;
    }
    free(client->carry.bytes);
    client->carry = (struct client_carry){0};
    polling_destroy(&client->polling);
}

void clients_deinit(struct clients *self)
{
    for (uint32_t i = 0; self->all && i < self->options.count; i++) {
        close_client(self, &self->all[i]);
    }
    if (self->epoll >= 0) {
        close(self->epoll);
        self->epoll = -1;
    }
    free(self->all);
    free(self->scratch);
    self->all = NULL;
    self->scratch = NULL;
}

void client_fail(struct clients *self, struct client *client, const char *format, ...)
{
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (self->failed++ == 0) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(self->error, sizeof self->error, format, arguments);
        va_end(arguments);
    }
    close_client(self, client);
}

int client_send_bytes(struct clients *self, struct client *client, const void *bytes, size_t length)
{
    ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)length) {
        client_fail(self, client, "the connection takes no more: %s",
                    sent < 0 ? strerror(errno) : "short write");
        return -1;
    }
    return 0;
}

static void send_packet(struct clients *self, struct client *client, const char *packet,
                        size_t length)
{
    if (client->polling) {
        polling_send(self, client, packet, length);
        return;
    }
    uint8_t frame[FRAME_HEADER_MAX + CLIENT_PACKET_MAX];
    size_t size = frame_write_masked(frame, FRAME_TEXT, packet, length);
    client_send_bytes(self, client, frame, size);
}

/* Sends what a printf format makes, at most CLIENT_PACKET_MAX bytes. */
__attribute__((format(printf, 3, 4))) static void
send_formatted(struct clients *self, struct client *client, const char *format, ...)
{
    char packet[CLIENT_PACKET_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(packet, sizeof packet, format, arguments);
    va_end(arguments);
    send_packet(self, client, packet, (size_t)length);
}

/* Every id is a UUID that is this run's own. */
static const char *make_id(const struct clients *self, char kind, uint32_t number, char id[ID_SIZE])
{
    snprintf(id, ID_SIZE, "%08x-0000-4000-8000-%c%011x", self->run, kind, number);
    return id;
}

static void join_room(struct clients *self, struct client *client)
{
    char room[ID_SIZE];
    char entity[ID_SIZE];
    send_formatted(
        self, client,
        "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"%s\",\"entityId\":\"%s\"}}]",
        make_id(self, 'a', client->number / self->options.members, room),
        make_id(self, 'b', client->number, entity));
}

void client_send_message(struct clients *self, struct client *client, uint32_t number,
                         const char *text)
{
    char room[ID_SIZE];
    char entity[ID_SIZE];
    char message[ID_SIZE];
    send_formatted(self, client,
                   "42[\"message\",{\"type\":2,\"payload\":{\"senderId\":\"%s\","
                   "\"senderName\":\"bench\",\"message\":\"%s\",\"roomId\":\"%s\","
                   "\"messageId\":\"%s\",\"source\":\"bench\",\"attachments\":[],"
                   "\"metadata\":{}}}]",
                   make_id(self, 'b', client->number, entity), text,
                   make_id(self, 'a', client->number / self->options.members, room),
                   make_id(self, 'c', number, message));
}

static void become_ready(struct clients *self, struct client *client)
{
    client->state = CLIENT_READY;
    self->opening--;
    self->ready++;
    if (self->events.ready) {
        self->events.ready(self->events.context, client, clock_now());
    }
}

static bool starts_with(const char *packet, size_t length, const char *prefix)
{
    size_t prefix_length = strlen(prefix);
    return length >= prefix_length && memcmp(packet, prefix, prefix_length) == 0;
}

static void receive_event(struct clients *self, struct client *client, const char *packet,
                          size_t length)
{
    static const char chunk[] = "42[\"messageStreamChunk\"";
    static const char broadcast[] = "42[\"messageBroadcast\"";
    if (self->events.chunk && starts_with(packet, length, chunk)) {
        self->events.chunk(self->events.context, client, packet, length, clock_now());
    } else if (starts_with(packet, length, broadcast)) {
        self->events.delivered(self->events.context, client, packet, length, clock_now());
    } else if (client->state == CLIENT_JOINING &&
               starts_with(packet, length, "42[\"room_joined\"")) {
        become_ready(self, client);
    } else if (starts_with(packet, length, "42[\"messageError\"") ||
               starts_with(packet, length, "42[\"messageStreamError\"")) {
        client_fail(self, client, "the server answered %.*s", (int)length, packet);
    } else {
        self->other_events++;
    }
}

void client_receive_packet(struct clients *self, struct client *client, const char *packet,
                           size_t length)
{
    char entity[ID_SIZE];
    if (starts_with(packet, length, "42")) {
        receive_event(self, client, packet, length);
    } else if (starts_with(packet, length, "2")) {
        self->pings++;
        send_packet(self, client, "3", 1);
    } else if (client->state == CLIENT_OPENING && starts_with(packet, length, "0{")) {
        client->state = CLIENT_ATTACHING;
        if (!self->options.old) { /* those are connected unasked */
            send_formatted(self, client, "40{\"entityId\":\"%s\"}",
                           make_id(self, 'b', client->number, entity));
        }
    } else if (client->state == CLIENT_ATTACHING &&
               starts_with(packet, length, self->options.old ? "40" : "40{")) {
        if (self->options.joins) {
            client->state = CLIENT_JOINING;
            join_room(self, client);
        } else {
            become_ready(self, client);
        }
    } else if (!starts_with(packet, length, "6")) {
        client_fail(self, client, "unexpected packet %.*s", (int)length, packet);
    }
}

/* Sends the first request once the connection is there. */
static void begin(struct clients *self, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = client->number};
    epoll_ctl(self->epoll, EPOLL_CTL_MOD, client->fd, &event);
    if (self->options.bare) {
        become_ready(self, client);
    } else if (client->polling) {
        client->state = CLIENT_OPENING;
        polling_open(self, client);
    } else {
        char request[sizeof upgrade_request];
        int length = snprintf(request, sizeof request, upgrade_request, self->options.old ? 3 : 4);
        client->state = CLIENT_UPGRADING;
        client_send_bytes(self, client, request, (size_t)length);
    }
}

static void start(struct clients *self, struct client *client)
{
    client->state = CLIENT_CONNECTING;
    client->opened_at = clock_now();
    self->started++;
    self->opening++;
    client->polling = self->options.polling ? polling_new() : NULL;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || (self->options.polling && !client->polling)) {
        client_fail(self, client, "no socket: %s", strerror(errno));
        return;
    }
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    uint16_t port = self->options.ports[client->number % self->options.port_count];
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + client->number % SOURCE_ADDRESSES),
    };
    struct sockaddr_in target = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = client->number};
    if (bind(client->fd, (struct sockaddr *)&source, sizeof source) != 0 ||
        (connect(client->fd, (struct sockaddr *)&target, sizeof target) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        client_fail(self, client, "cannot connect: %s", strerror(errno));
    }
}

void clients_open(struct clients *self, uint32_t target)
{
    while (self->started < target && self->opening < self->options.concurrency) {
        start(self, &self->all[self->started]);
    }
}

/* Takes the answer to the upgrade request; returns how many bytes it took. */
static size_t receive_upgrade(struct clients *self, struct client *client, const char *bytes,
                              size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    size_t head = (size_t)(end - bytes) + 4;
    if (!starts_with(bytes, length, "HTTP/1.1 101") ||
        !memmem(bytes, head, upgrade_accept, sizeof upgrade_accept - 1)) {
        client_fail(self, client, "no upgrade: %.*s", (int)head - 4, bytes);
    }
    client->state = client->state == CLIENT_UPGRADING ? CLIENT_OPENING : client->state;
    return head;
}

static void receive_frame(struct clients *self, struct client *client, const struct frame *frame)
{
    uint8_t pong[FRAME_HEADER_MAX + CONTROL_PAYLOAD_MAX];
    switch (frame->opcode) {
    case FRAME_TEXT:
        client_receive_packet(self, client, (const char *)frame->payload, frame->length);
        break;
    case FRAME_PING:
        if (frame->length <= CONTROL_PAYLOAD_MAX) {
            size_t size =
                frame_write_masked(pong, FRAME_PONG, (const char *)frame->payload, frame->length);
            client_send_bytes(self, client, pong, size);
        }
        break;
    case FRAME_PONG:
        break;
    case FRAME_CLOSE:
        client_fail(self, client, "the server closed the WebSocket with code %d",
                    frame->length >= 2 ? frame->payload[0] << 8 | frame->payload[1] : 0);
        break;
    case FRAME_BINARY:
    default:
        client_fail(self, client, "unexpected frame of opcode %u", (unsigned)frame->opcode);
        break;
    }
}

/* Handles the complete frames at the start of `bytes`; returns how many bytes it took. */
static size_t receive_frames(struct clients *self, struct client *client, uint8_t *bytes,
                             size_t length)
{
    size_t taken = 0;
    if (client->state == CLIENT_UPGRADING) {
        taken = receive_upgrade(self, client, (const char *)bytes, length);
        if (taken == 0) {
            return 0;
        }
    }
    while (taken < length && client->state != CLIENT_CLOSED) {
        struct frame frame;
        enum frame_status status = frame_read(&frame, bytes + taken, length - taken);
        if (status == FRAME_INCOMPLETE) {
            break;
        }
        if (status == FRAME_INVALID) {
            client_fail(self, client, "invalid frame");
            break;
        }
        taken += frame.size;
        receive_frame(self, client, &frame);
    }
    return taken;
}

/* Keeps what is left of an incomplete frame or answer. */
static void keep_rest(struct clients *self, struct client *client, const uint8_t *rest,
                      size_t length)
{
    if (length == 0) {
        free(client->carry.bytes);
        client->carry = (struct client_carry){0};
        return;
    }
    uint8_t *bytes = realloc(client->carry.bytes, length);
    if (!bytes || length > SCRATCH_SIZE - RECEIVE_SIZE) {
        client->carry.bytes = bytes ? bytes : client->carry.bytes;
        client_fail(self, client, "too long a frame or answer");
        return;
    }
    memcpy(bytes, rest, length);
    client->carry = (struct client_carry){.bytes = bytes, .length = length};
}

static void receive(struct clients *self, struct client *client)
{
    size_t carried = client->carry.length;
    if (carried > 0) {
        memcpy(self->scratch, client->carry.bytes, carried);
    }
    ssize_t count = recv(client->fd, self->scratch + carried, RECEIVE_SIZE, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        client_fail(self, client, "the server closed the connection: %s",
                    count < 0 ? strerror(errno) : "end of stream");
        return;
    }
    self->reads++;
    size_t length = carried + (size_t)count;
    size_t taken = client->polling ? polling_receive(self, client, (char *)self->scratch, length)
                                   : receive_frames(self, client, self->scratch, length);
    if (client->state != CLIENT_CLOSED) {
        keep_rest(self, client, self->scratch + taken, length - taken);
    }
}

void clients_turn(struct clients *self, int64_t timeout)
{
    struct epoll_event events[EVENTS_PER_TURN];
    timeout = timeout > 0 ? timeout : 0;
    struct timespec wait = {.tv_sec = timeout / ns_per_second, .tv_nsec = timeout % ns_per_second};
    int count = epoll_pwait2(self->epoll, events, EVENTS_PER_TURN, &wait, NULL);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == watched_number) {
            self->events.watched(self->events.context);
            continue;
        }
        struct client *client = &self->all[events[i].data.u32];
        if (client->state == CLIENT_CLOSED) {
            continue;
        }
        if (client->state == CLIENT_CONNECTING && !(events[i].events & (EPOLLERR | EPOLLHUP))) {
            begin(self, client);
        } else {
            receive(self, client);
        }
    }
}

int clients_watch(struct clients *self, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = watched_number};
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event);
}
