#include "edge/chat/internal.h"

/*
 * For clients that come back and never join again (--rejoin-entity): a socket that could not be
 * recovered, of an entity that was here before, is put into the rooms of that entity's last socket
 * and gets what was said since that was lost. It cannot be known what of it the client has, so all
 * is marked as a replay.
 */

static void on_rejoined(void *context, const struct uplink_outcome *outcome)
{
    struct chat_socket *from = context;
    if (outcome->is_forgotten || outcome->answer == NULL || outcome->answer->rejoined.error != 0) {
        return;
    }
    const struct bus_rejoined *rejoined = &outcome->answer->rejoined;
    struct chat *chat = from->chat;
    struct msgpack_reader reader = bus_list_read(&rejoined->rooms);
    struct bus_session_room room;
    while (bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room)) {
        if (chat_access(from, room.room, room.entity, NULL).error == 0 &&
            member_of(from, room.room) == NULL && join_is_within_limit(from, room.room)) {
            struct bus_join join = {.room = room.room,
                                    .entity = room.entity,
                                    .name = room.name,
                                    .since = BUS_SINCE_POSITION,
                                    .since_seq = room.position};
            join_on_behalf(from, &join, outcome->now);
            chat->counters.rejoins++;
        }
    }
}

void chat_rejoin(struct chat_socket *from, int64_t now)
{
    struct chat *chat = from->chat;
    struct bus_message message = {.type = BUS_REJOIN,
                                  .trace = id_random_u64(chat->ids),
                                  .rejoin = {.entity = chat_text(from->entity)}};
    /* One that cannot be asked for is a new socket like any other: its client may join. */
    uplink_request(chat->uplink, &message, &message.rejoin.request, on_rejoined, from,
                   &from->requests, now);
}
