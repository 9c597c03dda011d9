#include "edge/session/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

/* Queueing times lie behind the packets in the same block, as the low 32 bits of milliseconds. */
static uint32_t *times_of(const struct outbox *outbox)
{
    return (uint32_t *)(void *)(outbox->packets + outbox->capacity);
}

static uint32_t slot_of(const struct outbox *outbox, size_t position)
{
    return (outbox->head + (uint32_t)position) & (outbox->capacity - 1);
}

static size_t size_of(const struct packet *packet)
{
    return packet_frame(packet).length;
}

void outbox_init(struct outbox *outbox)
{
    memset(outbox, 0, sizeof(*outbox));
}

void outbox_deinit(struct outbox *outbox)
{
    outbox_clear(outbox);
}

static void grow(struct outbox *outbox)
{
    struct outbox larger = *outbox;
    size_t slot_size = sizeof(*outbox->packets) + sizeof(uint32_t);

    assert(outbox->capacity <= UINT32_MAX / 4);
    larger.capacity = outbox->capacity == 0 ? OUTBOX_CAPACITY_FIRST : outbox->capacity * 2;
    larger.head = 0;
    larger.packets = memory_allocate(larger.capacity * slot_size);
    for (uint32_t i = 0; i < outbox->count; i++) {
        uint32_t slot = slot_of(outbox, i);

        larger.packets[i] = outbox->packets[slot];
        times_of(&larger)[i] = times_of(outbox)[slot];
    }
    free(outbox->packets);
    *outbox = larger;
}

void outbox_push(struct outbox *outbox, struct packet *packet, int64_t now)
{
    uint32_t slot;

    if (outbox->count == outbox->capacity) {
        grow(outbox);
    }
    slot = slot_of(outbox, outbox->count);
    outbox->packets[slot] = packet_share(packet);
    times_of(outbox)[slot] = (uint32_t)now;
    outbox->count++;
    outbox->volatile_count += packet->is_volatile != 0;
    outbox->bytes += size_of(packet);
}

struct packet *const *outbox_front(const struct outbox *outbox, struct packet *copy[OUTBOX_BATCH],
                                   size_t *count)
{
    *count = outbox->count < OUTBOX_BATCH ? outbox->count : OUTBOX_BATCH;
    if (*count > 0 && outbox->head + *count <= outbox->capacity) {
        return outbox->packets + outbox->head;
    }
    for (size_t i = 0; i < *count; i++) {
        copy[i] = outbox->packets[slot_of(outbox, i)];
    }
    return copy;
}

/* An empty ring starts over at its first slot, so that batches rarely wrap. */
static void settle(struct outbox *outbox)
{
    if (outbox->count > 0) {
        return;
    }
    outbox->head = 0;
    if (outbox->capacity > OUTBOX_CAPACITY_KEPT) {
        outbox_trim(outbox);
    }
}

void outbox_pop(struct outbox *outbox, size_t count)
{
    assert(count <= outbox->count);
    for (size_t i = 0; i < count; i++) {
        struct packet *packet = outbox->packets[outbox->head];

        outbox->head = slot_of(outbox, 1);
        outbox->volatile_count -= packet->is_volatile != 0;
        outbox->bytes -= size_of(packet);
        packet_release(&packet);
    }
    outbox->count -= (uint32_t)count;
    settle(outbox);
}

size_t outbox_drop_volatile(struct outbox *outbox)
{
    uint32_t kept = 0;
    uint32_t dropped;

    if (outbox->volatile_count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < outbox->count; i++) {
        uint32_t from = slot_of(outbox, i);
        uint32_t to = slot_of(outbox, kept);
        struct packet *packet = outbox->packets[from];

        if (packet->is_volatile) {
            outbox->bytes -= size_of(packet);
            packet_release(&packet);
            continue;
        }
        outbox->packets[to] = packet;
        times_of(outbox)[to] = times_of(outbox)[from];
        kept++;
    }
    dropped = outbox->count - kept;
    outbox->count = kept;
    outbox->volatile_count = 0;
    settle(outbox);
    return dropped;
}

void outbox_clear(struct outbox *outbox)
{
    outbox_pop(outbox, outbox->count);
    outbox_trim(outbox);
}

void outbox_trim(struct outbox *outbox)
{
    if (outbox->count > 0) {
        return;
    }
    free(outbox->packets);
    outbox->packets = NULL;
    outbox->capacity = 0;
    outbox->head = 0;
}

int64_t outbox_age(const struct outbox *outbox, int64_t now)
{
    int32_t age;

    if (outbox->count == 0) {
        return 0;
    }
    age = (int32_t)((uint32_t)now - times_of(outbox)[outbox->head]);
    return age > 0 ? age : 0;
}

bool outbox_holds(const struct outbox *outbox, enum packet_kind kind)
{
    for (uint32_t i = 0; i < outbox->count; i++) {
        if (outbox->packets[slot_of(outbox, i)]->kind == kind) {
            return true;
        }
    }
    return false;
}
