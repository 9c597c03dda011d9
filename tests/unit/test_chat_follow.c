#include "tests/unit/chat_fixture.h"

/*
 * Who asks in a room it is not in gets its own answers nevertheless: at once when it does not join,
 * and behind room_joined when it does so within a second.
 */
enum { HOLD = 1000 };

#define ASK "42[\"message\",{\"type\":2,\"payload\":{\"roomId\":\"r\",\"message\":\"hello\"}}]"
#define JOIN_R "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]"

/* Ann has asked in r from outside, and heard that it was accepted. */
static struct fake_websocket *asker(struct chat_fixture *fixture, uint64_t answers)
{
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, ASK);
    router_accepts(fixture, 1, "r", 1, "ann", answers);
    assert_events(client, "messageBroadcast messageAck");
    assert_heard(&fixture->router, "send #1 r ann ~ asks\n");
    return client;
}

static void say_chunk(struct chat_fixture *fixture, uint64_t index, const char *words)
{
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text("r"),
                                            .reply = text(REPLY),
                                            .question = text(QUESTION),
                                            .agent = text("eliza"),
                                            .index = index,
                                            .offset = index * strlen(words), /* equal pieces */
                                            .attempt = 1,
                                            .text = text(words)}};
    router_says(fixture, &message);
}

static void say_reply(struct chat_fixture *fixture, uint64_t seq)
{
    struct bus_message message = room_message("r", seq, "eliza");
    message.room_message.id = text(REPLY);
    message.room_message.in_reply_to = text(QUESTION);
    message.room_message.asker = text("ann");
    router_says(fixture, &message);
}

static void say_failed(struct chat_fixture *fixture)
{
    struct bus_message message = {.type = BUS_RUN,
                                  .run = {.room = text("r"),
                                          .state = BUS_RUN_FAILED,
                                          .agent = text("eliza"),
                                          .question = text(QUESTION),
                                          .reply = text(REPLY),
                                          .reason = text("agent_failed")}};
    router_says(fixture, &message);
}

static void say_started(struct chat_fixture *fixture)
{
    struct bus_message message = {.type = BUS_RUN,
                                  .run = {.room = text("r"),
                                          .state = BUS_RUN_STARTED,
                                          .agent = text("eliza"),
                                          .question = text(QUESTION),
                                          .reply = text(REPLY)}};
    router_says(fixture, &message);
}

static void test_who_does_not_join_gets_its_answer_after_the_hold(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_started(fixture);
    say_chunk(fixture, 0, "why");
    say_reply(fixture, 2);
    wait_for(fixture, HOLD - 50);
    assert_events(client, "");
    wait_for(fixture, 50);
    assert_events(client, "messageStreamChunk messageBroadcast messageComplete");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
}

static void test_after_the_hold_the_answer_comes_as_it_is_written(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_chunk(fixture, 0, "why");
    wait_for(fixture, HOLD);
    assert_events(client, "messageStreamChunk");
    say_chunk(fixture, 1, " so");
    assert_events(client, "messageStreamChunk");
    say_reply(fixture, 2);
    assert_events(client, "messageBroadcast messageComplete");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
}

static void test_who_joins_in_time_gets_room_joined_first(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    client_says(fixture, client, JOIN_R);
    say_chunk(fixture, 0, "why");
    assert_events(client, "");
    router_joins(fixture, 2, "r", 1, "ann");
    assert_events(client, "channel_joined room_joined messageStreamChunk");
    say_chunk(fixture, 1, " so"); /* from here on as a member, and once */
    say_reply(fixture, 2);
    assert_events(client, "messageStreamChunk messageBroadcast thinking messageComplete "
                          "controlMessage");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
}

static void test_an_answer_that_was_there_before_the_join_comes_behind_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_chunk(fixture, 0, "why");
    say_reply(fixture, 2);
    client_says(fixture, client, JOIN_R);
    router_joins(fixture, 2, "r", 2, "ann");
    assert_events(client, "channel_joined room_joined messageStreamChunk messageBroadcast "
                          "messageComplete");
    wait_for(fixture, HOLD);
    assert_events(client, "");
}

static void test_what_a_replay_has_brought_is_not_brought_twice(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_reply(fixture, 2);
    client_says(fixture, client,
                "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\",\"since\":0}}]");
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_stored_message stored = {.id = text(REPLY), .seq = 2, .sender = text("eliza")};
    bus_list_add(&list, BUS_ELEMENT_STORED, &stored);
    struct bus_message message = {.type = BUS_JOINED,
                                  .joined = {.request = 2,
                                             .room = text("r"),
                                             .epoch = EPOCH,
                                             .last_seq = 2,
                                             .replay_complete = true,
                                             .replay = bus_list_of(&list)}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
    assert_events(client, "channel_joined room_joined messageBroadcast");
    wait_for(fixture, HOLD);
    assert_events(client, "");
}

static void test_a_member_does_not_follow_from_outside_too(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = client_new(fixture, "ann");
    be_in(fixture, client, "r", 0, "ann");
    client_says(fixture, client, ASK);
    router_accepts(fixture, 2, "r", 1, "ann", 1);
    buffer_clear(&client->sent);
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    say_chunk(fixture, 0, "why");
    say_reply(fixture, 2);
    assert_events(client, "messageStreamChunk messageBroadcast thinking messageComplete "
                          "controlMessage");
}

static void test_a_failed_answer_is_told_too(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    wait_for(fixture, HOLD);
    say_failed(fixture);
    assert_events(client, "messageComplete");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
}

static void test_each_of_several_answers_is_followed_to_its_end(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 2);
    wait_for(fixture, HOLD);
    say_reply(fixture, 2);
    assert_events(client, "messageBroadcast messageComplete");
    assert_int_equal(chat_counters(fixture->chat)->watches, 1);
    say_failed(fixture);
    assert_events(client, "messageComplete");
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
}

static void test_two_questions_are_held_each_for_its_own_second(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_chunk(fixture, 0, "why");
    wait_for(fixture, 600);
    client_says(fixture, client, ASK);
    router_accepts(fixture, 2, "r", 2, "ann", 1); /* the same id: the fake router knows one */
    buffer_clear(&client->sent);
    wait_for(fixture, 400);
    assert_events(client, "messageStreamChunk");
    wait_for(fixture, 600);
    assert_events(client, "");
}

static void test_more_than_can_be_held_goes_out_in_order(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    for (uint64_t i = 0; i < 1005; i++) {
        say_chunk(fixture, i, "w");
    }
    size_t count = 0;
    const char *at = client->sent.data;
    buffer_append_char(&client->sent, '\0');
    while ((at = strstr(client->sent.length == 1 ? "" : at, "\"index\":")) != NULL) {
        assert_int_equal(strtoul(at + 8, NULL, 10), count++);
        at += 8;
    }
    assert_int_equal(count, 1005);
    buffer_clear(&client->sent);
    say_reply(fixture, 2);
    assert_events(client, "messageBroadcast messageComplete");
}

static void test_a_follower_that_leaves_is_forgotten_with_what_was_held_for_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_chunk(fixture, 0, "why");
    client_lost(fixture, client);
    assert_int_equal(chat_counters(fixture->chat)->watches, 0);
    say_reply(fixture, 2);
    wait_for(fixture, HOLD);
}

static void test_joining_another_room_changes_nothing(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    be_in(fixture, client, "q", 0, "ann");
    say_reply(fixture, 2);
    assert_events(client, "");
    wait_for(fixture, HOLD);
    assert_events(client, "messageBroadcast messageComplete");
}

/* As after a reconnection: it asks again what it has asked before. */
static void test_who_asks_again_amid_the_answer_gets_its_beginning_too(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *other = client_new(fixture, "bob");
    be_in(fixture, other, "r", 0, "bob");
    say_started(fixture);
    say_chunk(fixture, 0, "why");
    struct fake_websocket *client = client_new(fixture, "ann");
    client_says(fixture, client, ASK);
    router_accepts(fixture, 2, "r", 1, "ann", 1);
    assert_events(client, "messageBroadcast messageAck");
    client_says(fixture, client, JOIN_R);
    router_joins(fixture, 3, "r", 1, "ann,bob");
    assert_events(client, "channel_joined room_joined messageStreamChunk");
    say_chunk(fixture, 1, " so");
    assert_events(client, "messageStreamChunk");
}

static void test_what_was_held_of_an_answer_is_not_lost_to_a_replay(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = asker(fixture, 1);
    say_started(fixture);
    say_chunk(fixture, 0, "why");
    client_says(fixture, client,
                "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\",\"since\":0}}]");
    struct bus_message message = {.type = BUS_JOINED,
                                  .joined = {.request = 2,
                                             .room = text("r"),
                                             .epoch = EPOCH,
                                             .last_seq = 1,
                                             .replay_complete = true}};
    router_says(fixture, &message);
    assert_events(client, "channel_joined room_joined messageStreamChunk");
}

/* Somebody from outside who has asked, and sees the answer begin. */
static struct fake_websocket *follower(struct chat_fixture *fixture)
{
    struct fake_websocket *client = asker(fixture, 1);
    say_started(fixture);
    say_chunk(fixture, 0, "why");
    wait_for(fixture, HOLD);
    assert_events(client, "messageStreamChunk");
    return client;
}

/* The new router does not know that anybody follows it from here: its end will not be told. */
static void test_a_followed_answer_is_not_taken_for_a_running_one_after_an_outage(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = follower(fixture);
    replace_router(fixture);
    be_in(fixture, client, "r", 2, "ann");
    assert_events(client, "");
    buffer_clear(&fixture->router.lines);
    replace_router(fixture);
    assert_heard(&fixture->router, "room_sync r last=2 members=ann\nsync_done 1\n");
}

/* All have left, and somebody has come amid a catch-up: what follows is history in the room. */
static void test_an_answer_that_is_history_in_the_room_is_told_to_who_follows_it(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *client = follower(fixture);
    struct fake_websocket *late = client_new(fixture, "bob");
    be_in(fixture, late, "r", 5, "bob");
    say_reply(fixture, 4);
    assert_events(client, "messageBroadcast messageComplete");
    assert_events(late, "thinking messageComplete");
    say_reply(fixture, 4);
    assert_events(client, "");
    assert_events(late, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_who_does_not_join_gets_its_answer_after_the_hold),
        CHAT_TEST(test_after_the_hold_the_answer_comes_as_it_is_written),
        CHAT_TEST(test_who_joins_in_time_gets_room_joined_first),
        CHAT_TEST(test_an_answer_that_was_there_before_the_join_comes_behind_it),
        CHAT_TEST(test_what_a_replay_has_brought_is_not_brought_twice),
        CHAT_TEST(test_a_member_does_not_follow_from_outside_too),
        CHAT_TEST(test_a_failed_answer_is_told_too),
        CHAT_TEST(test_each_of_several_answers_is_followed_to_its_end),
        CHAT_TEST(test_two_questions_are_held_each_for_its_own_second),
        CHAT_TEST(test_more_than_can_be_held_goes_out_in_order),
        CHAT_TEST(test_a_follower_that_leaves_is_forgotten_with_what_was_held_for_it),
        CHAT_TEST(test_joining_another_room_changes_nothing),
        CHAT_TEST(test_who_asks_again_amid_the_answer_gets_its_beginning_too),
        CHAT_TEST(test_what_was_held_of_an_answer_is_not_lost_to_a_replay),
        CHAT_TEST(test_a_followed_answer_is_not_taken_for_a_running_one_after_an_outage),
        CHAT_TEST(test_an_answer_that_is_history_in_the_room_is_told_to_who_follows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
