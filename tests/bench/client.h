/*
 * The clients of the load generator: many Socket.IO 5 over Engine.IO 4 connections on one epoll,
 * each over a direct WebSocket or over HTTP long-polling.
 *
 * A client opens, connects to the main namespace, joins its room when asked to, and is then ready.
 * It answers heartbeats by itself. A connection that fails or is closed by the server is counted
 * and not opened again.
 */
#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIENT_PORTS_MAX = 8,
    CLIENT_ERROR_SIZE = 200,
    CLIENT_PACKET_MAX = 4096, /* longest packet that a client sends */
};

enum client_state {
    CLIENT_IDLE,       /* not started yet */
    CLIENT_CONNECTING, /* TCP */
    CLIENT_UPGRADING,  /* waits for 101; not when polling */
    CLIENT_OPENING,    /* waits for Engine.IO's open packet */
    CLIENT_ATTACHING,  /* waits for Socket.IO's CONNECT */
    CLIENT_JOINING,    /* waits for room_joined; only when clients join */
    CLIENT_READY,
    CLIENT_CLOSED,
};

/* The beginning of a frame or an answer whose rest is still to come. */
struct client_carry {
    uint8_t *bytes; /* owns */
    size_t length;
};

struct client {
    int fd;
    uint32_t number;
    enum client_state state;
    struct client_carry carry;
    struct polling *polling; /* owns; NULL over WebSocket */
    int64_t opened_at;
};

struct clients_options {
    uint16_t ports[CLIENT_PORTS_MAX]; /* of 127.0.0.1; client n takes ports[n % port_count] */
    size_t port_count;
    uint32_t count;
    uint32_t members;     /* client n belongs to room n / members */
    uint32_t concurrency; /* clients that open at the same time */
    bool polling;
    bool old; /* as clients 1.x and 2.x: Engine.IO 3, over WebSocket */
    bool joins;
    bool bare; /* ready as soon as there is a connection: frames without any handshake */
};

struct clients_events {
    void *context;
    /* The client can send. `now` in ns. */
    void (*ready)(void *context, struct client *client, int64_t now);
    /* A messageBroadcast packet came in. */
    void (*delivered)(void *context, struct client *client, const char *packet, size_t length,
                      int64_t now);
    /* A messageStreamChunk packet came in; NULL: one of the other events. */
    void (*chunk)(void *context, struct client *client, const char *packet, size_t length,
                  int64_t now);
    /* What clients_watch() was told of is readable. */
    void (*watched)(void *context);
};

struct clients {
    struct clients_options options;
    struct clients_events events;
    struct client *all; /* owns options.count of them */
    int epoll;
    uint32_t run; /* makes the ids of this run its own */
    uint32_t started;
    uint32_t opening;
    uint32_t ready;
    uint32_t failed;
    uint64_t pings;                /* heartbeats answered */
    uint64_t other_events;         /* acks, presence and the like */
    uint64_t reads;                /* system calls that brought bytes */
    char error[CLIENT_ERROR_SIZE]; /* why the first one failed, or empty */
    uint8_t *scratch;              /* owns: the receive buffer of all */
};

int clients_init(struct clients *self, const struct clients_options *options,
                 const struct clients_events *events);

/* Closes all at once, without leaving ports in TIME_WAIT. */
void clients_deinit(struct clients *self);

/* Starts to open clients, never more than options.concurrency at a time, until `target` of them
 * have been started. To be called again after each turn. */
void clients_open(struct clients *self, uint32_t target);

/* Waits for at most `timeout` ns and handles what has come in. */
void clients_turn(struct clients *self, int64_t timeout);

/* Waits for a further descriptor, too. Returns 0 or -1. */
int clients_watch(struct clients *self, int fd);

/* Sends one chat message with this text from a ready client to its room; `number` makes its
 * messageId. A client whose connection does not take it at once fails. */
void client_send_message(struct clients *self, struct client *client, uint32_t number,
                         const char *text);

/* For the transports: a whole Engine.IO packet came in. */
void client_receive_packet(struct clients *self, struct client *client, const char *packet,
                           size_t length);

/* For the transports: sends bytes as they are; returns 0 or, after failing the client, -1. */
int client_send_bytes(struct clients *self, struct client *client, const void *bytes,
                      size_t length);

/* Closes a client and remembers why. */
void client_fail(struct clients *self, struct client *client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
