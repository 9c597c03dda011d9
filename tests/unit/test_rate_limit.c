#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "edge/auth/rate_limit.h"

static struct rate_verdict take(struct rate_limit *limit, unsigned who, int64_t now)
{
    unsigned char client[RATE_CLIENT_BYTES] = {0};
    memcpy(client, &who, sizeof(who));
    return rate_limit_take(limit, client, now);
}

static void a_window_begins_with_the_first_request(void **state)
{
    struct rate rate = {3, 1000};
    struct rate_limit *limit = rate_limit_new(&rate, 10);
    struct rate_verdict verdict;
    (void)state;
    for (int64_t i = 0; i < 3; i++) {
        verdict = take(limit, 1, 500 + i);
        assert_true(verdict.is_allowed);
        assert_int_equal(verdict.remaining, 2 - i);
        assert_int_equal(verdict.reset, 1000 - i);
    }
    verdict = take(limit, 1, 1499);
    assert_false(verdict.is_allowed);
    assert_int_equal(verdict.remaining, 0);
    assert_int_equal(verdict.reset, 1);
    assert_true(take(limit, 2, 1499).is_allowed);
    verdict = take(limit, 1, 1500);
    assert_true(verdict.is_allowed);
    assert_int_equal(verdict.remaining, 2);
    rate_limit_destroy(&limit);
}

static void clients_are_forgotten_when_their_time_is_over(void **state)
{
    struct rate rate = {1, 1000};
    struct rate_limit *limit = rate_limit_new(&rate, 1000);
    (void)state;
    for (unsigned who = 0; who < 500; who++) {
        take(limit, who, 0);
    }
    assert_int_equal(rate_limit_count(limit), 500);
    take(limit, 1000, 1000);
    assert_int_equal(rate_limit_count(limit), 1);
    assert_int_equal(rate_limit_evicted(limit), 0);
    rate_limit_destroy(&limit);
}

static void memory_is_bounded(void **state)
{
    struct rate rate = {1, 1000};
    struct rate_limit *limit = rate_limit_new(&rate, 4);
    (void)state;
    for (unsigned who = 0; who < 100; who++) {
        assert_true(take(limit, who, who).is_allowed);
        assert_true(rate_limit_count(limit) <= 4);
    }
    assert_int_equal(rate_limit_evicted(limit), 96);
    assert_false(take(limit, 99, 100).is_allowed);
    assert_false(take(limit, 96, 100).is_allowed);
    assert_true(take(limit, 95, 100).is_allowed);
    rate_limit_destroy(&limit);
}

static void off_is_no_limit(void **state)
{
    struct rate rate = {0, 0};
    (void)state;
    assert_null(rate_limit_new(&rate, 4));
    assert_int_equal(rate_limit_count(NULL), 0);
    assert_int_equal(rate_limit_evicted(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_begins_with_the_first_request),
        cmocka_unit_test(clients_are_forgotten_when_their_time_is_over),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(off_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
