/*
 * Decomposition and reassembly: what patterns match, what templates make of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/eliza_template.h"
#include "agent-bridge/runtimes/eliza_text.h"

enum { WORDS_MAX = 64 };

struct fixture {
    struct arena arena;
    struct eliza_vocabulary vocabulary;
    struct eliza_word words[WORDS_MAX];
    size_t count;
    struct eliza_span spans[ELIZA_ELEMENTS_MAX];
};

static int set_up(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    arena_init(&fixture.arena);
    eliza_vocabulary_init(&fixture.vocabulary);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    eliza_vocabulary_deinit(&fixture->vocabulary);
    arena_deinit(&fixture->arena);
    return 0;
}

static const char *compile(struct fixture *fixture, const char *source,
                           struct eliza_pattern *pattern)
{
    return eliza_pattern_compile(pattern, &fixture->vocabulary, &fixture->arena,
                                 slice_of_string(source));
}

static bool matches(struct fixture *fixture, const char *source, const char *text)
{
    struct eliza_pattern pattern;
    struct eliza_scanner scanner;

    assert_null(compile(fixture, source, &pattern));
    fixture->count = 0;
    eliza_scanner_init(&scanner, slice_of_string(text));
    while (eliza_scanner_next(&scanner, &fixture->words[fixture->count].text) == ELIZA_TOKEN_WORD) {
        struct eliza_word *word = &fixture->words[fixture->count++];

        word->entry = eliza_vocabulary_find(&fixture->vocabulary, word->text);
    }
    return eliza_pattern_match(&pattern, fixture->words, fixture->count, fixture->spans);
}

static void assert_filled(struct fixture *fixture, const char *source, const char *expected)
{
    struct eliza_word words[WORDS_MAX];
    struct eliza_template template;
    struct buffer out = BUFFER_EMPTY;
    size_t count;

    assert_null(eliza_template_compile(&template, &fixture->vocabulary, &fixture->arena,
                                       slice_of_string(source), ELIZA_ELEMENTS_MAX));
    count = eliza_template_fill(&template, fixture->words, fixture->spans, words, WORDS_MAX);
    assert_true(eliza_sentence_write(&out, words, count));
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buffer_deinit(&out);
}

static void zero_takes_as_few_words_as_it_can(void **state)
{
    struct fixture *fixture = *state;

    assert_true(matches(fixture, "0 you 0 i 0", "maybe you you love i and i too"));
    assert_filled(fixture, "($1) ($3) ($5)", "(Maybe) (you love) (and i too)");
    assert_true(matches(fixture, "0 i 0 you", "i think you like you"));
    assert_filled(fixture, "a $1 b $3 c", "A b think you like c");
}

static void a_number_takes_exactly_that_many(void **state)
{
    struct fixture *fixture = *state;

    assert_true(matches(fixture, "2 are 0", "they both are here"));
    assert_false(matches(fixture, "2 are 0", "they are here"));
    assert_true(matches(fixture, "0 like 1", "i like cake"));
    assert_false(matches(fixture, "0 like 1", "i like"));
    assert_false(matches(fixture, "1", "two words"));
    assert_true(matches(fixture, "0", ""));
    assert_false(matches(fixture, "1", ""));
}

static void alternatives_and_classes_match_one_word(void **state)
{
    struct fixture *fixture = *state;
    uint64_t family =
        eliza_vocabulary_add_class(&fixture->vocabulary, &fixture->arena, SLICE_LITERAL("family"));

    eliza_vocabulary_add(&fixture->vocabulary, &fixture->arena, SLICE_LITERAL("mother"))->classes =
        family;
    assert_true(matches(fixture, "0 want|need 0", "i NEED it"));
    assert_false(matches(fixture, "0 want|need 0", "i like it"));
    assert_true(matches(fixture, "0 your 0 /family 0", "your dear Mother hates you"));
    assert_filled(fixture, "$4 $5", "Mother hates you");
    assert_true(matches(fixture, "0 dog|/family 0", "a dog"));
    assert_true(matches(fixture, "0 dog|/family 0", "a mother"));
    assert_false(matches(fixture, "0 dog|/family 0", "a cat"));
}

static void a_pattern_spans_the_whole_clause(void **state)
{
    struct fixture *fixture = *state;

    assert_false(matches(fixture, "you", "you there"));
    assert_false(matches(fixture, "you", "hey you"));
    assert_true(matches(fixture, "0 bad 0 bad", "bad bad bad"));
    assert_filled(fixture, "[$1|$3]", "[|Bad]");
    assert_false(matches(fixture, "0 a 0 b 0 c", "a b b a c b"));
}

static void matching_many_wildcards_does_not_explode(void **state)
{
    struct fixture *fixture = *state;

    /* Naive backtracking would need about 60^7 steps. */
    assert_false(matches(fixture, "0 a 0 a 0 a 0 a 0 a 0 a 0 b",
                         "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a "
                         "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a"));
}

static void bad_patterns_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct eliza_pattern pattern;

    assert_non_null(compile(fixture, "", &pattern));
    assert_non_null(compile(fixture, "   ", &pattern));
    assert_non_null(compile(fixture, "0 /nowhere 0", &pattern));
    assert_non_null(compile(fixture, "0 a||b", &pattern));
    assert_non_null(compile(fixture, "0 |a", &pattern));
    assert_non_null(compile(fixture, "0 a|", &pattern));
    assert_non_null(compile(fixture, "0 /", &pattern));
    assert_non_null(compile(fixture, "0 1st", &pattern));
    assert_non_null(compile(fixture, "100", &pattern));
    assert_non_null(compile(fixture, "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", &pattern));
    assert_null(compile(fixture, "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", &pattern));
}

static void templates_keep_punctuation_close(void **state)
{
    struct fixture *fixture = *state;

    assert_true(matches(fixture, "0 my 0", "my cat"));
    assert_filled(fixture, "Your $3?", "Your cat?");
    assert_filled(fixture, "You say: \"$3.\" And $1!", "You say: \"cat.\" And!");
    assert_filled(fixture, "it costs $$5, $3. is $3 that dear?",
                  "It costs $5, cat. Is cat that dear?");
    assert_filled(fixture, "$3's $3", "Cat's cat");
}

static void bad_templates_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "", " ", "?!", "$", "costs $ 5", "$0", "$4", "$999999999999999999999999", "a $", "$x"};
    struct eliza_template template;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(eliza_template_compile(&template, &fixture->vocabulary, &fixture->arena,
                                               slice_of_string(bad[i]), 3));
    }
}

static void a_sentence_without_letters_is_no_answer(void **state)
{
    struct fixture *fixture = *state;
    struct eliza_template template;
    struct eliza_word words[WORDS_MAX];
    struct buffer out = BUFFER_EMPTY;
    size_t count;

    assert_true(matches(fixture, "0 my 0", "my"));
    assert_null(eliza_template_compile(&template, &fixture->vocabulary, &fixture->arena,
                                       SLICE_LITERAL("$3?"), 3));
    count = eliza_template_fill(&template, fixture->words, fixture->spans, words, WORDS_MAX);
    assert_false(eliza_sentence_write(&out, words, count));
    assert_int_equal(out.length, 0);
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zero_takes_as_few_words_as_it_can, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_number_takes_exactly_that_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(alternatives_and_classes_match_one_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pattern_spans_the_whole_clause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matching_many_wildcards_does_not_explode, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bad_patterns_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(templates_keep_punctuation_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_templates_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sentence_without_letters_is_no_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
