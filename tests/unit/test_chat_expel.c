/* The edge's side of closed rooms: whose doing a message is, and who is in a room no more. */
#include "tests/unit/recovery_fixture.h"

static void expel(struct chat_fixture *fixture, const char *room, const char *entity)
{
    struct bus_message message = {.type = BUS_EXPELLED,
                                  .expelled = {.room = text(room), .entity = text(entity)}};
    router_says(fixture, &message);
}

static void start_stream(struct chat_fixture *fixture)
{
    struct bus_message started = {.type = BUS_RUN,
                                  .run = {.room = text("r"),
                                          .state = BUS_RUN_STARTED,
                                          .agent = text("eliza"),
                                          .question = text(QUESTION),
                                          .reply = text(REPLY)}};
    router_says(fixture, &started);
}

static void say_chunk(struct chat_fixture *fixture, uint64_t index)
{
    struct bus_message chunk = {.type = BUS_CHUNK,
                                .chunk = {.room = text("r"),
                                          .reply = text(REPLY),
                                          .question = text(QUESTION),
                                          .agent = text("eliza"),
                                          .index = index,
                                          .offset = index,
                                          .attempt = 1,
                                          .text = text("a")}};
    router_says(fixture, &chunk);
}

static void test_all_its_sockets_are_out_and_nobody_else_s(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *tab = client_new(fixture, "ann"), *other = client_new(fixture, "ann");
    struct fake_websocket *bob = client_new(fixture, "bob");
    be_in(fixture, tab, "r", 0, "ann");
    be_in(fixture, other, "r", 0, "ann");
    be_in(fixture, bob, "r", 0, "ann,bob");
    be_in(fixture, tab, "s", 0, "ann");
    start_stream(fixture);
    buffer_clear(&tab->sent);
    buffer_clear(&other->sent);
    buffer_clear(&bob->sent);
    expel(fixture, "r", "ann");
    assert_got(tab,
               "42[\"room_left\",{\"channelId\":\"r\",\"roomId\":\"r\",\"reason\":\"removed\"}]\n");
    assert_events(other, "room_left");
    assert_events(bob, "");
    assert_heard(&fixture->router, ""); /* it knows: no leave */
    say_chunk(fixture, 0);
    router_broadcasts(fixture, "r", 1, "bob");
    router_broadcasts(fixture, "s", 1, "bob");
    assert_events(bob, "messageStreamChunk messageBroadcast");
    assert_events(tab, "messageBroadcast");
    assert_events(other, "");
    expel(fixture, "r", "ann"); /* once more, and where nobody is */
    expel(fixture, "nowhere", "ann");
    assert_events(tab, "");
}

static void test_the_last_one_takes_the_room_along(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    be_in(fixture, ann, "r", 0, "ann");
    expel(fixture, "r", "ann");
    assert_events(ann, "room_left");
    assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
}

static void test_who_follows_an_answer_from_outside_hears_no_more_of_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    client_says(
        fixture, ann,
        "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\",\"message\":\"hello\"}}]");
    router_accepts(fixture, 1, "r", 1, "ann", 1);
    assert_events(ann, "messageBroadcast messageAck");
    wait_for(fixture, 1100);
    expel(fixture, "s", "ann");
    expel(fixture, "r", "bob");
    assert_int_equal(chat_counters(fixture->chat)->watches, 1);
    say_chunk(fixture, 0);
    assert_events(ann, "messageStreamChunk");
    expel(fixture, "r", "ann");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    say_chunk(fixture, 1);
    assert_events(ann, "");
}

static void test_a_socket_that_is_being_recovered_is_not_then(void **state)
{
    struct chat_fixture *fixture = *state;
    struct bus_message cluster = {.type = BUS_CLUSTER, .cluster = {SECRET, true}};
    struct bus_message caught_up = {.type = BUS_CAUGHT_UP, .caught_up = {5}};
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct recovery_keys keys;
    char pid[RECOVERY_PID_LENGTH + 1], connect[256];
    assert_false(chat_has_closed_rooms(fixture->chat));
    router_says(fixture, &cluster);
    assert_true(chat_has_closed_rooms(fixture->chat));
    router_says(fixture, &caught_up);
    recovery_keys_init(&keys, SECRET);
    recovery_write_pid(&keys, SLICE_LITERAL(FORMER), pid);
    snprintf(connect, sizeof(connect), "40{\"entityId\":\"ann\",\"pid\":\"%s\"}", pid);
    struct fake_websocket *client = saying(fixture, connect);
    for (int i = 0; i < 2; i++) {
        struct bus_session_room room = {
            i == 0 ? text("r") : text("s"), text("ann"), text("Ann"), 3, 3, false};
        bus_list_add(&list, BUS_ELEMENT_SESSION_ROOM, &room);
    }
    struct bus_message recovered = {
        .type = BUS_RECOVERED,
        .recovered = {.request = last_heard(&fixture->router, BUS_RECOVER)->recover.request,
                      .entity = text("ann"),
                      .rooms = bus_list_of(&list)}};
    router_says(fixture, &recovered);
    uint64_t last = last_heard(&fixture->router, BUS_JOIN)->join.request;
    assert_true(slice_is(last_heard(&fixture->router, BUS_JOIN)->viewer, "ann"));
    router_joins(fixture, last - 1, "r", 0, "ann");
    expel(fixture, "r", "ann");
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "connection_established")); /* a new one, */
    assert_null(strstr(client->sent.data, FORMER));                       /* not the former */
    assert_int_equal(chat_counters(fixture->chat)->memberships, 0);
    buffer_deinit(&list.bytes);
}

/* --- viewers ---------------------------------------------------------------------------------- */

static void assert_viewer(struct chat_fixture *fixture, struct fake_websocket *client,
                          const char *packet, enum bus_type type, const char *viewer)
{
    client_says(fixture, client, packet);
    assert_true(slice_is(last_heard(&fixture->router, type)->viewer, viewer));
}

#define AS_BOB(type, member)                                                                       \
    "42[\"message\",{\"type\":" type ",\"payload\":{\"roomId\":\"r\",\"message\":\"m\",\"" member  \
    "\":\"bob\",\"action\":\"stop\",\"messageId\":\"" QUESTION "\",\"status\":\"read\"}}]"

static void test_who_has_said_who_it_is_is_that_and_a_guest_whom_it_names(void **state)
{
    static const struct {
        const char *packet;
        enum bus_type type;
    } events[] = {
        {AS_BOB("1", "entityId"), BUS_JOIN},
        {AS_BOB("2", "senderId"), BUS_SEND},
        {AS_BOB("3", "senderId"), BUS_SEND},
        {AS_BOB("4", "userId"), BUS_RECEIPT},
        {AS_BOB("6", "userId"), BUS_SIGNAL},
        {"42[\"typing\",{\"roomId\":\"r\",\"userId\":\"bob\",\"isTyping\":true}]", BUS_SIGNAL},
    };
    struct chat_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct fake_websocket *ann = client_new(fixture, "ann");
        struct fake_websocket *guest = client_with(fixture, "40");
        assert_viewer(fixture, ann, events[i].packet, events[i].type, "ann");
        assert_viewer(fixture, guest, events[i].packet, events[i].type, "bob");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_all_its_sockets_are_out_and_nobody_else_s),
        CHAT_TEST(test_the_last_one_takes_the_room_along),
        CHAT_TEST(test_who_follows_an_answer_from_outside_hears_no_more_of_it),
        CHAT_TEST(test_a_socket_that_is_being_recovered_is_not_then),
        CHAT_TEST(test_who_has_said_who_it_is_is_that_and_a_guest_whom_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
