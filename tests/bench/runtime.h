/*
 * An agent runtime, as `--runtime http` of the agent-bridge asks it, that writes any number of
 * replies at the same time. A question is a POST; it is answered by an event stream: `chunk` with a
 * token at the given rate, and at last `done` with the whole text. Those who ask together do not
 * get their tokens together: each reply begins at a random moment of the first interval.
 *
 * A viewer may also ask the runtime itself, by a packet in a WebSocket frame without any handshake,
 * and gets its tokens framed as an edge does. That is the floor: the same work of the generator,
 * and one hop instead of a cluster.
 */
#ifndef TESTS_BENCH_RUNTIME_H
#define TESTS_BENCH_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/replies.h"

enum { RUNTIME_ERROR_SIZE = 120 };

struct runtime_connection;

struct runtime {
    struct replies *replies; /* borrows */
    int64_t interval;        /* ns from token to token */
    bool finishing;          /* what is due next is the end */
    uint16_t port;           /* of 127.0.0.1 */
    int epoll;               /* readable when there is something to take */
    int listener;
    struct runtime_connection *all;     /* owns */
    struct runtime_connection *talking; /* of those, the one that is due first, at the head */
    char error[RUNTIME_ERROR_SIZE];     /* what went wrong first, or empty */
};

/* Listens on `port`, or a free one if that is 0; `rate` is tokens per second of each reply. */
int runtime_init(struct runtime *self, struct replies *replies, uint16_t port, double rate);
void runtime_deinit(struct runtime *self);

/* Takes connections and questions that have come. */
void runtime_receive(struct runtime *self);

/* Writes what is due. Returns when something will be next, INT64_MAX if there is nothing. */
int64_t runtime_speak(struct runtime *self);

#endif
