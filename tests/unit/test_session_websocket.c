#include "tests/unit/session_fixture.h"

static void test_the_open_packet_comes_first(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    char expected[256];

    assert_true(session_open_websocket(fixture->table, opening(4), &self->websocket, fixture->now));
    assert_true(session_table_is_dirty(fixture->table));
    flush(fixture);
    snprintf(expected, sizeof(expected),
             "0{\"sid\":\"%s\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
             "\"maxPayload\":1000}|/",
             session_id(self->websocket.session));
    assert_sent(self, expected);
    assert_string_equal(session_transport_name(self->websocket.session), "websocket");
    assert_int_equal(session_table_counters(fixture->table)->websockets, 1);
    assert_int_equal(session_table_counters(fixture->table)->opened, 1);
}

static void test_a_full_table_and_an_unknown_revision_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    assert_false(
        session_open_websocket(fixture->table, opening(5), &self->websocket, fixture->now));
    for (int i = 0; i < 100; i++) {
        open_polling(fixture);
    }
    assert_false(
        session_open_websocket(fixture->table, opening(4), &self->websocket, fixture->now));
    assert_null(self->websocket.session);
    assert_int_equal(session_table_count(fixture->table), 100);
}

static void test_everything_of_a_turn_leaves_in_one_call(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    for (int i = 0; i < 5; i++) {
        emit(socket, "42");
    }
    assert_sent(self, "");
    flush(fixture);
    assert_sent(self, "42|42|42|42|42|/");
    flush(fixture);
    assert_sent(self, "");
}

static void test_very_many_packets_leave_in_batches_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);
    struct buffer expected = BUFFER_EMPTY;

    for (int i = 0; i < 150; i++) {
        char payload[16];

        snprintf(payload, sizeof(payload), "42%d", i);
        emit(socket, payload);
        buffer_append_format(&expected, "%s|%s", payload,
                             i == 63 || i == 127 || i == 149 ? "/" : "");
    }
    buffer_append_char(&expected, '\0');
    flush(fixture);
    assert_sent(self, expected.data);
    buffer_deinit(&expected);
}

static void test_a_choked_connection_is_left_alone_until_it_is_writable(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 2;
    emit(socket, "42a");
    emit(socket, "42b");
    emit(socket, "42c");
    flush(fixture);
    assert_sent(self, "42a|42b|/");
    self->room = SIZE_MAX;
    emit(socket, "42d");
    assert_false(session_table_is_dirty(fixture->table));
    flush(fixture);
    assert_sent(self, "");
    session_websocket_writable(fixture->table, &self->websocket, fixture->now);
    flush(fixture);
    assert_sent(self, "42c|42d|/");
}

/* A table where neither age nor silence ends anything. */
static void let_packets_grow_old(struct fixture *fixture)
{
    session_table_destroy(&fixture->table);
    fixture->settings.ping_interval = 1 << 20;
    fixture->settings.outbox_max_age = 1 << 20;
    fixture_open_table(fixture);
}

static void test_volatile_packets_are_dropped_before_a_client_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 0;
    emit_bytes(socket, 1500, false);
    emit_bytes(socket, 1500, true);
    flush(fixture);
    emit_bytes(socket, 1500, false); /* over the limit: the volatile one goes */
    flush(fixture);
    assert_int_equal(session_table_counters(fixture->table)->volatile_dropped, 1);
    emit_bytes(socket, 1500, true); /* so does one that would be over it */
    assert_int_equal(session_table_counters(fixture->table)->volatile_dropped, 2);
    assert_false(self->is_closed);
}

static void test_a_client_that_is_behind_and_takes_nothing_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    let_packets_grow_old(fixture);
    struct socket *socket = join_websocket(fixture, self);

    pass(fixture, 2 * OUTBOX_STALL_MS); /* there was nothing to take */
    self->room = 0;
    for (int i = 0; i < 3; i++) {
        emit_bytes(socket, 1500, false);
    }
    flush(fixture);
    pass(fixture, OUTBOX_STALL_MS - 100);
    assert_false(self->is_closed);
    pass(fixture, 200);
    assert_closed(self, 0);
    assert_upcalls(fixture, "disconnected slow_consumer\n");
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_SLOW_CONSUMER), 1);
}

static void test_a_client_that_is_behind_and_reads_is_not_cut(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    let_packets_grow_old(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 0;
    for (int i = 0; i < 8; i++) {
        emit_bytes(socket, 1500, false);
    }
    flush(fixture);
    for (int i = 0; i < 6; i++) {
        pass(fixture, OUTBOX_STALL_MS - 100);
        self->room = 1;
        session_websocket_writable(fixture->table, &self->websocket, fixture->now);
        flush(fixture);
    }
    assert_false(self->is_closed);
    pass(fixture, 2 * OUTBOX_STALL_MS); /* what waits now is within the limit */
    assert_false(self->is_closed);
    assert_upcalls(fixture, "");
}

static void test_a_client_that_reads_is_cut_at_the_hard_limit(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);
    int waiting = 0;

    self->room = 1;
    for (; waiting * 1501 < 4000 * OUTBOX_HARD_FACTOR - 1501; waiting++) {
        emit_bytes(socket, 1500, false);
    }
    flush(fixture); /* one is taken */
    emit_bytes(socket, 1500, false);
    flush(fixture);
    assert_false(self->is_closed);
    emit_bytes(socket, 1500, false);
    assert_false(self->is_closed); /* never from within an emit: rooms are being walked */
    flush(fixture);
    assert_closed(self, 0);
    assert_upcalls(fixture, "disconnected outbox_full\n");
    assert_int_equal(closed_with(fixture, SESSION_CLOSE_OUTBOX_FULL), 1);
}

static void test_a_burst_is_no_reason_to_cut_a_client_that_reads(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    for (int i = 0; i < 10; i++) {
        emit_bytes(socket, 1500, false);
    }
    flush(fixture);
    assert_false(self->is_closed);
    assert_int_equal(self->sent.length, 10 * 1501 + 1);
}

static void test_a_client_that_reads_nothing_is_cut_by_age(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 0;
    emit(socket, "42");
    flush(fixture);
    pass(fixture, 4900);
    assert_false(self->is_closed);
    pass(fixture, 200);
    assert_closed(self, 0);
    assert_upcalls(fixture, "disconnected slow_consumer\n");
}

static void test_volatile_packets_grow_old_without_harm(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 0;
    emit_volatile(socket, "42");
    flush(fixture);
    pass(fixture, 3000);
    emit(socket, "42");
    pass(fixture, 3000);
    assert_false(self->is_closed);
    assert_int_equal(session_table_counters(fixture->table)->volatile_dropped, 1);
    pass(fixture, 2200);
    assert_closed(self, 0);
}

static void test_a_slow_client_that_advances_is_not_cut_by_age(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->room = 0;
    for (int i = 0; i < 10; i++) {
        emit(socket, "42");
        emit(socket, "42");
        flush(fixture);
        pass(fixture, 1500);
        self->room = 2;
        session_websocket_writable(fixture->table, &self->websocket, fixture->now);
        flush(fixture);
    }
    assert_false(self->is_closed);
}

static void test_a_dead_connection_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    self->is_dead = true;
    emit(socket, "42");
    flush(fixture);
    assert_closed(self, 0);
    assert_upcalls(fixture, "disconnected transport\n");
}

static void test_a_lost_connection_ends_the_session_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    session_websocket_gone(fixture->table, &self->websocket, fixture->now);
    assert_null(self->websocket.session);
    assert_false(self->is_closed);
    session_websocket_gone(fixture->table, &self->websocket, fixture->now);
    session_websocket_writable(fixture->table, &self->websocket, fixture->now);
    say(fixture, self, "42[\"late\"]");
    assert_upcalls(fixture, "disconnected transport\n");
    assert_int_equal(session_table_counters(fixture->table)->websockets, 0);
}

static void malformed(void **state, const char *message, int code, const char *upcalls)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    say(fixture, self, message);
    assert_closed(self, code);
    assert_upcalls(fixture, upcalls);
    flush(fixture);
}

static void test_malformed_packets_end_the_session(void **state)
{
    malformed(state, "", 1002, "disconnected parse_error\n");
    malformed(state, "abc", 1002, "disconnected parse_error\n");
    malformed(state, "4abc", 1002, "disconnected parse_error\n");
    malformed(state, "42[\"a\"", 1002, "disconnected parse_error\n");
    malformed(state, "2", 1002, "disconnected protocol_error\n");
    malformed(state, "1", 1000, "disconnected client\n");
}

static void test_what_the_carrier_refuses_ends_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);

    join_websocket(fixture, self);
    session_websocket_failed(fixture->table, &self->websocket, SESSION_CLOSE_TOO_LARGE,
                             fixture->now);
    assert_closed(self, 1009);
    assert_upcalls(fixture, "disconnected too_large\n");
}

static void test_our_close_sends_what_is_queued_first(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *self = fake_websocket_new(fixture);
    struct socket *socket = join_websocket(fixture, self);

    emit(socket, "42[\"last\"]");
    session_close(fixture->table, socket_session(socket), SESSION_CLOSE_SERVER, fixture->now);
    assert_sent(self, "42[\"last\"]|/");
    assert_closed(self, 1001);
    assert_upcalls(fixture, "disconnected server\n");
    session_close(fixture->table, socket_session(socket), SESSION_CLOSE_SERVER, fixture->now);
    assert_upcalls(fixture, "");
}

static void test_one_client_ends_and_the_others_never_notice(void **state)
{
    struct fixture *fixture = *state;
    struct fake_websocket *bad = fake_websocket_new(fixture);
    struct fake_websocket *good = fake_websocket_new(fixture);
    struct socket *socket;

    join_websocket(fixture, bad);
    socket = join_websocket(fixture, good);
    say(fixture, bad, "nonsense");
    emit(socket, "42");
    flush(fixture);
    assert_closed(bad, 1002);
    assert_sent(good, "42|/");
    assert_false(good->is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_the_open_packet_comes_first),
        FIXTURE_TEST(test_a_full_table_and_an_unknown_revision_are_refused),
        FIXTURE_TEST(test_everything_of_a_turn_leaves_in_one_call),
        FIXTURE_TEST(test_very_many_packets_leave_in_batches_in_order),
        FIXTURE_TEST(test_a_choked_connection_is_left_alone_until_it_is_writable),
        FIXTURE_TEST(test_volatile_packets_are_dropped_before_a_client_is_cut),
        FIXTURE_TEST(test_a_client_that_is_behind_and_takes_nothing_is_cut),
        FIXTURE_TEST(test_a_client_that_is_behind_and_reads_is_not_cut),
        FIXTURE_TEST(test_a_client_that_reads_is_cut_at_the_hard_limit),
        FIXTURE_TEST(test_a_burst_is_no_reason_to_cut_a_client_that_reads),
        FIXTURE_TEST(test_a_client_that_reads_nothing_is_cut_by_age),
        FIXTURE_TEST(test_volatile_packets_grow_old_without_harm),
        FIXTURE_TEST(test_a_slow_client_that_advances_is_not_cut_by_age),
        FIXTURE_TEST(test_a_dead_connection_ends_the_session),
        FIXTURE_TEST(test_a_lost_connection_ends_the_session_once),
        FIXTURE_TEST(test_malformed_packets_end_the_session),
        FIXTURE_TEST(test_what_the_carrier_refuses_ends_the_session),
        FIXTURE_TEST(test_our_close_sends_what_is_queued_first),
        FIXTURE_TEST(test_one_client_ends_and_the_others_never_notice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
