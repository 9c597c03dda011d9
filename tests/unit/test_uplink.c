#include "edge/uplink.h"
#include "proto/base/log.h"
#include "tests/unit/bus_fixture.h"

/* An uplink, the router at its other end, and what the uplink told its owner. */
struct fixture {
    struct uplink *uplink;
    struct uplink *same; /* also while it is being destroyed */
    struct uplink_settings settings;
    struct id_source ids;
    struct bus_end router;
    struct bus_frame *sent; /* owns: frames of the uplink */
    bool is_choked;
    struct buffer upcalls;
    struct uplink_owner owner;
    int64_t now;
    uint64_t rooms;  /* told by synchronise() */
    uint64_t nested; /* a request made from within an outcome */
};

static bool on_transmit(void *context, struct slice header, struct slice body)
{
    struct fixture *fixture = context;
    if (!fixture->is_choked) {
        bus_frames_push(&fixture->sent, header, body);
    }
    return !fixture->is_choked;
}

static uint64_t on_synchronise(void *context, int64_t now)
{
    struct fixture *fixture = context;
    struct bus_message message = {.type = BUS_ROOM_SYNC, .room_sync = {.room = text("r")}};
    assert_int_equal(now, fixture->now);
    buffer_append_string(&fixture->upcalls, "synchronise\n");
    for (uint64_t i = 0; i < fixture->rooms; i++) {
        uplink_notify(fixture->uplink, &message);
    }
    return fixture->rooms;
}

static void on_deliver(void *context, const struct bus_message *message, int64_t now)
{
    struct fixture *fixture = context;
    (void)now;
    write_message_line(&fixture->upcalls, message);
}

static const struct uplink_operations operations = {on_transmit, on_synchronise, on_deliver};

static void start(struct fixture *fixture)
{
    struct bus_hello self = {.role = BUS_ROLE_EDGE, .incarnation = SLICE_LITERAL("edgeAB")};
    fixture->uplink =
        uplink_new(&fixture->settings, &operations, fixture, &fixture->ids, &self, fixture->now);
    fixture->same = fixture->uplink;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    log_configure("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    fixture->now = 1000000;
    fixture->settings = (struct uplink_settings){.request_deadline = 5000,
                                                 .requests_max = 100,
                                                 .request_bytes_max = 1 << 20,
                                                 .link = {.heartbeat = 500,
                                                          .timeout = 3000,
                                                          .retained_max = 1 << 20,
                                                          .frame_max = BUS_FRAME_MAX}};
    id_source_init(&fixture->ids);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "router", fixture->now);
    start(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    uplink_destroy(&fixture->uplink, fixture->now);
    assert_null(fixture->uplink);
    assert_int_equal(fixture->owner.count, 0);
    assert_null(fixture->owner.requests);
    bus_end_deinit(&fixture->router);
    bus_frames_lose(&fixture->sent);
    buffer_deinit(&fixture->upcalls);
    free(fixture);
    return 0;
}

static void settle(struct fixture *fixture)
{
    bool moved = true;
    while (moved) {
        struct bus_frame *frame;
        moved = false;
        uplink_flush(fixture->uplink, fixture->now);
        link_flush(&fixture->router.link, fixture->now);
        while ((frame = bus_frames_take(&fixture->sent)) != NULL) {
            bus_end_receive(&fixture->router, buffer_slice(&frame->bytes), fixture->now);
            bus_frame_free(frame);
            moved = true;
        }
        while ((frame = bus_frames_take(&fixture->router.sent)) != NULL) {
            uplink_receive(fixture->uplink, buffer_slice(&frame->bytes), fixture->now);
            bus_frame_free(frame);
            moved = true;
        }
    }
}

/* Time passes; without a connection nothing arrives on either side. */
static void pass(struct fixture *fixture, int64_t ms, bool is_connected)
{
    for (int64_t end = fixture->now + ms; fixture->now < end;) {
        fixture->now += end - fixture->now < 50 ? end - fixture->now : 50;
        uplink_tick(fixture->uplink, fixture->now);
        if (is_connected) {
            link_tick(&fixture->router.link, fixture->now);
            settle(fixture);
        } else {
            uplink_flush(fixture->uplink, fixture->now);
            bus_frames_lose(&fixture->sent);
        }
    }
}

static int setup_open(void **state)
{
    setup(state);
    struct fixture *fixture = *state;
    pass(fixture, 50, true);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    buffer_clear(&fixture->upcalls);
    buffer_clear(&fixture->router.lines);
    return 0;
}

static void on_answered(void *context, const struct uplink_outcome *outcome)
{
    struct fixture *fixture = context;
    buffer_append_format(&fixture->upcalls, "end of %s #%u", bus_type_name(outcome->sent->type),
                         (unsigned)outcome->sent->send.request);
    if (outcome->answer == NULL) {
        buffer_append_format(&fixture->upcalls, " %s", error_code(outcome->error));
    } else {
        buffer_append_format(&fixture->upcalls, " %s", bus_type_name(outcome->answer->type));
        assert_int_equal(outcome->error, 0);
    }
    buffer_append_string(&fixture->upcalls, outcome->was_repeated ? " repeated" : "");
    buffer_append_string(&fixture->upcalls, outcome->is_forgotten ? " forgotten\n" : "\n");
}

static void on_other_answered(void *context, const struct uplink_outcome *outcome)
{
    on_answered(context, outcome);
}

static int request(struct fixture *fixture, const char *id)
{
    struct bus_message message = {
        .type = BUS_SEND,
        .send = {
            .room = text("r"), .sender = text("ann"), .message_id = text(id), .body = text("b")}};
    return uplink_request(fixture->uplink, &message, &message.send.request, on_answered, fixture,
                          &fixture->owner, fixture->now);
}

static void router_answers(struct fixture *fixture, uint64_t number)
{
    struct bus_message message = {.type = BUS_SEND_DONE, .send_done = {.request = number}};
    assert_int_equal(link_send(&fixture->router.link, &message), 0);
    settle(fixture);
}

static void assert_told(struct fixture *fixture, const char *expected)
{
    assert_lines(&fixture->upcalls, expected);
}

/* The router forgets this edge, as when it restarts. */
static void router_restarts(struct fixture *fixture)
{
    bus_end_deinit(&fixture->router);
    bus_end_init(&fixture->router, false, BUS_ROLE_ROUTER, "router", fixture->now);
}

/* What a router says that does not know the link. */
static void router_resets(struct fixture *fixture, uint64_t link)
{
    struct buffer frame = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, LINK_RESET, link, 0, 0};
    link_header_encode(&frame, &header);
    uplink_receive(fixture->uplink, buffer_slice(&frame), fixture->now);
    buffer_deinit(&frame);
}

/* --- link ------------------------------------------------------------------------------------ */

static void test_it_is_ready_when_the_router_has_welcomed_it_and_lives(void **state)
{
    struct fixture *fixture = *state;
    assert_false(uplink_is_ready(fixture->uplink, fixture->now));
    pass(fixture, 1000, false);
    assert_false(uplink_is_ready(fixture->uplink, fixture->now));
    pass(fixture, 300, true);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    pass(fixture, 10000, true);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    pass(fixture, 3000, false);
    assert_false(uplink_is_ready(fixture->uplink, fixture->now));
    pass(fixture, 1000, true); /* the same link: an edge keeps it */
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    assert_int_equal(uplink_counters(fixture->uplink)->links_opened, 1);
}

static void test_after_welcome_come_rooms_then_sync_done_then_waiting_requests(void **state)
{
    struct fixture *fixture = *state;
    fixture->rooms = 2;
    assert_int_equal(request(fixture, "a"), 0); /* there is no link yet: it waits */
    assert_int_equal(request(fixture, "b"), 0);
    pass(fixture, 50, true);
    assert_heard(&fixture->router, "room_sync r last=0 members=\nroom_sync r last=0 members=\n"
                                   "sync_done 2\nsend #1 r ann a\nsend #2 r ann b\n");
    assert_told(fixture, "synchronise\n");
    assert_int_equal(uplink_counters(fixture->uplink)->repeated, 0);
}

static void test_after_reset_a_new_link_is_opened_within_100_ms_or_so(void **state)
{
    struct fixture *fixture = *state;
    uint64_t link = fixture->router.link.id;
    router_restarts(fixture);
    router_resets(fixture, link);
    assert_false(uplink_is_ready(fixture->uplink, fixture->now));
    fixture->now += 50;
    uplink_tick(fixture->uplink, fixture->now);
    assert_null(fixture->sent); /* not in a hurry */
    pass(fixture, 100, true);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    assert_int_not_equal(fixture->router.link.id, link);
    assert_told(fixture, "synchronise\n");
    assert_heard(&fixture->router, "sync_done 0\n");
}

static void test_messages_that_answer_nothing_are_delivered(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {
        .type = BUS_PRESENCE,
        .presence = {.room = text("r"), .entity = text("ann"), .member_count = 1}};
    assert_int_equal(link_send(&fixture->router.link, &message), 0);
    settle(fixture);
    assert_told(fixture, "presence r -ann count=1\n");
}

static void test_frames_of_another_shape_are_counted_and_refused(void **state)
{
    struct fixture *fixture = *state;
    uplink_receive(fixture->uplink, SLICE_LITERAL("nonsense"), fixture->now);
    uplink_receive(fixture->uplink, SLICE_LITERAL("\x95\x01\x00\x01\x00\x00"), fixture->now);
    uplink_receive(fixture->uplink, SLICE_EMPTY, fixture->now);
    assert_int_equal(uplink_counters(fixture->uplink)->frames_refused, 3);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
}

static void test_after_goodbye_no_link_is_opened_and_no_request_taken(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    uplink_say_goodbye(fixture->uplink, fixture->now);
    settle(fixture);
    assert_heard(&fixture->router, "send #1 r ann a\n");
    assert_int_equal(fixture->router.closed, 1);
    assert_int_equal(fixture->router.close_error, 0);
    assert_int_equal(request(fixture, "b"), ERROR_OVERLOADED);
    pass(fixture, 2000, true);
    assert_int_equal(uplink_counters(fixture->uplink)->links_opened, 1);
}

/* --- requests -------------------------------------------------------------------------------- */

static void test_an_answer_ends_its_request_once(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(request(fixture, "a"), 0);
    assert_int_equal(request(fixture, "b"), 0);
    settle(fixture);
    assert_heard(&fixture->router, "send #1 r ann a\nsend #2 r ann b\n");
    assert_int_equal(fixture->owner.count, 2);
    router_answers(fixture, 2);
    assert_told(fixture, "end of send #2 send_done\n");
    router_answers(fixture, 2);
    router_answers(fixture, 77);
    assert_told(fixture, "");
    assert_int_equal(fixture->owner.count, 1);
    assert_int_equal(uplink_counters(fixture->uplink)->waiting, 1);
    router_answers(fixture, 1);
    assert_told(fixture, "end of send #1 send_done\n");
    assert_int_equal(uplink_counters(fixture->uplink)->bytes, 0);
    assert_int_equal(uplink_counters(fixture->uplink)->answers, 2);
}

static void test_every_kind_of_answer_finds_its_request(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message asked[] = {{.type = BUS_JOIN},    {.type = BUS_SEND},
                                  {.type = BUS_RECEIPT}, {.type = BUS_HISTORY},
                                  {.type = BUS_MEMBERS}, {.type = BUS_CHANNEL_PUT}};
    static const enum bus_type answers[] = {BUS_JOINED,       BUS_SEND_DONE,    BUS_DONE,
                                            BUS_HISTORY_PAGE, BUS_MEMBERS_PAGE, BUS_CHANNEL};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(uplink_request(fixture->uplink, &asked[i], &asked[i].join.request,
                                        on_answered, fixture, NULL, fixture->now),
                         0);
    }
    for (size_t i = 0; i < 6; i++) {
        struct bus_message answer = {.type = answers[i], .joined = {.request = i + 1}};
        assert_int_equal(link_send(&fixture->router.link, &answer), 0);
    }
    settle(fixture);
    assert_told(fixture, "end of join #1 joined\nend of send #2 send_done\n"
                         "end of receipt #3 done\nend of history #4 history_page\n"
                         "end of members #5 members_page\nend of channel_put #6 channel\n");
}

static void test_an_answer_of_another_kind_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    struct bus_message answer = {.type = BUS_JOINED, .joined = {.request = 1}};
    assert_int_equal(link_send(&fixture->router.link, &answer), 0);
    settle(fixture);
    assert_told(fixture, "");
    router_answers(fixture, 1);
    assert_told(fixture, "end of send #1 send_done\n");
}

static void test_a_request_without_an_answer_is_overloaded_at_its_deadline(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    pass(fixture, 2000, true);
    request(fixture, "b");
    pass(fixture, 2950, true);
    assert_told(fixture, "");
    pass(fixture, 50, true);
    assert_told(fixture, "end of send #1 overloaded\n");
    router_answers(fixture, 1); /* too late */
    assert_told(fixture, "");
    pass(fixture, 2000, true);
    assert_told(fixture, "end of send #2 overloaded\n");
    assert_int_equal(uplink_counters(fixture->uplink)->deadlines, 2);
    assert_int_equal(uplink_counters(fixture->uplink)->waiting, 0);
}

static void test_without_a_router_requests_end_within_their_deadline(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    pass(fixture, 5000, false);
    assert_told(fixture, "end of send #1 overloaded\n");
}

static void test_waiting_requests_are_repeated_on_a_new_link(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    request(fixture, "b");
    settle(fixture);
    router_answers(fixture, 1);
    uint64_t link = fixture->router.link.id;
    router_restarts(fixture);
    router_resets(fixture, link);
    request(fixture, "c"); /* between two links: it goes out on one */
    pass(fixture, 200, true);
    assert_heard(&fixture->router, "sync_done 0\nsend #2 r ann b\nsend #3 r ann c\n");
    router_answers(fixture, 2);
    router_answers(fixture, 3);
    assert_told(fixture, "end of send #1 send_done\nsynchronise\n"
                         "end of send #2 send_done repeated\nend of send #3 send_done\n");
    assert_int_equal(uplink_counters(fixture->uplink)->repeated, 1);
}

static void test_requests_of_a_forgotten_owner_go_on_and_end_forgotten(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    request(fixture, "b");
    uplink_forget_owner(fixture->uplink, &fixture->owner);
    assert_int_equal(fixture->owner.count, 0);
    settle(fixture);
    assert_heard(&fixture->router, "send #1 r ann a\nsend #2 r ann b\n");
    router_answers(fixture, 1);
    assert_told(fixture, "end of send #1 send_done forgotten\n");
    pass(fixture, 5000, true);
    assert_told(fixture, "end of send #2 overloaded forgotten\n");
    uplink_forget_owner(fixture->uplink, &fixture->owner); /* of nothing */
}

static void test_joins_of_a_forgotten_owner_are_not_repeated_on_a_new_link(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message join = {.type = BUS_JOIN,
                               .join = {.room = text("r"), .entity = text("ann")}};
    struct bus_message recover = {.type = BUS_RECOVER, .recover = {.socket = text("socket")}};
    uplink_request(fixture->uplink, &join, &join.join.request, on_answered, fixture,
                   &fixture->owner, fixture->now);
    uplink_request(fixture->uplink, &recover, &recover.recover.request, on_answered, fixture,
                   &fixture->owner, fixture->now);
    request(fixture, "a");
    uplink_forget_owner(fixture->uplink, &fixture->owner);
    settle(fixture);
    buffer_clear(&fixture->router.lines);
    uint64_t link = fixture->router.link.id;
    router_restarts(fixture);
    router_resets(fixture, link);
    pass(fixture, 200, true);
    assert_heard(&fixture->router, "sync_done 0\nsend #3 r ann a\n");
    assert_int_equal(uplink_counters(fixture->uplink)->waiting, 1);
}

static void test_a_waiting_request_s_context_is_found_by_number_and_kind(void **state)
{
    struct fixture *fixture = *state;
    request(fixture, "a");
    assert_ptr_equal(uplink_context(fixture->uplink, 1, on_answered), fixture);
    assert_null(uplink_context(fixture->uplink, 1, on_other_answered));
    assert_null(uplink_context(fixture->uplink, 2, on_answered));
    uplink_forget_owner(fixture->uplink, &fixture->owner);
    assert_null(uplink_context(fixture->uplink, 1, on_answered));
}

static void test_beyond_its_limits_a_request_is_overloaded_at_once(void **state)
{
    struct fixture *fixture = *state;
    uplink_destroy(&fixture->uplink, fixture->now);
    fixture->settings.requests_max = 2;
    start(fixture);
    assert_int_equal(request(fixture, "a"), 0);
    assert_int_equal(request(fixture, "b"), 0);
    assert_int_equal(request(fixture, "c"), ERROR_OVERLOADED);
    assert_told(fixture, ""); /* nothing to call back for */
    assert_int_equal(fixture->owner.count, 2);
    assert_int_equal(uplink_counters(fixture->uplink)->refused, 1);
    uplink_destroy(&fixture->uplink, fixture->now);
    assert_told(fixture, "end of send #1 closed\nend of send #2 closed\n");

    fixture->settings.requests_max = 100;
    fixture->settings.request_bytes_max = 60;
    start(fixture);
    int taken = 0;
    while (request(fixture, "a") == 0) {
        taken++;
    }
    assert_in_range(taken, 1, 5);
    uplink_destroy(&fixture->uplink, fixture->now);
    fixture->settings.request_bytes_max = 1 << 20;
    start(fixture);
}

static void test_a_link_that_is_full_refuses_requests(void **state)
{
    struct fixture *fixture = *state;
    uplink_destroy(&fixture->uplink, fixture->now);
    fixture->settings.link.retained_max = 200;
    start(fixture);
    pass(fixture, 100, true);
    fixture->is_choked = true;
    int taken = 0;
    while (request(fixture, "a") == 0) {
        taken++;
        assert_in_range(taken, 0, 20);
    }
    assert_int_equal(fixture->owner.count, taken);
    assert_int_equal(uplink_counters(fixture->uplink)->refused, 1);
    fixture->is_choked = false;
    pass(fixture, 100, true);
    assert_int_equal(request(fixture, "a"), 0);
}

static void test_a_notification_that_does_not_fit_makes_the_edge_synchronise_anew(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {.type = BUS_LEAVE,
                                  .leave = {.room = text("r"), .entity = text("ann")}};
    uplink_destroy(&fixture->uplink, fixture->now);
    fixture->settings.link.retained_max = 100;
    start(fixture);
    pass(fixture, 100, true);
    fixture->is_choked = true;
    for (int i = 0; i < 10; i++) {
        uplink_notify(fixture->uplink, &message);
    }
    fixture->is_choked = false;
    buffer_clear(&fixture->upcalls);
    pass(fixture, 300, true);
    assert_told(fixture, "synchronise\n");
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
}

static void test_a_synchronisation_that_does_not_fit_is_tried_again_and_harms_nobody(void **state)
{
    struct fixture *fixture = *state;
    uplink_destroy(&fixture->uplink, fixture->now);
    fixture->settings.link.retained_max = 100;
    fixture->rooms = 50;
    start(fixture);
    request(fixture, "a");
    pass(fixture, 1000, true);
    fixture->rooms = 1;
    pass(fixture, 300, true);
    assert_true(uplink_is_ready(fixture->uplink, fixture->now));
    router_answers(fixture, 1);
    assert_int_equal(fixture->owner.count, 0);
}

static void test_notifications_are_not_kept_while_the_link_is_down(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {.type = BUS_LEAVE, .leave = {.room = text("r")}};
    uplink_notify(fixture->uplink, &message);
    pass(fixture, 50, true);
    assert_heard(&fixture->router, "sync_done 0\n");
}

static void ask_once_more(void *context, const struct uplink_outcome *outcome)
{
    struct fixture *fixture = context;
    struct bus_message message = {.type = BUS_HISTORY};
    on_answered(context, outcome);
    if (fixture->nested == 0) {
        fixture->nested = 1;
        uplink_request(fixture->same, &message, &message.history.request, ask_once_more, fixture,
                       NULL, fixture->now);
    }
}

static void test_an_outcome_may_make_the_next_request(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {.type = BUS_HISTORY};
    uplink_request(fixture->uplink, &message, &message.history.request, ask_once_more, fixture,
                   NULL, fixture->now);
    pass(fixture, 5000, true);
    assert_told(fixture, "end of history #1 overloaded\n");
    pass(fixture, 5000, true);
    assert_told(fixture, "end of history #2 overloaded\n");
    fixture->nested = 0;
    uplink_request(fixture->uplink, &message, &message.history.request, ask_once_more, fixture,
                   NULL, fixture->now);
    uplink_destroy(&fixture->uplink, fixture->now);
    assert_told(fixture, "end of history #3 closed\n");
    start(fixture);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

static void a_router_is_away_when_it_is_not_heard_for_longer_than_a_restart(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, UPLINK_AWAY_MS - 100, false);
    assert_false(uplink_is_ready(fixture->uplink, fixture->now));
    assert_false(uplink_is_away(fixture->uplink, fixture->now));
    pass(fixture, 200, false);
    assert_true(uplink_is_away(fixture->uplink, fixture->now));
    assert_int_equal(request(fixture, "a"), 0); /* who wants to wait may */
    pass(fixture, 1000, true);
    assert_false(uplink_is_away(fixture->uplink, fixture->now));
    pass(fixture, 60000, true);
    assert_false(uplink_is_away(fixture->uplink, fixture->now));
}

static void a_router_that_was_never_there_is_away_a_while_after_the_start(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, UPLINK_AWAY_MS, false);
    assert_false(uplink_is_away(fixture->uplink, fixture->now));
    pass(fixture, 100, false);
    assert_true(uplink_is_away(fixture->uplink, fixture->now));
}

static void error_at_deadline(void *context, const struct uplink_outcome *outcome)
{
    *(int *)context = outcome->error;
}

static void a_deadline_says_whether_the_router_was_there(void **state)
{
    struct fixture *fixture = *state;
    for (int connected = 0; connected <= 1; connected++) {
        struct bus_message message = {.type = BUS_HISTORY, .history = {.room = text("r")}};
        int error = 0;
        assert_int_equal(uplink_request(fixture->uplink, &message, &message.history.request,
                                        error_at_deadline, &error, NULL, fixture->now),
                         0);
        pass(fixture, 5100, connected == 1);
        assert_int_equal(error, connected == 1 ? ERROR_OVERLOADED : ERROR_ROUTER_AWAY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_router_is_away_when_it_is_not_heard_for_longer_than_a_restart, setup_open, teardown),
        cmocka_unit_test_setup_teardown(
            a_router_that_was_never_there_is_away_a_while_after_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_says_whether_the_router_was_there, setup_open,
                                        teardown),
        FRESH(test_it_is_ready_when_the_router_has_welcomed_it_and_lives),
        FRESH(test_after_welcome_come_rooms_then_sync_done_then_waiting_requests),
        OPEN(test_after_reset_a_new_link_is_opened_within_100_ms_or_so),
        OPEN(test_messages_that_answer_nothing_are_delivered),
        OPEN(test_frames_of_another_shape_are_counted_and_refused),
        OPEN(test_after_goodbye_no_link_is_opened_and_no_request_taken),
        OPEN(test_an_answer_ends_its_request_once),
        OPEN(test_every_kind_of_answer_finds_its_request),
        OPEN(test_an_answer_of_another_kind_is_no_answer),
        OPEN(test_a_request_without_an_answer_is_overloaded_at_its_deadline),
        FRESH(test_without_a_router_requests_end_within_their_deadline),
        OPEN(test_waiting_requests_are_repeated_on_a_new_link),
        OPEN(test_requests_of_a_forgotten_owner_go_on_and_end_forgotten),
        OPEN(test_joins_of_a_forgotten_owner_are_not_repeated_on_a_new_link),
        OPEN(test_a_waiting_request_s_context_is_found_by_number_and_kind),
        FRESH(test_beyond_its_limits_a_request_is_overloaded_at_once),
        FRESH(test_a_link_that_is_full_refuses_requests),
        FRESH(test_a_notification_that_does_not_fit_makes_the_edge_synchronise_anew),
        FRESH(test_a_synchronisation_that_does_not_fit_is_tried_again_and_harms_nobody),
        FRESH(test_notifications_are_not_kept_while_the_link_is_down),
        OPEN(test_an_outcome_may_make_the_next_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
