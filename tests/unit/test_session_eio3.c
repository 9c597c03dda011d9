/* Sessions of clients 1.x and 2.x: Engine.IO 3 with Socket.IO 4 on it. */
#include "tests/unit/session_fixture.h"

static struct session *open_old(struct fixture *fixture, bool wants_base64)
{
    struct session_opening old = *opening(3);

    old.wants_base64 = wants_base64;
    old.auth = text("{\"entityId\":\"ada\"}");
    return open_polling_as(fixture, &old);
}

static struct session *open_old_websocket(struct fixture *fixture, struct fake_websocket *self)
{
    assert_true(session_open_websocket(fixture->table, opening(3), &self->websocket, fixture->now));
    flush(fixture);
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    return self->websocket.session;
}

static void poll_expecting(struct fixture *fixture, struct session *session, const char *body)
{
    struct fake_poll *poll = fake_poll_new(fixture);

    get(fixture, session, poll);
    flush(fixture);
    assert_answer(poll, 200, body);
}

static void emit_bytes_packet(struct socket *socket, const char *bytes, size_t length)
{
    struct slice part = slice_of(bytes, length);
    struct packet *packet = packet_new(PACKET_BINARY, &part, 1);

    socket_emit(socket, packet);
    packet_release(&packet);
}

static void test_the_handshake_has_a_length_and_the_connect_follows_unasked(void **state)
{
    struct fixture *fixture = *state;
    struct fake_poll *poll = fake_poll_new(fixture);
    struct session *session;

    session_open_polling(fixture->table, opening(3), &poll->exchange, fixture->now);
    assert_int_equal(poll->status, 200);
    assert_int_equal(atoi(poll->body.data), poll->body.length - 4);
    assert_memory_equal(poll->body.data + 3, ":0{\"sid\":\"edgeAB", 16);
    session = socket_session(fixture->socket);
    assert_upcalls(fixture, "connect / \n");
    assert_int_equal(session_revision(session), 3);
    assert_string_equal(socket_id(fixture->socket), session_id(session));
    poll_expecting(fixture, session, "2:40");
}

static void test_the_query_of_the_connection_is_its_auth(void **state)
{
    struct fixture *fixture = *state;

    open_old(fixture, false);
    assert_upcalls(fixture, "connect / {\"entityId\":\"ada\"}\n");
}

static void test_a_websocket_is_told_open_and_connect_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    assert_true(session_open_websocket(fixture->table, opening(3), &self->websocket, fixture->now));
    flush(fixture);
    assert_memory_equal(self->sent.data, "0{\"sid\":", 8);
    assert_memory_equal(self->sent.data + self->sent.length - 5, "|40|/", 5);
}

static void test_a_refused_connect_is_told_as_a_string(void **state)
{
    struct fixture *fixture = *state;
    struct session *session;

    fixture->answer = FIXTURE_REFUSE;
    session = open_old(fixture, false);
    poll_expecting(fixture, session, "11:44\"Not you\"");
    post(fixture, session, "8:40/other", 200);
    poll_expecting(fixture, session, "18:44/other,\"Not you\"");
}

static void test_the_query_of_a_namespace_is_its_auth(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);

    buffer_clear(&fixture->upcalls);
    post(fixture, session, "22:40/other?token=a%20b&c", 200);
    assert_upcalls(fixture, "connect /other {\"token\":\"a b\",\"c\":\"\"}\n");
    poll_expecting(fixture, session, "2:409:40/other,");
}

static void test_the_client_pings(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);

    poll_expecting(fixture, session, "2:40");
    for (int i = 0; i < 4; i++) {
        pass(fixture, 40000); /* within pingInterval + pingTimeout */
        post(fixture, session, "1:2", 200);
        poll_expecting(fixture, session, "1:3");
    }
    post(fixture, session, "6:2probe", 200);
    poll_expecting(fixture, session, "1:3");
    pass(fixture, 44900);
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_PING_TIMEOUT), 0);
    post(fixture, session, "7:42[\"a\"]", 200); /* no ping, no life */
    pass(fixture, 200);
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_PING_TIMEOUT), 1);
}

static void test_a_pong_of_the_client_is_a_protocol_error(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_old_websocket(fixture, self);
    say(fixture, self, "2");
    flush(fixture);
    assert_sent(self, "3|/");
    say(fixture, self, "3");
    assert_closed(self, 1002);
}

static void test_old_and_new_clients_share_packets(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);
    struct socket *old = fixture->socket;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *young = join_websocket(fixture, self);
    struct packet *packet = make_packet("42[\"news\",\"\xf0\x9f\x98\x80\"]");

    poll_expecting(fixture, session, "2:40");
    socket_emit(old, packet);
    socket_emit(young, packet);
    packet_release(&packet);
    flush(fixture);
    assert_sent(self, "42[\"news\",\"\xf0\x9f\x98\x80\"]|/");
    poll_expecting(fixture, session, "25:42[\"news\",\"\\ud83d\\ude00\"]");
}

static void test_bytes_make_the_payload_binary(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);
    struct fake_poll *poll = fake_poll_new(fixture);

    emit(fixture->socket, "451-[\"a\"]");
    emit_bytes_packet(fixture->socket, "\1\2", 2);
    get(fixture, session, poll);
    flush(fixture);
    assert_string_equal(poll->content_type, "application/octet-stream");
    assert_int_equal(poll->body.length, 5 + 12 + 6);
    assert_memory_equal(poll->body.data,
                        "\0\2\xff"
                        "40\0\x09\xff"
                        "451-[\"a\"]\1\3\xff\4\1\2",
                        23);
}

static void test_bytes_are_text_for_a_client_that_takes_none(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, true);

    emit_bytes_packet(fixture->socket, "\1\2\3\4", 4);
    poll_expecting(fixture, session, "2:4010:b4AQIDBA==");
}

static void test_bytes_on_a_websocket_begin_with_their_type(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_old_websocket(fixture, self);
    emit_bytes_packet(fixture->socket, "ab", 2);
    flush(fixture);
    assert_sent(self, "\4ab|/");
    say(fixture, self, "451-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(fixture, self, "\4xy");
    assert_upcalls(fixture, "event / [\"a\",{\"_placeholder\":true,\"num\":0}]\n");
}

static void test_a_binary_post_is_read(void **state)
{
    static const char body[] = "\0\7\xff"
                               "42[\"a\"]";
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);
    struct fake_poll *poll = fake_poll_new(fixture);

    buffer_clear(&fixture->upcalls);
    session_post(fixture->table, session, slice_of(body, sizeof(body) - 1), &poll->exchange,
                 fixture->now);
    assert_answer(poll, 200, "ok");
    assert_upcalls(fixture, "event / [\"a\"]\n");
}

static void test_an_upgrade_carries_on(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, true);
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct fake_poll *poll = fake_poll_new(fixture);

    poll_expecting(fixture, session, "2:40");
    get(fixture, session, poll);
    assert_true(session_upgrade_begin(fixture->table, session, &self->websocket, fixture->now));
    say(fixture, self, "2probe");
    assert_sent(self, "3probe|/");
    assert_answer(poll, 200, "1:6");
    say(fixture, self, "5");
    emit_bytes_packet(fixture->socket, "ab", 2);
    flush(fixture);
    assert_sent(self, "\4ab|/");
}

static void test_payloads_that_are_malformed_end_the_session(void **state)
{
    static const char *const wrong[] = {"", "4hello", "9:4hello", "1:9", "2"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        post(fixture, open_old(fixture, false), wrong[i], 200);
        assert_int_equal(closed_with(fixture, SESSION_CLOSE_PARSE_ERROR), i + 1);
    }
}

static void test_an_end_is_told_with_a_length(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_old(fixture, false);
    struct fake_poll *poll = fake_poll_new(fixture);

    poll_expecting(fixture, session, "2:40");
    get(fixture, session, poll);
    session_close(fixture->table, session, SESSION_CLOSE_SERVER, fixture->now);
    assert_answer(poll, 200, "1:1");
}

static void test_a_table_may_refuse_the_old_generation(void **state)
{
    struct fixture *fixture = *state;
    struct fake_poll *poll = fake_poll_new(fixture);
    struct fake_websocket *self = fake_websocket_new(fixture);

    session_table_destroy(&fixture->table);
    fixture->settings.allow_eio3 = false;
    fixture_open_table(fixture);
    assert_false(session_table_serves(fixture->table, 3));
    assert_true(session_table_serves(fixture->table, 4));
    session_open_polling(fixture->table, opening(3), &poll->exchange, fixture->now);
    assert_answer(poll, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_false(
        session_open_websocket(fixture->table, opening(3), &self->websocket, fixture->now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_the_handshake_has_a_length_and_the_connect_follows_unasked),
        FIXTURE_TEST(test_the_query_of_the_connection_is_its_auth),
        FIXTURE_TEST(test_a_websocket_is_told_open_and_connect_at_once),
        FIXTURE_TEST(test_a_refused_connect_is_told_as_a_string),
        FIXTURE_TEST(test_the_query_of_a_namespace_is_its_auth),
        FIXTURE_TEST(test_the_client_pings),
        FIXTURE_TEST(test_a_pong_of_the_client_is_a_protocol_error),
        FIXTURE_TEST(test_old_and_new_clients_share_packets),
        FIXTURE_TEST(test_bytes_make_the_payload_binary),
        FIXTURE_TEST(test_bytes_are_text_for_a_client_that_takes_none),
        FIXTURE_TEST(test_bytes_on_a_websocket_begin_with_their_type),
        FIXTURE_TEST(test_a_binary_post_is_read),
        FIXTURE_TEST(test_an_upgrade_carries_on),
        FIXTURE_TEST(test_payloads_that_are_malformed_end_the_session),
        FIXTURE_TEST(test_an_end_is_told_with_a_length),
        FIXTURE_TEST(test_a_table_may_refuse_the_old_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
