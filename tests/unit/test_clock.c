#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "proto/base/clock.h"
#include "tests/unit/random.h"

static void assert_iso(int64_t wall_ms, const char *expected)
{
    char text[CLOCK_ISO_SIZE];
    int64_t back;

    clock_format_iso(wall_ms, text);
    assert_string_equal(text, expected);
    assert_true(clock_parse_time(slice_of_string(expected), &back));
    assert_int_equal(back, wall_ms);
}

static void known_moments_have_known_texts(void **state)
{
    (void)state;
    assert_iso(0, "1970-01-01T00:00:00.000Z");
    assert_iso(-1, "1969-12-31T23:59:59.999Z");
    assert_iso(951782399999, "2000-02-28T23:59:59.999Z");
    assert_iso(951782400000, "2000-02-29T00:00:00.000Z");
    assert_iso(951868800000, "2000-03-01T00:00:00.000Z");
    assert_iso(4107542400000, "2100-03-01T00:00:00.000Z"); /* 2100 is no leap year */
    assert_iso(253402300799999, "9999-12-31T23:59:59.999Z");
    assert_iso(-62167219200000, "0000-01-01T00:00:00.000Z");
}

static void assert_http(int64_t wall_ms, const char *expected)
{
    char text[CLOCK_HTTP_SIZE];

    clock_format_http(wall_ms, text);
    assert_string_equal(text, expected);
}

static void dates_of_http_are_those_of_rfc_9110(void **state)
{
    (void)state;
    assert_http(784111777000, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_http(784111777999, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_http(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_http(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    assert_http(951782400000, "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_http(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_http(INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void out_of_range_is_printed_at_the_edge(void **state)
{
    char text[CLOCK_ISO_SIZE];

    (void)state;
    clock_format_iso(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format_iso(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void random_moments_agree_with_the_c_library(void **state)
{
    struct random random = {3};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t wall_ms = (int64_t)random_below(&random, 315569519999999) - 62167219200000;
        int64_t milliseconds = (wall_ms % 1000 + 1000) % 1000;
        time_t seconds = (time_t)((wall_ms - milliseconds) / 1000);
        char expected[64];
        char text[CLOCK_ISO_SIZE];
        struct tm tm;
        int64_t back;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)milliseconds);
        clock_format_iso(wall_ms, text);
        assert_string_equal(text, expected);
        assert_true(clock_parse_time(slice_of_string(text), &back));
        assert_int_equal(back, wall_ms);
    }
}

static void every_accepted_form(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } cases[] = {
        {"0", 0},
        {"1700000000000", 1700000000000},
        {"0001700000000000", 1700000000000},
        {"253402300799999", 253402300799999},
        {"2023-11-14", 1699920000000},
        {"2023-11-14T22:13", 1699999980000},
        {"2023-11-14T22:13:20", 1700000000000},
        {"2023-11-14t22:13:20z", 1700000000000},
        {"2023-11-14 22:13:20", 1700000000000},
        {"2023-11-14T22:13:20.5Z", 1700000000500},
        {"2023-11-14T22:13:20.1239999999999999999999999Z", 1700000000123},
        {"2023-11-14T22:13:20,25Z", 1700000000250},
        {"2023-11-15T00:13:20+02:00", 1700000000000},
        {"2023-11-14T16:43:20-0530", 1700000000000},
        {"2023-11-15T00:13:20+02", 1700000000000},
        {"2024-02-29", 1709164800000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wall_ms = -1;

        assert_true(clock_parse_time(slice_of_string(cases[i].text), &wall_ms));
        assert_int_equal(wall_ms, cases[i].wall_ms);
    }
}

static void everything_else_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x10",
        "253402300800000",
        "99999999999999999999999999999999",
        "2023-13-01",
        "2023-00-01",
        "2023-01-00",
        "2023-01-32",
        "2023-02-29",
        "1900-02-29",
        "2023-04-31",
        "2023-1-1",
        "23-01-01",
        "12023-01-01",
        "2023-01-01T",
        "2023-01-01T24:00",
        "2023-01-01T10",
        "2023-01-01T10:60",
        "2023-01-01T10:10:60",
        "2023-01-01T10:10:10.",
        "2023-01-01T10:10:10.Z",
        "2023-01-01T10:10:10ZZ",
        "2023-01-01T10:10:10+",
        "2023-01-01T10:10:10+2",
        "2023-01-01T10:10:10+02:",
        "2023-01-01T10:10:10+02:0",
        "2023-01-01T10:10:10+24:00",
        "2023-01-01T10:10:10+02:60",
        "2023-01-01T10:10:10 ",
        "2023-01-01Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "yesterday",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wall_ms = 42;

        assert_false(clock_parse_time(slice_of_string(cases[i]), &wall_ms));
        assert_int_equal(wall_ms, 42);
    }
    assert_false(clock_parse_time(SLICE_EMPTY, &(int64_t){0}));
    assert_false(clock_parse_time(slice_of("1\0", 2), &(int64_t){0}));
}

static void the_clocks_run_forward(void **state)
{
    int64_t before = clock_monotonic_us();
    int64_t wall = clock_wall_ms();

    (void)state;
    assert_true(clock_monotonic_us() >= before);
    assert_true(clock_monotonic_ms() >= before / 1000);
    assert_true(clock_monotonic_ms() <= clock_monotonic_us() / 1000);
    assert_true(wall > INT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments_have_known_texts),
        cmocka_unit_test(dates_of_http_are_those_of_rfc_9110),
        cmocka_unit_test(out_of_range_is_printed_at_the_edge),
        cmocka_unit_test(random_moments_agree_with_the_c_library),
        cmocka_unit_test(every_accepted_form),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(the_clocks_run_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
