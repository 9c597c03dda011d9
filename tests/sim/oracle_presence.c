#include "tests/sim/oracle_internal.h"

enum {
    REBUILD_MS = 11000 /* after a router's start its knowledge is being put together */
};

/* --- the truth -------------------------------------------------------------------------------- */

void oracle_held(struct oracle *oracle, unsigned room, unsigned entity)
{
    struct holding *holding = &oracle->holdings[room][entity];
    if (holding->gap_count == 0) {
        /* Until now joins may have been counted that it never learned of. */
        holding->gaps[holding->gap_count++] = (struct gap){.to = INT64_MAX, .is_explicit = true};
    }
    if (holding->connections++ == 0) {
        holding->gaps[(holding->gap_count - 1) % GAPS_KEPT].to = oracle->world->now;
    }
}

void oracle_released(struct oracle *oracle, unsigned room, unsigned entity, bool is_explicit,
                     int64_t doubt)
{
    struct holding *holding = &oracle->holdings[room][entity];
    int64_t now = oracle->world->now;
    holding->explicit_at = is_explicit ? now : holding->explicit_at;
    /* Of one tab closed and another one lost nobody can say which the cluster hears of last. */
    bool is_meant = holding->explicit_at > 0 && now - holding->explicit_at <= oracle->grace;
    if (--holding->connections == 0) {
        holding->gaps[holding->gap_count++ % GAPS_KEPT] =
            (struct gap){now, INT64_MAX, doubt, is_explicit || is_meant};
    }
}

void oracle_left_early(struct oracle *oracle, unsigned room, unsigned entity)
{
    struct holding *holding = &oracle->holdings[room][entity];
    holding->explicit_at = oracle->world->now;
    if (holding->connections == 0 && holding->gap_count > 0) {
        holding->gaps[(holding->gap_count - 1) % GAPS_KEPT].is_explicit = true;
    }
}

bool oracle_is_open(const struct oracle *oracle, unsigned room, const char *entity)
{
    const struct stored_room *stored = room_at(oracle, room);
    return !oracle->is_isolated ||
           (stored != NULL && memory_store_has_participant(stored, slice_of_string(entity)));
}

uint64_t oracle_present(const struct oracle *oracle, unsigned room)
{
    uint64_t present = 0;
    for (unsigned entity = 0; entity < ENTITIES_MAX; entity++) {
        if (oracle->holdings[room][entity].connections > 0) {
            present |= UINT64_C(1) << entity;
        }
    }
    return present;
}

void oracle_check_views(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->client_count; i++) {
        const struct client *client = &oracle->clients[i];
        uint64_t own = UINT64_C(1) << client->entity;
        for (unsigned room = 0; room < client->room_count; room++) {
            uint64_t truth = oracle_present(oracle, room) | own;
            if (client->rooms[room].state == ATTENDANCE_IN &&
                (client->rooms[room].view | own) != truth) {
                world_fail(oracle->world, "presence", "%s sees %llx in %s, there are %llx",
                           client->name, (unsigned long long)(client->rooms[room].view | own),
                           room_name(room), (unsigned long long)truth);
                return;
            }
        }
    }
}

/* --- what is said of it ----------------------------------------------------------------------- */

/*
 * Can noise be told from news? Not when links break while everybody lives, and not while a new
 * router learns who is there.
 */
static bool is_strict(const struct oracle *oracle)
{
    return profile_keeps_links(oracle->world->profile) &&
           (oracle->router->life == 1 ||
            oracle->world->now - oracle->router->started_at > REBUILD_MS);
}

static bool may_have_left(const struct oracle *oracle, unsigned room, unsigned entity)
{
    const struct holding *holding = &oracle->holdings[room][entity];
    int64_t now = oracle->world->now;
    if (holding->gap_count == 0) {
        return true; /* its join was counted, and it never learned of it */
    }
    for (unsigned i = 0; i < holding->gap_count && i < GAPS_KEPT; i++) {
        const struct gap *gap = &holding->gaps[i];
        int64_t to = gap->to < now ? gap->to : now;
        bool is_long = gap->is_explicit || to - gap->from >= oracle->grace - gap->doubt;
        if (is_long && gap->to >= now - VIEW_LAG_MS) {
            return true;
        }
    }
    return false;
}

static bool is_for(struct oracle *oracle, const struct client *client, unsigned room, int entity)
{
    if (client->rooms[room].state != ATTENDANCE_IN || entity < 0 ||
        (unsigned)entity == client->entity) {
        world_fail(oracle->world, "stranger", "%s is told who comes and goes in %s (%d)",
                   client->name, room_name(room), entity);
        return false;
    }
    return true;
}

void oracle_user_joined(struct oracle *oracle, struct client *client, unsigned room, int entity)
{
    uint64_t *view = &client->rooms[room].view;
    uint64_t bit = UINT64_C(1) << (entity & (ENTITIES_MAX - 1));
    if (!is_for(oracle, client, room, entity)) {
        return;
    }
    if ((*view & bit) != 0 && is_strict(oracle)) {
        world_fail(oracle->world, "presence", "%s is told that user-%d joined %s, and knew so",
                   client->name, entity, room_name(room));
    }
    *view |= bit;
}

void oracle_user_left(struct oracle *oracle, struct client *client, unsigned room, int entity)
{
    uint64_t *view = &client->rooms[room].view;
    uint64_t bit = UINT64_C(1) << (entity & (ENTITIES_MAX - 1));
    if (!is_for(oracle, client, room, entity)) {
        return;
    }
    if (is_strict(oracle) && (*view & bit) == 0) {
        world_fail(oracle->world, "presence", "%s is told that user-%d left %s, and knew so",
                   client->name, entity, room_name(room));
    } else if (is_strict(oracle) && !may_have_left(oracle, room, (unsigned)entity)) {
        world_fail(oracle->world, "presence", "%s is told that user-%d left %s; it moved",
                   client->name, entity, room_name(room));
    }
    *view &= ~bit;
}
