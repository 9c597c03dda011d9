/*
 * What the tests of moves stand on: two edges with a router each that says what the test wants, and
 * the frames between the edges. The session is opened at `a` by polling; its WebSocket reaches `b`.
 */
#ifndef TESTS_UNIT_MOVE_FIXTURE_H
#define TESTS_UNIT_MOVE_FIXTURE_H

#include "tests/unit/chat_fixture.h"

#include "edge/move.h"
#include "edge/peer.h"
#include "edge/session/guest.h"
#include "edge/session/handover.h"
#include "proto/wire/engineio.h"

enum {
    HELD_MAX = 200,
    LISTS_SETTLE = 10000 /* ms: longer than lists of edges may lack some */
};
#define OTHER_INCARNATION "edgeCD"

struct side {
    struct chat_fixture *edge;
    struct peers *peers;
    struct moves *moves;
    struct side *other;
    struct bus_frame *out, *back; /* owns: requests and answers on their way to the other */
    bool is_cut;                  /* frames to the other are refused */
};

struct pair {
    struct side a, b;
    struct fake_websocket *client; /* on b */
    struct poll_exchange poll;
    struct session *session; /* of a, as long as it is there */
    char sid[SESSION_ID_LENGTH + 1];
};

static inline void on_connect(void *context, struct slice incarnation, struct slice address)
{
    (void)context;
    (void)incarnation;
    (void)address;
}

static inline void on_disconnect(void *context, struct slice incarnation)
{
    struct side *side = context;
    if (side->moves != NULL) {
        moves_edge_gone(side->moves, incarnation, side->edge->sessions.now);
    }
}

static inline bool on_transmit(void *context, struct slice incarnation, struct slice header,
                               struct slice body)
{
    struct side *side = context;
    (void)incarnation;
    if (!side->is_cut) {
        bus_frames_push(&side->out, header, body);
    }
    return !side->is_cut;
}

static inline bool on_answer(void *context, struct slice routing_id, struct slice header,
                             struct slice body)
{
    struct side *side = context;
    assert_true(slice_is(routing_id, "route"));
    if (!side->is_cut) {
        bus_frames_push(&side->back, header, body);
    }
    return !side->is_cut;
}

static inline void on_move(void *context, struct slice routing_id,
                           const struct bus_message *message, int64_t now)
{
    struct side *side = context;
    moves_receive(side->moves, routing_id, message, now);
}

static const struct peers_operations move_peers_operations = {.connect = on_connect,
                                                              .disconnect = on_disconnect,
                                                              .transmit = on_transmit,
                                                              .answer = on_answer,
                                                              .move = on_move};

static inline void list_edges(struct side *side, const char *first, const char *second)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_peer one = {text(first), SLICE_LITERAL("tcp://h:1")};
    struct bus_peer two = {text(second), SLICE_LITERAL("tcp://h:2")};
    bus_list_add(&list, BUS_ELEMENT_PEER, &one);
    bus_list_add(&list, BUS_ELEMENT_PEER, &two);
    struct bus_peers peers = {bus_list_of(&list)};
    peers_update(side->peers, &peers, side->edge->sessions.now);
    buffer_deinit(&list.bytes);
}

static inline void start(struct side *side, struct side *other, const char *incarnation)
{
    void *edge;
    struct peers_settings peers_settings = {
        .incarnation = text(incarnation), .deadline = 45000, .relays_max = 10};
    struct moves_settings settings = {.incarnation = text(incarnation),
                                      .upgrade_timeout = 10000,
                                      .moves_max = 1,
                                      .held_max = HELD_MAX};
    struct bus_message settled = {.type = BUS_SETTLED, .settled = {1}};
    chat_setup(&edge);
    side->edge = edge;
    router_says(side->edge, &settled);
    side->other = other;
    side->peers = peers_new(&peers_settings, &move_peers_operations, side);
    side->moves = moves_new(&settings, side->edge->sessions.table, side->peers, side->edge->uplink,
                            &side->edge->sessions.ids);
    peers_unsettle(side->peers, side->edge->sessions.now - LISTS_SETTLE);
    list_edges(side, TEST_INCARNATION, OTHER_INCARNATION);
}

static inline void stop(struct side *side)
{
    void *edge = side->edge;
    moves_destroy(&side->moves, side->edge->sessions.now);
    peers_destroy(&side->peers, side->edge->sessions.now);
    bus_frames_lose(&side->out);
    bus_frames_lose(&side->back);
    chat_teardown(&edge);
}

static inline bool give(struct bus_frame **frames, struct side *to, const char *routing_id)
{
    struct bus_frame *frame = bus_frames_take(frames);
    if (frame == NULL) {
        return false;
    }
    peers_receive(to->peers, text(routing_id), buffer_slice(&frame->bytes), to->edge->sessions.now);
    bus_frame_free(frame);
    return true;
}

static inline void turn(struct side *side)
{
    settle(side->edge);
    moves_flush(side->moves, side->edge->sessions.now);
}

/* Lets everything happen between the edges that needs no time. */
static inline void exchange(struct pair *pair)
{
    bool moved = true;
    while (moved) {
        turn(&pair->a);
        turn(&pair->b);
        moved = give(&pair->b.out, &pair->a, "route");
        moved = give(&pair->a.back, &pair->b, "") || moved;
    }
}

static inline void pass_time(struct pair *pair, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += 50) {
        struct side *sides[] = {&pair->a, &pair->b};
        for (size_t i = 0; i < 2; i++) {
            wait_for(sides[i]->edge, 50);
            moves_tick(sides[i]->moves, sides[i]->edge->sessions.now);
        }
        exchange(pair);
    }
}

static inline void client_sends(struct pair *pair, const char *message)
{
    say(&pair->b.edge->sessions, pair->client, message);
    exchange(pair);
}

static inline void ignore_answer(struct poll_exchange *poll, int status, const char *content_type,
                                 struct slice body)
{
    (void)poll;
    (void)content_type;
    (void)body;
    assert_int_equal(status, 200);
}

/* The client says this by polling. */
static inline void client_posts(struct pair *pair, const char *body)
{
    struct fixture *sessions = &pair->a.edge->sessions;
    pair->poll.answer = ignore_answer;
    session_post(sessions->table, pair->session, text(body), &pair->poll, sessions->now);
    exchange(pair);
}

/* The client is in a room by way of `a`, polling. */
static inline void open_session(struct pair *pair, const char *room, uint64_t last_seq)
{
    struct fixture *sessions = &pair->a.edge->sessions;
    char packet[256];
    pair->session = open_polling(sessions);
    memcpy(pair->sid, session_id(pair->session), SESSION_ID_LENGTH);
    client_posts(pair, "40{\"entityId\":\"ann\"}");
    snprintf(packet, sizeof(packet), "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"%s\"}}]",
             room);
    client_posts(pair, packet);
    router_joins(pair->a.edge, last_heard(&pair->a.edge->router, BUS_JOIN)->join.request, room,
                 last_seq, "ann");
    buffer_clear(&pair->a.edge->router.lines);
    session_poll(sessions->table, pair->session, &pair->poll, sessions->now);
    flush(sessions); /* what was said of all this is forgotten */
}

static inline bool begin(struct pair *pair)
{
    struct fixture *sessions = &pair->b.edge->sessions;
    pair->client = fake_websocket_new(sessions);
    bool is_taken =
        moves_begin(pair->b.moves, text(pair->sid), 4, &pair->client->websocket, sessions->now);
    exchange(pair);
    return is_taken;
}

/* Up to where the joins and the mark are with the router of `b`. */
static inline void upgrade(struct pair *pair)
{
    assert_true(begin(pair));
    client_sends(pair, "2probe");
    assert_sent(pair->client, "3probe|/");
    client_sends(pair, "5");
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
}

static inline int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    start(&pair->a, &pair->b, TEST_INCARNATION);
    start(&pair->b, &pair->a, OTHER_INCARNATION);
    *state = pair;
    return 0;
}

static inline int teardown(void **state)
{
    struct pair *pair = *state;
    stop(&pair->b);
    stop(&pair->a);
    free(pair);
    return 0;
}

/* The router has passed the mark on, says `b`'s. */
static inline void answer_mark(struct pair *pair)
{
    const struct bus_message *mark = last_heard(&pair->b.edge->router, BUS_MARK);
    struct bus_message done = {.type = BUS_DONE, .done = {.request = mark->mark.request}};
    router_says(pair->b.edge, &done);
    exchange(pair);
}

/* The router of `b` has let it in. */
static inline void join(struct pair *pair, uint64_t last_seq)
{
    router_joins(pair->b.edge, 1, "r", last_seq, "ann");
    answer_mark(pair);
}

/* The router of `a` passes the mark on. */
static inline void mark(struct pair *pair)
{
    const struct bus_message *message = last_heard(&pair->b.edge->router, BUS_MARK);
    moves_marked(pair->a.moves, message->mark.move, pair->a.edge->sessions.now);
    exchange(pair);
}

static inline void tell(struct side *side, const char *room, uint64_t seq)
{
    router_broadcasts(side->edge, room, seq, "bob");
}

static inline bool is_at(struct pair *pair, const struct side *side)
{
    return session_find(side->edge->sessions.table, text(pair->sid)) != NULL;
}

static inline uint64_t failed(const struct side *side, enum move_failure failure)
{
    return moves_counters(side->moves)->failed[failure];
}

static inline void assert_nothing_under_way(struct pair *pair)
{
    struct side *sides[] = {&pair->a, &pair->b};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(moves_counters(sides[i]->moves)->departing, 0);
        assert_int_equal(moves_counters(sides[i]->moves)->arriving, 0);
    }
}

#define MOVE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
