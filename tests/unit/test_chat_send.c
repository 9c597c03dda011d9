#include "tests/unit/chat_fixture.h"

#define SEND(members) "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\"," members "}}]"
#define SEND_ACK(members) "425[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\"," members "}}]"
#define HELLO "\"message\":\"hello\""
#define ACK_MEMBERS                                                                                \
    "\"messageId\":\"" QUESTION "\",\"status\":\"received_by_server_and_processing\","             \
    "\"channelId\":\"r\",\"roomId\":\"r\",\"seq\":1,\"epoch\":7"
#define BROADCAST "{\"id\":\"" QUESTION "\",\"seq\":1,\"epoch\":7,\"createdAt\":5,\"text\":\"hi\""

/* --- a send and its answer ------------------------------------------------------------------- */

static void test_a_send_goes_to_the_router_with_the_body_of_its_broadcast(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client,
                SEND(HELLO ",\"messageId\":\"m1\",\"senderName\":\"Ann\",\"serverId\":\"s\","
                           "\"source\":\"web\",\"attachments\":[{\"n\":1}],"
                           "\"metadata\":{\"isDm\":true}"));
    assert_heard(&fixture->router, "send #1 r ann m1 asks\n");
    const struct bus_message *message = last_heard(&fixture->router, BUS_SEND);
    const struct bus_send *send = &message->send;
    assert_int_not_equal(message->trace, 0);
    assert_true(slice_is(send->server_id, "s"));
    assert_true(slice_is(send->channel_type, "DM"));
    assert_true(slice_is(send->channel_metadata, "{\"isDm\":true}"));
    assert_true(slice_is(send->body,
                         "\"senderId\":\"ann\",\"senderName\":\"Ann\",\"text\":\"hello\","
                         "\"roomId\":\"r\",\"channelId\":\"r\",\"serverId\":\"s\","
                         "\"messageServerId\":\"s\",\"source\":\"web\","
                         "\"attachments\":[{\"n\":1}],\"metadata\":{\"isDm\":true}"));
    assert_got(client, ""); /* nothing before the router has committed it */
}

static void test_a_sender_in_the_room_gets_its_copy_then_the_acknowledgement(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct fake_websocket *other = client_new(fixture, "bob");
    be_in(fixture, client, "r", 0, "ann");
    be_in(fixture, other, "r", 0, "ann,bob");
    buffer_clear(&client->sent);
    client_says(fixture, client, SEND_ACK(HELLO ",\"messageId\":\"m1\""));
    router_accepts(fixture, 3, "r", 1, "ann", 1);
    assert_got(client, "42[\"messageBroadcast\"," BROADCAST ",\"clientMessageId\":\"m1\"}]\n"
                       "42[\"messageAck\",{\"clientMessageId\":\"m1\"," ACK_MEMBERS "}]\n"
                       "435[{\"clientMessageId\":\"m1\"," ACK_MEMBERS ",\"success\":true}]\n");
    assert_got(other, "42[\"messageBroadcast\"," BROADCAST "}]\n");
}

static void test_another_tab_of_the_sender_gets_a_copy_like_everybody(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct fake_websocket *tab = client_new(fixture, "ann");
    be_in(fixture, client, "r", 0, "ann");
    be_in(fixture, tab, "r", 0, "ann");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    router_accepts(fixture, 3, "r", 1, "ann", 0);
    assert_got(tab, "42[\"messageBroadcast\"," BROADCAST "}]\n");
    assert_events(client, "messageBroadcast messageAck");
}

static void test_a_sender_outside_the_room_gets_its_own_copy_too(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    router_accepts(fixture, 1, "r", 1, "ann", 0);
    assert_got(client, "42[\"messageBroadcast\"," BROADCAST ",\"clientMessageId\":\"m1\"}]\n"
                       "42[\"messageAck\",{\"clientMessageId\":\"m1\"," ACK_MEMBERS "}]\n");
    router_broadcasts(fixture, "r", 2, "bob"); /* not its room */
    assert_got(client, "");
}

static void test_without_an_id_of_its_own_a_message_gets_one_that_is_not_shown(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND_ACK(HELLO));
    client_says(fixture, client, SEND(HELLO));
    assert_heard(&fixture->router, "send #1 r ann ~ asks\nsend #2 r ann ~ asks\n");
    const struct heard *second = fixture->router.heard;
    assert_false(
        slice_equals(second->message.send.message_id, second->next->message.send.message_id));
    router_accepts(fixture, 1, "r", 1, "ann", 0);
    assert_got(client, "42[\"messageBroadcast\"," BROADCAST "}]\n"
                       "42[\"messageAck\",{" ACK_MEMBERS "}]\n"
                       "435[{" ACK_MEMBERS ",\"success\":true}]\n");
}

static void test_type_3_asks_nobody_and_old_names_of_events_are_known(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client,
                "42[\"message\",{\"type\":3,\"payload\":{\"roomId\":\"r\"," HELLO "}}]");
    client_says(fixture, client, "42[\"2\",{\"channelId\":\"r\",\"senderId\":\"x\"," HELLO "}]");
    client_says(fixture, client, "42[2,{\"channel_id\":\"r\",\"text\":\"t\"}]");
    assert_heard(&fixture->router, "send #1 r ann ~\nsend #2 r x ~ asks\nsend #3 r ann ~ asks\n");
}

static void test_metadata_goes_along_only_to_a_room_that_may_be_made_by_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 0, "ann");
    client_says(fixture, client, SEND(HELLO ",\"metadata\":{\"a\":1}"));
    assert_int_equal(last_heard(&fixture->router, BUS_SEND)->send.channel_metadata.length, 0);
    assert_true(slice_is(last_heard(&fixture->router, BUS_SEND)->send.channel_type, "GROUP"));
}

static void test_a_duplicate_is_a_success_that_says_so(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND_ACK(HELLO ",\"messageId\":\"m1\""));
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.is_duplicate = true;
    router_says(fixture, &done);
    assert_got(client, "42[\"messageAck\",{\"clientMessageId\":\"m1\"," ACK_MEMBERS
                       ",\"duplicate\":true}]\n"
                       "435[{\"clientMessageId\":\"m1\"," ACK_MEMBERS
                       ",\"duplicate\":true,\"success\":true}]\n");
}

static void test_no_agent_is_a_success_with_a_code(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND_ACK(HELLO));
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.no_agent = true;
    router_says(fixture, &done);
    buffer_append_char(&client->sent, '\0');
    assert_non_null(
        strstr(client->sent.data, "435[{" ACK_MEMBERS ",\"code\":\"no_agent\",\"success\":true}]"));
    assert_null(strstr(client->sent.data, "reason")); /* a repeat after a restart */
}

/* --- refusals -------------------------------------------------------------------------------- */

static void test_a_refusal_of_the_router_tells_when_to_try_again(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND_ACK(HELLO ",\"messageId\":\"m1\""));
    struct bus_message done = {
        .type = BUS_SEND_DONE,
        .send_done = {.request = 1, .error = ERROR_OVERLOADED, .retry_after = 250}};
    router_says(fixture, &done);
    assert_got(client,
               "42[\"messageError\",{\"error\":\"The cluster is overloaded, try again\",\"code\":"
               "\"overloaded\",\"retryAfterMs\":250,\"clientMessageId\":\"m1\"}]\n"
               "435[{\"success\":false,\"error\":\"The cluster is overloaded, try again\","
               "\"code\":\"overloaded\",\"retryAfterMs\":250,\"clientMessageId\":\"m1\"}]\n");
}

static void test_without_the_router_a_send_is_overloaded_at_its_deadline(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    fixture->is_cut = true;
    client_says(fixture, client, SEND_ACK(HELLO ",\"messageId\":\"m1\""));
    wait_for(fixture, 4950);
    assert_got(client, "");
    wait_for(fixture, 50);
    assert_events(client, "messageError ack");
}

static void test_a_socket_may_have_only_so_many_sends_under_way(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct fake_websocket *other = client_new(fixture, "bob");
    for (int i = 0; i < 6; i++) {
        client_says(fixture, client, SEND(HELLO));
    }
    assert_got(client, "");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m7\""));
    assert_got(client,
               "42[\"messageError\",{\"error\":\"The cluster is overloaded, try again\",\"code\":"
               "\"overloaded\",\"retryAfterMs\":1000,\"clientMessageId\":\"m7\"}]\n");
    client_says(fixture, other, SEND(HELLO));
    assert_got(other, ""); /* nobody else is refused for it */
}

static void test_every_faulty_field_is_named_and_nothing_of_it_is_repeated(void **state)
{
    static const struct {
        const char *payload, *field;
    } cases[] = {{"{\"message\":\"SECRET\"}", "roomId"},
                 {"{\"roomId\":\"r\"}", "message"},
                 {"{\"roomId\":\"r\",\"message\":{\"SECRET\":1}}", "message"},
                 {"{\"roomId\":\"r\",\"message\":\"\"}", "message"},
                 {"{\"roomId\":[\"SECRET\"],\"message\":\"m\"}", "roomId"},
                 {"{\"roomId\":\"r\",\"message\":\"m\",\"senderId\":{}}", "senderId"},
                 {"{\"roomId\":\"r\",\"message\":\"m\",\"attachments\":\"SECRET\"}", "attachments"},
                 {"{\"roomId\":\"r\",\"message\":\"m\",\"metadata\":\"SECRET\"}", "metadata"},
                 {"{\"roomId\":\"r\",\"message\":\"m\",\"senderName\":5}", "senderName"}};
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char packet[256], expected[512];
        snprintf(packet, sizeof(packet), "429[\"message\",{\"type\":2,\"payload\":%s}]",
                 cases[i].payload);
        client_says(fixture, client, packet);
        snprintf(expected, sizeof(expected),
                 "42[\"messageError\",{\"error\":\"The payload is malformed\",\"code\":"
                 "\"malformed\",\"field\":\"%s\"}]\n"
                 "439[{\"success\":false,\"error\":\"The payload is malformed\",\"code\":"
                 "\"malformed\",\"field\":\"%s\"}]\n",
                 cases[i].field, cases[i].field);
        assert_got(client, expected);
    }
    assert_heard(&fixture->router, "");
    assert_int_equal(chat_counters(fixture->chat)->faults, 9);
}

static void test_a_faulty_message_is_answered_with_its_own_id(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND("\"message\":5,\"messageId\":\"m1\""));
    client_says(fixture, client, "42[\"message\",{\"type\":9,\"payload\":{\"messageId\":\"m2\"}}]");
    assert_got(client, "42[\"messageError\",{\"error\":\"The payload is malformed\",\"code\":"
                       "\"malformed\",\"field\":\"message\",\"clientMessageId\":\"m1\"}]\n"
                       "42[\"messageError\",{\"error\":\"The message type is not known\",\"code\":"
                       "\"unknown_type\",\"field\":\"type\",\"clientMessageId\":\"m2\"}]\n");
}

static void test_what_is_not_an_event_of_ours_is_ignored_but_nobody_waits_for_ever(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, "42[\"hello\",1]");
    client_says(fixture, client, "42[\"message\"]");
    assert_events(client, "messageError");
    client_says(fixture, client, "427[\"hello\",{\"x\":1}]");
    assert_got(client, "437[{\"success\":false,\"error\":\"The message type is not known\","
                       "\"code\":\"unknown_type\"}]\n");
    client_says(fixture, client, "439[1]"); /* an acknowledgement of nothing */
    assert_got(client, "");
    assert_false(client->is_closed);
}

static void test_what_is_nested_too_deeply_is_a_chat_error(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct buffer packet = BUFFER_EMPTY;
    buffer_append_string(&packet, "425[\"message\",");
    for (int i = 0; i < 1000; i++) {
        buffer_append_char(&packet, '[');
    }
    for (int i = 0; i < 1000; i++) {
        buffer_append_char(&packet, ']');
    }
    buffer_append_string(&packet, "]");
    buffer_append_char(&packet, '\0');
    client_says(fixture, client, packet.data);
    buffer_deinit(&packet);
    assert_got(client, "42[\"messageError\",{\"error\":\"The payload is nested too deeply\","
                       "\"code\":\"too_deep\"}]\n435[{\"success\":false,\"error\":\"The payload "
                       "is nested too deeply\",\"code\":\"too_deep\"}]\n");
    client_says(fixture, client, SEND(HELLO));
    assert_heard(&fixture->router, "send #1 r ann ~ asks\n");
}

/* --- a router that goes and comes ------------------------------------------------------------ */

static void test_a_send_repeated_by_us_is_no_duplicate_for_the_client(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    replace_router(fixture);
    assert_heard(&fixture->router, "sync_done 0\nsend #1 r ann m1 asks\n");
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.is_duplicate = true; /* the former router had committed it */
    router_says(fixture, &done);
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    assert_null(strstr(client->sent.data, "duplicate"));
    assert_non_null(strstr(client->sent.data, "\"text\":\"hello\""));
    assert_non_null(strstr(client->sent.data, "\"clientMessageId\":\"m1\"}]"));
    assert_events(client, "messageBroadcast messageAck"); /* its own copy, still */
}

static void test_a_sender_whose_broadcast_was_lost_with_a_link_gets_its_copy(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    replace_router(fixture);
    /* The same router, which answers the first request over the new link: it does not send the
     * message along to an edge that has not said yet which rooms it holds. */
    struct bus_message done = send_done(1, 1, 0);
    router_says(fixture, &done);
    assert_events(client, "messageBroadcast messageAck");
}

static void test_a_sender_in_the_room_gets_what_it_missed_by_catching_up(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 0, "ann");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    replace_router(fixture);
    assert_heard(&fixture->router, "room_sync r last=0 members=ann\nsync_done 1\n"
                                   "send #2 r ann m1 asks\n");
    struct bus_message message = room_message("r", 1, "ann");
    message.room_message.client_message_id = text("m1");
    struct bus_message done = send_done(2, 1, 0);
    done.send_done.is_duplicate = true;
    router_says(fixture, &message);
    router_says(fixture, &done);
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    assert_non_null(strstr(client->sent.data, "\"text\":\"hi\",\"clientMessageId\":\"m1\"}]"));
    assert_events(client, "messageBroadcast messageAck"); /* once */
}

static void test_a_sender_that_left_has_nobody_to_tell(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    struct fake_websocket *other = client_new(fixture, "bob");
    be_in(fixture, other, "r", 0, "bob");
    client_says(fixture, client, SEND(HELLO ",\"messageId\":\"m1\""));
    client_lost(fixture, client);
    router_accepts(fixture, 2, "r", 1, "ann", 1);
    assert_got(other, "42[\"messageBroadcast\"," BROADCAST "}]\n");
    wait_for(fixture, 6000);
    assert_int_equal(uplink_counters(fixture->uplink)->waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_a_send_goes_to_the_router_with_the_body_of_its_broadcast),
        CHAT_TEST(test_a_sender_in_the_room_gets_its_copy_then_the_acknowledgement),
        CHAT_TEST(test_another_tab_of_the_sender_gets_a_copy_like_everybody),
        CHAT_TEST(test_a_sender_outside_the_room_gets_its_own_copy_too),
        CHAT_TEST(test_without_an_id_of_its_own_a_message_gets_one_that_is_not_shown),
        CHAT_TEST(test_type_3_asks_nobody_and_old_names_of_events_are_known),
        CHAT_TEST(test_metadata_goes_along_only_to_a_room_that_may_be_made_by_it),
        CHAT_TEST(test_a_duplicate_is_a_success_that_says_so),
        CHAT_TEST(test_no_agent_is_a_success_with_a_code),
        CHAT_TEST(test_a_refusal_of_the_router_tells_when_to_try_again),
        CHAT_TEST(test_without_the_router_a_send_is_overloaded_at_its_deadline),
        CHAT_TEST(test_a_socket_may_have_only_so_many_sends_under_way),
        CHAT_TEST(test_every_faulty_field_is_named_and_nothing_of_it_is_repeated),
        CHAT_TEST(test_a_faulty_message_is_answered_with_its_own_id),
        CHAT_TEST(test_what_is_not_an_event_of_ours_is_ignored_but_nobody_waits_for_ever),
        CHAT_TEST(test_what_is_nested_too_deeply_is_a_chat_error),
        CHAT_TEST(test_a_send_repeated_by_us_is_no_duplicate_for_the_client),
        CHAT_TEST(test_a_sender_whose_broadcast_was_lost_with_a_link_gets_its_copy),
        CHAT_TEST(test_a_sender_in_the_room_gets_what_it_missed_by_catching_up),
        CHAT_TEST(test_a_sender_that_left_has_nobody_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
