#include "tests/sim/oracle_internal.h"

enum {
    STEADY_MS = 6000, /* since the last start or new link: everybody has found everybody */
    TOLD_MS = 1000    /* by then it knows in which rooms it is */
};

/* Nothing has happened for a while that may keep the cluster from answering. */
static bool is_steady(const struct oracle *oracle, const struct client *client)
{
    const struct profile *profile = oracle->world->profile;
    const struct actor_edge *edge = client->connection->edge;
    int64_t since = client->opened_at - STEADY_MS;
    return profile_keeps_links(profile) && profile->store_failures == 0 &&
           profile->weights[FAULT_STORE_STALL] == 0 && oracle->router->is_running &&
           oracle->router->started_at < since && edge->linked_at < since;
}

/* Else a DISCONNECT may have come to nobody. */
static bool keeps_processes(const struct profile *profile)
{
    return profile->weights[FAULT_KILL_EDGE] == 0 && profile->weights[FAULT_STOP_EDGE] == 0 &&
           profile->weights[FAULT_KILL_ROUTER] == 0 && profile->weights[FAULT_STOP_ROUTER] == 0;
}

/* --- it goes on ------------------------------------------------------------------------------- */

void oracle_recovered(struct oracle *oracle, struct client *client)
{
    struct world *world = oracle->world;
    oracle->recovered++;
    if (client->is_forging) {
        world_fail(world, "recovery", "%s goes on with a forged pid or offset", client->name);
    } else if (client->has_left && keeps_processes(world->profile) && is_steady(oracle, client)) {
        world_fail(world, "recovery", "%s goes on as a socket that it has left", client->name);
    }
    for (unsigned room = 0; room < client->room_count; room++) {
        struct attendance *attendance = &client->rooms[room];
        if (attendance->was_amid_replay) {
            world_fail(world, "recovery", "%s goes on amid a replay of %s", client->name,
                       room_name(room));
        }
        if (attendance->former == ATTENDANCE_IN) {
            attendance->state = ATTENDANCE_IN;
            if (!client->is_severed) {
                oracle_held(oracle, room, client->entity);
            }
        }
        attendance->may_be_in = attendance->former == ATTENDANCE_ASKED && !attendance->has_cursor;
        attendance->former = ATTENDANCE_OUT;
        attendance->join_at = world->now + TOLD_MS;
    }
}

void oracle_begin_at(struct client *client, unsigned room, const struct stored_message *message)
{
    struct attendance *attendance = &client->rooms[room];
    const struct stored_room *stored = message->room;
    size_t at = memory_store_after(stored, message->record.seq) - 1;
    attendance->cursor = at == 0 ? 0 : stored->messages[at - 1]->record.seq;
    attendance->epoch = stored->record.epoch;
    attendance->has_cursor = true;
}

/* --- it does not ------------------------------------------------------------------------------ */

static bool could_go_on(const struct oracle *oracle, const struct client *client)
{
    size_t rooms = 0;
    if (client->pid[0] == '\0' || client->offset[0] == '~' || client->is_forging ||
        client->may_have_left || oracle->recovery_window < 100000 || oracle->replay_max < 1000) {
        return false;
    }
    for (unsigned room = 0; room < client->room_count; room++) {
        const struct attendance *attendance = &client->rooms[room];
        rooms += attendance->former == ATTENDANCE_IN;
        if (attendance->was_amid_replay ||
            (attendance->former == ATTENDANCE_ASKED && attendance->has_cursor)) {
            return false; /* a replay is not begun a second time */
        }
    }
    return rooms > 0; /* else its row may never have been written */
}

void oracle_not_recovered(struct oracle *oracle, const struct client *client, bool has_early)
{
    if (has_early) {
        world_fail(oracle->world, "recovery", "%s gets what it missed and is not recovered",
                   client->name);
    } else if (could_go_on(oracle, client) && is_steady(oracle, client)) {
        world_fail(oracle->world, "recovery", "%s could go on, and is another socket",
                   client->name);
    }
}
