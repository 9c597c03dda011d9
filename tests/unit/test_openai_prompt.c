#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent-bridge/character.h"
#include "agent-bridge/runtimes/openai_prompt.h"

static const struct openai_prompt_settings plain = {.model = {"m", 1}, .context_tokens = 100000};

static struct runtime_request question(const struct runtime_turn *history, size_t count)
{
    return (struct runtime_request){.agent_name = SLICE_LITERAL("Ann"),
                                    .sender_id = SLICE_LITERAL("u1"),
                                    .sender_name = SLICE_LITERAL("Bob"),
                                    .text = SLICE_LITERAL("Why?"),
                                    .history = history,
                                    .history_count = count};
}

static struct openai_prompt_summary assert_writes(const struct openai_prompt_settings *settings,
                                                  const struct runtime_request *request,
                                                  const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    struct openai_prompt_summary summary;
    openai_prompt_write(settings, request, &out, &summary);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buffer_deinit(&out);
    return summary;
}

#define SYSTEM                                                                                     \
    "{\"role\":\"system\",\"content\":\"You are Ann, talking to people in a chat room.\"}"

static void a_question_alone(void **state)
{
    struct runtime_request request = question(NULL, 0);
    (void)state;
    assert_writes(&plain, &request,
                  "{\"model\":\"m\",\"messages\":[" SYSTEM
                  ",{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
}

static void settings_are_said_when_there_are_any(void **state)
{
    struct openai_prompt_settings settings = plain;
    struct runtime_request request = question(NULL, 0);
    (void)state;
    settings.temperature = "0.25";
    settings.max_tokens = 7;
    assert_writes(&settings, &request,
                  "{\"model\":\"m\",\"messages\":[" SYSTEM
                  ",{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true,"
                  "\"temperature\":0.25,\"max_tokens\":7");
}

static void two_people_who_talk_need_no_names(void **state)
{
    const struct runtime_turn history[] = {
        {SLICE_LITERAL("u1"), SLICE_LITERAL("Bob"), SLICE_LITERAL("Hi \"Ann\""), false},
        {SLICE_LITERAL("a1"), SLICE_LITERAL("Ann"), SLICE_LITERAL("Hello"), true}};
    struct runtime_request request = question(history, 2);
    (void)state;
    struct openai_prompt_summary summary =
        assert_writes(&plain, &request,
                      "{\"model\":\"m\",\"messages\":[" SYSTEM
                      ",{\"role\":\"user\",\"content\":\"Hi \\\"Ann\\\"\"},"
                      "{\"role\":\"assistant\",\"content\":\"Hello\"},"
                      "{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
    assert_int_equal(summary.messages, 4);
    assert_int_equal(summary.left_out, 0);
}

static void more_people_are_told_apart(void **state)
{
    const struct runtime_turn history[] = {
        {SLICE_LITERAL("u2"), SLICE_LITERAL("Cy"), SLICE_LITERAL("Hi"), false}};
    struct runtime_request request = question(history, 1);
    (void)state;
    assert_writes(&plain, &request,
                  "{\"model\":\"m\",\"messages\":[" SYSTEM
                  ",{\"role\":\"user\",\"content\":\"Cy: Hi\"},"
                  "{\"role\":\"user\",\"content\":\"Bob: Why?\"}],\"stream\":true");
}

static void the_oldest_messages_go_first(void **state)
{
    static char old[4000];
    const struct runtime_turn history[] = {
        {SLICE_LITERAL("u1"), SLICE_LITERAL("Bob"), {old, sizeof(old)}, false},
        {SLICE_LITERAL("a1"), SLICE_LITERAL("Ann"), SLICE_LITERAL("Hello"), true}};
    struct openai_prompt_settings settings = plain;
    struct runtime_request request = question(history, 2);
    (void)state;
    memset(old, 'x', sizeof(old));
    settings.context_tokens = 500;
    struct openai_prompt_summary summary = assert_writes(
        &settings, &request,
        "{\"model\":\"m\",\"messages\":[" SYSTEM ",{\"role\":\"assistant\",\"content\":\"Hello\"},"
        "{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
    assert_int_equal(summary.left_out, 1);
    assert_in_range(summary.tokens, 10, 100);
    settings.context_tokens = 1; /* too little for anything: character and question are there */
    summary = assert_writes(&settings, &request,
                            "{\"model\":\"m\",\"messages\":[" SYSTEM
                            ",{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
    assert_int_equal(summary.left_out, 2);
}

static void a_character_speaks_for_itself(void **state)
{
    char error[CHARACTER_ERROR_SIZE];
    struct character *character = character_read(
        SLICE_LITERAL("{\"name\":\"Ann\",\"system\":\"Be Ann.\",\"bio\":[\"Kind.\"],"
                      "\"style\":{\"all\":\"Short.\"},\"messageExamples\":[[{\"name\":\"Bob\","
                      "\"content\":{\"text\":\"Hi\"}}]]}"),
        error);
    struct runtime_request request = question(NULL, 0);
    struct openai_prompt_settings settings = plain;
    (void)state;
    request.character = character;
    struct openai_prompt_summary summary = assert_writes(
        &settings, &request,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be Ann.\\n\\n"
        "About you:\\nKind.\\n\\nHow you write:\\nShort.\\n\\n"
        "Examples of how you talk:\\nBob: Hi\\n\"},"
        "{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
    assert_true(summary.has_examples);
    settings.context_tokens = 25;
    summary = assert_writes(&settings, &request,
                            "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
                            "\"Be Ann.\\n\\nAbout you:\\nKind.\\n\\nHow you write:\\nShort.\"},"
                            "{\"role\":\"user\",\"content\":\"Why?\"}],\"stream\":true");
    assert_false(summary.has_examples);
    character_destroy(&character);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_alone),
        cmocka_unit_test(settings_are_said_when_there_are_any),
        cmocka_unit_test(two_people_who_talk_need_no_names),
        cmocka_unit_test(more_people_are_told_apart),
        cmocka_unit_test(the_oldest_messages_go_first),
        cmocka_unit_test(a_character_speaks_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
