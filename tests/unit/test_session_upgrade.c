#include "tests/unit/session_fixture.h"

/* A joined polling session with a WebSocket beside it. */
static struct session *begin(struct fixture *fixture, struct fake_websocket *probe)
{
    struct session *session = socket_session(join_polling(fixture));

    assert_true(session_upgrade_begin(fixture->table, session, &probe->websocket, fixture->now));
    return session;
}

static void finish(struct fixture *fixture, struct fake_websocket *probe)
{
    say(fixture, probe, "2probe");
    assert_sent(probe, "3probe|/");
    say(fixture, probe, "5");
}

static void test_an_upgrade_by_the_book(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    say(fixture, probe, "2probe");
    assert_sent(probe, "3probe|/");
    assert_answer(poll, 200, "6");
    assert_string_equal(session_transport_name(session), "polling");
    say(fixture, probe, "5");
    assert_string_equal(session_transport_name(session), "websocket");
    say(fixture, probe, "42[\"a\"]");
    assert_upcalls(fixture, "event / [\"a\"]\n");
    emit(fixture->socket, "42[\"b\"]");
    flush(fixture);
    assert_sent(probe, "42[\"b\"]|/");
    assert_int_equal(session_table_counters(fixture->table)->upgraded, 1);
    assert_int_equal(session_table_counters(fixture->table)->websockets, 1);
    assert_int_equal(session_table_counters(fixture->table)->pollings, 0);
}

/* Packets emitted at every step arrive once, in order, whichever transport brings them. */
static void test_packets_of_every_moment_arrive_once_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    emit(fixture->socket, "42[1]");
    get(fixture, session, poll);
    emit(fixture->socket, "42[2]");
    flush(fixture);
    assert_answer(poll, 200,
                  "42[1]\x1e"
                  "42[2]");
    emit(fixture->socket, "42[3]");
    get(fixture, session, poll);
    say(fixture, probe, "2probe"); /* in the turn of the GET, before its flush */
    assert_sent(probe, "3probe|/");
    assert_answer(poll, 200,
                  "42[3]\x1e"
                  "6");
    emit(fixture->socket, "42[4]");
    get(fixture, session, poll);
    flush(fixture);
    assert_answer(poll, 200, "42[4]");
    emit(fixture->socket, "42[5]");
    flush(fixture);
    say(fixture, probe, "5");
    emit(fixture->socket, "42[6]");
    flush(fixture);
    assert_sent(probe, "42[5]|42[6]|/");
}

static void test_a_get_parked_while_upgrading_is_sent_home_soon(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    say(fixture, probe, "2probe");
    get(fixture, session, poll);
    flush(fixture);
    assert_parked(poll);
    pass(fixture, 50);
    assert_parked(poll);
    pass(fixture, 100);
    assert_answer(poll, 200, "6");
    say(fixture, probe, "5");
    assert_string_equal(session_transport_name(session), "websocket");
}

static void test_a_get_still_parked_at_the_upgrade_is_sent_home(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    say(fixture, probe, "2probe");
    get(fixture, session, poll);
    say(fixture, probe, "5");
    assert_answer(poll, 200, "6");
    assert_upcalls(fixture, "");
}

static void test_an_upgrade_without_a_probe_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    say(fixture, probe, "5");
    assert_string_equal(session_transport_name(session), "websocket");
}

static void test_requests_after_the_upgrade_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    finish(fixture, probe);
    get(fixture, session, poll);
    assert_answer(poll, 400, "{\"code\":3,\"message\":\"Bad request\"}");
    post(fixture, session, "42[\"a\"]", 400);
    session_post_begin(fixture->table, session, fixture->now);
    post(fixture, session, "42[\"a\"]", 400);
    assert_upcalls(fixture, "");
    say(fixture, probe, "42[\"b\"]");
    assert_upcalls(fixture, "event / [\"b\"]\n");
}

static void test_a_post_begun_before_the_upgrade_is_taken_after_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    session_post_begin(fixture->table, session, fixture->now);
    finish(fixture, probe);
    post(fixture, session, "42[\"late\"]", 200);
    assert_upcalls(fixture, "event / [\"late\"]\n");
    post(fixture, session, "42[\"too late\"]", 400);
    assert_upcalls(fixture, "");
}

static void test_posts_go_on_while_upgrading(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    post(fixture, session, "42[1]", 200);
    say(fixture, probe, "2probe");
    post(fixture, session, "42[2]", 200);
    say(fixture, probe, "5");
    say(fixture, probe, "42[3]");
    assert_upcalls(fixture, "event / [1]\nevent / [2]\nevent / [3]\n");
}

static void test_a_second_websocket_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct fake_websocket *second = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    assert_false(session_upgrade_begin(fixture->table, session, &second->websocket, fixture->now));
    finish(fixture, probe);
    assert_false(session_upgrade_begin(fixture->table, session, &second->websocket, fixture->now));
    assert_null(second->websocket.session);
    say(fixture, probe, "42[\"a\"]");
    assert_upcalls(fixture, "event / [\"a\"]\n");
}

static void test_upgrades_may_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session;

    session_table_destroy(&fixture->table);
    fixture->settings.allow_upgrades = false;
    fixture_open_table(fixture);
    session = open_polling(fixture);
    assert_false(session_upgrade_begin(fixture->table, session, &probe->websocket, fixture->now));
}

/* However the probe fails, the session stays on polling and may try again-> */
static void assert_still_polling(struct fixture *fixture, struct session *session)
{
    struct fake_poll *poll = fake_poll_new(fixture);
    struct fake_websocket *again = fake_websocket_new(fixture);

    assert_string_equal(session_transport_name(session), "polling");
    post(fixture, session, "42[\"still\"]", 200);
    assert_upcalls(fixture, "event / [\"still\"]\n");
    emit(fixture->socket, "42[\"here\"]");
    get(fixture, session, poll);
    flush(fixture);
    assert_answer(poll, 200, "42[\"here\"]");
    assert_true(session_upgrade_begin(fixture->table, session, &again->websocket, fixture->now));
    finish(fixture, again);
    assert_string_equal(session_transport_name(session), "websocket");
}

static void wrong_probe(void **state, const char *first, const char *second)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    say(fixture, probe, first);
    if (second != NULL) {
        say(fixture, probe, second);
    }
    assert_closed(probe, 1000);
    assert_still_polling(fixture, session);
}

static void test_a_wrong_probe_leaves_polling_alone(void **state)
{
    wrong_probe(state, "2", NULL);
    wrong_probe(state, "2prob", NULL);
    wrong_probe(state, "42[\"a\"]", NULL);
    wrong_probe(state, "nonsense", NULL);
    wrong_probe(state, "", NULL);
    wrong_probe(state, "1", NULL);
    wrong_probe(state, "2probe", "42[\"a\"]");
    wrong_probe(state, "2probe", "3");
}

static void test_a_lost_probe_leaves_polling_alone(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    session_websocket_gone(fixture->table, &probe->websocket, fixture->now);
    assert_false(probe->is_closed);
    assert_still_polling(fixture, session);

    probe = fake_websocket_new(fixture);
    session = begin(fixture, probe);
    say(fixture, probe, "2probe");
    session_websocket_gone(fixture->table, &probe->websocket, fixture->now);
    assert_still_polling(fixture, session);
}

static void test_a_probe_that_cannot_be_answered_leaves_polling_alone(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    probe->is_dead = true;
    say(fixture, probe, "2probe");
    assert_closed(probe, 1000);
    assert_still_polling(fixture, session);
}

static void test_a_refused_probe_leaves_polling_alone(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    session_websocket_failed(fixture->table, &probe->websocket, SESSION_CLOSE_TOO_LARGE,
                             fixture->now);
    assert_closed(probe, 1000);
    assert_still_polling(fixture, session);
}

static void test_a_probe_that_takes_too_long_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);

    pass(fixture, 9900);
    assert_false(probe->is_closed);
    pass(fixture, 200);
    assert_closed(probe, 1000);
    assert_still_polling(fixture, session);

    probe = fake_websocket_new(fixture);
    session = begin(fixture, probe);
    pass(fixture, 5000);
    say(fixture, probe, "2probe");
    pass(fixture, 5100); /* one term for the whole upgrade */
    assert_closed(probe, 1000);
    assert_still_polling(fixture, session);
}

static void test_a_session_that_ends_takes_its_probe_along(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = begin(fixture, probe);
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    session_exchange_gone(fixture->table, &poll->exchange, fixture->now);
    assert_closed(probe, 1000);
    assert_upcalls(fixture, "disconnected transport\n");
    say(fixture, probe, "5");
    session_websocket_gone(fixture->table, &probe->websocket, fixture->now);
    assert_upcalls(fixture, "");
}

static void test_a_ping_of_the_old_transport_may_be_answered_on_the_new(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *probe = fake_websocket_new(fixture);
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    pass(fixture, 25000);
    assert_answer(poll, 200, "2");
    pass(fixture, 15000);
    assert_true(session_upgrade_begin(fixture->table, session, &probe->websocket, fixture->now));
    finish(fixture, probe);
    pass(fixture, 15000); /* the pong has a full term again */
    assert_false(probe->is_closed);
    say(fixture, probe, "3");
    pass(fixture, 20000);
    assert_false(probe->is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_an_upgrade_by_the_book),
        FIXTURE_TEST(test_packets_of_every_moment_arrive_once_and_in_order),
        FIXTURE_TEST(test_a_get_parked_while_upgrading_is_sent_home_soon),
        FIXTURE_TEST(test_a_get_still_parked_at_the_upgrade_is_sent_home),
        FIXTURE_TEST(test_an_upgrade_without_a_probe_is_taken),
        FIXTURE_TEST(test_requests_after_the_upgrade_are_refused),
        FIXTURE_TEST(test_a_post_begun_before_the_upgrade_is_taken_after_it),
        FIXTURE_TEST(test_posts_go_on_while_upgrading),
        FIXTURE_TEST(test_a_second_websocket_is_refused),
        FIXTURE_TEST(test_upgrades_may_be_switched_off),
        FIXTURE_TEST(test_a_wrong_probe_leaves_polling_alone),
        FIXTURE_TEST(test_a_lost_probe_leaves_polling_alone),
        FIXTURE_TEST(test_a_probe_that_cannot_be_answered_leaves_polling_alone),
        FIXTURE_TEST(test_a_refused_probe_leaves_polling_alone),
        FIXTURE_TEST(test_a_probe_that_takes_too_long_is_given_up),
        FIXTURE_TEST(test_a_session_that_ends_takes_its_probe_along),
        FIXTURE_TEST(test_a_ping_of_the_old_transport_may_be_answered_on_the_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
