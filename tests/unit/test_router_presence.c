#include "tests/unit/router_fixture.h"

/* Ann on edge A, Bob on edge B, both in r; what they heard of that is forgotten. */
static void two_members(struct fixture *fixture, struct fake_peer **a, struct fake_peer **b)
{
    *a = edge_new(fixture, "edgeA1");
    *b = edge_new(fixture, "edgeB2");
    join(fixture, *a, 1, "r", "ann");
    join(fixture, *b, 1, "r", "bob");
    hear_nothing_yet(fixture);
}

static void test_who_comes_is_announced_to_every_edge_with_members(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    struct fake_peer *c = edge_new(fixture, "edgeC3");
    join(fixture, b, 2, "r", "cat");
    assert_peer_heard(a, "presence r +cat count=3\n");
    assert_peer_heard(b,
                      "presence r +cat count=3\njoined #2 r last=0 count=3 members=ann,bob,cat\n");
    assert_peer_heard(c, "");
    assert_true(slice_is(last_of(a, BUS_PRESENCE)->presence.name, "Name"));
}

static void test_several_tabs_of_one_entity_are_one_presence(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    join(fixture, b, 2, "r", "ann"); /* a tab on another edge */
    join(fixture, a, 2, "r", "ann"); /* and one on the same */
    assert_peer_heard(a, "joined #2 r last=0 count=2 members=ann*3,bob\n");
    assert_peer_heard(b, "joined #2 r last=0 count=2 members=ann*2,bob\n");
    leave(fixture, a, "r", "ann", true);
    leave(fixture, b, "r", "ann", true);
    pass(fixture, 6000);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "");
    leave(fixture, a, "r", "ann", true);
    assert_peer_heard(b, "presence r -ann count=1\n");
    assert_peer_heard(a, ""); /* it has no members any more */
}

static void test_an_explicit_leave_is_announced_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "ann", true);
    assert_peer_heard(b, "presence r -ann count=1\n");
    assert_int_equal(counted(fixture)->members, 1);
}

static void test_a_lost_connection_stays_a_member_for_the_grace_period(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "ann", false);
    pass(fixture, 4950);
    assert_peer_heard(b, "");
    assert_int_equal(counted(fixture)->members, 2);
    pass(fixture, 100);
    assert_peer_heard(b, "presence_left r -ann count=1\n");
    assert_int_equal(counted(fixture)->members, 1);
}

static void test_a_reconnect_inside_the_grace_period_makes_no_noise(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "ann", false);
    pass(fixture, 3000);
    join(fixture, b, 2, "r", "ann"); /* on another edge */
    assert_peer_heard(b, "joined #2 r last=0 count=2 members=ann,bob\n");
    pass(fixture, 10000);
    assert_peer_heard(b, "");
    assert_int_equal(counted(fixture)->members, 2);
}

static void test_the_grace_period_counts_from_the_last_sign_of_life(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    struct bus_message message = {
        .type = BUS_LEAVE,
        .leave = {.room = SLICE_LITERAL("r"), .entity = SLICE_LITERAL("ann"), .silence = 4000}};
    say(fixture, a, &message);
    pass(fixture, 900);
    assert_peer_heard(b, "");
    pass(fixture, 150);
    assert_peer_heard(b, "presence_left r -ann count=1\n");
    message.leave.entity = SLICE_LITERAL("bob");
    message.leave.silence = 20000; /* found out long after it */
    join(fixture, a, 3, "r", "ann");
    hear_nothing_yet(fixture);
    say(fixture, b, &message);
    assert_peer_heard(a, "presence r -bob count=1\n");
}

static void test_without_a_grace_period_every_loss_is_announced_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    struct fake_peer *a, *b;
    settings.presence_grace = 0;
    restart_with(fixture, settings);
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "ann", false);
    assert_peer_heard(b, "presence r -ann count=1\n");
}

static void test_a_leave_of_somebody_who_is_not_there_is_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "bob", true); /* on another edge */
    leave(fixture, a, "r", "nobody", true);
    leave(fixture, a, "nowhere", "ann", true);
    leave(fixture, b, "r", "ann", true);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "");
    assert_int_equal(counted(fixture)->members, 2);
}

static void test_a_leave_said_twice_counts_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    leave(fixture, a, "r", "ann", false);
    leave(fixture, a, "r", "ann", true);
    pass(fixture, 1000);
    assert_peer_heard(b, "");
    pass(fixture, 5000);
    assert_peer_heard(b, "presence_left r -ann count=1\n");
}

static void test_a_name_given_later_is_the_name(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message message = {
        .type = BUS_JOIN,
        .join = {.request = 1, .room = SLICE_LITERAL("r"), .entity = SLICE_LITERAL("ann")}};
    say(fixture, edge, &message);
    message.join.name = SLICE_LITERAL("Ann");
    say(fixture, edge, &message);
    message.join.name = SLICE_EMPTY; /* none given: the former stays */
    say(fixture, edge, &message);
    struct msgpack_reader reader = bus_list_read(&last_of(edge, BUS_JOINED)->joined.members);
    struct bus_member member;
    assert_true(bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member));
    assert_true(slice_is(member.name, "Ann"));
}

/* --- an edge goes ---------------------------------------------------------------------------- */

static void test_members_of_a_crashed_edge_are_gone_within_5_s_of_the_crash(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    pass(fixture, 400);
    int64_t crash = fixture->now.now;
    kill_peer(a);
    pass(fixture, 2400);
    assert_int_equal(counted(fixture)->edges, 2);
    pass(fixture, 1000);
    assert_int_equal(counted(fixture)->edges, 1);
    assert_peer_heard(b, "");
    while (b->end.lines.length == 0) {
        pass(fixture, FIXTURE_TICK);
        assert_true(fixture->now.now - crash <= 5000 + FIXTURE_TICK);
    }
    assert_peer_heard(b, "presence_left r -ann count=1\n");
    assert_int_equal(counted(fixture)->edges_lost, 1);
}

static void test_members_that_move_to_another_edge_in_time_are_not_missed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    kill_peer(a);
    pass(fixture, 1000);
    join(fixture, b, 2, "r", "ann");
    pass(fixture, 10000);
    assert_peer_heard(b, "joined #2 r last=0 count=2 members=ann*2,bob\n");
    assert_int_equal(counted(fixture)->members, 2);
}

static void test_all_whom_a_lost_edge_had_leave_a_room_in_one_message(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1"), *b = edge_new(fixture, "edgeB2");
    join(fixture, a, 1, "r", "ann");
    join(fixture, a, 2, "r", "bob");
    join(fixture, a, 3, "s", "bob");
    join(fixture, b, 4, "r", "cat");
    join(fixture, b, 5, "s", "cat");
    hear_nothing_yet(fixture);
    kill_peer(a);
    pass(fixture, 20000);
    size_t told = heard_of(b, BUS_PRESENCE_LEFT);
    assert_int_equal(told, 2); /* one of each room */
    const struct bus_presence_left *left = &last_of(b, BUS_PRESENCE_LEFT)->presence_left;
    assert_int_equal(left->member_count, 1);
    assert_int_equal(heard_of(b, BUS_PRESENCE), 2); /* its own joins */
    assert_int_equal(counted(fixture)->presence_events, 5 + 3);
}

static void test_an_edge_that_says_goodbye_leaves_its_members_their_grace_period(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    link_close(&a->end.link, fixture->now.now);
    settle(fixture);
    assert_int_equal(counted(fixture)->edges, 1);
    pass(fixture, 4900);
    assert_peer_heard(b, "");
    pass(fixture, 200);
    assert_peer_heard(b, "presence_left r -ann count=1\n");
}

static void test_one_tab_on_a_lost_edge_and_one_on_another_are_still_one_presence(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    join(fixture, b, 2, "r", "ann");
    hear_nothing_yet(fixture);
    kill_peer(a);
    pass(fixture, 12000);
    assert_peer_heard(b, "");
    leave(fixture, b, "r", "ann", true);
    assert_peer_heard(b, "presence r -ann count=1\n");
}

/* --- resynchronisation ----------------------------------------------------------------------- */

static void test_members_brought_back_in_time_make_no_events(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    pass(fixture, 20000); /* the router has been up for long */
    uint64_t epoch = last_of(a, BUS_JOINED)->joined.epoch;
    open_link(fixture, a); /* a new link of the same process */
    sync_room(fixture, a, "r", epoch, 0, "ann");
    pass(fixture, 10000);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "");
    assert_int_equal(counted(fixture)->members, 2);
    send(fixture, b, 2, "r", "bob", "m");
    assert_peer_heard(a, "room_message r 1 bob m origin=edgeB2#2\n");
    leave(fixture, a, "r", "ann", true); /* one connection, not two */
    assert_int_equal(counted(fixture)->members, 1);
}

static void test_members_that_were_not_brought_back_leave_after_the_grace_period(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    open_link(fixture, a);
    pass(fixture, 4900);
    assert_peer_heard(b, "");
    pass(fixture, 200);
    assert_peer_heard(b, "presence_left r -ann count=1\n");
}

static void test_somebody_new_in_a_resynchronisation_is_announced(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    pass(fixture, 20000);
    open_link(fixture, a);
    sync_room(fixture, a, "r", 1, 0, "ann");
    sync_room(fixture, a, "r", 1, 0, "cat"); /* the second part of a large room */
    assert_peer_heard(b, "presence r +cat count=3\n");
}

static void test_a_router_that_has_just_started_takes_members_silently(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    restart_router(fixture);
    open_link(fixture, a);
    open_link(fixture, b);
    sync_room(fixture, a, "r", 1, 0, "ann");
    sync_room(fixture, b, "r", 1, 0, "bob");
    pass(fixture, 10000);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "");
    assert_int_equal(counted(fixture)->members, 2);
    join(fixture, a, 2, "r", "cat"); /* but who joins is news */
    assert_peer_heard(b, "presence r +cat count=3\n");
}

static void test_a_member_with_several_tabs_is_brought_back_as_several_elements(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a, *b;
    two_members(fixture, &a, &b);
    restart_router(fixture);
    open_link(fixture, a);
    open_link(fixture, b);
    sync_room(fixture, b, "r", 1, 0, "bob");
    sync_room(fixture, a, "r", 1, 0, "ann");
    sync_room(fixture, a, "r", 1, 0, "ann");
    leave(fixture, a, "r", "ann", true);
    assert_int_equal(counted(fixture)->members, 2);
    leave(fixture, a, "r", "ann", true);
    assert_int_equal(counted(fixture)->members, 1);
    assert_peer_heard(b, "presence r -ann count=1\n");
}

static void test_a_sync_without_members_attaches_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    join(fixture, b, 1, "r", "bob");
    hear_nothing_yet(fixture);
    struct bus_message message = {.type = BUS_ROOM_SYNC, .room_sync = {.room = text("r")}};
    say(fixture, a, &message);
    send(fixture, b, 2, "r", "bob", "m");
    assert_peer_heard(a, "");
}

/* --- large rooms ----------------------------------------------------------------------------- */

static void make_large(struct fixture *fixture, int64_t limit)
{
    struct router_settings settings = router_default_settings;
    settings.presence_limit = limit;
    settings.presence_grace = 1000;
    restart_with(fixture, settings);
}

static void test_a_room_above_the_presence_limit_makes_no_presence_events(void **state)
{
    struct fixture *fixture = *state;
    make_large(fixture, 2);
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    join(fixture, a, 1, "r", "ann");
    join(fixture, a, 2, "r", "bob");
    join(fixture, a, 3, "r", "cat");
    join(fixture, a, 4, "r", "dan");
    assert_peer_heard(a, "presence r +ann count=1\njoined #1 r last=0 count=1 members=ann\n"
                         "presence r +bob count=2\njoined #2 r last=0 count=2 members=ann,bob\n"
                         "joined #3 r last=0 count=3 members=ann,bob\n"
                         "joined #4 r last=0 count=4 members=ann,bob\n");
    leave(fixture, a, "r", "dan", true);
    leave(fixture, a, "r", "cat", false);
    assert_peer_heard(a, "");
    pass(fixture, 2200);
    assert_peer_heard(a, "presence_list r ann,bob\n");
    leave(fixture, a, "r", "bob", true); /* of two again */
    assert_peer_heard(a, "presence r -bob count=1\n");
    assert_int_equal(counted(fixture)->presence_events, 3);
}

static void test_a_join_of_a_large_room_lists_a_sample_and_counts_all(void **state)
{
    struct fixture *fixture = *state;
    make_large(fixture, 150);
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    for (uint64_t i = 0; i < 200; i++) {
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", (int)i);
        join(fixture, a, i + 1, "r", entity);
        const struct bus_joined *joined = &last_of(a, BUS_JOINED)->joined;
        assert_int_equal(joined->member_count, i + 1);
        assert_int_equal(joined->members.count, i < 150 ? i + 1 : 100);
    }
}

static void test_a_crowd_that_thins_out_is_told_who_is_there(void **state)
{
    struct fixture *fixture = *state;
    make_large(fixture, 120);
    pass(fixture, 3000);
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    for (int i = 0; i < 121; i++) {
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", i);
        join(fixture, a, (uint64_t)i + 1, "r", entity);
    }
    size_t told = heard_of(a, BUS_PRESENCE);
    assert_int_equal(told, 120);
    for (int i = 0; i < 16; i++) { /* it does not waver around the limit */
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", i);
        join(fixture, a, 200, "r", "e120");
        assert_int_equal(last_of(a, BUS_JOINED)->joined.members.count, 100);
        leave(fixture, a, "r", entity, true);
        pass(fixture, 100);
        assert_int_equal(heard_of(a, BUS_PRESENCE_LIST), i < 15 ? 0 : 1);
        assert_int_equal(heard_of(a, BUS_PRESENCE), told);
    }
    assert_int_equal(last_of(a, BUS_PRESENCE_LIST)->presence_list.members.count, 105);
    leave(fixture, a, "r", "e16", true);
    assert_int_equal(heard_of(a, BUS_PRESENCE), told + 1);
    join(fixture, a, 201, "r", "e120");
    assert_int_equal(last_of(a, BUS_JOINED)->joined.members.count, 104);
    assert_true(last_of(a, BUS_JOINED)->joined.changed_at > 0);
}

static void test_presence_is_never_quadratic(void **state)
{
    struct fixture *fixture = *state;
    make_large(fixture, 10);
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    for (uint64_t i = 0; i < 500; i++) {
        char entity[16];
        snprintf(entity, sizeof(entity), "e%d", (int)i);
        join(fixture, a, i + 1, "r", entity);
    }
    assert_int_equal(counted(fixture)->presence_events, 10);
    kill_peer(a);
    pass(fixture, 10000);
    assert_int_equal(counted(fixture)->members, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_who_comes_is_announced_to_every_edge_with_members),
        ROUTER_TEST(test_several_tabs_of_one_entity_are_one_presence),
        ROUTER_TEST(test_an_explicit_leave_is_announced_at_once),
        ROUTER_TEST(test_a_lost_connection_stays_a_member_for_the_grace_period),
        ROUTER_TEST(test_a_reconnect_inside_the_grace_period_makes_no_noise),
        ROUTER_TEST(test_the_grace_period_counts_from_the_last_sign_of_life),
        ROUTER_TEST(test_without_a_grace_period_every_loss_is_announced_at_once),
        ROUTER_TEST(test_a_leave_of_somebody_who_is_not_there_is_nothing),
        ROUTER_TEST(test_a_leave_said_twice_counts_once),
        ROUTER_TEST(test_a_name_given_later_is_the_name),
        ROUTER_TEST(test_members_of_a_crashed_edge_are_gone_within_5_s_of_the_crash),
        ROUTER_TEST(test_members_that_move_to_another_edge_in_time_are_not_missed),
        ROUTER_TEST(test_all_whom_a_lost_edge_had_leave_a_room_in_one_message),
        ROUTER_TEST(test_an_edge_that_says_goodbye_leaves_its_members_their_grace_period),
        ROUTER_TEST(test_one_tab_on_a_lost_edge_and_one_on_another_are_still_one_presence),
        ROUTER_TEST(test_members_brought_back_in_time_make_no_events),
        ROUTER_TEST(test_members_that_were_not_brought_back_leave_after_the_grace_period),
        ROUTER_TEST(test_somebody_new_in_a_resynchronisation_is_announced),
        ROUTER_TEST(test_a_router_that_has_just_started_takes_members_silently),
        ROUTER_TEST(test_a_member_with_several_tabs_is_brought_back_as_several_elements),
        ROUTER_TEST(test_a_sync_without_members_attaches_nobody),
        ROUTER_TEST(test_a_room_above_the_presence_limit_makes_no_presence_events),
        ROUTER_TEST(test_a_join_of_a_large_room_lists_a_sample_and_counts_all),
        ROUTER_TEST(test_a_crowd_that_thins_out_is_told_who_is_there),
        ROUTER_TEST(test_presence_is_never_quadratic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
