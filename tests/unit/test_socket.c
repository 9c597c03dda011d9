#include "tests/unit/session_fixture.h"

static void test_connect_is_answered_with_an_id_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    char expected[128];

    open_websocket(fixture, self);
    say(fixture, self, "40{\"token\":\"x\"}");
    flush(fixture);
    assert_upcalls(fixture, "connect / {\"token\":\"x\"}\n");
    snprintf(expected, sizeof(expected), "40{\"sid\":\"%s\"}|/", socket_id(fixture->socket));
    assert_sent(self, expected);
    assert_int_equal(strlen(socket_id(fixture->socket)), SESSION_ID_LENGTH);
    assert_memory_equal(socket_id(fixture->socket), TEST_INCARNATION, INCARNATION_LENGTH);
    assert_string_not_equal(socket_id(fixture->socket), session_id(self->websocket.session));
    assert_ptr_equal(socket_session(fixture->socket), self->websocket.session);
}

static void test_a_refused_client_may_try_again(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    fixture->answer = FIXTURE_REFUSE;
    say(fixture, self, "40");
    say(fixture, self, "40/admin,");
    flush(fixture);
    assert_sent(self, "44{\"message\":\"Not you\"}|44/admin,{\"message\":\"Not you\"}|/");
    assert_upcalls(fixture, "connect / \nconnect /admin \n");
    fixture->answer = FIXTURE_ACCEPT;
    say(fixture, self, "40");
    assert_upcalls(fixture, "connect / \n");
    assert_false(self->is_closed);
}

static void test_the_answer_may_come_later(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket;

    fixture->answer = FIXTURE_LATER;
    socket = join_websocket(fixture, self);
    emit(socket, "42[\"early\"]");
    flush(fixture);
    assert_sent(self, "");
    socket_accept(socket, SLICE_EMPTY);
    emit(socket, "42[\"hello\"]");
    flush(fixture);
    buffer_append_char(&self->sent, '\0');
    assert_string_equal(strstr(self->sent.data, "|42"), "|42[\"hello\"]|/");
    socket_accept(socket, SLICE_EMPTY);
    socket_refuse(socket, "too late");
    assert_false(session_table_is_dirty(fixture->table));
}

static void first_packet(void **state, const char *message)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    say(fixture, self, message);
    assert_closed(self, 1002);
    assert_upcalls(fixture, "");
    flush(fixture);
}

static void test_connect_comes_before_anything_else(void **state)
{
    first_packet(state, "42[\"a\"]");
    first_packet(state, "431[]");
    first_packet(state, "41");
    first_packet(state, "44{\"message\":\"x\"}");
    assert_int_equal(closed_with(*state, SESSION_CLOSE_PROTOCOL_ERROR), 4);
    assert_int_equal(session_table_counters(((struct fixture *)*state)->table)->events_refused, 4);
}

static void misuse(void **state, const char *message)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    say(fixture, self, message);
    assert_closed(self, 1002);
    assert_upcalls(fixture, "disconnected protocol_error\n");
    flush(fixture);
}

static void test_packets_that_do_not_fit_end_the_session(void **state)
{
    misuse(state, "40");                    /* connected already */
    misuse(state, "42/admin,[\"a\"]");      /* never connected there */
    misuse(state, "41/admin,");             /* nor there */
    misuse(state, "44{\"message\":\"x\"}"); /* only servers say that */
}

static void test_an_event_before_the_answer_ends_the_session(void **state)
{
    struct fixture *fixture = *state;

    fixture->answer = FIXTURE_LATER;
    misuse(state, "42[\"a\"]");
    misuse(state, "41");
}

static void test_a_connect_repeated_before_its_answer_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = open_polling(fixture);
    struct fake_websocket *self = fake_websocket_new(fixture);

    post(fixture, session,
         "40\x1e"
         "40\x1e"
         "42[\"a\"]",
         200);
    assert_upcalls(fixture, "connect / \nevent / [\"a\"]\n");
    fixture->answer = FIXTURE_LATER;
    join_websocket(fixture, self);
    say(fixture, self, "40");
    assert_upcalls(fixture, "");
    assert_false(self->is_closed);
}

static void test_namespaces_are_separate_sockets(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *root = join_websocket(fixture, self);
    struct socket *custom;

    socket_set_data(root, self);
    say(fixture, self, "40/custom,{\"a\":1}");
    custom = fixture->socket;
    assert_ptr_not_equal(root, custom);
    assert_null(socket_data(custom));
    assert_ptr_equal(socket_data(root), self);
    assert_upcalls(fixture, "connect /custom {\"a\":1}\n");
    flush(fixture);
    buffer_clear(&self->sent);
    say(fixture, self, "42/custom,[\"a\"]");
    say(fixture, self, "42[\"b\"]");
    assert_upcalls(fixture, "event /custom [\"a\"]\nevent / [\"b\"]\n");
    socket_acknowledge(custom, 7, text("1,2"));
    flush(fixture);
    assert_sent(self, "43/custom,7[1,2]|/");

    say(fixture, self, "41/custom,");
    assert_upcalls(fixture, "disconnected client\n");
    flush(fixture);
    say(fixture, self, "42[\"c\"]");
    say(fixture, self, "40/custom,");
    assert_upcalls(fixture, "event / [\"c\"]\nconnect /custom \n");
}

static void test_namespaces_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    open_websocket(fixture, self);
    for (int i = 0; i < 32; i++) {
        char message[16];

        snprintf(message, sizeof(message), "40/%d,", i);
        say(fixture, self, message);
    }
    flush(fixture);
    buffer_clear(&self->sent);
    buffer_clear(&fixture->upcalls);
    say(fixture, self, "40/more,");
    flush(fixture);
    assert_sent(self, "44/more,{\"message\":\"Too many namespaces\"}|/");
    assert_upcalls(fixture, "");
    session_websocket_gone(fixture->table, &self->websocket, fixture->now);
    assert_int_equal(fixture->upcalls.length, 32 * strlen("disconnected transport\n"));
}

static void test_our_disconnect_is_told_and_final(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    socket_disconnect(socket);
    socket_disconnect(socket);
    emit(socket, "42[\"late\"]");
    socket_acknowledge(socket, 1, text(""));
    assert_upcalls(fixture, "disconnected server\n");
    flush(fixture);
    assert_sent(self, "41|/");
    assert_false(self->is_closed);
    say(fixture, self, "40");
    assert_upcalls(fixture, "connect / \n");
}

static void test_acknowledgements_go_both_ways(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    socket_acknowledge(socket, 12, text("{\"success\":true}"));
    socket_acknowledge(socket, 13, text(""));
    flush(fixture);
    assert_sent(self, "4312[{\"success\":true}]|4313[]|/");
    say(fixture, self, "435[\"yes\"]");
    assert_upcalls(fixture, "acknowledged 5 [\"yes\"]\n");
}

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

static void disconnect_in_event(struct fixture *fixture, struct socket *socket,
                                const struct socketio_packet *packet)
{
    (void)packet;
    socket_disconnect(socket);
    assert_ptr_equal(socket_session(socket), socket_session(fixture->socket));
}

static void test_a_socket_may_be_ended_by_its_own_event(void **state)
{
    struct fixture *fixture = *state;
    struct session *session = socket_session(join_polling(fixture));
    struct fake_poll *poll = fake_poll_new(fixture);

    fixture->on_event = disconnect_in_event;
    /* The client cannot know yet: as with the reference, its next event ends the session. */
    post(fixture, session,
         "42[\"a\"]\x1e"
         "40\x1e"
         "42[\"b\"]",
         200);
    assert_upcalls(fixture, "event / [\"a\"]\ndisconnected server\nconnect / \n"
                            "event / [\"b\"]\ndisconnected server\n");
    get(fixture, session, poll);
    flush(fixture);
    assert_int_equal(poll->status, 200);
    fake_poll_reset(poll);
}

static void say_goodbye(struct fixture *fixture, struct socket *socket)
{
    struct socket *other = fixture->mine;

    emit(socket, "42[\"unheard\"]");
    emit(other, "42[\"left\"]");
}

static void test_others_may_be_told_while_a_socket_ends(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *leaver = fake_websocket_new(fixture);
    struct fake_websocket *stayer = fake_websocket_new(fixture);

    fixture->mine = join_websocket(fixture, stayer);
    emit(join_websocket(fixture, leaver), "42[\"a\"]");
    fixture->on_disconnected = say_goodbye;
    leaver->is_dead = true;
    flush(fixture); /* finds the dead connection, and delivers in the same turn */
    assert_sent(stayer, "42[\"left\"]|/");
    assert_upcalls(fixture, "disconnected transport\n");
    fixture->on_disconnected = NULL;
}

static void count_socket(void *context, struct socket *socket)
{
    assert_non_null(socket);
    (*(size_t *)context)++;
}

static void test_every_accepted_socket_is_visited(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *sockets[3];
    size_t count = 0;

    for (size_t i = 0; i < 3; i++) {
        join_websocket(fixture, sockets[i] = fake_websocket_new(fixture));
    }
    fixture->answer = FIXTURE_LATER;
    say(fixture, sockets[1], "40/pending,");
    fixture->answer = FIXTURE_ACCEPT;
    say(fixture, sockets[1], "40/custom,");
    socket_for_each(fixture->table, count_socket, &count);
    assert_int_equal(count, 4);
}

static void test_deep_events_reach_the_application_marked(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct buffer message = BUFFER_EMPTY;

    join_websocket(fixture, self);
    buffer_append_string(&message, "42[\"a\",");
    for (int i = 0; i < 1000; i++) {
        buffer_append_char(&message, '[');
    }
    for (int i = 0; i < 1000; i++) {
        buffer_append_char(&message, ']');
    }
    buffer_append_char(&message, ']');
    buffer_append_char(&message, '\0');
    say(fixture, self, message.data);
    assert_false(self->is_closed);
    assert_true(fixture->upcalls.length > 1000);
    buffer_deinit(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_connect_is_answered_with_an_id_of_its_own),
        FIXTURE_TEST(test_a_refused_client_may_try_again),
        FIXTURE_TEST(test_the_answer_may_come_later),
        FIXTURE_TEST(test_connect_comes_before_anything_else),
        FIXTURE_TEST(test_packets_that_do_not_fit_end_the_session),
        FIXTURE_TEST(test_an_event_before_the_answer_ends_the_session),
        FIXTURE_TEST(test_a_connect_repeated_before_its_answer_is_ignored),
        FIXTURE_TEST(test_namespaces_are_separate_sockets),
        FIXTURE_TEST(test_namespaces_are_bounded),
        FIXTURE_TEST(test_our_disconnect_is_told_and_final),
        FIXTURE_TEST(test_acknowledgements_go_both_ways),
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
        FIXTURE_TEST(test_a_socket_may_be_ended_by_its_own_event),
        FIXTURE_TEST(test_others_may_be_told_while_a_socket_ends),
        FIXTURE_TEST(test_every_accepted_socket_is_visited),
        FIXTURE_TEST(test_deep_events_reach_the_application_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
