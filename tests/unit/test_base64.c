#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/base64.h"
#include "proto/base/error.h"
#include "tests/unit/random.h"

static struct arena arena;

static int decode(const char *text, struct slice *bytes)
{
    return base64_decode(slice_of_string(text), &arena, bytes);
}

/* RFC 4648 §10. */
static void the_vectors_of_the_rfc(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buffer text = BUFFER_EMPTY;
        struct slice bytes;

        base64_encode(slice_of_string(vectors[i][0]), &text);
        assert_true(slice_is(buffer_slice(&text), vectors[i][1]));
        assert_int_equal(decode(vectors[i][1], &bytes), 0);
        assert_true(slice_is(bytes, vectors[i][0]));
        buffer_deinit(&text);
    }
}

static void what_the_encoder_never_writes_is_refused(void **state)
{
    static const char *const wrong[] = {"Z",
                                        "Zg",
                                        "Zg=",
                                        "=",
                                        "====",
                                        "Z===",
                                        "Zg==Zg==",
                                        "Zh==",
                                        "Zm9=",
                                        "Zm9-",
                                        "Zm9_",
                                        "Zm 9",
                                        "Z=g=",
                                        "Zg=v",
                                        "Zm9v\n",
                                        "Zm9v\n\n\n\n",
                                        "\xc3\xa9\xc3\xa9"};
    struct slice bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(decode(wrong[i], &bytes), ERROR_MALFORMED);
    }
    assert_int_equal(base64_decode(slice_of("Zm9\0", 4), &arena, &bytes), ERROR_MALFORMED);
}

static void random_bytes_come_back(void **state)
{
    struct random random = {10};
    struct buffer text = BUFFER_EMPTY;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        char bytes[100];
        size_t length = random_below(&random, sizeof(bytes));
        struct slice back;

        for (size_t j = 0; j < length; j++) {
            bytes[j] = (char)random_below(&random, 256);
        }
        buffer_clear(&text);
        base64_encode(slice_of(bytes, length), &text);
        assert_int_equal(text.length, (length + 2) / 3 * 4);
        assert_int_equal(base64_decode(buffer_slice(&text), &arena, &back), 0);
        assert_true(slice_equals(back, slice_of(bytes, length)));
        arena_reset(&arena);
    }
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(what_the_encoder_never_writes_is_refused),
        cmocka_unit_test(random_bytes_come_back),
    };
    int failed;

    arena_init(&arena);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&arena);
    return failed;
}
