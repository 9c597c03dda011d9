/* Which agents a bridge may offer, and what the router is told of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent-bridge/agents.h"
#include "proto/base/error.h"

#define ELIZA "b850bc30-45f8-0041-a00a-83df46d8555d"
#define OTHER "B850BC30-0000-0000-0000-83DF46D8555D"

static int setup(void **state)
{
    *state = agents_new();
    return 0;
}

static int teardown(void **state)
{
    struct agents *agents = *state;

    agents_destroy(&agents);
    assert_null(agents);
    agents_destroy(&agents);
    return 0;
}

static int add(struct agents *agents, const char *id, struct slice name)
{
    return agents_add(agents, slice_of_string(id), name, SLICE_LITERAL("eliza"),
                      SLICE_LITERAL("A \"doctor\"."));
}

static void the_id_comes_from_the_name_unless_given(void **state)
{
    struct agents *agents = *state;

    assert_int_equal(add(agents, NULL, SLICE_LITERAL("Eliza")), 0);
    assert_int_equal(add(agents, OTHER, SLICE_LITERAL("Eliza")), 0);
    assert_int_equal(agents_count(agents), 2);
    assert_non_null(agents_find(agents, SLICE_LITERAL(ELIZA)));
    const struct agent *agent = agents_find(agents, SLICE_LITERAL(OTHER));
    assert_true(slice_is(agent->id, OTHER));
    assert_true(slice_is(agent->name, "Eliza"));
    assert_true(slice_is(agent->details, "{\"name\":\"Eliza\",\"runtime\":\"eliza\","
                                         "\"bio\":\"A \\\"doctor\\\".\"}"));
    assert_null(agents_find(agents, SLICE_LITERAL("Eliza")));
    assert_null(agents_find(agents, SLICE_EMPTY));
}

static void what_is_no_agent_is_refused(void **state)
{
    struct agents *agents = *state;
    char name[AGENT_NAME_MAX + 1];

    memset(name, 'x', sizeof(name));
    assert_int_equal(add(agents, NULL, SLICE_EMPTY), ERROR_MALFORMED);
    assert_int_equal(add(agents, NULL, SLICE_LITERAL("a\xff")), ERROR_MALFORMED);
    assert_int_equal(add(agents, "eliza", SLICE_LITERAL("Eliza")), ERROR_MALFORMED);
    assert_int_equal(add(agents, ELIZA "0", SLICE_LITERAL("Eliza")), ERROR_MALFORMED);
    assert_int_equal(add(agents, NULL, slice_of(name, sizeof(name))), ERROR_TOO_LARGE);
    assert_int_equal(add(agents, NULL, slice_of(name, AGENT_NAME_MAX)), 0);
    static char bio[AGENT_DETAILS_MAX];
    memset(bio, 'b', sizeof(bio));
    assert_int_equal(agents_add(agents, SLICE_EMPTY, SLICE_LITERAL("Ann"), SLICE_EMPTY,
                                slice_of(bio, sizeof(bio))),
                     ERROR_TOO_LARGE);
    assert_int_equal(add(agents, ELIZA, SLICE_LITERAL("Somebody")), 0);
    assert_int_equal(add(agents, NULL, SLICE_LITERAL("Eliza")), ERROR_CONFLICT);
    assert_int_equal(agents_count(agents), 2);
}

static void their_number_is_bounded(void **state)
{
    struct agents *agents = *state;
    char name[16];

    for (unsigned i = 0; i < AGENTS_MAX; i++) {
        int length = snprintf(name, sizeof(name), "%u", i);
        assert_int_equal(agents_add(agents, SLICE_EMPTY, slice_of(name, (size_t)length),
                                    SLICE_EMPTY, SLICE_EMPTY),
                         0);
    }
    assert_int_equal(add(agents, NULL, SLICE_LITERAL("Eliza")), ERROR_LIMIT);
    assert_true(agents_bytes(agents) > AGENTS_MAX * sizeof("{\"name\":\"\"}"));
}

static void a_character_is_the_agents_if_it_is_taken(void **state)
{
    struct agents *agents = *state;
    char error[CHARACTER_ERROR_SIZE];
    struct slice json = SLICE_LITERAL("{\"name\":\"Eliza\",\"system\":\"Be kind.\"}");
    struct character *character = character_read(json, error);
    struct runtime runtime = {&runtime_eliza};

    assert_int_equal(agents_add_character(agents, &character, &runtime, "a.json"), 0);
    assert_null(character);
    struct agent *agent = agents_find(agents, SLICE_LITERAL(ELIZA));
    assert_true(slice_is(agent->details, "{\"name\":\"Eliza\",\"system\":\"Be kind.\","
                                         "\"runtime\":\"eliza\"}"));
    assert_true(slice_is(agent->character->system, "Be kind."));
    assert_string_equal(agent_source(agent), "a.json");
    character = character_read(json, error);
    assert_int_equal(agents_add_character(agents, &character, &runtime, "b.json"), ERROR_CONFLICT);
    assert_non_null(character);
    character_destroy(&character);
}

static void agents_keep_their_order(void **state)
{
    static const char *const names[] = {"z", "a", "m"};
    struct agents *agents = *state;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_agent element;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(add(agents, NULL, slice_of_string(names[i])), 0);
    }
    agents_list(agents, &list);
    struct bus_list view = bus_list_of(&list);
    struct msgpack_reader reader = bus_list_read(&view);
    for (size_t i = 0; i < 3; i++) {
        assert_true(bus_list_next(&reader, BUS_ELEMENT_AGENT, &element));
        assert_true(slice_is(element.name, names[i]));
    }
    assert_false(bus_list_next(&reader, BUS_ELEMENT_AGENT, &element));
    buffer_deinit(&list.bytes);
}

int main(void)
{
#define AGENTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        AGENTS_TEST(the_id_comes_from_the_name_unless_given),
        AGENTS_TEST(what_is_no_agent_is_refused),
        AGENTS_TEST(their_number_is_bounded),
        AGENTS_TEST(a_character_is_the_agents_if_it_is_taken),
        AGENTS_TEST(agents_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
