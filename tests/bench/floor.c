/*
 * The floor of a run: the least that any server can do for the same traffic on the same machine. An
 * epoll loop that speaks just enough Engine.IO 4 and Socket.IO 5 over WebSocket to take joins and
 * messages and to broadcast each message to its room. No store, no heartbeats, no checks, trusted
 * clients only: this is a measuring stick, not a server.
 *
 * usage: floor direct|coalesce PORT
 *   direct    one send(2) for each delivery, at once
 *   coalesce  what one loop turn brings for a socket leaves in one sendmsg(2) at its end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <uthash.h>

#include "tests/bench/frame.h"

enum {
    EVENTS_PER_TURN = 512,
    RECEIVE_SIZE = 256 * 1024,
    SEND_VECTORS = 64,
    LISTEN_BACKLOG = 4096,
    ROOM_ID_MAX = 64,
    TEXT_MAX = 4096,
    PACKET_MAX = TEXT_MAX + 1024,
    SID_LENGTH = 20,
};

/* A rendered frame, shared by every socket that has still to send it. */
struct packet {
    uint32_t references;
    uint32_t length;
    uint8_t bytes[];
};

struct connection {
    int fd;
    bool upgraded;
    bool dirty;
    bool watches_writable; /* the kernel took no more */
    uint32_t pending_count;
    uint32_t pending_capacity;
    uint32_t pending_offset; /* bytes of the first pending packet that are sent already */
    uint32_t unread_length;
    struct packet **pending; /* owns the array, shares the packets */
    uint8_t *unread;         /* owns: the beginning of an incomplete frame or request */
};

struct room {
    char id[ROOM_ID_MAX + 1];
    struct connection **members; /* owns the array, borrows the connections */
    size_t member_count;
    UT_hash_handle hh;
};

struct floor {
    int epoll;
    int listener;
    bool coalesces;
    struct room *rooms;
    struct connection **dirty;
    size_t dirty_count;
    size_t dirty_capacity;
    uint64_t messages;
    uint64_t sids;
    uint8_t scratch[FRAME_PAYLOAD_MAX + RECEIVE_SIZE];
};

static void *checked(void *memory)
{
    if (!memory) {
        fputs("floor: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static struct packet *packet_new(const char *text, size_t length)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t header_length = frame_write_header(header, FRAME_TEXT, length);
    struct packet *self = checked(malloc(sizeof *self + header_length + length));
    self->references = 1;
    self->length = (uint32_t)(header_length + length);
    memcpy(self->bytes, header, header_length);
    memcpy(self->bytes + header_length, text, length);
    return self;
}

static void packet_release(struct packet *self)
{
    if (--self->references == 0) {
        free(self);
    }
}

/*
 * A client that goes away ends its socket only: rooms keep the connection until the process ends.
 */
static void connection_close(struct connection *self)
{
    if (self->fd < 0) {
        return;
    }
    close(self->fd);
    self->fd = -1;
    for (uint32_t i = 0; i < self->pending_count; i++) {
        packet_release(self->pending[i]);
    }
    self->pending_count = 0;
}

static void watch_writable(struct floor *floor, struct connection *self, bool wanted)
{
    if (self->watches_writable != wanted) {
        struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = self};
        epoll_ctl(floor->epoll, EPOLL_CTL_MOD, self->fd, &event);
        self->watches_writable = wanted;
    }
}

/* Forgets `sent` bytes of what is pending. */
static void drop_sent(struct connection *self, size_t sent)
{
    uint32_t done = 0;
    sent += self->pending_offset;
    while (done < self->pending_count && sent >= self->pending[done]->length) {
        sent -= self->pending[done]->length;
        packet_release(self->pending[done++]);
    }
    self->pending_offset = (uint32_t)sent;
    self->pending_count -= done;
    memmove(self->pending, self->pending + done, self->pending_count * sizeof *self->pending);
    if (self->pending_count == 0) {
        free(self->pending);
        self->pending = NULL;
        self->pending_capacity = 0;
    }
}

static void connection_flush(struct floor *floor, struct connection *self)
{
    while (self->fd >= 0 && self->pending_count > 0) {
        struct iovec vectors[SEND_VECTORS];
        size_t count = 0;
        size_t offset = self->pending_offset;
        for (; count < self->pending_count && count < SEND_VECTORS; count++) {
            vectors[count].iov_base = self->pending[count]->bytes + offset;
            vectors[count].iov_len = self->pending[count]->length - offset;
            offset = 0;
        }
        struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
        ssize_t sent = sendmsg(self->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            watch_writable(floor, self, true);
            return;
        }
        if (sent < 0) {
            connection_close(self);
            return;
        }
        drop_sent(self, (size_t)sent);
    }
    if (self->fd >= 0) {
        watch_writable(floor, self, false);
    }
}

static void connection_queue(struct connection *self, struct packet *packet)
{
    if (self->pending_count == self->pending_capacity) {
        self->pending_capacity = self->pending_capacity ? self->pending_capacity * 2 : 4;
        self->pending =
            checked(realloc(self->pending, self->pending_capacity * sizeof *self->pending));
    }
    self->pending[self->pending_count++] = packet;
    packet->references++;
}

static void mark_dirty(struct floor *floor, struct connection *self)
{
    if (self->dirty) {
        return;
    }
    if (floor->dirty_count == floor->dirty_capacity) {
        floor->dirty_capacity = floor->dirty_capacity ? floor->dirty_capacity * 2 : 1024;
        floor->dirty = checked(realloc(floor->dirty, floor->dirty_capacity * sizeof *floor->dirty));
    }
    self->dirty = true;
    floor->dirty[floor->dirty_count++] = self;
}

static void deliver(struct floor *floor, struct connection *self, struct packet *packet)
{
    if (self->fd < 0) {
        return;
    }
    if (floor->coalesces) {
        connection_queue(self, packet);
        mark_dirty(floor, self);
        return;
    }
    if (self->pending_count == 0) {
        ssize_t sent = send(self->fd, packet->bytes, packet->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == (ssize_t)packet->length) {
            return;
        }
        self->pending_offset = sent > 0 ? (uint32_t)sent : 0;
    }
    connection_queue(self, packet);
    watch_writable(floor, self, true);
}

static void answer(struct floor *floor, struct connection *self, const char *text)
{
    struct packet *packet = packet_new(text, strlen(text));
    deliver(floor, self, packet);
    packet_release(packet);
}

/*
 * Copies the string member `key` ("\"roomId\":\"") of a packet; returns its length, 0 when absent.
 */
static size_t read_member(const char *packet, size_t length, const char *key, char *out,
                          size_t size)
{
    const char *value = memmem(packet, length, key, strlen(key));
    if (!value) {
        return 0;
    }
    value += strlen(key);
    const char *end = memchr(value, '"', (size_t)(packet + length - value));
    if (!end || (size_t)(end - value) >= size) {
        return 0;
    }
    memcpy(out, value, (size_t)(end - value));
    out[end - value] = '\0';
    return (size_t)(end - value);
}

static void receive_join(struct floor *floor, struct connection *self, const char *id)
{
    char joined[PACKET_MAX];
    struct room *room = NULL;
    HASH_FIND_STR(floor->rooms, id, room);
    if (!room) {
        room = checked(calloc(1, sizeof *room));
        snprintf(room->id, sizeof room->id, "%s", id);
        HASH_ADD_STR(floor->rooms, id, room);
    }
    if ((room->member_count & (room->member_count - 1)) == 0) {
        size_t capacity = room->member_count ? room->member_count * 2 : 1;
        room->members = checked(realloc(room->members, capacity * sizeof *room->members));
    }
    room->members[room->member_count++] = self;
    snprintf(joined, sizeof joined, "42[\"room_joined\",{\"roomId\":\"%s\",\"channelId\":\"%s\"}]",
             id, id);
    answer(floor, self, joined);
}

static void receive_message(struct floor *floor, const char *packet, size_t length, const char *id)
{
    char sender[ROOM_ID_MAX + 1] = "";
    char text[TEXT_MAX] = "";
    char broadcast[PACKET_MAX];
    struct room *room = NULL;
    HASH_FIND_STR(floor->rooms, id, room);
    if (!room) {
        return;
    }
    read_member(packet, length, "\"senderId\":\"", sender, sizeof sender);
    read_member(packet, length, "\"message\":\"", text, sizeof text);
    int size = snprintf(broadcast, sizeof broadcast,
                        "42[\"messageBroadcast\",{\"id\":\"00000000-0000-4000-8000-%012llx\","
                        "\"senderId\":\"%s\",\"senderName\":\"bench\",\"text\":\"%s\","
                        "\"roomId\":\"%s\",\"channelId\":\"%s\",\"createdAt\":1795405662766,"
                        "\"source\":\"bench\",\"attachments\":[],\"metadata\":{}}]",
                        (unsigned long long)floor->messages++, sender, text, id, id);
    struct packet *frame = packet_new(broadcast, (size_t)size);
    for (size_t i = 0; i < room->member_count; i++) {
        deliver(floor, room->members[i], frame);
    }
    packet_release(frame);
}

static void receive_packet(struct floor *floor, struct connection *self, const char *packet,
                           size_t length)
{
    char id[ROOM_ID_MAX + 1];
    char connected[64];
    if (length >= 2 && packet[0] == '4' && packet[1] == '0') {
        snprintf(connected, sizeof connected, "40{\"sid\":\"%0*llu\"}", SID_LENGTH,
                 (unsigned long long)floor->sids++);
        answer(floor, self, connected);
        return;
    }
    if (read_member(packet, length, "\"roomId\":\"", id, sizeof id) == 0) {
        return;
    }
    if (memmem(packet, length, "\"type\":1", 8)) {
        receive_join(floor, self, id);
    } else {
        receive_message(floor, packet, length, id);
    }
}

/* Answers the upgrade request; returns how many bytes it took. */
static size_t receive_upgrade(struct floor *floor, struct connection *self, const char *request,
                              size_t length)
{
    static const char key_header[] = "Sec-WebSocket-Key: ";
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *end = memmem(request, length, "\r\n\r\n", 4);
    const char *key = memmem(request, length, key_header, sizeof key_header - 1);
    if (!end || !key) {
        return 0;
    }
    char input[24 + sizeof guid];
    uint8_t digest[SHA_DIGEST_LENGTH];
    uint8_t accept[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
    memcpy(input, key + sizeof key_header - 1, 24);
    memcpy(input + 24, guid, sizeof guid);
    SHA1((const uint8_t *)input, strlen(input), digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    char response[512];
    int size = snprintf(response, sizeof response,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    if (send(self->fd, response, (size_t)size, MSG_NOSIGNAL) != size) {
        connection_close(self);
        return length;
    }
    self->upgraded = true;
    char open[256];
    snprintf(open, sizeof open,
             "0{\"sid\":\"%0*llu\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
             "\"maxPayload\":1000000}",
             SID_LENGTH, (unsigned long long)floor->sids++);
    answer(floor, self, open);
    return (size_t)(end - request) + 4;
}

static void keep_unread(struct connection *self, const uint8_t *rest, size_t length)
{
    free(self->unread);
    self->unread = NULL;
    self->unread_length = (uint32_t)length;
    if (length > 0) {
        self->unread = checked(malloc(length));
        memcpy(self->unread, rest, length);
    }
}

static void connection_receive(struct floor *floor, struct connection *self)
{
    size_t length = self->unread_length;
    if (length > 0) {
        memcpy(floor->scratch, self->unread, length);
    }
    ssize_t count = recv(self->fd, floor->scratch + length, RECEIVE_SIZE, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        connection_close(self);
        return;
    }
    length += (size_t)count;
    size_t taken = 0;
    if (!self->upgraded) {
        taken = receive_upgrade(floor, self, (const char *)floor->scratch, length);
    }
    while (self->upgraded && self->fd >= 0 && taken < length) {
        struct frame frame;
        enum frame_status status = frame_read(&frame, floor->scratch + taken, length - taken);
        if (status == FRAME_INVALID) {
            connection_close(self);
        }
        if (status != FRAME_COMPLETE) {
            break;
        }
        taken += frame.size;
        receive_packet(floor, self, (const char *)frame.payload, frame.length);
    }
    if (self->fd >= 0) {
        keep_unread(self, floor->scratch + taken, length - taken);
    }
}

static void accept_all(struct floor *floor)
{
    for (;;) {
        int fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct connection *connection = checked(calloc(1, sizeof *connection));
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void turn(struct floor *floor)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_wait(floor->epoll, events, EVENTS_PER_TURN, -1);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (!connection) {
            accept_all(floor);
            continue;
        }
        if (connection->fd >= 0 && (events[i].events & EPOLLOUT)) {
            connection_flush(floor, connection);
        }
        if (connection->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT)) {
            connection_receive(floor, connection);
        }
    }
    for (size_t i = 0; i < floor->dirty_count; i++) {
        floor->dirty[i]->dirty = false;
        connection_flush(floor, floor->dirty[i]);
    }
    floor->dirty_count = 0;
}

static int listen_on(uint16_t port)
{
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0) {
        perror("floor: listen");
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    static struct floor floor;
    long port = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    floor.coalesces = argc == 3 && strcmp(argv[1], "coalesce") == 0;
    if (port <= 0 || port > UINT16_MAX || (!floor.coalesces && strcmp(argv[1], "direct") != 0)) {
        fputs("usage: floor direct|coalesce PORT\n", stderr);
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    floor.epoll = epoll_create1(EPOLL_CLOEXEC);
    floor.listener = listen_on((uint16_t)port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (floor.epoll < 0 || floor.listener < 0 ||
        epoll_ctl(floor.epoll, EPOLL_CTL_ADD, floor.listener, &event) != 0) {
        return 1;
    }
    for (;;) {
        turn(&floor);
    }
}
