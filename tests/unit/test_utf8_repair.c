#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/utf8_repair.h"

#define BAD "\xef\xbf\xbd"

static void assert_repairs(struct slice bytes, struct slice expected)
{
    struct arena arena;
    arena_init(&arena);
    struct slice text = utf8_repair(bytes, &arena);
    assert_true(slice_equals(text, expected));
    arena_deinit(&arena);
}
#define ASSERT_REPAIRS(bytes, expected)                                                            \
    assert_repairs(SLICE_LITERAL(bytes), SLICE_LITERAL(expected))

static void what_is_utf8_is_left_alone(void **state)
{
    struct slice text = SLICE_LITERAL("a\xc3\xa9\0\xf0\x9f\x98\x80");
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_ptr_equal(utf8_repair(text, &arena).data, text.data);
    assert_int_equal(utf8_repair(SLICE_EMPTY, &arena).length, 0);
    arena_deinit(&arena);
}

static void what_is_not_is_replaced_byte_by_byte(void **state)
{
    (void)state;
    ASSERT_REPAIRS("caf\xe9!", "caf" BAD "!");
    ASSERT_REPAIRS("\xff\xfe", BAD BAD);
    ASSERT_REPAIRS("a\xf0\x9f\x98", "a" BAD BAD BAD);
    ASSERT_REPAIRS("\xed\xa0\x80", BAD BAD BAD); /* a surrogate */
    ASSERT_REPAIRS("\xc0\xafx\xc3\xa9", BAD BAD "x\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_utf8_is_left_alone),
        cmocka_unit_test(what_is_not_is_replaced_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
