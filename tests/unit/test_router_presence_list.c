#include "tests/unit/router_fixture.h"

enum { REBUILD = 5000 }; /* ms after a start until all edges are taken to be back: the grace */

/* Ann on edge A, Bob on edge B, both in r; A then comes back on a new link. */
static struct fake_peer *come_back(struct fixture *fixture, struct fake_peer **other)
{
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    *other = edge_new(fixture, "edgeB2");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, *other, 1, "r", "bob");
    open_link(fixture, edge);
    hear_nothing_yet(fixture);
    sync_room(fixture, edge, "r", 1, 0, "ann");
    return edge;
}

static void test_an_edge_learns_after_sync_done_who_is_in_its_rooms(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *other;
    struct fake_peer *edge = come_back(fixture, &other);
    pass(fixture, 200);
    assert_peer_heard(edge, ""); /* there may be more of the room */
    sync_done(fixture, edge);
    pass(fixture, 100);
    assert_peer_heard(edge, "presence_list r ann,bob\n");
    assert_peer_heard(other, "");
    pass(fixture, 5000);
    assert_peer_heard(edge, ""); /* once */
}

static void test_every_room_so_synchronised_has_its_list(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r1", "ann");
    join(fixture, edge, 2, "r2", "ann");
    open_link(fixture, edge);
    hear_nothing_yet(fixture);
    sync_room(fixture, edge, "r1", 1, 0, "ann");
    sync_room(fixture, edge, "r2", 1, 0, "ann");
    sync_room(fixture, edge, "r2", 1, 0, "amy"); /* the second part of a large room */
    sync_done(fixture, edge);
    hear_nothing_yet(fixture);
    pass(fixture, 100);
    assert_peer_heard(edge, "presence_list r1 ann\npresence_list r2 ann,amy\n");
}

static void test_a_room_left_meanwhile_has_none(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *other;
    struct fake_peer *edge = come_back(fixture, &other);
    leave(fixture, edge, "r", "ann", true);
    sync_done(fixture, edge);
    pass(fixture, 100);
    assert_peer_heard(edge, "");
}

static void test_a_router_that_has_just_started_waits_until_all_edges_are_back(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *other;
    struct fake_peer *edge = come_back(fixture, &other);
    restart_router(fixture);
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", 1, 0, "ann");
    sync_done(fixture, edge);
    pass(fixture, REBUILD / 2);
    open_link(fixture, other);
    sync_room(fixture, other, "r", 1, 0, "bob");
    sync_done(fixture, other);
    pass(fixture, REBUILD / 2 - 100);
    assert_peer_heard(edge, "");
    pass(fixture, 200);
    assert_peer_heard(edge, "presence_list r ann,bob\n");
    assert_peer_heard(other, "presence_list r ann,bob\n");
}

/* The list of a router that started with this grace period comes then, and not earlier. */
static void assert_list_after(void **state, int64_t grace, int64_t expected)
{
    struct fixture *fixture = *state;
    fixture->settings.presence_grace = grace;
    restart_router(fixture);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    sync_room(fixture, edge, "r", 1, 0, "ann");
    sync_done(fixture, edge);
    pass(fixture, expected - 100);
    assert_peer_heard(edge, "");
    pass(fixture, 200);
    assert_peer_heard(edge, "presence_list r ann\n");
}

static void test_edges_have_2_s_to_come_back_however_short_the_grace_period_is(void **state)
{
    assert_list_after(state, 0, 2000);
}

static void test_a_list_comes_after_10_s_however_long_the_grace_period_is(void **state)
{
    assert_list_after(state, 3600000, 10000);
}

static void test_who_joins_at_a_router_that_has_just_started_is_told_the_rest_later(void **state)
{
    struct fixture *fixture = *state;
    restart_router(fixture);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    assert_peer_heard(edge, "presence r +ann count=1\njoined #1 r last=0 count=1 members=ann\n");
    struct fake_peer *other = fake_peer_new(fixture, ROUTER_SIDE_EDGES, "edgeB2");
    open_link(fixture, other);
    sync_room(fixture, other, "r", 1, 0, "bob");
    pass(fixture, REBUILD + 100);
    assert_peer_heard(edge, "presence_list r ann,bob\n");
}

static void test_a_room_above_the_presence_limit_has_no_list(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    struct fake_peer *other;
    settings.presence_limit = 1;
    restart_with(fixture, settings);
    struct fake_peer *edge = come_back(fixture, &other);
    sync_done(fixture, edge);
    pass(fixture, 200);
    assert_peer_heard(edge, "");
}

static void test_lists_are_sent_no_faster_than_an_edge_takes_them(void **state)
{
    enum { ROOMS = 60 };
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.link.retained_max = 4000;
    restart_with(fixture, settings);
    struct fake_peer *edge = fake_peer_new(fixture, ROUTER_SIDE_EDGES, "edgeA1");
    open_link(fixture, edge);
    for (int i = 0; i < ROOMS; i++) {
        char room[100];
        snprintf(room, sizeof(room), "%090d", i);
        sync_room(fixture, edge, room, 1, 0, "ann");
        pass(fixture, 50);
    }
    hear_nothing_yet(fixture);
    edge->refuses = true;
    sync_done(fixture, edge);
    pass(fixture, 500);
    assert_int_equal(counted(fixture)->edges, 1); /* its link did not overflow */
    edge->refuses = false;
    pass(fixture, 5000);
    size_t lists = 0;
    for (const struct heard *at = edge->end.heard; at != NULL; at = at->next) {
        lists += at->message.type == BUS_PRESENCE_LIST;
    }
    assert_int_equal(lists, ROOMS);
    assert_int_equal(counted(fixture)->links_overflowed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_an_edge_learns_after_sync_done_who_is_in_its_rooms),
        ROUTER_TEST(test_every_room_so_synchronised_has_its_list),
        ROUTER_TEST(test_a_room_left_meanwhile_has_none),
        ROUTER_TEST(test_a_router_that_has_just_started_waits_until_all_edges_are_back),
        ROUTER_TEST(test_edges_have_2_s_to_come_back_however_short_the_grace_period_is),
        ROUTER_TEST(test_a_list_comes_after_10_s_however_long_the_grace_period_is),
        ROUTER_TEST(test_who_joins_at_a_router_that_has_just_started_is_told_the_rest_later),
        ROUTER_TEST(test_a_room_above_the_presence_limit_has_no_list),
        ROUTER_TEST(test_lists_are_sent_no_faster_than_an_edge_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
