#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent-bridge/runtimes/answer.h"
#include "proto/base/error.h"
#include "proto/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Adds JSON strings, up to NULL; the pieces that became readable are joined by '|'. */
static void assert_reads(const char *const *strings, const char *expected)
{
    struct answer answer = {0};
    struct buffer out = BUFFER_EMPTY;
    struct arena scratch;
    struct slice added;
    arena_init(&scratch);
    for (size_t i = 0; strings[i] != NULL; i++) {
        assert_int_equal(answer_add(&answer, slice_of_string(strings[i]), &scratch, &added), 0);
        buffer_append_slice(&out, added);
        buffer_append_char(&out, '|');
        arena_reset(&scratch);
    }
    assert_int_equal(answer_finish(&answer, &added), 0);
    buffer_append_slice(&out, added);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    arena_deinit(&scratch);
    buffer_deinit(&out);
    answer_deinit(&answer);
}
#define ASSERT_READS(expected, ...) assert_reads((const char *const[]){__VA_ARGS__, NULL}, expected)

static void strings_add_up(void **state)
{
    (void)state;
    ASSERT_READS("a|\xc3\xbc\n||b|", "\"a\"", "\"\\u00fc\\n\"", "\"\"", "\"b\"");
}

static void halves_of_a_character_are_joined(void **state)
{
    (void)state;
    ASSERT_READS("a|\xf0\x9f\x98\x80"
                 "b|",
                 "\"a\\ud83d\"", "\"\\ude00b\"");
    ASSERT_READS("||\xf0\x9f\x98\x80|", "\"\\uD83D\"", "\"\"", "\"\\uDE00\"");
    ASSERT_READS("|" REPLACEMENT "|\xf0\x9f\x98\x80|", "\"\\ud83d\"", "\"\\ud83d\"", "\"\\ude00\"");
}

static void half_a_character_is_replaced(void **state)
{
    (void)state;
    ASSERT_READS("a|" REPLACEMENT "b|", "\"a\\ud83d\"", "\"b\"");
    ASSERT_READS("a|" REPLACEMENT, "\"a\\ud83d\"");
    ASSERT_READS(REPLACEMENT "|", "\"\\ude00\"");
}

static void a_backslash_that_is_escaped_is_no_escape(void **state)
{
    (void)state;
    ASSERT_READS("\\ud83d|x|", "\"\\\\ud83d\"", "\"x\"");
    ASSERT_READS("\\|" REPLACEMENT "x|", "\"\\\\\\ud83d\"", "\"x\"");
}

static void the_whole_adds_what_was_not_said(void **state)
{
    struct answer answer = {0};
    struct arena scratch;
    struct slice added;
    (void)state;
    arena_init(&scratch);
    assert_int_equal(answer_add(&answer, SLICE_LITERAL("\"one\\ud83d\""), &scratch, &added), 0);
    assert_int_equal(answer_complete(&answer, SLICE_LITERAL("other"), &added), 0);
    assert_int_equal(added.length, 0);
    assert_int_equal(answer_complete(&answer, SLICE_LITERAL("one two"), &added), 0);
    assert_true(slice_is(added, " two"));
    assert_int_equal(answer_finish(&answer, &added), 0);
    assert_true(slice_is(buffer_slice(&answer.text), "one two"));
    answer_deinit(&answer);
    arena_deinit(&scratch);
}

static void it_is_bounded(void **state)
{
    static char text[ANSWER_MAX + 3];
    struct answer answer = {0};
    struct arena scratch;
    struct slice added;
    (void)state;
    memset(text, 'x', sizeof(text));
    text[0] = '"';
    text[ANSWER_MAX + 1] = '"';
    arena_init(&scratch);
    assert_int_equal(answer_add(&answer, slice_of(text, ANSWER_MAX + 2), &scratch, &added), 0);
    assert_int_equal(added.length, ANSWER_MAX);
    assert_int_equal(answer_add(&answer, SLICE_LITERAL("\"x\""), &scratch, &added),
                     ERROR_TOO_LARGE);
    answer_deinit(&answer);
    arena_deinit(&scratch);
}

static void pieces_are_whole_characters(void **state)
{
    struct buffer text = BUFFER_EMPTY;
    size_t total = 0;
    (void)state;
    buffer_append_char(&text, 'x');
    for (size_t i = 0; i < ANSWER_PIECE_MAX; i++) {
        buffer_append_string(&text, "\xe4\xbd\xa0");
    }
    for (struct slice rest = buffer_slice(&text); rest.length > 0;) {
        struct slice piece = answer_next_piece(&rest);
        assert_in_range(piece.length, 1, ANSWER_PIECE_MAX);
        assert_false(utf8_is_continuation((unsigned char)piece.data[0]));
        total += piece.length;
    }
    assert_int_equal(total, text.length);
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_add_up),
        cmocka_unit_test(halves_of_a_character_are_joined),
        cmocka_unit_test(half_a_character_is_replaced),
        cmocka_unit_test(a_backslash_that_is_escaped_is_no_escape),
        cmocka_unit_test(the_whole_adds_what_was_not_said),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(pieces_are_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
