/*
 * The outbox: packets waiting for one client, shared and in order, with their bytes and the age of
 * the oldest. A ring that starts without memory, grows as needed and gives its memory back: idle
 * sessions are many. Bounds are the caller's (session_settings.outbox_max_*).
 */
#ifndef EDGE_SESSION_OUTBOX_H
#define EDGE_SESSION_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/packet.h"

enum {
    OUTBOX_BATCH = 64,          /* packets that outbox_front() hands out at most */
    OUTBOX_CAPACITY_FIRST = 4,  /* slots of the first ring */
    OUTBOX_CAPACITY_KEPT = 256, /* a larger ring is freed as soon as it is empty */
};

struct outbox {
    struct packet **packets; /* owns the ring: `capacity` packets, then as many queueing times */
    uint32_t capacity;       /* slots, a power of two; 0: no ring */
    uint32_t head;           /* slot of the oldest packet */
    uint32_t count;          /* packets waiting */
    uint32_t volatile_count; /* of them, those that may be dropped */
    size_t bytes;            /* of their frames */
};

void outbox_init(struct outbox *outbox);
void outbox_deinit(struct outbox *outbox);

/* Queues a packet at the end; takes a reference of its own. */
void outbox_push(struct outbox *outbox, struct packet *packet, int64_t now);
/*
 * The oldest packets in order, at most OUTBOX_BATCH: the ring itself where it does not wrap, else
 * `copy`. Valid until the outbox changes; *count is 0 when it is empty.
 */
struct packet *const *outbox_front(const struct outbox *outbox, struct packet *copy[OUTBOX_BATCH],
                                   size_t *count);
/* Removes the oldest packets; count is at most what waits. */
void outbox_pop(struct outbox *outbox, size_t count);
/* Removes every volatile packet; the others keep their order. Returns how many went. */
size_t outbox_drop_volatile(struct outbox *outbox);
/* Removes every packet and frees the ring. */
void outbox_clear(struct outbox *outbox);
/* Frees the ring of an empty outbox: called now and then on idle sessions. */
void outbox_trim(struct outbox *outbox);
/* Does a packet of that kind wait? */
bool outbox_holds(const struct outbox *outbox, enum packet_kind kind);
/* How long the oldest packet has waited, in ms; 0 when there is none. */
int64_t outbox_age(const struct outbox *outbox, int64_t now);

#endif
