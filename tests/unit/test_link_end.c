#include "tests/unit/link_fixture.h"
#include "tests/unit/random.h"

/* --- life and end ----------------------------------------------------------------------------- */

static void test_a_silent_peer_counts_as_away_and_any_frame_brings_it_back(void **state)
{
    struct fixture *fixture = *state;
    struct link *link = &fixture->edge.link;
    int64_t start = fixture->now;
    assert_true(link_is_alive(link, start + 2999));
    assert_false(link_is_alive(link, start + 3000));
    assert_true(link_is_open(link)); /* an edge keeps it */
    fixture->now = start + 5000;
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, 0},
         SLICE_EMPTY);
    assert_true(link_is_alive(link, fixture->now));
}

static void test_heartbeats_keep_both_ends_alive(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, 10000);
    assert_true(link_is_alive(&fixture->edge.link, fixture->now));
    assert_true(link_is_alive(&fixture->router.link, fixture->now));
}

static void test_reset_ends_a_link(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = numbered(1);
    say(&fixture->edge, 1);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_RESET, LINK_ID, 0, 0},
         SLICE_EMPTY);
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, ERROR_CLOSED);
    assert_false(link_is_open(&fixture->edge.link));
    assert_int_equal(link_retained(&fixture->edge.link), 0);
    assert_int_equal(link_send(&fixture->edge.link, &message), ERROR_CLOSED);
    flush(fixture);
    tick(fixture, 1000);
    assert_int_equal(frames_of(&fixture->edge), 0);
}

static void test_reset_of_a_hello_says_that_it_is_refused(void **state)
{
    struct fixture *fixture = *state;
    link_open(&fixture->edge.link, LINK_ID + 1, fixture->now);
    hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_RESET, LINK_ID + 1, 0, 0},
         SLICE_EMPTY);
    assert_int_equal(fixture->edge.close_error, ERROR_BUS_REFUSED);
    assert_int_equal(fixture->edge.link.state, LINK_CLOSED);
}

static void test_goodbye_comes_after_what_was_queued_and_names_the_last_number(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    say(&fixture->edge, 2);
    link_close(&fixture->edge.link, fixture->now);
    assert_int_equal(frames_of(&fixture->edge), 2);
    struct msgpack_reader body;
    assert_header(header_of(buffer_slice(&fixture->edge.sent->next->bytes), &body), LINK_GOODBYE, 1,
                  0);
    assert_int_equal(fixture->edge.closed, 1);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\n");
    assert_int_equal(fixture->router.closed, 1);
    assert_int_equal(fixture->router.close_error, 0);
    link_close(&fixture->router.link, fixture->now); /* closed already */
    assert_int_equal(fixture->router.closed, 1);
    assert_null(fixture->router.sent);
}

static void test_beyond_retained_max_nothing_is_queued(void **state)
{
    struct fixture *fixture = *state;
    struct link *link = &fixture->edge.link;
    struct bus_message message = numbered(1);
    struct buffer bytes = BUFFER_EMPTY;
    size_t size = encode(&bytes, &message).length;
    fixture->edge.settings.retained_max = 3 * size;
    say(&fixture->edge, 1);
    flush(fixture);
    say(&fixture->edge, 2);
    say(&fixture->edge, 3);
    assert_int_equal(link_retained(link), 3 * size);
    assert_int_equal(link_send(link, &message), ERROR_OVERLOADED);
    assert_int_equal(link_retained(link), 3 * size);
    assert_int_equal(link->refused, 1);
    assert_true(link_is_open(link)); /* the owner decides */
    flush(fixture);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\ndone #3\n");
    assert_int_equal(link_send(link, &message), ERROR_OVERLOADED); /* not acknowledged yet */
    pass(fixture, 50);
    assert_int_equal(link_retained(link), 0);
    assert_int_equal(link_send(link, &message), 0);
    buffer_deinit(&bytes);
}

static void test_data_that_does_not_decode_ends_the_link_for_both(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message message = numbered(1);
    bus_encode(&body, &message);
    buffer_append_string(&body, "\xc1"); /* what remains behind the last message */
    hand(fixture, &fixture->router, (struct link_header){BUS_VERSION, LINK_DATA, LINK_ID, 1, 0},
         buffer_slice(&body));
    assert_heard(&fixture->router, "done #1\n");
    assert_int_equal(fixture->router.closed, 1);
    assert_int_equal(fixture->router.close_error, ERROR_BUS_MALFORMED);
    settle(fixture);
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, ERROR_CLOSED);
    buffer_deinit(&body);
}

static void test_hello_has_no_place_in_data(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body = BUFFER_EMPTY;
    struct bus_message message = {.type = BUS_HELLO, .hello = fixture->edge.self};
    hand(fixture, &fixture->router, (struct link_header){BUS_VERSION, LINK_DATA, LINK_ID, 1, 0},
         encode(&body, &message));
    assert_int_equal(fixture->router.close_error, ERROR_BUS_MALFORMED);
    buffer_deinit(&body);
}

static void close_at_2(struct bus_end *end, const struct bus_message *message)
{
    if (message->done.request == 2) {
        link_close(&end->link, 0);
    }
}

static void test_after_its_owner_closed_the_link_the_rest_of_a_frame_is_not_delivered(void **state)
{
    struct fixture *fixture = *state;
    fixture->router.on_message = close_at_2;
    say(&fixture->edge, 1);
    say(&fixture->edge, 2);
    say(&fixture->edge, 3);
    flush(fixture);
    settle(fixture);
    assert_heard(&fixture->router, "done #1\ndone #2\n");
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, 0);
}

/* --- a router that took an old HELLO for a new link ------------------------------------------- */

/* Another router, which knows nothing, hears the HELLO of a link that is open; its WELCOME is lost.
 */
static void begin_anew(struct fixture *fixture)
{
    bus_end_deinit(&fixture->router);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "secon", fixture->now);
    link_accept(&fixture->router.link, LINK_ID, fixture->now);
    assert_header(lose(&fixture->router), LINK_WELCOME, 0, 0);
}

static void test_nothing_is_numbered_before_the_peer_has_heard_welcome(void **state)
{
    struct fixture *fixture = *state;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    bus_end_give(&fixture->edge, &fixture->router, fixture->now);
    say(&fixture->router, 1);
    flush(fixture);
    assert_int_equal(frames_of(&fixture->router), 1); /* WELCOME */
    settle(fixture);
    assert_heard(&fixture->edge, "");
    flush(fixture);
    settle(fixture);
    assert_heard(&fixture->edge, "done #1\n");
}

static void test_who_acknowledges_what_was_never_sent_is_told_to_begin_anew(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->router, 1);
    flush(fixture);
    settle(fixture);
    begin_anew(fixture);
    say(&fixture->router, 2);
    flush(fixture);
    tick(fixture, 500);
    settle(fixture);
    assert_int_equal(fixture->router.closed, 1);
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, ERROR_CLOSED);
    assert_heard(&fixture->edge, "done #1\n");
}

static void test_a_peer_that_asks_thrice_for_what_it_acknowledged_is_given_up(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    settle(fixture);
    tick(fixture, 50);
    settle(fixture);
    assert_int_equal(link_retained(&fixture->edge.link), 0);
    begin_anew(fixture);
    say(&fixture->edge, 2);
    pass(fixture, 400); /* asked for by the frame */
    assert_true(link_is_open(&fixture->edge.link));
    pass(fixture, 1100); /* and by heartbeats */
    assert_int_equal(fixture->edge.closed, 1);
    assert_int_equal(fixture->edge.close_error, ERROR_CLOSED);
    assert_int_equal(fixture->router.closed, 1);
    assert_heard(&fixture->router, "");
}

static void test_what_was_overtaken_does_not_count_against_a_peer(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    for (int i = 0; i < 10; i++) {
        hand(fixture, &fixture->edge,
             (struct link_header){BUS_VERSION, LINK_HEARTBEAT, LINK_ID, 0, 1}, SLICE_EMPTY);
        hand(fixture, &fixture->edge, (struct link_header){BUS_VERSION, LINK_RESEND, LINK_ID, 1, 0},
             SLICE_EMPTY);
    }
    assert_true(link_is_open(&fixture->edge.link));
}

static void test_nothing_is_lost_when_nothing_was_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    say(&fixture->edge, 1);
    flush(fixture);
    bus_frames_lose(&fixture->edge.sent);
    begin_anew(fixture);
    say(&fixture->edge, 2);
    say(&fixture->router, 3);
    pass(fixture, 600);
    assert_heard(&fixture->router, "done #1\ndone #2\n");
    assert_heard(&fixture->edge, "done #3\n");
}

/* --- header ----------------------------------------------------------------------------------- */

static int decode_header(struct slice bytes, struct link_header *header)
{
    struct msgpack_reader reader = msgpack_reader_of(bytes);
    return link_header_decode(&reader, header);
}

static void test_a_header_comes_back(void **state)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, LINK_GOODBYE, UINT64_MAX, UINT64_MAX - 1,
                                 UINT64_MAX - 2},
                       out;
    (void)state;
    link_header_encode(&bytes, &header);
    assert_int_equal(decode_header(buffer_slice(&bytes), &out), 0);
    assert_memory_equal(&header, &out, sizeof(header));
    for (size_t length = 0; length < bytes.length; length++) {
        assert_int_equal(decode_header(slice_of(bytes.data, length), &out), ERROR_BUS_MALFORMED);
    }
    buffer_deinit(&bytes);
}

static void test_a_header_of_another_version_or_shape_is_refused(void **state)
{
    struct link_header out;
    (void)state;
    assert_int_equal(decode_header(SLICE_LITERAL("\x95\x04\x00\x01\x00\x00"), &out),
                     ERROR_BUS_VERSION);
    assert_int_equal(decode_header(SLICE_LITERAL("\x96\x04\x00\x01\x00\x00\xc0"), &out),
                     ERROR_BUS_VERSION);
    assert_int_equal(decode_header(SLICE_LITERAL("\x95\x00\x00\x01\x00\x00"), &out),
                     ERROR_BUS_VERSION);
    assert_int_equal(decode_header(SLICE_LITERAL("\x95\x03\x07\x01\x00\x00"), &out),
                     ERROR_BUS_MALFORMED); /* kind 7 */
    assert_int_equal(decode_header(SLICE_LITERAL("\x94\x03\x00\x01\x00"), &out),
                     ERROR_BUS_MALFORMED);
    assert_int_equal(decode_header(SLICE_LITERAL("\x96\x03\x00\x01\x00\x00\x00"), &out),
                     ERROR_BUS_MALFORMED);
    assert_int_equal(decode_header(SLICE_LITERAL("\x95\x03\x00\xff\x00\x00"), &out),
                     ERROR_BUS_MALFORMED); /* -1 */
    assert_int_equal(decode_header(SLICE_LITERAL("\x90"), &out), ERROR_BUS_MALFORMED);
    assert_int_equal(decode_header(SLICE_LITERAL("\x01"), &out), ERROR_BUS_MALFORMED);
}

static void test_a_refusal_is_news_once_a_minute(void **state)
{
    struct link_refusal last = {0};
    (void)state;
    assert_true(link_refusal_is_news(&last, ERROR_BUS_VERSION, 5));
    assert_false(link_refusal_is_news(&last, ERROR_BUS_VERSION, 5 + 59999));
    assert_true(link_refusal_is_news(&last, ERROR_BUS_VERSION, 5 + 60000));
    assert_true(link_refusal_is_news(&last, ERROR_BUS_MALFORMED, 5 + 60001));
}

/* --- all at once ------------------------------------------------------------------------------ */

struct numbers {
    uint64_t next;
};

static void expect_next(struct bus_end *end, const struct bus_message *message)
{
    struct numbers *numbers = end->mine;
    assert_int_equal(message->done.request, ++numbers->next);
}

/* Loses, repeats or swaps what is on its way, then delivers it. */
static void carry_badly(struct fixture *fixture, struct bus_end *from, struct bus_end *to,
                        struct random *random)
{
    struct bus_frame *frames[64];
    size_t count = 0;
    while (count < 64 && (frames[count] = bus_frames_take(&from->sent)) != NULL) {
        count++;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        size_t other = random_below(random, 6) == 0 ? i + 1 : i;
        struct bus_frame *frame = frames[i];
        frames[i] = frames[other];
        frames[other] = frame;
    }
    for (size_t i = 0; i < count; i++) {
        size_t times = random_below(random, 5) == 0 ? 0 : random_below(random, 8) == 0 ? 2 : 1;
        while (times-- > 0) {
            bus_end_receive(to, buffer_slice(&frames[i]->bytes), fixture->now);
        }
        bus_frame_free(frames[i]);
    }
}

static void one_bad_connection(uint64_t seed)
{
    enum { MESSAGES = 200 };
    void *state;
    struct random random = {seed};
    struct numbers at_router = {0}, at_edge = {0};
    uint64_t from_edge = 0, from_router = 0;
    setup(&state);
    struct fixture *fixture = state;
    fixture->router.mine = &at_router;
    fixture->edge.mine = &at_edge;
    fixture->router.on_message = expect_next;
    fixture->edge.on_message = expect_next;
    link_open(&fixture->edge.link, LINK_ID, fixture->now);
    for (int round = 0; at_router.next < MESSAGES || at_edge.next < MESSAGES; round++) {
        assert_true(round < 5000);
        if (link_is_open(&fixture->edge.link) && from_edge < MESSAGES) {
            say(&fixture->edge, ++from_edge);
        }
        if (link_is_open(&fixture->router.link) && from_router < MESSAGES) {
            say(&fixture->router, ++from_router);
        }
        fixture->edge.is_choked = random_below(&random, 10) == 0;
        fixture->router.is_choked = random_below(&random, 10) == 0;
        if (random_below(&random, 3) > 0) {
            flush(fixture);
        }
        tick(fixture, (int64_t)random_below(&random, 60));
        carry_badly(fixture, &fixture->edge, &fixture->router, &random);
        carry_badly(fixture, &fixture->router, &fixture->edge, &random);
        buffer_clear(&fixture->edge.lines);
        buffer_clear(&fixture->router.lines);
    }
    assert_int_equal(fixture->edge.opened, 1);
    assert_int_equal(fixture->edge.closed + fixture->router.closed, 0);
    fixture->edge.is_choked = fixture->router.is_choked = false;
    pass(fixture, 1500);
    assert_int_equal(link_retained(&fixture->edge.link), 0);
    assert_int_equal(link_retained(&fixture->router.link), 0);
    teardown(&state);
}

static void test_over_a_bad_connection_every_message_arrives_once_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        one_bad_connection(seed);
    }
}

static void test_random_frames_are_refused_or_harmless(void **state)
{
    struct fixture *fixture = *state;
    struct random random = {11};
    for (int round = 0; round < 5000; round++) {
        struct buffer frame = BUFFER_EMPTY;
        struct link_header header = {BUS_VERSION, random_below(&random, 7), LINK_ID,
                                     random_below(&random, 4), random_below(&random, 3)};
        link_header_encode(&frame, &header);
        size_t length = random_below(&random, 24);
        for (size_t i = 0; i < length; i++) {
            buffer_append_char(&frame, (char)random_next(&random));
        }
        bus_end_receive(&fixture->edge, buffer_slice(&frame), fixture->now);
        bus_frames_lose(&fixture->edge.sent);
        if (!link_is_open(&fixture->edge.link)) {
            link_open(&fixture->edge.link, LINK_ID, fixture->now);
        }
        buffer_deinit(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(test_a_silent_peer_counts_as_away_and_any_frame_brings_it_back),
        OPEN(test_heartbeats_keep_both_ends_alive),
        OPEN(test_reset_ends_a_link),
        OPEN(test_reset_of_a_hello_says_that_it_is_refused),
        OPEN(test_goodbye_comes_after_what_was_queued_and_names_the_last_number),
        OPEN(test_beyond_retained_max_nothing_is_queued),
        OPEN(test_data_that_does_not_decode_ends_the_link_for_both),
        OPEN(test_hello_has_no_place_in_data),
        FRESH(test_nothing_is_numbered_before_the_peer_has_heard_welcome),
        OPEN(test_who_acknowledges_what_was_never_sent_is_told_to_begin_anew),
        OPEN(test_a_peer_that_asks_thrice_for_what_it_acknowledged_is_given_up),
        OPEN(test_what_was_overtaken_does_not_count_against_a_peer),
        OPEN(test_nothing_is_lost_when_nothing_was_acknowledged),
        OPEN(test_after_its_owner_closed_the_link_the_rest_of_a_frame_is_not_delivered),
        FRESH(test_a_header_comes_back),
        FRESH(test_a_header_of_another_version_or_shape_is_refused),
        FRESH(test_a_refusal_is_news_once_a_minute),
        FRESH(test_over_a_bad_connection_every_message_arrives_once_and_in_order),
        OPEN(test_random_frames_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
