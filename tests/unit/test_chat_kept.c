/* What the edge has the router keep of sockets, so that they can be recovered. */
#include "tests/unit/recovery_fixture.h"

static void a_new_socket_gets_a_private_id_and_offsets(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "session_open ann\n");
    buffer_append_char(&client->sent, '\0');
    char *pid = strstr(client->sent.data, "\"pid\":\"");
    assert_non_null(pid);
    struct recovery_keys keys;
    struct slice id;
    recovery_keys_init(&keys, SECRET);
    assert_true(recovery_read_pid(&keys, slice_of(pid + 7, RECOVERY_PID_LENGTH), &id));
    assert_true(
        slice_equals(id, last_heard(&fixture->router, BUS_SESSION_OPEN)->session_open.socket));
    client->sent.length--;
    assert_told(client, "40{\"sid\" authenticated@5 connection_established@5 ");
    be_in(fixture, client, "r", 0, "ann");
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    assert_told(client, "hi@30 ");
    client_lost(fixture, client);
    assert_heard(&fixture->router, "leave r ann\nsession_end\n");
}

static void a_client_that_cannot_take_offsets_gets_none(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = client_with(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "");
    assert_told(client, "40{\"sid\" authenticated connection_established ");
    be_in(fixture, client, "r", 0, "ann");
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    assert_got(client, "42[\"messageBroadcast\",{\"id\":\"" QUESTION
                       "\",\"seq\":1,\"epoch\":7,\"createdAt\":5,\"text\":\"hi\"}]\n");
}

static void leaving_ends_it_for_good(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    assert_heard(&fixture->router, "session_open ann\n");
    client_says(fixture, client, "41");
    assert_heard(&fixture->router, "session_end explicit\n");
}

static void router_has_done(struct chat_fixture *fixture, uint64_t request, int error)
{
    struct bus_message message = {.type = BUS_DONE, .done = {.request = request, .error = error}};
    router_says(fixture, &message);
}

static void a_join_that_is_given_up_is_not_to_be_kept(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 5000);
    assert_heard(&fixture->router, "leave r ann #1\nsession_leave #2 r\n");
    wait_for(fixture, 5000); /* until it is known */
    assert_heard(&fixture->router, "session_leave #3 r\n");
    router_has_done(fixture, 3, ERROR_STORE);
    assert_heard(&fixture->router, "session_leave #4 r\n");
    router_has_done(fixture, 4, 0);
    wait_for(fixture, 6000);
    assert_heard(&fixture->router, "");
}

static void a_join_that_is_asked_for_again_decides_what_is_kept(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    wait_for(fixture, 3000);
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 2000);
    assert_heard(&fixture->router, "leave r ann #1\n");
    struct bus_message refused = {
        .type = BUS_JOINED, .joined = {.request = 2, .room = text("r"), .error = ERROR_OVERLOADED}};
    router_says(fixture, &refused); /* of the first one nothing is known */
    assert_heard(&fixture->router, "session_leave #3 r\n");
    client_says(fixture, client, JOIN_R);
    wait_for(fixture, 4900);
    router_joins(fixture, 4, "r", 0, "ann");
    buffer_clear(&fixture->router.lines);
    wait_for(fixture, 6000); /* it is there: nothing is asked any more */
    assert_heard(&fixture->router, "");
}

static void what_the_router_refuses_is_not_kept_anyway(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    client_says(fixture, client, JOIN_R);
    buffer_clear(&fixture->router.lines);
    struct bus_message refused = {
        .type = BUS_JOINED, .joined = {.request = 1, .room = text("r"), .error = ERROR_LIMIT}};
    router_says(fixture, &refused);
    assert_heard(&fixture->router, "");
}

static void while_it_catches_up_messages_prove_nothing_and_the_rest_says_nothing(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    be_in(fixture, client, "r", 0, "ann");
    replace_router(fixture);
    broadcast_at(fixture, "r", 1, 30, "\"text\":\"hi\"");
    client_says(fixture, client, "42[\"message\",{\"type\":9,\"payload\":{}}]");
    buffer_append_char(&client->sent, '\0');
    assert_non_null(strstr(client->sent.data, "\"text\":\"hi\"},\"" RECOVERY_OFFSET_VOID "\"]"));
    client->sent.length--;
    assert_told(client, "hi messageError ");
    say_caught_up(fixture, 30);
    client_says(fixture, client, "42[\"message\",{\"type\":9,\"payload\":{}}]");
    assert_told(client, "messageError@30 ");
}

static void what_ends_without_a_router_is_said_later(void **state)
{
    struct chat_fixture *fixture = recovering(state);
    struct fake_websocket *client = saying(fixture, "40{\"entityId\":\"ann\"}");
    fixture->is_cut = true;
    wait_for(fixture, 4000);
    client_lost(fixture, client);
    fixture->is_cut = false;
    replace_router(fixture);
    assert_heard(&fixture->router, "session_end\nsync_done 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(a_new_socket_gets_a_private_id_and_offsets),
        CHAT_TEST(a_client_that_cannot_take_offsets_gets_none),
        CHAT_TEST(leaving_ends_it_for_good),
        CHAT_TEST(a_join_that_is_given_up_is_not_to_be_kept),
        CHAT_TEST(a_join_that_is_asked_for_again_decides_what_is_kept),
        CHAT_TEST(what_the_router_refuses_is_not_kept_anyway),
        CHAT_TEST(while_it_catches_up_messages_prove_nothing_and_the_rest_says_nothing),
        CHAT_TEST(what_ends_without_a_router_is_said_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
