#include "tests/unit/rest_fixture.h"

/* --- sync ------------------------------------------------------------------------------------ */

static struct http_exchange *ask_sync(struct rest_fixture *fixture)
{
    struct http_exchange *exchange = request(fixture, "POST " MESSAGES, BODY(",\"mode\":\"sync\""));
    uint64_t number = last_heard(&fixture->chat->router, BUS_SEND)->send.request;
    accept_send(fixture, number, 1);
    return exchange;
}

static void test_a_sync_caller_gets_the_agent_s_answer(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_sync(fixture);
    say_chunk(fixture, 0, "why?");
    assert_int_equal(exchange->status, 0);
    assert_int_equal(rest_counters(fixture->rest)->waiting, 1);
    say_reply(fixture);
    assert_answered(exchange, 201,
                    "{\"success\":true,\"userMessage\":" USER_MESSAGE ",\"agentResponse\":" RESPONSE
                    ",\"data\":{\"userMessage\":" USER_MESSAGE ",\"agentResponse\":" RESPONSE "}}");
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
    assert_int_equal(chat_counters(fixture->chat->chat)->watches, 0);
}

static void test_a_sync_caller_of_nobody_is_told_400(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        request(fixture, "POST " MESSAGES, BODY(",\"transport\":\"http\""));
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.no_agent = true;
    router_says(fixture->chat, &done);
    assert_answered(exchange, 400,
                    "{\"success\":false,\"error\":{\"code\":\"no_agent\",\"message\":"
                    "\"No agent found in channel participants\"}}");
}

static void test_a_sync_caller_hears_of_failure_cancellation_and_time(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_sync(fixture);
    say_end(fixture, BUS_RUN_FAILED);
    assert_int_equal(exchange->status, 502);
    exchange = ask_sync(fixture);
    say_end(fixture, BUS_RUN_CANCELLED);
    assert_int_equal(exchange->status, 201);
    assert_true(has(&exchange->body, "\"cancelled\":true"));
    exchange = ask_sync(fixture);
    struct bus_message reply = room_message("r", 2, "eliza");
    reply.room_message.id = text(REPLY);
    reply.room_message.in_reply_to = text(QUESTION);
    reply.room_message.body =
        text("\"metadata\":{\"stopped\":true},\"senderId\":\"eliza\",\"text\":\"so far\"");
    router_says(fixture->chat, &reply);
    assert_int_equal(exchange->status, 201);
    assert_true(has(&exchange->body, "{\"text\":\"so far\","));
    assert_true(has(&exchange->body, "\"metadata\":{\"stopped\":true},\"cancelled\":true}"));
    exchange = ask_sync(fixture);
    rest_wait_for(fixture, SYNC_TIMEOUT - 100);
    assert_int_equal(exchange->status, 0);
    rest_wait_for(fixture, 200);
    assert_int_equal(exchange->status, 504);
    assert_int_equal(rest_counters(fixture->rest)->timeouts, 1);
    say_reply(fixture); /* it comes later, to the room */
}

static void test_only_so_many_callers_wait_at_once(void **state)
{
    struct rest_fixture *fixture = *state;
    ask_sync(fixture);
    ask_sync(fixture);
    struct http_exchange *third = request(fixture, "POST " MESSAGES, BODY(",\"mode\":\"sync\""));
    assert_int_equal(third->status, 503);
    struct http_exchange *other = request(fixture, "POST " MESSAGES, BODY(""));
    assert_int_equal(other->status, 0); /* it does not wait for an agent */
}

static void test_a_sync_caller_that_hangs_up_cancels_nothing(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_sync(fixture);
    buffer_clear(&fixture->chat->router.lines);
    hang_up(exchange);
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
    assert_int_equal(chat_counters(fixture->chat->chat)->watches, 0);
    rest_wait_for(fixture, 200);
    assert_heard(&fixture->chat->router, "");
}

static void test_a_repeated_question_gets_the_answer_that_is_there(void **state)
{
    struct rest_fixture *fixture = *state;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct http_exchange *exchange =
        request(fixture, "POST " MESSAGES, BODY(",\"mode\":\"sync\",\"messageId\":\"m1\""));
    struct bus_message done = send_done(1, 1, 0);
    done.send_done.is_duplicate = true;
    router_says(fixture->chat, &done);
    const struct bus_history *history = &last_heard(&fixture->chat->router, BUS_HISTORY)->history;
    assert_true(slice_is(history->room, "r"));
    struct bus_message page = history_of(history->request, QUESTION, &list);
    router_says(fixture->chat, &page);
    assert_int_equal(exchange->status, 201);
    assert_true(has(&exchange->body, "\"agentResponse\":" RESPONSE));
    buffer_deinit(&list.bytes);
}

static void test_an_answer_given_while_the_router_was_away_is_looked_up(void **state)
{
    struct rest_fixture *fixture = *state;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct http_exchange *exchange = ask_sync(fixture);
    replace_router(fixture->chat);
    rest_wait_for(fixture, 100);
    const struct bus_history *history = &last_heard(&fixture->chat->router, BUS_HISTORY)->history;
    struct bus_message page = history_of(history->request, QUESTION, &list);
    router_says(fixture->chat, &page);
    assert_int_equal(exchange->status, 201);
    buffer_deinit(&list.bytes);
}

/* --- streams --------------------------------------------------------------------------------- */

#define CHUNK(id, text, index_and_more)                                                            \
    "event: chunk\ndata: {\"messageId\":\"" REPLY "\",\"chunk\":\"" text                           \
    "\",\"index\":" index_and_more "}\nid: " id "\n\n"

static struct http_exchange *ask_stream(struct rest_fixture *fixture)
{
    struct http_exchange *exchange =
        request(fixture, "POST " MESSAGES, BODY(",\"transport\":\"sse\""));
    accept_send(fixture, last_heard(&fixture->chat->router, BUS_SEND)->send.request, 1);
    return exchange;
}

static void test_a_stream_brings_the_message_the_pieces_and_the_end(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    assert_int_equal(exchange->status, 200);
    assert_true(has(&exchange->headers, "Content-Type: text/event-stream\n"));
    assert_true(has(&exchange->headers, "Cache-Control: no-cache\n"));
    say_chunk(fixture, 0, "wh");
    say_chunk(fixture, 1, "y?");
    assert_false(exchange->is_over);
    say_reply(fixture);
    assert_answered(exchange, 200,
                    "event: user_message\ndata: " USER_MESSAGE "\n\n" CHUNK("1.2", "wh", "0")
                        CHUNK("1.4", "y?", "1") "event: done\ndata: " RESPONSE "\n\n");
}

static void test_a_stream_that_fails_ends_with_an_error(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    say_end(fixture, BUS_RUN_FAILED);
    assert_true(exchange->is_over);
    assert_true(has(&exchange->body,
                    "event: error\ndata: {\"error\":\"The agent failed to answer\",\"code\":"
                    "\"agent_failed\",\"messageId\":\"" REPLY "\",\"partialText\":\"wh\"}\n\n"));
}

static void test_a_silent_stream_is_kept_alive_and_ends_in_time(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    rest_wait_for(fixture, STREAM_COMMENT + 100);
    assert_true(has(&exchange->body, "\n: waiting\n\n"));
    rest_wait_for(fixture, STREAM_TIMEOUT - STREAM_COMMENT);
    assert_true(exchange->is_over);
    assert_true(has(&exchange->body, "\"code\":\"timeout\""));
}

static void test_a_stream_whose_client_takes_nothing_is_over(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    exchange->is_cut = true;
    say_chunk(fixture, 0, "why?");
    assert_true(exchange->is_over);
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
    say_reply(fixture);
    struct http_exchange *second = ask_stream(fixture);
    second->is_cut = true;
    say_reply(fixture); /* the last event */
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
    struct http_exchange *third = ask_stream(fixture);
    third->is_cut = true;
    rest_wait_for(fixture, STREAM_COMMENT + 100); /* a comment */
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
}

/* What was missed is made good before the end. */
static void test_the_pieces_of_a_stream_are_always_the_whole_text(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    say_chunk(fixture, 0, "w");
    say_chunk(fixture, 3, "?");
    say_reply(fixture);
    assert_true(has(&exchange->body,
                    CHUNK("1.1", "w", "0")
                        CHUNK("1.4", "why?", "1,\"attempt\":1,\"reset\":true") "event: done\n"));
    exchange = ask_stream(fixture);
    say_reply(fixture); /* none of them came */
    assert_true(has(&exchange->body, CHUNK("0.4", "why?", "0") "event: done\n"));
}

static void test_a_slow_caller_gets_what_it_missed_in_one_piece(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    say_chunk(fixture, 0, "w");
    exchange->is_behind = true;
    say_chunk(fixture, 1, "h");
    say_chunk(fixture, 2, "y");
    rest_wait_for(fixture, 100);
    assert_false(has(&exchange->body, "\"chunk\":\"h"));
    exchange->is_behind = false;
    rest_wait_for(fixture, 100);
    assert_true(has(&exchange->body, CHUNK("1.1", "w", "0") CHUNK("1.3", "hy", "2")));
    exchange->is_behind = true;
    say_chunk(fixture, 3, "?");
    say_reply(fixture);
    assert_true(
        has(&exchange->body, CHUNK("1.3", "hy", "2") CHUNK("1.4", "?", "3") "event: done\n"));
}

static void test_another_attempt_replaces_what_a_stream_had(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = ask_stream(fixture);
    say_chunk(fixture, 0, "Ho");
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text("r"),
                                            .reply = text(REPLY),
                                            .question = text(QUESTION),
                                            .attempt = 2,
                                            .is_reset = true,
                                            .text = text("why?")}};
    router_says(fixture->chat, &message);
    say_reply(fixture);
    assert_true(has(&exchange->body,
                    CHUNK("1.2", "Ho", "0")
                        CHUNK("2.4", "why?", "0,\"attempt\":2,\"reset\":true") "event: done\n"));
}

/* --- a run that was asked for before ---------------------------------------------------------- */

static struct http_exchange *attach(struct rest_fixture *fixture, struct bus_run_attached attached)
{
    struct http_exchange *exchange = request(fixture, "GET " MESSAGES "/" REPLY "/stream", "");
    struct bus_message message = {.type = BUS_RUN_ATTACHED, .run_attached = attached};
    const struct bus_run_attach *asked =
        &last_heard(&fixture->chat->router, BUS_RUN_ATTACH)->run_attach;
    assert_true(slice_is(asked->room, "r") && slice_is(asked->id, REPLY));
    message.run_attached.request = asked->request;
    router_says(fixture->chat, &message);
    return exchange;
}

static void test_a_run_can_be_followed_by_its_id(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        attach(fixture, (struct bus_run_attached){.is_open = true, .question = text(QUESTION)});
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text("r"),
                                            .reply = text(REPLY),
                                            .question = text(QUESTION),
                                            .index = 1,
                                            .attempt = 1,
                                            .is_reset = true,
                                            .text = text("wh")}};
    router_says(fixture->chat, &message); /* the text so far */
    say_chunk(fixture, 1, "y?");
    /* Another one on the same edge, which has the text by now. */
    struct http_exchange *second =
        attach(fixture, (struct bus_run_attached){.is_open = true, .question = text(QUESTION)});
    say_reply(fixture);
    assert_answered(exchange, 200,
                    CHUNK("1.2", "wh", "1") CHUNK("1.4", "y?", "1") "event: done\ndata: " RESPONSE
                                                                    "\n\n");
    assert_answered(second, 200, CHUNK("1.4", "why?", "1") "event: done\ndata: " RESPONSE "\n\n");
}

static void test_a_run_that_is_over_is_said_as_a_whole(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        attach(fixture, (struct bus_run_attached){
                            .question = text(QUESTION),
                            .reply = text(REPLY),
                            .created_at = 5,
                            .body = text("\"senderId\":\"eliza\",\"senderName\":\"Eliza\",\"text\":"
                                         "\"why?\",\"thought\":\"hm\",\"actions\":[\"REPLY\"]")});
    assert_answered(exchange, 200, CHUNK("0.4", "why?", "0") "event: done\ndata: " RESPONSE "\n\n");
    exchange = attach(fixture, (struct bus_run_attached){.error = ERROR_NOT_FOUND});
    assert_int_equal(exchange->status, 404);
    exchange = attach(fixture, (struct bus_run_attached){.no_agent = true});
    assert_int_equal(exchange->status, 400);
    exchange = request(fixture, "GET " MESSAGES "/nothing/stream", "");
    assert_int_equal(exchange->status, 404);
    assert_int_equal(rest_counters(fixture->rest)->waiting, 0);
}

static void test_a_run_can_be_stopped_by_its_id(void **state)
{
    struct rest_fixture *fixture = *state;
    for (int error = 0; error >= ERROR_NOT_FOUND; error += ERROR_NOT_FOUND) {
        struct http_exchange *exchange = request(fixture, "POST " MESSAGES "/" REPLY "/stop", "");
        uint64_t number = last_heard(&fixture->chat->router, BUS_RUN_STOP)->run_stop.request;
        struct bus_message message = {.type = BUS_DONE, .done = {number, error}};
        router_says(fixture->chat, &message);
        assert_int_equal(exchange->status, error == 0 ? 200 : 404);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REST_TEST(test_a_sync_caller_gets_the_agent_s_answer),
        REST_TEST(test_a_sync_caller_of_nobody_is_told_400),
        REST_TEST(test_a_sync_caller_hears_of_failure_cancellation_and_time),
        REST_TEST(test_only_so_many_callers_wait_at_once),
        REST_TEST(test_a_sync_caller_that_hangs_up_cancels_nothing),
        REST_TEST(test_a_repeated_question_gets_the_answer_that_is_there),
        REST_TEST(test_an_answer_given_while_the_router_was_away_is_looked_up),
        REST_TEST(test_a_stream_brings_the_message_the_pieces_and_the_end),
        REST_TEST(test_a_stream_that_fails_ends_with_an_error),
        REST_TEST(test_a_silent_stream_is_kept_alive_and_ends_in_time),
        REST_TEST(test_a_stream_whose_client_takes_nothing_is_over),
        REST_TEST(test_the_pieces_of_a_stream_are_always_the_whole_text),
        REST_TEST(test_a_slow_caller_gets_what_it_missed_in_one_piece),
        REST_TEST(test_another_attempt_replaces_what_a_stream_had),
        REST_TEST(test_a_run_can_be_followed_by_its_id),
        REST_TEST(test_a_run_that_is_over_is_said_as_a_whole),
        REST_TEST(test_a_run_can_be_stopped_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
