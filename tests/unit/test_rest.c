#include "tests/unit/rest_fixture.h"

/* --- POST …/messages ------------------------------------------------------------------------- */

static void test_a_message_is_answered_201_when_it_is_committed(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " MESSAGES, BODY(""));
    assert_heard(&fixture->chat->router, "send #1 r ann ~ asks\n");
    assert_int_equal(exchange->status, 0);
    accept_send(fixture, 1, 1);
    assert_answered(exchange, 201,
                    "{\"success\":true,\"userMessage\":" USER_MESSAGE ",\"data\":" USER_MESSAGE
                    "}");
    assert_true(has(&exchange->headers, "Content-Type: application/json"));
}

static void test_both_dialects_of_the_body_are_the_same_message(void **state)
{
    struct rest_fixture *fixture = *state;
    request(fixture, "POST " MESSAGES, BODY(""));
    request(fixture, "POST /api/messaging/central-channels/r/messages",
            "{\"author_id\":\"ann\",\"content\":\"hello\",\"message_server_id\":\"" NIL_UUID "\"}");
    const struct heard *second = fixture->chat->router.heard;
    assert_true(slice_equals(second->message.send.body, second->next->message.send.body));
    assert_true(slice_equals(second->message.send.room, second->next->message.send.room));
}

static void test_a_channel_s_name_is_decoded_after_the_path_is_split(void **state)
{
    struct rest_fixture *fixture = *state;
    request(fixture, "POST /api/messaging/channels/a%2Fb%20c/messages", BODY(""));
    assert_true(slice_is(last_heard(&fixture->chat->router, BUS_SEND)->send.room, "a/b c"));
}

static void test_duplicates_and_no_agent_are_said_and_no_errors(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *first = request(fixture, "POST " MESSAGES, BODY(",\"messageId\":\"m1\""));
    assert_heard(&fixture->chat->router, "send #1 r ann m1 asks\n");
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.is_duplicate = true;
    done.send_done.no_agent = true;
    router_says(fixture->chat, &done);
    assert_int_equal(first->status, 201);
    assert_true(has(&first->body, "{\"success\":true,\"duplicate\":true,\"code\":\"no_agent\","));
}

static void test_a_refusal_of_the_router_is_503_with_a_time_to_try_again(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " MESSAGES, BODY(""));
    struct bus_message done = {.type = BUS_SEND_DONE,
                               .send_done = {.request = 1, .error = ERROR_OVERLOADED}};
    router_says(fixture->chat, &done);
    assert_answered(exchange, 503,
                    "{\"success\":false,\"error\":{\"code\":\"overloaded\",\"message\":"
                    "\"The cluster is overloaded, try again\"}}");
    assert_true(has(&exchange->headers, "Retry-After: 1\n"));
}

static void test_without_the_router_a_message_is_503_at_its_deadline(void **state)
{
    struct rest_fixture *fixture = *state;
    fixture->chat->is_cut = true;
    struct http_exchange *exchange = request(fixture, "POST " MESSAGES, BODY(""));
    rest_wait_for(fixture, 5000);
    assert_int_equal(exchange->status, 503);
}

static void test_a_caller_that_hangs_up_has_sent_all_the_same(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " MESSAGES, BODY(""));
    hang_up(exchange);
    accept_send(fixture, 1, 1);
    assert_int_equal(exchange->status, 0);
}

/* --- what is refused at the door ------------------------------------------------------------- */

static void test_bad_requests_have_the_status_of_their_fault(void **state)
{
    static const struct {
        const char *line, *type, *body;
        int status;
        const char *code;
    } cases[] = {
        {"POST " MESSAGES, "application/json", "{", 400, "malformed"},
        {"POST " MESSAGES, "application/json", "[]", 400, "malformed"},
        {"POST " MESSAGES, "application/json", "{\"text\":\"hi\"}", 400, "malformed"},
        {"POST " MESSAGES, "application/json", "{\"entityId\":\"a\"}", 400, "malformed"},
        {"POST " MESSAGES, "application/json", BODY(",\"metadata\":5"), 400, "malformed"},
        {"POST " MESSAGES, "application/json", BODY(",\"transport\":\"pigeon\""), 400, "malformed"},
        {"POST " MESSAGES, "application/json", BODY(",\"mode\":5"), 400, "malformed"},
        {"POST " MESSAGES, "text/plain", BODY(""), 415, "INVALID_CONTENT_TYPE"},
        {"POST " MESSAGES, "application/jsonx", BODY(""), 415, "INVALID_CONTENT_TYPE"},
        {"POST " MESSAGES, "-", BODY(""), 415, "INVALID_CONTENT_TYPE"},
        {"PUT " MESSAGES, "application/json", "{}", 405, "method_not_allowed"},
        {"DELETE /api/messaging/channels", "-", "", 405, "method_not_allowed"},
        {"GET /api/messaging/channels/%00/messages", "-", "", 400, "malformed"},
        {"GET /api/messaging/channels/%ff/messages", "-", "", 400, "malformed"},
        {"GET /api/messaging/channels//messages", "-", "", 400, "malformed"},
        {"GET " MESSAGES "?limit=x", "-", "", 400, "malformed"},
        {"GET " MESSAGES "?limit=-1", "-", "", 400, "malformed"},
        {"GET " MESSAGES "?before=yesterday", "-", "", 400, "malformed"},
        {"GET /api/messaging/channels/r/presence?offset=x", "-", "", 400, "malformed"},
        {"GET /api/messaging/nothing", "-", "", 404, "404"},
        {"GET /api/messaging/channels/r/messages/more/still", "-", "", 404, "404"},
        {"GET /api", "-", "", 404, "404"}};
    struct rest_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char code[64];
        fixture->exchange_count = 0;
        struct http_exchange *exchange =
            request_as(fixture, cases[i].line, cases[i].type, cases[i].body);
        assert_int_equal(exchange->status, cases[i].status);
        snprintf(code, sizeof(code), cases[i].status == 404 ? "\"code\":%s" : "\"code\":\"%s\"",
                 cases[i].code);
        assert_true(has(&exchange->body, "{\"success\":false,\"error\":{"));
        assert_true(has(&exchange->body, code));
        assert_int_equal(cases[i].status == 405, has(&exchange->headers, "Allow: "));
        buffer_deinit(&exchange->body);
        buffer_deinit(&exchange->headers);
        *exchange = (struct http_exchange){.status = 0};
    }
    assert_heard(&fixture->chat->router, "");
    assert_int_equal(rest_counters(fixture->rest)->refused, 22);
}

static void test_a_content_type_may_have_parameters(void **state)
{
    struct rest_fixture *fixture = *state;
    request_as(fixture, "POST " MESSAGES, "application/json; charset=utf-8", BODY(""));
    request_as(fixture, "POST " MESSAGES, "Application/JSON", BODY(""));
    assert_heard(&fixture->chat->router, "send #1 r ann ~ asks\nsend #2 r ann ~ asks\n");
}

static void test_a_preflight_is_answered(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "OPTIONS " MESSAGES, "");
    assert_int_equal(exchange->status, 204);
    assert_true(has(&exchange->headers, "Access-Control-Allow-Methods: GET,POST"));
}

static void test_a_body_that_is_too_large_is_413(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = &fixture->exchanges[fixture->exchange_count++];
    struct http_request head = {.method = HTTP_POST_METHOD};
    rest_too_large(fixture->rest, exchange, &head);
    assert_answered(exchange, 413,
                    "{\"success\":false,\"error\":{\"code\":\"too_large\",\"message\":"
                    "\"The payload is too large\"}}");
}

/* --- reading --------------------------------------------------------------------------------- */

static void test_history_is_asked_with_its_bounds_and_answered_in_both_dialects(void **state)
{
    struct rest_fixture *fixture = *state;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct http_exchange *exchange = request(
        fixture, "GET " MESSAGES "?limit=2000&before=1790000000000&after=2026-11-23T05:59:00Z", "");
    const struct bus_history *history = &last_heard(&fixture->chat->router, BUS_HISTORY)->history;
    assert_int_equal(history->limit, 1000);
    assert_int_equal(history->before, 1790000000000);
    assert_int_equal(history->after, 1795413540000);
    struct bus_message page = history_of(history->request, QUESTION, &list);
    router_says(fixture->chat, &page);
    assert_answered(
        exchange, 200,
        "{\"success\":true,\"data\":{\"messages\":[{\"id\":\"" REPLY
        "\",\"channelId\":\"r\",\"roomId\":\"r\",\"authorId\":\"eliza\",\"senderName\":\"Eliza\","
        "\"content\":\"why?\",\"text\":\"why?\",\"rawMessage\":{\"text\":\"why?\",\"thought\":"
        "\"hm\",\"actions\":[\"REPLY\"]},\"metadata\":{\"agentName\":\"Eliza\",\"agent_id\":"
        "\"eliza\",\"thought\":"
        "\"hm\",\"actions\":[\"REPLY\"]},\"inReplyToRootMessageId\":\"" QUESTION
        "\",\"createdAt\":\"1970-01-01T00:00:00.006Z\",\"updatedAt\":\"1970-01-01T00:00:00.006Z\","
        "\"created_at\":6,\"updated_at\":6,\"seq\":2,\"epoch\":7}]}}");
    request(fixture, "HEAD " MESSAGES, "");
    assert_int_equal(last_heard(&fixture->chat->router, BUS_HISTORY)->history.limit, 50);
    buffer_deinit(&list.bytes);
}

static void test_presence_is_paged(void **state)
{
    struct rest_fixture *fixture = *state;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_member members[] = {{text("ann"), text("Ann"), 2}, {text("bob"), text(""), 1}};
    struct http_exchange *exchange =
        request(fixture, "GET /api/messaging/channels/r/presence?offset=3&limit=2", "");
    const struct bus_members *asked = &last_heard(&fixture->chat->router, BUS_MEMBERS)->members;
    assert_int_equal(asked->offset, 3);
    assert_int_equal(asked->limit, 2);
    bus_list_add(&list, BUS_ELEMENT_MEMBER, &members[0]);
    bus_list_add(&list, BUS_ELEMENT_MEMBER, &members[1]);
    struct bus_message page = {
        .type = BUS_MEMBERS_PAGE,
        .members_page = {.request = asked->request, .total = 7, .members = bus_list_of(&list)}};
    router_says(fixture->chat, &page);
    assert_answered(exchange, 200,
                    "{\"success\":true,\"data\":{\"channelId\":\"r\",\"roomId\":\"r\","
                    "\"memberCount\":7,\"offset\":3,\"members\":[{\"userId\":\"ann\","
                    "\"displayName\":\"Ann\",\"connections\":2},{\"userId\":\"bob\","
                    "\"connections\":1}]}}");
    buffer_deinit(&list.bytes);
}

/* --- POST /channels -------------------------------------------------------------------------- */

static void test_a_channel_is_made_by_the_router_and_answered_as_a_row(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        request(fixture, "POST /api/messaging/channels",
                "{\"name\":\"Team\",\"message_server_id\":\"" NIL_UUID
                "\",\"participantCentralUserIds\":[\"ann\",\"eliza\"],\"metadata\":{\"a\":1}}");
    const struct bus_channel_put *put =
        &last_heard(&fixture->chat->router, BUS_CHANNEL_PUT)->channel_put;
    assert_true(slice_is(put->name, "Team"));
    assert_true(slice_is(put->type, "GROUP"));
    assert_true(slice_is(put->metadata, "{\"a\":1}"));
    assert_int_equal(put->participants.count, 2);
    struct bus_message channel = {.type = BUS_CHANNEL,
                                  .channel = {.request = put->request,
                                              .id = text(QUESTION),
                                              .server_id = text(NIL_UUID),
                                              .name = text("Team"),
                                              .type = text("GROUP"),
                                              .metadata = text("{\"a\":1}"),
                                              .created_at = 5,
                                              .updated_at = 6}};
    router_says(fixture->chat, &channel);
    assert_answered(exchange, 201,
                    "{\"success\":true,\"data\":{\"id\":\"" QUESTION
                    "\",\"messageServerId\":\"" NIL_UUID "\",\"name\":\"Team\",\"type\":\"GROUP\","
                    "\"metadata\":{\"a\":1},\"createdAt\":\"1970-01-01T00:00:00.005Z\","
                    "\"updatedAt\":\"1970-01-01T00:00:00.006Z\"}}");
}

static void test_a_faulty_channel_is_400(void **state)
{
    static const char *const bodies[] = {"{}",
                                         "{\"name\":\"\"}",
                                         "{\"name\":5}",
                                         "{\"name\":\"T\",\"type\":\"\"}",
                                         "{\"name\":\"T\",\"message_server_id\":\"not a uuid\"}",
                                         "{\"name\":\"T\",\"metadata\":[]}",
                                         "{\"name\":\"T\",\"participantCentralUserIds\":\"ann\"}",
                                         "{\"name\":\"T\",\"participantCentralUserIds\":[5]}"};
    struct rest_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct http_exchange *exchange =
            request(fixture, "POST /api/messaging/channels", bodies[i]);
        assert_int_equal(exchange->status, 400);
        assert_true(has(&exchange->body, "\"code\":\"malformed\""));
    }
    assert_heard(&fixture->chat->router, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REST_TEST(test_a_message_is_answered_201_when_it_is_committed),
        REST_TEST(test_both_dialects_of_the_body_are_the_same_message),
        REST_TEST(test_a_channel_s_name_is_decoded_after_the_path_is_split),
        REST_TEST(test_duplicates_and_no_agent_are_said_and_no_errors),
        REST_TEST(test_a_refusal_of_the_router_is_503_with_a_time_to_try_again),
        REST_TEST(test_without_the_router_a_message_is_503_at_its_deadline),
        REST_TEST(test_a_caller_that_hangs_up_has_sent_all_the_same),
        REST_TEST(test_bad_requests_have_the_status_of_their_fault),
        REST_TEST(test_a_content_type_may_have_parameters),
        REST_TEST(test_a_preflight_is_answered),
        REST_TEST(test_a_body_that_is_too_large_is_413),
        REST_TEST(test_history_is_asked_with_its_bounds_and_answered_in_both_dialects),
        REST_TEST(test_presence_is_paged),
        REST_TEST(test_a_channel_is_made_by_the_router_and_answered_as_a_row),
        REST_TEST(test_a_faulty_channel_is_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
