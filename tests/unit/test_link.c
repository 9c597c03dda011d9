#include "tests/unit/link_fixture.h"

/* --- opening ---------------------------------------------------------------------------------- */

static void test_hello_is_said_every_250_ms_until_welcome(void **state)
{
    struct fixture *fixture = *state;
    struct link *link = &fixture->edge.link;
    link_open(link, LINK_ID, fixture->now);
    assert_header(lose(&fixture->edge), LINK_HELLO, 0, 0);
    tick(fixture, 200);
    assert_null(fixture->edge.sent);
    tick(fixture, 50);
    assert_header(lose(&fixture->edge), LINK_HELLO, 0, 0);
    tick(fixture, 250);
    assert_false(link_is_open(link));
    settle(fixture);
    assert_true(link_is_open(link));
    assert_int_equal(fixture->edge.opened, 1);
    tick(fixture, 300);
    assert_null(fixture->edge.sent);
}

static void test_hello_is_repeated_also_when_the_transport_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->edge.is_choked = true;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    fixture->edge.is_choked = false;
    pass(fixture, 250);
    assert_true(link_is_open(&fixture->edge.link));
}

static void test_hello_and_welcome_carry_who_is_speaking(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message;
    struct msgpack_reader body;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    header_of(buffer_slice(&fixture->edge.sent->bytes), &body);
    assert_int_equal(bus_decode(&body, &message), 0);
    assert_int_equal(message.type, BUS_HELLO);
    assert_int_equal(message.hello.role, BUS_ROLE_EDGE);
    assert_true(slice_is(message.hello.incarnation, "edgeAB"));
    assert_ptr_equal(body.at, body.end);

    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    assert_int_equal(header_of(buffer_slice(&fixture->router.sent->bytes), &body).kind,
                     LINK_WELCOME);
    assert_int_equal(bus_decode(&body, &message), 0);
    assert_int_equal(message.hello.role, BUS_ROLE_ROUTER);
}

static void test_welcome_twice_opens_once(void **state)
{
    struct fixture *fixture = *state;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    tick(fixture, 250); /* a second HELLO is on its way: two WELCOMEs */
    settle(fixture);
    assert_int_equal(fixture->edge.opened, 1);
    assert_int_equal(fixture->router.opened, 1);
    say(&fixture->edge, 1);
    flush(fixture);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\n");
}

/* A router that has just started took an old HELLO for a new link. */
static void test_a_welcome_of_another_router_ends_the_link(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message hello = {.type = BUS_HELLO,
                                .hello = {.role = BUS_ROLE_ROUTER, .incarnation = text("secon")}};
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    settle(fixture);
    assert_true(link_is_open(&fixture->edge.link));
    bus_encode(&body, &hello);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_WELCOME, LINK_ID, 0, 0},
         buffer_slice(&body));
    assert_false(link_is_open(&fixture->edge.link));
    assert_int_equal(fixture->edge.close_error, ERROR_CLOSED);
    buffer_deinit(&body);
}

static void test_a_welcome_that_does_not_decode_closes_the_link(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message other = numbered(1);
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_WELCOME, LINK_ID, 0, 0},
         SLICE_LITERAL("\xc1"));
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, ERROR_BUS_MALFORMED);
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_WELCOME, LINK_ID, 0, 0},
         encode(&body, &other));
    assert_int_equal(fixture->edge.closed, 2);
    assert_int_equal(fixture->edge.opened, 0);
    buffer_deinit(&body);
}

static void test_a_frame_of_another_link_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message message = numbered(9);
    struct slice bytes = encode(&body, &message);
    for (uint64_t kind = LINK_DATA; kind <= LINK_GOODBYE; kind++) {
        hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, kind, LINK_ID + 1, 1, 0},
             bytes);
    }
    assert_true(link_is_open(&fixture->edge.link));
    assert_int_equal(fixture->edge.closed, 0);
    assert_heard(&fixture->edge, "");
    assert_null(fixture->edge.sent);
    buffer_deinit(&body);
}

static void test_what_comes_before_welcome_is_not_taken_and_comes_again(void **state)
{
    struct fixture *fixture = *state;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    struct bus_frame *welcome = bus_frames_take(&fixture->router.sent);
    say(&fixture->router, 1);
    flush(fixture);
    settle(fixture);
    assert_heard(&fixture->edge, "");
    bus_end_receive(&fixture->edge, buffer_slice(&welcome->bytes), fixture->now);
    bus_frame_free(welcome);
    pass(fixture, 600); /* the router's heartbeat says that there was a frame 1 */
    assert_heard(&fixture->edge, "done #1\n");
}

static void test_a_new_link_starts_from_1_and_has_forgotten_the_former(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    bus_frames_lose(&fixture->edge.sent);
    say(&fixture->edge, 2);
    link_open(&fixture->edge.link, LINK_ID + 1, fixture->now);
    assert_int_equal(link_retained(&fixture->edge.link), 0);
    settle(fixture);
    assert_int_equal(fixture->edge.opened, 2);
    say(&fixture->edge, 3);
    flush(fixture);
    struct msgpack_reader body;
    assert_int_equal(header_of(buffer_slice(&fixture->edge.sent->bytes), &body).sequence, 1);
    settle(fixture);
    assert_heard(&fixture->router, "done #3\n");
}

/* --- data ------------------------------------------------------------------------------------- */

static void test_frames_are_numbered_from_1_in_each_direction(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 3; i++) {
        say(&fixture->edge, i);
        flush(fixture);
    }
    say(&fixture->router, 10);
    flush(fixture);
    struct msgpack_reader body;
    assert_header(header_of(buffer_slice(&fixture->edge.sent->bytes), &body), LINK_DATA, 1, 0);
    assert_header(header_of(buffer_slice(&fixture->edge.sent->next->next->bytes), &body), LINK_DATA,
                  3, 0);
    assert_header(header_of(buffer_slice(&fixture->router.sent->bytes), &body), LINK_DATA, 1, 0);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\n");
    assert_heard(&fixture->edge, "done #10\n");
}

static void test_messages_of_one_turn_share_a_frame(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 5; i++) {
        say(&fixture->edge, i);
    }
    assert_int_equal(frames_of(&fixture->edge), 0);
    flush(fixture);
    assert_int_equal(frames_of(&fixture->edge), 1);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\ndone #4\ndone #5\n");
    flush(fixture);
    assert_int_equal(frames_of(&fixture->edge), 0);
}

static void test_many_messages_of_one_turn_become_frames_of_64_kib(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {.type = BUS_WORK_DONE};
    char *payload = calloc(1, 100000);
    message.work_done.body = slice_of(payload, 20000);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(link_send(&fixture->edge.link, &message), 0);
    }
    message.work_done.body = slice_of(payload, 100000);
    assert_int_equal(link_send(&fixture->edge.link, &message), 0);
    flush(fixture);
    assert_int_equal(frames_of(&fixture->edge), 3); /* 3 × 20 000, 3 × 20 000, 100 000 */
    settle(fixture);
    assert_heard(&fixture->router, "work_done\nwork_done\nwork_done\nwork_done\nwork_done\n"
                                   "work_done\nwork_done\n");
    free(payload);
}

static void test_every_header_acknowledges_what_has_arrived(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    say(&fixture->edge, 2);
    flush(fixture);
    settle(fixture);
    assert_true(link_retained(&fixture->edge.link) > 0);
    say(&fixture->router, 3);
    flush(fixture);
    struct msgpack_reader body;
    assert_header(header_of(buffer_slice(&fixture->router.sent->bytes), &body), LINK_DATA, 1, 2);
    settle(fixture);
    assert_int_equal(link_retained(&fixture->edge.link), 0);
}

static void test_what_has_arrived_is_acknowledged_at_the_next_tick(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    settle(fixture);
    assert_null(fixture->router.sent);
    tick(fixture, 10);
    assert_header(lose(&fixture->router), LINK_HEARTBEAT, 0, 1);
    tick(fixture, 10);
    assert_null(fixture->router.sent); /* said once */
}

static void test_64_frames_are_acknowledged_at_once(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 64; i++) {
        assert_null(fixture->router.sent);
        say(&fixture->edge, i);
        flush(fixture);
        bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    }
    assert_int_equal(frames_of(&fixture->router), 1);
    assert_header(lose(&fixture->router), LINK_HEARTBEAT, 0, 64);
}

static void test_a_gap_is_answered_with_resend_of_the_first_missing_number(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 4; i++) {
        say(&fixture->edge, i);
        flush(fixture);
    }
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    lose(&fixture->edge); /* number 2 */
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    assert_heard(&fixture->router, "done #1\n");
    assert_int_equal(frames_of(&fixture->router), 1);
    struct msgpack_reader body;
    assert_header(header_of(buffer_slice(&fixture->router.sent->bytes), &body), LINK_RESEND, 2, 1);
    settle(fixture);
    assert_heard(&fixture->router, "done #2\ndone #3\ndone #4\n");
    assert_int_equal(fixture->router.link.gaps, 1);
    assert_int_equal(fixture->edge.link.frames_resent, 3);
}

static void test_resend_is_asked_at_most_every_50_ms(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 10; i++) {
        say(&fixture->edge, i);
        flush(fixture);
    }
    lose(&fixture->edge);
    for (int i = 0; i < 4; i++) {
        bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    }
    assert_int_equal(frames_of(&fixture->router), 1);
    lose(&fixture->router);
    fixture->now += 49;
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    assert_int_equal(frames_of(&fixture->router), 0);
    fixture->now += 1;
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    assert_int_equal(frames_of(&fixture->router), 1);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\ndone #4\ndone #5\ndone #6\n"
                                   "done #7\ndone #8\ndone #9\ndone #10\n");
}

static void test_a_frame_that_arrives_twice_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    struct bus_frame *frame = bus_frames_take(&fixture->edge.sent);
    bus_end_receive(&fixture->router, buffer_slice(&frame->bytes), fixture->now);
    bus_end_receive(&fixture->router, buffer_slice(&frame->bytes), fixture->now);
    bus_frame_free(frame);
    assert_heard(&fixture->router, "done #1\n");
    assert_int_equal(fixture->router.link.frames_repeated, 1);
}

static void test_frames_out_of_order_are_delivered_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct bus_frame *frames[4];
    for (uint64_t i = 0; i < 4; i++) {
        say(&fixture->edge, i + 1);
        flush(fixture);
        frames[i] = bus_frames_take(&fixture->edge.sent);
    }
    for (int i = 3; i >= 0; i--) {
        bus_end_receive(&fixture->router, buffer_slice(&frames[i]->bytes), fixture->now);
        bus_frame_free(frames[i]);
    }
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\ndone #4\n");
}

static void test_the_loss_of_a_last_frame_is_noticed_by_the_heartbeat(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    lose(&fixture->edge);
    tick(fixture, 499);
    settle(fixture);
    assert_heard(&fixture->router, "");
    tick(fixture, 1);
    struct msgpack_reader body;
    assert_header(header_of(buffer_slice(&fixture->edge.sent->bytes), &body), LINK_HEARTBEAT, 1, 0);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\n");
}

static void test_a_heartbeat_goes_out_only_after_500_ms_without_another_frame(void **state)
{
    struct fixture *fixture = *state;
    tick(fixture, 400);
    say(&fixture->edge, 1);
    flush(fixture);
    settle(fixture);
    bus_frames_lose(&fixture->router.sent);
    tick(fixture, 499);
    assert_int_equal(frames_of(&fixture->edge), 0);
    tick(fixture, 1);
    assert_int_equal(frames_of(&fixture->edge), 1);
}

static void test_what_the_transport_does_not_take_is_kept_in_order(void **state)
{
    struct fixture *fixture = *state;
    fixture->edge.is_choked = true;
    say(&fixture->edge, 1);
    flush(fixture);
    say(&fixture->edge, 2);
    flush(fixture);
    assert_null(fixture->edge.sent);
    fixture->edge.is_choked = false;
    say(&fixture->edge, 3);
    pass(fixture, 50);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\n");
    assert_true(fixture->edge.link.frames_held > 0);
    assert_int_equal(fixture->edge.link.frames_resent, 0);
}

static void test_an_acknowledgement_of_what_was_never_sent_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message message = numbered(5);
    say(&fixture->edge, 1);
    flush(fixture);
    size_t kept = link_retained(&fixture->edge.link);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_DATA, LINK_ID, 1, 2},
         encode(&body, &message));
    hand(fixture, &fixture->edge,
         (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, UINT64_MAX}, SLICE_EMPTY);
    assert_int_equal(link_retained(&fixture->edge.link), kept);
    assert_heard(&fixture->edge, "");
    settle(fixture);
    assert_heard(&fixture->router, "done #1\n");
    buffer_deinit(&body);
}

static void test_an_acknowledgement_of_what_the_transport_has_not_taken_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    fixture->edge.is_choked = true;
    say(&fixture->edge, 1);
    flush(fixture); /* a frame is made, and stays here */
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, 1},
         SLICE_EMPTY);
    assert_true(link_retained(&fixture->edge.link) > 0);
    fixture->edge.is_choked = false;
    pass(fixture, 50);
    assert_heard(&fixture->router, "done #1\n");
}

static void test_an_older_acknowledgement_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 3; i++) {
        say(&fixture->edge, i);
        flush(fixture);
    }
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, 2},
         SLICE_EMPTY);
    size_t kept = link_retained(&fixture->edge.link);
    assert_true(kept > 0);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, 1},
         SLICE_EMPTY);
    assert_int_equal(link_retained(&fixture->edge.link), kept);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_RESEND, LINK_ID, 3, 2},
         SLICE_EMPTY);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(test_hello_is_said_every_250_ms_until_welcome),
        FRESH(test_hello_is_repeated_also_when_the_transport_takes_nothing),
        FRESH(test_hello_and_welcome_carry_who_is_speaking),
        FRESH(test_welcome_twice_opens_once),
        FRESH(test_a_welcome_of_another_router_ends_the_link),
        FRESH(test_a_welcome_that_does_not_decode_closes_the_link),
        OPEN(test_a_frame_of_another_link_is_ignored),
        FRESH(test_what_comes_before_welcome_is_not_taken_and_comes_again),
        OPEN(test_a_new_link_starts_from_1_and_has_forgotten_the_former),
        OPEN(test_frames_are_numbered_from_1_in_each_direction),
        OPEN(test_messages_of_one_turn_share_a_frame),
        OPEN(test_many_messages_of_one_turn_become_frames_of_64_kib),
        OPEN(test_every_header_acknowledges_what_has_arrived),
        OPEN(test_what_has_arrived_is_acknowledged_at_the_next_tick),
        OPEN(test_64_frames_are_acknowledged_at_once),
        OPEN(test_a_gap_is_answered_with_resend_of_the_first_missing_number),
        OPEN(test_resend_is_asked_at_most_every_50_ms),
        OPEN(test_a_frame_that_arrives_twice_is_ignored),
        OPEN(test_frames_out_of_order_are_delivered_in_order),
        OPEN(test_the_loss_of_a_last_frame_is_noticed_by_the_heartbeat),
        OPEN(test_a_heartbeat_goes_out_only_after_500_ms_without_another_frame),
        OPEN(test_what_the_transport_does_not_take_is_kept_in_order),
        OPEN(test_an_acknowledgement_of_what_was_never_sent_is_ignored),
        OPEN(test_an_acknowledgement_of_what_the_transport_has_not_taken_is_ignored),
        OPEN(test_an_older_acknowledgement_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
