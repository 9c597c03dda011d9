#include "edge/chat/missed.h"

#include <stdlib.h>

#include "proto/base/memory.h"

static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return memory_reallocate(items, *capacity * size);
}

static bool has_room_for(struct missed *missed, const struct packet *packet)
{
    missed->bytes += packet->payload_length;
    missed->is_overfull = missed->is_overfull || missed->bytes > MISSED_BYTES_MAX;
    return !missed->is_overfull;
}

void missed_add(struct missed *missed, uint64_t position, struct packet *packet)
{
    if (!has_room_for(missed, packet)) {
        packet_release(&packet);
        return;
    }
    missed->messages =
        grow(missed->messages, missed->count, &missed->capacity, sizeof(*missed->messages));
    missed->messages[missed->count] = (struct missed_message){position, missed->count, packet};
    missed->count++;
}

void missed_hold(struct missed *missed, struct packet *packet)
{
    struct packet *plain = packet_plain(packet);
    if (!has_room_for(missed, plain)) {
        return;
    }
    missed->held =
        grow(missed->held, missed->held_count, &missed->held_capacity, sizeof(*missed->held));
    missed->held[missed->held_count++] = packet_share(plain);
}

static int by_position(const void *left, const void *right)
{
    const struct missed_message *a = left, *b = right;
    if (a->position != b->position) {
        return a->position < b->position ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}

void missed_emit_messages(struct missed *missed, struct socket *socket)
{
    if (missed->count > 1) {
        qsort(missed->messages, missed->count, sizeof(*missed->messages), by_position);
    }
    for (uint32_t i = 0; i < missed->count; i++) {
        socket_emit_missed(socket, missed->messages[i].packet);
    }
}

void missed_emit_rest(const struct missed *missed, struct socket *socket)
{
    for (uint32_t i = 0; i < missed->held_count; i++) {
        socket_emit(socket, missed->held[i]);
    }
}

void missed_clear(struct missed *missed)
{
    for (uint32_t i = 0; i < missed->count; i++) {
        packet_release(&missed->messages[i].packet);
    }
    for (uint32_t i = 0; i < missed->held_count; i++) {
        packet_release(&missed->held[i]);
    }
    free(missed->messages);
    free(missed->held);
    *missed = (struct missed){.count = 0};
}
