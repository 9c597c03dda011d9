/* What is UTF-8 and what is not (RFC 3629 §3), and where its characters end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/utf8.h"

static size_t length_of(const char *text)
{
    return utf8_length((const unsigned char *)text, (const unsigned char *)text + strlen(text));
}

static void test_characters_have_one_to_four_bytes(void **state)
{
    (void)state;
    assert_int_equal(length_of("a\xc3\xa4"), 1);
    assert_int_equal(length_of("\xc2\x80"), 2);
    assert_int_equal(length_of("\xdf\xbf"), 2);
    assert_int_equal(length_of("\xe0\xa0\x80"), 3);
    assert_int_equal(length_of("\xed\x9f\xbf"), 3);
    assert_int_equal(length_of("\xee\x80\x80"), 3);
    assert_int_equal(length_of("\xf0\x90\x80\x80"), 4);
    assert_int_equal(length_of("\xf4\x8f\xbf\xbf"), 4);
}

static void test_what_begins_no_character_has_no_length(void **state)
{
    static const char *const texts[] = {
        "\x80",             /* a continuation */
        "\xc0\x80",         /* overlong */
        "\xc1\xbf",         /* likewise */
        "\xe0\x9f\xbf",     /* likewise */
        "\xf0\x8f\xbf\xbf", /* likewise */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80", /* likewise */
        "\xc3",             /* cut off */
        "\xe2\x82",         /* likewise */
        "\xf0\x9f\x98",     /* likewise */
        "\xe2(\xa1",        /* broken within */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(length_of(texts[i]), 0);
    }
}

static void test_a_text_is_valid_when_all_of_it_is(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(SLICE_EMPTY));
    assert_true(utf8_is_valid(SLICE_LITERAL("")));
    assert_true(utf8_is_valid(SLICE_LITERAL("a\0b")));
    assert_true(utf8_is_valid(SLICE_LITERAL("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
    assert_false(utf8_is_valid(SLICE_LITERAL("gr\xc3\xbc\xc3")));
    assert_false(utf8_is_valid(SLICE_LITERAL("\xff")));
    assert_false(utf8_is_valid(slice_of("\xc3\xbc", 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_have_one_to_four_bytes),
        cmocka_unit_test(test_what_begins_no_character_has_no_length),
        cmocka_unit_test(test_a_text_is_valid_when_all_of_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
