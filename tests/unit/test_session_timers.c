#include "tests/unit/session_fixture.h"

static void test_pings_come_within_the_interval_and_pongs_keep_alive(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    for (int i = 0; i < 5; i++) {
        pass(fixture, i == 0 ? 18700 : 24900); /* only the first may be early */
        assert_sent(self, "");
        pass(fixture, i == 0 ? 6300 : 100);
        assert_sent(self, "2|/");
        say(fixture, self, "3");
    }
    assert_false(self->is_closed);
}

static void test_the_first_ping_is_early_by_chance_and_never_late(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *sockets[50];
    size_t pinged_at_quarter = 0;

    for (size_t i = 0; i < 50; i++) {
        join_websocket(fixture, sockets[i] = fake_websocket_new(fixture));
    }
    pass(fixture, 18700);
    for (size_t i = 0; i < 50; i++) {
        assert_sent(sockets[i], "");
    }
    pass(fixture, 3150);
    for (size_t i = 0; i < 50; i++) {
        pinged_at_quarter += sockets[i]->sent.length > 0;
    }
    assert_in_range(pinged_at_quarter, 10, 40);
    pass(fixture, 3150);
    for (size_t i = 0; i < 50; i++) {
        assert_sent(sockets[i], "2|/");
    }
}

static void test_no_pong_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    pass(fixture, 25000);
    assert_sent(self, "2|/");
    pass(fixture, 13000); /* the ping came at most a quarter early */
    assert_false(self->is_closed);
    pass(fixture, 7100);
    assert_closed(self, 0);
    assert_upcalls(fixture, "disconnected ping_timeout\n");
}

static void test_another_packet_extends_the_wait_for_a_pong_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    pass(fixture, 25000);
    pass(fixture, 10000);
    say(fixture, self, "42[\"a\"]");
    pass(fixture, 15000);
    assert_false(self->is_closed);
    say(fixture, self, "42[\"b\"]");
    pass(fixture, 5100);
    assert_closed(self, 0);
}

static void test_a_polling_client_that_stays_away_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);

    pass(fixture, 25000);
    get(fixture, session, poll);
    flush(fixture);
    assert_answer(poll, 200, "2");
    post(fixture, session, "3", 200);
    pass(fixture, 24000);
    assert_upcalls(fixture, "");
    pass(fixture, 21100);
    assert_upcalls(fixture, "disconnected ping_timeout\n");
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_a_session_without_a_connect_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    pass(fixture, 25000);
    say(fixture, self, "3");
    pass(fixture, 19900);
    assert_false(self->is_closed);
    pass(fixture, 200);
    assert_closed(self, 1008);
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_CONNECT_TIMEOUT), 1);
}

static void test_a_session_whose_connect_is_not_answered_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    fixture->answer = FIXTURE_LATER;
    join_websocket(fixture, self);
    pass(fixture, 25000);
    say(fixture, self, "3");
    pass(fixture, 20100);
    assert_closed(self, 1008);
    assert_upcalls(fixture, "disconnected connect_timeout\n");
}

static void test_a_session_that_lost_its_last_socket_may_connect_again(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    say(fixture, self, "41");
    pass(fixture, 25000);
    say(fixture, self, "3");
    pass(fixture, 19000);
    say(fixture, self, "40");
    pass(fixture, 5000);
    assert_false(self->is_closed);
    say(fixture, self, "41");
    pass(fixture, 10000);
    say(fixture, self, "3");
    pass(fixture, 24000);
    say(fixture, self, "3");
    pass(fixture, 11200);
    assert_closed(self, 1008);
}

static void test_the_last_sign_of_life_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);
    int64_t joined = fixture->now;

    pass(fixture, 5000);
    assert_int_equal(session_last_life(socket_session(socket)), joined);
    say(fixture, self, "42[\"a\"]");
    assert_int_equal(session_last_life(socket_session(socket)), joined + 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_pings_come_within_the_interval_and_pongs_keep_alive),
        FIXTURE_TEST(test_the_first_ping_is_early_by_chance_and_never_late),
        FIXTURE_TEST(test_no_pong_ends_the_session),
        FIXTURE_TEST(test_another_packet_extends_the_wait_for_a_pong_once),
        FIXTURE_TEST(test_a_polling_client_that_stays_away_is_given_up),
        FIXTURE_TEST(test_a_session_without_a_connect_is_closed),
        FIXTURE_TEST(test_a_session_whose_connect_is_not_answered_is_closed),
        FIXTURE_TEST(test_a_session_that_lost_its_last_socket_may_connect_again),
        FIXTURE_TEST(test_the_last_sign_of_life_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
