#include "router/core/presence.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/bus/link.h"
#include "router/core/access.h"
#include "router/core/asked.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/presence_list.h"
#include "router/core/replay.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/sessions.h"

enum {
    JOIN_LIST_BYTES_MAX = 128 << 10, /* of the members a join lists; all of them are over REST */
    PRESENCE_SAMPLE = 100,           /* members a join lists in a room above the presence limit */
    THINNED_DIVISOR = 8              /* a crowded room is one until it is so much below the limit */
};

static struct member *member_find(struct room *room, struct slice entity)
{
    struct member *member;
    HASH_FIND(hh, room->members, entity.data, entity.length, member);
    return member;
}

/* NULL: it is not there by way of that edge. */
static struct presence *presence_on(const struct member *member,
                                    const struct attachment *attachment)
{
    struct presence *presence = member->presences;
    while (presence != NULL && presence->attachment != attachment) {
        presence = presence->sibling;
    }
    return presence;
}

void member_destroy(struct router *router, struct member *member)
{
    heap_remove(&router->leaving, &member->leaving);
    HASH_DELETE(hh, member->room->members, member);
    router->member_count--;
    free(member->entity.data);
    free(member->name.data);
    free(member);
}

size_t presence_count(const struct room *room)
{
    return HASH_COUNT(room->members);
}

uint64_t member_connections(const struct member *member)
{
    uint64_t connections = 0;
    for (struct presence *presence = member->presences; presence != NULL;
         presence = presence->sibling) {
        connections += presence->connections;
    }
    return connections;
}

/* Above the limit a room is crowded: telling everybody of everybody would be quadratic. */
static void consider_crowd(struct router *router, struct room *room)
{
    size_t limit = (size_t)router->settings.presence_limit;
    size_t low = limit - limit / THINNED_DIVISOR;
    if (!room->is_crowded) {
        room->is_crowded = presence_count(room) > limit;
        return;
    }
    /* In between, a list of the sample's size must not pass for a whole one. */
    if (presence_count(room) > (low > PRESENCE_SAMPLE ? low : limit)) {
        return;
    }
    room->is_crowded = false;
    room->changed_at = stamp_next(router);
    struct attachment *attachment;
    DL_FOREACH (room->attachments, attachment) {
        presence_owe_list(
            attachment); /* what its sockets know is out of date, or never was whole */
    }
}

/* Tells the room. */
static void announce(struct router *router, struct member *member, bool is_joined)
{
    struct room *room = member->room;
    if (room->is_crowded) {
        return;
    }
    room->changed_at = stamp_next(router);
    struct bus_message message = {
        .type = BUS_PRESENCE,
        .presence = {.room = text_slice(&room->id),
                     .is_joined = is_joined,
                     .entity = text_slice(&member->entity),
                     .name = text_slice(&member->name),
                     .member_count = presence_count(room) - (is_joined ? 0 : 1),
                     .stamp = stamp_told(router)}};
    router->counters.presence_events++;
    room_publish(router, room, &message, NULL);
}

/* Adds connections of an entity on an edge; says so to the room when it is new there. */
static struct presence *add_connections(struct router *router, struct attachment *attachment,
                                        struct slice entity, struct slice name,
                                        uint64_t connections, bool is_news)
{
    struct room *room = attachment->room;
    struct member *member = member_find(room, entity);
    bool is_new = member == NULL;
    if (is_new) {
        member = memory_allocate_zeroed(sizeof(*member));
        member->room = room;
        member->entity = text_copy(entity);
        if (name.length > 0) {
            member->name = text_copy(name);
        }
        HASH_ADD_KEYPTR(hh, room->members, member->entity.data, member->entity.length, member);
        router->member_count++;
        consider_crowd(router, room);
    } else if (name.length > 0 && !slice_equals(name, text_slice(&member->name))) {
        text_replace(&member->name, name);
    }
    heap_remove(&router->leaving, &member->leaving);
    struct presence *presence = presence_on(member, attachment);
    if (presence == NULL) {
        presence = memory_allocate_zeroed(sizeof(*presence));
        presence->member = member;
        presence->attachment = attachment;
        presence->sibling = member->presences;
        member->presences = presence;
        DL_APPEND(attachment->presences, presence);
    }
    presence->connections += connections;
    if (is_new && is_news) {
        announce(router, member, true);
    }
    return presence;
}

static void member_leaves(struct router *router, struct member *member)
{
    struct room *room = member->room;
    announce(router, member, false);
    member_destroy(router, member);
    consider_crowd(router, room);
    room_consider(router, room);
}

/* --- several leave at once -------------------------------------------------------------------- */

/*
 * Who has gone from a room in one tick, after the loss of an edge all whom it had: told together.
 */
struct exodus {
    struct room *room;
    struct bus_list_builder gone;
    struct exodus *next;
};

static void tell_exodus(struct router *router, struct exodus *exodus)
{
    struct room *room = exodus->room;
    if (exodus->gone.count == 0) {
        return;
    }
    room->changed_at = stamp_next(router);
    struct bus_message message = {.type = BUS_PRESENCE_LEFT,
                                  .presence_left = {.room = text_slice(&room->id),
                                                    .members = bus_list_of(&exodus->gone),
                                                    .member_count = presence_count(room),
                                                    .stamp = stamp_told(router)}};
    router->counters.presence_events += exodus->gone.count;
    room_publish(router, room, &message, NULL);
    buffer_clear(&exodus->gone.bytes);
    exodus->gone.count = 0;
}

static void member_expires(struct router *router, struct member *member, struct exodus **first)
{
    struct room *room = member->room;
    struct exodus *exodus = room->exodus;
    if (exodus == NULL) {
        exodus = memory_allocate_zeroed(sizeof(*exodus));
        exodus->room = room;
        room->exodus = exodus;
        LL_PREPEND(*first, exodus);
    }
    if (!room->is_crowded) {
        struct bus_member element = {text_slice(&member->entity), text_slice(&member->name), 0};
        bus_list_add(&exodus->gone, BUS_ELEMENT_MEMBER, &element);
    }
    member_destroy(router, member);
    consider_crowd(router, room);
    if (exodus->gone.bytes.length > JOIN_LIST_BYTES_MAX) {
        tell_exodus(router, exodus);
    }
}

static void members_expire(struct router *router)
{
    struct exodus *first = NULL, *exodus, *next;
    struct heap_entry *entry;
    while ((entry = heap_pop_due(&router->leaving, router->time.now)) != NULL) {
        struct member *member = (struct member *)((char *)entry - offsetof(struct member, leaving));
        member_expires(router, member, &first);
    }
    LL_FOREACH_SAFE (first, exodus, next) {
        tell_exodus(router, exodus);
        exodus->room->exodus = NULL;
        room_consider(router, exodus->room);
        buffer_deinit(&exodus->gone.bytes);
        free(exodus);
    }
}

/* --- connections come and go ------------------------------------------------------------------ */

static void remove_presence(struct presence *presence)
{
    struct attachment *attachment = presence->attachment;
    LL_DELETE2(presence->member->presences, presence, sibling);
    DL_DELETE(attachment->presences, presence);
    free(presence);
}

/* A connection of a member was alive then. */
static void member_lived(struct member *member, int64_t time)
{
    member->last_life = time > member->last_life ? time : member->last_life;
}

/* The last connection of a member ended: now, or when its grace period has passed. */
static void member_disconnected(struct router *router, struct member *member, bool is_explicit)
{
    int64_t deadline = member->last_life + router->settings.presence_grace;
    if (is_explicit || deadline <= router->time.now) {
        member_leaves(router, member);
    } else {
        heap_set(&router->leaving, &member->leaving, deadline);
    }
}

void presence_receive_sync(struct peer *peer, const struct bus_room_sync *sync)
{
    struct router *router = peer->router;
    struct room *room = sync->room.length == 0 ? NULL
                                               : room_obtain(router, sync->room, SLICE_EMPTY,
                                                             SLICE_EMPTY, SLICE_EMPTY);
    if (room == NULL) {
        return;
    }
    bool is_news = !presence_is_rebuilding(router);
    struct attachment *attachment = room_attach(room, peer);
    presence_owe_list(attachment);
    run_catch_up(room, peer);
    struct msgpack_reader reader = bus_list_read(&sync->members);
    struct bus_member element;
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &element)) {
        if (element.connections > 0 && access_come_back(peer, room, element.entity)) {
            add_connections(router, attachment, element.entity, element.name, element.connections,
                            is_news);
            asked_greet_synchronised(peer, room, element.entity);
        }
        if (peer->is_dead) {
            return; /* it could not take the news of its own members */
        }
    }
    if (attachment->presences == NULL) {
        room_detach(attachment);
        return;
    }
    /*
     * A room that was never stored gets another epoch by a restart: an edge with nothing has that.
     */
    bool is_same_line = sync->epoch == room->epoch || sync->last_seq == 0;
    if (is_same_line && sync->last_seq < room->published && !attachment->is_catching_up) {
        attachment->sent_through = sync->last_seq;
        replay_begin_catch_up(attachment);
    }
}

static int fault_of_join(struct router *router, struct room *room, const struct bus_join *join,
                         bool is_kept)
{
    if (room == NULL) {
        return join->room.length == 0 ? ERROR_MALFORMED : ERROR_LIMIT;
    }
    if (presence_count(room) >= (size_t)router->settings.room_members_max &&
        member_find(room, join->entity) == NULL) {
        return ERROR_LIMIT;
    }
    bool asks_in_vain = join->since != BUS_SINCE_NOTHING && router_may_not_ask(router);
    return asks_in_vain || (is_kept && router_batch_is_full(router)) ? ERROR_OVERLOADED : 0;
}

void presence_receive_join(struct peer *peer, const struct bus_message *message)
{
    const struct bus_join *join = &message->join;
    struct router *router = peer->router;
    bool is_kept = join->socket.length > 0 && sessions_are_kept(router);
    struct room *room = join->room.length == 0 ? NULL
                                               : room_obtain(router, join->room, join->server_id,
                                                             SLICE_EMPTY, SLICE_EMPTY);
    int error = fault_of_join(router, room, join, is_kept);
    if (room != NULL) {
        room_consider(router, room); /* should nobody enter it after all */
    }
    if (error == 0) {
        error = access_join(router, room, message);
    }
    struct unanswered_join *none = NULL;
    if (error != 0) {
        presence_refuse_join(peer, message, error);
    } else if (is_kept) {
        sessions_keep_join(peer, room, message);
    } else {
        presence_begin_join(peer, room, message, &none);
    }
}

void presence_refuse_join(struct peer *peer, const struct bus_message *message, int error)
{
    const struct bus_join *join = &message->join;
    struct bus_message answer = {
        .type = BUS_JOINED,
        .trace = message->trace,
        .joined = {.request = join->request, .error = error, .room = join->room}};
    peer->router->counters.refused++;
    peer_send(peer, &answer);
}

void presence_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                         struct unanswered_join **unanswered)
{
    const struct bus_join *join = &message->join;
    if (join->since != BUS_SINCE_NOTHING) {
        replay_begin_join(peer, room, message, unanswered);
        return;
    }
    unanswered_end(peer->router, unanswered);
    struct admission admission = {.request = join->request,
                                  .trace = message->trace,
                                  .entity = join->entity,
                                  .name = join->name,
                                  .replay_complete = true};
    presence_admit(peer, room, &admission);
}

static void refuse_late(struct peer *peer, const struct room *room,
                        const struct admission *admission)
{
    struct bus_message question = {
        .trace = admission->trace,
        .join = {.request = admission->request, .room = text_slice(&room->id)}};
    presence_refuse_join(peer, &question, ERROR_ACCESS);
}

void presence_admit(struct peer *peer, struct room *room, const struct admission *admission)
{
    struct router *router = peer->router;
    struct bus_list_builder members = {BUFFER_EMPTY, 0};
    if (!access_may_see(router, room, admission->entity)) {
        refuse_late(peer, room, admission); /* it was taken off the list meanwhile */
        return;
    }
    bool is_new = room_attachment(room, peer) == NULL;
    struct attachment *attachment = room_attach(room, peer);
    if (presence_is_rebuilding(router)) {
        presence_owe_list(attachment); /* the list of this answer may lack those of other edges */
    }
    add_connections(router, attachment, admission->entity, admission->name, 1, true);
    size_t limit = (size_t)router->settings.presence_limit;
    bool is_large = room->is_crowded && limit > PRESENCE_SAMPLE;
    presence_list(room, 0, is_large ? PRESENCE_SAMPLE : limit, JOIN_LIST_BYTES_MAX, &members);
    struct bus_message answer = {.type = BUS_JOINED,
                                 .trace = admission->trace,
                                 .joined = {.request = admission->request,
                                            .room = text_slice(&room->id),
                                            .epoch = room->epoch,
                                            .last_seq = room->published,
                                            .server_id = text_slice(&room->server_id),
                                            .member_count = presence_count(room),
                                            .members = bus_list_of(&members),
                                            .replay_complete = admission->replay_complete,
                                            .replay = admission->replay,
                                            .position = router->published_position,
                                            .stamp = stamp_told(router),
                                            .changed_at = room->changed_at}};
    peer_send(peer, &answer);
    buffer_deinit(&members.bytes);
    if (is_new) {
        run_catch_up(room, peer); /* later joins there get it from the edge */
    }
    asked_greet(peer, room, admission->entity);
}

void presence_receive_leave(struct peer *peer, const struct bus_leave *leave)
{
    struct router *router = peer->router;
    if (leave->request != 0 &&
        (replay_cancel_join(peer, leave->request) || sessions_cancel_join(peer, leave->request))) {
        return;
    }
    struct room *room = room_find(router, leave->room);
    struct member *member = room == NULL ? NULL : member_find(room, leave->entity);
    struct attachment *attachment = room == NULL ? NULL : room_attachment(room, peer);
    if (member == NULL || attachment == NULL) {
        return; /* said twice, or before a resynchronisation that did not bring it */
    }
    struct presence *presence = presence_on(member, attachment);
    if (presence == NULL) {
        return;
    }
    if (--presence->connections == 0) {
        remove_presence(presence);
    }
    if (attachment->presences == NULL) {
        room_detach(attachment); /* first: it has nobody to tell of what follows */
    } else if (leave->is_last) {
        run_catch_up(room, peer); /* to whose join it has not heard the answer yet */
    }
    member_lived(member, router->time.now - (int64_t)(leave->silence & INT32_MAX));
    if (member_connections(member) == 0) {
        member_disconnected(router, member, leave->is_explicit);
    }
}

void presence_expel(struct router *router, struct room *room, struct slice entity)
{
    struct member *member = member_find(room, entity);
    while (member != NULL && member->presences != NULL) {
        struct attachment *attachment = member->presences->attachment;
        remove_presence(member->presences);
        if (attachment->presences == NULL) {
            room_detach(attachment);
        }
    }
    if (member != NULL) {
        member_leaves(router, member);
    }
}

void presence_drop_edge(struct peer *peer, int64_t last_life)
{
    struct router *router = peer->router;
    while (peer->attachments != NULL) {
        struct attachment *attachment = peer->attachments;
        while (attachment->presences != NULL) {
            struct member *member = attachment->presences->member;
            remove_presence(attachment->presences);
            member_lived(member, last_life);
            if (member_connections(member) == 0) {
                heap_set(&router->leaving, &member->leaving,
                         member->last_life + router->settings.presence_grace);
            }
        }
        room_detach(attachment);
    }
}

void presence_tick(struct router *router)
{
    members_expire(router);
    presence_pay_lists(router);
}

bool presence_has_entity(const struct attachment *attachment, struct slice entity)
{
    const struct member *member = member_find(attachment->room, entity);
    return member != NULL && presence_on(member, attachment) != NULL;
}
