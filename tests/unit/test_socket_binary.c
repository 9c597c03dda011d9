#include "tests/unit/session_fixture.h"

/* Packets with binary values, and the clients of the msgpack parser. */

static void remember_attachments(struct fixture *fixture, struct socket *socket,
                                 const struct socketio_packet *packet)
{
    size_t count;
    const struct slice *list = socket_attachments(socket, &count);

    assert_int_equal(count, packet->attachments);
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&fixture->upcalls, "attachment %.*s\n", (int)list[i].length,
                             list[i].data);
    }
}

static void test_attachments_are_collected(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    size_t count;

    join_websocket(fixture, self);
    fixture->on_event = remember_attachments;
    say(fixture, self, "452-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(fixture, self, "one");
    assert_upcalls(fixture, "");
    say_binary(fixture, self, "two");
    assert_upcalls(fixture, "event / [\"b\",{\"_placeholder\":true,\"num\":0}]\n"
                            "attachment one\nattachment two\n");
    assert_null(socket_attachments(fixture->socket, &count));
    say(fixture, self, "42[\"a\"]");
    assert_upcalls(fixture, "event / [\"a\"]\n");
}

static void test_attachments_come_by_polling_too(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    fixture->on_event = remember_attachments;
    post(fixture, session,
         "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1e"
         "baGVsbG8=",
         200);
    assert_upcalls(fixture, "event / [\"b\",{\"_placeholder\":true,\"num\":0}]\n"
                            "attachment hello\n");
}

static void end_session(struct fixture *fixture, struct socket *socket,
                        const struct socketio_packet *packet)
{
    session_close(fixture->table, socket_session(socket), SESSION_CLOSE_SERVER, fixture->now);
    remember_attachments(fixture, socket, packet);
    buffer_append_format(&fixture->upcalls, "still %.*s\n", (int)packet->arguments.length,
                         packet->arguments.data);
}

static void test_a_packet_outlives_the_session_that_its_event_ends(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    fixture->on_event = end_session;
    say(fixture, self, "451-[\"b\"]");
    say_binary(fixture, self, "one");
    assert_upcalls(fixture,
                   "event / [\"b\"]\ndisconnected server\nattachment one\nstill [\"b\"]\n");
    assert_closed(self, 1001);
    flush(fixture);
}

static void test_an_event_that_ends_the_session_ends_the_payload(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));

    fixture->on_event = end_session;
    post(fixture, session,
         "42[\"a\"]\x1e"
         "42[\"b\"]",
         200);
    assert_upcalls(fixture, "event / [\"a\"]\ndisconnected server\nstill [\"a\"]\n");
}

static void test_attachments_out_of_place_end_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    say_binary(fixture, self, "stray");
    assert_closed(self, 1002);

    self = fake_websocket_new(fixture);
    join_websocket(fixture, self);
    say(fixture, self, "451-[\"b\"]");
    say(fixture, self, "42[\"a\"]");
    assert_closed(self, 1002);
    assert_upcalls(fixture, "disconnected parse_error\n");
}

static void test_attachments_are_bounded_in_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    char bytes[331];

    memset(bytes, 'x', 330);
    bytes[330] = '\0';
    join_websocket(fixture, self);
    say(fixture, self, "4510-[\"b\"]");
    for (int i = 0; i < 3; i++) { /* with the text 998 of 1 000 bytes */
        say_binary(fixture, self, bytes);
    }
    assert_false(self->is_closed);
    bytes[3] = '\0';
    say_binary(fixture, self, bytes);
    assert_closed(self, 1009);
    assert_upcalls(fixture, "disconnected too_large\n");
}

static void test_an_attachment_stands_in_one_place_that_exists(void **state)
{
    static const char *const payloads[] = {
        "451-[\"b\",{\"_placeholder\":true,\"num\":1}]",
        "451-[\"b\",{\"_placeholder\":true}]",
        "451-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":0}]",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct fake_websocket *self = fake_websocket_new(fixture);

        join_websocket(fixture, self);
        say(fixture, self, payloads[i]);
        say_binary(fixture, self, "one");
        assert_closed(self, 1002);
        assert_upcalls(fixture, "disconnected parse_error\n");
    }
}

static void test_placeholders_are_canonical_for_the_application(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    say(fixture, self, "451-7[\"b\",[{ \"num\" : 0, \"_placeholder\" : true }]]");
    say_binary(fixture, self, "one");
    assert_upcalls(fixture, "event / [\"b\",[{\"_placeholder\":true,\"num\":0}]]\n");
}

static void say_bytes(struct fixture *fixture, struct fake_websocket *self, struct slice bytes)
{
    session_websocket_message(fixture->table, &self->websocket, bytes, true, fixture->now);
}

static void test_a_client_that_connects_in_msgpack_hears_msgpack(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    const struct slice bytes = SLICE_LITERAL("one");
    struct packet *packet = make_packet("451-[\"b\",{\"_placeholder\":true,\"num\":0}]");

    packet_attach(packet, &bytes, 1);
    open_websocket(fixture, self);
    session_websocket_message(fixture->table, &self->websocket,
                              SLICE_LITERAL("\x82\xa4type\x00\xa3nsp\xa1/"), true, fixture->now);
    flush(fixture);
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    socket_emit(fixture->socket, packet);
    flush(fixture);
    assert_sent(self, "\x83\xa4type\x02\xa3nsp\xa1/\xa4"
                      "data\x92\xa1"
                      "b\xc4\x03one|/");
    packet_release(&packet);
    say_binary(fixture, self,
               "\x83\xa4type\x02\xa3nsp\xa1/\xa4"
               "data\x91\xa1"
               "b");
    say(fixture, self, "42[\"a\"]"); /* text is not its language */
    assert_closed(self, 1002);
}

static void test_a_namespace_that_text_cannot_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    say_bytes(fixture, self, SLICE_LITERAL("\x82\xa4type\x00\xa3nsp\xa1/"));
    flush(fixture);
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    say_bytes(fixture, self, SLICE_LITERAL("\x82\xa4type\x00\xa3nsp\xa5other"));
    say_bytes(fixture, self, SLICE_LITERAL("\x82\xa4type\x00\xa3nsp\xa0"));
    flush(fixture);
    assert_sent(self, "\x83\xa4type\x04\xa3nsp\xa5other\xa4"
                      "data\x81\xa7message\xb1Invalid namespace|"
                      "\x83\xa4type\x04\xa3nsp\xa0\xa4"
                      "data\x81\xa7message\xb1Invalid namespace|/");
    assert_upcalls(fixture, "");
    say_bytes(fixture, self,
              SLICE_LITERAL("\x83\xa4type\x02\xa3nsp\xa5other\xa4"
                            "data\x91\xa1"
                            "b"));
    assert_closed(self, 1002);
    assert_upcalls(fixture, "disconnected protocol_error\n");
}

static void assert_ends(const struct buffer *sent, const char *end)
{
    size_t length = strlen(end);

    assert_true(sent->length >= length);
    assert_memory_equal(sent->data + sent->length - length, end, length);
}

static void test_old_clients_of_the_msgpack_parser_say_and_hear_some_packets_as_text(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct session_opening old = *opening(3);
    struct packet *packet = make_packet("42[\"b\"]");

    old.speaks_msgpack = true;
    assert_true(session_open_websocket(fixture->table, &old, &self->websocket, fixture->now));
    flush(fixture);
    assert_ends(&self->sent, "|4{\"type\":0,\"nsp\":\"/\"}|/");
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    socket_emit(fixture->socket, packet);
    packet_release(&packet);
    say_bytes(fixture, self,
              SLICE_LITERAL("\x04\x83\xa4type\x05\xa3nsp\xa1/\xa4"
                            "data\x92\xa1"
                            "b\xc4\x03one"));
    assert_upcalls(fixture, "event / [\"b\",{\"_placeholder\":true,\"num\":0}]\n");
    say(fixture, self, "4{\"type\":0,\"nsp\":\"/admin?a=b\",\"query\":\"a=b\"}");
    assert_upcalls(fixture, "connect /admin {\"a\":\"b\"}\n");
    say(fixture, self, "4{\"type\":0,\"nsp\":\"other\"}");
    flush(fixture);
    assert_sent(self, "\x04\x83\xa4type\x02\xa3nsp\xa1/\xa4"
                      "data\x91\xa1"
                      "b|4{\"type\":0,\"nsp\":\"/admin\"}|"
                      "4{\"type\":4,\"nsp\":\"other\",\"data\":\"Invalid namespace\"}|/");
    say(fixture, self, "4{\"type\":1,\"nsp\":\"/admin\"}");
    assert_upcalls(fixture, "disconnected client\n");
    say(fixture, self, "42[\"a\"]"); /* that parser has no such text */
    assert_closed(self, 1002);
}

static void test_a_map_that_looks_like_a_placeholder_is_refused_beside_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    session_websocket_message(fixture->table, &self->websocket,
                              SLICE_LITERAL("\x82\xa4type\x00\xa3nsp\xa1/"), true, fixture->now);
    session_websocket_message(fixture->table, &self->websocket,
                              SLICE_LITERAL("\x83\xa4type\x02\xa3nsp\xa1/\xa4"
                                            "data\x93\xa1"
                                            "b\xc4\x03one\x82\xac_placeholder\xc3\xa3num\x00"),
                              true, fixture->now);
    assert_closed(self, 1002);
}

static void test_a_packet_with_attachments_is_followed_by_them(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    const struct slice bytes[] = {SLICE_LITERAL("one"), SLICE_LITERAL("two")};
    struct packet *packet = make_packet("452-[\"b\"]");
    struct socket *socket = join_websocket(fixture, self);

    packet_attach(packet, bytes, 2);
    socket_emit(socket, packet);
    emit(socket, "42[\"c\"]");
    flush(fixture);
    assert_sent(self, "452-[\"b\"]|one|two|42[\"c\"]|/");
    packet_release(&packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_attachments_are_collected),
        FIXTURE_TEST(test_attachments_come_by_polling_too),
        FIXTURE_TEST(test_a_packet_outlives_the_session_that_its_event_ends),
        FIXTURE_TEST(test_an_event_that_ends_the_session_ends_the_payload),
        FIXTURE_TEST(test_attachments_out_of_place_end_the_session),
        FIXTURE_TEST(test_attachments_are_bounded_in_bytes),
        FIXTURE_TEST(test_an_attachment_stands_in_one_place_that_exists),
        FIXTURE_TEST(test_placeholders_are_canonical_for_the_application),
        FIXTURE_TEST(test_a_client_that_connects_in_msgpack_hears_msgpack),
        FIXTURE_TEST(test_a_namespace_that_text_cannot_name_is_refused),
        FIXTURE_TEST(test_old_clients_of_the_msgpack_parser_say_and_hear_some_packets_as_text),
        FIXTURE_TEST(test_a_map_that_looks_like_a_placeholder_is_refused_beside_bytes),
        FIXTURE_TEST(test_a_packet_with_attachments_is_followed_by_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
