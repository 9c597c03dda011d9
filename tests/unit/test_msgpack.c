#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/msgpack.h"
#include "tests/unit/random.h"

/* Reads of a copy that ends where its allocation ends: a read beyond it is seen by ASan. */
struct exact {
    char *bytes;
    struct msgpack_reader reader;
};

static struct exact exact_of(struct slice slice)
{
    struct exact exact = {malloc(slice.length == 0 ? 1 : slice.length), {NULL, NULL, false}};

    if (slice.length > 0) {
        memcpy(exact.bytes, slice.data, slice.length);
    }
    exact.reader = msgpack_reader_of(slice_of(exact.bytes, slice.length));
    return exact;
}

static bool is_at_end(const struct msgpack_reader *reader)
{
    return reader->at == reader->end;
}

static void assert_bytes(const struct buffer *actual, const char *expected, size_t length)
{
    assert_int_equal(actual->length, length);
    assert_memory_equal(actual->data, expected, length);
}

#define ASSERT_BYTES(actual, literal) assert_bytes(actual, literal, sizeof(literal) - 1)

static void test_unsigned_numbers_take_the_shortest_form_and_come_back(void **state)
{
    static const struct {
        uint64_t value;
        size_t length;
    } cases[] = {{0, 1},         {0x7f, 1},       {0x80, 2},
                 {0xff, 2},      {0x100, 3},      {0xffff, 3},
                 {0x10000, 5},   {0xffffffff, 5}, {UINT64_C(0x100000000), 9},
                 {UINT64_MAX, 9}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = BUFFER_EMPTY;
        uint64_t value = 1;
        msgpack_write_unsigned(&out, cases[i].value);
        assert_int_equal(out.length, cases[i].length);
        struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&out));
        assert_true(msgpack_read_unsigned(&reader, &value));
        assert_true(value == cases[i].value);
        assert_true(is_at_end(&reader));
        buffer_deinit(&out);
    }
}

static void test_signed_numbers_take_the_shortest_form_and_come_back(void **state)
{
    static const struct {
        int64_t value;
        size_t length;
    } cases[] = {{0, 1},         {127, 1},       {128, 2},       {-1, 1},
                 {-32, 1},       {-33, 2},       {-128, 2},      {-129, 3},
                 {-32768, 3},    {-32769, 5},    {INT32_MIN, 5}, {(int64_t)INT32_MIN - 1, 9},
                 {INT64_MIN, 9}, {INT64_MAX, 9}, {65535, 3}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = BUFFER_EMPTY;
        int64_t value = 1;
        msgpack_write_signed(&out, cases[i].value);
        assert_int_equal(out.length, cases[i].length);
        struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&out));
        assert_true(msgpack_read_signed(&reader, &value));
        assert_true(value == cases[i].value);
        assert_true(is_at_end(&reader));
        buffer_deinit(&out);
    }
}

static void test_a_number_that_does_not_fit_is_refused(void **state)
{
    struct msgpack_reader reader;
    uint64_t number = 7;
    int64_t value = 7;
    (void)state;

    reader = msgpack_reader_of(SLICE_LITERAL("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"));
    assert_true(msgpack_read_signed(&reader, &value));
    assert_true(value == INT64_MAX);
    reader = msgpack_reader_of(SLICE_LITERAL("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_false(msgpack_read_signed(&reader, &value));
    reader = msgpack_reader_of(SLICE_LITERAL("\xff")); /* -1 */
    assert_false(msgpack_read_unsigned(&reader, &number));
    reader = msgpack_reader_of(SLICE_LITERAL("\xd0\x01")); /* signed 1 */
    assert_false(msgpack_read_unsigned(&reader, &number));
    assert_int_equal(number, 7);
}

static void test_longer_forms_than_needed_are_read(void **state)
{
    struct msgpack_reader reader = msgpack_reader_of(
        SLICE_LITERAL("\xcd\x00\x05\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"
                      "\xda\x00\x01x\xc6\x00\x00\x00\x01y\xdd\x00\x00\x00\x01\x00"));
    uint64_t number;
    int64_t value;
    uint32_t count;
    struct slice text;
    (void)state;

    assert_true(msgpack_read_unsigned(&reader, &number));
    assert_int_equal(number, 5);
    assert_true(msgpack_read_signed(&reader, &value));
    assert_int_equal(value, -2);
    assert_true(msgpack_read_text(&reader, 1, &text));
    assert_true(slice_is(text, "x"));
    assert_true(msgpack_read_binary(&reader, 1, &text));
    assert_true(slice_is(text, "y"));
    assert_true(msgpack_read_array(&reader, &count));
    assert_int_equal(count, 1);
}

static void test_booleans_come_back(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    bool value;
    (void)state;

    msgpack_write_boolean(&out, true);
    msgpack_write_boolean(&out, false);
    ASSERT_BYTES(&out, "\xc3\xc2");
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&out));
    assert_true(msgpack_read_boolean(&reader, &value));
    assert_true(value);
    assert_true(msgpack_read_boolean(&reader, &value));
    assert_false(value);
    buffer_deinit(&out);
}

static void test_texts_and_payloads_of_every_head_come_back(void **state)
{
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536, 70000};
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct buffer bytes = BUFFER_EMPTY, out = BUFFER_EMPTY;
        struct slice text, payload;
        memset(buffer_reserve(&bytes, lengths[i] + 1), 'a' + (int)i, lengths[i]);
        bytes.length = lengths[i];
        msgpack_write_text(&out, buffer_slice(&bytes));
        msgpack_write_binary(&out, buffer_slice(&bytes));
        struct exact exact = exact_of(buffer_slice(&out));
        assert_true(msgpack_read_text(&exact.reader, lengths[i], &text));
        assert_true(msgpack_read_binary(&exact.reader, lengths[i], &payload));
        assert_true(is_at_end(&exact.reader));
        assert_true(slice_equals(text, buffer_slice(&bytes)));
        assert_true(slice_equals(payload, buffer_slice(&bytes)));
        assert_in_range((uintptr_t)payload.data, (uintptr_t)exact.bytes,
                        (uintptr_t)exact.bytes + out.length); /* borrowed, not copied */
        free(exact.bytes);
        buffer_deinit(&out);
        buffer_deinit(&bytes);
    }
}

static void test_what_is_over_its_bound_is_refused(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    struct slice bytes;
    (void)state;

    msgpack_write_text(&out, SLICE_LITERAL("abcde"));
    msgpack_write_binary(&out, SLICE_LITERAL("abcde"));
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&out));
    assert_true(msgpack_read_text(&reader, 5, &bytes));
    struct msgpack_reader again = reader;
    assert_true(msgpack_read_binary(&reader, 5, &bytes));
    assert_false(msgpack_read_binary(&again, 4, &bytes));
    reader = msgpack_reader_of(buffer_slice(&out));
    assert_false(msgpack_read_text(&reader, 4, &bytes));
    buffer_deinit(&out);
}

static void test_a_length_that_lies_is_refused(void **state)
{
    static const struct slice lies[] = {{"\xa2z", 2},
                                        {"\xd9\x02z", 3},
                                        {"\xda\xff\xffz", 4},
                                        {"\xdb\xff\xff\xff\xffz", 6},
                                        {"\xc4\x02z", 3},
                                        {"\xc5\x00\x02z", 4},
                                        {"\xc6\xff\xff\xff\xffz", 6}};
    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct exact exact = exact_of(lies[i]);
        struct slice bytes;
        if ((unsigned char)lies[i].data[0] >= 0xc4 && (unsigned char)lies[i].data[0] <= 0xc6) {
            assert_false(msgpack_read_binary(&exact.reader, SIZE_MAX, &bytes));
        } else {
            assert_false(msgpack_read_text(&exact.reader, SIZE_MAX, &bytes));
        }
        free(exact.bytes);
    }
}

static void test_array_heads_come_back(void **state)
{
    static const struct {
        uint32_t count;
        size_t head;
    } cases[] = {{0, 1}, {15, 1}, {16, 3}, {65535, 3}, {65536, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = BUFFER_EMPTY;
        uint32_t count = 1;
        msgpack_write_array(&out, cases[i].count);
        assert_int_equal(out.length, cases[i].head);
        memset(buffer_reserve(&out, cases[i].count + 1), 0, cases[i].count);
        out.length += cases[i].count;
        struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&out));
        assert_true(msgpack_read_array(&reader, &count));
        assert_int_equal(count, cases[i].count);
        buffer_deinit(&out);
    }
}

static void test_an_array_that_claims_more_elements_than_bytes_is_refused(void **state)
{
    static const struct slice lies[] = {{"\x91", 1},
                                        {"\x93\x00\x00", 3},
                                        {"\xdc\x00\x03\x00\x00", 5},
                                        {"\xdd\xff\xff\xff\xff\x00", 6}};
    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct exact exact = exact_of(lies[i]);
        uint32_t count = 77;
        assert_false(msgpack_read_array(&exact.reader, &count));
        assert_int_equal(count, 77);
        free(exact.bytes);
    }
}

/* The heads each reader takes, by MessagePack's table; what follows is zeroes. */
static bool is_array(unsigned head)
{
    return (head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd;
}
static bool is_unsigned(unsigned head)
{
    return head < 0x80 || (head >= 0xcc && head <= 0xcf);
}
static bool is_signed(unsigned head)
{
    return is_unsigned(head) || head >= 0xe0 || (head >= 0xd0 && head <= 0xd3);
}
static bool is_boolean(unsigned head)
{
    return head == 0xc2 || head == 0xc3;
}
static bool is_text(unsigned head)
{
    return (head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb);
}
static bool is_binary(unsigned head)
{
    return head >= 0xc4 && head <= 0xc6;
}

static void test_every_reader_takes_its_own_kind_and_no_other(void **state)
{
    char bytes[64] = {0};
    (void)state;
    for (unsigned head = 0; head < 256; head++) {
        uint64_t number;
        int64_t value;
        bool flag;
        uint32_t count;
        struct slice text;
        bytes[0] = (char)head;
        struct msgpack_reader start = msgpack_reader_of(slice_of(bytes, sizeof(bytes)));
        struct msgpack_reader reader = start;
        assert_int_equal(msgpack_read_unsigned(&reader, &number), is_unsigned(head));
        reader = start;
        assert_int_equal(msgpack_read_signed(&reader, &value), is_signed(head));
        reader = start;
        assert_int_equal(msgpack_read_boolean(&reader, &flag), is_boolean(head));
        reader = start;
        assert_int_equal(msgpack_read_array(&reader, &count), is_array(head));
        reader = start;
        assert_int_equal(msgpack_read_text(&reader, sizeof(bytes), &text), is_text(head));
        reader = start;
        assert_int_equal(msgpack_read_binary(&reader, sizeof(bytes), &text), is_binary(head));
    }
}

static void test_after_a_failure_every_read_fails(void **state)
{
    struct msgpack_reader reader = msgpack_reader_of(SLICE_LITERAL("\xc0\x01\xa1z\x90\xc3"));
    uint64_t number;
    int64_t value;
    bool flag;
    uint32_t count;
    struct slice text;
    (void)state;

    assert_false(reader.failed);
    assert_false(msgpack_read_unsigned(&reader, &number));
    assert_true(reader.failed);
    assert_false(msgpack_read_unsigned(&reader, &number));
    assert_false(msgpack_read_signed(&reader, &value));
    assert_false(msgpack_read_text(&reader, 10, &text));
    assert_false(msgpack_read_binary(&reader, 10, &text));
    assert_false(msgpack_read_array(&reader, &count));
    assert_false(msgpack_read_boolean(&reader, &flag));
}

static void test_nothing_is_read_from_nothing(void **state)
{
    struct msgpack_reader reader = msgpack_reader_of(SLICE_EMPTY);
    uint64_t number;
    (void)state;

    assert_true(is_at_end(&reader));
    assert_false(msgpack_read_unsigned(&reader, &number));
}

static bool read_by_head(struct msgpack_reader *reader)
{
    uint64_t number;
    int64_t value;
    bool flag;
    uint32_t count;
    struct slice text;
    unsigned head = reader->at == reader->end ? 0xc1 : *reader->at;
    return is_unsigned(head)  ? msgpack_read_unsigned(reader, &number)
           : is_signed(head)  ? msgpack_read_signed(reader, &value)
           : is_boolean(head) ? msgpack_read_boolean(reader, &flag)
           : is_array(head)   ? msgpack_read_array(reader, &count)
           : is_text(head)    ? msgpack_read_text(reader, SIZE_MAX, &text)
                              : msgpack_read_binary(reader, SIZE_MAX, &text);
}

static void test_an_item_cut_at_any_byte_is_refused(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    size_t ends[8], items = 0;
    (void)state;

    msgpack_write_unsigned(&out, UINT64_MAX), ends[items++] = out.length;
    msgpack_write_signed(&out, INT64_MIN), ends[items++] = out.length;
    msgpack_write_unsigned(&out, 0x1234), ends[items++] = out.length;
    msgpack_write_boolean(&out, true), ends[items++] = out.length;
    msgpack_write_text(&out, SLICE_LITERAL("0123456789012345678901234567890123456789")),
        ends[items++] = out.length;
    msgpack_write_binary(&out, SLICE_LITERAL("01234")), ends[items++] = out.length;
    for (size_t length = 0; length <= out.length; length++) {
        struct exact exact = exact_of(slice_of(out.data, length));
        for (size_t i = 0; i < items; i++) {
            assert_int_equal(read_by_head(&exact.reader), ends[i] <= length);
        }
        free(exact.bytes);
    }
    buffer_deinit(&out);
}

static void test_random_bytes_are_read_within_their_bounds(void **state)
{
    struct random random = {42};
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[40];
        size_t length = random_below(&random, sizeof(bytes));
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)random_next(&random);
        }
        struct exact exact = exact_of(slice_of(bytes, length));
        while (read_by_head(&exact.reader)) {
            assert_true(exact.reader.at <= exact.reader.end);
        }
        assert_true(exact.reader.at <= exact.reader.end);
        free(exact.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned_numbers_take_the_shortest_form_and_come_back),
        cmocka_unit_test(test_signed_numbers_take_the_shortest_form_and_come_back),
        cmocka_unit_test(test_a_number_that_does_not_fit_is_refused),
        cmocka_unit_test(test_longer_forms_than_needed_are_read),
        cmocka_unit_test(test_booleans_come_back),
        cmocka_unit_test(test_texts_and_payloads_of_every_head_come_back),
        cmocka_unit_test(test_what_is_over_its_bound_is_refused),
        cmocka_unit_test(test_a_length_that_lies_is_refused),
        cmocka_unit_test(test_array_heads_come_back),
        cmocka_unit_test(test_an_array_that_claims_more_elements_than_bytes_is_refused),
        cmocka_unit_test(test_every_reader_takes_its_own_kind_and_no_other),
        cmocka_unit_test(test_after_a_failure_every_read_fails),
        cmocka_unit_test(test_nothing_is_read_from_nothing),
        cmocka_unit_test(test_an_item_cut_at_any_byte_is_refused),
        cmocka_unit_test(test_random_bytes_are_read_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
