#include "tests/unit/chat_fixture.h"

#define IN_R "\"roomId\":\"r\",\"channelId\":\"r\""

static void says_presence(struct chat_fixture *fixture, bool is_joined, const char *entity,
                          uint64_t count)
{
    struct bus_message message = {.type = BUS_PRESENCE,
                                  .presence = {.room = text("r"),
                                               .is_joined = is_joined,
                                               .entity = text(entity),
                                               .name = text("N"),
                                               .member_count = count}};
    router_says(fixture, &message);
}

/* A PRESENCE_LIST of r with these members, "ann,bob". */
static void says_list(struct chat_fixture *fixture, const char *members)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (const char *at = members; *at != '\0';) {
        size_t length = strcspn(at, ",");
        struct bus_member member = {slice_of(at, length), SLICE_EMPTY, 1};
        bus_list_add(&list, BUS_ELEMENT_MEMBER, &member);
        at += length + (at[length] == ',');
    }
    struct bus_message message = {.type = BUS_PRESENCE_LIST,
                                  .presence_list = {text("r"), bus_list_of(&list)}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
}

/* Who came (+) and went (-) since the last look, as this client was told. */
static void assert_told(struct fake_websocket *client, const char *expected)
{
    struct buffer told = BUFFER_EMPTY;
    buffer_append_char(&client->sent, '\0');
    for (char *at = client->sent.data, *end; (end = strchr(at, '|')) != NULL; at = end + 1) {
        *end = '\0';
        const char *entity = strstr(at, "\"userId\":\"");
        bool is_joined = strstr(at, "userJoined") != NULL;
        if ((is_joined || strstr(at, "userLeft") != NULL) && entity != NULL) {
            buffer_append_string(&told, told.length == 0 ? "" : " ");
            buffer_append_char(&told, is_joined ? '+' : '-');
            buffer_append(&told, entity + 10, strcspn(entity + 10, "\""));
        }
    }
    buffer_clear(&client->sent);
    assert_lines(&told, expected);
    buffer_deinit(&told);
}

static void test_who_comes_and_goes_is_told_to_the_others(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    struct fake_websocket *bob = client_new(fixture, "bob");
    be_in(fixture, ann, "r", 0, "ann");
    be_in(fixture, bob, "r", 0, "ann,bob");
    buffer_clear(&ann->sent);
    says_presence(fixture, true, "cat", 3);
    assert_got(ann, "42[\"userJoined\",{" IN_R
                    ",\"userId\":\"cat\",\"displayName\":\"N\",\"memberCount\":3}]\n");
    says_presence(fixture, false, "bob", 2);
    assert_got(ann, "42[\"userLeft\",{" IN_R
                    ",\"userId\":\"bob\",\"displayName\":\"N\",\"memberCount\":2}]\n");
    assert_told(bob, "+cat"); /* nothing about himself */
}

static void test_several_who_leave_at_once_are_told_one_by_one(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    struct bus_list_builder gone = {BUFFER_EMPTY, 0};
    struct bus_member bob = {text("bob"), text("N"), 0}, dan = {text("dan"), SLICE_EMPTY, 0};
    be_in(fixture, ann, "r", 0, "ann,bob,cat,dan");
    bus_list_add(&gone, BUS_ELEMENT_MEMBER, &bob);
    bus_list_add(&gone, BUS_ELEMENT_MEMBER, &dan);
    struct bus_message message = {
        .type = BUS_PRESENCE_LEFT,
        .presence_left = {.room = text("r"), .members = bus_list_of(&gone), .member_count = 2}};
    router_says(fixture, &message);
    assert_got(ann, "42[\"userLeft\",{" IN_R
                    ",\"userId\":\"bob\",\"displayName\":\"N\",\"memberCount\":3}]\n"
                    "42[\"userLeft\",{" IN_R ",\"userId\":\"dan\",\"memberCount\":2}]\n");
    router_says(fixture, &message); /* no news */
    assert_told(ann, "");
    buffer_deinit(&gone.bytes);
}

static void test_what_is_known_already_is_no_news(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    be_in(fixture, ann, "r", 0, "ann,bob");
    says_presence(fixture, true, "bob", 2);
    says_presence(fixture, false, "cat", 2);
    assert_told(ann, "");
    says_presence(fixture, false, "bob", 1);
    says_presence(fixture, false, "bob", 1);
    assert_told(ann, "-bob");
    says_presence(fixture, true, "bob", 2);
    assert_told(ann, "+bob");
}

static void test_an_edge_that_was_away_tells_what_changed_meanwhile(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    be_in(fixture, ann, "r", 0, "ann,bob,cat");
    replace_router(fixture);
    assert_told(ann, "");
    says_list(fixture, "cat,ann,dan");
    assert_told(ann, "+dan -bob");
    says_list(fixture, "dan,cat,ann");
    assert_told(ann, "");
    says_presence(fixture, false, "dan", 2);
    assert_told(ann, "-dan");
}

static void test_lists_of_any_order_and_size_are_told_apart_rightly(void **state)
{
    static const char *const lists[] = {"a,b,c,d,e", "e,d,c,b,a", "ann", "c,ann,a",      "ann,b",
                                        "b,ann,c,d", "d,e,ann",   "ann", "ann,a,b,c,d,e"};
    struct chat_fixture *fixture = *state;
    struct fake_websocket *watcher = client_new(fixture, "w");
    be_in(fixture, watcher, "r", 0, "a,b,c,d,e,ann");
    bool present[6] = {true, true, true, true, true, true}; /* a to e, ann */
    static const char *const names[] = {"a", "b", "c", "d", "e", "ann"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        says_list(fixture, lists[i]);
        buffer_append_char(&watcher->sent, '\0');
        for (size_t n = 0; n < 6; n++) {
            char key[32], in_list[16], list[64];
            snprintf(list, sizeof(list), ",%s,", lists[i]);
            snprintf(in_list, sizeof(in_list), ",%s,", names[n]);
            snprintf(key, sizeof(key), "\"userId\":\"%s\"", names[n]);
            bool is_there = strstr(list, in_list) != NULL;
            const char *event = strstr(watcher->sent.data, key);
            assert_int_equal(event != NULL, is_there != present[n]);
            assert_true(event == NULL || strstr(event + 1, key) == NULL); /* told once */
            present[n] = is_there;
        }
        buffer_clear(&watcher->sent);
    }
}

static void test_a_list_of_a_room_that_is_empty_here_is_nothing(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    says_list(fixture, "bob");
    says_presence(fixture, true, "cat", 1);
    assert_got(ann, "");
    assert_int_equal(chat_counters(fixture->chat)->rooms, 0);
}

static void test_a_joiner_s_list_has_those_whom_a_new_router_does_not_know_yet(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    struct fake_websocket *dan = client_new(fixture, "dan");
    be_in(fixture, ann, "r", 0, "ann,bob");
    replace_router(fixture);
    client_says(fixture, dan, "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]");
    router_joins(fixture, 2, "r", 0, "ann,dan"); /* Bob's edge is not back yet */
    buffer_append_char(&dan->sent, '\0');
    dan->sent.length--;
    assert_non_null(strstr(dan->sent.data, "{\"userId\":\"bob\"}]"));
    assert_non_null(strstr(dan->sent.data, "\"memberCount\":3"));
    assert_told(dan, "");
    assert_told(ann, "+dan");
    says_list(fixture, "ann,dan,bob"); /* he is */
    assert_told(ann, "");
    assert_told(dan, "");
    says_list(fixture, "ann,dan");
    assert_told(dan, "-bob");
}

/* The client joins, and is told of bob and how many are there. */
static void be_in_crowd(struct chat_fixture *fixture, struct fake_websocket *client)
{
    client_says(fixture, client, "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"r\"}}]");
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_member member = {text("bob"), SLICE_EMPTY, 1};
    bus_list_add(&list, BUS_ELEMENT_MEMBER, &member);
    struct bus_message message = {
        .type = BUS_JOINED,
        .joined = {.request = last_heard(&fixture->router, BUS_JOIN)->join.request,
                   .room = text("r"),
                   .epoch = EPOCH,
                   .server_id = text("server"),
                   .member_count = 5000,
                   .members = bus_list_of(&list),
                   .replay_complete = true}};
    router_says(fixture, &message);
    buffer_deinit(&list.bytes);
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "\"memberCount\":5000"));
    buffer_clear(&client->sent);
}

static void test_a_room_that_is_no_crowd_any_more_is_told_who_is_there(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    be_in_crowd(fixture, ann);
    says_presence(fixture, false, "bob", 999); /* what the router says it has a reason for */
    assert_told(ann, "-bob");
    says_list(fixture, "ann,cat");
    assert_got(ann,
               "42[\"room_joined\",{\"channelId\":\"r\",\"roomId\":\"r\",\"serverId\":\"server\","
               "\"messageServerId\":\"server\",\"epoch\":7,\"seq\":0,\"members\":["
               "{\"userId\":\"ann\"},{\"userId\":\"cat\"}],\"memberCount\":2}]\n");
    says_presence(fixture, true, "cat", 2);
    says_presence(fixture, false, "cat", 1);
    says_list(fixture, "ann,dan");
    assert_told(ann, "-cat +dan");
}

static void test_whoever_was_there_before_the_crowd_is_told_what_changed(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    struct fake_websocket *bob = client_new(fixture, "bob");
    be_in(fixture, ann, "r", 0, "ann,bob,cat");
    be_in_crowd(fixture, bob);
    says_list(fixture, "ann,bob,dan");
    assert_told(ann, "+dan -cat");
    assert_int_equal(chat_counters(fixture->chat)->deliveries, 5); /* two each, and bob's list */
    buffer_append_char(&bob->sent, '\0');
    assert_non_null(strstr(bob->sent.data, "\"userId\":\"dan\"}],\"memberCount\":3}"));
    buffer_clear(&bob->sent);
    says_presence(fixture, false, "dan", 2);
    assert_told(ann, "-dan");
    assert_told(bob, "-dan");
}

/* --- synchronising --------------------------------------------------------------------------- */

static void test_a_new_link_is_told_every_room_its_last_message_and_its_members(void **state)
{
    struct chat_fixture *fixture = *state;
    struct fake_websocket *ann = client_new(fixture, "ann");
    struct fake_websocket *tab = client_new(fixture, "ann");
    struct fake_websocket *bob = client_new(fixture, "bob");
    be_in(fixture, ann, "r", 3, "ann");
    be_in(fixture, tab, "r", 3, "ann");
    be_in(fixture, bob, "q", 0, "bob");
    client_says(fixture, bob, "42[\"message\",{\"type\":1,\"payload\":{\"roomId\":\"s\"}}]");
    router_broadcasts(fixture, "r", 5, "x");
    buffer_clear(&fixture->router.lines);
    replace_router(fixture);
    assert_heard(&fixture->router, "room_sync r last=5 members=ann,ann\n"
                                   "room_sync q last=0 members=bob\nsync_done 2\n"
                                   "join #4 s bob\n"); /* still waiting: asked again */
    assert_int_equal(last_heard(&fixture->router, BUS_ROOM_SYNC)->room_sync.epoch, EPOCH);
}

static void test_a_large_room_is_synchronised_in_several_parts(void **state)
{
    enum { SOCKETS = 9000 }; /* of 256 bytes and more: over half a payload */
    struct chat_fixture *fixture = *state;
    for (int i = 0; i < SOCKETS; i++) {
        char entity[260];
        snprintf(entity, sizeof(entity), "%0250d", i);
        struct fake_websocket *client = client_new(fixture, entity);
        be_in(fixture, client, "r", 0, "somebody");
        while (fixture->router.heard != NULL) { /* a test's memory is not boundless either */
            struct heard *heard = fixture->router.heard;
            fixture->router.heard = heard->next;
            buffer_deinit(&heard->bytes);
            free(heard);
        }
    }
    buffer_clear(&fixture->router.lines);
    replace_router(fixture);
    size_t parts = 0, members = 0;
    for (const struct heard *at = fixture->router.heard; at != NULL; at = at->next) {
        if (at->message.type == BUS_ROOM_SYNC) {
            parts++;
            members += at->message.room_sync.members.count;
            assert_true(at->message.room_sync.members.elements.length <= BUS_PAYLOAD_MAX);
        }
    }
    assert_true(parts > 1);
    assert_int_equal(members, SOCKETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(test_who_comes_and_goes_is_told_to_the_others),
        CHAT_TEST(test_several_who_leave_at_once_are_told_one_by_one),
        CHAT_TEST(test_what_is_known_already_is_no_news),
        CHAT_TEST(test_an_edge_that_was_away_tells_what_changed_meanwhile),
        CHAT_TEST(test_lists_of_any_order_and_size_are_told_apart_rightly),
        CHAT_TEST(test_a_list_of_a_room_that_is_empty_here_is_nothing),
        CHAT_TEST(test_a_joiner_s_list_has_those_whom_a_new_router_does_not_know_yet),
        CHAT_TEST(test_a_room_that_is_no_crowd_any_more_is_told_who_is_there),
        CHAT_TEST(test_whoever_was_there_before_the_crowd_is_told_what_changed),
        CHAT_TEST(test_a_new_link_is_told_every_room_its_last_message_and_its_members),
        CHAT_TEST(test_a_large_room_is_synchronised_in_several_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
