/*
 * The book of what was sent and who has got it: finds lost, doubled, reordered and stray
 * deliveries, and takes the latency of each. No I/O; time comes in as an argument.
 *
 * Rooms and clients are numbered; client c is a member of room c / members. The messages of a room
 * are numbered from 0 in the order in which they were sent.
 */
#ifndef TESTS_BENCH_TRAFFIC_H
#define TESTS_BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/stats.h"

enum { TRAFFIC_TEXT_LENGTH = 128 };

struct traffic_sending {
    int64_t at; /* intended time of sending, ns */
    uint32_t deliveries;
};

struct traffic_room {
    struct traffic_sending *sent; /* owns */
    uint32_t sent_count;
    uint32_t sent_capacity;
    uint32_t in_flight; /* sent, and not yet delivered to every member */
};

struct traffic_receiver {
    uint32_t next;   /* has every message before this one */
    uint32_t *ahead; /* owns: what came before its turn; mostly NULL */
    uint32_t ahead_count;
};

struct traffic {
    uint32_t room_count;
    uint32_t members;
    struct traffic_room *rooms;         /* owns room_count of them */
    struct traffic_receiver *receivers; /* owns room_count * members of them */
    uint64_t sent;
    uint64_t delivered;
    uint64_t doubled;
    uint64_t reordered; /* came before an earlier sent one of its room: no fault by itself */
    uint64_t stray;     /* of another room, or never sent */
    uint32_t in_flight; /* messages not yet delivered to every member */
    bool measuring;     /* latencies are taken */
    struct histogram latency;
};

int traffic_init(struct traffic *self, uint32_t room_count, uint32_t members);
void traffic_deinit(struct traffic *self);

/* Notes that the room's next message is due at `at`, and writes its text of TRAFFIC_TEXT_LENGTH
 * bytes and a NUL. Returns its number in the room, or -1 when memory is out. */
int64_t traffic_send(struct traffic *self, uint32_t room, int64_t at, char *text);

/* Notes a delivery to a client of a packet that holds such a text. Returns true when the message
 * has now reached every member of the room. */
bool traffic_deliver(struct traffic *self, uint32_t client, const char *packet, size_t length,
                     int64_t now);

/* How many deliveries of what was sent are still due. */
uint64_t traffic_missing(const struct traffic *self);

#endif
