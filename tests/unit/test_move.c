/*
 * Two edges with a router each that says what the test wants, and the frames between the edges. The
 * session is opened at `a` by polling; its WebSocket reaches `b`.
 */
#include "tests/unit/chat_fixture.h"

#include "edge/move.h"
#include "edge/peer.h"
#include "edge/session/guest.h"
#include "proto/wire/engineio.h"

enum { HELD_MAX = 200 };
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

static void on_connect(void *context, struct slice incarnation, struct slice address)
{
    (void)context;
    (void)incarnation;
    (void)address;
}

static void on_disconnect(void *context, struct slice incarnation)
{
    struct side *side = context;
    if (side->moves != NULL) {
        moves_edge_gone(side->moves, incarnation, side->edge->sessions.now);
    }
}

static bool on_transmit(void *context, struct slice incarnation, struct slice header,
                        struct slice body)
{
    struct side *side = context;
    (void)incarnation;
    if (!side->is_cut) {
        bus_frames_push(&side->out, header, body);
    }
    return !side->is_cut;
}

static bool on_answer(void *context, struct slice routing_id, struct slice header,
                      struct slice body)
{
    struct side *side = context;
    assert_true(slice_is(routing_id, "route"));
    if (!side->is_cut) {
        bus_frames_push(&side->back, header, body);
    }
    return !side->is_cut;
}

static void on_move(void *context, struct slice routing_id, const struct bus_message *message,
                    int64_t now)
{
    struct side *side = context;
    moves_receive(side->moves, routing_id, message, now);
}

static const struct peers_operations operations = {.connect = on_connect,
                                                   .disconnect = on_disconnect,
                                                   .transmit = on_transmit,
                                                   .answer = on_answer,
                                                   .move = on_move};

static void list_edges(struct side *side, const char *first, const char *second)
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

static void start(struct side *side, struct side *other, const char *incarnation)
{
    void *edge;
    struct peers_settings peers_settings = {
        .incarnation = text(incarnation), .deadline = 45000, .relays_max = 10};
    struct moves_settings settings = {.incarnation = text(incarnation),
                                      .upgrade_timeout = 10000,
                                      .moves_max = 1,
                                      .held_max = HELD_MAX};
    chat_setup(&edge);
    side->edge = edge;
    side->other = other;
    side->peers = peers_new(&peers_settings, &operations, side);
    side->moves = moves_new(&settings, side->edge->sessions.table, side->peers, side->edge->uplink,
                            &side->edge->sessions.ids);
    list_edges(side, TEST_INCARNATION, OTHER_INCARNATION);
}

static void stop(struct side *side)
{
    void *edge = side->edge;
    moves_destroy(&side->moves, side->edge->sessions.now);
    peers_destroy(&side->peers, side->edge->sessions.now);
    bus_frames_lose(&side->out);
    bus_frames_lose(&side->back);
    chat_teardown(&edge);
}

static bool give(struct bus_frame **frames, struct side *to, const char *routing_id)
{
    struct bus_frame *frame = bus_frames_take(frames);
    if (frame == NULL) {
        return false;
    }
    peers_receive(to->peers, text(routing_id), buffer_slice(&frame->bytes), to->edge->sessions.now);
    bus_frame_free(frame);
    return true;
}

static void turn(struct side *side)
{
    settle(side->edge);
    moves_flush(side->moves, side->edge->sessions.now);
}

/* Lets everything happen between the edges that needs no time. */
static void exchange(struct pair *pair)
{
    bool moved = true;
    while (moved) {
        turn(&pair->a);
        turn(&pair->b);
        moved = give(&pair->b.out, &pair->a, "route");
        moved = give(&pair->a.back, &pair->b, "") || moved;
    }
}

static void pass_time(struct pair *pair, int64_t ms)
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

static void client_sends(struct pair *pair, const char *message)
{
    say(&pair->b.edge->sessions, pair->client, message);
    exchange(pair);
}

static void ignore_answer(struct poll_exchange *poll, int status, const char *content_type,
                          struct slice body)
{
    (void)poll;
    (void)content_type;
    (void)body;
    assert_int_equal(status, 200);
}

/* The client says this by polling. */
static void client_posts(struct pair *pair, const char *body)
{
    struct fixture *sessions = &pair->a.edge->sessions;
    pair->poll.answer = ignore_answer;
    session_post(sessions->table, pair->session, text(body), &pair->poll, sessions->now);
    exchange(pair);
}

/* The client is in a room by way of `a`, polling. */
static void open_session(struct pair *pair, const char *room, uint64_t last_seq)
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

static bool begin(struct pair *pair)
{
    struct fixture *sessions = &pair->b.edge->sessions;
    pair->client = fake_websocket_new(sessions);
    bool is_taken =
        moves_begin(pair->b.moves, text(pair->sid), 4, &pair->client->websocket, sessions->now);
    exchange(pair);
    return is_taken;
}

/* Up to where the joins and the mark are with the router of `b`. */
static void upgrade(struct pair *pair)
{
    assert_true(begin(pair));
    client_sends(pair, "2probe");
    assert_sent(pair->client, "3probe|/");
    client_sends(pair, "5");
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
}

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    start(&pair->a, &pair->b, TEST_INCARNATION);
    start(&pair->b, &pair->a, OTHER_INCARNATION);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    stop(&pair->b);
    stop(&pair->a);
    free(pair);
    return 0;
}

/* The router of `b` has let it in. */
static void join(struct pair *pair, uint64_t last_seq)
{
    router_joins(pair->b.edge, 1, "r", last_seq, "ann");
    exchange(pair);
}

/* The router of `a` passes the mark on. */
static void mark(struct pair *pair)
{
    const struct bus_message *message = last_heard(&pair->b.edge->router, BUS_MARK);
    moves_marked(pair->a.moves, message->mark.move, pair->a.edge->sessions.now);
    exchange(pair);
}

static void tell(struct side *side, const char *room, uint64_t seq)
{
    router_broadcasts(side->edge, room, seq, "bob");
}

static bool is_at(struct pair *pair, const struct side *side)
{
    return session_find(side->edge->sessions.table, text(pair->sid)) != NULL;
}

static uint64_t failed(const struct side *side, enum move_failure failure)
{
    return moves_counters(side->moves)->failed[failure];
}

static void assert_nothing_under_way(struct pair *pair)
{
    struct side *sides[] = {&pair->a, &pair->b};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(moves_counters(sides[i]->moves)->departing, 0);
        assert_int_equal(moves_counters(sides[i]->moves)->arriving, 0);
    }
}

/* --- moving ----------------------------------------------------------------------------------- */

static void test_a_session_moves(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    tell(&pair->a, "r", 6); /* before the joins: its former edge's to say */
    exchange(pair);
    assert_events(pair->client, "messageBroadcast");
    join(pair, 6);
    tell(&pair->b, "r", 7); /* after them, and earlier here than the mark there */
    exchange(pair);
    assert_events(pair->client, "");
    assert_false(is_at(pair, &pair->b));
    mark(pair);
    assert_events(pair->client, "messageBroadcast");
    assert_true(is_at(pair, &pair->b));
    assert_false(is_at(pair, &pair->a));
    assert_heard(&pair->a.edge->router, "leave r ann\n");
    assert_int_equal(moves_counters(pair->a.moves)->out, 1);
    assert_int_equal(moves_counters(pair->b.moves)->in, 1);
    assert_nothing_under_way(pair);
    tell(&pair->b, "r", 8);
    exchange(pair);
    assert_events(pair->client, "messageBroadcast");
}

static void test_what_has_no_number_comes_once(void **state)
{
    struct pair *pair = *state;
    struct bus_message typing = {
        .type = BUS_SIGNAL, .signal = {.room = text("r"), .entity = text("bob"), .is_on = true}};
    open_session(pair, "r", 5);
    upgrade(pair);
    router_says(pair->a.edge, &typing);
    join(pair, 5);
    router_says(pair->b.edge, &typing);
    mark(pair);
    assert_events(pair->client, "userTyping userTyping");
}

static void test_what_a_held_client_says_is_heard_afterwards(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    client_sends(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    client_sends(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":false}]");
    assert_heard(&pair->a.edge->router, "");
    assert_heard(&pair->b.edge->router, "");
    join(pair, 5);
    mark(pair);
    assert_heard(&pair->b.edge->router, "signal r 0 ann on\nsignal r 0 ann\n");
}

static void test_the_end_may_come_before_the_joins(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    mark(pair);
    assert_false(is_at(pair, &pair->b));
    join(pair, 5);
    assert_true(is_at(pair, &pair->b));
}

static void test_a_request_is_answered_before_the_session_moves(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    client_posts(pair, "421[\"message\",{\"type\":3,\"payload\":{\"roomId\":\"r\",\"message\":"
                       "\"hi\",\"messageId\":\"m\"}}]");
    begin(pair);
    client_sends(pair, "2probe");
    client_sends(pair, "5");
    buffer_clear(&pair->client->sent);
    assert_heard(&pair->b.edge->router, "");
    router_accepts(pair->a.edge, last_heard(&pair->a.edge->router, BUS_SEND)->send.request, "r", 6,
                   "ann", 0);
    exchange(pair);
    assert_events(pair->client, "messageBroadcast messageAck ack");
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
}

static void test_a_busy_session_is_served_through_the_pipe(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    client_posts(pair, "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"elsewhere\","
                       "\"message\":\"hi\"}}]");
    router_accepts(pair->a.edge, last_heard(&pair->a.edge->router, BUS_SEND)->send.request,
                   "elsewhere", 1, "ann", 1);
    begin(pair);
    client_sends(pair, "2probe");
    client_sends(pair, "5");
    buffer_clear(&pair->client->sent);
    buffer_clear(&pair->a.edge->router.lines);
    client_sends(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    assert_heard(&pair->a.edge->router, "signal r 0 ann on\n");
    pass_time(pair, 1500); /* no answer is held back for a join any more */
    struct bus_message reply = room_message("elsewhere", 2, "agent");
    reply.room_message.id = SLICE_LITERAL(REPLY);
    reply.room_message.in_reply_to = SLICE_LITERAL(QUESTION);
    router_says(pair->a.edge, &reply);
    exchange(pair);
    assert_events(pair->client, "messageBroadcast messageComplete");
    assert_heard(&pair->b.edge->router, "");
    pass_time(pair, 300);
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
}

static void test_a_client_without_a_socket_moves(void **state)
{
    struct pair *pair = *state;
    pair->session = open_polling(&pair->a.edge->sessions);
    memcpy(pair->sid, session_id(pair->session), SESSION_ID_LENGTH);
    begin(pair);
    client_sends(pair, "2probe");
    client_sends(pair, "5");
    mark(pair);
    assert_true(is_at(pair, &pair->b));
    buffer_clear(&pair->client->sent);
    client_sends(pair, "40{\"entityId\":\"ann\"}");
    assert_true(memmem(pair->client->sent.data, pair->client->sent.length, "\"ann\"", 5) != NULL);
}

static void test_the_heart_beats_on(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    join(pair, 5);
    mark(pair);
    buffer_clear(&pair->client->sent);
    pass_time(pair, 25100);
    assert_sent(pair->client, "2|/");
    client_sends(pair, "3");
    pass_time(pair, 25100);
    assert_sent(pair->client, "2|/");
    pass_time(pair, 20100);
    assert_true(pair->client->is_closed);
}

/* --- not moving ------------------------------------------------------------------------------- */

static void test_an_unknown_session_is_refused(void **state)
{
    struct pair *pair = *state;
    memcpy(pair->sid, TEST_INCARNATION "ABCDEFGHIJKLMNOPQR", SESSION_ID_LENGTH);
    assert_true(begin(pair));
    assert_closed(pair->client, 1008);
    assert_int_equal(failed(&pair->a, MOVE_REFUSED), 1);
    assert_int_equal(failed(&pair->b, MOVE_REFUSED), 1);
    assert_nothing_under_way(pair);
}

static void test_an_unknown_owner_is_refused(void **state)
{
    struct pair *pair = *state;
    memcpy(pair->sid, "edgeXYABCDEFGHIJKLMNOPQR", SESSION_ID_LENGTH);
    assert_false(begin(pair));
}

static void test_a_second_websocket_is_refused(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    assert_true(begin(pair));
    struct fake_websocket *first = pair->client;
    assert_false(begin(pair));
    pair->client = first;
    client_sends(pair, "2probe");
    assert_sent(first, "3probe|/");
}

static void test_a_lost_probe_leaves_the_session_polling(void **state)
{
    struct pair *pair = *state;
    struct fixture *sessions = &pair->b.edge->sessions;
    open_session(pair, "r", 5);
    begin(pair);
    client_sends(pair, "2probe");
    session_websocket_gone(sessions->table, &pair->client->websocket, sessions->now);
    exchange(pair);
    assert_nothing_under_way(pair);
    client_posts(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    assert_heard(&pair->a.edge->router, "signal r 0 ann on\n");
}

static void test_an_owner_that_is_gone_leaves_no_websocket(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    list_edges(&pair->b, OTHER_INCARNATION, OTHER_INCARNATION);
    exchange(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_EDGE_GONE), 1);
    assert_heard(&pair->b.edge->router, "");
    join(pair, 5); /* its answer comes, and it is taken back */
    assert_heard(&pair->b.edge->router, "leave r ann\n");
}

static void test_a_new_edge_that_is_gone_ends_the_session(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    list_edges(&pair->a, TEST_INCARNATION, TEST_INCARNATION);
    settle(pair->a.edge);
    assert_false(is_at(pair, &pair->a));
    assert_heard(&pair->a.edge->router, "leave r ann\n");
}

static void test_a_lost_websocket_ends_the_session(void **state)
{
    struct pair *pair = *state;
    struct fixture *sessions = &pair->b.edge->sessions;
    open_session(pair, "r", 5);
    upgrade(pair);
    join(pair, 5);
    session_websocket_gone(sessions->table, &pair->client->websocket, sessions->now);
    exchange(pair);
    assert_heard(&pair->b.edge->router, "leave r ann\n");
    assert_heard(&pair->a.edge->router, "leave r ann\n");
    assert_nothing_under_way(pair);
}

static void test_streams_that_do_not_meet_end_the_websocket(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    join(pair, 6); /* its former edge has not got that far */
    mark(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_DIVERGED), 1);
    assert_false(is_at(pair, &pair->a));
    assert_false(is_at(pair, &pair->b));
}

static void test_a_refused_join_ends_the_websocket(void **state)
{
    struct pair *pair = *state;
    struct bus_message message = {
        .type = BUS_JOINED, .joined = {.request = 1, .error = ERROR_LIMIT, .room = text("r")}};
    open_session(pair, "r", 5);
    upgrade(pair);
    router_says(pair->b.edge, &message);
    exchange(pair);
    assert_closed(pair->client, 1001);
    assert_false(is_at(pair, &pair->a));
    assert_nothing_under_way(pair);
}

static void test_a_router_that_does_not_know_the_owner_ends_the_websocket(void **state)
{
    struct pair *pair = *state;
    struct bus_message done = {.type = BUS_DONE, .done = {.request = 2, .error = ERROR_NOT_FOUND}};
    open_session(pair, "r", 5);
    upgrade(pair);
    router_says(pair->b.edge, &done);
    exchange(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_UNJOINED), 1);
    assert_nothing_under_way(pair);
}

static void test_a_missing_message_ends_the_websocket(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    tell(&pair->a, "r", 6);
    bus_frames_lose(&pair->a.back);
    tell(&pair->a, "r", 7);
    exchange(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_MALFORMED), 1);
    assert_false(is_at(pair, &pair->a));
}

static void test_a_held_client_that_says_too_much_is_cut(void **state)
{
    struct pair *pair = *state;
    char packet[HELD_MAX + 32];
    open_session(pair, "r", 5);
    upgrade(pair);
    snprintf(packet, sizeof(packet), "42[\"%0*d\"]", HELD_MAX, 0);
    client_sends(pair, packet);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_TOO_LARGE), 1);
    assert_nothing_under_way(pair);
}

static void test_a_silent_router_ends_the_websocket(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    pass_time(pair, 16000);
    assert_closed(pair->client, 1001);
    assert_nothing_under_way(pair);
}

static void test_a_state_that_does_not_decode_is_refused(void **state)
{
    struct pair *pair = *state;
    struct bus_message forged = {.type = BUS_MOVE_STATE,
                                 .move_state = {.number = 3, .state = text("state")}};
    open_session(pair, "r", 5);
    begin(pair);
    client_sends(pair, "2probe");
    say(&pair->b.edge->sessions, pair->client, "5");
    settle(pair->b.edge);
    while (give(&pair->b.out, &pair->a, "route")) {
    }
    turn(&pair->a);
    struct msgpack_reader body;
    struct bus_message hold;
    struct bus_frame *last = pair->a.back;
    while (last->next != NULL) {
        last = last->next;
    }
    header_of(buffer_slice(&last->bytes), &body);
    assert_int_equal(bus_decode(&body, &hold), 0);
    assert_int_equal(hold.type, BUS_MOVE_HOLD);
    while (give(&pair->a.back, &pair->b, "")) {
    }
    forged.move_state.move = hold.move_hold.move;
    forged.move_state.number = hold.move_hold.number + 1;
    moves_receive(pair->b.moves, SLICE_EMPTY, &forged, pair->b.edge->sessions.now);
    exchange(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_MALFORMED), 1);
    assert_heard(&pair->b.edge->router, "");
}

static void test_a_message_of_a_move_that_is_not_is_answered(void **state)
{
    struct pair *pair = *state;
    struct bus_message forged = {.type = BUS_MOVE_DATA, .move_data = {.move = 7, .number = 2}};
    moves_receive(pair->a.moves, text("route"), &forged, pair->a.edge->sessions.now);
    assert_int_equal(failed(&pair->a, MOVE_REFUSED), 1);
    moves_marked(pair->a.moves, 7, pair->a.edge->sessions.now);
    exchange(pair);
    assert_nothing_under_way(pair);
}

#define MOVE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOVE_TEST(test_a_session_moves),
        MOVE_TEST(test_what_has_no_number_comes_once),
        MOVE_TEST(test_what_a_held_client_says_is_heard_afterwards),
        MOVE_TEST(test_the_end_may_come_before_the_joins),
        MOVE_TEST(test_a_request_is_answered_before_the_session_moves),
        MOVE_TEST(test_a_busy_session_is_served_through_the_pipe),
        MOVE_TEST(test_a_client_without_a_socket_moves),
        MOVE_TEST(test_the_heart_beats_on),
        MOVE_TEST(test_an_unknown_session_is_refused),
        MOVE_TEST(test_an_unknown_owner_is_refused),
        MOVE_TEST(test_a_second_websocket_is_refused),
        MOVE_TEST(test_a_lost_probe_leaves_the_session_polling),
        MOVE_TEST(test_an_owner_that_is_gone_leaves_no_websocket),
        MOVE_TEST(test_a_new_edge_that_is_gone_ends_the_session),
        MOVE_TEST(test_a_lost_websocket_ends_the_session),
        MOVE_TEST(test_streams_that_do_not_meet_end_the_websocket),
        MOVE_TEST(test_a_refused_join_ends_the_websocket),
        MOVE_TEST(test_a_router_that_does_not_know_the_owner_ends_the_websocket),
        MOVE_TEST(test_a_missing_message_ends_the_websocket),
        MOVE_TEST(test_a_held_client_that_says_too_much_is_cut),
        MOVE_TEST(test_a_silent_router_ends_the_websocket),
        MOVE_TEST(test_a_state_that_does_not_decode_is_refused),
        MOVE_TEST(test_a_message_of_a_move_that_is_not_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
