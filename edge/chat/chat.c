#include "edge/chat/internal.h"

enum { MEMBERS_FIRST = 4 }; /* most rooms are small */

struct chat *chat_new(const struct chat_settings *settings, struct id_source *ids)
{
    struct chat *chat = memory_allocate_zeroed(sizeof(*chat));
    chat->settings = *settings;
    chat->ids = ids;
    arena_init(&chat->arena);
    return chat;
}

void chat_destroy(struct chat **self)
{
    struct chat *chat = *self;
    *self = NULL;
    if (chat == NULL) {
        return;
    }
    struct chat_room *room, *next;
    HASH_ITER (hh, chat->rooms, room, next) {
        while (room->count > 1) {
            member_remove(room->members[0]);
        }
        member_remove(room->members[0]); /* the last one takes the room along */
    }
    streams_destroy(chat);
    buffer_deinit(&chat->lost);
    arena_deinit(&chat->arena);
    buffer_deinit(&chat->scratch);
    buffer_deinit(&chat->argument);
    free(chat);
}

void chat_set_uplink(struct chat *chat, struct uplink *uplink)
{
    chat->uplink = uplink;
}

void chat_set_sessions(struct chat *chat, struct session_table *sessions)
{
    chat->sessions = sessions;
}

void chat_set_wall_clock(struct chat *chat, int64_t (*wall)(void *context), void *context)
{
    chat->wall = wall;
    chat->wall_context = context;
}

struct slice chat_text(const char *text)
{
    return slice_of_string(text);
}

struct chat_room *room_lookup(struct chat *chat, struct slice id)
{
    struct chat_room *room;
    HASH_FIND(hh, chat->rooms, id.data, id.length, room);
    return room;
}

struct chat_room *room_make(struct chat *chat, struct slice id, struct slice server_id,
                            uint64_t epoch, uint64_t last_seq)
{
    struct chat_room *room = room_lookup(chat, id);
    if (room == NULL) {
        room = memory_allocate_zeroed(sizeof(*room));
        room->id = memory_copy_string(id.data, id.length);
        room->server_id = memory_copy_string(server_id.data, server_id.length);
        room->epoch = epoch;
        room->last_seq = last_seq;
        HASH_ADD_KEYPTR(hh, chat->rooms, room->id, id.length, room);
    } else {
        room_enter_epoch(room, epoch);
    }
    return room;
}

void room_enter_epoch(struct chat_room *room, uint64_t epoch)
{
    if (room->epoch == epoch) {
        return;
    }
    room->epoch = epoch;
    room->last_seq = 0;
    for (uint32_t i = 0; i < room->count; i++) {
        room->members[i]->joined_seq = 0;
    }
}

struct chat_member *member_of(const struct chat_socket *socket, struct slice room)
{
    struct chat_member *member;
    DL_FOREACH (socket->memberships, member) {
        if (slice_equals(chat_text(member->room->id), room)) {
            return member;
        }
    }
    return NULL;
}

struct chat_member *member_add(struct chat_room *room, struct chat_socket *socket,
                               struct slice entity, struct slice name)
{
    struct chat_member *member = memory_allocate_zeroed(sizeof(*member));
    member->owner = socket;
    member->room = room;
    bool is_usual = slice_equals(chat_text(socket->entity), entity);
    member->entity = is_usual ? socket->entity : memory_copy_string(entity.data, entity.length);
    member->name = name.length == 0 ? NULL : memory_copy_string(name.data, name.length);
    if (room->count == room->capacity) {
        room->capacity = room->capacity == 0 ? MEMBERS_FIRST : room->capacity * 2;
        room->members =
            memory_reallocate(room->members, room->capacity * sizeof(struct chat_member *));
    }
    member->position = room->count;
    room->members[room->count++] = member;
    DL_APPEND(socket->memberships, member);
    socket->membership_count++;
    socket->chat->counters.memberships++;
    return member;
}

void member_remove(struct chat_member *member)
{
    struct chat_room *room = member->room;
    struct chat_socket *socket = member->owner;
    struct chat *chat = socket->chat;
    struct chat_member *last = room->members[--room->count];
    room->members[member->position] = last;
    last->position = member->position;
    DL_DELETE(socket->memberships, member);
    socket->membership_count--;
    chat->counters.memberships--;
    if (member->entity != socket->entity) {
        free(member->entity);
    }
    free(member->name);
    free(member);
    if (room->count == 0) {
        streams_leave(chat, chat_text(room->id));
        HASH_DELETE(hh, chat->rooms, room);
        free(room->members);
        buffer_deinit(&room->present);
        free(room->id);
        free(room->server_id);
        free(room);
    }
}

uint64_t chat_synchronise(struct chat *chat, int64_t now)
{
    uint64_t rooms = 0;
    struct chat_room *room, *next;
    chat->is_caught_up = false;
    chat->has_closed_rooms = false; /* a router that closes them says so next */
    offset_set_settled(chat, false);
    recover_restart(chat, now);
    sessions_say_lost(chat);
    HASH_ITER (hh, chat->rooms, room, next) {
        struct bus_list_builder list = {BUFFER_EMPTY, 0};
        struct bus_message message = {.type = BUS_ROOM_SYNC,
                                      .room_sync = {.room = chat_text(room->id),
                                                    .epoch = room->epoch,
                                                    .last_seq = room->last_seq}};
        for (uint32_t i = 0; i < room->count; i++) {
            struct bus_member element = {chat_text(room->members[i]->entity),
                                         chat_text(room->members[i]->name), 1};
            bus_list_add(&list, BUS_ELEMENT_MEMBER, &element);
            if (list.bytes.length > BUS_PAYLOAD_MAX / 2) {
                message.room_sync.members = bus_list_of(&list);
                uplink_notify(chat->uplink, &message);
                buffer_clear(&list.bytes);
                list.count = 0;
            }
        }
        message.room_sync.members = bus_list_of(&list);
        uplink_notify(chat->uplink, &message);
        buffer_deinit(&list.bytes);
        rooms++;
    }
    streams_ask(chat);
    logs_synchronise(chat);
    return rooms;
}

bool chat_has_closed_rooms(const struct chat *chat)
{
    return chat->has_closed_rooms;
}

const struct chat_counters *chat_counters(struct chat *chat)
{
    chat->counters.rooms = HASH_COUNT(chat->rooms);
    chat->counters.watches = HASH_COUNT(chat->watched);
    return &chat->counters;
}
