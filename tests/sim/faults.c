#include "tests/sim/simulation.h"

enum {
    DOWN_MS_MAX = 6000,
    PARTITION_MS_MAX = 8000,
    REFUSAL_MS_MAX = 3000,
    PAUSE_MS_MAX = 4500,
    STALL_MS_MAX = 7000,
    CHOKE_MS_MAX = 2500,
    AWAY_MS_MAX = 8000,
    JUMP_MS_MAX = 3000
};

static int64_t draw(struct simulation *simulation, int64_t low, int64_t high)
{
    return chance_between(&simulation->world.chance, low, high);
}

static size_t draw_below(struct simulation *simulation, size_t bound)
{
    return chance_below(&simulation->world.chance, bound);
}

/* --- processes -------------------------------------------------------------------------------- */

static void start_again(void *context, uint64_t life)
{
    struct actor *actor = context;
    bool was_spared = actor->world->is_calm && actor->is_running && !actor->is_stopping;
    if (actor->life != life || was_spared) {
        return; /* repaired meanwhile */
    }
    actor_kill(actor); /* if it did not end by itself until now */
    actor_start(actor);
}

static void kill_actor(struct simulation *simulation, struct actor *actor)
{
    if (!actor->is_running) {
        return;
    }
    if (draw_below(simulation, 2) == 0) {
        actor->is_doomed = true;
    } else {
        actor_kill(actor);
    }
    world_after(&simulation->world, draw(simulation, 30, DOWN_MS_MAX), start_again, actor,
                actor->life);
}

static void stop_actor(struct simulation *simulation, struct actor *actor)
{
    if (actor->is_running) {
        actor_stop(actor);
        world_after(&simulation->world, draw(simulation, 500, DOWN_MS_MAX), start_again, actor,
                    actor->life);
    }
}

static struct actor *any_edge(struct simulation *simulation)
{
    return &simulation->edges[draw_below(simulation, simulation->edge_count)].actor;
}

static struct actor *any_bridge(struct simulation *simulation)
{
    return &simulation->bridges[draw_below(simulation, simulation->bridge_count)].actor;
}

static struct actor *any_actor(struct simulation *simulation)
{
    switch (draw_below(simulation, 4)) {
    case 0:
        return &simulation->router.actor;
    case 1:
        return any_bridge(simulation);
    default:
        return any_edge(simulation);
    }
}

/* --- the bus ---------------------------------------------------------------------------------- */

static void end_partition(void *context, uint64_t connection)
{
    struct channel *channel = context;
    (void)connection;
    channel_unblock(channel, TO_ROUTER);
    channel_unblock(channel, FROM_ROUTER);
}

static void partition(struct simulation *simulation, struct channel *channel)
{
    bool keeps = draw_below(simulation, 2) == 0;
    size_t ways = draw_below(simulation, 3);
    world_tell(&simulation->world, "%s is cut off: %s", channel->far->name,
               ways == 0   ? "both ways"
               : ways == 1 ? "towards the router"
                           : "from the router");
    if (ways != 2) {
        channel_block(channel, TO_ROUTER, keeps);
    }
    if (ways != 1) {
        channel_block(channel, FROM_ROUTER, keeps);
    }
    world_after(&simulation->world, draw(simulation, 50, PARTITION_MS_MAX), end_partition, channel,
                0);
}

static void flap(struct simulation *simulation, struct channel *channel)
{
    world_tell(&simulation->world, "%s loses its connection", channel->far->name);
    channel_break(channel, draw(simulation, -1, 5));
    channel_connect(channel, draw(simulation, 10, 2000));
}

/* --- clients ---------------------------------------------------------------------------------- */

static struct client *any_client(struct simulation *simulation)
{
    return &simulation->clients[draw_below(simulation, simulation->client_count)];
}

static void leave_for_a_while(struct simulation *simulation, struct client *client)
{
    if (client->wants_online) {
        client_leave(client, draw_below(simulation, 2) == 0);
        client_come_back(client, draw(simulation, 100, AWAY_MS_MAX));
    }
}

static void choke(struct simulation *simulation, struct client *client)
{
    if (client->state == CLIENT_CONNECTED) {
        world_tell(&simulation->world, "%s reads nothing", client->name);
        connection_choke(client->connection, draw(simulation, 50, CHOKE_MS_MAX));
    }
}

/* --- one after the other ---------------------------------------------------------------------- */

static enum fault draw_fault(struct simulation *simulation)
{
    const uint8_t *weights = simulation->world.profile->weights;
    size_t sum = 0;
    for (int i = 0; i < FAULT_KINDS; i++) {
        sum += weights[i];
    }
    size_t at = draw_below(simulation, sum);
    int fault = 0;
    while (at >= weights[fault]) {
        at -= weights[fault++];
    }
    return (enum fault)fault;
}

static void strike(struct simulation *simulation, enum fault fault)
{
    struct world *world = &simulation->world;
    struct channel *channel =
        &simulation->network.channels[draw_below(simulation, simulation->network.count)];
    struct actor *actor;
    switch (fault) {
    case FAULT_KILL_EDGE:
        actor = any_edge(simulation);
        ((struct actor_edge *)actor)->dies_silently = draw_below(simulation, 3) == 0;
        kill_actor(simulation, actor);
        break;
    case FAULT_KILL_ROUTER:
        kill_actor(simulation, &simulation->router.actor);
        break;
    case FAULT_KILL_BRIDGE:
        kill_actor(simulation, any_bridge(simulation));
        break;
    case FAULT_STOP_EDGE:
        stop_actor(simulation, any_edge(simulation));
        break;
    case FAULT_STOP_ROUTER:
        stop_actor(simulation, &simulation->router.actor);
        break;
    case FAULT_STOP_BRIDGE:
        stop_actor(simulation, any_bridge(simulation));
        break;
    case FAULT_PARTITION:
        partition(simulation, channel);
        break;
    case FAULT_FLAP:
        flap(simulation, channel);
        break;
    case FAULT_HIGH_WATER:
        world_tell(world, "%s: the bus takes nothing", channel->far->name);
        channel->lanes[draw_below(simulation, 2)].refuses_until =
            world->now + draw(simulation, 20, REFUSAL_MS_MAX);
        break;
    case FAULT_PAUSE:
        actor = any_actor(simulation);
        world_tell(world, "%s is paused", actor->name);
        actor->paused_until = world->now + draw(simulation, 20, PAUSE_MS_MAX);
        break;
    case FAULT_PAUSE_BRIDGE:
        actor = any_bridge(simulation);
        world_tell(world, "%s is paused", actor->name);
        actor->paused_until = world->now + draw(simulation, 20, PAUSE_MS_MAX);
        break;
    case FAULT_CUT_CLIENT:
        client_cut(any_client(simulation));
        break;
    case FAULT_LOSE_CLIENT:
        client_lose(any_client(simulation));
        break;
    case FAULT_LEAVE_CLIENT:
        leave_for_a_while(simulation, any_client(simulation));
        break;
    case FAULT_CHOKE_CLIENT:
        choke(simulation, any_client(simulation));
        break;
    case FAULT_STORE_STALL:
        world_tell(world, "the store stalls");
        simulation->router.stalled_until = world->now + draw(simulation, 20, STALL_MS_MAX);
        break;
    case FAULT_CLOCK_JUMP:
        actor = any_actor(simulation);
        actor->wall_offset += draw(simulation, -JUMP_MS_MAX, JUMP_MS_MAX);
        break;
    case FAULT_KINDS:
        break;
    }
}

static void next_fault(void *context, uint64_t argument)
{
    struct simulation *simulation = context;
    struct world *world = &simulation->world;
    (void)argument;
    if (world->is_calm) {
        return;
    }
    strike(simulation, draw_fault(simulation));
    world_after(world, draw(simulation, 1, 2 * world->profile->fault_every), next_fault, simulation,
                0);
}

void faults_begin(struct simulation *simulation)
{
    struct world *world = &simulation->world;
    if (world->profile->fault_every > 0) {
        world_after(world, draw(simulation, 300, 1500), next_fault, simulation, 0);
    }
}

static void repair_actor(struct actor *actor)
{
    actor->paused_until = 0;
    actor->is_doomed = false;
    if (!actor->is_running) {
        actor_start(actor);
    }
}

void faults_repair(struct simulation *simulation)
{
    simulation->world.is_calm = true;
    world_tell(&simulation->world, "--- calm ---");
    for (size_t i = 0; i < simulation->network.count; i++) {
        channel_unblock(&simulation->network.channels[i], TO_ROUTER);
        channel_unblock(&simulation->network.channels[i], FROM_ROUTER);
    }
    repair_actor(&simulation->router.actor);
    for (size_t i = 0; i < simulation->edge_count; i++) {
        repair_actor(&simulation->edges[i].actor);
    }
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        repair_actor(&simulation->bridges[i].actor);
    }
}
