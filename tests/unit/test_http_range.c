/*
 * One range of bytes is understood as RFC 9110 §14 says, everything else means the whole file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "edge/http/range.h"

static void assert_part(const char *header, uint64_t size, uint64_t first, uint64_t length)
{
    uint64_t got_first = 0;
    uint64_t got_length = 0;

    assert_int_equal(http_range_parse(slice_of_string(header), size, &got_first, &got_length),
                     HTTP_RANGE_PART);
    assert_int_equal(got_first, first);
    assert_int_equal(got_length, length);
}

static enum http_range_verdict verdict_of(const char *header, uint64_t size)
{
    uint64_t first = 0;
    uint64_t length = 0;

    return http_range_parse(slice_of_string(header), size, &first, &length);
}

static void test_parts_are_cut_to_the_file(void **state)
{
    (void)state;
    assert_part("bytes=0-0", 10, 0, 1);
    assert_part("Bytes=2-5", 10, 2, 4);
    assert_part("bytes=9-9", 10, 9, 1);
    assert_part("bytes=3-", 10, 3, 7);
    assert_part("bytes=5-999999999999999999", 10, 5, 5);
    assert_part("bytes=-3", 10, 7, 3);
    assert_part("bytes=-99", 10, 0, 10);
}

static void test_parts_outside_the_file_cannot_be_had(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("bytes=10-", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(verdict_of("bytes=10-20", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(verdict_of("bytes=-0", 10), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(verdict_of("bytes=0-", 0), HTTP_RANGE_UNSATISFIABLE);
    assert_int_equal(verdict_of("bytes=-1", 0), HTTP_RANGE_UNSATISFIABLE);
}

static void test_what_is_no_single_range_is_ignored(void **state)
{
    static const char *const headers[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-2",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=1-2x",
        "bytes= 1-2",
        "bytes=--1",
        "bytes=1-+2",
        "bytes=9999999999999999999-",
        "bytes=-9999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_int_equal(verdict_of(headers[i], 10), HTTP_RANGE_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_cut_to_the_file),
        cmocka_unit_test(test_parts_outside_the_file_cannot_be_had),
        cmocka_unit_test(test_what_is_no_single_range_is_ignored),
    };

    return cmocka_run_group_tests_name("http_range", tests, NULL, NULL);
}
