#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/drain.h"
#include "tests/unit/random.h"

enum { NOW = 5000, TICK = 50 };

/* Closes whatever is due; returns how long it took and the most that one tick closed. */
static int64_t run(size_t sessions, int64_t most, size_t *largest)
{
    struct random random = {7};
    struct drain drain;
    size_t open = sessions;
    int64_t now = NOW;
    drain_begin(&drain, sessions, most, now);
    for (*largest = 0; open > 0; now += TICK) {
        size_t due = drain_due(&drain, now, random_next(&random));
        due = due < open ? due : open;
        *largest = due > *largest ? due : *largest;
        drain.closed += due;
        open -= due;
    }
    return now - NOW;
}

static void test_few_sessions_are_spread_over_three_seconds(void **state)
{
    size_t largest;
    (void)state;
    assert_in_range(run(12, 15000, &largest), DRAIN_SPREAD_LEAST_MS / 2,
                    DRAIN_SPREAD_LEAST_MS + 100);
    assert_in_range(largest, 1, 4);
    assert_in_range(run(1, 15000, &largest), 0, DRAIN_SPREAD_LEAST_MS + 100);
}

static void test_many_take_longer_but_not_too_long(void **state)
{
    size_t largest;
    (void)state;
    assert_in_range(run(10000, 15000, &largest), 9500, 10100);
    assert_in_range(largest, 50, 10000 / 10);
    assert_in_range(run(1000000, 15000, &largest), 14500, 15100);
    assert_in_range(run(1000000, 100, &largest), 2500, DRAIN_SPREAD_LEAST_MS + 100);
}

static void test_whoever_was_busy_is_due_when_the_time_is_over(void **state)
{
    struct drain drain;
    (void)state;
    drain_begin(&drain, 10, 15000, NOW);
    assert_int_equal(drain_due(&drain, NOW, 0), 0);
    assert_int_equal(drain_due(&drain, NOW + 1500, 0), 5);
    assert_int_equal(drain_due(&drain, NOW + 3000, 0), SIZE_MAX);
}

static size_t isolate(struct isolation *isolation, bool has_router, size_t sessions, int64_t now)
{
    size_t due = isolation_due(isolation, has_router, sessions, 30000, now, 0);
    isolation_closed(isolation, due);
    return due;
}

static void test_sessions_move_once_when_the_router_is_away_for_too_long(void **state)
{
    struct isolation isolation = {0};
    int64_t now = NOW;
    (void)state;
    assert_int_equal(isolate(&isolation, true, 10, now), 0);
    assert_int_equal(isolate(&isolation, false, 10, now), 0);
    assert_int_equal(isolate(&isolation, false, 10, now + 29999), 0);
    assert_int_equal(isolation.times, 0);
    assert_int_equal(isolate(&isolation, false, 10, now += 30000), 0);
    assert_int_equal(isolation.times, 1);
    assert_int_equal(isolate(&isolation, false, 10, now + 1500), 5);
    assert_int_equal(isolate(&isolation, false, 8, now + 3000), 5); /* not the three that came */
    assert_int_equal(isolate(&isolation, false, 3, now + 90000), 0);
    assert_int_equal(isolation.times, 1);
}

static void test_a_router_that_comes_back_ends_it_and_the_time_begins_anew(void **state)
{
    struct isolation isolation = {0};
    int64_t now = NOW;
    (void)state;
    isolate(&isolation, false, 10, now);
    isolate(&isolation, true, 10, now + 29000);
    assert_int_equal(isolate(&isolation, false, 10, now += 31000), 0);
    assert_int_equal(isolate(&isolation, false, 10, now += 30000), 0);
    assert_int_equal(isolate(&isolation, false, 10, now + 1500), 5);
    assert_int_equal(isolate(&isolation, true, 5, now + 1600), 0);
    assert_int_equal(isolate(&isolation, false, 5, now + 1700), 0);
    assert_int_equal(isolate(&isolation, false, 5, now += 40000), 0);
    assert_int_equal(isolation.times, 2);
}

static void test_without_a_timeout_nobody_moves(void **state)
{
    struct isolation isolation = {0};
    (void)state;
    for (int64_t now = NOW; now < NOW + 100000; now += 1000) {
        assert_int_equal(isolation_due(&isolation, false, 10, 0, now, 0), 0);
    }
    assert_int_equal(isolation.times, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_sessions_are_spread_over_three_seconds),
        cmocka_unit_test(test_many_take_longer_but_not_too_long),
        cmocka_unit_test(test_whoever_was_busy_is_due_when_the_time_is_over),
        cmocka_unit_test(test_sessions_move_once_when_the_router_is_away_for_too_long),
        cmocka_unit_test(test_a_router_that_comes_back_ends_it_and_the_time_begins_anew),
        cmocka_unit_test(test_without_a_timeout_nobody_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
