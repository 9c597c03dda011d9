#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent-bridge/extract/lines.h"
#include "agent-bridge/extract/stream.h"
#include "proto/base/error.h"
#include "tests/unit/random.h"

static struct buffer out;

/*
 * What is shown of the pieces, up to the NULL behind the last one; then "|" and what a flush adds.
 */
static void assert_shown(const char *name, const char *const *pieces, const char *expected)
{
    struct extract_stream *stream = extract_stream_new(slice_of_string(name));
    buffer_clear(&out);
    for (; *pieces != NULL; pieces++) {
        assert_int_equal(extract_stream_push(stream, slice_of_string(*pieces), &out), 0);
    }
    buffer_append_char(&out, '|');
    extract_stream_flush(stream, &out);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    extract_stream_destroy(&stream);
}
#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void names_are_checked(void **state)
{
    static const char *const bad[] = {
        "", "text", "xml-tag", "xml-tag:", "response:text", "passthrough:", "xml-tag:\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(extractor_new(slice_of_string(bad[i])));
    }
    char longest[8 + EXTRACT_TAG_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "xml-tag:", 8);
    assert_null(extractor_new(slice_of(longest, sizeof(longest))));
    struct extractor *extractor = extractor_new(slice_of(longest, sizeof(longest) - 1));
    assert_non_null(extractor);
    extractor_destroy(&extractor);
    assert_null(extractor);
}

static void a_margin_is_held_back_inside(void **state)
{
    (void)state;
    assert_shown("xml-tag:a", PIECES("x<", "a>0123456789ab", "c"), "012|3456789abc");
    assert_shown("xml-tag:a", PIECES("<a>01234", "56789</", "a>rest", "<a>more</a>"),
                 "0123456789|");
    assert_shown("passthrough", PIECES("<a>", "x"), "<a>x|");
}

static void actions_decide_about_a_response(void **state)
{
    (void)state;
    assert_shown("response", PIECES("<actions> reply </actions>", "<text>hi</te", "xt>"), "hi|");
    assert_shown("response", PIECES("<actions>REPLY,SEARCH</actions><text>hi</text>"), "|");
    assert_shown("response", PIECES("<text>hi</text><actions>REPLY</actions>"), "hi|");
    assert_shown("response", PIECES("<text>hi</text>", "<actions>REPLY</actions>"), "|");
    assert_shown("response", PIECES("<text>", "hi</text>", "<actions>REPLY</actions><text>yo"),
                 "|yo");
}

static void the_first_character_decides_about_an_action(void **state)
{
    (void)state;
    assert_shown("action-filter", PIECES("\n ", "{\"text\":", "1}"), "|");
    assert_shown("action-filter", PIECES("  ", "\xe3\x80\x80", "hello", " you"),
                 "  \u3000hello you|");
    assert_shown("action-filter", PIECES(" <r><text>hello</text>x"), "hello|");
    assert_shown("action-filter", PIECES("<r><text>hello"), "|hello");
}

static void a_chunk_over_the_limit_changes_nothing(void **state)
{
    (void)state;
    struct extract_stream *stream = extract_stream_new(SLICE_LITERAL("xml-tag:a"));
    struct slice begin = SLICE_LITERAL("<a>0123456789\xf0\x9f");
    struct buffer large = BUFFER_EMPTY;
    memset(buffer_reserve(&large, EXTRACT_CHUNK_MAX), 'x', EXTRACT_CHUNK_MAX);
    large.length = EXTRACT_CHUNK_MAX;
    buffer_clear(&out);
    assert_int_equal(extract_stream_push(stream, begin, &out), 0);
    assert_int_equal(extract_stream_push(stream, buffer_slice(&large), &out), ERROR_TOO_LARGE);
    assert_int_equal(extract_stream_push(stream, SLICE_LITERAL("\x98\x80</a>"), &out), 0);
    assert_true(slice_is(buffer_slice(&out), "0123456789\xf0\x9f\x98\x80"));
    assert_true(extract_stream_is_done(stream));
    extract_stream_destroy(&stream);
    buffer_deinit(&large);
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    assert_shown("passthrough", PIECES("a\xff", "\xe2\x82", "b\xc3"),
                 "a\ufffd\ufffd\ufffd"
                 "b|\ufffd");
    assert_shown("xml-tag:a", PIECES("<a>x\xe2\x82"), "|x\ufffd");
}

/*
 * The same is shown in the end wherever the bytes are cut, and never half a character on the way.
 */
static void characters_are_cut_anywhere(void **state)
{
    static const char text[] = "<actions>REPLY</actions><text>é\xf0\x9f\x98\x80中 12345 "
                               "\xf0\x9f\x98\x80\xf0\x9f\x98\x80 end é\xf0\x9f\x98\x80</text>";
    static const char inside[] = "é\xf0\x9f\x98\x80中 12345 "
                                 "\xf0\x9f\x98\x80\xf0\x9f\x98\x80 end é\xf0\x9f\x98\x80";
    struct random random = {5};
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct extract_stream *stream = extract_stream_new(SLICE_LITERAL("response"));
        buffer_clear(&out);
        for (size_t at = 0; at < sizeof(text) - 1;) {
            size_t length = 1 + random_below(&random, 7);
            size_t left = sizeof(text) - 1 - at;
            length = length < left ? length : left;
            assert_int_equal(extract_stream_push(stream, slice_of(text + at, length), &out), 0);
            assert_true(out.length == 0 || out.length == sizeof(inside) - 1 ||
                        ((unsigned char)inside[out.length] & 0xc0) != 0x80);
            at += length;
        }
        assert_true(slice_is(buffer_slice(&out), inside));
        extract_stream_destroy(&stream);
    }
}

static void assert_answer(struct extractor *extractor, const char *line, const char *expected)
{
    buffer_clear(&out);
    extract_answer_line(extractor, slice_of_string(line), &out);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
}

static void lines_are_answered(void **state)
{
    (void)state;
    struct extractor *extractor = extractor_new(SLICE_LITERAL("xml-tag:a"));
    assert_answer(extractor, "{\"push\":\"<a>\\ud83d\\ude00234567890\"}",
                  "{\"out\":\"\\ud83d\",\"done\":false}\n");
    assert_answer(extractor, "{\"push\":\"\\u0001\\\"</a>\"}\r",
                  "{\"out\":\"\\ude00234567890\\u0001\\\"\",\"done\":true}\n");
    assert_answer(extractor, "{\"reset\":true}", "{\"out\":\"\",\"done\":false}\n");
    assert_answer(extractor, "{\"reset\":false}",
                  "{\"error\":\"push is a string, flush and reset are true\"}\n");
    assert_answer(extractor, "", "{\"error\":\"the line is no JSON object\"}\n");
    extractor_destroy(&extractor);
}

static int end(void **state)
{
    (void)state;
    buffer_deinit(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_margin_is_held_back_inside),
        cmocka_unit_test(actions_decide_about_a_response),
        cmocka_unit_test(the_first_character_decides_about_an_action),
        cmocka_unit_test(a_chunk_over_the_limit_changes_nothing),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(characters_are_cut_anywhere),
        cmocka_unit_test(lines_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
