#include "tests/unit/work_fixture.h"

/* Peers that do not take what they are told, and are given up in the middle of something. */

static struct fake_peer *choked_edge(struct fixture *fixture, int64_t retained_max)
{
    struct router_settings settings = router_default_settings;
    settings.link.retained_max = (size_t)retained_max;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    hear_nothing_yet(fixture);
    edge->refuses = true;
    return edge;
}

static void test_what_a_peer_does_not_take_waits_in_its_link(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = choked_edge(fixture, 1 << 20);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    send(fixture, other, 1, "r", "bob", "a");
    send(fixture, other, 2, "r", "bob", "b");
    assert_peer_heard(edge, "");
    edge->refuses = false;
    settle(fixture);
    assert_peer_heard(edge, "room_message r 1 bob a origin=edgeB2#1\n"
                            "room_message r 2 bob b origin=edgeB2#2\n");
}

static void test_a_peer_whose_link_overflows_synchronises_anew_and_misses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = choked_edge(fixture, 3000);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    struct bus_message typing = {.type = BUS_SIGNAL,
                                 .signal = {.room = text("r"), .entity = text("bob")}};
    for (uint64_t i = 1; i <= 20; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", (int)i);
        send(fixture, other, i, "r", "bob", id);
        for (int t = 0; t < 20; t++) {
            say(fixture, other, &typing);
        }
        pass(fixture, 50);
    }
    assert_int_equal(counted(fixture)->links_overflowed, 1);
    assert_int_equal(counted(fixture)->edges, 1);
    assert_int_equal(last_of(other, BUS_SEND_DONE)->send_done.error, 0); /* nobody else slows */
    edge->refuses = false;
    pass(fixture, 600);
    assert_int_equal(edge->end.closed, 1);
    open_link(fixture, edge);
    fixture->store.page_max = 5;
    sync_room(fixture, edge, "r", fixture->store.rooms[0].epoch, 0, "ann");
    uint64_t seq = 20;
    for (const struct heard *at = edge->end.heard; seq > 0; at = at->next) {
        assert_non_null(at);
        if (at->message.type == BUS_ROOM_MESSAGE) {
            assert_int_equal(at->message.room_message.seq, seq--);
        }
    }
}

/* Several messages in one frame, the first of whose answers is too much for the link. */
static void test_the_rest_of_a_frame_of_a_peer_that_was_given_up_is_not_handled(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = choked_edge(fixture, 700);
    struct bus_message messages[] = {
        {.type = BUS_JOIN, .join = {.request = 1, .room = text("q"), .entity = text("bob")}},
        {.type = BUS_LEAVE, .leave = {.room = text("q"), .entity = text("bob")}},
        {.type = BUS_SIGNAL, .signal = {.room = text("r"), .entity = text("ann")}}};
    for (int i = 0; i < 40; i++) {
        for (size_t m = 0; m < 3; m++) {
            assert_int_equal(link_send(&edge->end.link, &messages[m]), 0);
        }
    }
    assert_int_equal(link_send(&edge->end.link, &messages[0]), 0);
    settle(fixture);
    assert_int_equal(counted(fixture)->edges, 0);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    join(fixture, other, 1, "q", "cat"); /* nothing of the dead one hangs on the room */
    send(fixture, other, 2, "q", "cat", "m");
    send(fixture, other, 3, "r", "cat", "m");
    pass(fixture, 6000);
    assert_int_equal(counted(fixture)->members, 1);
}

static void test_a_leave_may_end_the_edge_that_says_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = choked_edge(fixture, 400);
    struct bus_message message = {.type = BUS_JOIN,
                                  .join = {.request = 1, .room = text("r"), .entity = text("bob")}};
    for (int i = 0; i < 20 && counted(fixture)->edges == 1; i++) {
        message.type = BUS_JOIN;
        message.join = (struct bus_join){.request = 1, .room = text("r"), .entity = text("bob")};
        say(fixture, edge, &message);
        message.type = BUS_LEAVE;
        message.leave =
            (struct bus_leave){.room = text("r"), .entity = text("bob"), .is_explicit = true};
        say(fixture, edge, &message);
    }
    assert_int_equal(counted(fixture)->edges, 0);
    pass(fixture, 6000);
    assert_int_equal(counted(fixture)->members, 0);
}

static void test_a_synchronisation_may_end_the_edge_that_says_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = choked_edge(fixture, 600);
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (int i = 0; i < 50; i++) {
        char entity[16];
        int length = snprintf(entity, sizeof(entity), "member%d", i);
        struct bus_member member = {slice_of(entity, (size_t)length), SLICE_EMPTY, 1};
        bus_list_add(&list, BUS_ELEMENT_MEMBER, &member);
    }
    struct bus_message message = {
        .type = BUS_ROOM_SYNC,
        .room_sync = {.room = text("q"), .epoch = 1, .members = bus_list_of(&list)}};
    edge->refuses = false;
    pass(fixture, 12000); /* the router has been up for long: its members are news */
    edge->refuses = true;
    say(fixture, edge, &message);
    buffer_deinit(&list.bytes);
    assert_int_equal(counted(fixture)->edges, 0);
    pass(fixture, 6000);
    assert_int_equal(counted(fixture)->members, 0);
}

static void test_what_is_running_may_end_the_edge_that_synchronises(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.link.retained_max = 1500;
    restart_with(fixture, settings);
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    for (int i = 0; i < 40; i++) {
        chunk(fixture, cast.bridge, 1, 1,
              "Tell me more about your mother, and of those chickens. ");
        pass(fixture, 50);
    }
    struct fake_peer *late = edge_new(fixture, "edgeB2");
    sync_room(fixture, late, "r", 1, 0, "bob"); /* the text so far is too much for its link */
    assert_int_equal(counted(fixture)->links_overflowed, 1);
    assert_int_equal(counted(fixture)->edges, 1);
    pass(fixture, 6000);
    assert_int_equal(counted(fixture)->members, 1);
    work_done(fixture, cast.bridge, 1, 1, "a");
    assert_int_equal(counted(fixture)->replies, 1);
}

static void test_a_bridge_that_takes_nothing_is_given_up_and_its_work_goes_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.link.retained_max = 3000;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1000, "eliza");
    bridge->refuses = true;
    for (uint64_t i = 1; i <= 30; i++) {
        char room[8];
        snprintf(room, sizeof(room), "r%d", (int)i);
        ask(fixture, edge, i, room, "ann", "q");
        pass(fixture, 50);
    }
    assert_int_equal(counted(fixture)->bridges, 0);
    struct fake_peer *second = fake_peer_new(fixture, ROUTER_SIDE_BRIDGES, "bridg2");
    open_link(fixture, second);
    register_agent(fixture, second, 2, "eliza");
    assert_peer_heard(second, "registered 1\nwork 1.2 r1 eliza q backlog=0\n"
                              "work 2.2 r2 eliza q backlog=0\n");
    assert_int_equal(counted(fixture)->jobs, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_what_a_peer_does_not_take_waits_in_its_link),
        ROUTER_TEST(test_a_peer_whose_link_overflows_synchronises_anew_and_misses_nothing),
        ROUTER_TEST(test_the_rest_of_a_frame_of_a_peer_that_was_given_up_is_not_handled),
        ROUTER_TEST(test_a_leave_may_end_the_edge_that_says_it),
        ROUTER_TEST(test_a_synchronisation_may_end_the_edge_that_says_it),
        ROUTER_TEST(test_what_is_running_may_end_the_edge_that_synchronises),
        ROUTER_TEST(test_a_bridge_that_takes_nothing_is_given_up_and_its_work_goes_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
