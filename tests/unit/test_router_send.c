#include "tests/unit/router_fixture.h"

/* An edge with Ann in r, over a store that the test works by hand. */
static struct fake_peer *one_member(struct fixture *fixture)
{
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    return edge;
}

static void test_nothing_is_said_of_a_message_before_it_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    pass(fixture, 1000);
    assert_peer_heard(edge, "");
    assert_non_null(fixture->store.batch);
    commit(fixture);
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#2\nsend_done #2 seq=1\n");
    assert_int_equal(fixture->store.message_count, 1);
    assert_int_equal(counted(fixture)->messages, 1);
}

static void test_the_acknowledgement_the_broadcast_and_the_store_agree(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    commit(fixture);
    const struct bus_message *done = last_of(edge, BUS_SEND_DONE);
    const struct bus_message *message = last_of(edge, BUS_ROOM_MESSAGE);
    const struct message_record *stored = &fixture->store.messages[0];
    assert_int_equal(done->trace, 1002);
    assert_int_equal(message->trace, 1002);
    assert_true(uuid_is_valid(done->send_done.message_id));
    assert_true(slice_equals(done->send_done.message_id, message->room_message.id));
    assert_true(slice_equals(done->send_done.message_id, stored->id));
    assert_int_equal(done->send_done.seq, message->room_message.seq);
    assert_int_equal(done->send_done.seq, stored->seq);
    assert_int_equal(done->send_done.epoch, message->room_message.epoch);
    assert_int_equal(done->send_done.epoch, fixture->store.rooms[0].epoch);
    assert_int_equal(done->send_done.created_at, message->room_message.created_at);
    assert_int_equal(done->send_done.created_at, stored->created_at);
    assert_true(slice_is(stored->client_message_id, "m"));
    assert_true(slice_is(stored->body, "m"));
    assert_int_equal(stored->kind, MESSAGE_KIND_USER);
    assert_int_equal(message->room_message.asker.length, 0);
}

static void test_while_one_batch_is_with_the_store_the_next_one_fills(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "a");
    send(fixture, edge, 3, "r", "ann", "b");
    send(fixture, edge, 4, "r", "ann", "c");
    assert_int_equal(fixture->store.batch->messages, 1);
    finish_commit(fixture, 0);
    settle(fixture);
    assert_peer_heard(edge, "room_message r 1 ann a origin=edgeA1#2\nsend_done #2 seq=1\n");
    assert_int_equal(fixture->store.batch->messages, 2);
    commit(fixture);
    assert_peer_heard(edge, "room_message r 2 ann b origin=edgeA1#3\nsend_done #3 seq=2\n"
                            "room_message r 3 ann c origin=edgeA1#4\nsend_done #4 seq=3\n");
    assert_null(fixture->store.batch);
    assert_true(router_is_settled(fixture->router));
}

static void test_a_message_and_its_new_room_are_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "a");
    const struct store_operation *first = fixture->store.batch->first;
    assert_int_equal(fixture->store.batch->operations, 3);
    assert_int_equal(first->type, STORE_PUT_ROOM);
    assert_int_equal(first->next->type, STORE_ADD_MESSAGE);
    assert_int_equal(first->next->next->type, STORE_ADD_PARTICIPANT); /* who speaks is noted */
}

/* --- a commit that fails --------------------------------------------------------------------- */

static void test_a_failed_commit_is_overloaded_and_a_repeat_gets_through(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    const char *reason;
    send(fixture, edge, 2, "r", "ann", "m");
    fail_commit(fixture);
    assert_peer_heard(edge, "send_done #2 error=overloaded retry=1000\n");
    assert_int_equal(fixture->store.message_count, 0);
    assert_false(router_is_ready(fixture->router, &reason));
    assert_string_equal(reason, "store");
    send(fixture, edge, 3, "r", "ann", "m");
    commit(fixture);
    assert_peer_heard(edge, "room_message r 2 ann m origin=edgeA1#3\nsend_done #3 seq=2\n");
    assert_int_equal(fixture->store.message_count, 1);
    assert_int_equal(fixture->store.room_count, 1); /* its row was in the batch that failed */
    assert_true(router_is_ready(fixture->router, &reason));
    assert_int_equal(counted(fixture)->commit_failures, 1);
}

static void test_a_batch_that_filled_during_a_failed_one_has_the_room_s_row(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "a"); /* with the store, with the row of r */
    send(fixture, edge, 3, "r", "ann", "b"); /* in the next batch */
    finish_commit(fixture, ERROR_STORE);
    commit(fixture);
    assert_peer_heard(edge, "send_done #2 error=overloaded retry=1000\n"
                            "room_message r 2 ann b origin=edgeA1#3\nsend_done #3 seq=2\n");
    assert_int_equal(fixture->store.message_count, 1);
    assert_int_equal(fixture->store.room_count, 1); /* else b would be lost with a restart */
}

static void test_a_failed_batch_refuses_each_of_its_messages(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "first");
    send(fixture, edge, 3, "r", "ann", "a");
    send(fixture, edge, 4, "q", "ann", "b");
    commit(fixture);
    hear_nothing_yet(fixture);
    fail_commit(fixture);
    assert_peer_heard(edge, "send_done #3 error=overloaded retry=1000\n"
                            "send_done #4 error=overloaded retry=1000\n");
    send(fixture, edge, 5, "r", "ann", "c");
    commit(fixture);
    assert_peer_heard(edge, "room_message r 3 ann c origin=edgeA1#5\nsend_done #5 seq=3\n");
}

/* --- idempotence ----------------------------------------------------------------------------- */

static void test_a_repeat_gets_the_first_one_s_answer_and_duplicate(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    commit(fixture);
    const struct bus_send_done first = last_of(edge, BUS_SEND_DONE)->send_done;
    pass(fixture, 1000);
    hear_nothing_yet(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    send(fixture, other, 9, "r", "ann", "m");
    assert_peer_heard(other, "send_done #9 seq=1 duplicate\n"); /* nothing to wait for */
    assert_peer_heard(edge, "");
    const struct bus_send_done *second = &last_of(other, BUS_SEND_DONE)->send_done;
    assert_true(slice_equals(first.message_id, second->message_id));
    assert_int_equal(first.epoch, second->epoch);
    assert_int_equal(first.created_at, second->created_at);
    assert_null(fixture->store.batch);
    assert_int_equal(counted(fixture)->duplicates, 1);
}

static void test_a_repeat_of_what_is_with_the_store_waits_for_its_commit(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m"); /* with the store */
    send(fixture, edge, 3, "r", "ann", "m");
    send(fixture, edge, 4, "r", "ann", "n"); /* in the open batch, and its repeat too */
    send(fixture, edge, 5, "r", "ann", "n");
    assert_peer_heard(edge, "");
    finish_commit(fixture, 0);
    settle(fixture);
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#2\nsend_done #2 seq=1\n");
    commit(fixture);
    assert_peer_heard(edge, "send_done #3 seq=1 duplicate\n"
                            "room_message r 2 ann n origin=edgeA1#4\nsend_done #4 seq=2\n"
                            "send_done #5 seq=2 duplicate\n");
    assert_int_equal(fixture->store.message_count, 2);
}

static void test_a_repeat_of_what_could_not_be_committed_is_overloaded_too(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    send(fixture, edge, 3, "r", "ann", "m");
    finish_commit(fixture, ERROR_STORE);
    commit(fixture);
    const struct bus_send_done *done = &last_of(edge, BUS_SEND_DONE)->send_done;
    assert_int_equal(done->request, 3);
    assert_int_equal(done->error, ERROR_OVERLOADED);
    assert_int_equal(done->retry_after, 1000);
    send(fixture, edge, 4, "r", "ann", "m");
    commit(fixture);
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    assert_int_equal(fixture->store.message_count, 1);
}

static void test_a_repeat_is_never_acknowledged_by_a_message_that_is_not_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m"); /* batch 1 */
    send(fixture, edge, 3, "r", "ann", "m"); /* batch 2: the answer to a repeat */
    finish_commit(fixture, ERROR_STORE);
    router_flush(fixture->router, fixture->now); /* batch 2 is with the store */
    send(fixture, edge, 4, "r", "ann", "m");     /* batch 3: sent anew */
    hear_nothing_yet(fixture);
    finish_commit(fixture, 0);
    settle(fixture);
    assert_peer_heard(edge, "send_done #3 error=overloaded retry=1000\n");
    finish_commit(fixture, ERROR_STORE); /* nothing was acknowledged that is lost now */
    settle(fixture);
    assert_peer_heard(edge, "send_done #4 error=overloaded retry=1000\n");
}

static void test_another_room_sender_or_id_is_another_message(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 2, "r", "ann", "m");
    send(fixture, edge, 3, "q", "ann", "m");
    send(fixture, edge, 4, "r", "bob", "m");
    send(fixture, edge, 5, "r", "ann", "M");
    assert_int_equal(counted(fixture)->duplicates, 0);
    assert_int_equal(fixture->store.message_count, 4);
}

static void test_a_repeat_is_a_repeat_also_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 2, "r", "ann", "m");
    const struct bus_send_done first = last_of(edge, BUS_SEND_DONE)->send_done;
    restart_router(fixture);
    open_edge(fixture, edge);
    hear_nothing_yet(fixture);
    send(fixture, edge, 3, "r", "ann", "m");
    assert_peer_heard(edge, "send_done #3 seq=1 duplicate\n");
    const struct bus_send_done *second = &last_of(edge, BUS_SEND_DONE)->send_done;
    assert_true(slice_equals(first.message_id, second->message_id));
    assert_int_equal(first.epoch, second->epoch);
    assert_int_equal(first.created_at, second->created_at);
    assert_int_equal(fixture->store.message_count, 1);
}

static void test_what_was_not_committed_before_a_restart_is_sent_anew(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    restart_router(fixture); /* with the batch under way */
    open_edge(fixture, edge);
    send(fixture, edge, 2, "r", "ann", "m");
    commit(fixture);
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#2\nsend_done #2 seq=1\n");
}

static void test_a_message_id_is_remembered_for_its_window(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.dedupe_window = 20000;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r", "ann", "m");
    pass(fixture, 20000);
    send(fixture, edge, 2, "r", "ann", "m");
    assert_int_equal(counted(fixture)->duplicates, 1);
    pass(fixture, 50);
    send(fixture, edge, 3, "r", "ann", "m");
    assert_int_equal(counted(fixture)->duplicates, 1);
    assert_int_equal(fixture->store.message_count, 2);
}

static void test_evicted_message_ids_are_counted_and_acknowledged_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.dedupe_limit = 1;
    restart_with(fixture, settings);
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "a");
    send(fixture, edge, 3, "r", "ann", "b");
    send(fixture, edge, 4, "r", "ann", "c");
    finish_commit(fixture, 0);
    commit(fixture);
    assert_peer_heard(edge, "room_message r 1 ann a origin=edgeA1#2\nsend_done #2 seq=1\n"
                            "room_message r 2 ann b origin=edgeA1#3\nsend_done #3 seq=2\n"
                            "room_message r 3 ann c origin=edgeA1#4\nsend_done #4 seq=3\n");
    assert_int_equal(counted(fixture)->dedupe_evicted, 2);
}

/* --- order and time -------------------------------------------------------------------------- */

static void test_created_at_never_falls_whatever_the_clock_does(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    int64_t start = fixture->now.wall;
    send(fixture, edge, 1, "r", "ann", "a");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.created_at, start);
    fixture->now.wall = start - 60000; /* set back */
    send(fixture, edge, 2, "r", "ann", "b");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.created_at, start);
    restart_router(fixture); /* and still so afterwards */
    open_edge(fixture, edge);
    send(fixture, edge, 3, "r", "ann", "c");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.created_at, start);
    send(fixture, edge, 4, "q", "ann", "d"); /* another room has its own time */
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.created_at, start - 60000);
    fixture->now.wall = start + 5;
    send(fixture, edge, 5, "r", "ann", "e");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.created_at, start + 5);
}

static void test_the_sequence_and_its_epoch_go_on_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r", "ann", "a");
    send(fixture, edge, 2, "r", "ann", "b");
    uint64_t epoch = last_of(edge, BUS_SEND_DONE)->send_done.epoch;
    restart_router(fixture);
    open_edge(fixture, edge);
    hear_nothing_yet(fixture);
    send(fixture, edge, 3, "r", "ann", "c");
    assert_peer_heard(edge, "room_message r 3 ann c origin=edgeA1#3\nsend_done #3 seq=3\n");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.epoch, epoch);
}

static void test_a_room_that_lost_its_history_has_another_epoch(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r", "ann", "a");
    uint64_t epoch = last_of(edge, BUS_SEND_DONE)->send_done.epoch;
    fixture->store.room_count = fixture->store.message_count = 0; /* another database */
    restart_router(fixture);
    open_edge(fixture, edge);
    hear_nothing_yet(fixture);
    send(fixture, edge, 2, "r", "ann", "a");
    assert_peer_heard(edge, "room_message r 1 ann a origin=edgeA1#2\nsend_done #2 seq=1\n");
    assert_int_not_equal(last_of(edge, BUS_SEND_DONE)->send_done.epoch, epoch);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void
test_beyond_batch_bytes_max_sends_are_overloaded_until_the_store_is_through(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.batch_bytes_max = 1000;
    restart_with(fixture, settings);
    struct fake_peer *edge = one_member(fixture);
    char long_id[200];
    memset(long_id, 'x', sizeof(long_id));
    send(fixture, edge, 2, "r", "ann", "first"); /* with the store */
    for (uint64_t i = 0; i < 4; i++) {
        snprintf(long_id, sizeof(long_id), "%0150d", (int)i);
        send(fixture, edge, 3 + i, "r", "ann", long_id);
    }
    assert_peer_heard(edge, "send_done #6 error=overloaded retry=1000\n");
    assert_int_equal(counted(fixture)->refused, 1);
    finish_commit(fixture, 0);
    commit(fixture);
    send(fixture, edge, 6, "r", "ann", long_id);
    commit(fixture);
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    assert_int_equal(fixture->store.message_count, 5);
}

static void test_an_edge_that_came_back_gets_the_answers_to_what_its_former_link_asked(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    send(fixture, edge, 2, "r", "ann", "m");
    open_edge(fixture, edge); /* in between */
    send(fixture, edge, 2, "r", "ann", "m");
    finish_commit(fixture, 0);
    commit(fixture);
    assert_peer_heard(edge, "room_message r 1 ann m origin=edgeA1#2\nsend_done #2 seq=1\n"
                            "send_done #2 seq=1 duplicate\n");
}

static void test_a_message_of_an_edge_that_died_is_broadcast_once_it_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    struct fake_peer *other = edge_new(fixture, "edgeB2");
    join(fixture, other, 1, "r", "bob");
    send(fixture, edge, 2, "r", "ann", "m");
    hear_nothing_yet(fixture);
    kill_peer(edge);
    pass(fixture, 4000);
    commit(fixture);
    assert_peer_heard(other, "room_message r 1 ann m origin=edgeA1#2\n");
}

static void test_what_the_bus_forbids_is_refused_and_not_asserted_on(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "", "ann", "m"); /* a room has a name */
    assert_peer_heard(edge, "send_done #1 error=malformed\n");
    join(fixture, edge, 2, "", "ann");
    assert_peer_heard(edge, "joined #2  error=malformed\n");
    sync_room(fixture, edge, "", 1, 0, "ann");
    assert_int_equal(counted(fixture)->rooms, 0);
    send(fixture, edge, 3, "r", "ann", "m");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_nothing_is_said_of_a_message_before_it_is_committed),
        ROUTER_TEST(test_the_acknowledgement_the_broadcast_and_the_store_agree),
        ROUTER_TEST(test_while_one_batch_is_with_the_store_the_next_one_fills),
        ROUTER_TEST(test_a_message_and_its_new_room_are_one_transaction),
        ROUTER_TEST(test_a_failed_commit_is_overloaded_and_a_repeat_gets_through),
        ROUTER_TEST(test_a_batch_that_filled_during_a_failed_one_has_the_room_s_row),
        ROUTER_TEST(test_a_failed_batch_refuses_each_of_its_messages),
        ROUTER_TEST(test_a_repeat_gets_the_first_one_s_answer_and_duplicate),
        ROUTER_TEST(test_a_repeat_of_what_is_with_the_store_waits_for_its_commit),
        ROUTER_TEST(test_a_repeat_of_what_could_not_be_committed_is_overloaded_too),
        ROUTER_TEST(test_a_repeat_is_never_acknowledged_by_a_message_that_is_not_committed),
        ROUTER_TEST(test_another_room_sender_or_id_is_another_message),
        ROUTER_TEST(test_a_repeat_is_a_repeat_also_after_a_restart),
        ROUTER_TEST(test_what_was_not_committed_before_a_restart_is_sent_anew),
        ROUTER_TEST(test_a_message_id_is_remembered_for_its_window),
        ROUTER_TEST(test_evicted_message_ids_are_counted_and_acknowledged_all_the_same),
        ROUTER_TEST(test_created_at_never_falls_whatever_the_clock_does),
        ROUTER_TEST(test_the_sequence_and_its_epoch_go_on_after_a_restart),
        ROUTER_TEST(test_a_room_that_lost_its_history_has_another_epoch),
        ROUTER_TEST(test_beyond_batch_bytes_max_sends_are_overloaded_until_the_store_is_through),
        ROUTER_TEST(test_an_edge_that_came_back_gets_the_answers_to_what_its_former_link_asked),
        ROUTER_TEST(test_a_message_of_an_edge_that_died_is_broadcast_once_it_is_committed),
        ROUTER_TEST(test_what_the_bus_forbids_is_refused_and_not_asserted_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
