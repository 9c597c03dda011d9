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

/*
 * Looks for an entity from *at on, then from the beginning, and moves *at behind it: two lists have
 * much the same order, so that mostly it is the next one. False: it is not there.
 */
static bool find(const struct buffer *present, struct slice entity, size_t *at)
{
    size_t start = *at;
    for (size_t i = start; i < present->length; i = next_of(present, i)) {
        if (slice_equals(entity_at(present, i), entity)) {
            *at = next_of(present, i);
            return true;
        }
    }
    for (size_t i = 0; i < start; i = next_of(present, i)) {
        if (slice_equals(entity_at(present, i), entity)) {
            *at = next_of(present, i);
            return true;
        }
    }
    return false;
}

static void add(struct chat_room *room, struct slice entity)
{
    buffer_append_char(&room->present, (char)(entity.length >> 8));
    buffer_append_char(&room->present, (char)(entity.length & 0xff));
    buffer_append_slice(&room->present, entity);
    room->present_count++;
}

/* Removes the one that ends at `end`. */
static void remove_before(struct chat_room *room, size_t end, size_t length)
{
    struct buffer *present = &room->present;
    memmove(present->data + end - length - LENGTH_BYTES, present->data + end,
            present->length - end);
    present->length -= length + LENGTH_BYTES;
    room->present_count--;
}

/* Everybody on the list who is not known to be there: adds them, and tells the sockets. */
static void welcome(struct chat *chat, struct chat_room *room, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_member element;
    size_t at = 0;
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        if (!find(&room->present, element.entity, &at)) {
            struct bus_presence joined = {.room = chat_text(room->id),
                                          .is_joined = true,
                                          .entity = element.entity,
                                          .name = element.name,
                                          .member_count = list->count};
            add(room, element.entity);
            if (room->count > 0) {
                room_announce(chat, room, &joined);
            }
        }
    }
}

void presence_joined(struct chat *chat, struct chat_room *room, const struct bus_joined *joined)
{
    bool is_whole = joined->members.count == joined->member_count;
    if (room->count == 0) {
        room->is_crowded = !is_whole; /* nobody is here to be told */
    }
    if (is_whole && !room->is_crowded) {
        welcome(chat, room, &joined->members);
    }
}

void presence_change(struct chat *chat, struct chat_room *room, const struct bus_presence *presence)
{
    size_t at = 0;
    bool is_present = find(&room->present, presence->entity, &at);
    if (!room->is_crowded && presence->is_joined == is_present) {
        return;
    }
    if (is_present) {
        remove_before(room, at, presence->entity.length);
    } else if (!room->is_crowded) {
        add(room, presence->entity);
    }
    room_announce(chat, room, presence);
}

/* What each of its sockets knows is known to nobody: from here on, it is the list. */
static void begin_anew(struct chat_room *room, const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_member element;
    room->is_crowded = false;
    buffer_clear(&room->present);
    room->present_count = 0;
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        add(room, element.entity);
    }
}

/* Those who were told of a part get all of it: one packet, shared. */
static void complete_samples(struct chat *chat, struct chat_room *room, const struct bus_list *list)
{
    struct packet *packet = NULL;
    for (uint32_t i = 0; i < room->count; i++) {
        struct chat_member *member = room->members[i];
        if (member->is_sampled) {
            packet = packet == NULL ? render_room_list(chat, room, list) : packet;
            member->is_sampled = false;
            chat_emit(member->owner, packet);
            chat->counters.deliveries++;
        }
    }
    packet_release(&packet);
}

static void tell_differences(struct chat *chat, struct chat_room *room,
                             const struct bus_presence_list *list)
{
    welcome(chat, room, &list->members);
    struct presence_others others = presence_others_of(room, &list->members);
    struct slice entity;
    while (presence_others_next(&others, &entity)) {
        struct bus_presence left = {
            .room = chat_text(room->id), .entity = entity, .member_count = list->members.count};
        room_announce(chat, room, &left);
        remove_before(room, others.at, entity.length);
        others.at -= entity.length + LENGTH_BYTES;
    }
    presence_others_end(&others);
}

void presence_reconcile(struct chat *chat, struct chat_room *room,
                        const struct bus_presence_list *list)
{
    if (room->is_crowded) {
        begin_anew(room, &list->members);
    } else {
        tell_differences(chat, room, list);
    }
    complete_samples(chat, room, &list->members);
}

/* --- who is known to be there, but not on a list ---------------------------------------------- */

struct presence_others presence_others_of(const struct chat_room *room, const struct bus_list *list)
{
    struct presence_others others = {.room = room};
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_member element;
    struct chat_room listed = {.count = 0};
    others.is_none = room->present_count <= list->count; /* all on the list are known */
    while (!others.is_none && bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        add(&listed, element.entity);
    }
    others.listed = listed.present;
    return others;
}

bool presence_others_next(struct presence_others *others, struct slice *entity)
{
    const struct buffer *present = &others->room->present;
    while (!others->is_none && others->at < present->length) {
        *entity = entity_at(present, others->at);
        others->at = next_of(present, others->at);
        if (!find(&others->listed, *entity, &others->listed_at)) {
            return true;
        }
    }
    return false;
}

void presence_others_end(struct presence_others *others)
{
    buffer_deinit(&others->listed);
}
