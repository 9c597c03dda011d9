#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "proto/base/form.h"

static void assert_json(const char *pairs, const char *json)
{
    struct buffer out = BUFFER_EMPTY;
    struct arena arena;

    arena_init(&arena);
    form_write_json(slice_of_string(pairs), &arena, &out);
    assert_int_equal(out.length, strlen(json));
    assert_memory_equal(out.data, json, out.length);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static void pairs_become_an_object_of_strings(void **state)
{
    (void)state;
    assert_json("", "{}");
    assert_json("a=1&b=two", "{\"a\":\"1\",\"b\":\"two\"}");
    assert_json("a&&b=&=c", "{\"a\":\"\",\"b\":\"\",\"\":\"c\"}");
    assert_json("q=a%22b+c%2Bd%zz%4", "{\"q\":\"a\\\"b c+d%zz%4\"}");
    assert_json("a%3Db=c=d", "{\"a=b\":\"c=d\"}");
    assert_json("e=%C3%A9", "{\"e\":\"\xc3\xa9\"}");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    assert_json("a=%FF", "{\"a\":\"\xef\xbf\xbd\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_become_an_object_of_strings),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
