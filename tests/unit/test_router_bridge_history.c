#include "tests/unit/router_fixture.h"

static void ask_history(struct fixture *fixture, struct fake_peer *bridge, const char *room)
{
    struct bus_message message = {.type = BUS_HISTORY,
                                  .history = {.request = 7, .room = text(room), .limit = 10}};
    say(fixture, bridge, &message);
}

static uint32_t messages_in_page(const struct fake_peer *bridge)
{
    const struct bus_message *page = last_of(bridge, BUS_HISTORY_PAGE);
    assert_non_null(page);
    assert_int_equal(page->history_page.request, 7);
    assert_int_equal(page->history_page.error, 0);
    return page->history_page.messages.count;
}

static void test_a_bridge_reads_the_history(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    join(fixture, edge, 1, "r", "ann");
    ask(fixture, edge, 2, "r", "ann", "hello");
    ask_history(fixture, bridge, "r");
    settle(fixture);
    assert_int_equal(messages_in_page(bridge), 1);
}

static void test_a_room_that_is_not_there_has_none(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    ask_history(fixture, bridge, "nowhere");
    settle(fixture);
    assert_int_equal(messages_in_page(bridge), 0);
}

static void test_the_answer_that_is_being_committed_is_among_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    join(fixture, edge, 1, "r", "ann");
    ask(fixture, edge, 2, "r", "ann", "one");
    ask(fixture, edge, 3, "r", "ann", "two");
    fixture->store_waits = true;
    work_done(fixture, bridge, 1, 1, "\"text\":\"re one\"");
    ask_history(fixture, bridge, "r"); /* the second question is there by now */
    settle(fixture);
    assert_int_equal(fixture->store.query_count, 0); /* not before the commit */
    fixture->store_waits = false;
    settle(fixture);
    assert_int_equal(messages_in_page(bridge), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_a_bridge_reads_the_history),
        ROUTER_TEST(test_a_room_that_is_not_there_has_none),
        ROUTER_TEST(test_the_answer_that_is_being_committed_is_among_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
