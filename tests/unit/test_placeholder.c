#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/wire/placeholder.h"

/* Allows three, and writes what they are. */
static bool write_name(void *context, uint64_t number, struct buffer *out)
{
    (void)context;
    buffer_append_format(out, "<%d>", (int)number);
    return number < 3;
}

static void assert_replaced(const char *json, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    struct slice value;

    assert_int_equal(json_scan(slice_of_string(json), JSON_MAX_DEPTH, &value), 0);
    buffer_append_string(&out, "before ");
    assert_int_equal(placeholders_replace(value, write_name, NULL, &out), 0);
    assert_int_equal(out.length, strlen(expected) + 7);
    assert_memory_equal(out.data + 7, expected, strlen(expected));
    buffer_deinit(&out);
}

static void assert_refused(const char *json)
{
    struct buffer out = BUFFER_EMPTY;

    assert_int_equal(placeholders_replace(slice_of_string(json), write_name, NULL, &out),
                     ERROR_MALFORMED);
    buffer_deinit(&out);
}

static void every_placeholder_is_replaced(void **state)
{
    (void)state;
    assert_replaced("{\"_placeholder\":true,\"num\":0}", "<0>");
    assert_replaced("[{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]",
                    "[<1>,<0>]");
    assert_replaced("{\"a\":{\"b\":[1,{\"_placeholder\":true,\"num\":2}]},\"c\":\"d\"}",
                    "{\"a\":{\"b\":[1,<2>]},\"c\":\"d\"}");
}

static void nothing_is_replaced_in_nothing(void **state)
{
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    assert_int_equal(placeholders_replace(SLICE_EMPTY, write_name, NULL, &out), 0);
    assert_int_equal(out.length, 0);
}

static void a_placeholder_may_be_written_in_any_way(void **state)
{
    (void)state;
    assert_replaced("{\"num\":1,\"_placeholder\":true}", "<1>");
    assert_replaced("[ { \"num\" : 1 ,\n \"_placeholder\" : true } ]", "[ <1> ]");
    assert_replaced("{\"\\u005fplaceholder\":true,\"n\\u0075m\":1}", "<1>");
    assert_replaced("{\"_placeholder\":true,\"num\":1.0}", "<1>");
    assert_replaced("{\"num\":0,\"x\":[{\"y\":\"}\\\"{\"}],\"_placeholder\":true}", "<0>");
}

static void of_equal_members_the_last_counts(void **state)
{
    (void)state;
    assert_replaced("{\"_placeholder\":false,\"num\":0,\"_placeholder\":true,\"num\":2}", "<2>");
    assert_replaced("{\"_placeholder\":true,\"num\":0,\"_placeholder\":1}",
                    "{\"_placeholder\":true,\"num\":0,\"_placeholder\":1}");
}

static void what_only_looks_like_one_is_left_alone(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"",
        "{\"_placeholder\":\"true\",\"num\":0}",
        "{\"_placeholder\":[true],\"num\":0}",
        "{\"_placeholder\":{},\"num\":0}",
        "{\"num\":0}",
        "[\"_placeholder\",true,\"num\",0]",
        "{\"x\":\"_placeholder\",\"y\":true,\"num\":0}",
        "{\"_placeholder\":null}",
        "{\"_placeholde\":true,\"num\":0}",
        " 12 ",
        "-1e-3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice value;

        assert_int_equal(json_scan(slice_of_string(texts[i]), JSON_MAX_DEPTH, &value), 0);
        char *copy = strndup(value.data, value.length);
        assert_replaced(texts[i], copy);
        free(copy);
    }
}

static void one_without_a_number_that_exists_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"_placeholder\":true}");
    assert_refused("{\"_placeholder\":true,\"num\":3}");
    assert_refused("{\"_placeholder\":true,\"num\":-1}");
    assert_refused("{\"_placeholder\":true,\"num\":0.5}");
    assert_refused("{\"_placeholder\":true,\"num\":\"0\"}");
    assert_refused("{\"_placeholder\":true,\"num\":[0]}");
    assert_refused("{\"_placeholder\":true,\"num\":99999999999999999999}");
    assert_refused("[{\"a\":{\"_placeholder\":true,\"num\":7}}]");
}

static void what_is_inside_of_one_is_gone(void **state)
{
    (void)state;
    assert_replaced(
        "{\"a\":1,\"_placeholder\":true,\"in\":{\"_placeholder\":true,\"num\":1},\"num\":0}",
        "<0>");
}

static void depth_costs_no_stack_and_no_time(void **state)
{
    enum { DEPTH = 500000 };
    struct buffer json = BUFFER_EMPTY;
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_string(&json, "{\"a\":");
    }
    buffer_append_string(&json, "{\"_placeholder\":true,\"num\":1}");
    for (int i = 0; i < DEPTH; i++) {
        buffer_append_char(&json, '}');
    }
    assert_int_equal(placeholders_replace(buffer_slice(&json), write_name, NULL, &out), 0);
    assert_int_equal(out.length, DEPTH * 6 + 3);
    buffer_deinit(&json);
    buffer_deinit(&out);
}

static void the_canonical_form_is_taken_and_no_other(void **state)
{
    static const struct {
        const char *text;
        bool is_one;
        unsigned number;
        const char *rest;
    } cases[] = {{"{\"_placeholder\":true,\"num\":0}", true, 0, ""},
                 {"{\"_placeholder\":true,\"num\":12},1", true, 12, ",1"},
                 {"{\"_placeholder\":true,\"num\":}", false, 0, ""},
                 {"{\"_placeholder\":true,\"num\":1", false, 0, ""},
                 {"{\"_placeholder\":true,\"num\":", false, 0, ""},
                 {"{\"_placeholder\":true,\"num\":1,\"a\":1}", false, 0, ""},
                 {"{\"num\":1,\"_placeholder\":true}", false, 0, ""},
                 {"{\"_placeholder\":true,\"num\":99999999999999999999}", false, 0, ""},
                 {"", false, 0, ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = cases[i].text;
        uint64_t number = 0;
        bool is_one = placeholder_take(&at, at + strlen(at), &number);

        assert_int_equal(is_one, cases[i].is_one);
        if (is_one) {
            assert_int_equal(number, cases[i].number);
            assert_string_equal(at, cases[i].rest);
        } else {
            assert_ptr_equal(at, cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_placeholder_is_replaced),
        cmocka_unit_test(nothing_is_replaced_in_nothing),
        cmocka_unit_test(a_placeholder_may_be_written_in_any_way),
        cmocka_unit_test(of_equal_members_the_last_counts),
        cmocka_unit_test(what_only_looks_like_one_is_left_alone),
        cmocka_unit_test(one_without_a_number_that_exists_is_refused),
        cmocka_unit_test(what_is_inside_of_one_is_gone),
        cmocka_unit_test(depth_costs_no_stack_and_no_time),
        cmocka_unit_test(the_canonical_form_is_taken_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
