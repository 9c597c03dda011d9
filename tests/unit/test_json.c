/* Readers and writer; test_json_scan.c has the validator. */
#include <setjmp.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "tests/unit/random.h"

static void assert_slice(struct slice slice, const char *expected)
{
    assert_int_equal(slice.length, strlen(expected));
    if (slice.length > 0) {
        assert_memory_equal(slice.data, expected, slice.length);
    }
}

static void the_first_byte_tells_the_type(void **state)
{
    (void)state;
    assert_int_equal(json_type(SLICE_EMPTY), JSON_NONE);
    assert_int_equal(json_type(SLICE_LITERAL("null")), JSON_NULL);
    assert_int_equal(json_type(SLICE_LITERAL("true")), JSON_TRUE);
    assert_int_equal(json_type(SLICE_LITERAL("false")), JSON_FALSE);
    assert_int_equal(json_type(SLICE_LITERAL("-1")), JSON_NUMBER);
    assert_int_equal(json_type(SLICE_LITERAL("7")), JSON_NUMBER);
    assert_int_equal(json_type(SLICE_LITERAL("\"\"")), JSON_STRING);
    assert_int_equal(json_type(SLICE_LITERAL("[]")), JSON_ARRAY);
    assert_int_equal(json_type(SLICE_LITERAL("{}")), JSON_OBJECT);
}

static void elements_come_in_order_as_they_were_written(void **state)
{
    static const char *const expected[] = {"1.50", "\"a,]\\\"}\"", "[ 2 , [3] ]", "{\"x\":[\"}\"]}",
                                           "true", "null",         "\"\"",        "\"\\\\\""};
    struct json_iterator iterator = json_iterate(SLICE_LITERAL(
        "[ 1.50 ,\"a,]\\\"}\",[ 2 , [3] ], {\"x\":[\"}\"]},true\n,null,\"\",\"\\\\\"]"));
    struct slice value;

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(json_next_element(&iterator, &value));
        assert_slice(value, expected[i]);
    }
    assert_false(json_next_element(&iterator, &value));
    assert_false(json_next_element(&iterator, &value));
}

static void members_come_in_order_with_raw_keys(void **state)
{
    struct json_iterator iterator =
        json_iterate(SLICE_LITERAL("{ \"a\" : 1 ,\"\\u0062\":\t{\"c\":2},\"\":[]\n}"));
    struct slice key;
    struct slice value;

    (void)state;
    assert_true(json_next_member(&iterator, &key, &value));
    assert_slice(key, "a");
    assert_slice(value, "1");
    assert_true(json_next_member(&iterator, &key, &value));
    assert_slice(key, "\\u0062");
    assert_slice(value, "{\"c\":2}");
    assert_true(json_next_member(&iterator, &key, &value));
    assert_slice(key, "");
    assert_slice(value, "[]");
    assert_false(json_next_member(&iterator, &key, &value));
    assert_false(json_next_member(&iterator, &key, &value));
}

static void what_is_no_container_has_no_elements(void **state)
{
    static const struct slice values[] = {
        SLICE_EMPTY, {"1", 1}, {"\"[1]\"", 5}, {"[]", 2}, {"[ ]", 3}};
    struct slice value;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct json_iterator iterator = json_iterate(values[i]);

        assert_false(json_next_element(&iterator, &value));
    }
}

static void collecting_finds_known_members(void **state)
{
    struct slice a = SLICE_LITERAL("stale");
    struct slice b = a;
    struct slice missing = a;
    const struct json_field fields[] = {{"a", &a}, {"message", &b}, {"missing", &missing}};

    (void)state;
    json_collect(SLICE_LITERAL("{\"x\":{\"missing\":1},\"a\":1,\"mess\":2,\"messages\":3,\"\":4,"
                               "\"m\\u0065ssa\\u0067e\":\"5\",\"a\":[6],\"b\":null}"),
                 fields, 3);
    assert_slice(a, "[6]"); /* the last of equal keys */
    assert_slice(b, "\"5\"");
    assert_int_equal(json_type(missing), JSON_NONE);
    json_collect(SLICE_LITERAL("[\"a\",1]"), fields, 3);
    assert_int_equal(json_type(a), JSON_NONE);
    json_collect(SLICE_EMPTY, fields, 3);
    assert_int_equal(json_type(b), JSON_NONE);
}

static void get_is_collect_of_one(void **state)
{
    const struct slice object =
        SLICE_LITERAL("{\"a\":1,\"\":2,\"\\n\":3,\"\\\\\":4,\"\xc3\xa9\":5}");

    (void)state;
    assert_slice(json_get(object, "a"), "1");
    assert_slice(json_get(object, ""), "2");
    assert_slice(json_get(object, "\n"), "3");
    assert_slice(json_get(object, "\\"), "4");
    assert_slice(json_get(object, "\xc3\xa9"), "5");
    assert_slice(json_get(object, "b"), "");
    assert_slice(json_get(SLICE_LITERAL("{\"\\u00e9\":5}"), "\xc3\xa9"), "5");
    assert_slice(json_get(SLICE_LITERAL("{\"a\\u0000b\":5}"), "a"), "");
}

static void strings_compare_decoded(void **state)
{
    (void)state;
    assert_true(json_string_is(SLICE_LITERAL("\"connect\""), "connect"));
    assert_true(json_string_is(SLICE_LITERAL("\"\\u0063onnect\""), "connect"));
    assert_true(json_string_is(SLICE_LITERAL("\"\""), ""));
    assert_false(json_string_is(SLICE_LITERAL("\"connec\""), "connect"));
    assert_false(json_string_is(SLICE_LITERAL("\"connects\""), "connect"));
    assert_false(json_string_is(SLICE_LITERAL("\"connec\\u0000\""), "connec"));
    assert_false(json_string_is(SLICE_LITERAL("1"), "1"));
    assert_false(json_string_is(SLICE_EMPTY, ""));
}

static void strings_decode(void **state)
{
    static const struct {
        const char *value;
        const char *text;
        size_t length;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"abc\"", "abc", 3},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 6},
        {"\"\\ud83d\\ude42\"", "\xf0\x9f\x99\x82", 4},
        {"\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8},
        {"\"\\ud83d\"", "\xef\xbf\xbd", 3},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx", 4},
        {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n", 4},
        {"\"\\ude42\"", "\xef\xbf\xbd", 3},
        {"\"\\ude42\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd", 6},
        {"\"\\ud83d\\ud83d\\ude42\"", "\xef\xbf\xbd\xf0\x9f\x99\x82", 7},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd\x41", 4},
        {"\"\xc3\xa9\\u00e9\"", "\xc3\xa9\xc3\xa9", 4},
        {"\"plain before\\nand after\"", "plain before\nand after", 22},
        {"2", "2", 1},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice text = json_decode_string(slice_of_string(cases[i].value), &arena);

        assert_true(slice_equals(text, slice_of(cases[i].text, cases[i].length)));
    }
    assert_int_equal(json_decode_string(SLICE_EMPTY, &arena).length, 0);
    arena_deinit(&arena);
}

static void a_string_without_escapes_is_borrowed(void **state)
{
    const struct slice value = SLICE_LITERAL("\"nothing to decode \xc3\xa9\"");
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_ptr_equal(json_decode_string(value, &arena).data, value.data + 1);
    assert_null(arena.first);
    arena_deinit(&arena);
}

static void integers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"42", 42},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"1.0", 1},
        {"-2.50e1", -25},
        {"1e3", 1000},
        {"9007199254740992.0", INT64_C(9007199254740992)},
    };
    static const char *const wrong[] = {
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1.5",
        "1e-1",
        "1e999",
        "\"1\"",
        "true",
        "",
        "null",
        "[1]",
        "9007199254740993.5",
        "1e16",
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(json_to_integer(slice_of_string(cases[i].text), &value));
        assert_true(value == cases[i].value);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(json_to_integer(slice_of_string(wrong[i]), &value));
    }
}

static void doubles_of_any_length(void **state)
{
    char text[400];
    double value;

    (void)state;
    assert_true(json_to_double(SLICE_LITERAL("-2.5e-3"), &value));
    assert_true(value == -0.0025);
    assert_true(json_to_double(slice_of("12345", 2), &value));
    assert_true(value == 12);
    memset(text, '0', sizeof(text));
    memcpy(text, "0.", 2);
    text[300] = '5';
    assert_true(json_to_double(slice_of(text, sizeof(text)), &value));
    assert_true(value > 0 && value < 1e-290);
    assert_false(json_to_double(SLICE_LITERAL("1e999"), &value));
    assert_false(json_to_double(SLICE_LITERAL("\"1\""), &value));
    assert_false(json_to_double(SLICE_EMPTY, &value));
}

static void booleans_are_two_words(void **state)
{
    bool value;

    (void)state;
    assert_true(json_to_boolean(SLICE_LITERAL("true"), &value));
    assert_true(value);
    assert_true(json_to_boolean(SLICE_LITERAL("false"), &value));
    assert_false(value);
    assert_false(json_to_boolean(SLICE_LITERAL("1"), &value));
    assert_false(json_to_boolean(SLICE_LITERAL("\"true\""), &value));
    assert_false(json_to_boolean(SLICE_EMPTY, &value));
}

static void assert_written(const char *bytes, size_t length, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;

    json_write_string(&out, slice_of(bytes, length));
    assert_slice(buffer_slice(&out), expected);
    buffer_deinit(&out);
}

static void strings_are_written_escaped_and_valid(void **state)
{
    (void)state;
    assert_written(NULL, 0, "\"\"");
    assert_written("plain text of some length", 25, "\"plain text of some length\"");
    assert_written("\"\\/", 3, "\"\\\"\\\\/\"");
    assert_written("\b\f\n\r\t\0\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"");
    assert_written("\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", 9,
                   "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\"");
    assert_written("\xe2\x80\xa8\xe2\x80\xa9", 6, "\"\xe2\x80\xa8\xe2\x80\xa9\"");
    assert_written("a\xff"
                   "b",
                   3,
                   "\"a\xef\xbf\xbd"
                   "b\"");
    assert_written("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_written("12345678\xc3", 9, "\"12345678\xef\xbf\xbd\"");
}

static void members_know_their_commas(void **state)
{
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    buffer_append_char(&out, '{');
    json_write_string_member(&out, "text", SLICE_LITERAL("a\nb"));
    json_write_raw_member(&out, "raw", SLICE_LITERAL("[1,{}]"));
    json_write_unsigned_member(&out, "unsigned", UINT64_MAX);
    json_write_signed_member(&out, "signed", INT64_MIN);
    json_write_boolean_member(&out, "yes", true);
    json_write_boolean_member(&out, "no", false);
    json_write_key(&out, "object");
    buffer_append_char(&out, '{');
    json_write_unsigned_member(&out, "n", 0);
    buffer_append_string(&out, "}}");
    assert_slice(buffer_slice(&out),
                 "{\"text\":\"a\\nb\",\"raw\":[1,{}],\"unsigned\":18446744073709551615,"
                 "\"signed\":-9223372036854775808,\"yes\":true,\"no\":false,\"object\":{\"n\":0}}");
    buffer_deinit(&out);
}

/* Whatever the bytes: what is written scans; what was valid UTF-8 comes back as it was. */
static void random_bytes_survive_writing_and_decoding(void **state)
{
    struct random random = {7};
    struct buffer first = BUFFER_EMPTY;
    struct buffer second = BUFFER_EMPTY;
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        char bytes[64];
        size_t length = random_below(&random, sizeof(bytes));
        struct slice value;
        struct slice text;

        for (size_t j = 0; j < length; j++) {
            bytes[j] = (char)random_below(&random, random_below(&random, 2) == 0 ? 128 : 256);
        }
        buffer_clear(&first);
        json_write_string(&first, slice_of(bytes, length));
        assert_int_equal(json_scan(buffer_slice(&first), 0, &value), 0);
        text = json_decode_string(value, &arena);
        buffer_clear(&second);
        json_write_string(&second, text);
        assert_true(slice_equals(buffer_slice(&first), buffer_slice(&second)));
        if (memmem(text.data, text.length, "\xef\xbf\xbd", 3) == NULL) {
            assert_true(slice_equals(text, slice_of(bytes, length)));
        }
        arena_reset(&arena);
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
    arena_deinit(&arena);
}

/*
 * The readers expect validated bytes; given others they may answer anything, but read no further.
 */
static void readers_stay_inside_whatever_they_are_given(void **state)
{
    static const char alphabet[] = "{}[]\",:\\u0d8a1tn \x80";
    struct random random = {8};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (int i = 0; i < 100000; i++) {
        size_t length = random_below(&random, 24);
        char *bytes = malloc(length + 1);
        struct slice text = slice_of(bytes, length);
        struct json_iterator iterator = {NULL, NULL};
        struct slice key;
        struct slice value;
        int64_t integer;

        for (size_t j = 0; j < length; j++) {
            bytes[j] = alphabet[random_below(&random, sizeof(alphabet) - 1)];
        }
        bytes = realloc(bytes, length == 0 ? 1 : length);
        text.data = bytes;
        iterator = json_iterate(text);
        while (json_next_element(&iterator, &value)) {
            json_to_integer(value, &integer);
        }
        iterator = json_iterate(text);
        while (json_next_member(&iterator, &key, &value)) {
            json_decode_string(value, &arena);
        }
        json_get(text, "a1");
        json_string_is(text, "a1");
        json_decode_string(text, &arena);
        arena_reset(&arena);
        free(bytes);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_byte_tells_the_type),
        cmocka_unit_test(elements_come_in_order_as_they_were_written),
        cmocka_unit_test(members_come_in_order_with_raw_keys),
        cmocka_unit_test(what_is_no_container_has_no_elements),
        cmocka_unit_test(collecting_finds_known_members),
        cmocka_unit_test(get_is_collect_of_one),
        cmocka_unit_test(strings_compare_decoded),
        cmocka_unit_test(strings_decode),
        cmocka_unit_test(a_string_without_escapes_is_borrowed),
        cmocka_unit_test(integers_are_exact_or_refused),
        cmocka_unit_test(doubles_of_any_length),
        cmocka_unit_test(booleans_are_two_words),
        cmocka_unit_test(strings_are_written_escaped_and_valid),
        cmocka_unit_test(members_know_their_commas),
        cmocka_unit_test(random_bytes_survive_writing_and_decoding),
        cmocka_unit_test(readers_stay_inside_whatever_they_are_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
