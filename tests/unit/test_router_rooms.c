#include "tests/unit/router_fixture.h"

static void test_a_join_is_answered_with_the_room_and_who_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 7, "r", "ann");
    assert_peer_heard(edge, "presence r +ann count=1\njoined #7 r last=0 count=1 members=ann\n");
    const struct bus_message *answer = last_of(edge, BUS_JOINED);
    assert_int_equal(answer->trace, 1007);
    assert_int_not_equal(answer->joined.epoch, 0);
    assert_true(answer->joined.epoch < UINT64_C(1) << 52); /* a JSON number carries it */
    assert_true(slice_is(answer->joined.server_id, NIL_UUID));
    assert_true(answer->joined.replay_complete);
    join(fixture, edge, 8, "r", "bob");
    assert_peer_heard(edge,
                      "presence r +bob count=2\njoined #8 r last=0 count=2 members=ann,bob\n");
    assert_int_equal(counted(fixture)->rooms, 1);
    assert_int_equal(counted(fixture)->members, 2);
}

static void test_a_room_keeps_the_server_id_of_whoever_came_first(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message message = {.type = BUS_JOIN,
                                  .join = {.request = 1,
                                           .room = SLICE_LITERAL("r"),
                                           .entity = SLICE_LITERAL("ann"),
                                           .server_id = SLICE_LITERAL("first")}};
    say(fixture, edge, &message);
    message.join.request = 2;
    message.join.entity = SLICE_LITERAL("bob");
    message.join.server_id = SLICE_LITERAL("second");
    say(fixture, edge, &message);
    assert_true(slice_is(last_of(edge, BUS_JOINED)->joined.server_id, "first"));
}

static void test_a_room_s_messages_go_to_the_edges_that_have_members_once_each(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    struct fake_peer *c = edge_new(fixture, "edgeC3");
    join(fixture, a, 1, "r", "ann");
    join(fixture, a, 2, "r", "amy");
    join(fixture, b, 1, "r", "bob");
    join(fixture, c, 1, "other", "cat");
    hear_nothing_yet(fixture);
    send(fixture, a, 3, "r", "ann", "hello");
    assert_peer_heard(a, "room_message r 1 ann hello origin=edgeA1#3\nsend_done #3 seq=1\n");
    assert_peer_heard(b, "room_message r 1 ann hello origin=edgeA1#3\n");
    assert_peer_heard(c, "");
}

static void test_a_sender_s_edge_gets_the_message_also_without_members(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    join(fixture, b, 1, "r", "bob");
    hear_nothing_yet(fixture);
    send(fixture, a, 3, "r", "ann", "hello");
    assert_peer_heard(a, "room_message r 1 ann hello origin=edgeA1#3\nsend_done #3 seq=1\n");
    assert_peer_heard(b, "room_message r 1 ann hello origin=edgeA1#3\n");
}

static void test_an_edge_whose_last_member_left_hears_no_more_of_the_room(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    join(fixture, a, 1, "r", "ann");
    join(fixture, b, 1, "r", "bob");
    leave(fixture, b, "r", "bob", false); /* in its grace period: still a member, on no edge */
    hear_nothing_yet(fixture);
    send(fixture, a, 2, "r", "ann", "hello");
    assert_peer_heard(b, "");
}

static void test_all_members_see_one_order_whatever_edges_they_send_from(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edges[] = {edge_new(fixture, "edgeA1"), edge_new(fixture, "edgeB2"),
                                 edge_new(fixture, "edgeC3")};
    for (size_t i = 0; i < 3; i++) {
        join(fixture, edges[i], 1, "r", edges[i]->incarnation);
    }
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    for (uint64_t i = 0; i < 30; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", (int)i);
        struct bus_message message = sending(100 + i, "r", "x", id, false);
        assert_int_equal(link_send(&edges[i * 7 % 3]->end.link, &message), 0);
        if (i % 4 == 3) {
            settle(fixture);
        }
        if (fixture->store.batch != NULL && i % 5 == 0) {
            finish_commit(fixture, 0);
        }
    }
    fixture->store_waits = false;
    settle(fixture);
    uint64_t last = 0;
    for (size_t i = 0; i < 3; i++) { /* newest first, without the acknowledgements */
        const struct heard *first = edges[0]->end.heard, *other = edges[i]->end.heard;
        size_t count = 0;
        for (;;) {
            while (first != NULL && first->message.type != BUS_ROOM_MESSAGE) {
                first = first->next;
            }
            while (other != NULL && other->message.type != BUS_ROOM_MESSAGE) {
                other = other->next;
            }
            if (first == NULL || other == NULL) {
                break;
            }
            assert_int_equal(first->message.room_message.seq, other->message.room_message.seq);
            assert_true(
                slice_equals(first->message.room_message.id, other->message.room_message.id));
            assert_true(last == 0 || first->message.room_message.seq == last - 1);
            last = first->message.room_message.seq;
            first = first->next;
            other = other->next;
            count++;
        }
        assert_null(first);
        assert_null(other);
        assert_int_equal(count, 30);
        last = 0;
    }
}

static void test_rooms_are_numbered_each_for_itself(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r1", "ann", "a");
    send(fixture, edge, 2, "r2", "ann", "b");
    send(fixture, edge, 3, "r1", "ann", "c");
    assert_peer_heard(edge, "room_message r1 1 ann a origin=edgeA1#1\nsend_done #1 seq=1\n"
                            "room_message r2 1 ann b origin=edgeA1#2\nsend_done #2 seq=1\n"
                            "room_message r1 2 ann c origin=edgeA1#3\nsend_done #3 seq=2\n");
    assert_int_equal(fixture->store.room_count, 2);
}

static void test_a_room_comes_into_the_store_with_its_first_message(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "a room with a name", "ann");
    assert_int_equal(fixture->store.room_count, 0);
    struct bus_message message = sending(2, "a room with a name", "ann", "m", false);
    say(fixture, edge, &message);
    assert_int_equal(fixture->store.room_count, 1);
    const struct room_record *room = &fixture->store.rooms[0];
    assert_true(slice_is(room->id, "a room with a name"));
    assert_true(slice_is(room->name, "Chat a room w"));
    assert_true(slice_is(room->type, "GROUP"));
    assert_true(slice_is(room->source_type, "auto_created"));
    assert_true(slice_is(room->metadata, "{}"));
    assert_false(room->has_participants);
    assert_int_equal(room->created_at, fixture->now.wall);
    assert_int_equal(room->epoch, last_of(edge, BUS_JOINED)->joined.epoch);
    send(fixture, edge, 3, "a room with a name", "ann", "n");
    assert_int_equal(fixture->store.room_count, 1);
}

static void test_a_direct_channel_keeps_its_type_and_metadata(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message message = sending(1, "dm", "ann", "m", false);
    message.send.channel_type = SLICE_LITERAL("DM");
    message.send.channel_metadata = SLICE_LITERAL("{\"isDm\":true}");
    message.send.server_id = SLICE_LITERAL("server");
    say(fixture, edge, &message);
    assert_true(slice_is(fixture->store.rooms[0].type, "DM"));
    assert_true(slice_is(fixture->store.rooms[0].name, "DM dm"));
    assert_true(slice_is(fixture->store.rooms[0].metadata, "{\"isDm\":true}"));
    assert_true(slice_is(fixture->store.rooms[0].server_id, "server"));
}

static void test_beyond_rooms_max_joins_and_sends_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.rooms_max = 2;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r1", "ann");
    send(fixture, edge, 2, "r2", "ann", "m");
    hear_nothing_yet(fixture);
    join(fixture, edge, 3, "r3", "ann");
    send(fixture, edge, 4, "r3", "ann", "n");
    assert_peer_heard(edge, "joined #3 r3 error=limit_reached\n"
                            "send_done #4 error=limit_reached retry=1000\n");
    assert_int_equal(counted(fixture)->refused >= 2, true);
    join(fixture, edge, 5, "r2", "ann");
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, 0);
}

static void test_beyond_room_members_max_only_newcomers_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.room_members_max = 2;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, edge, 2, "r", "bob");
    hear_nothing_yet(fixture);
    join(fixture, edge, 3, "r", "cat");
    join(fixture, edge, 4, "r", "ann"); /* another tab */
    assert_peer_heard(edge, "joined #3 r error=limit_reached\n"
                            "joined #4 r last=0 count=2 members=ann*2,bob\n");
}

static void test_a_room_nobody_is_in_and_nothing_was_said_in_is_let_go_of(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    join(fixture, edge, 2, "q", "ann");
    send(fixture, edge, 3, "q", "ann", "m");
    leave(fixture, edge, "r", "ann", true);
    leave(fixture, edge, "q", "ann", true);
    pass(fixture, 50);
    assert_int_equal(counted(fixture)->rooms, 1); /* q has a history */
    join(fixture, edge, 4, "s", "ann");
    kill_peer(edge);
    pass(fixture, 9000);
    assert_int_equal(counted(fixture)->rooms, 1);
}

/* --- channels, members, signals, receipts ---------------------------------------------------- */

static void put_channel(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                        const char *first, const char *second)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_text one = {text(first)}, two = {text(second)};
    if (first != NULL) {
        bus_list_add(&list, BUS_ELEMENT_TEXT, &one);
    }
    if (second != NULL) {
        bus_list_add(&list, BUS_ELEMENT_TEXT, &two);
    }
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .trace = 99,
                                  .channel_put = {.request = request,
                                                  .id = SLICE_LITERAL(NIL_UUID),
                                                  .server_id = SLICE_LITERAL("s"),
                                                  .name = SLICE_LITERAL("Team"),
                                                  .type = SLICE_LITERAL("GROUP"),
                                                  .metadata = SLICE_LITERAL("{\"a\":1}"),
                                                  .participants = bus_list_of(&list)}};
    say(fixture, edge, &message);
    buffer_deinit(&list.bytes);
}

static void test_a_channel_is_answered_when_it_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    fixture->store_waits = true;
    put_channel(fixture, edge, 5, "eliza", "ann");
    assert_peer_heard(edge, "");
    commit(fixture);
    assert_peer_heard(edge, "channel #5 name=Team participants=eliza,ann\n");
    const struct bus_message *message = last_of(edge, BUS_CHANNEL);
    const struct bus_channel *channel = &message->channel;
    assert_int_equal(message->trace, 99);
    assert_true(uuid_is_valid(channel->id));
    assert_true(slice_is(channel->server_id, "s"));
    assert_true(slice_is(channel->metadata, "{\"a\":1}"));
    assert_int_equal(channel->created_at, fixture->now.wall);
    assert_true(fixture->store.rooms[0].has_participants);
    assert_int_equal(fixture->store.rooms[0].epoch, channel->epoch);
    assert_int_equal(fixture->store.participant_count, 2);
}

static void test_a_channel_that_could_not_be_committed_never_was(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    fixture->store_waits = true;
    put_channel(fixture, edge, 5, "eliza", NULL);
    fail_commit(fixture);
    assert_peer_heard(edge, "channel #5 error=overloaded name= participants=\n");
    assert_int_equal(counted(fixture)->rooms, 0);
}

static void test_a_channel_with_a_nameless_participant_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    put_channel(fixture, edge, 5, "eliza", "");
    assert_peer_heard(edge, "channel #5 error=malformed name= participants=\n");
    assert_int_equal(counted(fixture)->rooms, 0);
}

static void test_members_are_paged(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (uint64_t i = 0; i < 5; i++) {
        join(fixture, edge, i + 1, "r", names[i]);
    }
    hear_nothing_yet(fixture);
    struct bus_message message = {
        .type = BUS_MEMBERS,
        .trace = 78,
        .members = {.request = 9, .room = SLICE_LITERAL("r"), .offset = 0, .limit = 2}};
    say(fixture, edge, &message);
    assert_int_equal(last_of(edge, BUS_MEMBERS_PAGE)->trace, 78);
    message.members.offset = 2;
    say(fixture, edge, &message);
    message.members.offset = 4;
    say(fixture, edge, &message);
    message.members.offset = 5;
    say(fixture, edge, &message);
    message.members.offset = UINT64_MAX;
    say(fixture, edge, &message);
    message.members.room = SLICE_LITERAL("nowhere");
    say(fixture, edge, &message);
    assert_peer_heard(edge, "members_page #9 total=5 a,b\nmembers_page #9 total=5 c,d\n"
                            "members_page #9 total=5 e\nmembers_page #9 total=5 \n"
                            "members_page #9 total=5 \nmembers_page #9 total=0 \n");
    assert_int_equal(counted(fixture)->rooms, 1); /* asking makes no room */
}

static void test_signals_are_passed_on_to_the_edges_that_have_members(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    struct fake_peer *c = edge_new(fixture, "edgeC3");
    join(fixture, a, 1, "r", "ann");
    join(fixture, b, 1, "r", "bob");
    hear_nothing_yet(fixture);
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .trace = 5,
                                  .signal = {.room = SLICE_LITERAL("r"),
                                             .kind = BUS_SIGNAL_TYPING,
                                             .entity = SLICE_LITERAL("ann"),
                                             .is_on = true}};
    say(fixture, a, &message);
    message.signal.room = SLICE_LITERAL("nowhere");
    say(fixture, c, &message);
    assert_peer_heard(a, "signal r 0 ann on\n");
    assert_peer_heard(b, "signal r 0 ann on\n");
    assert_peer_heard(c, "");
    assert_int_equal(last_of(b, BUS_SIGNAL)->trace, 5);
    assert_int_equal(fixture->store.message_count, 0);
    assert_int_equal(counted(fixture)->rooms, 1);
}

static void test_a_receipt_goes_only_where_the_author_is(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *a = edge_new(fixture, "edgeA1");
    struct fake_peer *b = edge_new(fixture, "edgeB2");
    join(fixture, a, 1, "r", "ann");
    join(fixture, b, 1, "r", "bob");
    send(fixture, a, 2, "r", "ann", "m");
    struct slice id = last_of(a, BUS_SEND_DONE)->send_done.message_id;
    hear_nothing_yet(fixture);
    struct bus_message message = {.type = BUS_RECEIPT,
                                  .trace = 6,
                                  .receipt = {.request = 4,
                                              .message_id = id,
                                              .user = SLICE_LITERAL("bob"),
                                              .status = SLICE_LITERAL("read")}};
    say(fixture, b, &message);
    assert_peer_heard(a, "receipt_note r author=ann bob=read\n");
    assert_peer_heard(b, "done #4\n");
    assert_true(slice_equals(last_of(a, BUS_RECEIPT_NOTE)->receipt_note.message_id, id));
    message.receipt.message_id = SLICE_LITERAL("unknown");
    say(fixture, b, &message);
    fixture->store_is_down = true;
    message.receipt.message_id = id;
    say(fixture, b, &message);
    assert_peer_heard(a, "");
    assert_peer_heard(b, "done #4 error=not_found\ndone #4 error=store_failed\n");
}

static void test_history_is_newest_first_and_empty_for_a_room_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r", "ann", "a");
    send(fixture, edge, 2, "r", "ann", "b");
    send(fixture, edge, 3, "r", "ann", "c");
    uint64_t epoch = last_of(edge, BUS_SEND_DONE)->send_done.epoch;
    hear_nothing_yet(fixture);
    struct bus_message message = {
        .type = BUS_HISTORY,
        .trace = 77,
        .history = {.request = 4, .room = SLICE_LITERAL("r"), .limit = 2}};
    say(fixture, edge, &message);
    assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->history_page.epoch, epoch);
    assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->trace, 77);
    message.history.limit = UINT64_MAX;
    say(fixture, edge, &message);
    message.history.limit = 0;
    say(fixture, edge, &message);
    message.history.room = SLICE_LITERAL("nowhere");
    message.history.limit = 50;
    say(fixture, edge, &message);
    fixture->store_is_down = true;
    message.history.room = SLICE_LITERAL("r");
    say(fixture, edge, &message);
    assert_peer_heard(edge, "history_page #4 3:c,2:b\nhistory_page #4 3:c,2:b,1:a\n"
                            "history_page #4 \nhistory_page #4 \n"
                            "history_page #4  error=store_failed\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_a_join_is_answered_with_the_room_and_who_is_there),
        ROUTER_TEST(test_a_room_keeps_the_server_id_of_whoever_came_first),
        ROUTER_TEST(test_a_room_s_messages_go_to_the_edges_that_have_members_once_each),
        ROUTER_TEST(test_a_sender_s_edge_gets_the_message_also_without_members),
        ROUTER_TEST(test_an_edge_whose_last_member_left_hears_no_more_of_the_room),
        ROUTER_TEST(test_all_members_see_one_order_whatever_edges_they_send_from),
        ROUTER_TEST(test_rooms_are_numbered_each_for_itself),
        ROUTER_TEST(test_a_room_comes_into_the_store_with_its_first_message),
        ROUTER_TEST(test_a_direct_channel_keeps_its_type_and_metadata),
        ROUTER_TEST(test_beyond_rooms_max_joins_and_sends_are_refused),
        ROUTER_TEST(test_beyond_room_members_max_only_newcomers_are_refused),
        ROUTER_TEST(test_a_room_nobody_is_in_and_nothing_was_said_in_is_let_go_of),
        ROUTER_TEST(test_a_channel_is_answered_when_it_is_committed),
        ROUTER_TEST(test_a_channel_that_could_not_be_committed_never_was),
        ROUTER_TEST(test_a_channel_with_a_nameless_participant_is_refused),
        ROUTER_TEST(test_members_are_paged),
        ROUTER_TEST(test_signals_are_passed_on_to_the_edges_that_have_members),
        ROUTER_TEST(test_a_receipt_goes_only_where_the_author_is),
        ROUTER_TEST(test_history_is_newest_first_and_empty_for_a_room_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
