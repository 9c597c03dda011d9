#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/wire/mention.h"

static bool means(const char *text, const char *name, const char *other)
{
    struct mentions mentions;
    mentions_find(&mentions, slice_of_string(text));
    mentions_offer(&mentions, slice_of_string(name));
    mentions_offer(&mentions, slice_of_string(other));
    return mentions_mean(&mentions, slice_of_string(name));
}

static void names_are_words_behind_an_at_sign(void **state)
{
    (void)state;
    assert_true(means("@Ann", "Ann", ""));
    assert_true(means("hello @ann, how are you?", "Ann", ""));
    assert_true(means("(@ANN)", "Ann", ""));
    assert_true(means("@@Ann", "Ann", ""));
    assert_true(means("first @Bob then @Ann", "Ann", ""));
    assert_true(means("<@aaaaaaaa-0000-4000-8000-000000000001>",
                      "aaaaaaaa-0000-4000-8000-000000000001", ""));
    assert_false(means("Ann", "Ann", ""));
    assert_false(means("@Anna", "Ann", ""));
    assert_false(means("@Ann\xc3\xa9", "Ann", ""));
    assert_false(means("ann@Ann.example", "Ann", ""));
    assert_false(means("@An", "Ann", ""));
    assert_false(means("@", "Ann", ""));
    assert_false(means("", "Ann", ""));
    assert_false(means("@", "", ""));
}

static void the_longest_name_that_fits_is_meant(void **state)
{
    (void)state;
    assert_false(means("@Ann Lee, hello", "Ann", "Ann Lee"));
    assert_true(means("@Ann Lee, hello", "Ann Lee", "Ann"));
    assert_true(means("@Ann, hello", "Ann", "Ann Lee"));
    assert_true(means("@Ann Lee and @Ann", "Ann", "Ann Lee"));
    assert_true(means("@ann", "Ann", "ANN")); /* both */
}

static void only_so_many_places_are_looked_at(void **state)
{
    (void)state;
    char text[2 * MENTIONS_MAX + 8];
    memset(text, ' ', sizeof(text));
    for (size_t i = 0; i < MENTIONS_MAX; i++) {
        text[2 * i] = '@';
    }
    memcpy(text + sizeof(text) - 5, "@Ann", 5);
    assert_false(means(text, "Ann", ""));
    text[0] = ' ';
    assert_true(means(text, "Ann", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_words_behind_an_at_sign),
        cmocka_unit_test(the_longest_name_that_fits_is_meant),
        cmocka_unit_test(only_so_many_places_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
