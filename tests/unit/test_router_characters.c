/* Agents that are made, changed and deleted by the bridges that keep their characters. */
#include "tests/unit/router_fixture.h"

#define NEW_AGENT "b850bc30-45f8-0041-a00a-83df46d8555d"

static void change(struct fixture *fixture, struct fake_peer *edge, const char *agent,
                   enum bus_agent_action action)
{
    struct bus_message message = {.type = BUS_AGENT_CHANGE,
                                  .agent_change = {.request = 70,
                                                   .id = text(agent),
                                                   .action = action,
                                                   .details = SLICE_LITERAL("{\"name\":\"N\"}")}};
    say(fixture, edge, &message);
}

/* The bridge that is asked answers so. */
static void reply_with(struct fixture *fixture, struct fake_peer *bridge, int error,
                       const char *reason)
{
    const struct bus_message *asked = last_of(bridge, BUS_CHARACTER_CHANGE);
    struct bus_message message = {.type = BUS_CHARACTER_CHANGED,
                                  .character_changed = {.change = asked->character_change.change,
                                                        .error = error,
                                                        .reason = text(reason)}};
    say(fixture, bridge, &message);
}

static void withdraw(struct fixture *fixture, struct fake_peer *bridge, const char *agent)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_text element = {text(agent)};
    bus_list_add(&list, BUS_ELEMENT_TEXT, &element);
    struct bus_message message = {.type = BUS_WITHDRAW, .withdraw = {bus_list_of(&list)}};
    say(fixture, bridge, &message);
    buffer_deinit(&list.bytes);
}

static const struct bus_agent_state *answered(struct fake_peer *edge)
{
    return &last_of(edge, BUS_AGENT_STATE)->agent_state;
}

static bool is_asked(struct fake_peer *bridge)
{
    return heard_of(bridge, BUS_CHARACTER_CHANGE) > 0;
}

static void a_new_agent_goes_to_the_first_bridge_that_does_not_refuse(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *one = bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *two = bridge_new(fixture, "bridg2", 4, "parry");
    change(fixture, edge, NEW_AGENT, BUS_AGENT_IS_MADE);
    struct fake_peer *first = is_asked(one) ? one : two;
    struct fake_peer *second = first == one ? two : one;
    assert_false(is_asked(second));
    reply_with(fixture, first, ERROR_FORBIDDEN, "not here");
    assert_true(is_asked(second));
    register_agent(fixture, second, 4, NEW_AGENT);
    reply_with(fixture, second, 0, "");
    assert_int_equal(answered(edge)->error, 0);
    assert_true(slice_is(answered(edge)->id, NEW_AGENT));
    assert_int_equal(answered(edge)->bridges, 1);
}

static void nobody_keeps_characters_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    change(fixture, edge, NEW_AGENT, BUS_AGENT_IS_MADE);
    assert_int_equal(answered(edge)->error, ERROR_FORBIDDEN);
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    change(fixture, edge, NEW_AGENT, BUS_AGENT_IS_MADE);
    reply_with(fixture, bridge, ERROR_FORBIDDEN, "not here");
    assert_int_equal(answered(edge)->error, ERROR_FORBIDDEN);
    assert_true(slice_is(answered(edge)->reason, "not here"));
    change(fixture, edge, "eliza", BUS_AGENT_IS_MADE);
    assert_int_equal(answered(edge)->error, ERROR_CONFLICT);
    change(fixture, edge, "nobody", BUS_AGENT_IS_CHANGED);
    assert_int_equal(answered(edge)->error, ERROR_NOT_FOUND);
}

static void an_agent_is_deleted_when_all_that_run_it_have_withdrawn_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *one = bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *two = bridge_new(fixture, "bridg2", 4, "eliza");
    change(fixture, edge, "eliza", BUS_AGENT_IS_DELETED);
    struct fake_peer *first = is_asked(one) ? one : two;
    struct fake_peer *second = first == one ? two : one;
    withdraw(fixture, first, "eliza");
    reply_with(fixture, first, 0, "");
    assert_true(is_asked(second));
    withdraw(fixture, second, "eliza");
    reply_with(fixture, second, 0, "");
    assert_int_equal(answered(edge)->error, 0);

    struct bus_message get = {.type = BUS_AGENT_GET,
                              .agent_get = {.request = 71, .id = SLICE_LITERAL("eliza")}};
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    say(fixture, edge, &get);
    assert_int_equal(answered(edge)->error, ERROR_NOT_FOUND);
    bridge_new(fixture, "bridg3", 4, "eliza"); /* it is there again */
    say(fixture, edge, &get);
    assert_int_equal(answered(edge)->error, 0);
}

static void a_bridge_that_is_lost_while_it_is_asked_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    change(fixture, edge, "eliza", BUS_AGENT_IS_CHANGED);
    assert_true(is_asked(bridge));
    link_close(&bridge->end.link, fixture->now.now);
    settle(fixture);
    assert_int_equal(answered(edge)->error, ERROR_AGENT_UNREACHABLE);
    change(fixture, edge, "eliza", BUS_AGENT_IS_DELETED); /* nobody runs it: it is but remembered */
    assert_int_equal(answered(edge)->error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(a_new_agent_goes_to_the_first_bridge_that_does_not_refuse),
        ROUTER_TEST(nobody_keeps_characters_is_an_answer),
        ROUTER_TEST(an_agent_is_deleted_when_all_that_run_it_have_withdrawn_it),
        ROUTER_TEST(a_bridge_that_is_lost_while_it_is_asked_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
