#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent-bridge/runtimes/retry.h"
#include "proto/base/error.h"

static void pauses_double_within_their_jitter(void **state)
{
    int64_t pause = RETRY_PAUSE_MS;
    (void)state;
    for (unsigned tries = 1; tries < 12; tries++) {
        for (uint64_t random = 0; random < 20000; random += 7) {
            assert_in_range(retry_pause(tries, 12, -1, random), pause / 2, pause);
        }
        pause = pause * 2 > RETRY_PAUSE_MAX_MS ? RETRY_PAUSE_MAX_MS : pause * 2;
    }
}

static void tries_are_counted(void **state)
{
    (void)state;
    assert_true(retry_pause(2, 3, -1, 0) > 0);
    assert_int_equal(retry_pause(3, 3, -1, 0), -1);
    assert_int_equal(retry_pause(1, 1, 0, 0), -1);
}

static void what_the_server_asks_for_is_waited_for_within_reason(void **state)
{
    (void)state;
    assert_in_range(retry_pause(1, 3, 5000, 123456), 5000, 5000 + RETRY_PAUSE_MS);
    assert_in_range(retry_pause(1, 3, 0, 123456), 0, RETRY_PAUSE_MS);
    assert_int_equal(retry_pause(1, 3, RETRY_AFTER_MAX_MS + 1, 0), -1);
}

static void only_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    assert_true(retry_may_help(ERROR_AGENT_UNREACHABLE, 0));
    assert_true(retry_may_help(ERROR_TIMEOUT, 0));
    assert_true(retry_may_help(ERROR_CLOSED, 200));
    assert_false(retry_may_help(ERROR_AGENT_FAILED, 200));
    assert_true(retry_may_help(0, 429));
    assert_true(retry_may_help(0, 503));
    assert_false(retry_may_help(0, 400));
    assert_false(retry_may_help(0, 401));
    assert_false(retry_may_help(0, 302));
    assert_false(retry_may_help(0, 501));
}

static void statuses_have_honest_names(void **state)
{
    (void)state;
    assert_int_equal(retry_error_of_status(429), ERROR_AGENT_BUSY);
    assert_int_equal(retry_error_of_status(503), ERROR_AGENT_BUSY);
    assert_int_equal(retry_error_of_status(504), ERROR_TIMEOUT);
    assert_int_equal(retry_error_of_status(500), ERROR_AGENT_FAILED);
    assert_int_equal(retry_error_of_status(401), ERROR_AGENT_REFUSED);
    assert_int_equal(retry_error_of_status(302), ERROR_AGENT_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_within_their_jitter),
        cmocka_unit_test(tries_are_counted),
        cmocka_unit_test(what_the_server_asks_for_is_waited_for_within_reason),
        cmocka_unit_test(only_what_may_pass_is_tried_again),
        cmocka_unit_test(statuses_have_honest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
