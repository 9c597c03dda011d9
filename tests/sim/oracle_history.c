#include "proto/bus/list.h"
#include "proto/bus/message.h"
#include "tests/sim/oracle_internal.h"

static bool was_there(const struct stored_message *message, int64_t asked_at)
{
    return message->record.kind != MESSAGE_KIND_EVENT && message->stored_at < asked_at &&
           memory_store_shows(message);
}

/* From position *at of the room downwards to that seq: nothing that was there was left out. */
static bool is_next(const struct stored_room *room, size_t *at, uint64_t seq, int64_t asked_at)
{
    while (*at > 0 && room->messages[*at - 1]->record.seq > seq) {
        if (was_there(room->messages[--*at], asked_at)) {
            return false;
        }
    }
    return true;
}

void oracle_read(struct world *world, struct memory_store *store, struct slice room_id,
                 int64_t asked_at, uint64_t limit, const struct bus_list *messages)
{
    const struct stored_room *room = memory_store_room(store, room_id);
    struct msgpack_reader reader = bus_list_read(messages);
    struct bus_stored_message element;
    size_t at = room == NULL ? 0 : room->count;
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &element)) {
        const struct stored_message *message = memory_store_message(store, element.id);
        bool is_of_room = message != NULL && message->room == room &&
                          message->record.kind != MESSAGE_KIND_EVENT &&
                          message->record.seq == element.seq;
        if (!is_of_room || (!memory_store_shows(message) && message->gone_at < asked_at)) {
            world_fail(world, "history", "%.*s is read in %.*s, where it is not",
                       (int)element.id.length, element.id.data, (int)room_id.length, room_id.data);
            return;
        }
        if (!is_next(room, &at, element.seq, asked_at) || at == 0) {
            world_fail(world, "history", "%.*s is read in %.*s, and not what comes before it",
                       (int)element.id.length, element.id.data, (int)room_id.length, room_id.data);
            return;
        }
        at--;
    }
    if (messages->count < limit && room != NULL && !is_next(room, &at, 0, asked_at)) {
        world_fail(world, "history", "of %.*s only %llu are read", (int)room_id.length,
                   room_id.data, (unsigned long long)messages->count);
    }
}
