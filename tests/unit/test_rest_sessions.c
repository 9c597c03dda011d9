#include "tests/unit/rest_fixture.h"

/* Sessions whose records the router keeps: what REST asks it for, and makes of its answers. */

#define SESSION "11111111-2222-4333-8444-555555555555"
#define PATH "/api/messaging/sessions/" SESSION

/* The wall clock of the fixture stands at 0. */
#define BODY_OF(expires, renews)                                                                   \
    "{\"channelId\":\"c\",\"agentId\":\"eliza\",\"userId\":\"ann\",\"metadata\":{},"               \
    "\"timeoutConfig\":{\"timeoutMinutes\":30,\"autoRenew\":" renews                               \
    ",\"maxDurationMinutes\":720,\"warningThresholdMinutes\":5},\"createdAt\":0,"                  \
    "\"lastActivity\":0,\"expiresAt\":" expires ",\"renewalCount\":0}"

static void answer_record(struct rest_fixture *fixture, uint64_t number, int error,
                          const char *body)
{
    struct bus_message message = {.type = BUS_RECORD,
                                  .record = {.request = number,
                                             .error = error,
                                             .id = text(SESSION),
                                             .revision = 3,
                                             .body = text(body)}};
    router_says(fixture->chat, &message);
}

static void answer_get(struct rest_fixture *fixture, int error, const char *body)
{
    uint64_t number = last_heard(&fixture->chat->router, BUS_RECORD_GET)->record_get.request;
    answer_record(fixture, number, error, body);
}

static const struct bus_record_put *last_put(struct rest_fixture *fixture)
{
    return &last_heard(&fixture->chat->router, BUS_RECORD_PUT)->record_put;
}

static void test_a_request_replaces_the_revision_that_it_has_read(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " PATH "/renew", "");
    answer_get(fixture, 0, BODY_OF("1800000", "false"));
    const struct bus_record_put *put = last_put(fixture);
    assert_int_equal(put->expected, 3);
    assert_true(slice_is(put->id, SESSION));
    assert_true(slice_is(put->owner, "ann"));
    answer_record(fixture, put->request, 0, "");
    assert_int_equal(exchange->status, 200);
    assert_true(has(&exchange->body, "\"renewalCount\":1"));
}

static void test_it_begins_again_when_another_was_faster_but_not_for_ever(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " PATH "/heartbeat", "");
    int tries = 0;
    for (; exchange->status == 0 && tries < 100; tries++) {
        answer_get(fixture, 0, BODY_OF("1800000", "true"));
        answer_record(fixture, last_put(fixture)->request, ERROR_CONFLICT, "");
    }
    assert_int_equal(tries, 16);
    assert_int_equal(exchange->status, 503);
    assert_true(has(&exchange->headers, "Retry-After"));
    assert_true(has(&exchange->body, "\"timestamp\""));
}

static void test_what_was_deleted_meanwhile_is_not_made_again(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " PATH "/renew", "");
    answer_get(fixture, 0, BODY_OF("1800000", "true"));
    answer_record(fixture, last_put(fixture)->request, ERROR_NOT_FOUND, "");
    assert_int_equal(exchange->status, 404);
    assert_true(has(&exchange->body, "\"SESSION_NOT_FOUND\""));
}

static void test_an_expired_one_is_410_and_nothing_is_said_in_it(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange =
        request(fixture, "POST " PATH "/messages", "{\"content\":\"hello\"}");
    buffer_clear(&fixture->chat->router.lines);
    answer_get(fixture, 0, BODY_OF("-1", "true"));
    assert_int_equal(exchange->status, 410);
    assert_true(has(&exchange->body, "\"SESSION_EXPIRED\""));
    assert_heard(&fixture->chat->router, "");
}

static void test_a_client_that_hangs_up_is_not_waited_for(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "POST " PATH "/renew", "");
    hang_up(exchange);
    buffer_clear(&fixture->chat->router.lines);
    answer_get(fixture, 0, BODY_OF("1800000", "true"));
    assert_heard(&fixture->chat->router, "");
}

static void test_a_record_that_is_no_session_is_an_error_of_ours(void **state)
{
    struct rest_fixture *fixture = *state;
    struct http_exchange *exchange = request(fixture, "GET " PATH, "");
    answer_get(fixture, 0, "{}");
    assert_int_equal(exchange->status, 500);
    exchange = request(fixture, "GET " PATH, "");
    answer_get(fixture, ERROR_OVERLOADED, "");
    assert_int_equal(exchange->status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REST_TEST(test_a_request_replaces_the_revision_that_it_has_read),
        REST_TEST(test_it_begins_again_when_another_was_faster_but_not_for_ever),
        REST_TEST(test_what_was_deleted_meanwhile_is_not_made_again),
        REST_TEST(test_an_expired_one_is_410_and_nothing_is_said_in_it),
        REST_TEST(test_a_client_that_hangs_up_is_not_waited_for),
        REST_TEST(test_a_record_that_is_no_session_is_an_error_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
