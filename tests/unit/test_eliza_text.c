/*
 * How ELIZA reads: words, ends of clauses and sentences, and UTF-8 left whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/eliza_text.h"
#include "proto/base/buffer.h"
#include "proto/base/utf8.h"

/* The text as the scanner sees it: words with a blank behind, ',' and '.' for the marks. */
static void assert_reads(const char *text, const char *expected)
{
    struct buffer seen = BUFFER_EMPTY;
    struct eliza_scanner scanner;
    struct slice word;

    eliza_scanner_init(&scanner, slice_of_string(text));
    for (;;) {
        enum eliza_token token = eliza_scanner_next(&scanner, &word);

        if (token == ELIZA_TOKEN_END) {
            break;
        }
        if (token == ELIZA_TOKEN_WORD) {
            buffer_append_slice(&seen, word);
            buffer_append_char(&seen, ' ');
        } else {
            buffer_append_char(&seen, token == ELIZA_TOKEN_STOP ? '.' : ',');
        }
    }
    buffer_append_char(&seen, '\0');
    assert_string_equal(seen.data, expected);
    buffer_deinit(&seen);
}

static void words_end_at_space_and_marks(void **state)
{
    (void)state;
    assert_reads("", "");
    assert_reads("   ", "");
    assert_reads("Well, my boyfriend made me come here.", "Well ,my boyfriend made me come here .");
    assert_reads("Why? Because!", "Why .Because .");
    assert_reads("one;two:three", "one ,two ,three ");
    assert_reads("first line\r\nsecond", "first line ..second ");
    assert_reads("well,my boyfriend", "well ,my boyfriend ");
}

static void marks_inside_words_belong_to_them(void **state)
{
    (void)state;
    assert_reads("3.14 1,000 12:30", "3.14 1,000 12:30 ");
    assert_reads("see example.com.", "see example.com .");
    assert_reads("mother-in-law snake_case", "mother-in-law snake_case ");
    assert_reads("It was -5 today", "It was -5 today ");
    assert_reads("I am sad.My boss", "I am sad .My boss ");
}

static void quotes_and_brackets_are_passed_over(void **state)
{
    (void)state;
    assert_reads("\"my mother\" (really) *hates* _me_", "my mother really hates me ");
    assert_reads("'I am' he said", "I am he said ");
    assert_reads("my parents' house", "my parents' house ");
    assert_reads("don't 'don't'", "don't don't ");
    assert_reads("'", "");
}

static void dashes_end_a_clause(void **state)
{
    (void)state;
    assert_reads("well - I am", "well ,I am ");
    assert_reads("well--I am", "well ,,I am ");
    assert_reads("well\u2014I am", "well ,I am ");
    assert_reads("pre- and post-war", "pre ,and post-war ");
    assert_reads("1914\u20131918", "1914\u20131918 ");
}

static void typographic_marks_mean_what_they_look_like(void **state)
{
    (void)state;
    assert_reads("I\u2019m \u201csad\u201d\u2026 you?", "I\u2019m sad .you .");
    assert_reads("a\u00a0b\u3000c\ufeff", "a b c ");
    assert_reads("\u60a8\u597d\uff0c\u6211\u5f88\u96be\u8fc7\u3002",
                 "\u60a8\u597d ,\u6211\u5f88\u96be\u8fc7 .");
    assert_reads("\u00bfQu\u00e9 tal?", "Qu\u00e9 tal .");
}

static void a_long_word_is_cut_between_characters(void **state)
{
    (void)state;
    char text[1 + 3 * 400];
    struct eliza_scanner scanner;
    struct slice word;

    text[0] = 'x';
    for (size_t i = 1; i < sizeof(text); i += 3) {
        memcpy(text + i, "\u65e5", 3);
    }
    eliza_scanner_init(&scanner, slice_of(text, sizeof(text)));
    assert_int_equal(eliza_scanner_next(&scanner, &word), ELIZA_TOKEN_WORD);
    assert_int_equal(word.length, 256); /* 1 + 85 * 3 */
    assert_int_equal(eliza_scanner_next(&scanner, &word), ELIZA_TOKEN_END);
}

static void cutting_never_splits_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\u00e9\u65e5\U0001f642z";

    for (size_t maximum = 0; maximum < sizeof(text); maximum++) {
        struct slice cut = eliza_cut(slice_of(text, sizeof(text) - 1), maximum);

        assert_true(cut.length <= maximum && maximum - cut.length < 4);
        assert_false(utf8_is_continuation((unsigned char)text[cut.length]));
    }
    /* Bytes that are no UTF-8 are cut somewhere. */
    assert_int_equal(eliza_cut(SLICE_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80"), 6).length, 6);
}

static void folding_touches_ascii_only(void **state)
{
    (void)state;
    char out[ELIZA_FOLD_MAX];
    char long_word[ELIZA_FOLD_MAX + 1];

    assert_int_equal(eliza_fold(SLICE_LITERAL("I\u2019M"), out), 3);
    assert_memory_equal(out, "i'm", 3);
    assert_int_equal(eliza_fold(SLICE_LITERAL("\u00c9T\u00c9"), out), 5);
    assert_memory_equal(out, "\u00c9t\u00c9", 5);
    memset(long_word, 'A', sizeof(long_word));
    assert_int_equal(eliza_fold(slice_of(long_word, ELIZA_FOLD_MAX), out), ELIZA_FOLD_MAX);
    assert_int_equal(eliza_fold(slice_of(long_word, ELIZA_FOLD_MAX + 1), out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_end_at_space_and_marks),
        cmocka_unit_test(marks_inside_words_belong_to_them),
        cmocka_unit_test(quotes_and_brackets_are_passed_over),
        cmocka_unit_test(dashes_end_a_clause),
        cmocka_unit_test(typographic_marks_mean_what_they_look_like),
        cmocka_unit_test(a_long_word_is_cut_between_characters),
        cmocka_unit_test(cutting_never_splits_a_character),
        cmocka_unit_test(folding_touches_ascii_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
