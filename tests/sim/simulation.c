#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "tests/sim/log.h"

enum {
    ACTIVE_MS_MIN = 3000,
    ACTIVE_MS_MAX = 12000,
    SETTLE_MS_MAX =
        60000, /* from the first calm on: everything is joined, acknowledged, answered */
    BUS_TIMEOUT_MS = 3000,
    QUIET_MS = 2000,
    REBUILD_MS = 6000, /* of a new router */
    POLL_MS = 100,
    ISOLATED_PER_MILLE = 150, /* of the seeds */
    ISOLATION_SALT = 4711,
    PARTICIPATES_PER_MILLE = 600, /* of entities, in a closed room */
    BRIDGE_RETAINED = 16 << 20
};

static const struct slice agent_names[AGENTS_MAX_SIM] = {{"Eliza", 5}, {"Doctor", 6}};

/* --- construction ----------------------------------------------------------------------------- */

static int64_t draw(struct simulation *simulation, int64_t low, int64_t high)
{
    return chance_between(&simulation->world.chance, low, high);
}

static int64_t draw_of(struct simulation *simulation, const int64_t *values, size_t count)
{
    return values[chance_below(&simulation->world.chance, count)];
}

static struct link_settings link_settings(size_t retained_max)
{
    return (struct link_settings){.heartbeat = 500,
                                  .timeout = BUS_TIMEOUT_MS,
                                  .retained_max = retained_max,
                                  .frame_max = BUS_FRAME_MAX};
}

static void make_router(struct simulation *simulation)
{
    static const int64_t graces[] = {5000, 5000, 5000, 3000, 1000, 0};
    static const int64_t replays[] = {1000, 1000, 1000, 5};
    static const int64_t windows[] = {120000, 120000, 120000, 120000, 2500, 0};
    struct router_settings *settings = &simulation->router.settings;
    bool is_tight = simulation->world.profile->is_tight;
    actor_init(&simulation->router.actor, &actor_router_class, &simulation->world, "router", 1);
    *settings = router_default_settings;
    settings->recovery_window = draw_of(simulation, windows, 6);
    settings->presence_grace = draw_of(simulation, graces, 6);
    settings->replay_max = draw_of(simulation, replays, 4);
    settings->data_isolation = simulation->oracle.is_isolated;
    settings->link = link_settings(is_tight ? 96 << 10 : 64 << 20);
    if (is_tight) {
        settings->jobs_max = draw(simulation, 2, 10);
        settings->batch_bytes_max = draw(simulation, 2000, 40000);
    }
    simulation->router.network = &simulation->network;
    simulation->router.store = &simulation->store;
    simulation->oracle.grace = settings->presence_grace;
    simulation->oracle.replay_max = settings->replay_max;
    simulation->oracle.recovery_window = settings->recovery_window;
    simulation->oracle.job_attempts = settings->job_attempts;
}

static void make_edges(struct simulation *simulation)
{
    static const int64_t intervals[] = {500, 1000, 2000};
    static const struct cors cors = {.methods = "GET,POST"};
    static const int64_t isolations[] = {0, 500, 3000};
    struct actor_edge_settings *settings = &simulation->edge_settings;
    bool is_tight = simulation->world.profile->is_tight;
    settings->session =
        (struct session_settings){.ping_interval = draw_of(simulation, intervals, 3),
                                  .ping_timeout = draw(simulation, 500, 2500),
                                  .upgrade_timeout = 10000,
                                  .connect_timeout = 5000,
                                  .max_http_buffer_size = 1000000,
                                  .outbox_max_bytes = is_tight ? 65536 : 4 << 20,
                                  .outbox_max_age = 60000,
                                  .sessions_max = 1000,
                                  .payload_packets_max = 10000,
                                  .allow_upgrades = true};
    settings->uplink =
        (struct uplink_settings){.request_deadline = 5000,
                                 .requests_max = is_tight ? draw(simulation, 3, 30) : 200000,
                                 .request_bytes_max = is_tight ? 32 << 10 : 64 << 20,
                                 .link = link_settings(is_tight ? 64 << 10 : 64 << 20)};
    settings->chat = (struct chat_settings){.rooms_per_socket_max = 1000,
                                            .requests_per_socket_max = is_tight ? 4 : 1000};
    settings->rest = (struct rest_settings){.sync_timeout = simulation->askers.timeout,
                                            .stream_timeout = SETTLE_MS_MAX,
                                            .stream_comment = SETTLE_MS_MAX,
                                            .runs_max = is_tight ? 2 : 1000,
                                            .cors = &cors};
    settings->drain_timeout = draw(simulation, 2000, 6000);
    settings->isolation_timeout = draw_of(simulation, isolations, 3);
    simulation->edge_count = (size_t)draw(simulation, 2, EDGES_MAX);
    for (size_t i = 0; i < simulation->edge_count; i++) {
        struct actor_edge *edge = &simulation->edges[i];
        actor_init(&edge->actor, &actor_edge_class, &simulation->world, "edge", i + 1);
        edge->settings = settings;
        edge->all = simulation->edges;
        edge->count = simulation->edge_count;
        edge->connections = &simulation->connections;
        edge->askers = &simulation->askers;
        edge->channel =
            network_add(&simulation->network, &edge->actor, ROUTER_SIDE_EDGES, actor_edge_receive);
    }
}

static void make_bridges(struct simulation *simulation)
{
    struct world *world = &simulation->world;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_agent element;
    bool is_eliza = world->profile->fault_every == 0 && chance_happens(&world->chance, 200);
    simulation->oracle.is_eliza = is_eliza;
    simulation->agents = agents_new();
    for (int64_t i = draw(simulation, 1, AGENTS_MAX_SIM); i > 0; i--) {
        agents_add(simulation->agents, SLICE_EMPTY, agent_names[i - 1], SLICE_LITERAL("simulated"),
                   SLICE_LITERAL("An agent."));
    }
    agents_list(simulation->agents, &list);
    struct bus_list agents = bus_list_of(&list);
    struct msgpack_reader reader = bus_list_read(&agents);
    while (bus_list_next(&reader, BUS_ELEMENT_AGENT, &element)) {
        simulation->oracle.agents[simulation->oracle.agent_count++] =
            arena_copy(&simulation->store.arena, element.id);
    }
    buffer_deinit(&list.bytes);
    simulation->bridge_count = (size_t)draw(simulation, 1, BRIDGES_MAX);
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        struct actor_bridge *bridge = &simulation->bridges[i];
        actor_init(&bridge->actor, &actor_bridge_class, world, "bridge", i + 1);
        bridge->settings = (struct bridge_settings){.jobs = {.credit = draw(simulation, 1, 8)},
                                                    .link = link_settings(BRIDGE_RETAINED)};
        bridge->agents = simulation->agents;
        bridge->is_eliza = is_eliza;
        bridge->channel = network_add(&simulation->network, &bridge->actor, ROUTER_SIDE_BRIDGES,
                                      actor_bridge_receive);
    }
}

/* A channel that is in the store at the beginning, with a participant list of its own. */
static struct room_record room_made_before(unsigned number, struct slice name)
{
    return (struct room_record){.number = number + 1,
                                .id = slice_of_string(room_name(number)),
                                .epoch = 77 + number,
                                .server_id = SLICE_LITERAL(NIL_UUID),
                                .name = name,
                                .type = SLICE_LITERAL("GROUP"),
                                .metadata = SLICE_LITERAL("{}"),
                                .has_participants = true,
                                .created_at = 1,
                                .updated_at = 1};
}

/* Sometimes a channel with a participant list of its own: every agent on it answers. */
static void make_channel(struct simulation *simulation)
{
    if (!chance_happens(&simulation->world.chance, 300)) {
        return;
    }
    struct store_batch *batch = store_batch_new(1);
    struct room_record room = room_made_before(0, SLICE_LITERAL("channel"));
    store_batch_put_room(batch, &room);
    store_batch_set_participants(batch, 1, simulation->oracle.agents,
                                 simulation->oracle.agent_count);
    memory_store_commit(&simulation->store, batch);
    store_batch_destroy(&batch);
}

/*
 * Closed rooms: the agents are on each list, some of the users, and those who come to look at the
 * end.
 */
static void close_rooms(struct simulation *simulation)
{
    struct chance chance = {simulation->world.seed + ISOLATION_SALT};
    struct store_batch *batch = store_batch_new(1);
    for (unsigned number = 0; number < simulation->room_count; number++) {
        struct room_record room = room_made_before(number, SLICE_LITERAL("closed"));
        store_batch_put_room(batch, &room);
        store_batch_set_participants(batch, room.number, simulation->oracle.agents,
                                     simulation->oracle.agent_count);
        for (unsigned i = 0; i < simulation->client_count + AUDITORS; i++) {
            char name[16];
            snprintf(name, sizeof(name), "user-%u", i);
            if (i >= simulation->client_count || chance_happens(&chance, PARTICIPATES_PER_MILLE)) {
                store_batch_add_participant(batch, room.number, slice_of_string(name));
            }
        }
    }
    memory_store_commit(&simulation->store, batch);
    store_batch_destroy(&batch);
}

static struct client *add_client(struct simulation *simulation, size_t at, unsigned entity,
                                 struct actor_edge *edges, size_t edge_count)
{
    struct client *client = &simulation->clients[at];
    client_init(client, &simulation->world, &simulation->oracle, edges, edge_count,
                &simulation->connections, (unsigned)at, entity);
    client->room_count = simulation->room_count;
    simulation->oracle.client_count = at + 1;
    return client;
}

static void make_clients(struct simulation *simulation)
{
    struct world *world = &simulation->world;
    bool is_crowd = chance_happens(&world->chance, 60);
    simulation->room_count = (unsigned)draw(simulation, 1, ROOMS_MAX);
    simulation->client_count = (size_t)draw(simulation, 3, is_crowd ? 40 : 12);
    for (size_t i = 0; i < simulation->client_count; i++) {
        bool is_tab = i > 0 && chance_happens(&world->chance, 150);
        unsigned entity = (unsigned)(is_tab ? chance_below(&world->chance, i) : i);
        struct client *client =
            add_client(simulation, i, entity, simulation->edges, simulation->edge_count);
        client->takes_offsets = chance_happens(&world->chance, 800);
        client->eagerness = (unsigned)draw(simulation, 0, is_crowd ? 30 : 100);
        for (unsigned room = 0; room < simulation->room_count; room++) {
            client->rooms[room].is_wanted = chance_happens(&world->chance, 500);
        }
    }
}

static void make(struct simulation *simulation)
{
    memory_store_init(&simulation->store, &simulation->world);
    oracle_init(&simulation->oracle, &simulation->world, &simulation->store,
                &simulation->router.actor);
    simulation->oracle.clients = simulation->clients;
    struct chance chance = {simulation->world.seed - ISOLATION_SALT};
    simulation->oracle.is_isolated = chance_happens(&chance, ISOLATED_PER_MILLE);
    network_init(&simulation->network, &simulation->world, &simulation->router.actor,
                 actor_router_receive);
    make_router(simulation);
    askers_init(&simulation->askers, &simulation->world, &simulation->store, simulation->edges);
    make_edges(simulation);
    make_bridges(simulation);
    if (simulation->oracle.is_isolated) {
        make_clients(simulation);
        close_rooms(simulation);
    } else {
        make_channel(simulation);
        make_clients(simulation);
    }
    callers_init(&simulation->callers, &simulation->world, &simulation->store, simulation->edges,
                 simulation->edge_count);
    simulation->callers.is_isolated = simulation->oracle.is_isolated;
    simulation->callers.entity_count = (unsigned)simulation->client_count;
    simulation->askers.is_refused = simulation->oracle.is_isolated;
    simulation->oracle.callers = &simulation->callers;
    simulation->oracle.askers = &simulation->askers;
    simulation->store.committed = oracle_committed;
    simulation->store.context = &simulation->oracle;
}

static void unmake(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->edge_count; i++) {
        actor_deinit(&simulation->edges[i].actor);
    }
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        actor_deinit(&simulation->bridges[i].actor);
    }
    actor_deinit(&simulation->router.actor);
    world_deinit(&simulation->world);
    network_deinit(&simulation->network);
    for (size_t i = 0; i < simulation->oracle.client_count; i++) {
        client_deinit(&simulation->clients[i]);
    }
    connections_destroy(&simulation->connections);
    callers_deinit(&simulation->callers);
    askers_deinit(&simulation->askers);
    memory_store_deinit(&simulation->store);
    agents_destroy(&simulation->agents);
}

/* --- phases ----------------------------------------------------------------------------------- */

static void run_for(struct simulation *simulation, int64_t duration)
{
    int64_t until = simulation->world.now + duration;
    while (world_step(&simulation->world, until)) {
    }
}

static void start_actor(void *context, uint64_t argument)
{
    (void)argument;
    actor_start(context);
}

/* In any order. */
static void begin(struct simulation *simulation)
{
    struct world *world = &simulation->world;
    world_after(world, draw(simulation, 0, 200), start_actor, &simulation->router.actor, 0);
    for (size_t i = 0; i < simulation->edge_count; i++) {
        world_after(world, draw(simulation, 0, 200), start_actor, &simulation->edges[i].actor, 0);
    }
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        world_after(world, draw(simulation, 0, 200), start_actor, &simulation->bridges[i].actor, 0);
    }
    for (size_t i = 0; i < simulation->client_count; i++) {
        client_begin(&simulation->clients[i], draw(simulation, 0, 1500));
    }
    callers_begin(&simulation->callers);
    askers_begin(&simulation->askers, simulation->edge_count, simulation->room_count);
    faults_begin(simulation);
}

static bool actor_is_well(const struct actor *actor)
{
    return actor->is_running && !actor->is_stopping;
}

static bool is_settled(const struct simulation *simulation, const char **who, const char **what)
{
    *who = "the cluster";
    *what = "running";
    if (!actor_is_well(&simulation->router.actor)) {
        return false;
    }
    for (size_t i = 0; i < simulation->edge_count; i++) {
        if (!actor_is_well(&simulation->edges[i].actor)) {
            return false;
        }
    }
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        if (!actor_is_well(&simulation->bridges[i].actor)) {
            return false;
        }
    }
    for (size_t i = 0; i < simulation->oracle.client_count; i++) {
        *who = simulation->clients[i].name;
        if (!client_is_settled(&simulation->clients[i], what)) {
            return false;
        }
    }
    *who = "who calls over HTTP";
    *what = "answered";
    if (!callers_are_settled(&simulation->callers) || !askers_are_settled(&simulation->askers)) {
        return false;
    }
    *who = "the cluster";
    *what = "done with its questions";
    return simulation->store.open_jobs == 0;
}

static void settle(struct simulation *simulation)
{
    struct world *world = &simulation->world;
    int64_t deadline = world->now + SETTLE_MS_MAX;
    const char *who, *what;
    while (!is_settled(simulation, &who, &what) && !world->has_failed) {
        if (world->now >= deadline) {
            world_fail(world, "answered", "%s is not %s after %d ms of calm", who, what,
                       SETTLE_MS_MAX);
            return;
        }
        run_for(simulation, POLL_MS);
    }
}

/* Long enough for every lease and grace period to end. */
static void wait_for_presence(struct simulation *simulation)
{
    const struct session_settings *session = &simulation->edge_settings.session;
    int64_t since_start = simulation->world.now - simulation->router.actor.started_at;
    int64_t wait = session->ping_interval + session->ping_timeout + BUS_TIMEOUT_MS +
                   simulation->oracle.grace + QUIET_MS;
    if (simulation->router.actor.life > 1 && since_start < REBUILD_MS &&
        wait < REBUILD_MS - since_start) {
        wait = REBUILD_MS - since_start;
    }
    run_for(simulation, wait);
}

/* Strangers come to every edge and look. */
static void audit(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->edge_count; i++) {
        size_t at = simulation->oracle.client_count;
        struct client *auditor = add_client(simulation, at, (unsigned)at, &simulation->edges[i], 1);
        auditor->is_auditor = true;
        for (unsigned room = 0; room < simulation->room_count; room++) {
            auditor->rooms[room].is_wanted = true;
        }
        client_begin(auditor, draw(simulation, 0, 100));
    }
    run_for(simulation, POLL_MS);
    settle(simulation);
    run_for(simulation, POLL_MS);
    if (!simulation->world.has_failed) {
        oracle_check_views(&simulation->oracle);
    }
}

static void all_leave(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->client_count; i++) {
        struct client *client = &simulation->clients[i];
        size_t how = chance_below(&simulation->world.chance, 3);
        if (how == 2) {
            client->wants_online = false;
            client_cut(client);
        } else {
            client_leave(client, how == 0);
        }
    }
}

static void check_router(struct simulation *simulation)
{
    const struct router_counters *counters = router_counters(simulation->router.router);
    size_t members = simulation->edge_count * 2 * simulation->room_count;
    if (counters->members != members || counters->edges != simulation->edge_count ||
        counters->bridges != simulation->bridge_count || counters->jobs != 0) {
        world_fail(&simulation->world, "presence",
                   "the router counts %zu members (%zu), %zu edges, %zu bridges, %zu jobs",
                   counters->members, members, counters->edges, counters->bridges, counters->jobs);
    }
}

static void check_edges(struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->edge_count; i++) {
        struct actor_edge *edge = &simulation->edges[i];
        const struct uplink_counters *uplink = uplink_counters(edge->uplink);
        const struct chat_counters *chat = chat_counters(edge->chat);
        if (uplink->waiting != 0 || uplink->bytes != 0 ||
            chat->memberships != 2 * simulation->room_count ||
            chat->rooms != simulation->room_count || chat->watches != 0) {
            world_fail(&simulation->world, "answered",
                       "%s keeps %zu requests, %zu bytes, %zu memberships, %zu rooms, %zu watches",
                       edge->actor.name, uplink->waiting, uplink->bytes, chat->memberships,
                       chat->rooms, chat->watches);
        }
    }
}

static void run(struct simulation *simulation)
{
    begin(simulation);
    run_for(simulation, draw(simulation, ACTIVE_MS_MIN, ACTIVE_MS_MAX));
    faults_repair(simulation);
    settle(simulation);
    wait_for_presence(simulation);
    if (simulation->world.has_failed) {
        return;
    }
    for (size_t i = 0; i < simulation->bridge_count; i++) {
        simulation->oracle.bridge_deaths += (int64_t)simulation->bridges[i].actor.life - 1;
    }
    oracle_check_views(&simulation->oracle);
    oracle_check_end(&simulation->oracle);
    audit(simulation);
    all_leave(simulation);
    wait_for_presence(simulation);
    audit(simulation);
    if (!simulation->world.has_failed) {
        check_router(simulation);
        check_edges(simulation);
    }
}

void simulation_run(uint64_t seed, const struct profile *profile, bool is_verbose,
                    struct simulation_result *result)
{
    struct simulation *simulation = memory_allocate_zeroed(sizeof(*simulation));
    struct world *world = &simulation->world;
    profile = profile == NULL ? profile_of_seed(seed) : profile;
    world_init(world, seed, profile, is_verbose);
    log_set_world(world);
    make(simulation);
    run(simulation);
    *result = (struct simulation_result){.has_failed = world->has_failed,
                                         .digest = world->digest,
                                         .duration = world->now,
                                         .steps = world->steps,
                                         .messages = (size_t)simulation->store.arrivals,
                                         .acked = simulation->oracle.acked,
                                         .replied = simulation->oracle.replied,
                                         .replayed = simulation->oracle.replayed,
                                         .recovered = simulation->oracle.recovered};
    memcpy(result->failure, world->failure, sizeof(result->failure));
    unmake(simulation);
    for (size_t i = 0; i < simulation->edge_count; i++) {
        result->moved += simulation->edges[i].moved;
    }
    log_set_world(NULL);
    free(simulation);
}
