/*
 * ELIZA itself: the dialogue of the 1966 paper with the DOCTOR script, then each mechanism on its
 * own with small scripts, then text that nobody meant to be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent-bridge/runtimes/eliza.h"
#include "proto/base/utf8.h"
#include "tests/unit/random.h"

struct talk {
    struct eliza_script *script;
    struct eliza *eliza;
};

static struct talk talk_with(struct slice json)
{
    struct talk talk;
    char error[512] = "";

    if (eliza_script_new(&talk.script, json, error, sizeof(error)) != 0) {
        fail_msg("%s", error);
    }
    talk.eliza = eliza_new(talk.script, 100);
    return talk;
}

static struct talk talk_with_doctor(void)
{
    return talk_with(eliza_script_builtin());
}

/* A script with these keywords; everything else is as small as it can be. */
static struct talk talk_with_keywords(const char *keywords)
{
    struct buffer json = BUFFER_EMPTY;
    struct talk talk;

    buffer_append_format(
        &json,
        "{\"name\":\"test\",\"greetings\":[\"Welcome.\"],\"finals\":[\"Farewell.\"],"
        "\"quit\":[\"bye\",\"see you\"],\"delimiters\":[\"but\"],"
        "\"substitutions\":{\"me\":\"you\",\"gonna\":\"going to\"},"
        "\"repairs\":{\"I are\":\"I am\",\"I $\":\"me\"},"
        "\"classes\":{\"pet\":[\"cat\",\"dog\"]},"
        "\"keywords\":[{\"word\":\"my\",\"becomes\":\"your\",\"rank\":2,\"rules\":["
        "{\"match\":\"0 your 0\",\"reply\":[\"Your $3?\"]}]},%s],"
        "\"memory\":{\"keyword\":\"my\",\"rules\":["
        "{\"match\":\"0 your 0\",\"reply\":\"Zero: your $3.\"},"
        "{\"match\":\"0 your 0\",\"reply\":\"One: your $3.\"},"
        "{\"match\":\"0 your 0\",\"reply\":\"Two: your $3.\"},"
        "{\"match\":\"0 your 0\",\"reply\":\"Three: your $3.\"}]},"
        "\"none\":[\"None one.\",\"None two.\"],"
        "\"puzzled\":[\"Puzzled 1.\",\"Puzzled 2.\",\"Puzzled 3.\",\"Puzzled 4.\"]}",
        keywords);
    talk = talk_with(buffer_slice(&json));
    buffer_deinit(&json);
    return talk;
}

static void talk_end(struct talk *talk)
{
    eliza_destroy(&talk->eliza);
    eliza_script_destroy(&talk->script);
}

static void assert_answer_in(struct talk *talk, const char *room, const char *text,
                             const char *expected)
{
    struct eliza_answer answer;
    char shown[1024];

    eliza_answer(talk->eliza, slice_of_string(room), slice_of_string(text), &answer);
    snprintf(shown, sizeof(shown), "%.*s", (int)answer.text.length, answer.text.data);
    assert_string_equal(shown, expected);
}

static void assert_answer(struct talk *talk, const char *text, const char *expected)
{
    assert_answer_in(talk, "room", text, expected);
}

/* ---- the paper ----------------------------------------------------------------------------- */

static void the_dialogue_of_the_paper_comes_out(void **state)
{
    (void)state;
    static const char *const dialogue[][2] = {
        {"Men are all alike.", "In what way?"},
        {"They're always bugging us about something or other.",
         "Can you think of a specific example?"},
        {"Well, my boyfriend made me come here.", "Your boyfriend made you come here."},
        {"He says I'm depressed much of the time.", "I am sorry to hear you are depressed."},
        {"It's true. I am unhappy.", "Do you think coming here will help you not to be unhappy?"},
        {"I need some help, that much seems certain.",
         "What would it mean to you if you got some help?"},
        {"Perhaps I could learn to get along with my mother.", "Tell me more about your family."},
        {"My mother takes care of me.", "Who else in your family takes care of you?"},
        {"My father.", "Your father."},
        {"You are like my father in some ways.", "What resemblance do you see?"},
        {"You are not very aggressive but I think you don't want me to notice that.",
         "What makes you think I am not very aggressive?"},
        {"You don't argue with me.", "Why do you think I don't argue with you?"},
        {"You are afraid of me.", "Does it please you to believe I am afraid of you?"},
        {"My father is afraid of everybody.",
         "What else comes to mind when you think of your father?"},
        {"Bullies.", "Does that have anything to do with the fact that your boyfriend made you "
                     "come here?"},
    };
    struct talk talk = talk_with_doctor();

    for (size_t i = 0; i < sizeof(dialogue) / sizeof(dialogue[0]); i++) {
        assert_answer(&talk, dialogue[i][0], dialogue[i][1]);
    }
    talk_end(&talk);
}

/* Typed on a telephone, on a teletype, and by somebody without an apostrophe. */
static void typography_makes_no_difference(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();

    assert_answer_in(&talk, "1", "I\u2019m sad\u2026", "I am sorry to hear you are sad.");
    assert_answer_in(&talk, "2", "I'M SAD.", "I am sorry to hear you are sad.");
    assert_answer_in(&talk, "3", "im sad", "I am sorry to hear you are sad.");
    assert_answer_in(&talk, "4", "\"I'm\" *sad*", "I am sorry to hear you are sad.");
    assert_answer_in(&talk, "5", "MY BOYFRIEND MADE ME COME TO PARIS.",
                     "Your boyfriend made you come to paris.");
    assert_answer_in(&talk, "6", "My boyfriend made me come to Paris.",
                     "Your boyfriend made you come to Paris.");
    talk_end(&talk);
}

static void pronouns_are_put_right(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();

    assert_answer(&talk, "I love you", "Perhaps in your imagination we love each other.");
    assert_answer(&talk, "I need you", "What would it mean to you if you got me?");
    assert_answer(&talk, "If you are hurt because of me",
                  "How likely do you think it is that I am hurt because of you?");
    assert_answer(&talk, "Were you thinking of yourself?",
                  "Would you like to think that I was thinking of myself?");
    assert_answer(&talk, "I remember talking to you about it",
                  "Do you find yourself thinking of talking to me about it a great deal?");
    talk_end(&talk);
}

static void talk_of_suicide_is_not_played_with(void **state)
{
    (void)state;
    static const char *const texts[] = {"I want to kill myself", "i wanna die",
                                        "My computer says I am suicidal"};
    struct eliza_answer answer;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct talk talk = talk_with_doctor();

        eliza_answer(talk.eliza, SLICE_LITERAL("room"), slice_of_string(texts[i]), &answer);
        assert_non_null(memmem(answer.text.data, answer.text.length, "crisis line", 11));
        talk_end(&talk);
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static void the_first_clause_with_a_keyword_wins(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"a\",\"rules\":[{\"match\":\"0\",\"reply\":[\"A in $1.\"]}]},"
        "{\"word\":\"b\",\"rank\":9,\"rules\":[{\"match\":\"0\",\"reply\":[\"B in $1.\"]}]}");

    assert_answer(&talk, "nothing here, an a there, and b", "A in an a there.");
    assert_answer(&talk, "nothing. here a! there b", "A in here a.");
    assert_answer(&talk, "here a but there b", "A in here a.");
    assert_answer(&talk, "but there b", "B in there b.");
    assert_answer(&talk, "a and b in one", "B in a and b in one.");
    talk_end(&talk);
}

static void words_are_replaced_as_they_are_read(void **state)
{
    (void)state;
    struct talk talk =
        talk_with_keywords("{\"word\":[\"dreamed\",\"dreamt\"],\"becomes\":\"dreamt\",\"rules\":["
                           "{\"match\":\"0 dreamt 0\",\"reply\":[\"$1 | $2 | $3.\"]}]}");

    assert_answer(&talk, "she Dreamed you are gonna fly to me",
                  "She | dreamt | you are going to fly to you.");
    talk_end(&talk);
}

static void an_outranking_keyword_comes_first_the_others_in_order(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"low\",\"rules\":[{\"match\":\"0\",\"reply\":[\"Low.\"]}]},"
        "{\"word\":\"mid\",\"rank\":3,\"rules\":[{\"match\":\"0\",\"reply\":[\"Mid.\"]}]},"
        "{\"word\":\"top\",\"rank\":5,\"rules\":[{\"match\":\"0\","
        "\"reply\":[{\"newkey\":true}]}]}");

    assert_answer(&talk, "low mid", "Mid.");
    assert_answer(&talk, "mid low", "Mid.");
    /* As in 1966 only the top is ordered: what does not outrank it goes to the bottom. */
    assert_answer(&talk, "top low mid", "Low.");
    assert_answer(&talk, "low top mid", "Low.");
    assert_answer(&talk, "mid top low", "Mid.");
    /* NEWKEY on the last keyword leaves nothing to say. */
    assert_answer(&talk, "top", "None one.");
    talk_end(&talk);
}

static void capitals_of_a_sentence_are_not_kept_others_are(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"hates\",\"rules\":[{\"match\":\"0\",\"reply\":[\"So $1.\"]}]}");

    assert_answer(&talk, "Cat hates Bob", "So cat hates Bob.");
    assert_answer(&talk, "Bob hates the Cat", "So Bob hates the Cat.");
    assert_answer(&talk, "Yes, Cat hates NASA", "So Cat hates NASA.");
    assert_answer(&talk, "BOB HATES THE CAT", "So bob hates the cat.");
    talk_end(&talk);
}

/* ---- answering ----------------------------------------------------------------------------- */

static void replies_rotate_per_rule_and_per_room(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"a\",\"rules\":[{\"match\":\"0 x 0\",\"reply\":[\"X1.\",\"X2.\"]},"
        "{\"match\":\"0\",\"reply\":[\"Y1.\",\"Y2.\",\"Y3.\"]}]}");

    assert_answer(&talk, "a x", "X1.");
    assert_answer(&talk, "a", "Y1.");
    assert_answer(&talk, "a x", "X2.");
    assert_answer(&talk, "a", "Y2.");
    assert_answer_in(&talk, "elsewhere", "a", "Y1.");
    assert_answer(&talk, "a x", "X1.");
    assert_answer(&talk, "a", "Y3.");
    assert_answer(&talk, "a", "Y1.");
    talk_end(&talk);
}

static void goto_newkey_and_pre_do_what_they_did_in_1966(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"a\",\"rules\":[{\"match\":\"0\",\"reply\":["
        "{\"goto\":\"target\"},{\"newkey\":true},\"A itself.\"]}]},"
        "{\"word\":\"b\",\"goto\":\"a\"},"
        "{\"word\":\"low\",\"rules\":[{\"match\":\"0\",\"reply\":[\"Low.\"]}]},"
        "{\"name\":\"target\",\"rules\":[{\"match\":\"0\",\"reply\":[\"Target: $1.\"]}]},"
        "{\"word\":\"i'm\",\"rank\":4,\"rules\":[{\"match\":\"0 i'm 0\",\"reply\":["
        "{\"pre\":\"you are $3\",\"goto\":\"are\"}]}]},"
        "{\"word\":\"are\",\"rules\":[{\"match\":\"you are 0\",\"reply\":[\"You are $3?\"]}]}");

    assert_answer(&talk, "b low", "Target: b low.");
    assert_answer(&talk, "b low", "Low.");
    assert_answer(&talk, "b low", "A itself.");
    assert_answer(&talk, "well he says i'm ill", "You are ill?");
    /* A name is not a word: nobody can ask for it. */
    assert_answer(&talk, "target", "None one.");
    talk_end(&talk);
}

static void gotos_in_a_circle_end_in_puzzlement(void **state)
{
    (void)state;
    struct talk talk = talk_with_keywords(
        "{\"word\":\"a\",\"rules\":[{\"match\":\"0\",\"reply\":[{\"goto\":\"b\"}]},"
        "{\"match\":\"0\",\"reply\":[\"Never reached.\"]}]},"
        "{\"word\":\"b\",\"goto\":\"a\"}");

    assert_answer(&talk, "a", "Puzzled 2.");
    assert_answer(&talk, "b", "Puzzled 3.");
    talk_end(&talk);
}

static void puzzlement_goes_by_the_counter(void **state)
{
    (void)state;
    struct talk talk =
        talk_with_keywords("{\"word\":\"a\",\"rules\":[{\"match\":\"a x\",\"reply\":[\"X.\"]},"
                           "{\"match\":\"a 0 y\",\"reply\":[\"$2?\"]}]}");
    static const char *const expected[] = {"Puzzled 2.", "Puzzled 3.", "Puzzled 4.", "Puzzled 1."};

    for (size_t i = 0; i < 8; i++) {
        assert_answer(&talk, "a z", expected[i % 4]);
    }
    /* A reply that would be nothing but punctuation is no reply. */
    assert_answer(&talk, "a y", "Puzzled 2.");
    talk_end(&talk);
}

static void memory_is_made_of_the_top_keyword_and_comes_back_in_turn_four(void **state)
{
    (void)state;
    struct talk talk =
        talk_with_keywords("{\"word\":\"top\",\"rank\":9,\"rules\":[{\"match\":\"0\","
                           "\"reply\":[\"Top.\"]}]}");

    assert_answer(&talk, "my dog came here", "Your dog came here?"); /* counter 2; "here" is 3 */
    assert_answer(&talk, "top of my head", "Top.");                  /* 3; not on top: no memory */
    assert_answer(&talk, "whatever", "Three: your dog came here.");  /* 4 */
    assert_answer(&talk, "my two kids", "Your two kids?");           /* 1; "kids" is 1 */
    assert_answer(&talk, "hm", "None one.");                         /* 2: not the time */
    assert_answer(&talk, "hm", "None two.");                         /* 3 */
    assert_answer_in(&talk, "elsewhere", "hm", "None one.");
    assert_answer(&talk, "hm", "One: your two kids."); /* 4 */
    assert_answer(&talk, "hm", "None one.");           /* 1 */
    talk_end(&talk);
}

static void greetings_and_farewells(void **state)
{
    (void)state;
    struct talk talk =
        talk_with_keywords("{\"word\":\"a\",\"rules\":[{\"match\":\"0\",\"reply\":[\"A.\"]}]}");
    struct eliza_answer answer;

    eliza_answer(talk.eliza, SLICE_LITERAL("x"), SLICE_EMPTY, &answer);
    assert_int_equal(answer.source, ELIZA_FROM_GREETINGS);
    assert_answer(&talk, "?!", "Welcome.");
    assert_answer(&talk, "", "None one.");
    assert_answer(&talk, "my dog", "Your dog?");
    assert_answer(&talk, "See you...", "Farewell.");
    /* The next one begins anew: greeting, counter and memories. */
    assert_answer(&talk, " ", "Welcome.");
    assert_answer(&talk, "x", "None two.");
    assert_answer(&talk, "x", "None one.");
    assert_answer(&talk, "I see you", "None two.");
    assert_answer(&talk, "\"Bye!\"", "Farewell.");
    talk_end(&talk);
}

static void repairs_touch_only_what_the_user_said(void **state)
{
    (void)state;
    struct talk talk =
        talk_with_keywords("{\"word\":\"you\",\"becomes\":\"I\",\"rules\":["
                           "{\"match\":\"0 says 0\",\"reply\":[\"I are: $3; I $1.\"]}]}");

    assert_answer(&talk, "he says you are fond of you", "I are: I am fond of me; I he.");
    talk_end(&talk);
}

static void the_answer_says_where_it_comes_from(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();
    struct eliza_answer answer;

    eliza_answer(talk.eliza, SLICE_LITERAL("r"), SLICE_LITERAL("Men are all alike."), &answer);
    assert_int_equal(answer.source, ELIZA_FROM_KEYWORD);
    assert_true(slice_is(answer.keyword, "alike"));
    assert_int_equal(answer.rank, 10);
    assert_true(slice_is(answer.pattern, "0"));
    talk_end(&talk);
}

/* ---- any text at all ----------------------------------------------------------------------- */

static void assert_is_utf8(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;

    while (at < end) {
        size_t length = utf8_length(at, end);

        assert_true(length > 0);
        at += length;
    }
}

static void other_scripts_pass_through_whole(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();

    assert_answer(&talk, "My grand-m\u00e8re Zo\u00eb hates \u65e5\u672c\u8a9e \U0001f642",
                  "Your grand-m\u00e8re Zo\u00eb hates \u65e5\u672c\u8a9e \U0001f642.");
    assert_answer(&talk, "Je parle fran\u00e7ais",
                  "Forgive me, English is the only language I have.");
    talk_end(&talk);
}

static void long_texts_are_bounded(void **state)
{
    (void)state;
    static const char *const units[] = {
        "I remember my mother and you ", /* one clause without end */
        "x ",
        "my ",
        "...",
        "my, ",
        "'",
        "-",
        "you\xe2\x80\x99re ",
        "\u65e5",
        "\xe2",
        "\x80",
        "a.b",
        " ",
        "I AM SAD ",
    };
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    struct talk talk = talk_with_doctor();

    assert_non_null(text);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i]);
        struct eliza_answer answer;

        for (size_t j = 0; j < SIZE; j++) {
            text[j] = units[i][j % length];
        }
        eliza_answer(talk.eliza, SLICE_LITERAL("room"), slice_of(text, SIZE), &answer);
        assert_in_range(answer.text.length, 1, ELIZA_SENTENCE_BYTES + 3);
    }
    /* One clause of as many words as are considered, and one word of the text's whole length. */
    memset(text, 'y', SIZE);
    memcpy(text, "my dog is ", 10);
    for (int i = 0; i < 2; i++) {
        struct eliza_answer answer;

        eliza_answer(talk.eliza, SLICE_LITERAL("other"), slice_of(text, SIZE), &answer);
        assert_in_range(answer.text.length, 1, ELIZA_SENTENCE_BYTES + 3);
        for (size_t j = 30; j < SIZE; j += 21) {
            text[j] = ' ';
        }
    }
    free(text);
    talk_end(&talk);
}

static size_t random_text(struct random *random, char *out, size_t size)
{
    static const char *const pieces[] = {
        "I",      "you",       "my",     "me",           "am",         "are",
        "was",    "were",      "I'm",    "you're",       "remember",   "if",
        "dreamt", "dream",     "like",   "mother",       "father",     "sad",
        "want",   "need",      "to",     "because",      "why",        "don't",
        "can't",  "everybody", "always", "never",        "but",        ",",
        ".",      "?",         "!",      "\n",           "'",          "\"",
        "--",     "\u2019",    "\u2026", "\u65e5\u672c", "\U0001f642", "$1",
        "kill",   "yourself",  "bye",    "feel",         "think",      "YOUR",
        "0",      "/family",   "hello",  "Paris",        "the",        "same"};
    size_t length = 0;

    for (size_t count = random_below(random, 24); count > 0; count--) {
        const char *piece = pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))];

        if (length + strlen(piece) + 1 > size) {
            break;
        }
        memcpy(out + length, piece, strlen(piece));
        length += strlen(piece);
        if (random_below(random, 8) != 0) {
            out[length++] = ' ';
        }
    }
    return length;
}

static void random_dialogues_keep_their_promises(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();
    struct talk twin = talk_with_doctor();
    struct random random = {1966};
    char text[512];

    for (int i = 0; i < 20000; i++) {
        size_t length = random_text(&random, text, sizeof(text));
        char room[] = {(char)('a' + random_below(&random, 4))};
        struct eliza_answer answer;
        struct eliza_answer same;

        eliza_answer(talk.eliza, slice_of(room, 1), slice_of(text, length), &answer);
        eliza_answer(twin.eliza, slice_of(room, 1), slice_of(text, length), &same);
        assert_in_range(answer.text.length, 1, ELIZA_SENTENCE_BYTES + 3);
        assert_is_utf8(answer.text);
        assert_true(slice_equals(answer.text, same.text));
        assert_null(memmem(answer.text.data, answer.text.length, "  ", 2));
        assert_int_not_equal(answer.text.data[0], ' ');
        assert_int_not_equal(answer.text.data[answer.text.length - 1], ' ');
    }
    talk_end(&twin);
    talk_end(&talk);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct talk talk = talk_with_doctor();
    struct random random = {7094};
    char text[256];

    for (int i = 0; i < 20000; i++) {
        size_t length = random_below(&random, sizeof(text));
        struct eliza_answer answer;

        for (size_t j = 0; j < length; j++) {
            text[j] = (char)random_next(&random);
        }
        /* Let there be a keyword in some, so that the bytes come out again. */
        if (length > 3 && i % 2 == 0) {
            memcpy(text, "my ", 3);
        }
        eliza_answer(talk.eliza, SLICE_LITERAL("room"), slice_of(text, length), &answer);
        assert_in_range(answer.text.length, 1, ELIZA_SENTENCE_BYTES + 3);
    }
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dialogue_of_the_paper_comes_out),
        cmocka_unit_test(typography_makes_no_difference),
        cmocka_unit_test(pronouns_are_put_right),
        cmocka_unit_test(talk_of_suicide_is_not_played_with),
        cmocka_unit_test(the_first_clause_with_a_keyword_wins),
        cmocka_unit_test(words_are_replaced_as_they_are_read),
        cmocka_unit_test(an_outranking_keyword_comes_first_the_others_in_order),
        cmocka_unit_test(capitals_of_a_sentence_are_not_kept_others_are),
        cmocka_unit_test(replies_rotate_per_rule_and_per_room),
        cmocka_unit_test(goto_newkey_and_pre_do_what_they_did_in_1966),
        cmocka_unit_test(gotos_in_a_circle_end_in_puzzlement),
        cmocka_unit_test(puzzlement_goes_by_the_counter),
        cmocka_unit_test(memory_is_made_of_the_top_keyword_and_comes_back_in_turn_four),
        cmocka_unit_test(greetings_and_farewells),
        cmocka_unit_test(repairs_touch_only_what_the_user_said),
        cmocka_unit_test(the_answer_says_where_it_comes_from),
        cmocka_unit_test(other_scripts_pass_through_whole),
        cmocka_unit_test(long_texts_are_bounded),
        cmocka_unit_test(random_dialogues_keep_their_promises),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
