#include "router/core/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/id.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/store/batch.h"

enum {
    EPOCH_BITS = 52,     /* below 2^53, so that JSON numbers carry it exactly */
    METADATA_MAX = 16384 /* bytes that a room keeps of what its first message says about it */
};

struct room *room_find(struct router *router, struct slice id)
{
    struct room *room;
    HASH_FIND(hh, router->rooms, id.data, id.length, room);
    return room;
}

struct room *room_by_number(struct router *router, uint64_t number)
{
    struct room *room;
    HASH_FIND(by_number, router->rooms_by_number, &number, sizeof(number), room);
    return room;
}

struct room *room_new(struct router *router, const struct room_record *record)
{
    struct room *room = memory_allocate_zeroed(sizeof(*room));
    room->id = text_copy(record->id);
    room->number = record->number;
    room->epoch = record->epoch;
    room->assigned = record->last_seq;
    room->published = record->last_seq;
    room->last_at = record->last_at;
    room->server_id = text_copy(record->server_id);
    room->name = text_copy(record->name);
    room->type = text_copy(record->type);
    room->source_type = text_copy(record->source_type);
    room->metadata = text_copy(record->metadata);
    room->created_at = record->created_at;
    room->updated_at = record->updated_at;
    room->has_participants = record->has_participants;
    room->changed_at = router->last_stamp;
    room->deleted_at = record->deleted_at;
    HASH_ADD_KEYPTR(hh, router->rooms, room->id.data, room->id.length, room);
    HASH_ADD(by_number, router->rooms_by_number, number, sizeof(room->number), room);
    return room;
}

void room_destroy(struct router *router, struct room *room)
{
    while (room->attachments != NULL) {
        struct attachment *attachment = room->attachments;
        while (attachment->presences != NULL) {
            struct presence *presence = attachment->presences;
            DL_DELETE(attachment->presences, presence);
            free(presence);
        }
        room_detach(attachment);
    }
    struct member *member, *next;
    HASH_ITER (hh, room->members, member, next) {
        member_destroy(router, member);
    }
    room_forget_participants(room);
    if (room->is_idle) {
        LL_DELETE2(router->idle_rooms, room, next_idle);
    }
    HASH_DELETE(hh, router->rooms, room);
    HASH_DELETE(by_number, router->rooms_by_number, room);
    free(room->id.data);
    free(room->server_id.data);
    free(room->name.data);
    free(room->type.data);
    free(room->source_type.data);
    free(room->metadata.data);
    free(room);
}

uint64_t room_new_epoch(struct router *router)
{
    return (id_random_u64(router->ids) >> (64 - EPOCH_BITS)) | 1;
}

struct room *room_obtain(struct router *router, struct slice id, struct slice server_id,
                         struct slice type, struct slice metadata)
{
    struct room *room = room_find(router, id);
    if (room != NULL) {
        return room;
    }
    if (HASH_COUNT(router->rooms) >= (size_t)router->settings.rooms_max) {
        router->counters.refused++;
        return NULL;
    }
    char name[64];
    bool is_direct = slice_is(type, "DM");
    snprintf(name, sizeof(name), "%s %.*s", is_direct ? "DM" : "Chat",
             (int)(id.length < 8 ? id.length : 8), id.data);
    struct room_record record = {
        .number = ++router->last_room,
        .id = id,
        .epoch = room_new_epoch(router),
        .server_id = server_id.length > 0 ? server_id : SLICE_LITERAL(NIL_UUID),
        .name = slice_of_string(name),
        .type = is_direct ? type : SLICE_LITERAL("GROUP"),
        .source_type = SLICE_LITERAL("auto_created"),
        .metadata =
            metadata.length > 0 && metadata.length <= METADATA_MAX ? metadata : SLICE_LITERAL("{}"),
        .created_at = router->time.wall,
        .updated_at = router->time.wall,
    };
    return room_new(router, &record);
}

void room_store(struct router *router, struct room *room)
{
    if (room->is_stored) {
        return;
    }
    bool is_deleting = room->deleting_at != 0;
    struct room_record record = {
        .number = room->number,
        .id = text_slice(&room->id),
        .epoch = room->epoch,
        .server_id = text_slice(&room->server_id),
        .name = text_slice(&room->name),
        .type = text_slice(&room->type),
        .source_type = text_slice(&room->source_type),
        .metadata = text_slice(&room->metadata),
        .has_participants = room->has_participants && !is_deleting,
        .created_at = room->created_at,
        .updated_at = room->updated_at,
        .deleted_at = is_deleting ? room->deleting_at : room->deleted_at,
    };
    struct store_batch *batch = router_batch(router);
    store_batch_put_room(batch, &record);
    room->is_stored = true;
    room->row_batch = room->row_batch == 0 ? batch->number : room->row_batch;
}

bool room_add_participant(struct room *room, struct slice id)
{
    struct participant *participant;
    HASH_FIND(hh, room->participants, id.data, id.length, participant);
    if (participant != NULL) {
        return false;
    }
    participant = memory_allocate_zeroed(sizeof(*participant));
    participant->id = text_copy(id);
    HASH_ADD_KEYPTR(hh, room->participants, participant->id.data, participant->id.length,
                    participant);
    return true;
}

static void participant_destroy(struct room *room, struct participant *participant)
{
    HASH_DEL(room->participants, participant);
    free(participant->id.data);
    free(participant);
}

static struct participant *participant_find(const struct room *room, struct slice id)
{
    struct participant *participant;
    HASH_FIND(hh, room->participants, id.data, id.length, participant);
    return participant;
}

bool room_has_participant(const struct room *room, struct slice id)
{
    return participant_find(room, id) != NULL;
}

bool room_remove_participant(struct room *room, struct slice id)
{
    struct participant *participant = participant_find(room, id);
    if (participant == NULL) {
        return false;
    }
    participant_destroy(room, participant);
    return true;
}

void room_forget_participants(struct room *room)
{
    struct participant *participant, *next;
    HASH_ITER (hh, room->participants, participant, next) {
        participant_destroy(room, participant);
    }
    room->answers = NULL;
    for (struct member *member = room->members; member != NULL; member = member->hh.next) {
        member->is_participant = false;
    }
}

void room_changed(struct router *router, struct room *room)
{
    room->updated_at = router->time.wall;
    room->is_stored = false;
    room_store(router, room);
}

void room_begin_clearing(struct router *router, struct room *room, uint64_t seq, bool is_deletion)
{
    store_batch_clear_room(router_batch(router), room->number, seq - 1);
    router->needs_sweep = true;
    room->clearing = seq;
    if (is_deletion) {
        room->deleting_at = router->time.wall;
        store_batch_set_participants(router_batch(router), room->number, NULL, 0);
        room_changed(router, room);
    }
}

void room_end_clearing(struct room *room, uint64_t seq, int result)
{
    if (room->clearing != seq) {
        return;
    }
    if (result == 0 && room->deleting_at != 0) {
        room->deleted_at = room->deleting_at;
        room_forget_participants(room);
        room->has_participants = false;
    }
    room->clearing = 0;
    room->deleting_at = 0;
}

void room_revive(struct router *router, struct room *room)
{
    if (room->deleted_at == 0) {
        return;
    }
    room->deleted_at = 0;
    text_replace(&room->source_type, SLICE_LITERAL("auto_created"));
    text_replace(&room->metadata, SLICE_LITERAL("{}"));
    room_changed(router, room);
}

void room_note_participant(struct router *router, struct room *room, struct slice id)
{
    struct member *member;
    if (room->has_participants || id.length == 0) {
        return;
    }
    HASH_FIND(hh, room->members, id.data, id.length, member);
    if ((member != NULL && member->is_participant) ||
        (router->settings.data_isolation &&
         (HASH_COUNT(room->participants) >= PARTICIPANTS_MAX || !room_add_participant(room, id)))) {
        return;
    }
    if (member != NULL) {
        member->is_participant = true;
    }
    store_batch_add_participant(router_batch(router), room->number, id);
}

void room_consider(struct router *router, struct room *room)
{
    if (!room->is_idle) {
        room->is_idle = true;
        room->next_idle = router->idle_rooms;
        router->idle_rooms = room;
    }
}

void rooms_reap(struct router *router)
{
    while (router->idle_rooms != NULL) {
        struct room *room = router->idle_rooms;
        router->idle_rooms = room->next_idle;
        room->is_idle = false;
        /*
         * Nothing stored means nothing pending either: what waits for the store has its row there.
         */
        if (room->row_batch == 0 && room->assigned == 0 && room->joining == 0 &&
            room->members == NULL && room->attachments == NULL && room->queues == NULL) {
            room_destroy(router, room);
        }
    }
}

struct attachment *room_attachment(struct room *room, const struct peer *peer)
{
    struct attachment *attachment;
    /* One entry per edge: a handful. */
    DL_FOREACH (room->attachments, attachment) {
        if (attachment->peer == peer) {
            return attachment;
        }
    }
    return NULL;
}

struct attachment *room_attach(struct room *room, struct peer *peer)
{
    struct attachment *attachment = room_attachment(room, peer);
    if (attachment == NULL) {
        attachment = memory_allocate_zeroed(sizeof(*attachment));
        attachment->room = room;
        attachment->peer = peer;
        DL_APPEND(room->attachments, attachment);
        DL_APPEND2(peer->attachments, attachment, peer_prev, peer_next);
    }
    return attachment;
}

void room_detach(struct attachment *attachment)
{
    struct peer *peer = attachment->peer;
    room_consider(peer->router, attachment->room);
    DL_DELETE(attachment->room->attachments, attachment);
    DL_DELETE2(attachment->peer->attachments, attachment, peer_prev, peer_next);
    if (attachment->is_owed_list) {
        DL_DELETE2(attachment->peer->owed, attachment, owed_prev, owed_next);
    }
    peer->catching_up -= attachment->is_catching_up;
    free(attachment);
    peer_consider_caught_up(peer);
}

void room_publish(struct router *router, struct room *room, const struct bus_message *message,
                  const struct peer *also)
{
    struct slice encoded = router_encode(router, message);
    bool is_message = message->type == BUS_ROOM_MESSAGE;
    bool also_done = also == NULL;
    struct attachment *attachment, *next;
    DL_FOREACH_SAFE (room->attachments, attachment, next) {
        also_done = also_done || attachment->peer == also;
        if (is_message && attachment->is_catching_up) {
            continue; /* its catch-up reads this one from the store */
        }
        router->counters.room_frames++;
        peer_send_encoded(attachment->peer, encoded);
    }
    /* An edge that has not said yet what it holds may hold this room, with a gap before this. */
    if (!also_done && !also->is_dead && also->is_synchronised) {
        router->counters.room_frames++;
        peer_send_encoded((struct peer *)also, encoded);
    }
}
