#include "edge/session/internal.h"
#include "tests/unit/move_fixture.h"

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

static void test_what_came_with_a_join_is_its_former_edges_to_say(void **state)
{
    struct pair *pair = *state;
    struct bus_message run = {.type = BUS_RUN,
                              .run = {.room = text("r"),
                                      .state = BUS_RUN_STARTED,
                                      .agent = text("agent"),
                                      .question = text(QUESTION),
                                      .reply = text(REPLY),
                                      .asker = text("ann")}};
    open_session(pair, "r", 5);
    upgrade(pair);
    router_says(pair->a.edge, &run);
    router_joins(pair->b.edge, 1, "r", 5, "ann");
    router_says(pair->b.edge, &run); /* for an edge that had nobody there */
    tell(&pair->b, "r", 6);          /* for others there, as `b` catches up */
    tell(&pair->a, "r", 6);
    answer_mark(pair);
    tell(&pair->b, "r", 7);
    mark(pair);
    assert_events(pair->client, "thinking controlMessage messageBroadcast messageBroadcast");
    assert_int_equal(moves_counters(pair->b.moves)->in, 1);
}

static void test_a_mark_before_the_joins_ends_the_websocket(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    answer_mark(pair);
    assert_closed(pair->client, 1001);
    assert_int_equal(failed(&pair->b, MOVE_UNJOINED), 1);
    assert_nothing_under_way(pair);
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

/* --- edges that are still learning who is there ----------------------------------------------- */

static void unsettle(struct side *side)
{
    chat_synchronise(side->edge->chat, side->edge->sessions.now);
    settle(side->edge);
    buffer_clear(&side->edge->router.lines);
}

static void settle_presence(struct pair *pair, struct side *side)
{
    struct bus_message settled = {.type = BUS_SETTLED, .settled = {1}};
    router_says(side->edge, &settled);
    exchange(pair);
}

static void turn_to_websocket(struct pair *pair)
{
    assert_true(begin(pair));
    client_sends(pair, "2probe");
    assert_sent(pair->client, "3probe|/");
    client_sends(pair, "5");
    assert_heard(&pair->b.edge->router, "");
    client_sends(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    assert_heard(&pair->a.edge->router, "signal r 0 ann on\n"); /* it is piped meanwhile */
    tell(&pair->a, "r", 6);
    exchange(pair);
    assert_events(pair->client, "messageBroadcast");
}

static void assert_moves_now(struct pair *pair)
{
    pass_time(pair, 1000);
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
    join(pair, 6);
    mark(pair);
    assert_true(is_at(pair, &pair->b));
    assert_nothing_under_way(pair);
}

static void test_a_session_does_not_leave_while_presence_is_not_settled(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    unsettle(&pair->a);
    turn_to_websocket(pair);
    settle_presence(pair, &pair->a);
    assert_moves_now(pair);
}

static void test_a_session_does_not_arrive_while_presence_is_not_settled(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    unsettle(&pair->b);
    turn_to_websocket(pair);
    settle_presence(pair, &pair->b);
    assert_moves_now(pair);
}

static void test_edges_that_lose_the_router_while_a_session_moves_let_go_of_it(void **state)
{
    struct pair *pair = *state;
    open_session(pair, "r", 5);
    upgrade(pair);
    join(pair, 5);
    unsettle(&pair->a);
    mark(pair);
    assert_closed(pair->client, 1001);
    assert_false(is_at(pair, &pair->a));
    assert_false(is_at(pair, &pair->b));
    assert_nothing_under_way(pair);
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

static void test_a_held_client_is_not_taken_for_silent(void **state)
{
    struct pair *pair = *state;
    struct session_settings *settings = &pair->a.edge->sessions.table->settings;
    settings->ping_interval = 2000;
    settings->ping_timeout = 1000;
    open_session(pair, "r", 5);
    client_posts(pair, "421[\"message\",{\"type\":3,\"payload\":{\"roomId\":\"r\",\"message\":"
                       "\"hi\",\"messageId\":\"m\"}}]");
    begin(pair);
    client_sends(pair, "2probe");
    client_sends(pair, "5");
    buffer_clear(&pair->client->sent);
    pass_time(pair, 2100);
    assert_sent(pair->client, "2|/");
    client_sends(pair, "3"); /* waits at the other edge, as the router is not done yet */
    pass_time(pair, 2000);
    assert_false(pair->client->is_closed);
    router_accepts(pair->a.edge, last_heard(&pair->a.edge->router, BUS_SEND)->send.request, "r", 6,
                   "ann", 0);
    exchange(pair);
    assert_heard(&pair->b.edge->router, "join #1 r ann\nmark #2 edgeAB\n");
    pass_time(pair, 1500); /* given away, and not taken yet */
    assert_false(pair->client->is_closed);
}

static void test_a_held_client_that_is_let_go_has_a_full_term_for_its_pong(void **state)
{
    struct pair *pair = *state;
    struct session_settings *settings = &pair->a.edge->sessions.table->settings;
    settings->ping_interval = 2000;
    settings->ping_timeout = 1000;
    open_session(pair, "r", 5);
    client_posts(pair, "421[\"message\",{\"type\":3,\"payload\":{\"roomId\":\"r\",\"message\":"
                       "\"hi\",\"messageId\":\"m\"}}]");
    begin(pair);
    client_sends(pair, "2probe");
    client_sends(pair, "5");
    pass_time(pair, 3500);
    unsettle(&pair->a); /* it cannot be given away now */
    pass_time(pair, 900);
    assert_false(pair->client->is_closed);
    pass_time(pair, 300);
    assert_true(pair->client->is_closed);
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
    answer_mark(pair);
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
    client_sends(pair, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]"); /* held back */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOVE_TEST(test_a_session_moves),
        MOVE_TEST(test_what_has_no_number_comes_once),
        MOVE_TEST(test_what_came_with_a_join_is_its_former_edges_to_say),
        MOVE_TEST(test_a_mark_before_the_joins_ends_the_websocket),
        MOVE_TEST(test_what_a_held_client_says_is_heard_afterwards),
        MOVE_TEST(test_a_session_does_not_leave_while_presence_is_not_settled),
        MOVE_TEST(test_a_session_does_not_arrive_while_presence_is_not_settled),
        MOVE_TEST(test_edges_that_lose_the_router_while_a_session_moves_let_go_of_it),
        MOVE_TEST(test_the_end_may_come_before_the_joins),
        MOVE_TEST(test_a_request_is_answered_before_the_session_moves),
        MOVE_TEST(test_a_held_client_is_not_taken_for_silent),
        MOVE_TEST(test_a_held_client_that_is_let_go_has_a_full_term_for_its_pong),
        MOVE_TEST(test_a_busy_session_is_served_through_the_pipe),
        MOVE_TEST(test_a_client_without_a_socket_moves),
        MOVE_TEST(test_the_heart_beats_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
