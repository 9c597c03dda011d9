/*
 * What the tests of the router's core stand on: a router with a virtual clock over a fake store,
 * and fake edges and bridges that speak through real links and write down what they hear. By
 * default the store commits and answers at once; with store_waits the test does it, step by step.
 */
#ifndef TESTS_UNIT_ROUTER_FIXTURE_H
#define TESTS_UNIT_ROUTER_FIXTURE_H

#include "proto/base/log.h"
#include "router/core/router.h"
#include "tests/unit/bus_fixture.h"
#include "tests/unit/fake_store.h"

/* A router that runs for long takes nobody for somebody brought back by its start. */
enum { FAKE_PEERS_MAX = 8, FIXTURE_TICK = 50, FIXTURE_LONG = 20000 };

struct fake_peer {
    struct bus_end end;
    enum router_side side;
    char incarnation[8];
    struct bus_frame *inbox; /* owns: frames of the router */
    bool is_silent;          /* dead, or cut off */
    bool refuses;            /* the router's socket takes nothing for it */
};

struct fixture {
    struct router *router;
    struct router_settings settings;
    struct id_source ids;
    struct instant now;
    struct fake_store store;
    bool store_waits;
    bool store_is_down; /* commits and queries fail */
    struct fake_peer peers[FAKE_PEERS_MAX];
    size_t peer_count;
    uint64_t last_link;
    uint32_t random;
};

/* --- operations ------------------------------------------------------------------------------ */

static inline bool fixture_transmit(void *context, enum router_side side, struct slice routing_id,
                                    struct slice header, struct slice body)
{
    struct fixture *fixture = context;
    for (size_t i = 0; i < fixture->peer_count; i++) {
        struct fake_peer *peer = &fixture->peers[i];
        if (peer->side == side && slice_is(routing_id, peer->incarnation)) {
            if (!peer->refuses) {
                bus_frames_push(&peer->inbox, header, body);
            }
            return !peer->refuses;
        }
    }
    return false;
}

static inline void fixture_commit(void *context, struct store_batch *batch)
{
    struct fixture *fixture = context;
    assert_null(fixture->store.batch); /* one at a time */
    fixture->store.batch = batch;
}

static inline void fixture_query(void *context, const struct store_query *query)
{
    struct fixture *fixture = context;
    assert_in_range(fixture->store.query_count, 0, FAKE_STORE_QUERIES_MAX - 1);
    fixture->store.queries[fixture->store.query_count++] = *query;
}

static const struct router_operations fixture_operations = {fixture_transmit, fixture_commit,
                                                            fixture_query};

/* Same ids in every run. */
static inline void fixture_random(void *context, void *bytes, size_t length)
{
    struct fixture *fixture = context;
    unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        fixture->random = fixture->random * 1664525 + 1013904223;
        at[i] = (unsigned char)(fixture->random >> 24);
    }
}

/* --- turning the wheel ----------------------------------------------------------------------- */

/* The batch that is being committed ends with this result. */
static inline void finish_commit(struct fixture *fixture, int result)
{
    struct store_batch *batch = fixture->store.batch;
    assert_non_null(batch);
    fixture->store.batch = NULL;
    if (result == 0) {
        fake_store_apply(&fixture->store, batch);
    }
    router_committed(fixture->router, batch, result, fixture->now);
}

/* The oldest query is answered. */
static inline void finish_query(struct fixture *fixture, int error)
{
    struct fake_store *store = &fixture->store;
    assert_in_range(store->query_count, 1, FAKE_STORE_QUERIES_MAX);
    struct store_query query = store->queries[0];
    store->query_count--;
    memmove(store->queries, store->queries + 1, store->query_count * sizeof(query));
    struct store_page *page =
        error == 0 ? fake_store_answer(store, &query) : store_page_new(&query);
    page->error = error;
    router_answered(fixture->router, page, fixture->now);
}

static inline bool run_store(struct fixture *fixture)
{
    int result = fixture->store_is_down ? ERROR_STORE : 0;
    if (fixture->store_waits) {
        return false;
    }
    if (fixture->store.batch != NULL) {
        finish_commit(fixture, result);
        return true;
    }
    if (fixture->store.query_count > 0) {
        finish_query(fixture, result);
        return true;
    }
    return false;
}

static inline bool carry(struct fixture *fixture, struct fake_peer *peer)
{
    bool moved = false;
    struct bus_frame *frame;
    if (peer->is_silent) {
        return false;
    }
    link_flush(&peer->end.link, fixture->now.now);
    while ((frame = bus_frames_take(&peer->end.sent)) != NULL) {
        router_receive(fixture->router, peer->side, text(peer->incarnation),
                       buffer_slice(&frame->bytes), fixture->now);
        bus_frame_free(frame);
        moved = true;
    }
    while ((frame = bus_frames_take(&peer->inbox)) != NULL) {
        bus_end_receive(&peer->end, buffer_slice(&frame->bytes), fixture->now.now);
        bus_frame_free(frame);
        moved = true;
    }
    return moved;
}

/* Lets everything happen that needs no time. */
static inline void settle(struct fixture *fixture)
{
    bool moved = true;
    for (int rounds = 0; moved; rounds++) {
        assert_in_range(rounds, 0, 2000); /* nothing goes in circles */
        moved = false;
        for (size_t i = 0; i < fixture->peer_count; i++) {
            moved = carry(fixture, &fixture->peers[i]) || moved;
        }
        router_flush(fixture->router, fixture->now);
        moved = run_store(fixture) || moved;
        for (size_t i = 0; i < fixture->peer_count; i++) {
            moved = moved || (fixture->peers[i].inbox != NULL && !fixture->peers[i].is_silent);
        }
    }
}

static inline void pass(struct fixture *fixture, int64_t ms)
{
    for (int64_t end = fixture->now.now + ms; fixture->now.now < end;) {
        int64_t step =
            end - fixture->now.now < FIXTURE_TICK ? end - fixture->now.now : FIXTURE_TICK;
        fixture->now.now += step;
        fixture->now.wall += step;
        for (size_t i = 0; i < fixture->peer_count; i++) {
            if (!fixture->peers[i].is_silent) {
                link_tick(&fixture->peers[i].end.link, fixture->now.now);
            }
        }
        router_tick(fixture->router, fixture->now);
        settle(fixture);
    }
}

static inline void commit(struct fixture *fixture)
{
    settle(fixture);
    finish_commit(fixture, 0);
    settle(fixture);
}

static inline void fail_commit(struct fixture *fixture)
{
    settle(fixture);
    finish_commit(fixture, ERROR_STORE);
    settle(fixture);
}

static inline void answer(struct fixture *fixture)
{
    settle(fixture);
    finish_query(fixture, 0);
    settle(fixture);
}

static inline const struct router_counters *counted(struct fixture *fixture)
{
    return router_counters(fixture->router);
}

/* --- peers ----------------------------------------------------------------------------------- */

static inline struct fake_peer *fake_peer_new(struct fixture *fixture, enum router_side side,
                                              const char *incarnation)
{
    assert_in_range(fixture->peer_count, 0, FAKE_PEERS_MAX - 1);
    struct fake_peer *peer = &fixture->peers[fixture->peer_count++];
    memset(peer, 0, sizeof(*peer));
    peer->side = side;
    snprintf(peer->incarnation, sizeof(peer->incarnation), "%s", incarnation);
    bus_end_init(&peer->end, true, side == ROUTER_SIDE_EDGES ? BUS_ROLE_EDGE : BUS_ROLE_BRIDGE,
                 peer->incarnation, fixture->now.now);
    return peer;
}

static inline void open_link(struct fixture *fixture, struct fake_peer *peer)
{
    link_open(&peer->end.link, ++fixture->last_link, fixture->now.now);
    settle(fixture);
    assert_true(link_is_open(&peer->end.link));
}

static inline void say(struct fixture *fixture, struct fake_peer *peer,
                       const struct bus_message *message)
{
    assert_int_equal(link_send(&peer->end.link, message), 0);
    settle(fixture);
}

/* An edge that has told all it holds: nothing more than was said before. */
static inline void sync_done(struct fixture *fixture, struct fake_peer *edge)
{
    struct bus_message message = {.type = BUS_SYNC_DONE};
    say(fixture, edge, &message);
}

/* A new link of an edge without rooms. */
static inline void open_edge(struct fixture *fixture, struct fake_peer *edge)
{
    edge->end.keeps_settled = fixture->settings.recovery_window > 0;
    open_link(fixture, edge);
    sync_done(fixture, edge);
}

static inline struct fake_peer *edge_new(struct fixture *fixture, const char *incarnation)
{
    struct fake_peer *peer = fake_peer_new(fixture, ROUTER_SIDE_EDGES, incarnation);
    open_edge(fixture, peer);
    return peer;
}

static inline void register_agent(struct fixture *fixture, struct fake_peer *bridge,
                                  uint64_t credit, const char *agent)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_agent element = {text(agent), text(agent), SLICE_LITERAL("{}")};
    bus_list_add(&list, BUS_ELEMENT_AGENT, &element);
    struct bus_message message = {
        .type = BUS_REGISTER, .register_agents = {.credit = credit, .agents = bus_list_of(&list)}};
    say(fixture, bridge, &message);
    buffer_deinit(&list.bytes);
}

/* A bridge with one agent; what it heard of being registered is forgotten. */
static inline struct fake_peer *bridge_new(struct fixture *fixture, const char *incarnation,
                                           uint64_t credit, const char *agent)
{
    struct fake_peer *bridge = fake_peer_new(fixture, ROUTER_SIDE_BRIDGES, incarnation);
    open_link(fixture, bridge);
    register_agent(fixture, bridge, credit, agent);
    assert_heard(&bridge->end, "registered 1\n");
    return bridge;
}

/* The process dies: nothing comes from it any more, nothing reaches it. */
static inline void kill_peer(struct fake_peer *peer)
{
    peer->is_silent = true;
    bus_frames_lose(&peer->end.sent);
    bus_frames_lose(&peer->inbox);
}

static inline void hear_nothing_yet(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->peer_count; i++) {
        buffer_clear(&fixture->peers[i].end.lines);
    }
}

static inline void assert_peer_heard(struct fake_peer *peer, const char *expected)
{
    assert_heard(&peer->end, expected);
}

static inline size_t heard_of(const struct fake_peer *peer, enum bus_type type)
{
    size_t count = 0;
    for (const struct heard *at = peer->end.heard; at != NULL; at = at->next) {
        count += at->message.type == type;
    }
    return count;
}

static inline const struct bus_message *last_of(const struct fake_peer *peer, enum bus_type type)
{
    return last_heard(&peer->end, type);
}

/* --- what edges and bridges say -------------------------------------------------------------- */

static inline void join(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                        const char *room, const char *entity)
{
    struct bus_message message = {.type = BUS_JOIN,
                                  .trace = 1000 + request,
                                  .join = {.request = request,
                                           .room = text(room),
                                           .entity = text(entity),
                                           .name = SLICE_LITERAL("Name")}};
    say(fixture, edge, &message);
}

static inline void leave(struct fixture *fixture, struct fake_peer *edge, const char *room,
                         const char *entity, bool is_explicit)
{
    struct bus_message message = {
        .type = BUS_LEAVE,
        .leave = {.room = text(room), .entity = text(entity), .is_explicit = is_explicit}};
    say(fixture, edge, &message);
}

/* The same of the last member that its edge knows of. */
static inline void leave_last(struct fixture *fixture, struct fake_peer *edge, const char *room,
                              const char *entity)
{
    struct bus_message message = {
        .type = BUS_LEAVE, .leave = {.room = text(room), .entity = text(entity), .is_last = true}};
    say(fixture, edge, &message);
}

/* One part of an edge's synchronisation: one member. */
static inline void sync_room(struct fixture *fixture, struct fake_peer *edge, const char *room,
                             uint64_t epoch, uint64_t last_seq, const char *entity)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_member element = {text(entity), SLICE_LITERAL("Name"), 1};
    bus_list_add(&list, BUS_ELEMENT_MEMBER, &element);
    struct bus_message message = {.type = BUS_ROOM_SYNC,
                                  .room_sync = {.room = text(room),
                                                .epoch = epoch,
                                                .last_seq = last_seq,
                                                .members = bus_list_of(&list)}};
    say(fixture, edge, &message);
    buffer_deinit(&list.bytes);
}

static inline struct bus_message sending(uint64_t request, const char *room, const char *sender,
                                         const char *message_id, bool asks)
{
    return (struct bus_message){.type = BUS_SEND,
                                .trace = 1000 + request,
                                .send = {.request = request,
                                         .room = text(room),
                                         .sender = text(sender),
                                         .message_id = text(message_id),
                                         .server_id = SLICE_LITERAL(NIL_UUID),
                                         .asks_agent = asks,
                                         .body = text(message_id)}};
}

/* A message whose body is its messageId; nobody is asked. */
static inline void send(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                        const char *room, const char *sender, const char *message_id)
{
    struct bus_message message = sending(request, room, sender, message_id, false);
    say(fixture, edge, &message);
}

/* A question. */
static inline void ask(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                       const char *room, const char *sender, const char *message_id)
{
    struct bus_message message = sending(request, room, sender, message_id, true);
    say(fixture, edge, &message);
}

static inline void chunk(struct fixture *fixture, struct fake_peer *bridge, uint64_t job,
                         uint64_t attempt, const char *words)
{
    struct bus_message message = {
        .type = BUS_WORK_CHUNK,
        .work_chunk = {.job = job, .attempt = attempt, .text = text(words)}};
    say(fixture, bridge, &message);
}

static inline void work_done(struct fixture *fixture, struct fake_peer *bridge, uint64_t job,
                             uint64_t attempt, const char *body)
{
    struct bus_message message = {
        .type = BUS_WORK_DONE, .work_done = {.job = job, .attempt = attempt, .body = text(body)}};
    say(fixture, bridge, &message);
}

static inline void work_failed(struct fixture *fixture, struct fake_peer *bridge, uint64_t job,
                               uint64_t attempt)
{
    struct bus_message message = {
        .type = BUS_WORK_FAILED,
        .work_failed = {.job = job, .attempt = attempt, .error = ERROR_AGENT_FAILED}};
    say(fixture, bridge, &message);
}

/* --- life ------------------------------------------------------------------------------------ */

static inline void start_router(struct fixture *fixture)
{
    fixture->router = router_new(&fixture->settings, &fixture_operations, fixture, &fixture->ids,
                                 SLICE_LITERAL("router"), fixture->now);
    struct store_loader loader = router_loader(fixture->router, fixture->now);
    fake_store_load(&fixture->store, &loader);
    router_loaded(fixture->router, &loader);
}

/* The router is killed, what was not committed is lost, and another one starts. */
static inline void restart_router(struct fixture *fixture)
{
    router_destroy(&fixture->router);
    assert_null(fixture->router);
    store_batch_destroy(&fixture->store.batch);
    fixture->store.query_count = 0;
    for (size_t i = 0; i < fixture->peer_count; i++) {
        bus_frames_lose(&fixture->peers[i].inbox);
        bus_frames_lose(&fixture->peers[i].end.sent);
    }
    start_router(fixture);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    log_configure("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    fixture->settings = router_default_settings;
    fixture->settings.recovery_window = 0;
    fixture->now = (struct instant){1000000, 1790000000000};
    fixture->random = 1;
    id_source_init(&fixture->ids);
    fixture->ids.fill = fixture_random;
    fixture->ids.context = fixture;
    fake_store_init(&fixture->store);
    start_router(fixture);
    fixture->now.now += FIXTURE_LONG;
    fixture->now.wall += FIXTURE_LONG;
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    router_destroy(&fixture->router);
    for (size_t i = 0; i < fixture->peer_count; i++) {
        bus_end_deinit(&fixture->peers[i].end);
        bus_frames_lose(&fixture->peers[i].inbox);
    }
    fake_store_deinit(&fixture->store);
    free(fixture);
    return 0;
}

/* The router with other settings: before any peer is there. */
static inline void restart_with(struct fixture *fixture, struct router_settings settings)
{
    assert_int_equal(fixture->peer_count, 0);
    router_destroy(&fixture->router);
    fixture->settings = settings;
    fixture->settings.recovery_window = 0;
    start_router(fixture);
    fixture->now.now += FIXTURE_LONG;
    fixture->now.wall += FIXTURE_LONG;
}

/* The same, and sockets can be recovered for that long. */
static inline void restart_recovering(struct fixture *fixture, int64_t window)
{
    assert_int_equal(fixture->peer_count, 0);
    router_destroy(&fixture->router);
    fixture->settings.recovery_window = window;
    start_router(fixture);
    fixture->now.now += FIXTURE_LONG;
    fixture->now.wall += FIXTURE_LONG;
}

#define ROUTER_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
