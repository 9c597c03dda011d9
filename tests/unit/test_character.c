#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent-bridge/character.h"
#include "proto/base/json.h"

static struct character *read_text(const char *json)
{
    char error[CHARACTER_ERROR_SIZE] = "";
    struct character *character = character_read(slice_of_string(json), error);
    if (character == NULL) {
        fail_msg("%s", error);
    }
    return character;
}

static void assert_slice(struct slice actual, const char *expected)
{
    if (!slice_is(actual, expected)) {
        fail_msg("\"%.*s\" instead of \"%s\"", (int)actual.length, actual.data, expected);
    }
}

static void a_character_of_elizaos_is_read(void **state)
{
    (void)state;
    struct character *character = read_text(
        "{\"name\":\"Ann\",\"id\":\"b850bc30-45f8-0041-a00a-83df46d8555d\",\"system\":\"Be Ann.\","
        "\"bio\":[\"Line one.\",\"Line \\u0032.\",7],\"adjectives\":[\"kind\",\"dry\"],"
        "\"topics\":\"tea\",\"style\":{\"all\":[\"Short.\"],\"chat\":[\"Friendly.\"],\"post\":"
        "[\"no\"]},\"messageExamples\":[[{\"name\":\"{{name1}}\",\"content\":{\"text\":\"Hi\"}},"
        "{\"name\":\"Ann\",\"content\":{\"text\":\"Hello.\"}}],[{\"user\":\"Bob\",\"content\":"
        "{\"text\":\"Tea?\"}}]],\"settings\":{\"elizamq\":{\"runtime\":\"openai\",\"model\":\"m\","
        "\"extract\":\"response\",\"reply\":\"mention\",\"replyToAgents\":\"never\"}}}");
    assert_slice(character->name, "Ann");
    assert_slice(character->system, "Be Ann.");
    assert_slice(character->bio, "Line one.\nLine 2.");
    assert_slice(character->adjectives, "kind, dry");
    assert_slice(character->topics, "tea");
    assert_slice(character->style, "Short.\nFriendly.");
    assert_slice(character->examples, "User: Hi\nAnn: Hello.\n\nBob: Tea?\n");
    assert_slice(character->runtime, "openai");
    assert_slice(character->model, "m");
    assert_slice(character->extract, "response");
    assert_slice(character->reply, "mention");
    assert_slice(character->reply_to_agents, "never");
    character_destroy(&character);
    assert_null(character);
}

static void a_name_is_enough(void **state)
{
    (void)state;
    struct character *character = read_text(" {\"name\":\"Ann\",\"bio\":null,\"settings\":[]} ");
    assert_slice(character->name, "Ann");
    assert_slice(character->id, "");
    assert_slice(character->bio, "");
    assert_slice(character->examples, "");
    character_destroy(&character);
}

static void secrets_are_told_nobody(void **state)
{
    (void)state;
    struct character *character = read_text(
        "{\"secrets\":{\"A\":\"x\"},\"name\":\"Ann\",\"s\\u0065crets\":1,\"settings\":{\"a\":1,"
        "\"secrets\":{\"KEY\":\"x\"},\"b\":{\"secrets\":2}},\"plugins\":[\"p\"]}");
    assert_slice(character->details,
                 "{\"name\":\"Ann\",\"settings\":{\"a\":1,\"b\":{\"secrets\":2}},"
                 "\"plugins\":[\"p\"]}");
    character_destroy(&character);
}

static void broken_ones_are_refused_by_name(void **state)
{
    static const char *const table[][2] = {
        {"", "it is no JSON object"},
        {"[]", "it is no JSON object"},
        {"{\"name\":\"Ann\"", "it is no JSON from line 1 on"},
        {"{\n\"name\":\"Ann\",\n}", "it is no JSON from line 3 on"},
        {"{}", "it has no name"},
        {"{\"name\":7}", "it has no name"},
        {"{\"name\":\"Ann\",\"id\":\"ann\"}", "its id is no UUID"},
        {"{\"name\":\"Ann\",\"id\":7}", "its id is no UUID"},
        {"{\"name\":\"Ann\",\"settings\":{\"elizamq\":{\"reply\":\"often\"}}}",
         "its settings.elizamq.reply is none of always, mention, never"},
        {"{\"name\":\"Ann\",\"settings\":{\"elizamq\":{\"replyToAgents\":\"often\"}}}",
         "its settings.elizamq.replyToAgents is none of always, mention, never"},
        {"{\"name\":\"Ann\",\"settings\":{\"elizamq\":{\"agentId\":\"x\"}}}",
         "its settings.elizamq.agentId is no UUID"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char error[CHARACTER_ERROR_SIZE] = "";
        assert_null(character_read(slice_of_string(table[i][0]), error));
        assert_string_equal(error, table[i][1]);
    }
}

static void examples_of_any_shape_do_no_harm(void **state)
{
    (void)state;
    struct character *character =
        read_text("{\"name\":\"Ann\",\"messageExamples\":[7,{},[7,[],{},{\"content\":7},"
                  "{\"content\":\"plain\"}]]}");
    assert_slice(character->examples, "User: plain\n");
    character_destroy(&character);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_character_of_elizaos_is_read),
        cmocka_unit_test(a_name_is_enough),
        cmocka_unit_test(secrets_are_told_nobody),
        cmocka_unit_test(broken_ones_are_refused_by_name),
        cmocka_unit_test(examples_of_any_shape_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
