#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/jsonp.h"

static void assert_wrapped(const char *j, const char *payload, const char *script)
{
    struct jsonp jsonp = jsonp_of(slice_of_string(j));
    struct buffer out = BUFFER_EMPTY;

    jsonp_wrap(&jsonp, slice_of_string(payload), &out);
    assert_int_equal(out.length, strlen(script));
    assert_memory_equal(out.data, script, out.length);
    buffer_deinit(&out);
}

static void payloads_become_scripts(void **state)
{
    (void)state;
    assert_wrapped("0", "2:40", "___eio[0](\"2:40\");");
    assert_wrapped("12", "9:42[\"a\",1]", "___eio[12](\"9:42[\\\"a\\\",1]\");");
    assert_wrapped("1",
                   "4a\x1e"
                   "4b",
                   "___eio[1](\"4a\\u001e4b\");");
    assert_wrapped("1", "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6",
                   "___eio[1](\"\\u2028\\u2029\xe2\x80\xa6\");");
}

static void nothing_but_digits_gets_into_the_script(void **state)
{
    (void)state;
    assert_wrapped("1];alert(2)//", "1:3", "___eio[12](\"1:3\");");
    assert_wrapped("", "1:3", "___eio[](\"1:3\");");
    assert_wrapped("123456789012345678901234567890", "1:3",
                   "___eio[12345678901234567890](\"1:3\");");
}

static void assert_unwrapped(const char *form, const char *payload)
{
    struct arena arena;

    arena_init(&arena);
    assert_true(slice_is(jsonp_unwrap(slice_of_string(form), &arena), payload));
    arena_deinit(&arena);
}

static void forms_hold_payloads(void **state)
{
    (void)state;
    assert_unwrapped("d=2%3A40", "2:40");
    assert_unwrapped("x=1&d=1%3A2+&d=3", "1:2 ");
    assert_unwrapped("", "");
    assert_unwrapped("e=1", "");
    assert_unwrapped("d=a%5Cnb", "a\nb");
    assert_unwrapped("d=a%5C%5Cnb", "a\\nb");
    assert_unwrapped("d=a%5C%5C%5Cnb", "a\\\\nb");
    assert_unwrapped("d=a%5C%5Cb%5C", "a\\\\b\\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_become_scripts),
        cmocka_unit_test(nothing_but_digits_gets_into_the_script),
        cmocka_unit_test(forms_hold_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
