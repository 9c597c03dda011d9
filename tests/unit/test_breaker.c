#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent-bridge/runtimes/breaker.h"

static void fail_times(struct breaker *breaker, unsigned times, int64_t now)
{
    for (unsigned i = 0; i < times; i++) {
        breaker_begin(breaker, now);
        breaker_fail(breaker, now);
    }
}

static void it_opens_after_failures_in_a_row(void **state)
{
    struct breaker breaker = {0};
    (void)state;
    fail_times(&breaker, BREAKER_FAILURES - 1, 0);
    breaker_begin(&breaker, 0);
    breaker_succeed(&breaker);
    fail_times(&breaker, BREAKER_FAILURES - 1, 0);
    assert_true(breaker_allows(&breaker, 0));
    fail_times(&breaker, 1, 0);
    assert_false(breaker_allows(&breaker, 0));
    assert_false(breaker_allows(&breaker, BREAKER_PAUSE_MS - 1));
    assert_true(breaker_allows(&breaker, BREAKER_PAUSE_MS));
    assert_int_equal(breaker.openings, 1);
}

static void half_open_lets_one_probe_through(void **state)
{
    struct breaker breaker = {0};
    (void)state;
    fail_times(&breaker, BREAKER_FAILURES, 0);
    breaker_begin(&breaker, BREAKER_PAUSE_MS);
    assert_false(breaker_allows(&breaker, BREAKER_PAUSE_MS));
    breaker_abandon(&breaker);
    assert_true(breaker_allows(&breaker, BREAKER_PAUSE_MS));
    breaker_begin(&breaker, BREAKER_PAUSE_MS);
    breaker_succeed(&breaker);
    assert_true(breaker_allows(&breaker, BREAKER_PAUSE_MS));
    breaker_begin(&breaker, BREAKER_PAUSE_MS);
    assert_true(breaker_allows(&breaker, BREAKER_PAUSE_MS)); /* closed: as many as there are */
}

static void each_failed_probe_doubles_the_pause_up_to_a_bound(void **state)
{
    struct breaker breaker = {0};
    int64_t now = 0, pause = BREAKER_PAUSE_MS;
    (void)state;
    fail_times(&breaker, BREAKER_FAILURES, now);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(breaker.pause, pause);
        now += pause;
        fail_times(&breaker, 1, now);
        pause = pause * 2 > BREAKER_PAUSE_MAX_MS ? BREAKER_PAUSE_MAX_MS : pause * 2;
    }
    now += pause;
    breaker_begin(&breaker, now);
    breaker_succeed(&breaker);
    fail_times(&breaker, BREAKER_FAILURES, now);
    assert_int_equal(breaker.pause, BREAKER_PAUSE_MS);
}

static void tries_that_fail_late_do_not_prolong_the_pause(void **state)
{
    struct breaker breaker = {0};
    (void)state;
    fail_times(&breaker, BREAKER_FAILURES, 0);
    breaker_fail(&breaker, 900);
    assert_true(breaker_allows(&breaker, BREAKER_PAUSE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_failures_in_a_row),
        cmocka_unit_test(half_open_lets_one_probe_through),
        cmocka_unit_test(each_failed_probe_doubles_the_pause_up_to_a_bound),
        cmocka_unit_test(tries_that_fail_late_do_not_prolong_the_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
