#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/error.h"

static const int all[] = {
#define X(name, value, wire, status, retryable, text) ERROR_##name,
    ERROR_TABLE(X)
#undef X
};

enum { COUNT = sizeof(all) / sizeof(all[0]) };

static void every_error_answers_its_own_row(void **state)
{
    (void)state;
#define X(name, value, wire, status, retryable, text)                                              \
    assert_int_equal(ERROR_##name, (value));                                                       \
    assert_string_equal(error_code(ERROR_##name), (wire));                                         \
    assert_string_equal(error_text(ERROR_##name), (text));                                         \
    assert_int_equal(error_http_status(ERROR_##name), (status));                                   \
    assert_int_equal(error_is_retryable(ERROR_##name), (retryable));
    ERROR_TABLE(X)
#undef X
}

static void wire_names_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            if (all[i] != ERROR_ROUTER_AWAY || all[j] != ERROR_OVERLOADED) {
                assert_string_not_equal(error_code(all[i]), error_code(all[j]));
            }
        }
    }
}

static void other_numbers_are_internal(void **state)
{
    static const int others[] = {0, 1, 200, -COUNT - 1, INT32_MAX, INT32_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_string_equal(error_code(others[i]), "internal");
        assert_int_equal(error_http_status(others[i]), 500);
        assert_false(error_is_retryable(others[i]));
        assert_string_equal(error_text(others[i]), error_text(ERROR_INTERNAL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_answers_its_own_row),
        cmocka_unit_test(wire_names_differ),
        cmocka_unit_test(other_numbers_are_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
