#include "tests/unit/chat_fixture.h"

#define IN_R "\"roomId\":\"r\",\"channelId\":\"r\""

/* Ann and Bob in r, Cat in q. */
struct cast {
    struct fake_websocket *ann, *bob, *cat;
};

static struct cast gather(struct chat_fixture *fixture)
{
    struct cast cast = {client_new(fixture, "ann"), client_new(fixture, "bob"),
                        client_new(fixture, "cat")};
    be_in(fixture, cast.ann, "r", 10, "ann");
    be_in(fixture, cast.bob, "r", 10, "ann,bob");
    be_in(fixture, cast.cat, "q", 0, "cat");
    buffer_clear(&cast.ann->sent);
    return cast;
}

/* --- messages -------------------------------------------------------------------------------- */

static void test_a_room_s_message_goes_to_its_sockets_and_is_rendered_once(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    uint64_t rendered = chat_counters(fixture->chat)->rendered;
    uint64_t deliveries = chat_counters(fixture->chat)->deliveries;
    router_broadcasts(fixture, "r", 11, "dan");
    const char *expected = "42[\"messageBroadcast\",{\"id\":\"" QUESTION "\",\"seq\":11,"
                           "\"epoch\":7,\"createdAt\":5,\"text\":\"hi\"}]\n";
    assert_got(cast.ann, expected);
    assert_got(cast.bob, expected);
    assert_got(cast.cat, "");
    assert_int_equal(chat_counters(fixture->chat)->rendered - rendered, 1);
    assert_int_equal(chat_counters(fixture->chat)->deliveries - deliveries, 2);
    router_broadcasts(fixture, "nowhere", 1, "dan"); /* nobody is there any more */
    assert_int_equal(chat_counters(fixture->chat)->rendered - rendered, 1);
}

static void test_what_was_passed_already_is_not_delivered_again(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    router_broadcasts(fixture, "r", 12, "dan"); /* gaps are allowed */
    router_broadcasts(fixture, "r", 12, "dan");
    router_broadcasts(fixture, "r", 11, "dan");
    router_broadcasts(fixture, "r", 10, "dan");
    assert_events(cast.ann, "messageBroadcast");
    router_broadcasts(fixture, "r", 13, "dan");
    assert_events(cast.ann, "messageBroadcast");
}

static void test_a_socket_gets_only_what_came_after_its_join(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct fake_websocket *late = client_new(fixture, "dan");
    be_in(fixture, late, "r", 14, "ann,bob,dan"); /* while this edge is catching up */
    buffer_clear(&cast.ann->sent);
    router_broadcasts(fixture, "r", 13, "x");
    router_broadcasts(fixture, "r", 14, "x");
    router_broadcasts(fixture, "r", 15, "x");
    assert_events(cast.ann, "messageBroadcast messageBroadcast messageBroadcast");
    assert_events(late, "messageBroadcast");
}

static void test_another_epoch_begins_anew_for_everybody(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = room_message("r", 1, "dan");
    message.room_message.epoch = EPOCH + 1;
    router_says(fixture, &message);
    router_says(fixture, &message);
    assert_events(cast.ann, "messageBroadcast"); /* though they joined at 10 of the former */
    assert_events(cast.bob, "messageBroadcast");
}

static void
test_a_message_sent_again_from_the_store_has_its_sender_s_id_for_the_sender(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = room_message("r", 11, "ann");
    message.room_message.client_message_id = text("mine");
    router_says(fixture, &message);
    const char *start = "42[\"messageBroadcast\",{\"id\":\"" QUESTION
                        "\",\"seq\":11,\"epoch\":7,\"createdAt\":5,\"text\":\"hi\"";
    char expected[256];
    snprintf(expected, sizeof(expected), "%s,\"clientMessageId\":\"mine\"}]\n", start);
    assert_got(cast.ann, expected);
    snprintf(expected, sizeof(expected), "%s}]\n", start);
    assert_got(cast.bob, expected);
    message.room_message.seq = 12;
    message.room_message.client_message_id = text("~minted by an edge");
    router_says(fixture, &message);
    buffer_append_char(&cast.ann->sent, '\0');
    assert_null(strstr(cast.ann->sent.data, "clientMessageId"));
}

/* --- a run ----------------------------------------------------------------------------------- */

static struct bus_message run(enum bus_run_state state, const char *asker, const char *reason)
{
    return (struct bus_message){.type = BUS_RUN,
                                .run = {.room = text("r"),
                                        .state = state,
                                        .agent = text("eliza"),
                                        .agent_name = text("Eliza"),
                                        .question = text(QUESTION),
                                        .reply = text(REPLY),
                                        .asker = text(asker),
                                        .server_id = text("server"),
                                        .reason = text(reason)}};
}

static struct bus_message chunk(uint64_t index, const char *words)
{
    return (struct bus_message){.type = BUS_CHUNK,
                                .chunk = {.room = text("r"),
                                          .reply = text(REPLY),
                                          .question = text(QUESTION),
                                          .agent = text("eliza"),
                                          .index = index,
                                          .attempt = 1,
                                          .offset = index, /* pieces of one byte */
                                          .text = text(words)}};
}

static struct bus_message so_far(uint64_t attempt, uint64_t index, const char *words)
{
    struct bus_message message = chunk(index, words);
    message.chunk.attempt = attempt;
    message.chunk.offset = 0;
    message.chunk.is_reset = true;
    return message;
}

static struct bus_message reply(uint64_t seq, const char *asker)
{
    struct bus_message message = room_message("r", seq, "eliza");
    message.room_message.id = text(REPLY);
    message.room_message.in_reply_to = text(QUESTION);
    message.room_message.asker = text(asker);
    return message;
}

static void test_a_run_is_seen_from_thinking_to_complete(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = run(BUS_RUN_STARTED, "ann", NULL);
    router_says(fixture, &message);
    assert_got(cast.ann, "42[\"thinking\",{" IN_R ",\"userId\":\"eliza\",\"displayName\":\"Eliza\","
                         "\"isThinking\":true}]\n"
                         "42[\"controlMessage\",{" IN_R
                         ",\"action\":\"disable_input\",\"userId\":\"eliza\"}]\n");
    assert_events(cast.bob, "thinking"); /* input is the asker's */
    message = chunk(0, "how \"are\"");
    router_says(fixture, &message);
    assert_got(cast.bob, "42[\"messageStreamChunk\",{" IN_R ",\"messageId\":\"" REPLY
                         "\",\"chunk\":\"how \\\"are\\\"\",\"index\":0,\"agentId\":\"eliza\","
                         "\"inReplyTo\":\"" QUESTION "\"}]\n");
    message = reply(11, "ann");
    router_says(fixture, &message);
    assert_got(cast.ann,
               "42[\"messageStreamChunk\",{" IN_R ",\"messageId\":\"" REPLY
               "\",\"chunk\":\"how \\\"are\\\"\",\"index\":0,\"agentId\":\"eliza\","
               "\"inReplyTo\":\"" QUESTION "\"}]\n"
               "42[\"messageBroadcast\",{\"id\":\"" REPLY
               "\",\"seq\":11,\"epoch\":7,\"createdAt\":5,\"text\":\"hi\"}]\n"
               "42[\"thinking\",{" IN_R ",\"userId\":\"eliza\",\"isThinking\":false}]\n"
               "42[\"messageComplete\",{" IN_R
               ",\"serverId\":\"server\",\"messageServerId\":\"server\",\"messageId\":\"" REPLY
               "\",\"inReplyTo\":\"" QUESTION "\",\"agentId\":\"eliza\",\"success\":true}]\n"
               "42[\"controlMessage\",{" IN_R
               ",\"action\":\"enable_input\",\"userId\":\"eliza\"}]\n");
    assert_events(cast.bob, "messageBroadcast thinking messageComplete");
    assert_got(cast.cat, "");
}

static void test_a_run_that_fails_or_is_cancelled_ends_with_a_code(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = run(BUS_RUN_FAILED, "bob", "agent_failed");
    message.run.partial = text("so far");
    router_says(fixture, &message);
    assert_got(cast.ann,
               "42[\"messageStreamError\",{" IN_R ",\"messageId\":\"" REPLY
               "\",\"agentId\":\"eliza\",\"inReplyTo\":\"" QUESTION
               "\",\"error\":\"The agent failed to answer\",\"code\":\"agent_failed\","
               "\"partialText\":\"so far\"}]\n"
               "42[\"thinking\",{" IN_R ",\"userId\":\"eliza\",\"displayName\":\"Eliza\","
               "\"isThinking\":false}]\n"
               "42[\"messageComplete\",{" IN_R
               ",\"serverId\":\"server\",\"messageServerId\":\"server\",\"messageId\":\"" REPLY
               "\",\"inReplyTo\":\"" QUESTION
               "\",\"agentId\":\"eliza\",\"success\":false,\"code\":\"agent_failed\"}]\n");
    assert_events(cast.bob, "messageStreamError thinking messageComplete controlMessage");
    message = run(BUS_RUN_CANCELLED, "", NULL);
    router_says(fixture, &message);
    buffer_append_char(&cast.ann->sent, '\0');
    cast.ann->sent.length--;
    assert_non_null(strstr(cast.ann->sent.data, "\"success\":false,\"code\":\"cancelled\"}]"));
    /* Nobody knows who asked: everybody may write again. */
    assert_events(cast.ann, "thinking messageComplete controlMessage");
    assert_events(cast.bob, "thinking messageComplete controlMessage");
}

static void test_a_reply_that_was_stopped_is_shown_and_ends_with_a_code(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = reply(11, "ann");
    message.room_message.body = text("\"metadata\":{\"stopped\":true},\"text\":\"so far\"");
    router_says(fixture, &message);
    assert_got(cast.bob,
               "42[\"messageBroadcast\",{\"id\":\"" REPLY
               "\",\"seq\":11,\"epoch\":7,\"createdAt\":5,\"metadata\":{\"stopped\":true},"
               "\"text\":\"so far\"}]\n"
               "42[\"thinking\",{" IN_R ",\"userId\":\"eliza\",\"isThinking\":false}]\n"
               "42[\"messageComplete\",{" IN_R
               ",\"serverId\":\"server\",\"messageServerId\":\"server\",\"messageId\":\"" REPLY
               "\",\"inReplyTo\":\"" QUESTION
               "\",\"agentId\":\"eliza\",\"success\":false,\"code\":\"cancelled\"}]\n");
    assert_events(cast.ann, "messageBroadcast thinking messageComplete controlMessage");
}

static void test_behind_a_gap_viewers_wait_for_what_is_missing(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    static const uint64_t indexes[] = {0, 1, 3, 4, 2};
    for (size_t i = 0; i < 5; i++) {
        struct bus_message message = chunk(indexes[i], "x");
        router_says(fixture, &message);
    }
    assert_events(cast.ann, "messageStreamChunk messageStreamChunk messageStreamChunk");
    struct bus_message message = reply(11, "ann");
    router_says(fixture, &message);
    assert_events(cast.ann, "messageBroadcast thinking messageComplete controlMessage");
}

static void test_after_an_outage_only_what_is_new_is_shown(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = chunk(0, "x");
    router_says(fixture, &message);
    assert_events(cast.ann, "messageStreamChunk");
    replace_router(fixture);
    message = so_far(1, 0, "x"); /* nothing was missed */
    router_says(fixture, &message);
    assert_events(cast.ann, "");
    message = so_far(1, 2, "xyz");
    router_says(fixture, &message);
    message = chunk(3, "!");
    router_says(fixture, &message);
    assert_got(cast.ann, "42[\"messageStreamChunk\",{" IN_R ",\"messageId\":\"" REPLY
                         "\",\"chunk\":\"yz\",\"index\":2,\"agentId\":\"eliza\","
                         "\"inReplyTo\":\"" QUESTION "\"}]\n"
                         "42[\"messageStreamChunk\",{" IN_R ",\"messageId\":\"" REPLY
                         "\",\"chunk\":\"!\",\"index\":3,\"agentId\":\"eliza\","
                         "\"inReplyTo\":\"" QUESTION "\"}]\n");
}

static void test_another_attempt_replaces_what_was_shown(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = chunk(0, "x");
    router_says(fixture, &message);
    buffer_clear(&cast.ann->sent);
    message = so_far(2, 0, "xy");
    router_says(fixture, &message);
    assert_got(cast.ann, "42[\"messageStreamChunk\",{" IN_R ",\"messageId\":\"" REPLY
                         "\",\"chunk\":\"xy\",\"index\":0,\"agentId\":\"eliza\","
                         "\"inReplyTo\":\"" QUESTION "\",\"attempt\":2,\"reset\":true}]\n");
    message = chunk(1, "y"); /* of the attempt before */
    router_says(fixture, &message);
    assert_got(cast.ann, "");
}

/* Joins and keeps what it is sent for it. */
static void join(struct chat_fixture *fixture, struct fake_websocket *client)
{
    client_says(fixture, client, "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]");
    uint64_t request = last_heard(&fixture->router, BUS_JOIN)->join.request;
    router_joins(fixture, request, "r", 10, "ann,bob,dan");
}

static void test_who_joins_amid_an_answer_gets_it_so_far_and_then_the_rest(void **state)
{
    struct chat_fixture *fixture = *state;
    gather(fixture);
    struct bus_message message;
    for (uint64_t i = 0; i < 2; i++) {
        message = chunk(i, i == 0 ? "w" : "h");
        router_says(fixture, &message);
    }
    struct fake_websocket *late = client_new(fixture, "dan");
    be_in(fixture, late, "q", 10, "cat,dan");
    join(fixture, late);
    buffer_append_char(&late->sent, '\0');
    late->sent.length--;
    assert_non_null(strstr(late->sent.data, "\"chunk\":\"wh\",\"index\":1,"));
    assert_non_null(strstr(late->sent.data, "\"attempt\":1,\"reset\":true}]"));
    assert_events(late, "channel_joined room_joined messageStreamChunk");
    join(fixture, late); /* it has it */
    assert_events(late, "channel_joined room_joined");
    message = chunk(2, "y");
    router_says(fixture, &message);
    assert_events(late, "messageStreamChunk");
    message = reply(11, "ann");
    router_says(fixture, &message);
    struct fake_websocket *last = client_new(fixture, "eve");
    join(fixture, last);
    assert_events(last, "channel_joined room_joined");
}

static void test_a_run_that_ended_during_an_outage_ends_for_everybody(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = run(BUS_RUN_STARTED, "ann", NULL);
    struct bus_text going_on = {text(REPLY)};
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    router_says(fixture, &message);
    assert_events(cast.ann, "thinking controlMessage");
    replace_router(fixture);
    assert_true(slice_is(last_heard(&fixture->router, BUS_RUNS_WANTED)->runs_wanted.room, "r"));
    router_says(fixture, &message); /* it goes on: that is no news */
    bus_list_add(&list, BUS_ELEMENT_TEXT, &going_on);
    message = (struct bus_message){.type = BUS_RUNS,
                                   .runs = {.room = text("r"), .replies = bus_list_of(&list)}};
    router_says(fixture, &message);
    assert_events(cast.ann, "");
    message.runs.replies = (struct bus_list){0, SLICE_EMPTY};
    router_says(fixture, &message);
    router_says(fixture, &message);
    assert_events(cast.ann, "messageStreamError thinking messageComplete controlMessage");
    buffer_deinit(&list.bytes);
}

static void test_who_comes_back_may_write_again(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = {
        .type = BUS_INPUT,
        .input = {.room = text("r"), .entity = text("ann"), .agent = text("eliza")}};
    router_says(fixture, &message);
    assert_got(cast.ann, "42[\"controlMessage\",{" IN_R
                         ",\"action\":\"enable_input\",\"userId\":\"eliza\"}]\n");
    assert_got(cast.bob, "");
}

/* --- other events ---------------------------------------------------------------------------- */

static void test_signals_are_shown_to_the_room(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct bus_message message = {
        .type = BUS_SIGNAL,
        .signal = {
            .room = text("r"), .kind = BUS_SIGNAL_TYPING, .entity = text("ann"), .is_on = true}};
    router_says(fixture, &message);
    assert_got(cast.ann, ""); /* it knows */
    assert_got(cast.bob,
               "42[\"userTyping\",{\"roomId\":\"r\",\"userId\":\"ann\",\"isTyping\":true}]\n");
    message.signal.kind = BUS_SIGNAL_THINKING;
    message.signal.is_on = false;
    router_says(fixture, &message);
    const char *thinking = "42[\"thinking\",{" IN_R ",\"userId\":\"ann\",\"isThinking\":false}]\n";
    assert_got(cast.ann, thinking);
    assert_got(cast.bob, thinking);
    message.signal.kind = BUS_SIGNAL_CONTROL;
    message.signal.action = text("stop");
    router_says(fixture, &message);
    const char *control =
        "42[\"controlMessage\",{" IN_R ",\"action\":\"stop\",\"userId\":\"ann\"}]\n";
    assert_got(cast.ann, control);
    assert_got(cast.bob, control);
    message.signal.kind = 99; /* a newer router's */
    router_says(fixture, &message);
    message.signal.kind = BUS_SIGNAL_TYPING;
    message.signal.room = text("nowhere");
    router_says(fixture, &message);
    assert_got(cast.bob, "");
    assert_got(cast.cat, "");
}

static void test_a_receipt_is_shown_to_the_author_only(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    struct fake_websocket *tab = client_new(fixture, "ann");
    be_in(fixture, tab, "r", 10, "ann,bob");
    struct bus_message message = {.type = BUS_RECEIPT_NOTE,
                                  .receipt_note = {.room = text("r"),
                                                   .message_id = text(QUESTION),
                                                   .author = text("ann"),
                                                   .user = text("bob"),
                                                   .status = text("read")}};
    buffer_clear(&cast.ann->sent);
    router_says(fixture, &message);
    const char *expected = "42[\"messageAck\",{" IN_R ",\"messageId\":\"" QUESTION
                           "\",\"status\":\"read\",\"userId\":\"bob\"}]\n";
    assert_got(cast.ann, expected);
    assert_got(tab, expected);
    assert_got(cast.bob, "");
    message.receipt_note.room = text("nowhere");
    router_says(fixture, &message);
    assert_got(cast.ann, "");
}

static void test_a_socket_in_two_rooms_gets_the_messages_of_both(void **state)
{
    struct chat_fixture *fixture = *state;
    struct cast cast = gather(fixture);
    be_in(fixture, cast.ann, "q", 0, "ann,cat");
    buffer_clear(&cast.cat->sent);
    router_broadcasts(fixture, "q", 1, "x");
    router_broadcasts(fixture, "r", 11, "x");
    assert_events(cast.ann, "messageBroadcast messageBroadcast");
    assert_events(cast.bob, "messageBroadcast");
    assert_events(cast.cat, "messageBroadcast");
}

/* --- watching a run from outside ------------------------------------------------------------- */

struct watcher {
    struct chat_watch watch; /* first */
    struct chat *chat;
    struct buffer lines;
    bool ends_with_the_reply;
};

static void on_event(struct chat_watch *watch, const struct bus_message *event)
{
    struct watcher *watcher = (struct watcher *)(void *)watch;
    write_message_line(&watcher->lines, event);
    if (watcher->ends_with_the_reply && event->type == BUS_ROOM_MESSAGE) {
        chat_unwatch(watcher->chat, watch);
    }
}

static void test_a_run_can_be_followed_from_outside_the_room(void **state)
{
    struct chat_fixture *fixture = *state;
    struct watcher one = {
        .watch.event = on_event, .chat = fixture->chat, .ends_with_the_reply = true};
    struct watcher two = {
        .watch.event = on_event, .chat = fixture->chat, .ends_with_the_reply = true};
    chat_watch(fixture->chat, &one.watch, text(QUESTION));
    chat_watch(fixture->chat, &two.watch, text(QUESTION));
    assert_int_equal(chat_counters(fixture->chat)->watches, 1);
    struct bus_message messages[] = {run(BUS_RUN_STARTED, "ann", NULL), chunk(0, "why"),
                                     reply(1, "ann"), reply(2, "ann")};
    for (size_t i = 0; i < 4; i++) {
        router_says(fixture, &messages[i]);
    }
    const char *expected = "run r started eliza\nchunk r 0 why\n"
                           "room_message r 1 eliza \"text\":\"hi\" reply\n";
    assert_lines(&one.lines, expected);
    assert_lines(&two.lines, expected);
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    chat_unwatch(fixture->chat, &one.watch); /* not watching any more */
    chat_watch(fixture->chat, &one.watch, text("no id that a run can have"));
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    chat_unwatch(fixture->chat, &one.watch);
    buffer_deinit(&one.lines);
    buffer_deinit(&two.lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_a_room_s_message_goes_to_its_sockets_and_is_rendered_once),
        CHAT_TEST(test_what_was_passed_already_is_not_delivered_again),
        CHAT_TEST(test_a_socket_gets_only_what_came_after_its_join),
        CHAT_TEST(test_another_epoch_begins_anew_for_everybody),
        CHAT_TEST(test_a_message_sent_again_from_the_store_has_its_sender_s_id_for_the_sender),
        CHAT_TEST(test_a_run_is_seen_from_thinking_to_complete),
        CHAT_TEST(test_a_run_that_fails_or_is_cancelled_ends_with_a_code),
        CHAT_TEST(test_a_reply_that_was_stopped_is_shown_and_ends_with_a_code),
        CHAT_TEST(test_behind_a_gap_viewers_wait_for_what_is_missing),
        CHAT_TEST(test_after_an_outage_only_what_is_new_is_shown),
        CHAT_TEST(test_another_attempt_replaces_what_was_shown),
        CHAT_TEST(test_who_joins_amid_an_answer_gets_it_so_far_and_then_the_rest),
        CHAT_TEST(test_a_run_that_ended_during_an_outage_ends_for_everybody),
        CHAT_TEST(test_who_comes_back_may_write_again),
        CHAT_TEST(test_signals_are_shown_to_the_room),
        CHAT_TEST(test_a_receipt_is_shown_to_the_author_only),
        CHAT_TEST(test_a_socket_in_two_rooms_gets_the_messages_of_both),
        CHAT_TEST(test_a_run_can_be_followed_from_outside_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
