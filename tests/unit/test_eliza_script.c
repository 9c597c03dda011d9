/*
 * Scripts: the one that is built in is rich, and a bad one is refused with the place in one line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/eliza_script.h"
#include "proto/base/error.h"
#include "tests/unit/random.h"

/* A good script, to be spoilt in one place. */
static const char good[] =
    "{\"name\":\"test\",\n"
    "\"greetings\":[\"Welcome.\"],\n"
    "\"finals\":[\"Farewell.\"],\n"
    "\"quit\":[\"bye\"],\n"
    "\"delimiters\":[\"but\"],\n"
    "\"spelling\":[\"I\"],\n"
    "\"substitutions\":{\"me\":\"you\"},\n"
    "\"repairs\":{\"I are\":\"I am\"},\n"
    "\"classes\":{\"pet\":[\"cat\",\"dog\"]},\n"
    "\"keywords\":[\n"
    "{\"word\":\"my\",\"becomes\":\"your\",\"rank\":2,\"rules\":["
    "{\"match\":\"0 your 0 /pet 0\",\"reply\":[\"Your $4?\",{\"goto\":\"what\"}]},"
    "{\"match\":\"0\",\"reply\":[{\"newkey\":true}]}]},\n"
    "{\"word\":[\"what\",\"which\"],\"rules\":["
    "{\"match\":\"0\",\"reply\":[{\"pre\":\"my $1\",\"goto\":\"my\"},\"Why?\"]}]},\n"
    "{\"word\":\"how\",\"goto\":\"what\"}],\n"
    "\"memory\":{\"keyword\":\"my\",\"rules\":["
    "{\"match\":\"0 your 0\",\"reply\":\"Zero.\"},{\"match\":\"0 your 0\",\"reply\":\"One.\"},"
    "{\"match\":\"0 your 0\",\"reply\":\"Two.\"},{\"match\":\"0 your 0\",\"reply\":\"Three.\"}]},\n"
    "\"none\":[\"None.\"],\n"
    "\"puzzled\":[\"1.\",\"2.\",\"3.\",\"4.\"]}\n";

static int load(struct slice json, char *error, size_t size)
{
    struct eliza_script *script;
    int result = eliza_script_new(&script, json, error, size);

    assert_true((script != NULL) == (result == 0));
    eliza_script_destroy(&script);
    return result;
}

static void assert_refused(struct slice json, const char *expected)
{
    char error[256] = "";

    assert_int_equal(load(json, error, sizeof(error)), ERROR_MALFORMED);
    assert_string_equal(error, expected);
    assert_null(strchr(error, '\n'));
}

/* The good script with the first `old` replaced. */
static void assert_spoilt(const char *old, const char *new, const char *expected)
{
    const char *at = strstr(good, old);
    struct buffer json = BUFFER_EMPTY;

    assert_non_null(at);
    buffer_append(&json, good, (size_t)(at - good));
    buffer_append_string(&json, new);
    buffer_append_string(&json, at + strlen(old));
    assert_refused(buffer_slice(&json), expected);
    buffer_deinit(&json);
}

static void the_built_in_script_is_as_rich_as_the_one_of_1966(void **state)
{
    (void)state;
    struct eliza_script *script;
    char error[256] = "";

    assert_int_equal(eliza_script_new(&script, eliza_script_builtin(), error, sizeof(error)), 0);
    assert_string_equal(error, "");
    assert_true(slice_is(script->name, "doctor"));
    assert_true(script->keyword_count >= 40);
    assert_true(script->reply_count >= 200);
    eliza_script_destroy(&script);
    assert_null(script);
    eliza_script_destroy(&script);
}

static void the_good_script_is_good(void **state)
{
    (void)state;
    char error[256] = "";

    assert_int_equal(load(slice_of_string(good), error, sizeof(error)), 0);
    assert_string_equal(error, "");
}

static void syntax_errors_name_line_and_column(void **state)
{
    (void)state;
    assert_refused(SLICE_EMPTY, "line 1, column 1: not valid JSON");
    assert_refused(SLICE_LITERAL("[]"), "must be an object");
    assert_refused(SLICE_LITERAL("{} x"),
                   "line 1, column 4: something follows the script's object");
    assert_refused(SLICE_LITERAL("{\n \"name\": \"\xff\"}"), "line 2, column 11: not valid UTF-8");
    assert_refused(SLICE_LITERAL("{\n \"name\": x}"), "line 2, column 10: not valid JSON");
}

static void too_large_a_script_is_not_even_parsed(void **state)
{
    (void)state;
    char *text = malloc(ELIZA_SCRIPT_BYTES + 1);
    char error[256] = "";

    assert_non_null(text);
    memset(text, '[', ELIZA_SCRIPT_BYTES + 1);
    assert_int_equal(load(slice_of(text, ELIZA_SCRIPT_BYTES + 1), error, sizeof(error)),
                     ERROR_TOO_LARGE);
    assert_string_equal(error, "the script has more than 1048576 bytes");
    /* Nested as deeply as the size allows: refused, and no stack is lost. */
    assert_int_equal(load(slice_of(text, ELIZA_SCRIPT_BYTES), error, sizeof(error)),
                     ERROR_MALFORMED);
    free(text);
}

static void every_mistake_is_told_with_its_place(void **state)
{
    (void)state;
    static const char *const mistakes[][3] = {
        {"\"none\"", "\"nome\"", "has no use for a \"nome\""},
        {"\"none\"", "\"no\\nne\"", "has no use for a \"no?ne\""},
        {"\"none\":", "\"name\":\"x\",\"none\":", "has \"name\" twice"},
        {"\"none\":[\"None.\"],", "", "none: must be a list"},
        {"\"none\":[\"None.\"]", "\"none\":[]", "none: must have 1 to 64 elements, not 0"},
        {"\"None.\"", "\"$1\"", "none[0]: it refers to an element that the pattern does not have"},
        {"\"None.\"", "\"...\"", "none[0]: it has no word"},
        {"\"None.\"", "\"a\\tb\"", "none[0]: has a control character"},
        {"\"None.\"", "7", "none[0]: must be a string"},
        {",\"4.\"", "", "puzzled: must have 4 elements, not 3"},
        {"\"name\":\"test\"", "\"name\":\"\"", "name: must not be empty"},
        {"\"bye\"", "\"bye, bye\"", "quit[0]: must be words without punctuation"},
        {"\"bye\"", "\"a b c d e f g h i\"", "quit[0]: must have at most 8 words"},
        {"\"but\"", "\"but not\"", "delimiters[0]: must have at most 1 words"},
        {"\"me\":\"you\"", "\"me\":\"you\",\"Me\":\"I\"",
         "substitutions \"Me\": the word has a substitution already"},
        {"{\"me\":\"you\"}", "[\"me\"]", "substitutions: must be an object"},
        {"\"I are\"", "\"$\"", "repairs \"$\": must be words without punctuation"},
        {"[\"cat\",\"dog\"]", "\"cat\"", "classes \"pet\": must be a list"},
        {"\"rank\":2", "\"rank\":1001", "keywords[0]: must be a whole number from 0 to 1000"},
        {"\"rank\":2", "\"rank\":1.5", "keywords[0]: must be a whole number from 0 to 1000"},
        {"\"rank\":2", "\"becomes\":\"x\"", "keywords[0]: has \"becomes\" twice"},
        {"\"word\":\"how\"", "\"word\":\"which\"", "keywords[2]: \"which\" is a keyword already"},
        {"\"word\":\"how\"", "\"word\":\"how\",\"name\":\"what\"",
         "keywords[2]: its name is another keyword's already"},
        {"\"word\":\"how\",", "", "keywords[2]: must have a \"word\" or a \"name\""},
        {",\"goto\":\"what\"}],", "}],", "keywords[2]: must have \"rules\" or a \"goto\""},
        {"\"goto\":\"what\"}],", "\"goto\":\"whom\"}],",
         "keywords[2] \"how\" goto: it goes to an unknown keyword"},
        {"/pet", "/plant", "keywords[0] \"my\" rules[0] match: a class is not defined"},
        {"0 your 0 /pet 0", " ", "keywords[0] \"my\" rules[0] match: it is empty"},
        {"Your $4?", "Your $6?",
         "keywords[0] \"my\" rules[0] reply[0]: it refers to an element that the pattern does not "
         "have"},
        {"{\"goto\":\"what\"}]", "{\"goto\":7}]",
         "keywords[0] \"my\" rules[0] reply[1]: must be a string"},
        {"{\"newkey\":true}", "{\"newkey\":1}",
         "keywords[0] \"my\" rules[1] reply[0]: \"newkey\" can only be true"},
        {"{\"newkey\":true}", "{}", "keywords[0] \"my\" rules[1] reply[0]: must be a string"},
        {"{\"newkey\":true}", "{\"newkey\":true,\"goto\":\"my\"}",
         "keywords[0] \"my\" rules[1] reply[0]: has no use for a \"goto\""},
        {"\"keyword\":\"my\"", "\"keyword\":\"me\"", "memory keyword: it is not a keyword"},
        {",{\"match\":\"0 your 0\",\"reply\":\"Three.\"}", "",
         "memory rules: must have 4 elements, not 3"},
        {"\"Three.\"", "[\"Three.\"]", "memory rules[3] reply: must be a string"},
        {"{\"match\":\"0 your 0\",\"reply\":\"Three.\"}", "4",
         "memory rules[3]: must be an object"},
    };

    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        assert_spoilt(mistakes[i][0], mistakes[i][1], mistakes[i][2]);
    }
}

static void gotos_that_only_run_in_a_circle_are_refused(void **state)
{
    (void)state;
    assert_spoilt("\"word\":\"how\",\"goto\":\"what\"", "\"word\":\"how\",\"goto\":\"how\"",
                  "keywords[2]: its gotos run in a circle");
    assert_spoilt("{\"word\":\"how\",\"goto\":\"what\"}",
                  "{\"word\":\"a\",\"goto\":\"b\"},{\"name\":\"b\",\"rules\":[{\"match\":\"0 x\","
                  "\"reply\":[{\"pre\":\"y\",\"goto\":\"c\"}]}]},{\"name\":\"c\",\"goto\":\"a\"}",
                  "keywords[2]: its gotos run in a circle");
}

/* Whatever becomes of the file, loading it ends in a script or in one line. */
static void damaged_scripts_do_no_harm(void **state)
{
    (void)state;
    static const char damage[] = "\"{}[],:0$ /|\\n\xff";
    struct slice doctor = eliza_script_builtin();
    char *text = malloc(doctor.length);
    struct random random = {20};

    assert_non_null(text);
    for (int i = 0; i < 300; i++) {
        char error[128] = "";
        size_t length = doctor.length;

        memcpy(text, doctor.data, length);
        for (int j = 0; j <= i % 3; j++) {
            size_t at = random_below(&random, length);

            text[at] = damage[random_below(&random, sizeof(damage) - 1)];
        }
        if (i % 5 == 0) {
            length = random_below(&random, length);
        }
        if (load(slice_of(text, length), error, sizeof(error)) != 0) {
            assert_true(strlen(error) > 0);
            assert_null(strchr(error, '\n'));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_built_in_script_is_as_rich_as_the_one_of_1966),
        cmocka_unit_test(the_good_script_is_good),
        cmocka_unit_test(syntax_errors_name_line_and_column),
        cmocka_unit_test(too_large_a_script_is_not_even_parsed),
        cmocka_unit_test(every_mistake_is_told_with_its_place),
        cmocka_unit_test(gotos_that_only_run_in_a_circle_are_refused),
        cmocka_unit_test(damaged_scripts_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
