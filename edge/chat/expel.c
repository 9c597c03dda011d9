#include "edge/chat/internal.h"

/*
 * Somebody takes part in a room no more, by a change of the channel and not by its own doing. From
 * here on nothing of the room goes to its sockets, nor to who follows an answer there for it.
 */

static struct chat_member *find(struct chat *chat, const struct bus_expelled *expelled)
{
    const struct chat_room *room = room_lookup(chat, expelled->room);
    for (uint32_t i = 0; room != NULL && i < room->count; i++) {
        if (slice_equals(chat_text(room->members[i]->entity), expelled->entity)) {
            return room->members[i];
        }
    }
    return NULL;
}

static void tell(struct chat_socket *socket, struct slice room)
{
    struct buffer *out = &socket->chat->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "channelId", room);
    json_write_string_member(out, "roomId", room);
    json_write_string_member(out, "reason", SLICE_LITERAL("removed"));
    buffer_append_char(out, '}');
    socket_emit_event(socket, "room_left", buffer_slice(out));
}

/* The router has taken it out of the room already, but not out of what it keeps of the socket. */
static void leave(struct chat *chat, struct chat_member *member, struct slice room, int64_t now)
{
    struct chat_socket *socket = member->owner;
    const struct stream *stream;
    for (stream = streams_of_room(chat, room); stream != NULL; stream = stream->room_next) {
        lag_forget(socket, stream);
    }
    member_remove(member);
    session_leave(socket, room, now);
    tell(socket, room);
}

void chat_expel(struct chat *chat, const struct bus_message *message, int64_t now)
{
    const struct bus_expelled *expelled = &message->expelled;
    struct chat_member *member;
    while ((member = find(chat, expelled)) != NULL) {
        if (member->owner->recovery != NULL) {
            recover_break(member->owner, now); /* what it was to go on with is not whole any more */
        } else {
            leave(chat, member, expelled->room, now);
        }
    }
    watch_announce_all(chat, message);
}
