#include "tests/unit/session_fixture.h"

static void test_the_handshake_says_what_the_protocol_asks(void **state)
{
    struct fixture *fixture = *state;
    struct fake_poll *poll = fake_poll_new(fixture);
    char expected[256];

    session_open_polling(fixture->table, opening(4), &poll->exchange, fixture->now);
    assert_string_equal(poll->content_type, "text/plain; charset=UTF-8");
    snprintf(expected, sizeof(expected),
             "0{\"sid\":\"%.24s\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"
             "\"pingTimeout\":20000,\"maxPayload\":1000}",
             poll->body.data + 9);
    assert_memory_equal(poll->body.data + 9, TEST_INCARNATION, INCARNATION_LENGTH);
    assert_answer(poll, 200, expected);
    assert_int_equal(session_table_counters(fixture->table)->pollings, 1);
}

static void test_an_unknown_revision_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_poll *poll = fake_poll_new(fixture);

    session_open_polling(fixture->table, opening(7), &poll->exchange, fixture->now);
    assert_answer(poll, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_a_full_table_refuses_and_takes_again_after_a_close(void **state)
{
    struct fixture *fixture = *state;
    struct fake_poll *poll = fake_poll_new(fixture);
    struct session *session = NULL;

    for (int i = 0; i < 100; i++) {
        session = open_polling(fixture);
    }
    session_open_polling(fixture->table, opening(4), &poll->exchange, fixture->now);
    assert_int_equal(poll->status, 503);
    fake_poll_reset(poll);
    post(fixture, session, "1", 200);
    open_polling(fixture);
}

static void test_two_sessions_are_found_by_their_own_ids(void **state)
{
    struct fixture *fixture = *state;
    struct session *one = open_polling(fixture);
    struct session *two = open_polling(fixture);

    assert_ptr_not_equal(one, two);
    assert_ptr_equal(session_find(fixture->table, text(session_id(one))), one);
    assert_ptr_equal(session_find(fixture->table, text(session_id(two))), two);
    assert_null(session_find(fixture->table, text("")));
    assert_null(session_find(fixture->table, text("edgeABshort")));
    assert_null(session_find(fixture->table, text("edgeABxxxxxxxxxxxxxxxxxx")));
    assert_string_equal(session_transport_name(one), "polling");
}

static void test_a_parked_get_goes_home_with_everything_of_the_turn(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, socket_session(socket), poll);
    flush(fixture);
    assert_parked(poll);
    emit(socket, "42[\"a\"]");
    emit(socket, "42[\"b\"]");
    assert_parked(poll);
    flush(fixture);
    assert_string_equal(poll->content_type, "text/plain; charset=UTF-8");
    assert_answer(poll, 200,
                  "42[\"a\"]\x1e"
                  "42[\"b\"]");
}

static void test_what_waited_is_given_to_the_next_get(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    emit(socket, "42[\"a\"]");
    flush(fixture);
    get(fixture, socket_session(socket), poll);
    flush(fixture);
    assert_answer(poll, 200, "42[\"a\"]");
}

static void test_a_payload_stays_below_its_limit_but_is_never_empty(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);
    size_t lengths[] = {400, 400, 400, 1500, 10};
    size_t expected[] = {801, 400, 1500, 10};

    for (size_t i = 0; i < 5; i++) {
        emit_bytes(socket, lengths[i], false);
    }
    for (size_t i = 0; i < 4; i++) {
        get(fixture, socket_session(socket), poll);
        flush(fixture);
        assert_int_equal(poll->status, 200);
        assert_int_equal(poll->body.length, expected[i]);
        fake_poll_reset(poll);
    }
}

static void test_a_payload_has_no_more_packets_than_allowed(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    for (int i = 0; i < 100; i++) {
        emit(socket, "42");
    }
    get(fixture, socket_session(socket), poll);
    flush(fixture);
    assert_int_equal(poll->body.length, 64 * 3 - 1);
    get(fixture, socket_session(socket), poll);
    flush(fixture);
    assert_int_equal(poll->body.length, 36 * 3 - 1);
    fake_poll_reset(poll);
}

static void test_binary_packets_travel_as_base64(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);
    struct slice bytes = text("hello");
    struct packet *packet = packet_new(PACKET_BINARY, &bytes, 1);

    emit(socket, "451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    socket_emit(socket, packet);
    packet_release(&packet);
    get(fixture, socket_session(socket), poll);
    flush(fixture);
    assert_answer(poll, 200,
                  "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1e"
                  "baGVsbG8=");
}

static void test_a_post_may_carry_several_packets(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);

    post(fixture, socket_session(socket),
         "42[\"a\",1]\x1e"
         "42[\"b\",2]",
         200);
    assert_upcalls(fixture, "event / [\"a\",1]\nevent / [\"b\",2]\n");
}

static void test_a_second_get_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct session *session = socket_session(socket);
    struct fake_poll *first = fake_poll_new(fixture);
    struct fake_poll *second = fake_poll_new(fixture);

    get(fixture, session, first);
    get(fixture, session, second);
    assert_answer(first, 200, "1");
    assert_answer(second, 400, "");
    assert_upcalls(fixture, "disconnected protocol_error\n");
    assert_int_equal(session_table_counters(fixture->table)->polls_overlapping, 1);
    assert_int_equal(session_table_count(fixture->table), 0);
    flush(fixture);
}

static void test_a_second_post_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    session_post_begin(fixture->table, session, fixture->now);
    post(fixture, session, "42[\"a\"]", 200);
    session_post_begin(fixture->table, session, fixture->now);
    session_post_begin(fixture->table, session, fixture->now);
    assert_upcalls(fixture, "event / [\"a\"]\ndisconnected protocol_error\n");
}

static void malformed(void **state, const char *body)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    post(fixture, session, body, 400);
    assert_answer(poll, 200, "1");
    assert_upcalls(fixture, "disconnected parse_error\n");
    flush(fixture);
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_malformed_payloads_end_the_session(void **state)
{
    malformed(state, "");
    malformed(state, "abc");
    malformed(state, "9");
    malformed(state, "\x1e"
                     "42[\"a\"]");
    malformed(state, "b!!!!");
}

/* What Engine.IO carries well and Socket.IO cannot read is no fault of the request. */
static void test_a_malformed_message_ends_the_session_and_is_told(void **state)
{
    static const char *const bodies[] = {"4abc", "4", "42{\"not\":\"an array\"}", "42[\"a\"",
                                         "bAQID"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct session *session = socket_session(join_polling(fixture));
        struct fake_poll *poll = fake_poll_new(fixture);

        post(fixture, session, bodies[i], 200);
        assert_upcalls(fixture, "disconnected parse_error\n");
        get(fixture, session, poll);
        assert_answer(poll, 200,
                      "6\x1e"
                      "1");
        flush(fixture);
    }
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_packets_before_a_malformed_one_still_count(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    post(fixture, session,
         "42[\"a\"]\x1e"
         "x\x1e"
         "42[\"b\"]",
         400);
    assert_upcalls(fixture, "event / [\"a\"]\ndisconnected parse_error\n");
}

static void test_too_many_packets_in_a_post_end_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    char body[65 * 2];

    for (size_t i = 0; i < 65; i++) {
        body[2 * i] = '6';
        body[2 * i + 1] = '\x1e';
    }
    body[sizeof(body) - 1] = '\0';
    post(fixture, session, body, 400);
    assert_upcalls(fixture, "disconnected too_large\n");
}

static void test_a_ping_from_the_client_is_the_wrong_direction(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    post(fixture, session, "2", 200);
    assert_upcalls(fixture, "disconnected protocol_error\n");
}

static void test_a_close_packet_ends_the_session_and_frees_the_get(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);
    char id[SESSION_ID_LENGTH + 1];

    memcpy(id, session_id(session), sizeof(id));
    get(fixture, session, poll);
    post(fixture, session, "1", 200);
    assert_answer(poll, 200, "6");
    assert_upcalls(fixture, "disconnected client\n");
    assert_null(session_find(fixture->table, text(id)));
    /* Still in the same turn: whoever holds the pointer gets a clean answer. */
    get(fixture, session, poll);
    assert_answer(poll, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    post(fixture, session, "42[\"a\"]", 400);
}

static void test_a_get_whose_client_left_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    session_exchange_gone(fixture->table, &poll->exchange, fixture->now);
    assert_int_equal(poll->status, 0);
    assert_upcalls(fixture, "disconnected transport\n");
    session_exchange_gone(fixture->table, &poll->exchange, fixture->now);
}

static void test_our_close_is_told_to_a_parked_get(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, socket_session(socket), poll);
    session_close(fixture->table, socket_session(socket), SESSION_CLOSE_SERVER, fixture->now);
    assert_answer(poll, 200, "1");
    assert_upcalls(fixture, "disconnected server\n");
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_what_is_queued_goes_out_before_our_close(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct session *session = socket_session(socket);
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    emit(socket, "42[\"last\"]");
    session_close(fixture->table, session, SESSION_CLOSE_SERVER, fixture->now);
    assert_answer(poll, 200, "42[\"last\"]");
    get(fixture, session, poll);
    assert_answer(poll, 200,
                  "6\x1e"
                  "1");
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_our_close_is_told_to_the_next_get(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct session *session = socket_session(socket);
    struct fake_poll *poll = fake_poll_new(fixture);

    for (int i = 0; i < 65; i++) {
        emit(socket, "42");
    }
    session_close(fixture->table, session, SESSION_CLOSE_SERVER, fixture->now);
    assert_upcalls(fixture, "disconnected server\n");
    flush(fixture);
    post(fixture, session, "42[\"ignored\"]", 200);
    assert_upcalls(fixture, "");
    assert_int_equal(session_table_close_some(fixture->table, 10, fixture->now), 1);
    get(fixture, session, poll);
    assert_int_equal(poll->body.length, 64 * 3 - 1);
    get(fixture, session, poll);
    assert_answer(poll, 200, "42");
    get(fixture, session, poll);
    assert_answer(poll, 200,
                  "6\x1e"
                  "1");
    assert_int_equal(session_table_count(fixture->table), 0);
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_SERVER), 1);
}

static void test_a_closed_session_does_not_linger_for_ever(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    session_close(fixture->table, session, SESSION_CLOSE_SERVER, fixture->now);
    flush(fixture);
    assert_int_equal(session_table_count(fixture->table), 1);
    pass(fixture, 5100);
    assert_int_equal(session_table_count(fixture->table), 0);
}

static void test_drain_closes_in_batches(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *sockets[5];

    for (size_t i = 0; i < 5; i++) {
        join_websocket(fixture, sockets[i] = fake_websocket_new(fixture));
    }
    assert_int_equal(session_table_close_some(fixture->table, 3, fixture->now), 2);
    assert_upcalls(fixture, "disconnected server\ndisconnected server\ndisconnected server\n");
    assert_int_equal(session_table_close_some(fixture->table, 3, fixture->now), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_closed(sockets[i], 1001);
    }
}

static void test_a_draining_table_opens_no_session_and_sends_polls_home(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);
    struct fake_poll *late = fake_poll_new(fixture);
    struct session_opening opening = {.revision = 4};

    session_table_stop_opening(fixture->table);
    assert_true(session_table_is_full(fixture->table));
    session_open_polling(fixture->table, &opening, &late->exchange, fixture->now);
    assert_int_equal(late->status, 503);
    get(fixture, session, poll);
    assert_int_equal(poll->status, 0);
    session_exchange_recall(fixture->table, &poll->exchange, fixture->now);
    assert_answer(poll, 200, "6");
    session_exchange_recall(fixture->table, &poll->exchange,
                            fixture->now); /* not parked: nothing */
    assert_int_equal(session_table_count(fixture->table), 1);
}

static void test_who_waits_for_something_is_closed_later(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *busy = fake_websocket_new(fixture);
    struct fake_websocket *unwritten = fake_websocket_new(fixture);
    struct fake_websocket *idle = fake_websocket_new(fixture);

    fixture->busy = join_websocket(fixture, busy);
    struct socket *socket = join_websocket(fixture, unwritten);
    join_websocket(fixture, idle);
    emit(socket, "42");
    assert_int_equal(
        session_table_close_batch(fixture->table, 3, true, SESSION_CLOSE_ISOLATED, fixture->now),
        1);
    assert_closed(idle, 1001);
    assert_upcalls(fixture, "disconnected isolated\n");
    flush(fixture);
    fixture->busy = NULL;
    assert_int_equal(
        session_table_close_batch(fixture->table, 3, true, SESSION_CLOSE_SERVER, fixture->now), 2);
    assert_closed(busy, 1001);
    assert_closed(unwritten, 1001);
    assert_upcalls(fixture, "disconnected server\ndisconnected server\n");
}

static void test_a_polling_client_that_falls_behind_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);

    emit_bytes(socket, 3000, true);
    flush(fixture);
    emit_bytes(socket, 3000, false);
    flush(fixture);
    assert_int_equal(session_table_counters(fixture->table)->volatile_dropped, 1);
    assert_upcalls(fixture, "");
    emit_bytes(socket, 2000, true); /* would not fit: it is the one that goes */
    flush(fixture);
    assert_int_equal(session_table_counters(fixture->table)->volatile_dropped, 2);
    emit_bytes(socket, 2000, false);
    flush(fixture);
    pass(fixture, OUTBOX_STALL_MS - 100);
    assert_upcalls(fixture, "");
    pass(fixture, 200);
    assert_upcalls(fixture, "disconnected slow_consumer\n");
}

static void test_a_polling_client_that_falls_behind_and_polls_is_not_cut(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);
    struct session *session = socket_session(socket);
    struct fake_poll *poll = fake_poll_new(fixture);

    for (int i = 0; i < 10; i++) {
        emit_bytes(socket, 900, false);
    }
    flush(fixture);
    for (int i = 0; i < 10; i++) { /* each takes one of them */
        pass(fixture, 2000);
        get(fixture, session, poll);
        flush(fixture);
        assert_int_equal(poll->status, 200);
    }
    assert_upcalls(fixture, "");
    assert_int_equal(session_table_count(fixture->table), 1);
}

static void test_a_polling_client_is_cut_at_the_hard_limit(void **state)
{
    struct fixture *fixture = *state;
    struct socket *socket = join_polling(fixture);

    emit_bytes(socket, 4000 * OUTBOX_HARD_FACTOR, false);
    assert_upcalls(fixture, "");
    flush(fixture);
    assert_upcalls(fixture, "disconnected outbox_full\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_the_handshake_says_what_the_protocol_asks),
        FIXTURE_TEST(test_an_unknown_revision_is_refused),
        FIXTURE_TEST(test_a_polling_client_that_falls_behind_and_polls_is_not_cut),
        FIXTURE_TEST(test_a_polling_client_is_cut_at_the_hard_limit),
        FIXTURE_TEST(test_a_full_table_refuses_and_takes_again_after_a_close),
        FIXTURE_TEST(test_two_sessions_are_found_by_their_own_ids),
        FIXTURE_TEST(test_a_parked_get_goes_home_with_everything_of_the_turn),
        FIXTURE_TEST(test_what_waited_is_given_to_the_next_get),
        FIXTURE_TEST(test_a_payload_stays_below_its_limit_but_is_never_empty),
        FIXTURE_TEST(test_a_payload_has_no_more_packets_than_allowed),
        FIXTURE_TEST(test_binary_packets_travel_as_base64),
        FIXTURE_TEST(test_a_post_may_carry_several_packets),
        FIXTURE_TEST(test_a_second_get_ends_the_session),
        FIXTURE_TEST(test_a_second_post_ends_the_session),
        FIXTURE_TEST(test_malformed_payloads_end_the_session),
        FIXTURE_TEST(test_a_malformed_message_ends_the_session_and_is_told),
        FIXTURE_TEST(test_packets_before_a_malformed_one_still_count),
        FIXTURE_TEST(test_too_many_packets_in_a_post_end_the_session),
        FIXTURE_TEST(test_a_ping_from_the_client_is_the_wrong_direction),
        FIXTURE_TEST(test_a_close_packet_ends_the_session_and_frees_the_get),
        FIXTURE_TEST(test_a_get_whose_client_left_ends_the_session),
        FIXTURE_TEST(test_our_close_is_told_to_a_parked_get),
        FIXTURE_TEST(test_what_is_queued_goes_out_before_our_close),
        FIXTURE_TEST(test_our_close_is_told_to_the_next_get),
        FIXTURE_TEST(test_a_closed_session_does_not_linger_for_ever),
        FIXTURE_TEST(test_drain_closes_in_batches),
        FIXTURE_TEST(test_who_waits_for_something_is_closed_later),
        FIXTURE_TEST(test_a_draining_table_opens_no_session_and_sends_polls_home),
        FIXTURE_TEST(test_a_polling_client_that_falls_behind_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
