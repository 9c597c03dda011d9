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
    memset(name, '\1', sizeof(name)); /* six bytes each in the details */
    assert_int_equal(agents_add(agents, SLICE_EMPTY, slice_of(name, AGENT_NAME_MAX), SLICE_EMPTY,
                                slice_of(name, AGENT_NAME_MAX)),
                     ERROR_TOO_LARGE);
    assert_int_equal(add(agents, ELIZA, SLICE_LITERAL("Somebody")), 0);
    assert_int_equal(add(agents, NULL, SLICE_LITERAL("Eliza")), ERROR_CONFLICT);
    assert_int_equal(agents_count(agents), 2);
}

static void all_agents_fit_one_message(void **state)
{
    struct agents *agents = *state;
    char name[AGENT_NAME_MAX];
    char bio[AGENT_DETAILS_MAX - AGENT_NAME_MAX - 64];

    memset(name, 'n', sizeof(name));
    memset(bio, 'b', sizeof(bio));
    for (unsigned i = 0; i < AGENTS_MAX; i++) {
        char number[8];
        int length = snprintf(number, sizeof(number), "%u", i);
        memcpy(name, number, (size_t)length);
        assert_int_equal(agents_add(agents, SLICE_EMPTY, slice_of(name, sizeof(name)), SLICE_EMPTY,
                                    slice_of(bio, sizeof(bio))),
                         0);
    }
    assert_int_equal(add(agents, NULL, SLICE_LITERAL("Eliza")), ERROR_LIMIT);

    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct buffer encoded = BUFFER_EMPTY;
    agents_list(agents, &list);
    struct bus_message message = {.type = BUS_REGISTER,
                                  .register_agents = {.agents = bus_list_of(&list)}};
    bus_encode(&encoded, &message);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&encoded));
    assert_int_equal(bus_decode(&reader, &message), 0);
    assert_int_equal(message.register_agents.agents.count, AGENTS_MAX);
    buffer_deinit(&encoded);
    buffer_deinit(&list.bytes);
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
        AGENTS_TEST(all_agents_fit_one_message),
        AGENTS_TEST(agents_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
