#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/wire/sse.h"
#include "tests/unit/random.h"

static struct buffer out;

static void assert_event(const char *event, struct slice id, struct slice data,
                         const char *expected)
{
    buffer_clear(&out);
    sse_write_event(&out, event, id, data);
    assert_true(slice_is(buffer_slice(&out), expected));
}

static void one_event_with_its_fields(void **state)
{
    (void)state;
    assert_event("chunk", SLICE_LITERAL("7"), SLICE_LITERAL("{\"a\":1}"),
                 "event: chunk\ndata: {\"a\":1}\nid: 7\n\n");
    assert_event("done", SLICE_EMPTY, SLICE_LITERAL("{}"), "event: done\ndata: {}\n\n");
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("x"), "data: x\n\n");
    assert_event("e", SLICE_EMPTY, SLICE_EMPTY, "event: e\ndata: \n\n");
}

static void every_line_end_begins_a_data_field(void **state)
{
    (void)state;
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("a\nb"), "data: a\ndata: b\n\n");
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("a\r\nb\rc"), "data: a\ndata: b\ndata: c\n\n");
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("\n"), "data: \ndata: \n\n");
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("a\n\nb\r\n"),
                 "data: a\ndata: \ndata: b\ndata: \n\n");
    assert_event(NULL, SLICE_EMPTY, SLICE_LITERAL("x\r\ndata: y\n\nevent: z"),
                 "data: x\ndata: data: y\ndata: \ndata: event: z\n\n");
}

static void an_id_cannot_end_its_field(void **state)
{
    (void)state;
    assert_event("e", slice_of("a\r\ndata: b\0c", 12), SLICE_LITERAL("x"),
                 "event: e\ndata: x\nid: adata: bc\n\n");
}

static void comments_are_one_line(void **state)
{
    (void)state;
    buffer_clear(&out);
    sse_write_comment(&out, "keep-alive");
    sse_write_comment(&out, "a\nb");
    sse_write_comment(&out, "");
    assert_true(slice_is(buffer_slice(&out), ": keep-alive\n\n: ab\n\n: \n\n"));
}

/* What a client reads: the data fields of the only event joined by line feeds. */
static void random_data_comes_back_with_line_feeds(void **state)
{
    static const char alphabet[] = "ab\r\n:";
    struct random random = {14};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char data[24];
        char expected[24];
        char read[64];
        size_t length = random_below(&random, sizeof(data));
        size_t expected_length = 0;
        size_t read_length = 0;
        const char *at;

        for (size_t j = 0; j < length; j++) {
            data[j] = alphabet[random_below(&random, sizeof(alphabet) - 1)];
        }
        for (size_t j = 0; j < length; j++) {
            if (data[j] != '\n' || j == 0 || data[j - 1] != '\r') {
                expected[expected_length++] = data[j] == '\r' ? '\n' : data[j];
            }
        }

        buffer_clear(&out);
        sse_write_event(&out, NULL, SLICE_EMPTY, slice_of(data, length));
        for (at = out.data; *at != '\n'; at = memchr(at, '\n', 64) + 1) {
            const char *end = memchr(at, '\n', 64);

            assert_memory_equal(at, "data: ", 6);
            memcpy(read + read_length, at + 6, (size_t)(end - at) - 6);
            read_length += (size_t)(end - at) - 6;
            read[read_length++] = '\n';
        }
        assert_ptr_equal(at + 1, out.data + out.length);
        assert_int_equal(read_length - 1, expected_length);
        assert_memory_equal(read, expected, expected_length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_with_its_fields),
        cmocka_unit_test(every_line_end_begins_a_data_field),
        cmocka_unit_test(an_id_cannot_end_its_field),
        cmocka_unit_test(comments_are_one_line),
        cmocka_unit_test(random_data_comes_back_with_line_feeds),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_deinit(&out);
    return failed;
}
