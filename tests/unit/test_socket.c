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
        FIXTURE_TEST(test_a_socket_may_be_ended_by_its_own_event),
        FIXTURE_TEST(test_others_may_be_told_while_a_socket_ends),
        FIXTURE_TEST(test_every_accepted_socket_is_visited),
        FIXTURE_TEST(test_deep_events_reach_the_application_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
