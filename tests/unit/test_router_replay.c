#include "tests/unit/router_fixture.h"

/* An edge with Ann in r, and messages 1:a 2:b 3:c there. */
static struct fake_peer *three_messages(struct fixture *fixture)
{
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    send(fixture, edge, 2, "r", "ann", "a");
    fixture->now.wall += 1000;
    send(fixture, edge, 3, "r", "ann", "b");
    fixture->now.wall += 1000;
    send(fixture, edge, 4, "r", "ann", "c");
    hear_nothing_yet(fixture);
    return edge;
}

static uint64_t epoch_of(const struct fixture *fixture)
{
    return fixture->store.rooms[0].epoch;
}

static struct bus_message joining(uint64_t request, const char *entity, enum bus_since since)
{
    return (struct bus_message){.type = BUS_JOIN,
                                .join = {.request = request,
                                         .room = SLICE_LITERAL("r"),
                                         .entity = text(entity),
                                         .name = SLICE_LITERAL("Name"),
                                         .since = since}};
}

static void join_since_seq(struct fixture *fixture, struct fake_peer *edge, const char *entity,
                           uint64_t seq)
{
    struct bus_message message = joining(9, entity, BUS_SINCE_SEQ);
    message.join.since_seq = seq;
    say(fixture, edge, &message);
}

/* --- a join with since ----------------------------------------------------------------------- */

static void test_a_join_since_a_seq_brings_what_came_after_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    join_since_seq(fixture, edge, "ann", 1);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 replay=2:b,3:c\n");
    join_since_seq(fixture, edge, "ann", 3);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*3\n");
    join_since_seq(fixture, edge, "ann", 0);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*4 replay=1:a,2:b,3:c\n");
    struct msgpack_reader reader = bus_list_read(&last_of(edge, BUS_JOINED)->joined.replay);
    struct bus_stored_message stored;
    assert_true(bus_list_next(&reader, BUS_ELEMENT_STORED, &stored));
    assert_true(slice_equals(stored.id, fixture->store.messages[0].id));
    assert_true(slice_is(stored.sender, "ann"));
    assert_true(slice_is(stored.client_message_id, "a"));
    assert_int_equal(stored.created_at, fixture->store.messages[0].created_at);
    assert_int_equal(counted(fixture)->replays, 3);
}

static void test_a_join_since_a_message_or_a_time_brings_what_came_after_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct bus_message message = joining(9, "ann", BUS_SINCE_ID);
    message.join.since_id = fixture->store.messages[1].id;
    say(fixture, edge, &message);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 replay=3:c\n");
    message = joining(9, "ann", BUS_SINCE_TIME);
    message.join.since_time = fixture->store.messages[0].created_at;
    say(fixture, edge, &message);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*3 replay=2:b,3:c\n");
}

static void test_an_unknown_message_replays_nothing_and_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct bus_message message = joining(9, "bob", BUS_SINCE_ID);
    char longest[256];
    memset(longest, 'x', sizeof(longest));
    message.join.since_id = slice_of(longest, sizeof(longest));
    say(fixture, edge, &message);
    assert_peer_heard(edge, "presence r +bob count=2\n"
                            "joined #9 r last=3 count=2 members=ann,bob incomplete\n");
}

static void test_a_line_of_another_epoch_cannot_be_continued(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct bus_message message = joining(9, "ann", BUS_SINCE_SEQ);
    message.join.since_seq = 1;
    message.join.since_epoch = epoch_of(fixture) + 1;
    say(fixture, edge, &message);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 incomplete\n");
    message.join.since_epoch = epoch_of(fixture);
    say(fixture, edge, &message);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*3 replay=2:b,3:c\n");
    message.join.since_epoch = epoch_of(fixture) + 1;
    message.join.since_seq = 0; /* has nothing, so misses everything */
    say(fixture, edge, &message);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*4 replay=1:a,2:b,3:c\n");
}

static void test_a_seq_that_was_never_given_is_not_complete(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    join_since_seq(fixture, edge, "ann", 4);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 incomplete\n");
}

static void test_more_than_replay_max_is_reported_and_not_replayed(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.replay_max = 2;
    restart_with(fixture, settings);
    struct fake_peer *edge = three_messages(fixture);
    join_since_seq(fixture, edge, "ann", 1);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 replay=2:b,3:c\n");
    join_since_seq(fixture, edge, "ann", 0);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*3 incomplete\n");
}

static void test_more_bytes_than_a_payload_holds_are_reported_and_not_replayed(void **state)
{
    enum { SIZE = 900000 };
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    edge->end.settings.retained_max = 64 << 20;
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    for (uint64_t i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", (int)i);
        struct bus_message message = sending(i + 1, "r", "ann", id, false);
        message.send.body = slice_of(body, SIZE);
        say(fixture, edge, &message);
    }
    join_since_seq(fixture, edge, "ann", 1);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.replay.count, 3);
    assert_true(last_of(edge, BUS_JOINED)->joined.replay_complete);
    join_since_seq(fixture, edge, "ann", 0);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.replay.count, 0);
    assert_false(last_of(edge, BUS_JOINED)->joined.replay_complete);
    assert_true(link_is_open(&edge->end.link));
    free(body);
}

static void test_a_store_that_fails_makes_a_join_incomplete_not_impossible(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    fixture->store_is_down = true;
    join_since_seq(fixture, edge, "ann", 1);
    assert_peer_heard(edge, "joined #9 r last=3 count=1 members=ann*2 incomplete\n");
}

static void test_what_is_broadcast_while_the_store_reads_is_replayed_too(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    fixture->store_waits = true;
    join_since_seq(fixture, other, "bob", 1);
    struct store_page *page = fake_store_answer(&fixture->store, &fixture->store.queries[0]);
    send(fixture, edge, 5, "r", "ann", "d");
    commit(fixture); /* after the page was read, before it is here */
    fixture->store.query_count = 0;
    router_answered(fixture->router, page, fixture->now);
    settle(fixture);
    assert_peer_heard(other, ""); /* not yet: 4 is missing */
    answer(fixture);
    assert_peer_heard(other, "presence r +bob count=2\n"
                             "joined #9 r last=4 count=2 members=ann,bob replay=2:b,3:c,4:d\n");
    send(fixture, edge, 6, "r", "ann", "e");
    commit(fixture);
    assert_peer_heard(other, "room_message r 5 ann e origin=edgeA1#6\n");
}

static void test_what_is_committed_but_not_broadcast_yet_comes_live_and_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    fixture->store_waits = true;
    send(fixture, edge, 5, "r", "ann", "d");
    fake_store_apply(&fixture->store, fixture->store.batch); /* its result is on the way */
    join_since_seq(fixture, other, "bob", 1);
    answer(fixture);
    assert_peer_heard(other, "presence r +bob count=2\n"
                             "joined #9 r last=3 count=2 members=ann,bob replay=2:b,3:c\n");
    struct store_batch *batch = fixture->store.batch;
    fixture->store.batch = NULL;
    router_committed(fixture->router, batch, 0, fixture->now);
    settle(fixture);
    assert_peer_heard(other, "room_message r 4 ann d origin=edgeA1#5\n");
}

static void test_an_edge_that_died_while_the_store_read_is_not_joined(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    fixture->store_waits = true;
    join_since_seq(fixture, other, "bob", 1);
    kill_peer(other);
    pass(fixture, 4000);
    answer(fixture);
    assert_int_equal(counted(fixture)->members, 1);
    assert_peer_heard(edge, "");
}

static void test_a_join_of_a_former_link_counts_only_as_it_is_repeated(void **state)
{
    struct fixture *fixture = *state;
    three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    fixture->store_waits = true;
    join_since_seq(fixture, other, "bob", 1);
    open_edge(fixture, other);
    join_since_seq(fixture, other, "bob", 1); /* edges repeat what waits for an answer */
    answer(fixture);
    answer(fixture);
    assert_peer_heard(other, "presence r +bob count=2\n"
                             "joined #9 r last=3 count=2 members=ann,bob replay=2:b,3:c\n");
}

static void give_up(struct fixture *fixture, struct fake_peer *edge, const char *entity,
                    uint64_t request)
{
    struct bus_message message = {
        .type = BUS_LEAVE,
        .leave = {.room = text("r"), .entity = text(entity), .request = request}};
    say(fixture, edge, &message);
}

static void test_a_join_that_is_taken_back_while_the_store_reads_never_counts(void **state)
{
    struct fixture *fixture = *state;
    three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    fixture->store_waits = true;
    join_since_seq(fixture, other, "bob", 1); /* number 9 */
    give_up(fixture, other, "bob", 8);        /* another one: not under way */
    give_up(fixture, other, "bob", 9);
    answer(fixture);
    assert_peer_heard(other, "");
    assert_int_equal(counted(fixture)->members, 1);
}

static void test_a_join_that_is_taken_back_after_its_answer_leaves(void **state)
{
    struct fixture *fixture = *state;
    three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    join_since_seq(fixture, other, "bob", 3);
    give_up(fixture, other, "bob", 9);
    pass(fixture, 5100);
    assert_int_equal(counted(fixture)->members, 1);
}

/* --- an edge that catches up ----------------------------------------------------------------- */

static void test_an_edge_that_is_behind_gets_what_it_has_not_seen(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    sync_done(fixture, edge);
    assert_peer_heard(edge, "room_message r 2 ann b\nroom_message r 3 ann c\n");
    const struct bus_room_message *last = &last_of(edge, BUS_ROOM_MESSAGE)->room_message;
    assert_true(slice_equals(last->id, fixture->store.messages[2].id));
    assert_true(slice_is(last->client_message_id, "c")); /* for its sender, if it is there */
    assert_int_equal(last->epoch, epoch_of(fixture));
    send(fixture, edge, 5, "r", "ann", "d");
    assert_peer_heard(edge, "room_message r 4 ann d origin=edgeA1#5\nsend_done #5 seq=4\n");
}

static void test_an_edge_that_has_everything_is_live_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    open_link(fixture, edge);
    fixture->store_waits = true;
    sync_room(fixture, edge, "r", epoch_of(fixture), 3, "ann");
    assert_int_equal(fixture->store.query_count, 0);
    assert_peer_heard(edge, "");
}

static void test_an_edge_of_another_epoch_gets_nothing_of_the_new_line(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture) + 1, 1, "ann");
    assert_peer_heard(edge, "");
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture) + 1, 0, "ann"); /* it has seen nothing yet */
    assert_peer_heard(edge, "room_message r 1 ann a\nroom_message r 2 ann b\n"
                            "room_message r 3 ann c\n");
}

static void test_while_it_catches_up_an_edge_gets_no_live_messages_and_misses_none(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    open_link(fixture, edge);
    fixture->store_waits = true;
    fixture->store.page_max = 1;
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    sync_done(fixture, edge);
    send(fixture, other, 5, "r", "bob", "d");
    commit(fixture);
    assert_peer_heard(edge, "");
    assert_peer_heard(other, "room_message r 4 bob d origin=edgeB2#5\nsend_done #5 seq=4\n");
    answer(fixture);
    assert_peer_heard(edge, "room_message r 2 ann b\n");
    answer(fixture);
    assert_peer_heard(edge, "room_message r 3 ann c\n");
    send(fixture, edge, 6, "r", "ann", "e"); /* its own, too */
    commit(fixture);
    assert_peer_heard(edge, "send_done #6 seq=5\n");
    answer(fixture);
    assert_peer_heard(edge, "room_message r 4 bob d\n");
    answer(fixture);
    assert_peer_heard(edge, "room_message r 5 ann e\n");
    assert_int_equal(fixture->store.query_count, 0);
    send(fixture, edge, 7, "r", "ann", "f");
    commit(fixture);
    assert_peer_heard(edge, "room_message r 6 ann f origin=edgeA1#7\nsend_done #7 seq=6\n");
}

static void test_numbers_without_a_message_do_not_keep_an_edge_behind(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    fixture->store_waits = true;
    send(fixture, edge, 5, "r", "ann", "x");
    fail_commit(fixture); /* 4 is a gap */
    send(fixture, edge, 6, "r", "ann", "d");
    commit(fixture);
    fixture->store_waits = false;
    open_link(fixture, edge);
    hear_nothing_yet(fixture);
    sync_room(fixture, edge, "r", epoch_of(fixture), 2, "ann");
    assert_peer_heard(edge, "room_message r 3 ann c\nroom_message r 5 ann d\n");
}

static void test_a_large_room_that_syncs_in_parts_is_read_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    open_link(fixture, edge);
    fixture->store_waits = true;
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "bob");
    assert_int_equal(fixture->store.query_count, 1);
    answer(fixture);
    assert_peer_heard(edge, "presence r +bob count=2\n"
                            "room_message r 2 ann b\nroom_message r 3 ann c\n");
}

static void test_a_store_that_fails_makes_an_edge_synchronise_anew(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    open_link(fixture, edge);
    fixture->store_is_down = true;
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    assert_int_equal(counted(fixture)->edges, 0);
    pass(fixture, 600); /* its heartbeat is answered RESET */
    assert_int_equal(edge->end.closed, 1);
    fixture->store_is_down = false;
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    assert_peer_heard(edge, "room_message r 2 ann b\nroom_message r 3 ann c\n");
}

static void test_a_catch_up_ends_with_its_link_or_its_last_member(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    fixture->store_waits = true;
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    open_link(fixture, edge);
    answer(fixture);
    assert_peer_heard(edge, "");
    sync_room(fixture, edge, "r", epoch_of(fixture), 1, "ann");
    leave(fixture, edge, "r", "ann", true);
    answer(fixture);
    assert_peer_heard(edge, "");
    assert_int_equal(fixture->store.query_count, 0);
}

static void test_after_a_restart_edges_catch_up_with_what_was_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    join(fixture, other, 1, "r", "bob");
    fixture->store_waits = true;
    send(fixture, edge, 5, "r", "ann", "d");
    fake_store_apply(&fixture->store, fixture->store.batch); /* committed, never broadcast */
    fixture->store_waits = false;
    restart_router(fixture);
    hear_nothing_yet(fixture);
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", epoch_of(fixture), 3, "ann");
    sync_done(fixture, edge);
    open_link(fixture, other);
    sync_room(fixture, other, "r", epoch_of(fixture), 3, "bob");
    assert_peer_heard(edge, "room_message r 4 ann d\n");
    assert_peer_heard(other, "room_message r 4 ann d\n");
    send(fixture, edge, 5, "r", "ann", "d"); /* its request is repeated */
    assert_peer_heard(edge, "send_done #5 seq=4 duplicate\n");
    assert_peer_heard(other, "");
}

static void test_an_edge_that_has_not_said_what_it_holds_gets_no_messages(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = three_messages(fixture);
    fixture->store_waits = true;
    send(fixture, edge, 5, "r", "ann", "d");
    open_link(fixture, edge); /* it may hold r, with a gap before 4 */
    commit(fixture);
    assert_peer_heard(edge, "send_done #5 seq=4\n");
    sync_room(fixture, edge, "r", epoch_of(fixture), 3, "ann");
    sync_done(fixture, edge);
    answer(fixture);
    assert_peer_heard(edge, "room_message r 4 ann d\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_a_join_since_a_seq_brings_what_came_after_it),
        ROUTER_TEST(test_a_join_since_a_message_or_a_time_brings_what_came_after_it),
        ROUTER_TEST(test_an_unknown_message_replays_nothing_and_says_so),
        ROUTER_TEST(test_a_line_of_another_epoch_cannot_be_continued),
        ROUTER_TEST(test_a_seq_that_was_never_given_is_not_complete),
        ROUTER_TEST(test_more_than_replay_max_is_reported_and_not_replayed),
        ROUTER_TEST(test_more_bytes_than_a_payload_holds_are_reported_and_not_replayed),
        ROUTER_TEST(test_a_store_that_fails_makes_a_join_incomplete_not_impossible),
        ROUTER_TEST(test_what_is_broadcast_while_the_store_reads_is_replayed_too),
        ROUTER_TEST(test_what_is_committed_but_not_broadcast_yet_comes_live_and_once),
        ROUTER_TEST(test_an_edge_that_died_while_the_store_read_is_not_joined),
        ROUTER_TEST(test_a_join_of_a_former_link_counts_only_as_it_is_repeated),
        ROUTER_TEST(test_a_join_that_is_taken_back_while_the_store_reads_never_counts),
        ROUTER_TEST(test_a_join_that_is_taken_back_after_its_answer_leaves),
        ROUTER_TEST(test_an_edge_that_is_behind_gets_what_it_has_not_seen),
        ROUTER_TEST(test_an_edge_that_has_everything_is_live_at_once),
        ROUTER_TEST(test_an_edge_of_another_epoch_gets_nothing_of_the_new_line),
        ROUTER_TEST(test_while_it_catches_up_an_edge_gets_no_live_messages_and_misses_none),
        ROUTER_TEST(test_numbers_without_a_message_do_not_keep_an_edge_behind),
        ROUTER_TEST(test_a_large_room_that_syncs_in_parts_is_read_once),
        ROUTER_TEST(test_a_store_that_fails_makes_an_edge_synchronise_anew),
        ROUTER_TEST(test_a_catch_up_ends_with_its_link_or_its_last_member),
        ROUTER_TEST(test_after_a_restart_edges_catch_up_with_what_was_committed),
        ROUTER_TEST(test_an_edge_that_has_not_said_what_it_holds_gets_no_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
