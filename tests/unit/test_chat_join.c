#include "tests/unit/chat_fixture.h"

#define JOIN(payload) "42[\"message\",{\"type\":1,\"payload\":" payload "}]"
#define JOIN_ACK(payload) "425[\"message\",{\"type\":1,\"payload\":" payload "}]"

static const char *id_of(struct fake_websocket *client)
{
    static char id[64];
    const char *at = strstr(client->sent.data, "\"sid\":\"");
    assert_non_null(at);
    snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 7, "\""), at + 7);
    return id;
}

/* --- connecting ------------------------------------------------------------------------------ */

static void test_a_client_is_told_who_it_is_and_where(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_with(fixture, "40{\"entityId\":\"a\\\"nn\"}");
    char expected[512];
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    const char *id = id_of(client);
    snprintf(expected, sizeof(expected),
             "40{\"sid\":\"%s\"}\n"
             "42[\"authenticated\",{\"entityId\":\"a\\\"nn\",\"timestamp\":1790000000000}]\n"
             "42[\"connection_established\",{\"message\":\"Connected to Eliza Socket.IO server\","
             "\"socketId\":\"%s\",\"edge\":\"edge-1\"}]\n",
             id, id);
    assert_got(client, expected);
}

static void test_who_says_nothing_usable_of_itself_is_a_guest_with_a_uuid(void **state)
{
    static const char *const auths[] = {"40",
                                        "40{}",
                                        "40{\"entityId\":\"\"}",
                                        "40{\"entityId\":5}",
                                        "40{\"entityId\":null}",
                                        "40{\"entityId\":\"a\\u0000b\"}"};
    struct chat_fixture *fixture = *state;
    char longest[400];
    for (size_t i = 0; i < 7; i++) {
        snprintf(longest, sizeof(longest), "40{\"entityId\":\"%0257d\"}", 0);
        struct fake_websocket *client = client_with(fixture, i < 6 ? auths[i] : longest);
        buffer_append_char(&client->sent, '\0');
        const char *entity = strstr(client->sent.data, "\"entityId\":\"");
        assert_non_null(entity);
        assert_true(uuid_is_valid(slice_of(entity + 12, UUID_TEXT_LENGTH)));
        assert_int_equal(entity[12 + UUID_TEXT_LENGTH], '"');
    }
    snprintf(longest, sizeof(longest), "40{\"entityId\":\"%0256d\"}", 0);
    struct fake_websocket *client = client_with(fixture, longest);
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "\"entityId\":\"0000"));
}

static void test_another_namespace_is_refused(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_with(fixture, "40/admin,{}");
    assert_got(client, "44/admin,{\"message\":\"Invalid namespace\"}\n");
    client_says(fixture, client, "40");
    assert_false(client->is_closed);
}

/* --- joining --------------------------------------------------------------------------------- */

static void test_a_join_is_answered_when_the_router_has_recorded_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_with(fixture, "40{\"entityId\":\"ann\"}");
    char id[64], expected[1024];
    buffer_append_char(&client->sent, '\0');
    snprintf(id, sizeof(id), "%s", id_of(client));
    buffer_clear(&client->sent);
    client_says(fixture, client,
                JOIN_ACK("{\"channelId\":\"r\",\"displayName\":\"Ann\",\"agentId\":\"eliza\"}"));
    assert_heard(&fixture->router, "join #1 r ann\n");
    const struct bus_message *join = last_heard(&fixture->router, BUS_JOIN);
    assert_true(slice_is(join->join.name, "Ann"));
    assert_int_not_equal(join->trace, 0);
    assert_got(client, "");
    router_joins(fixture, 1, "r", 41, "ann,bob");
    snprintf(expected, sizeof(expected),
             "42[\"channel_joined\",{\"message\":\"Socket %s successfully joined channel r.\","
             "\"channelId\":\"r\",\"roomId\":\"r\",\"agentId\":\"eliza\"}]\n",
             id);
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "\"userId\":\"ann\",\"displayName\":\"N\""));
    assert_non_null(strstr(client->sent.data, "\"seq\":41"));
    client->sent.length--;
    char *room_joined = strstr(client->sent.data, "42[\"room_joined\"");
    assert_non_null(room_joined);
    assert_non_null(strstr(room_joined, "\"serverId\":\"server\""));
    assert_non_null(strstr(room_joined, "\"messageServerId\":\"server\""));
    assert_non_null(strstr(room_joined, "\"epoch\":7"));
    assert_non_null(strstr(room_joined, "\"memberCount\":2"));
    assert_non_null(strstr(room_joined, "{\"userId\":\"bob\",\"displayName\":\"N\"}]"));
    assert_non_null(strstr(room_joined, "435[{\"message\":"));
    assert_non_null(strstr(room_joined, "\"success\":true}]"));
    assert_memory_equal(client->sent.data, expected, strlen(expected) - 1);
    assert_events(client, "channel_joined room_joined ack");
    assert_int_equal(chat_counters(fixture->chat)->rooms, 1);
    assert_int_equal(chat_counters(fixture->chat)->joins, 1);
}

static void test_old_clients_join_with_an_event_named_1(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, "42[\"1\",{\"roomId\":\"r\",\"entityId\":\"bob\"}]");
    client_says(fixture, client, "42[1,{\"roomId\":\"q\"}]");
    client_says(fixture, client, "42[\"message\",{\"type\":\"1\",\"payload\":{\"roomId\":\"s\"}}]");
    assert_heard(&fixture->router, "join #1 r bob\njoin #2 q ann\njoin #3 s ann\n");
}

static void test_a_faulty_join_is_refused_with_its_field_and_goes_nowhere(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN_ACK("{\"roomId\":5}"));
    assert_got(client, "42[\"messageError\",{\"error\":\"The payload is malformed\",\"code\":"
                       "\"malformed\",\"field\":\"roomId\"}]\n"
                       "435[{\"success\":false,\"error\":\"The payload is malformed\",\"code\":"
                       "\"malformed\",\"field\":\"roomId\"}]\n");
    client_says(fixture, client, "426[\"1\",\"r\"]");
    assert_events(client, "messageError ack");
    assert_heard(&fixture->router, "");
    assert_int_equal(chat_counters(fixture->chat)->refused, 2);
}

static void test_a_socket_may_be_in_so_many_rooms_and_ask_so_much_at_once(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r1", 0, "ann");
    be_in(fixture, client, "r2", 0, "ann");
    be_in(fixture, client, "r3", 0, "ann");
    be_in(fixture, client, "r4", 0, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r5\"}"));
    assert_got(client, "42[\"messageError\",{\"error\":\"A configured limit is reached\",\"code\":"
                       "\"limit_reached\",\"field\":\"roomId\",\"retryAfterMs\":1000}]\n");
    for (int i = 0; i < 6; i++) {
        client_says(fixture, client, JOIN("{\"roomId\":\"r1\"}")); /* one it is in */
    }
    assert_got(client, "");
    client_says(fixture, client, JOIN_ACK("{\"roomId\":\"r1\"}"));
    assert_got(client,
               "42[\"messageError\",{\"error\":\"The cluster is overloaded, try again\",\"code\":"
               "\"overloaded\",\"retryAfterMs\":1000}]\n"
               "435[{\"success\":false,\"error\":\"The cluster is overloaded, try again\","
               "\"code\":\"overloaded\",\"retryAfterMs\":1000}]\n");
}

static void test_rooms_that_a_socket_waits_for_count_as_its_rooms(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r1", 0, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r2\"}"));
    client_says(fixture, client, JOIN("{\"roomId\":\"r3\"}"));
    client_says(fixture, client, JOIN("{\"roomId\":\"r3\"}")); /* the same once more */
    client_says(fixture, client, JOIN("{\"roomId\":\"r4\"}"));
    assert_got(client, "");
    client_says(fixture, client, JOIN("{\"roomId\":\"r5\"}"));
    assert_got(client, "42[\"messageError\",{\"error\":\"A configured limit is reached\",\"code\":"
                       "\"limit_reached\",\"field\":\"roomId\",\"retryAfterMs\":1000}]\n");
    client_says(fixture, client, JOIN("{\"roomId\":\"r4\"}"));
    assert_got(client, "");
}

static void test_a_join_that_the_router_refuses_is_refused(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN_ACK("{\"roomId\":\"r\"}"));
    struct bus_message message = {
        .type = BUS_JOINED,
        .joined = {.request = 1, .error = ERROR_LIMIT, .room = SLICE_LITERAL("r")}};
    assert_heard(&fixture->router, "join #1 r ann\n");
    router_says(fixture, &message);
    assert_events(client, "messageError ack");
    assert_heard(&fixture->router, ""); /* nothing was counted: nothing to take back */
    assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
}

static void test_without_the_router_a_join_is_overloaded_at_its_deadline(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    fixture->is_cut = true;
    client_says(fixture, client, JOIN_ACK("{\"roomId\":\"r\"}"));
    wait_for(fixture, 5000);
    assert_events(client, "messageError ack");
    fixture->is_cut = false; /* it read the join after all: it is taken back */
    wait_for(fixture, 600);
    assert_heard(&fixture->router, "join #1 r ann\nleave r ann #1\n");
}

/* --- joining again --------------------------------------------------------------------------- */

static void test_a_join_again_counts_no_second_connection(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 3, "ann");
    client_says(fixture, client, JOIN_ACK("{\"roomId\":\"r\"}"));
    router_joins(fixture, 2, "r", 3, "ann");
    assert_events(client, "channel_joined room_joined ack");
    assert_heard(&fixture->router, "join #2 r ann\nleave r ann\n");
    assert_int_equal(chat_counters(fixture->chat)->memberships, 1);
    router_broadcasts(fixture, "r", 4, "bob");
    assert_events(client, "messageBroadcast");
}

static void test_two_joins_at_once_count_one_connection(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\"}"));
    client_says(fixture, client, JOIN("{\"roomId\":\"r\"}"));
    router_joins(fixture, 1, "r", 0, "ann");
    router_joins(fixture, 2, "r", 0, "ann");
    assert_heard(&fixture->router, "join #1 r ann\njoin #2 r ann\nleave r ann\n");
    client_says(fixture, client, "41");
    assert_heard(&fixture->router, "leave r ann explicit\n");
}

static void test_the_same_socket_as_somebody_else_leaves_as_the_former(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 3, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"entityId\":\"bob\"}"));
    assert_heard(&fixture->router, "join #2 r bob\n");
    router_joins(fixture, 2, "r", 5, "ann,bob");
    assert_heard(&fixture->router, "leave r ann explicit\n");
    assert_int_equal(chat_counters(fixture->chat)->memberships, 1);
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r bob\n");
}

static void test_a_socket_is_in_two_rooms_under_two_names(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 0, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"q\",\"entityId\":\"bob\"}"));
    router_joins(fixture, 2, "q", 0, "bob");
    buffer_clear(&client->sent);
    router_broadcasts(fixture, "r", 1, "x");
    router_broadcasts(fixture, "q", 1, "x");
    assert_events(client, "messageBroadcast messageBroadcast");
    client_lost(fixture, client);
    assert_heard(&fixture->router, "join #2 q bob\nleave r ann\nleave q bob\n");
}

/* --- leaving --------------------------------------------------------------------------------- */

static void test_who_means_to_go_is_gone_at_once(void **state)
{
    static const char *const ways[] = {"41", "1"}; /* DISCONNECT, or closing the session */
    struct chat_fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        struct fake_websocket *client = client_new(fixture, "ann");
        be_in(fixture, client, "r", 0, "ann");
        client_says(fixture, client, ways[i]);
        assert_heard(&fixture->router, "leave r ann explicit\n");
        assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
    }
}

static void test_a_lost_connection_says_how_long_it_had_been_silent(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct fake_websocket *silent = client_new(fixture, "bob");
    be_in(fixture, client, "r", 0, "ann");
    be_in(fixture, silent, "r", 0, "ann,bob");
    wait_for(fixture, 10000);
    client_lost(fixture, client); /* its end was its last sign of life */
    assert_heard(&fixture->router, "leave r ann\n");
    assert_int_equal(last_heard(&fixture->router, BUS_LEAVE)->leave.silence, 0);
    wait_for(fixture, 40000); /* no pong came */
    assert_heard(&fixture->router, "leave r bob\n");
    /* The first ping may come a quarter of its interval early. */
    assert_in_range(last_heard(&fixture->router, BUS_LEAVE)->leave.silence, 38750, 46000);
}

static void test_the_last_one_of_a_room_is_said_to_be(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann"), *bob = client_new(fixture, "bob");
    be_in(fixture, ann, "r", 0, "ann");
    be_in(fixture, bob, "r", 0, "ann,bob");
    client_lost(fixture, ann);
    assert_false(last_heard(&fixture->router, BUS_LEAVE)->leave.is_last);
    client_lost(fixture, bob);
    assert_true(last_heard(&fixture->router, BUS_LEAVE)->leave.is_last);
    struct fake_websocket *cat = client_new(fixture, "cat");
    client_says(fixture, cat, JOIN("{\"roomId\":\"r\"}"));
    client_lost(fixture, cat);
    router_joins(fixture, last_heard(&fixture->router, BUS_JOIN)->join.request, "r", 0, "cat");
    assert_true(last_heard(&fixture->router, BUS_LEAVE)->leave.is_last);
}

static void test_a_socket_that_goes_while_it_joins_is_taken_out_again(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\"}"));
    client_lost(fixture, client);
    assert_heard(&fixture->router, "join #1 r ann\n");
    router_joins(fixture, 1, "r", 0, "ann");
    assert_heard(&fixture->router, "leave r ann\n");
    assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
}

static void
test_a_socket_that_goes_while_the_router_is_silent_is_taken_out_at_the_deadline(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\"}"));
    client_lost(fixture, client);
    wait_for(fixture, 5000);
    assert_heard(&fixture->router, "join #1 r ann\nleave r ann #1\n");
}

/* --- since ----------------------------------------------------------------------------------- */

static void test_since_goes_to_the_router_as_what_it_is(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"since\":12,\"sinceEpoch\":7}"));
    const struct bus_join *join = &last_heard(&fixture->router, BUS_JOIN)->join;
    assert_int_equal(join->since, BUS_SINCE_SEQ);
    assert_int_equal(join->since_seq, 12);
    assert_int_equal(join->since_epoch, 7);
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"since\":\"" QUESTION "\"}"));
    join = &last_heard(&fixture->router, BUS_JOIN)->join;
    assert_int_equal(join->since, BUS_SINCE_ID);
    assert_true(slice_is(join->since_id, QUESTION));
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"since\":1790000000001}"));
    join = &last_heard(&fixture->router, BUS_JOIN)->join;
    assert_int_equal(join->since, BUS_SINCE_TIME);
    assert_int_equal(join->since_time, 1790000000001);
}

static void test_what_was_missed_comes_after_room_joined_and_is_marked(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_stored_message stored[] = {{.id = text("i1"),
                                           .seq = 3,
                                           .created_at = 1,
                                           .sender = text("bob"),
                                           .client_message_id = text("b1"),
                                           .body = text("\"text\":\"one\"")},
                                          {.id = text("i2"),
                                           .seq = 4,
                                           .created_at = 2,
                                           .sender = text("ann"),
                                           .client_message_id = text("a1"),
                                           .body = text("\"text\":\"two\"")},
                                          {.id = text("i3"),
                                           .seq = 5,
                                           .created_at = 3,
                                           .sender = text("ann"),
                                           .client_message_id = text("~minted"),
                                           .body = text("\"text\":\"three\"")}};
    for (size_t i = 0; i < 3; i++) {
        bus_list_add(&list, BUS_ELEMENT_STORED, &stored[i]);
    }
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"since\":2}"));
    struct bus_message message = {.type = BUS_JOINED,
                                  .joined = {.request = 1,
                                             .room = text("r"),
                                             .epoch = EPOCH,
                                             .last_seq = 5,
                                             .replay_complete = true,
                                             .replay = bus_list_of(&list)}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    assert_non_null(strstr(client->sent.data, "\"replay\":{\"count\":3,\"complete\":true}"));
    char *replay = strstr(client->sent.data, "42[\"messageBroadcast\"");
    assert_non_null(replay);
    buffer_consume(&client->sent, (size_t)(replay - client->sent.data));
    assert_got(client,
               "42[\"messageBroadcast\",{\"id\":\"i1\",\"seq\":3,\"epoch\":7,\"createdAt\":1,"
               "\"text\":\"one\",\"replay\":true}]\n"
               "42[\"messageBroadcast\",{\"id\":\"i2\",\"seq\":4,\"epoch\":7,\"createdAt\":2,"
               "\"text\":\"two\",\"replay\":true,\"clientMessageId\":\"a1\"}]\n"
               "42[\"messageBroadcast\",{\"id\":\"i3\",\"seq\":5,\"epoch\":7,\"createdAt\":3,"
               "\"text\":\"three\",\"replay\":true}]\n");
    router_broadcasts(fixture, "r", 6, "bob");
    assert_events(client, "messageBroadcast");
}

static void test_a_replay_that_is_not_complete_says_so_and_brings_nothing(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, JOIN("{\"roomId\":\"r\",\"since\":\"unknown\"}"));
    struct bus_message message = {
        .type = BUS_JOINED,
        .joined = {.request = 1, .room = text("r"), .epoch = EPOCH, .last_seq = 5}};
    router_says(fixture, &message);
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    assert_non_null(strstr(client->sent.data, "\"replay\":{\"count\":0,\"complete\":false}"));
    assert_events(client, "channel_joined room_joined");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_a_client_is_told_who_it_is_and_where),
        CHAT_TEST(test_who_says_nothing_usable_of_itself_is_a_guest_with_a_uuid),
        CHAT_TEST(test_another_namespace_is_refused),
        CHAT_TEST(test_a_join_is_answered_when_the_router_has_recorded_it),
        CHAT_TEST(test_old_clients_join_with_an_event_named_1),
        CHAT_TEST(test_a_faulty_join_is_refused_with_its_field_and_goes_nowhere),
        CHAT_TEST(test_a_socket_may_be_in_so_many_rooms_and_ask_so_much_at_once),
        CHAT_TEST(test_rooms_that_a_socket_waits_for_count_as_its_rooms),
        CHAT_TEST(test_a_join_that_the_router_refuses_is_refused),
        CHAT_TEST(test_without_the_router_a_join_is_overloaded_at_its_deadline),
        CHAT_TEST(test_a_join_again_counts_no_second_connection),
        CHAT_TEST(test_two_joins_at_once_count_one_connection),
        CHAT_TEST(test_the_same_socket_as_somebody_else_leaves_as_the_former),
        CHAT_TEST(test_a_socket_is_in_two_rooms_under_two_names),
        CHAT_TEST(test_who_means_to_go_is_gone_at_once),
        CHAT_TEST(test_a_lost_connection_says_how_long_it_had_been_silent),
        CHAT_TEST(test_the_last_one_of_a_room_is_said_to_be),
        CHAT_TEST(test_a_socket_that_goes_while_it_joins_is_taken_out_again),
        CHAT_TEST(test_a_socket_that_goes_while_the_router_is_silent_is_taken_out_at_the_deadline),
        CHAT_TEST(test_since_goes_to_the_router_as_what_it_is),
        CHAT_TEST(test_what_was_missed_comes_after_room_joined_and_is_marked),
        CHAT_TEST(test_a_replay_that_is_not_complete_says_so_and_brings_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
