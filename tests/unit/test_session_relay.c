#include "tests/unit/session_fixture.h"

#include "edge/engineio_http.h"

static struct relay_request request(enum http_method method, struct session *session,
                                    const char *body)
{
    return (struct relay_request){method, 4, text(session_id(session)), text(body)};
}

static void test_a_relayed_get_is_parked_and_answered(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);
    struct relay_request asked = request(HTTP_GET_METHOD, socket_session(socket), "");

    engineio_relayed_request(fixture->table, &asked, &poll->exchange, fixture->now);
    assert_parked(poll);
    emit(socket, "42[\"a\"]");
    flush(fixture);
    assert_answer(poll, 200, "42[\"a\"]");
}

static void test_a_relayed_post_is_handled(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);
    struct relay_request asked = request(HTTP_POST_METHOD, session, "42[\"a\"]");

    engineio_relayed_request(fixture->table, &asked, &poll->exchange, fixture->now);
    assert_answer(poll, 200, "ok");
    assert_upcalls(fixture, "event / [\"a\"]\n");
}

static void test_a_relayed_client_may_leave(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);
    struct relay_request asked = request(HTTP_GET_METHOD, session, "");

    engineio_relayed_request(fixture->table, &asked, &poll->exchange, fixture->now);
    session_exchange_gone(fixture->table, &poll->exchange, fixture->now);
    assert_upcalls(fixture, "disconnected transport\n");
}

static void test_what_does_not_fit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);
    struct relay_request asked = request(HTTP_GET_METHOD, session, "");

    asked.revision = 3;
    engineio_relayed_request(fixture->table, &asked, &poll->exchange, fixture->now);
    assert_answer(poll, 400, "{\"code\":3,\"message\":\"Bad request\"}");
    asked.revision = 4;
    asked.sid = text("edgeAB-------------------");
    engineio_relayed_request(fixture->table, &asked, &poll->exchange, fixture->now);
    assert_answer(poll, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_relayed_get_is_parked_and_answered),
        FIXTURE_TEST(test_a_relayed_post_is_handled),
        FIXTURE_TEST(test_a_relayed_client_may_leave),
        FIXTURE_TEST(test_what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
