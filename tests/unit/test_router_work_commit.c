#include "tests/unit/work_fixture.h"

/* Jobs and the transactions they begin and end in, also those that fail. */

static void test_question_and_job_are_one_transaction_and_work_begins_after_it(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    fixture->store_waits = true;
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    assert_int_equal(fixture->store.batch->last->type, STORE_ADD_JOB);
    pass(fixture, 500);
    assert_peer_heard(cast.bridge, "");
    commit(fixture);
    assert_peer_heard(cast.bridge, "work 1.1 r eliza hello backlog=0\n");
    assert_true(slice_is(fixture->store.jobs[0].asker_edge, "edgeA1"));
    assert_true(slice_equals(fixture->store.jobs[0].question, fixture->store.messages[0].id));
}

static void test_a_question_that_could_not_be_committed_makes_no_work(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    fixture->store_waits = true;
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    fail_commit(fixture);
    assert_peer_heard(cast.bridge, "");
    assert_int_equal(counted(fixture)->jobs, 0);
}

static void test_reply_and_end_of_the_job_are_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "why");
    const struct store_batch *batch = fixture->store.batch;
    assert_int_equal(batch->first->type, STORE_ADD_MESSAGE);
    assert_int_equal(batch->first->next->type, STORE_FINISH_JOB);
    assert_peer_heard(cast.edge, ""); /* not before it is committed */
    commit(fixture);
    assert_peer_heard(cast.edge, "room_message r 2 eliza why reply\n");
}

/* --- commits that fail ----------------------------------------------------------------------- */

static void test_a_reply_that_could_not_be_committed_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather_asked(fixture, 4);
    fixture->store_waits = true;
    chunk(fixture, cast.bridge, 1, 1, "a1");
    work_failed(fixture, cast.bridge, 9, 9); /* nothing of ours */
    work_done(fixture, cast.bridge, 1, 1, "a1");
    fail_commit(fixture);
    fixture->store_waits = false;
    pass(fixture, 250); /* work rests after a failed commit */
    assert_peer_heard(cast.bridge, "work 2.1 r eliza q2 backlog=0\nwork_cancel 2.1\n"
                                   "work 1.2 r eliza q1 backlog=1\n");
    assert_peer_heard(cast.edge, "chunk r 0 a1\n");
    work_done(fixture, cast.bridge, 2, 1, "too early"); /* not ahead of the first one */
    work_done(fixture, cast.bridge, 1, 2, "a1");
    work_done(fixture, cast.bridge, 2, 2, "a2");
    assert_peer_heard(cast.edge, "room_message r 4 eliza a1 reply\nrun r started eliza\n"
                                 "room_message r 5 eliza a2 reply\n");
    assert_int_equal(counted(fixture)->replies, 2);
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(fixture->store.message_count, 4);
}

static void test_a_later_answer_waits_for_an_earlier_one_that_may_fail(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather_asked(fixture, 4);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "a1");
    work_done(fixture, cast.bridge, 2, 1, "a2");
    commit(fixture); /* the first one */
    assert_peer_heard(cast.edge, "room_message r 3 eliza a1 reply\n");
    commit(fixture);
    assert_peer_heard(cast.edge, "room_message r 4 eliza a2 reply\n");
    ask(fixture, cast.edge, 4, "r", "ann", "q3");
    commit(fixture);
    ask(fixture, cast.edge, 5, "r", "ann", "q4");
    commit(fixture);
    hear_nothing_yet(fixture);
    work_done(fixture, cast.bridge, 3, 1, "a3");
    work_done(fixture, cast.bridge, 4, 1, "a4");
    fail_commit(fixture); /* both are asked for again */
    fixture->store_waits = false;
    pass(fixture, 250);
    work_done(fixture, cast.bridge, 3, 2, "a3");
    work_done(fixture, cast.bridge, 4, 2, "a4");
    assert_int_equal(fixture->store.message_count, 8);
    assert_int_equal(counted(fixture)->replies, 4);
    assert_true(slice_is(fixture->store.messages[6].body, "a3"));
    assert_true(slice_is(fixture->store.messages[7].body, "a4"));
}

static void test_replies_of_one_failed_batch_are_asked_for_again_in_their_order(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    ask(fixture, cast.edge, 4, "r", "ann", "q3");
    fixture->store_waits = true;
    ask(fixture, cast.edge, 5, "q", "ann", "other"); /* keeps the store busy */
    work_done(fixture, cast.bridge, 1, 1, "a1");
    work_done(fixture, cast.bridge, 2, 1, "a2");
    work_done(fixture, cast.bridge, 3, 1, "a3");
    finish_commit(fixture, 0);
    hear_nothing_yet(fixture);
    fail_commit(fixture); /* all three replies */
    fixture->store_waits = false;
    hear_nothing_yet(fixture);
    pass(fixture, 250); /* work rests after a failed commit */
    for (uint64_t job = 1; job <= 3; job++) {
        char answer_text[8];
        const struct bus_work *work = NULL;
        for (struct heard *at = cast.bridge->end.heard; at != NULL && work == NULL; at = at->next) {
            bool is_in_r = at->message.type == BUS_WORK && slice_is(at->message.work.room, "r");
            work = is_in_r ? &at->message.work : NULL;
        }
        assert_non_null(work);
        assert_int_equal(work->job, job);
        assert_int_equal(work->attempt, 2);
        snprintf(answer_text, sizeof(answer_text), "a%d", (int)job);
        work_done(fixture, cast.bridge, job, 2, answer_text);
    }
    struct buffer *lines = &cast.edge->end.lines;
    assert_lines(lines, "room_message r 7 eliza a1 reply\nrun r started eliza\n"
                        "room_message r 8 eliza a2 reply\nrun r started eliza\n"
                        "room_message r 9 eliza a3 reply\n");
}

static void test_a_cancellation_that_could_not_be_committed_leaves_the_job_waiting(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    say_stop(fixture, cast.edge);
    fail_commit(fixture);
    fixture->store_waits = false;
    pass(fixture, 250); /* work rests after a failed commit */
    assert_peer_heard(cast.bridge, "work_cancel 1.1\nwork 1.2 r eliza q1 backlog=0\n");
    work_done(fixture, cast.bridge, 1, 2, "a1");
    assert_peer_heard(cast.edge, "signal r 2 ann stop\nroom_message r 2 eliza a1 reply\n");
}

static int64_t told_of_question(struct fixture *fixture, struct cast *cast, const char *id)
{
    struct bus_message message = {
        .type = BUS_JOB_GET,
        .job_get = {.request = 9, .room = SLICE_LITERAL("r"), .question = slice_of_string(id)}};
    say(fixture, cast->edge, &message);
    assert_int_equal(last_of(cast->edge, BUS_DONE)->done.request, 9);
    return last_of(cast->edge, BUS_DONE)->done.error;
}

static void test_a_question_is_open_until_the_end_of_it_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    char id[UUID_TEXT_SIZE] = "";
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    memcpy(id, last_of(cast.edge, BUS_SEND_DONE)->send_done.message_id.data, UUID_TEXT_LENGTH);
    assert_int_equal(told_of_question(fixture, &cast, id), 0);
    assert_int_equal(told_of_question(fixture, &cast, "another"), ERROR_NOT_FOUND);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "why");
    assert_int_equal(told_of_question(fixture, &cast, id), 0);
    commit(fixture);
    assert_int_equal(told_of_question(fixture, &cast, id), ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_a_question_is_open_until_the_end_of_it_is_committed),
        ROUTER_TEST(test_question_and_job_are_one_transaction_and_work_begins_after_it),
        ROUTER_TEST(test_a_question_that_could_not_be_committed_makes_no_work),
        ROUTER_TEST(test_reply_and_end_of_the_job_are_one_transaction),
        ROUTER_TEST(test_a_reply_that_could_not_be_committed_is_asked_for_again),
        ROUTER_TEST(test_a_later_answer_waits_for_an_earlier_one_that_may_fail),
        ROUTER_TEST(test_replies_of_one_failed_batch_are_asked_for_again_in_their_order),
        ROUTER_TEST(test_a_cancellation_that_could_not_be_committed_leaves_the_job_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
