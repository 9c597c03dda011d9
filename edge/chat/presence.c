#include "edge/chat/internal.h"

/*
 * Who is in a room, as the room's sockets on this edge were told: what the router says is news only
 * where it differs. So nothing is said twice, and after an outage the list of the router tells what
 * was missed meanwhile. Kept as [length][entity] one after the other: a room's presence is bounded
 * by the router's presence limit, and every change of it costs a packet for every socket anyway.
 */

enum { LENGTH_BYTES = 2 };

static size_t length_at(const struct buffer *present, size_t at)
{
    return (size_t)(unsigned char)present->data[at] << 8 | (unsigned char)present->data[at + 1];
}

static struct slice entity_at(const struct buffer *present, size_t at)
{
    return slice_of(present->data + at + LENGTH_BYTES, length_at(present, at));
}

static size_t next_of(const struct buffer *present, size_t at)
{
    return at + LENGTH_BYTES + length_at(present, at);
}

/* Its place in from..until, or `until`. */
static size_t find_between(const struct buffer *present, struct slice entity, size_t from,
                           size_t until)
{
    while (from < until && !slice_equals(entity_at(present, from), entity)) {
        from = next_of(present, from);
    }
    return from;
}

static void add(struct buffer *present, struct slice entity)
{
    buffer_append_char(present, (char)(entity.length >> 8));
    buffer_append_char(present, (char)(entity.length & 0xff));
    buffer_append_slice(present, entity);
}

static void remove_at(struct buffer *present, size_t at)
{
    size_t next = next_of(present, at);
    memmove(present->data + at, present->data + next, present->length - next);
    present->length -= next - at;
}

static void list_members(const struct bus_list *members, struct buffer *present)
{
    struct msgpack_reader reader = bus_list_read(members);
    struct bus_member element;
    buffer_clear(present);
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        add(present, element.entity);
    }
}

void presence_begin(struct chat_room *room, const struct bus_joined *joined)
{
    room->is_crowded = joined->members.count < joined->member_count;
    if (!room->is_crowded) {
        list_members(&joined->members, &room->present);
    }
}

void presence_change(struct chat *chat, struct chat_room *room,
                     const struct bus_presence *presence)
{
    struct buffer *present = &room->present;
    size_t at = find_between(present, presence->entity, 0, present->length);
    bool is_present = at < present->length;
    if (!room->is_crowded) {
        if (presence->is_joined == is_present) {
            return;
        }
        if (is_present) {
            remove_at(present, at);
        } else {
            add(present, presence->entity);
        }
    }
    room_announce(chat, room, presence);
}

/* Announces those of `list` who are not in room->present. */
static void announce_newcomers(struct chat *chat, struct chat_room *room,
                               const struct bus_presence_list *list)
{
    const struct buffer *present = &room->present;
    struct msgpack_reader reader = bus_list_read(&list->members);
    struct bus_member element;
    size_t at = 0; /* both have much the same order: mostly it is the next one */
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        size_t found = find_between(present, element.entity, at, present->length);
        if (found == present->length) {
            found = find_between(present, element.entity, 0, at);
            found = found == at ? present->length : found;
        }
        if (found < present->length) {
            at = next_of(present, found);
            continue;
        }
        struct bus_presence joined = {.room = list->room,
                                      .is_joined = true,
                                      .entity = element.entity,
                                      .name = element.name,
                                      .member_count = list->members.count};
        room_announce(chat, room, &joined);
    }
}

/* Announces those of `former` who are not in room->present any more. */
static void announce_gone(struct chat *chat, struct chat_room *room, const struct buffer *former,
                          uint64_t member_count)
{
    const struct buffer *present = &room->present;
    size_t at = 0;
    for (size_t i = 0; i < former->length; i = next_of(former, i)) {
        struct slice entity = entity_at(former, i);
        size_t found = find_between(present, entity, at, present->length);
        if (found == present->length) {
            found = find_between(present, entity, 0, at);
            found = found == at ? present->length : found;
        }
        if (found < present->length) {
            at = next_of(present, found);
            continue;
        }
        struct bus_presence left = {
            .room = chat_text(room->id), .entity = entity, .member_count = member_count};
        room_announce(chat, room, &left);
    }
}

void presence_reconcile(struct chat *chat, struct chat_room *room,
                        const struct bus_presence_list *list)
{
    struct buffer former = room->present;
    bool was_crowded = room->is_crowded; /* then nobody knows what the sockets know */
    if (!was_crowded) {
        announce_newcomers(chat, room, list);
    }
    room->present = BUFFER_EMPTY;
    room->is_crowded = false;
    list_members(&list->members, &room->present);
    if (!was_crowded) {
        announce_gone(chat, room, &former, list->members.count);
    }
    buffer_deinit(&former);
}
