#include "tests/unit/rest_fixture.h"

/* Requests of several questions to the router, when the uplink takes no more in between. */

#define AGENT "b850bc30-45f8-0041-a00a-83df46d8555d"

static void ignore(void *context, const struct uplink_outcome *outcome)
{
    (void)context;
    (void)outcome;
}

/* Until it refuses: what an answer sets free then is not enough for another question. */
static void fill_uplink(struct chat_fixture *fixture)
{
    char *body = calloc(1, BUS_PAYLOAD_MAX);
    int error = 0;
    while (error == 0) {
        struct bus_message message = {.type = BUS_SEND,
                                      .send = {.room = text("full"),
                                               .sender = text("ann"),
                                               .message_id = text("m"),
                                               .body = slice_of(body, BUS_PAYLOAD_MAX)}};
        error = uplink_request(fixture->uplink, &message, &message.send.request, ignore, NULL, NULL,
                               fixture->sessions.now);
        wait_for(fixture, 50); /* the link is to have room */
    }
    assert_int_equal(error, ERROR_OVERLOADED);
    free(body);
}

static void test_a_memory_is_not_deleted_when_the_uplink_is_full(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        request(fixture, "DELETE /api/memory/" AGENT "/memories/" REPLY, "");
    uint64_t number = last_heard(&fixture->chat->router, BUS_MESSAGE_GET)->message_get.request;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_stored_message stored = {
        .id = text(REPLY),
        .seq = 1,
        .created_at = 5,
        .sender = text("ann"),
        .body = text("\"senderId\":\"ann\",\"text\":\"t\",\"channelId\":\"r\"")};
    bus_list_add(&list, BUS_ELEMENT_STORED, &stored);
    struct bus_message page = {
        .type = BUS_HISTORY_PAGE,
        .history_page = {.request = number, .epoch = EPOCH, .messages = bus_list_of(&list)}};
    fill_uplink(fixture->chat);
    router_says(fixture->chat, &page);
    buffer_deinit(&list.bytes);
    assert_int_equal(exchange->status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REST_TEST(test_a_memory_is_not_deleted_when_the_uplink_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
