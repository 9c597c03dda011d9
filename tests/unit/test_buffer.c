#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/base/buffer.h"
#include "tests/unit/random.h"

static void assert_content(const struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer->length, strlen(expected));
    if (buffer->length > 0) {
        assert_memory_equal(buffer->data, expected, buffer->length);
    }
    assert_true(buffer->capacity >= buffer->length);
}

static void every_append_adds_at_the_end(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;

    (void)state;
    buffer_append(&buffer, "ab", 2);
    buffer_append(&buffer, NULL, 0);
    buffer_append_slice(&buffer, SLICE_LITERAL("cd"));
    buffer_append_slice(&buffer, SLICE_EMPTY);
    buffer_append_string(&buffer, "ef");
    buffer_append_string(&buffer, "");
    buffer_append_char(&buffer, '|');
    buffer_append_format(&buffer, "%s-%03d", "x", 7);
    assert_content(&buffer, "abcdef|x-007");
    assert_true(slice_is(buffer_slice(&buffer), "abcdef|x-007"));
    buffer_deinit(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

static void numbers_at_their_edges(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;

    (void)state;
    buffer_append_unsigned(&buffer, 0);
    buffer_append_char(&buffer, ' ');
    buffer_append_unsigned(&buffer, UINT64_MAX);
    buffer_append_char(&buffer, ' ');
    buffer_append_signed(&buffer, INT64_MIN);
    buffer_append_char(&buffer, ' ');
    buffer_append_signed(&buffer, INT64_MAX);
    buffer_append_char(&buffer, ' ');
    buffer_append_signed(&buffer, -1);
    assert_content(&buffer, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
    buffer_deinit(&buffer);
}

static void a_long_format_is_not_cut(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;

    (void)state;
    buffer_append_format(&buffer, "%*d", 5000, 1);
    assert_int_equal(buffer.length, 5000);
    assert_int_equal(buffer.data[4999], '1');
    buffer_deinit(&buffer);
}

static void reserved_room_is_writable_and_not_counted(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;
    char *room;

    (void)state;
    assert_non_null(buffer_reserve(&buffer, 0));
    buffer_append_string(&buffer, "a");
    room = buffer_reserve(&buffer, 1000);
    assert_ptr_equal(room, buffer.data + 1);
    memset(room, 'x', 1000);
    assert_int_equal(buffer.length, 1);
    buffer_deinit(&buffer);
}

static void clear_keeps_memory_and_shrink_frees_it(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;
    size_t capacity;

    (void)state;
    buffer_reserve(&buffer, 10000);
    buffer_append_string(&buffer, "text");
    capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, capacity);
    buffer_shrink(&buffer, capacity);
    assert_int_equal(buffer.capacity, capacity);
    buffer_append_string(&buffer, "text");
    buffer_shrink(&buffer, 100);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, 100);
    buffer_append_string(&buffer, "again");
    assert_content(&buffer, "again");
    buffer_shrink(&buffer, 0);
    assert_null(buffer.data);
    buffer_append_string(&buffer, "and again");
    assert_content(&buffer, "and again");
    buffer_deinit(&buffer);
}

static void consume_drops_from_the_front(void **state)
{
    struct buffer buffer = BUFFER_EMPTY;

    (void)state;
    buffer_consume(&buffer, 0);
    buffer_append_string(&buffer, "abcdef");
    buffer_consume(&buffer, 2);
    assert_content(&buffer, "cdef");
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 4);
    assert_content(&buffer, "");
    buffer_deinit(&buffer);
}

/* Appends and consumptions in any order against an array that does the same plainly. */
static void random_use_agrees_with_a_plain_array(void **state)
{
    struct random random = {1};

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct buffer buffer = BUFFER_EMPTY;
        char model[20000];
        size_t length = 0;

        for (int step = 0; step < 200; step++) {
            if (random_below(&random, 3) > 0) {
                char piece[90];
                size_t size = random_below(&random, sizeof(piece));

                memset(piece, (int)('a' + step % 26), sizeof(piece));
                buffer_append(&buffer, piece, size);
                memcpy(model + length, piece, size);
                length += size;
            } else {
                size_t size = random_below(&random, length + 1);

                buffer_consume(&buffer, size);
                memmove(model, model + size, length - size);
                length -= size;
            }
            assert_int_equal(buffer.length, length);
            if (length > 0) {
                assert_memory_equal(buffer.data, model, length);
            }
        }
        buffer_deinit(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_append_adds_at_the_end),
        cmocka_unit_test(numbers_at_their_edges),
        cmocka_unit_test(a_long_format_is_not_cut),
        cmocka_unit_test(reserved_room_is_writable_and_not_counted),
        cmocka_unit_test(clear_keeps_memory_and_shrink_frees_it),
        cmocka_unit_test(consume_drops_from_the_front),
        cmocka_unit_test(random_use_agrees_with_a_plain_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
