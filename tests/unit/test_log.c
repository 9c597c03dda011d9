#include <setjmp.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "tests/unit/capture.h"
#include "tests/unit/random.h"

static struct capture capture;

/* A line's text behind its time stamp; checks that there is one. */
static const char *behind_time(const char *line)
{
    assert_memory_equal(line, "ts=20", 5);
    assert_int_equal(line[26], 'Z');
    assert_int_equal(line[27], ' ');
    return line + 28;
}

#define LOGGED(...)                                                                                \
    do {                                                                                           \
        capture_begin(&capture, STDERR_FILENO);                                                    \
        log_info(__VA_ARGS__);                                                                     \
        capture_end(&capture);                                                                     \
    } while (0)

#define ASSERT_LOGFMT(expected, ...)                                                               \
    do {                                                                                           \
        log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);                                  \
        LOGGED("event", __VA_ARGS__);                                                              \
        assert_string_equal(behind_time(capture.text),                                             \
                            "level=info program=edge event=event " expected "\n");                 \
    } while (0)

#define ASSERT_JSON(expected, ...)                                                                 \
    do {                                                                                           \
        log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_JSON);                                    \
        LOGGED("event", __VA_ARGS__);                                                              \
        assert_memory_equal(capture.text, "{\"ts\":\"20", 9);                                      \
        assert_string_equal(capture.text + 32, ",\"level\":\"info\",\"program\":\"edge\","         \
                                               "\"event\":\"event\"," expected "}\n");             \
    } while (0)

static void pairs_become_one_line(void **state)
{
    (void)state;
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    LOGGED("listening", "address=%s port=%d", "127.0.0.1", 3000);
    assert_string_equal(behind_time(capture.text),
                        "level=info program=edge event=listening address=127.0.0.1 port=3000\n");
    log_configure("router", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOGGED("listening", "address=%s port=%d", "127.0.0.1", 3000);
    assert_memory_equal(capture.text, "{\"ts\":\"20", 9);
    assert_string_equal(capture.text + 32,
                        ",\"level\":\"info\",\"program\":\"router\",\"event\":\"listening\","
                        "\"address\":\"127.0.0.1\",\"port\":3000}\n");
}

static void every_conversion_is_understood(void **state)
{
    (void)state;
    ASSERT_LOGFMT("a=-1 b=4294967295 c=-2 d=3 e=-4 f=5 g=6 h=7 i=8",
                  "a=%d b=%u c=%ld d=%lu e=%lld f=%llu g=%zu h=%" PRId64 " i=%" PRIu64, -1,
                  UINT_MAX, -2L, 3UL, -4LL, 5ULL, (size_t)6, INT64_C(7), UINT64_C(8));
    ASSERT_LOGFMT("a=abc b=-9223372036854775808 c=ff d=x", "a=%.*s b=%" PRId64 " c=%x d=%c", 3,
                  "abcdef", INT64_MIN, 255, 'x');
    ASSERT_LOGFMT("a=0.250 b=1.5 c=12345.678", "a=%.3f b=%g c=%.3f", 0.25, 1.5, 12345.678);
    ASSERT_JSON("\"a\":-1,\"b\":\"s\",\"c\":18446744073709551615,\"d\":0.5",
                "a=%d b=%s c=%" PRIu64 " d=%g", -1, "s", UINT64_MAX, 0.5);
    ASSERT_JSON("\"a\":\"inf\",\"b\":\"1\"", "a=%g b=%s", (double)INFINITY, "1");
    ASSERT_JSON("\"a\":\"3 of 4\",\"b\":\"5ms\"", "a=%s b=%dms", "3 of 4", 5);
}

static void strings_are_quoted_where_needed(void **state)
{
    (void)state;
    ASSERT_LOGFMT("a=\"\" b=\"two words\" c=\"x=y\" d=\"say \\\"hi\\\"\" e=\"back\\\\slash\"",
                  "a=%s b=%s c=%s d=%s e=%s", "", "two words", "x=y", "say \"hi\"", "back\\slash");
    ASSERT_LOGFMT("a=\"1\\n2\\t3\\u00074\\u007f\" b=\"caf\xc3\xa9\"", "a=%s b=%s",
                  "1\n2\t3\x07"
                  "4\x7f",
                  "caf\xc3\xa9");
    /* C1 controls are obeyed by terminals; bytes that are no UTF-8 would spoil the line. */
    ASSERT_LOGFMT("a=\"\\u009b31m\" b=\"\xef\xbf\xbdx\"", "a=%s b=%s",
                  "\xc2\x9b"
                  "31m",
                  "\xffx");
    ASSERT_JSON("\"a\":\"1\\n2\\u0007\\\"\\\\\xc3\xa9\",\"b\":\"\"", "a=%s b=%.*s",
                "1\n2\x07\"\\\xc3\xa9", 0, "not this");
}

static void a_long_value_is_cut_at_a_character(void **state)
{
    char text[LOG_VALUE_MAX + 100];
    char *value;

    (void)state;
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    memset(text, 'x', sizeof(text));
    text[LOG_VALUE_MAX] = '\0';
    LOGGED("e", "a=%s", text);
    assert_null(strstr(capture.text, "\xe2\x80\xa6"));
    text[LOG_VALUE_MAX] = 'x';
    memcpy(text + LOG_VALUE_MAX - 2, "\xe2\x82\xac", 3);
    text[sizeof(text) - 1] = '\0';
    LOGGED("e", "a=%s b=%d", text, 1);
    value = strstr(capture.text, "a=\"");
    assert_non_null(value);
    assert_int_equal(strspn(value + 3, "x"), LOG_VALUE_MAX - 2);
    assert_string_equal(value + 3 + LOG_VALUE_MAX - 2, "\xe2\x80\xa6\" b=1\n");
}

/* Forty values of 200 bytes, each escaped to six: more than a line holds. */
static void a_long_line_loses_whole_pairs(void **state)
{
    char text[LOG_VALUE_MAX + 1];
    struct slice value;
    size_t length;

    (void)state;
    memset(text, 1, LOG_VALUE_MAX);
    text[LOG_VALUE_MAX] = '\0';
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    LOGGED("e", "a=%s b=%s c=%s d=%s e=%d", text, text, text, text, 1);
    length = strlen(capture.text);
    assert_true(length <= 4096);
    assert_int_equal(capture.text[length - 1], '\n');
    assert_int_equal(json_scan(slice_of(capture.text, length), 1, &value), 0);
    assert_int_equal(json_type(json_get(value, "c")), JSON_STRING);
    assert_int_equal(json_type(json_get(value, "d")), JSON_NONE);
}

static void random_values_stay_one_valid_line(void **state)
{
    struct random random = {9};

    (void)state;
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (int i = 0; i < 2000; i++) {
        struct log_site site = {0, 0, 0};
        char text[64];
        size_t length = random_below(&random, sizeof(text));
        struct slice value;

        for (size_t j = 0; j < length; j++) {
            text[j] = (char)random_below(&random, 256);
        }
        capture_begin(&capture, STDERR_FILENO);
        log_event(&site, LOG_LEVEL_INFO, "e", "a=%.*s b=%d", (int)length, text, i);
        capture_end(&capture);
        length = strlen(capture.text);
        assert_ptr_equal(strchr(capture.text, '\n'), capture.text + length - 1);
        assert_int_equal(json_scan(slice_of(capture.text, length), 1, &value), 0);
        assert_int_equal(json_type(json_get(value, "b")), JSON_NUMBER);
    }
}

static void levels_above_the_configured_are_silent(void **state)
{
    (void)state;
    log_configure("edge", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    capture_begin(&capture, STDERR_FILENO);
    log_error("one", "n=%d", 1);
    log_warn("two", "n=%d", 2);
    log_info("three", "n=%d", 3);
    log_debug("four", "n=%d", 4);
    capture_end(&capture);
    assert_non_null(strstr(capture.text, "level=error program=edge event=one n=1\n"));
    assert_non_null(strstr(capture.text, "level=warn program=edge event=two n=2\n"));
    assert_null(strstr(capture.text, "three"));
    assert_null(strstr(capture.text, "four"));
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        lines++;
        text++;
    }
    return lines;
}

static void a_site_has_a_burst_per_second(void **state)
{
    struct log_site site;

    (void)state;
    log_configure("edge", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    /* Again, should the second end in the middle. */
    for (int attempt = 0; attempt < 5; attempt++) {
        memset(&site, 0, sizeof(site));
        site.second = -1;
        capture_begin(&capture, STDERR_FILENO);
        for (int i = 0; i < LOG_SITE_BURST + 7; i++) {
            log_event(&site, LOG_LEVEL_INFO, "storm", "n=%d", i);
        }
        capture_end(&capture);
        if (site.suppressed == 7) {
            break;
        }
    }
    assert_int_equal(site.suppressed, 7);
    assert_int_equal(count_lines(capture.text), LOG_SITE_BURST);

    site.second--; /* as if the next second had come */
    capture_begin(&capture, STDERR_FILENO);
    log_event(&site, LOG_LEVEL_INFO, "storm", "n=%d", 99);
    capture_end(&capture);
    assert_int_equal(count_lines(capture.text), 2);
    assert_non_null(strstr(capture.text, "event=storm suppressed=7\n"));
    assert_non_null(strstr(capture.text, "event=storm n=99\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_become_one_line),
        cmocka_unit_test(every_conversion_is_understood),
        cmocka_unit_test(strings_are_quoted_where_needed),
        cmocka_unit_test(a_long_value_is_cut_at_a_character),
        cmocka_unit_test(a_long_line_loses_whole_pairs),
        cmocka_unit_test(random_values_stay_one_valid_line),
        cmocka_unit_test(levels_above_the_configured_are_silent),
        cmocka_unit_test(a_site_has_a_burst_per_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
