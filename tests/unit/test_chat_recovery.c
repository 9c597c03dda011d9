/* The edge's side of recovering sockets: what clients are told, when, and in which order. */
#include "tests/unit/recovery_fixture.h"

/* --- coming back ------------------------------------------------------------------------------ */

static void all_rooms_are_complete_before_anything_is_told(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    assert_told(client, "");
    router_recovers(fixture, "r,s", false);
    assert_heard(&fixture->router, "recover #1\njoin #2 r ann since=position\n"
                                   "join #3 s ann since=position\n");
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.since_seq, 10);
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.socket.length, 0);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11, 14}, 2, 8);
    assert_told(client, "");
    /* Meanwhile, in the room that is there already; the other one has an older message. */
    broadcast_at(fixture, "r", 3, 19, "\"text\":\"live\"");
    struct bus_message typing = {
        .type = BUS_SIGNAL,
        .signal = {
            .room = text("r"), .kind = BUS_SIGNAL_TYPING, .entity = text("bob"), .is_on = true}};
    router_says(fixture, &typing);
    router_rejoins(fixture, join_number(fixture, 2), "s", (uint64_t[]){12, 18}, 2, 8);
    assert_told(client, "r11@11 s12@12 r14@14 s18@18 live@19 40{\"sid\" userTyping ");
    broadcast_at(fixture, "s", 3, 30, "\"text\":\"on\"");
    assert_told(client, "on@30 ");
    assert_int_equal(chat_counters(fixture->chat)->recovered, 1);
    assert_heard(&fixture->router, "");
}

static void say_run(struct chat_fixture *fixture, const char *words)
{
    struct bus_message started = {.type = BUS_RUN,
                                  .run = {.room = text("r"),
                                          .state = BUS_RUN_STARTED,
                                          .agent = text("eliza"),
                                          .question = text(QUESTION),
                                          .reply = text(REPLY)}};
    struct bus_message chunk = {.type = BUS_CHUNK,
                                .chunk = {.room = text("r"),
                                          .reply = text(REPLY),
                                          .question = text(QUESTION),
                                          .agent = text("eliza"),
                                          .attempt = 1,
                                          .text = text(words)}};
    router_says(fixture, &started);
    router_says(fixture, &chunk);
}

static void a_reply_that_came_meanwhile_has_no_pieces_behind_it(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 8);
    say_run(fixture, "why");
    struct bus_message reply = room_message("r", 2, "eliza");
    reply.room_message.id = text(REPLY);
    reply.room_message.in_reply_to = text(QUESTION);
    reply.room_message.position = 19;
    router_says(fixture, &reply);
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "hi@19 40{\"sid\" thinking controlMessage thinking messageComplete "
                        "controlMessage ");
}

static void a_reply_that_is_being_written_comes_with_its_text_so_far(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 8);
    say_run(fixture, "why");
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "40{\"sid\" thinking controlMessage messageStreamChunk@20 ");
}

static void what_was_held_for_who_asked_outside_does_not_lead_back(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    be_in(fixture, client, "s", 0, "ann");
    client_says(fixture, client,
                "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\",\"message\":\"?\"}}]");
    router_accepts(fixture, 2, "r", 1, "ann", 1);
    say_run(fixture, "why");
    broadcast_at(fixture, "s", 1, 30, "\"text\":\"hi\"");
    buffer_clear(&client->sent);
    wait_for(fixture, 1000);
    assert_told(client, "messageStreamChunk ");
}

/* A page that is loaded again: the new connection is there before the end of the former one. */
static void a_socket_that_is_taken_over_has_not_ended(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    char pid[RECOVERY_PID_LENGTH + 1], connect[256];
    struct recovery_keys keys;
    struct fake_websocket *former = saying(fixture, "40{\"entityId\":\"ann\"}");
    recovery_keys_init(&keys, SECRET);
    recovery_write_pid(&keys, last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket,
                       pid);
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%s\"}", pid);
    saying(fixture, connect);
    assert_heard(&fixture->router, "session_open ann\nrecover #1\n");
    client_lost(fixture, former);
    assert_heard(&fixture->router, "");
}

static void it_is_the_same_socket_again(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    char expected[256];
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "", false);
    snprintf(expected, sizeof(expected), "40{\"sid\":\"" FORMER "\",\"pid\":\"%s\"}\n",
             former_pid());
    assert_got(client, expected);
    buffer_clear(&fixture->router.lines);
    be_in(fixture, client, "r", 0, "ann");
    assert_true(slice_is(last_heard(&fixture->router, BUS_JOIN)->join.socket, FORMER));
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
    assert_true(
        slice_is(last_heard(&fixture->router, BUS_SESSION_END)->session_end.socket, FORMER));
}

static void rooms_whose_presence_changed_are_told_of_afterwards(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 9);
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_told(client, "r11@11 40{\"sid\" room_joined@20 ");
}

static void before_the_first_event_its_rooms_begin_where_it_joined(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, NULL);
    router_recovers(fixture, "r", false);
    assert_int_equal(last_heard(&fixture->router, BUS_JOIN)->join.since_seq, 3);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){4}, 1, 1);
    assert_told(client, "r4@4 40{\"sid\" room_joined@20 ");
}

static void a_replay_that_was_cut_short_is_not_passed_over(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 2));
    router_recovers(fixture, "r", true); /* joined with since, at stamp 3: not seen whole */
    assert_told(client, "40{\"sid\" authenticated@5 connection_established@5 ");
    client = coming_back(fixture, offset_of(10, 3));
    router_recovers(fixture, "r", true);
    router_rejoins(fixture, join_number(fixture, 1), "r", NULL, 0, 1);
    assert_told(client, "40{\"sid\" ");
}

/* --- not coming back -------------------------------------------------------------------------- */

#define NEW_SOCKET "40{\"sid\" authenticated@5 connection_established@5 "

static void what_is_forged_reaches_no_router(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    static const char *const offsets[] = {"", "~", "AAAAAAAAAAAAAAAAAAAAAAAA",
                                          "\\u0000AAAAAAAAAAAAAAAAAAAAAAA"};
    char connect[512];
    for (size_t i = 1; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        assert_told(coming_back(fixture, offsets[i]), NEW_SOCKET);
    }
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%.45s%c\"}", former_pid(),
             former_pid()[45] == 'A' ? 'B' : 'A');
    assert_told(saying(fixture, connect), NEW_SOCKET);
    assert_told(saying(fixture, "40{\"entityId\":\"ann\",\"pid\":\"short\"}"), NEW_SOCKET);
    assert_told(saying(fixture, "40{\"entityId\":\"ann\",\"pid\":[],\"offset\":{}}"), NEW_SOCKET);
    assert_heard(&fixture->router, "session_open ann\nsession_open ann\nsession_open ann\n"
                                   "session_open ann\nsession_open ann\nsession_open ann\n");
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_FORGED], 5);
}

static void whoever_is_refused_is_new_and_leaves_nothing(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    buffer_clear(&fixture->router.lines);
    struct bus_message incomplete = {
        .type = BUS_JOINED,
        .joined = {
            .request = join_number(fixture, 2), .room = text("s"), .epoch = EPOCH, .last_seq = 9}};
    router_says(fixture, &incomplete);
    assert_told(client, "40{\"sid\" authenticated@20 connection_established@20 ");
    assert_heard(&fixture->router, "leave r ann\nleave s ann\nsession_end explicit\n"
                                   "session_open ann\n");
    assert_int_equal(chat_counters(fixture->chat)->memberships, 0);
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_INCOMPLETE], 1);
}

static void another_s_socket_is_left_alone(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    uint64_t request = last_heard(&fixture->router, BUS_RECOVER)->recover.request;
    struct bus_message refused = {.type = BUS_RECOVERED,
                                  .recovered = {.request = request, .error = ERROR_IDENTITY}};
    buffer_clear(&fixture->router.lines);
    router_says(fixture, &refused);
    assert_told(client, NEW_SOCKET);
    assert_heard(&fixture->router, "session_open ann\n"); /* nobody's session ends by that */
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_FORBIDDEN], 1);
}

static void a_router_that_does_not_answer_is_not_waited_for(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    fixture->is_cut = true;
    wait_for(fixture, 4900);
    assert_told(client, "");
    wait_for(fixture, 200);
    assert_told(client, NEW_SOCKET);
    assert_int_equal(chat_counters(fixture->chat)->recoveries_refused[CHAT_RECOVERY_LATE], 1);
}

static void a_client_that_goes_meanwhile_may_come_back_once_more(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    buffer_clear(&fixture->router.lines);
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
    /* Its other join is answered to nobody, and taken back. */
    router_rejoins(fixture, join_number(fixture, 2), "s", NULL, 0, 8);
    assert_heard(&fixture->router, "leave s ann\n");
}

static void a_new_router_is_asked_anew(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r,s", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    replace_router(fixture);
    say_cluster(fixture);
    buffer_clear(&fixture->router.lines);
    say_caught_up(fixture, 12);
    assert_told(client, "");
    router_recovers(fixture, "r", false);
    router_rejoins(fixture, join_number(fixture, 1), "r", (uint64_t[]){11}, 1, 8);
    assert_told(client, "r11@11 40{\"sid\" ");
}

static void a_socket_that_goes_on_elsewhere_is_closed_here(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"bob\"}");
    struct slice id = last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket;
    struct bus_message taken = {.type = BUS_SESSION_TAKEN, .session_taken = {id}};
    router_says(fixture, &taken);
    assert_null(client->websocket.session);
    /* One that was recovered has another id than its session. */
    client = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "", false);
    taken.session_taken.socket = SLICE_LITERAL(FORMER);
    router_says(fixture, &taken);
    assert_null(client->websocket.session);
    router_says(fixture, &taken);
    taken.session_taken.socket = SLICE_LITERAL("x");
    router_says(fixture, &taken);
}

static void of_two_that_come_back_as_one_the_last_stays(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct bus_message taken = {.type = BUS_SESSION_TAKEN,
                                .session_taken = {SLICE_LITERAL(FORMER)}};
    struct fake_websocket *first = coming_back(fixture, offset_of(10, 8));
    router_recovers(fixture, "r", false);
    struct fake_websocket *second = coming_back(fixture, offset_of(10, 8));
    buffer_clear(&fixture->router.lines);
    router_says(fixture, &taken);
    assert_null(first->websocket.session);
    assert_heard(&fixture->router, ""); /* the row is the second one's now */
    router_recovers(fixture, "", false);
    assert_told(second, "40{\"sid\" ");
    first = coming_back(fixture, offset_of(10, 8));
    router_says(fixture, &taken);
    assert_null(second->websocket.session);
    router_recovers(fixture, "", false);
    assert_told(first, "40{\"sid\" ");
    assert_heard(&fixture->router, "recover #4\n");
}

static void before_the_cluster_is_known_a_client_waits(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = coming_back(fixture, offset_of(10, 8));
    /* This cluster has said nothing of recovering anybody. */
    assert_told(client, "40{\"sid\" authenticated connection_established ");
    fixture->is_cut = true;
    wait_for(fixture, 4000);
    client = coming_back(fixture, offset_of(10, 8));
    assert_told(client, "");
    fixture->is_cut = false;
    replace_router(fixture);
    say_cluster(fixture);
    say_caught_up(fixture, 5);
    router_recovers(fixture, "", false);
    assert_told(client, "40{\"sid\" ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(all_rooms_are_complete_before_anything_is_told),
        CHAT_TEST(a_reply_that_came_meanwhile_has_no_pieces_behind_it),
        CHAT_TEST(a_reply_that_is_being_written_comes_with_its_text_so_far),
        CHAT_TEST(what_was_held_for_who_asked_outside_does_not_lead_back),
        CHAT_TEST(a_socket_that_is_taken_over_has_not_ended),
        CHAT_TEST(it_is_the_same_socket_again),
        CHAT_TEST(rooms_whose_presence_changed_are_told_of_afterwards),
        CHAT_TEST(before_the_first_event_its_rooms_begin_where_it_joined),
        CHAT_TEST(a_replay_that_was_cut_short_is_not_passed_over),
        CHAT_TEST(what_is_forged_reaches_no_router),
        CHAT_TEST(whoever_is_refused_is_new_and_leaves_nothing),
        CHAT_TEST(another_s_socket_is_left_alone),
        CHAT_TEST(a_router_that_does_not_answer_is_not_waited_for),
        CHAT_TEST(a_client_that_goes_meanwhile_may_come_back_once_more),
        CHAT_TEST(a_new_router_is_asked_anew),
        CHAT_TEST(a_socket_that_goes_on_elsewhere_is_closed_here),
        CHAT_TEST(of_two_that_come_back_as_one_the_last_stays),
        CHAT_TEST(before_the_cluster_is_known_a_client_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
