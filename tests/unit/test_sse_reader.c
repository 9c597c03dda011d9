#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/error.h"
#include "proto/wire/sse.h"
#include "proto/wire/sse_reader.h"

enum { EVENT_MAX = 256 };

/* "name|data;" for every event of the text, fed in pieces of `piece` bytes. */
static void read_in_pieces(struct slice text, size_t piece, struct buffer *out)
{
    struct sse_reader reader;
    struct sse_event event;
    sse_reader_init(&reader, EVENT_MAX);
    for (size_t at = 0; at < text.length; at += piece) {
        /* Its own block, so that a sanitizer sees a byte read too many. */
        size_t length = text.length - at < piece ? text.length - at : piece;
        char *copy = malloc(length);
        memcpy(copy, text.data + at, length);
        struct slice input = slice_of(copy, length);
        while (sse_reader_next(&reader, &input, &event) > 0) {
            buffer_append_slice(out, event.name);
            buffer_append_char(out, '|');
            buffer_append_slice(out, event.data);
            buffer_append_char(out, ';');
        }
        assert_int_equal(input.length, 0);
        free(copy);
    }
    sse_reader_deinit(&reader);
}

static void assert_reads(struct slice text, const char *expected)
{
    for (size_t piece = 1; piece <= text.length; piece++) {
        struct buffer out = BUFFER_EMPTY;
        read_in_pieces(text, piece, &out);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, expected);
        buffer_deinit(&out);
    }
}
#define ASSERT_READS(text, expected) assert_reads(SLICE_LITERAL(text), expected)

static void lines_may_end_in_any_way(void **state)
{
    (void)state;
    ASSERT_READS("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n",
                 "message|a;message|b;message|c;message|d;");
}

static void data_of_several_lines_is_joined(void **state)
{
    (void)state;
    ASSERT_READS("event: x\ndata: a\ndata:  b\ndata\ndata:c\n\n", "x|a\n b\n\nc;");
}

static void comments_ids_and_events_without_data_are_passed_over(void **state)
{
    (void)state;
    ASSERT_READS(": hello\n\nid: 7\nretry: 10\nevent: nothing\n\ndata: a\nother: b\n\n",
                 "message|a;");
}

static void an_empty_data_line_is_an_event(void **state)
{
    (void)state;
    ASSERT_READS("data\n\ndata:\n\n", "message|;message|;");
}

static void a_name_holds_for_one_event(void **state)
{
    (void)state;
    ASSERT_READS("event: x\ndata: a\n\ndata: b\n\n", "x|a;message|b;");
}

static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    (void)state;
    ASSERT_READS("\xef\xbb\xbf"
                 "data: a\n\n\xef\xbb\xbf"
                 "data: b\n\n",
                 "message|a;");
}

static void an_event_that_is_cut_off_is_none(void **state)
{
    (void)state;
    ASSERT_READS("data: a\n\ndata: b\n", "message|a;");
}

static void zero_bytes_pass(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    read_in_pieces(SLICE_LITERAL("data: a\0b\n\n"), 3, &out);
    assert_true(slice_equals(buffer_slice(&out), SLICE_LITERAL("message|a\0b;")));
    buffer_deinit(&out);
}

static int read_all(struct slice text)
{
    struct sse_reader reader;
    struct sse_event event;
    int result;
    sse_reader_init(&reader, EVENT_MAX);
    while ((result = sse_reader_next(&reader, &text, &event)) > 0) {
    }
    sse_reader_deinit(&reader);
    return result;
}

static void an_event_is_bounded_and_a_stream_is_not(void **state)
{
    struct buffer text = BUFFER_EMPTY;
    (void)state;
    for (size_t i = 0; i < EVENT_MAX; i++) {
        buffer_append_string(&text, "data: a\n\n: comment\n\n");
    }
    assert_int_equal(read_all(buffer_slice(&text)), 0);
    for (size_t i = 0; i < EVENT_MAX; i++) {
        buffer_append_string(&text, "data: a\n");
    }
    assert_int_equal(read_all(buffer_slice(&text)), ERROR_TOO_LARGE);
    buffer_clear(&text);
    for (size_t i = 0; i <= EVENT_MAX; i++) {
        buffer_append_char(&text, 'x');
    }
    assert_int_equal(read_all(buffer_slice(&text)), ERROR_TOO_LARGE);
    buffer_deinit(&text);
}

/* An event of just that size is read, in however many pieces it comes. */
static void the_bound_does_not_depend_on_the_pieces(void **state)
{
    struct buffer text = BUFFER_EMPTY, expected = BUFFER_EMPTY;
    (void)state;
    buffer_append_string(&text, "data:");
    buffer_append_string(&expected, "message|");
    for (size_t i = text.length; i < EVENT_MAX - 2; i++) {
        buffer_append_char(&text, 'x');
        buffer_append_char(&expected, 'x');
    }
    buffer_append_string(&text, "\n\n");
    buffer_append_string(&expected, ";");
    buffer_append_char(&expected, '\0');
    assert_reads(buffer_slice(&text), expected.data);
    buffer_deinit(&text);
    buffer_deinit(&expected);
}

static void it_reads_what_the_encoder_writes(void **state)
{
    struct buffer text = BUFFER_EMPTY;
    (void)state;
    sse_write_comment(&text, "alive");
    sse_write_event(&text, "chunk", SLICE_LITERAL("9"), SLICE_LITERAL("one\ntwo"));
    assert_reads(buffer_slice(&text), "chunk|one\ntwo;");
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_may_end_in_any_way),
        cmocka_unit_test(data_of_several_lines_is_joined),
        cmocka_unit_test(comments_ids_and_events_without_data_are_passed_over),
        cmocka_unit_test(an_empty_data_line_is_an_event),
        cmocka_unit_test(a_name_holds_for_one_event),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(an_event_that_is_cut_off_is_none),
        cmocka_unit_test(zero_bytes_pass),
        cmocka_unit_test(an_event_is_bounded_and_a_stream_is_not),
        cmocka_unit_test(the_bound_does_not_depend_on_the_pieces),
        cmocka_unit_test(it_reads_what_the_encoder_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
