#include "tests/unit/chat_fixture.h"

#define SUCCESS "[{\"success\":true}]\n"
#define MALFORMED(field)                                                                           \
    "\"error\":\"The payload is malformed\",\"code\":\"malformed\",\"field\":\"" field "\"}]\n"

static void test_typing_is_passed_on_and_acknowledged_at_once(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, "424[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    client_says(fixture, client,
                "42[\"typing\",{\"channelId\":\"r\",\"userId\":\"bob\",\"isTyping\":false}]");
    assert_heard(&fixture->router, "signal r 0 ann on\nsignal r 0 bob\n");
    assert_got(client, "434" SUCCESS);
    assert_int_equal(chat_counters(fixture->chat)->signals, 2);
}

static void test_types_5_and_6_are_thinking_and_control(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client,
                "421[\"message\",{\"type\":5,\"payload\":{\"roomId\":\"r\","
                "\"isThinking\":true}}]");
    client_says(fixture, client,
                "422[\"message\",{\"type\":6,\"payload\":{\"channelId\":\"r\","
                "\"action\":\"stop\"}}]");
    assert_heard(&fixture->router, "signal r 1 ann on\nsignal r 2 ann stop\n");
    assert_got(client, "431" SUCCESS "432" SUCCESS);
}

static void test_a_signal_is_from_whom_its_socket_is_in_the_room(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, "42[\"1\",{\"roomId\":\"r\",\"entityId\":\"bob\"}]");
    uint64_t request = last_heard(&fixture->router, BUS_JOIN)->join.request;
    router_joins(fixture, request, "r", 0, "bob");
    buffer_clear(&fixture->router.lines);
    client_says(fixture, client, "42[\"typing\",{\"roomId\":\"r\",\"isTyping\":true}]");
    client_says(fixture, client, "42[\"typing\",{\"roomId\":\"q\",\"isTyping\":true}]");
    assert_heard(&fixture->router, "signal r 0 bob on\nsignal q 0 ann on\n");
}

static void test_a_faulty_signal_names_its_field_and_goes_nowhere(void **state)
{
    static const struct {
        const char *packet, *error;
    } cases[] = {
        {"42[\"typing\",{\"roomId\":\"r\"}]", MALFORMED("isTyping")},
        {"42[\"typing\",{\"isTyping\":true}]", MALFORMED("roomId")},
        {"42[\"typing\",{\"roomId\":\"r\",\"userId\":5,\"isTyping\":true}]", MALFORMED("userId")},
        {"42[\"message\",{\"type\":5,\"payload\":{\"roomId\":\"r\",\"isTyping\":true}}]",
         MALFORMED("isThinking")},
        {"42[\"message\",{\"type\":6,\"payload\":{\"roomId\":\"r\"}}]", MALFORMED("action")}};
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[256];
        client_says(fixture, client, cases[i].packet);
        snprintf(expected, sizeof(expected), "42[\"messageError\",{%s", cases[i].error);
        assert_got(client, expected);
    }
    client_says(fixture, client, "423[\"typing\",\"r\"]");
    assert_events(client, "messageError ack");
    assert_heard(&fixture->router, "");
    assert_int_equal(chat_counters(fixture->chat)->faults, 6);
}

static void test_a_receipt_is_acknowledged_when_the_router_has_passed_it_on(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "bob");
    client_says(fixture, client,
                "428[\"message\",{\"type\":4,\"payload\":{\"messageId\":"
                "\"" QUESTION "\",\"status\":\"read\"}}]");
    assert_heard(&fixture->router, "receipt #1 " QUESTION " bob=read\n");
    assert_got(client, "");
    struct bus_message message = {.type = BUS_DONE, .done = {.request = 1}};
    router_says(fixture, &message);
    assert_got(client, "438" SUCCESS);
}

static void test_a_receipt_of_a_message_that_is_not_there_is_refused(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "bob");
    client_says(fixture, client,
                "428[\"message\",{\"type\":4,\"payload\":{\"messageId\":\"x\","
                "\"status\":\"delivered\",\"userId\":\"cat\"}}]");
    assert_heard(&fixture->router, "receipt #1 x cat=delivered\n");
    struct bus_message message = {.type = BUS_DONE,
                                  .done = {.request = 1, .error = ERROR_NOT_FOUND}};
    router_says(fixture, &message);
    assert_got(client,
               "42[\"messageError\",{\"error\":\"Not found\",\"code\":\"not_found\",\"field\":"
               "\"messageId\"}]\n438[{\"success\":false,\"error\":\"Not found\",\"code\":"
               "\"not_found\",\"field\":\"messageId\"}]\n");
}

static void test_a_receipt_is_refused_for_its_fields_its_number_and_its_deadline(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "bob");
    client_says(fixture, client,
                "42[\"message\",{\"type\":4,\"payload\":{\"messageId\":\"x\","
                "\"status\":\"seen\"}}]");
    assert_got(client, "42[\"messageError\",{" MALFORMED("status"));
    for (int i = 0; i < 7; i++) {
        client_says(fixture, client,
                    "42[\"message\",{\"type\":4,\"payload\":{\"messageId\":\"x\","
                    "\"status\":\"read\"}}]");
    }
    buffer_append_char(&client->sent, '\0');
    client->sent.length--;
    assert_non_null(strstr(client->sent.data, "\"code\":\"overloaded\",\"retryAfterMs\":"));
    assert_events(client, "messageError");
    wait_for(fixture, 5000);
    assert_events(client, "messageError messageError messageError messageError messageError "
                          "messageError");
}

static void test_a_receipt_of_a_socket_that_left_is_answered_to_nobody(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "bob");
    client_says(fixture, client,
                "428[\"message\",{\"type\":4,\"payload\":{\"messageId\":\"x\","
                "\"status\":\"read\"}}]");
    client_lost(fixture, client);
    struct bus_message message = {.type = BUS_DONE, .done = {.request = 1}};
    router_says(fixture, &message);
    assert_int_equal(uplink_counters(fixture->uplink)->waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_typing_is_passed_on_and_acknowledged_at_once),
        CHAT_TEST(test_types_5_and_6_are_thinking_and_control),
        CHAT_TEST(test_a_signal_is_from_whom_its_socket_is_in_the_room),
        CHAT_TEST(test_a_faulty_signal_names_its_field_and_goes_nowhere),
        CHAT_TEST(test_a_receipt_is_acknowledged_when_the_router_has_passed_it_on),
        CHAT_TEST(test_a_receipt_of_a_message_that_is_not_there_is_refused),
        CHAT_TEST(test_a_receipt_is_refused_for_its_fields_its_number_and_its_deadline),
        CHAT_TEST(test_a_receipt_of_a_socket_that_left_is_answered_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
