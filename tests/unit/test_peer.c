#include "tests/unit/peer_fixture.h"
#include "tests/unit/random.h"

/* --- the way there and back ------------------------------------------------------------------ */

static void test_a_request_makes_one_hop_and_its_answer_one_back(void **state)
{
    struct fixture *fixture = *state;
    assert_called(&fixture->a, "connect edgeB2 tcp://h:2\n");
    assert_called(&fixture->b, "connect edgeA1 tcp://h:1\n");
    assert_true(relay(fixture, 0, HTTP_GET_METHOD, ""));
    assert_true(relay(fixture, 1, HTTP_POST_METHOD, "42[\"hello\"]"));
    settle(fixture);
    assert_called(&fixture->b, "serve GET 4 edgeB2ABCDEFGHIJKLMNOPQR \n"
                               "serve POST 4 edgeB2ABCDEFGHIJKLMNOPQR 42[\"hello\"]\n");
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 2);
    struct poll_exchange **serving = fixture->b.serving;
    serving[1]->answer(serving[1], 200, "text/html", SLICE_LITERAL("ok"));
    serving[0]->answer(serving[0], 200, "text/plain; charset=UTF-8", SLICE_LITERAL("2"));
    settle(fixture);
    assert_answered(fixture, 0, 200, "text/plain; charset=UTF-8", "2");
    assert_answered(fixture, 1, 200, "text/html", "ok");
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 0);
    assert_int_equal(peers_counters(fixture->a.peers)->relayed, 2);
    assert_int_equal(peers_counters(fixture->b.peers)->served, 2);
}

static void test_a_relay_is_a_data_frame_of_link_0_and_sequence_0(void **state)
{
    struct fixture *fixture = *state;
    struct msgpack_reader body;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    struct link_header header = header_of(buffer_slice(&fixture->a.out->bytes), &body);
    assert_int_equal(header.kind, LINK_DATA);
    assert_int_equal(header.link, 0);
    assert_int_equal(header.sequence, 0);
}

static void test_status_content_type_and_bytes_come_through(void **state)
{
    static const struct {
        int status;
        const char *type, *body;
    } cases[] = {{400, "application/json", unknown_sid},
                 {200, "application/octet-stream", "\x01\xff"},
                 {413, NULL, ""},
                 {200, "text/html", "ok"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        relay(fixture, i, HTTP_POST_METHOD, "");
        settle(fixture);
        fixture->b.serving[i]->answer(fixture->b.serving[i], cases[i].status, cases[i].type,
                                      text(cases[i].body));
        settle(fixture);
        assert_answered(fixture, i, cases[i].status, cases[i].type == NULL ? "-" : cases[i].type,
                        cases[i].body);
    }
}

static void test_a_status_that_ends_no_request_is_answered_for(void **state)
{
    static const int statuses[] = {0, 100, 101, 199, 600, 999, 1200, -1};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        relay(fixture, i, HTTP_GET_METHOD, "");
        settle(fixture);
        fixture->b.serving[i]->answer(fixture->b.serving[i], statuses[i], NULL, SLICE_EMPTY);
        settle(fixture);
        assert_answered(fixture, i, 400, "application/json", unknown_sid);
    }
    assert_int_equal(peers_counters(fixture->a.peers)->frames_refused, 8);
}

static void test_bodies_of_the_largest_size_come_through(void **state)
{
    struct fixture *fixture = *state;
    char *body = malloc(BUS_PAYLOAD_MAX + 1);
    memset(body, 'x', BUS_PAYLOAD_MAX);
    body[BUS_PAYLOAD_MAX] = '\0';
    assert_true(relay(fixture, 0, HTTP_POST_METHOD, body));
    settle(fixture);
    assert_true(fixture->b.calls.length > BUS_PAYLOAD_MAX);
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/html", text(body));
    settle(fixture);
    assert_int_equal(fixture->exchanges[0].body.length, BUS_PAYLOAD_MAX);
    free(body);
}

static void test_what_the_bus_cannot_carry_is_not_relayed(void **state)
{
    struct fixture *fixture = *state;
    char *body = malloc(BUS_PAYLOAD_MAX + 2);
    memset(body, 'x', BUS_PAYLOAD_MAX + 1);
    body[BUS_PAYLOAD_MAX + 1] = '\0';
    assert_false(relay(fixture, 0, HTTP_POST_METHOD, body));
    assert_true(relay(fixture, 1, HTTP_GET_METHOD, ""));
    settle(fixture);
    /* An answer like that ends the session for its client, who comes back with a new one. */
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/plain; charset=UTF-8", text(body));
    settle(fixture);
    assert_answered(fixture, 1, 400, "application/json", unknown_sid);
    free(body);
}

/* --- leaving, dying, being late -------------------------------------------------------------- */

static void test_a_client_that_leaves_is_told_to_the_owner(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    relay(fixture, 1, HTTP_GET_METHOD, "");
    settle(fixture);
    buffer_clear(&fixture->b.calls);
    peers_exchange_gone(fixture->a.peers, &fixture->exchanges[1].exchange);
    peers_exchange_gone(fixture->a.peers, &fixture->exchanges[1].exchange); /* is not one */
    settle(fixture);
    assert_called(&fixture->b, "gone 1\n");
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 1);
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/html", SLICE_LITERAL("ok"));
    settle(fixture);
    assert_answered(fixture, 0, 200, "text/html", "ok");
    assert_int_equal(fixture->exchanges[1].status, 0);
}

static void test_an_edge_that_leaves_has_its_relays_answered_first(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    relay(fixture, 1, HTTP_GET_METHOD, "");
    settle(fixture);
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/html", SLICE_LITERAL("on its way"));
    buffer_clear(&fixture->b.calls);
    peers_recall(fixture->a.peers);
    peers_recall(fixture->a.peers); /* each is asked for once */
    settle(fixture);
    assert_called(&fixture->b, "recall\n"); /* the other one is answered already */
    assert_answered(fixture, 0, 200, "text/html", "on its way");
    assert_answered(fixture, 1, 200, "text/plain; charset=UTF-8", "6");
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 0);
}

static void test_an_answer_that_crosses_its_client_s_leaving_is_let_go(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    settle(fixture);
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/html", SLICE_LITERAL("ok"));
    peers_exchange_gone(fixture->a.peers, &fixture->exchanges[0].exchange);
    buffer_clear(&fixture->b.calls);
    settle(fixture);
    assert_called(&fixture->b, ""); /* answered already */
    assert_int_equal(fixture->exchanges[0].status, 0);
}

static void test_an_owner_that_is_gone_is_answered_for_with_session_id_unknown(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    relay(fixture, 1, HTTP_POST_METHOD, "1");
    peers_exchange_gone(fixture->a.peers, &fixture->exchanges[1].exchange);
    buffer_clear(&fixture->a.calls);
    list_edges(fixture, &fixture->a, "edgeA1", "edgeC3");
    assert_called(&fixture->a, "connect edgeC3 tcp://h:2\ndisconnect edgeB2\n");
    assert_answered(fixture, 0, 400, "application/json", unknown_sid);
    assert_int_equal(fixture->exchanges[1].status, 0);
    assert_int_equal(peers_counters(fixture->a.peers)->failed, 1);
    assert_false(relay(fixture, 2, HTTP_GET_METHOD, ""));
    settle(fixture); /* B was alive, and answers to nobody */
    struct poll_exchange *serving = fixture->b.serving[0];
    serving->answer(serving, 200, "text/html", SLICE_LITERAL("late"));
    settle(fixture);
}

static void test_an_owner_that_does_not_answer_within_the_deadline_neither(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    bus_frames_lose(&fixture->a.out);
    fixture->now += DEADLINE - 1;
    peers_tick(fixture->a.peers, fixture->now);
    assert_int_equal(fixture->exchanges[0].status, 0);
    fixture->now += 1;
    peers_tick(fixture->a.peers, fixture->now);
    assert_answered(fixture, 0, 400, "application/json", unknown_sid);
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 0);
}

static void test_edges_stay_connected_while_they_are_listed(void **state)
{
    struct fixture *fixture = *state;
    buffer_clear(&fixture->a.calls);
    list_edges(fixture, &fixture->a, "edgeB2", "edgeA1");
    assert_called(&fixture->a, "");
    list_edges(fixture, &fixture->a, NULL, NULL);
    assert_called(&fixture->a, "disconnect edgeB2\n");
    list_edges(fixture, &fixture->a, "edgeB2", NULL);
    assert_called(&fixture->a, "connect edgeB2 tcp://h:1\n");
    assert_int_equal(peers_counters(fixture->a.peers)->peers, 1);
}

static void test_an_edge_that_stops_leaves_no_exchange_behind(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    settle(fixture);
    buffer_clear(&fixture->b.calls);
    peers_destroy(&fixture->b.peers, fixture->now);
    assert_called(&fixture->b, "disconnect edgeA1\ngone 0\n");
    start(fixture, &fixture->b, "edgeB2", 4);
}

/* --- refused --------------------------------------------------------------------------------- */

static void test_a_session_of_no_known_edge_is_not_relayed(void **state)
{
    static const char *const sids[] = {"", "edgeB", "edgeB2", "edgeC3ABCDEFGHIJKLMNOPQR",
                                       "edgeA1ABCDEFGHIJKLMNOPQR"};
    struct fixture *fixture = *state;
    struct relay_request request = {.method = HTTP_GET_METHOD, .revision = 4};
    for (size_t i = 0; i < sizeof(sids) / sizeof(sids[0]); i++) {
        request.sid = text(sids[i]);
        assert_false(
            peers_relay(fixture->a.peers, &request, &fixture->exchanges[0].exchange, fixture->now));
    }
    char longest[BUS_ID_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "edgeB2", 6);
    request.sid = slice_of(longest, BUS_ID_MAX + 1);
    assert_false(
        peers_relay(fixture->a.peers, &request, &fixture->exchanges[0].exchange, fixture->now));
    request.sid = slice_of(longest, BUS_ID_MAX);
    assert_true(
        peers_relay(fixture->a.peers, &request, &fixture->exchanges[0].exchange, fixture->now));
}

static void test_an_edge_that_takes_nothing_is_relayed_to_when_it_does(void **state)
{
    struct fixture *fixture = *state;
    fixture->a.is_choked = true;
    assert_true(relay(fixture, 0, HTTP_POST_METHOD, "hello"));
    assert_true(relay(fixture, 1, HTTP_GET_METHOD, ""));
    assert_true(relay(fixture, 2, HTTP_GET_METHOD, ""));
    peers_exchange_gone(fixture->a.peers, &fixture->exchanges[2].exchange);
    fixture->now += HOLD - 1;
    fixture->a.is_choked = false;
    peers_tick(fixture->a.peers, fixture->now);
    settle(fixture);
    assert_called(&fixture->b,
                  "connect edgeA1 tcp://h:1\nserve POST 4 edgeB2ABCDEFGHIJKLMNOPQR hello\n"
                  "serve GET 4 edgeB2ABCDEFGHIJKLMNOPQR \n");
    fixture->now += HOLD;
    peers_tick(fixture->a.peers, fixture->now); /* from now on it has the time of any relay */
    assert_int_equal(fixture->exchanges[0].status, 0);
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 2);
}

static void test_an_edge_that_takes_nothing_for_long_is_answered_for(void **state)
{
    struct fixture *fixture = *state;
    fixture->a.is_choked = true;
    assert_true(relay(fixture, 0, HTTP_GET_METHOD, ""));
    fixture->now += HOLD;
    peers_tick(fixture->a.peers, fixture->now);
    assert_answered(fixture, 0, 400, "application/json", unknown_sid);
    assert_int_equal(peers_counters(fixture->a.peers)->waiting, 0);
}

/* --- a router that has just started, or an edge ----------------------------------------------- */

static void test_a_request_waits_until_its_owner_is_listed(void **state)
{
    struct fixture *fixture = *state;
    list_edges(fixture, &fixture->a, "edgeA1", NULL);
    assert_false(relay(fixture, 0, HTTP_GET_METHOD, ""));
    peers_unsettle(fixture->a.peers, fixture->now);
    assert_true(relay(fixture, 0, HTTP_GET_METHOD, ""));
    assert_true(relay(fixture, 1, HTTP_GET_METHOD, ""));
    list_edges(fixture, &fixture->a, "edgeA1", "edgeB2");
    buffer_clear(&fixture->b.calls);
    settle(fixture);
    assert_called(&fixture->b, "serve GET 4 edgeB2ABCDEFGHIJKLMNOPQR \n"
                               "serve GET 4 edgeB2ABCDEFGHIJKLMNOPQR \n");
}

static void test_an_edge_that_a_new_router_does_not_list_yet_is_not_forgotten_at_once(void **state)
{
    struct fixture *fixture = *state;
    relay(fixture, 0, HTTP_GET_METHOD, "");
    peers_unsettle(fixture->a.peers, fixture->now);
    buffer_clear(&fixture->a.calls);
    list_edges(fixture, &fixture->a, "edgeA1", NULL);
    assert_true(relay(fixture, 1, HTTP_GET_METHOD, ""));
    assert_int_equal(fixture->exchanges[0].status, 0);
    fixture->now += SETTLE - 1;
    peers_tick(fixture->a.peers, fixture->now);
    assert_called(&fixture->a, "");
    fixture->now += 1;
    peers_tick(fixture->a.peers, fixture->now);
    assert_called(&fixture->a, "disconnect edgeB2\n");
    assert_answered(fixture, 0, 400, "application/json", unknown_sid);
    assert_answered(fixture, 1, 400, "application/json", unknown_sid);
}

static void test_only_so_many_relays_are_under_way_in_each_direction(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(relay(fixture, i, HTTP_GET_METHOD, ""));
    }
    assert_false(relay(fixture, 4, HTTP_GET_METHOD, ""));
    settle(fixture);
    for (size_t i = 0; i < 4; i++) {
        peers_exchange_gone(fixture->a.peers, &fixture->exchanges[i].exchange);
    }
    bus_frames_lose(&fixture->a.out); /* B does not hear of it */
    assert_true(relay(fixture, 4, HTTP_GET_METHOD, ""));
    settle(fixture);
    assert_int_equal(fixture->b.serving_count, 4);
    assert_int_equal(peers_counters(fixture->b.peers)->frames_refused, 1);
    fixture->now += DEADLINE;
    peers_tick(fixture->a.peers, fixture->now);
    assert_answered(fixture, 4, 400, "application/json", unknown_sid);
}

static void give(struct fixture *fixture, const char *routing_id, struct link_header header,
                 const struct bus_message *message, const char *more)
{
    struct buffer frame = BUFFER_EMPTY;
    link_header_encode(&frame, &header);
    if (message != NULL) {
        bus_encode(&frame, message);
    }
    buffer_append_string(&frame, more);
    peers_receive(fixture->b.peers, text(routing_id), buffer_slice(&frame), fixture->now);
    buffer_deinit(&frame);
}

static void test_frames_that_are_no_relays_are_counted_and_refused(void **state)
{
    struct fixture *fixture = *state;
    struct link_header header = {BUS_VERSION, LINK_DATA, 0, 0, 0};
    struct bus_message request = {.type = BUS_RELAY_REQUEST,
                                  .relay_request = {.request = 1, .sid = text(sid_of_b)}};
    struct bus_message response = {.type = BUS_RELAY_RESPONSE};
    struct bus_message other = {.type = BUS_DONE};
    give(fixture, "route", header, &request, "x"); /* bytes remain */
    give(fixture, "route", header, NULL, "");
    give(fixture, "route", header, NULL, "nonsense");
    give(fixture, "route", header, &other, "");
    give(fixture, "", header, &request, "");       /* a request where answers come */
    give(fixture, "route", header, &response, ""); /* and the other way round */
    header.version = BUS_VERSION + 1;
    give(fixture, "route", header, &request, "");
    header = (struct link_header){BUS_VERSION, LINK_HELLO, 0, 0, 0};
    give(fixture, "route", header, &request, "");
    header = (struct link_header){BUS_VERSION, LINK_DATA, 5, 0, 0};
    give(fixture, "route", header, &request, "");
    assert_int_equal(peers_counters(fixture->b.peers)->frames_refused, 9);
    assert_int_equal(fixture->b.serving_count, 0);
}

static void test_a_request_said_again_is_served_once(void **state)
{
    struct fixture *fixture = *state;
    struct link_header header = {BUS_VERSION, LINK_DATA, 0, 0, 0};
    struct bus_message request = {.type = BUS_RELAY_REQUEST,
                                  .relay_request = {.request = 1, .sid = text(sid_of_b)}};
    give(fixture, "route", header, &request, "");
    give(fixture, "route", header, &request, "");
    assert_int_equal(fixture->b.serving_count, 1);
    assert_int_equal(peers_counters(fixture->b.peers)->frames_refused, 1);
    give(fixture, "other", header, &request, ""); /* another edge counts for itself */
    assert_int_equal(fixture->b.serving_count, 2);
}

static void test_random_frames_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    struct random random = {5};
    for (int round = 0; round < 5000; round++) {
        struct buffer frame = BUFFER_EMPTY;
        size_t length = random_below(&random, 40);
        if (round % 2 == 0) {
            struct link_header header = {BUS_VERSION, LINK_DATA, 0, 0, 0};
            link_header_encode(&frame, &header);
        }
        for (size_t i = 0; i < length; i++) {
            buffer_append_char(&frame, (char)random_next(&random));
        }
        peers_receive(fixture->b.peers, round % 3 == 0 ? SLICE_EMPTY : text("route"),
                      buffer_slice(&frame), fixture->now);
        buffer_deinit(&frame);
    }
    assert_int_equal(peers_counters(fixture->b.peers)->frames_refused, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_makes_one_hop_and_its_answer_one_back),
        TEST(test_a_relay_is_a_data_frame_of_link_0_and_sequence_0),
        TEST(test_status_content_type_and_bytes_come_through),
        TEST(test_a_status_that_ends_no_request_is_answered_for),
        TEST(test_bodies_of_the_largest_size_come_through),
        TEST(test_what_the_bus_cannot_carry_is_not_relayed),
        TEST(test_a_client_that_leaves_is_told_to_the_owner),
        TEST(test_an_edge_that_leaves_has_its_relays_answered_first),
        TEST(test_an_answer_that_crosses_its_client_s_leaving_is_let_go),
        TEST(test_an_owner_that_is_gone_is_answered_for_with_session_id_unknown),
        TEST(test_an_owner_that_does_not_answer_within_the_deadline_neither),
        TEST(test_edges_stay_connected_while_they_are_listed),
        TEST(test_an_edge_that_stops_leaves_no_exchange_behind),
        TEST(test_a_session_of_no_known_edge_is_not_relayed),
        TEST(test_an_edge_that_takes_nothing_is_relayed_to_when_it_does),
        TEST(test_an_edge_that_takes_nothing_for_long_is_answered_for),
        TEST(test_a_request_waits_until_its_owner_is_listed),
        TEST(test_an_edge_that_a_new_router_does_not_list_yet_is_not_forgotten_at_once),
        TEST(test_only_so_many_relays_are_under_way_in_each_direction),
        TEST(test_frames_that_are_no_relays_are_counted_and_refused),
        TEST(test_a_request_said_again_is_served_once),
        TEST(test_random_frames_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
