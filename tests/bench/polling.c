#include "tests/bench/polling.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/answer.h"
#include "tests/bench/client.h"

enum {
    SID_MAX = 64,
    QUEUE_MAX = CLIENT_PACKET_MAX,
    REQUEST_HEAD_MAX = 512,
    SEPARATOR = 0x1e,
};

struct polling {
    char sid[SID_MAX + 1];
    char *queue; /* owns: packets for the next POST, separated; NULL when none */
    size_t queue_length;
};

static const char path[] = "/socket.io/?EIO=4&transport=polling";

struct polling *polling_new(void)
{
    return calloc(1, sizeof(struct polling));
}

void polling_destroy(struct polling **self)
{
    if (*self) {
        free((*self)->queue);
        free(*self);
        *self = NULL;
    }
}

void polling_open(struct clients *clients, struct client *client)
{
    char request[REQUEST_HEAD_MAX];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n", path);
    client_send_bytes(clients, client, request, (size_t)length);
}

void polling_send(struct clients *clients, struct client *client, const char *packet, size_t length)
{
    struct polling *self = client->polling;
    if (!self->queue) {
        self->queue = malloc(QUEUE_MAX);
        self->queue_length = 0;
    }
    if (!self->queue || self->queue_length + 1 + length > QUEUE_MAX) {
        client_fail(clients, client, "too many packets wait for a POST");
        return;
    }
    if (self->queue_length > 0) {
        self->queue[self->queue_length++] = SEPARATOR;
    }
    memcpy(self->queue + self->queue_length, packet, length);
    self->queue_length += length;
}

/* Sends what waits, or parks a GET. */
static void send_next_request(struct clients *clients, struct client *client)
{
    struct polling *self = client->polling;
    char request[REQUEST_HEAD_MAX + QUEUE_MAX];
    int head;
    if (!self->queue) {
        head = snprintf(request, REQUEST_HEAD_MAX,
                        "GET %s&sid=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n", path,
                        self->sid);
        client_send_bytes(clients, client, request, (size_t)head);
        return;
    }
    head = snprintf(request, REQUEST_HEAD_MAX,
                    "POST %s&sid=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
                    "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
                    path, self->sid, self->queue_length);
    memcpy(request + head, self->queue, self->queue_length);
    size_t length = (size_t)head + self->queue_length;
    free(self->queue);
    self->queue = NULL;
    client_send_bytes(clients, client, request, length);
}

/* Takes the session id from the open packet; returns whether there is one. */
static bool read_sid(struct polling *self, const char *body, size_t length)
{
    static const char key[] = "\"sid\":\"";
    const char *sid = memmem(body, length, key, sizeof key - 1);
    if (!sid) {
        return false;
    }
    sid += sizeof key - 1;
    const char *end = memchr(sid, '"', (size_t)(body + length - sid));
    if (!end || end == sid || end - sid > SID_MAX) {
        return false;
    }
    memcpy(self->sid, sid, (size_t)(end - sid));
    self->sid[end - sid] = '\0';
    return true;
}

static void receive_body(struct clients *clients, struct client *client, const char *body,
                         size_t length)
{
    if (client->polling->sid[0] == '\0' && !read_sid(client->polling, body, length)) {
        client_fail(clients, client, "the answer to the first GET is no open packet");
        return;
    }
    const char *end = body + length;
    while (body < end && client->state != CLIENT_CLOSED) {
        const char *separator = memchr(body, SEPARATOR, (size_t)(end - body));
        const char *packet_end = separator ? separator : end;
        bool posted = packet_end - body == 2 && memcmp(body, "ok", 2) == 0;
        if (!posted) {
            client_receive_packet(clients, client, body, (size_t)(packet_end - body));
        }
        body = separator ? separator + 1 : end;
    }
    if (client->state != CLIENT_CLOSED) {
        send_next_request(clients, client);
    }
}

size_t polling_receive(struct clients *clients, struct client *client, const char *bytes,
                       size_t length)
{
    size_t taken = 0;
    while (taken < length && client->state != CLIENT_CLOSED) {
        const char *bytes_left = bytes + taken;
        struct answer answer;
        enum answer_state state = answer_read(bytes_left, length - taken, &answer);
        if (state == ANSWER_REFUSED) {
            client_fail(clients, client, "refused, or an answer without a length: %.*s",
                        (int)(answer.head - 4), bytes_left);
        }
        if (state != ANSWER_WHOLE) {
            break;
        }
        taken += answer.head + answer.body;
        receive_body(clients, client, bytes_left + answer.head, answer.body);
    }
    return taken;
}
