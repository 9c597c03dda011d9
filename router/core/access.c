#include "router/core/access.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/room.h"
#include "router/core/work.h"
#include "router/store/batch.h"
#include "router/store/query.h"

enum access access_of(bool is_isolated, const struct room *room, struct slice viewer)
{
    if (!is_isolated) {
        return ACCESS_OPEN;
    }
    if (room == NULL || room->deleted_at != 0 ||
        (room->row_batch == 0 && room->participants == NULL)) {
        return ACCESS_FREE;
    }
    return viewer.length == 0 || room_has_participant(room, viewer) ? ACCESS_OPEN : ACCESS_CLOSED;
}

bool access_may_see(const struct router *router, const struct room *room, struct slice viewer)
{
    return access_of(router->settings.data_isolation, room, viewer) == ACCESS_OPEN;
}

struct room *access_room(struct router *router, struct slice id, struct slice viewer)
{
    struct room *room = room_find(router, id);
    return room != NULL && access_may_see(router, room, viewer) ? room : NULL;
}

bool access_may_be(const struct router *router, struct slice viewer, struct slice entity)
{
    return !router->settings.data_isolation || viewer.length == 0 || slice_equals(viewer, entity);
}

bool access_may_enter(const struct router *router, const struct room *room, struct slice viewer,
                      struct slice entity)
{
    return access_may_be(router, viewer, entity) &&
           access_of(router->settings.data_isolation, room, viewer) != ACCESS_CLOSED;
}

bool access_may_have(const struct router *router, struct slice viewer, struct slice owner)
{
    return owner.length == 0 || access_may_be(router, viewer, owner);
}

void access_limit(const struct router *router, struct store_query *query, struct slice viewer)
{
    if (router->settings.data_isolation && viewer.length > 0) {
        memcpy(query->viewer, viewer.data, viewer.length); /* zeroed before, and bounded */
    }
}

/* --- a room of one's own ---------------------------------------------------------------------- */

static void put_in(struct router *router, struct room *room, struct slice id)
{
    if (id.length > 0 && id.length <= USER_ID_MAX && room_add_participant(room, id)) {
        store_batch_add_participant(router_batch(router), room->number, id);
    }
}

/* Whom the metadata of a direct channel says that it is with. */
static void put_partner_in(struct router *router, struct room *room, struct slice metadata)
{
    static const char *const names[] = {"targetUserId", "recipientId"};
    struct slice object;
    struct arena arena;
    if (!slice_is(text_slice(&room->type), "DM") || metadata.length == 0 ||
        json_scan(metadata, JSON_MAX_DEPTH, &object) != 0 || json_type(object) != JSON_OBJECT) {
        return;
    }
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice value = json_get(object, names[i]);
        if (json_type(value) == JSON_STRING) {
            put_in(router, room, json_decode_string(value, &arena));
        }
    }
    arena_deinit(&arena);
}

static void take(struct router *router, struct room *room, struct slice entity,
                 struct slice metadata)
{
    struct agent *agent = agent_default(router);
    room_revive(router, room);
    room_store(router, room);
    put_in(router, room, entity);
    put_partner_in(router, room, metadata);
    if (agent != NULL) {
        put_in(router, room, text_slice(&agent->id));
    }
}

/* A commit with changes of the list has failed: what is in memory is what counts. */
static void put_list_again(struct router *router, struct room *room)
{
    struct store_batch *batch = router_batch(router);
    const struct participant *participant;
    room->has_lost_list = false;
    store_batch_set_participants(batch, room->number, NULL, 0);
    for (participant = room->participants; participant != NULL;
         participant = participant->hh.next) {
        store_batch_add_participant(batch, room->number, text_slice(&participant->id));
    }
}

int access_enter(struct router *router, struct room *room, struct slice viewer, struct slice entity,
                 struct slice metadata)
{
    bool is_isolated = router->settings.data_isolation;
    if (!access_may_enter(router, room, viewer, entity)) {
        return ERROR_ACCESS;
    }
    if (access_of(is_isolated, room, viewer) == ACCESS_FREE) {
        take(router, room, entity, metadata);
    } else if (is_isolated && room->has_lost_list && room->deleting_at == 0) {
        put_list_again(router, room);
    }
    return 0;
}

/* --- joining, and coming back ----------------------------------------------------------------- */

int access_join(struct router *router, struct room *room, const struct bus_message *message)
{
    struct slice entity = message->join.entity;
    if (!access_may_be(router, message->viewer, entity)) {
        return ERROR_ACCESS;
    }
    if (router->settings.data_isolation &&
        (room->deleting_at != 0 || router_batch_is_full(router))) {
        return ERROR_OVERLOADED; /* a free room's list has to be kept */
    }
    return access_enter(router, room, entity, entity, SLICE_EMPTY);
}

static void say_expelled(struct peer *edge, const struct room *room, struct slice entity)
{
    struct bus_message message = {.type = BUS_EXPELLED,
                                  .expelled = {.room = text_slice(&room->id), .entity = entity}};
    peer_send(edge, &message);
}

/* A room that was new when the router was lost is its members' still. */
bool access_come_back(struct peer *edge, struct room *room, struct slice entity)
{
    bool is_gone = edge->router->settings.data_isolation && room->deleted_at != 0;
    bool is_in = !is_gone && access_enter(edge->router, room, entity, entity, SLICE_EMPTY) == 0;
    if (!is_in) {
        say_expelled(edge, room, entity);
    }
    return is_in;
}

/* --- out of it -------------------------------------------------------------------------------- */

void access_expel(struct router *router, struct room *room, struct slice entity)
{
    struct agent *agent = agent_find(router, entity);
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->side == ROUTER_SIDE_EDGES) {
            say_expelled(peer, room, entity);
        }
    }
    presence_expel(router, room, entity);
    if (agent != NULL) {
        work_cancel_agent_in(router, room, agent);
    }
}

void access_enforce(struct router *router, struct room *room)
{
    struct member *member, *next;
    if (!router->settings.data_isolation) {
        return;
    }
    HASH_ITER (hh, room->members, member, next) {
        if (!room_has_participant(room, text_slice(&member->entity))) {
            struct text entity = text_copy(text_slice(&member->entity));
            access_expel(router, room, text_slice(&entity));
            free(entity.data);
        }
    }
}
