/* Moves that do not take place, or break off. */
#include "tests/unit/move_fixture.h"

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

/* The owner of a session that is held says this is its state. */
static void forge(struct pair *pair, struct slice state)
{
    struct msgpack_reader body;
    struct bus_message hold;
    struct bus_message forged = {.type = BUS_MOVE_STATE};
    open_session(pair, "r", 5);
    begin(pair);
    client_sends(pair, "2probe");
    say(&pair->b.edge->sessions, pair->client, "5");
    settle(pair->b.edge);
    while (give(&pair->b.out, &pair->a, "route")) {
    }
    turn(&pair->a);
    struct bus_frame *last = pair->a.back;
    while (last->next != NULL) {
        last = last->next;
    }
    header_of(buffer_slice(&last->bytes), &body);
    assert_int_equal(bus_decode(&body, &hold), 0);
    assert_int_equal(hold.type, BUS_MOVE_HOLD);
    while (give(&pair->a.back, &pair->b, "")) {
    }
    forged.move_state = (struct bus_move_state){
        .move = hold.move_hold.move, .number = hold.move_hold.number + 1, .state = state};
    moves_receive(pair->b.moves, SLICE_EMPTY, &forged, pair->b.edge->sessions.now);
    exchange(pair);
}

static void assert_refused(struct pair *pair)
{
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_MALFORMED), 1);
    assert_heard(&pair->b.edge->router, "");
    assert_nothing_under_way(pair);
}

static void test_a_state_that_does_not_decode_is_refused(void **state)
{
    struct pair *pair = *state;
    forge(pair, text("state"));
    assert_refused(pair);
}

/* A state that is good but for what chat said of its socket. */
static void forge_chat(struct pair *pair, struct slice data)
{
    struct buffer state = BUFFER_EMPTY;
    struct handover handover = {
        .heartbeat = 1000,
        .socket_count = 1,
        .sockets = {{text("/"), text(TEST_INCARNATION "ABCDEFGHIJKLMNOPQR"), data}}};
    handover_write(&handover, &state);
    forge(pair, buffer_slice(&state));
    buffer_deinit(&state);
}

static struct buffer chat_state(const char *subject, const char *rooms, uint32_t memberships)
{
    struct buffer data = BUFFER_EMPTY;
    msgpack_write_array(&data, 8);
    msgpack_write_text(&data, text("ann"));
    msgpack_write_text(&data, text(subject));
    msgpack_write_text(&data, text(rooms));
    msgpack_write_boolean(&data, true);
    msgpack_write_boolean(&data, false);
    msgpack_write_unsigned(&data, 0);
    msgpack_write_unsigned(&data, 0);
    msgpack_write_array(&data, memberships);
    return data;
}

static void test_a_socket_that_does_not_decode_is_refused(void **state)
{
    struct buffer data = chat_state("", "", 1); /* and none follows */
    forge_chat(*state, buffer_slice(&data));
    assert_refused(*state);
    buffer_deinit(&data);
}

static void test_an_identity_that_does_not_decode_binds_and_is_refused(void **state)
{
    struct buffer data = chat_state("ann", "\"r\"", 0); /* no list of rooms */
    forge_chat(*state, buffer_slice(&data));
    assert_refused(*state);
    buffer_deinit(&data);
}

static void test_rooms_of_nobody_are_refused(void **state)
{
    struct buffer data = chat_state("", "[\"r\"]", 0);
    forge_chat(*state, buffer_slice(&data));
    assert_refused(*state);
    buffer_deinit(&data);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        MOVE_TEST(test_a_socket_that_does_not_decode_is_refused),
        MOVE_TEST(test_an_identity_that_does_not_decode_binds_and_is_refused),
        MOVE_TEST(test_rooms_of_nobody_are_refused),
        MOVE_TEST(test_a_message_of_a_move_that_is_not_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
