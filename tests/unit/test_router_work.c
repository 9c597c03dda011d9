#include "tests/unit/work_fixture.h"

static void test_a_question_becomes_work_and_its_answer_a_message(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    assert_peer_heard(cast.bridge, "work 1.1 r eliza hello backlog=0\n");
    assert_peer_heard(cast.edge,
                      "room_message r 1 ann hello origin=edgeA1#2\nsend_done #2 seq=1 jobs=1\n"
                      "run r started eliza\n");
    chunk(fixture, cast.bridge, 1, 1, "how ");
    chunk(fixture, cast.bridge, 1, 1, "are you");
    work_done(fixture, cast.bridge, 1, 1, "how are you");
    assert_peer_heard(cast.edge, "chunk r 0 how \nchunk r 1 are you\n"
                                 "room_message r 2 eliza how are you reply\n");
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(counted(fixture)->jobs_finished, 1);
    assert_int_equal(counted(fixture)->replies, 1);
    assert_int_equal(fixture->store.jobs[0].state, JOB_DONE);
}

static void test_what_a_bridge_and_the_viewers_are_told_of_a_job_agrees(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    char reply[UUID_TEXT_SIZE];
    ask(fixture, cast.edge, 2, "r", "ann", "hello");
    const struct bus_work *work = &last_of(cast.bridge, BUS_WORK)->work;
    const struct bus_send_done *done = &last_of(cast.edge, BUS_SEND_DONE)->send_done;
    uuid_of_reply(done->message_id, SLICE_LITERAL("eliza"), reply);
    assert_true(slice_equals(work->question, done->message_id));
    assert_true(slice_is(work->reply, reply));
    assert_true(slice_is(work->sender, "ann"));
    assert_true(slice_is(work->server_id, NIL_UUID));
    assert_int_equal(work->created_at, done->created_at);
    chunk(fixture, cast.bridge, 1, 1, "why");
    work_done(fixture, cast.bridge, 1, 1, "why");
    const struct bus_chunk *piece = &last_of(cast.edge, BUS_CHUNK)->chunk;
    assert_true(slice_is(piece->reply, reply) && slice_is(piece->agent, "eliza"));
    assert_true(slice_equals(piece->question, work->question));
    const struct bus_run *run = &last_of(cast.edge, BUS_RUN)->run;
    assert_true(slice_is(run->reply, reply) && slice_is(run->asker, "ann"));
    assert_true(slice_equals(run->question, work->question));
    assert_true(slice_is(run->agent_name, "eliza"));
    const struct bus_room_message *message = &last_of(cast.edge, BUS_ROOM_MESSAGE)->room_message;
    assert_true(slice_is(message->id, reply));
    assert_true(slice_equals(message->in_reply_to, work->question));
    assert_true(slice_is(message->asker, "ann"));
    assert_int_equal(message->kind, MESSAGE_KIND_AGENT);
    assert_true(slice_is(fixture->store.messages[1].id, reply));
    assert_true(slice_equals(fixture->store.messages[1].in_reply_to, work->question));
}

static void test_jobs_of_one_room_and_agent_are_given_out_one_after_the_other(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    ask(fixture, cast.edge, 4, "r", "ann", "q3");
    assert_peer_heard(cast.bridge, "work 1.1 r eliza q1 backlog=0\n");
    ask(fixture, cast.edge, 5, "q", "ann", "other"); /* another room: at the same time */
    assert_peer_heard(cast.bridge, "work 4.1 q eliza other backlog=0\n");
    hear_nothing_yet(fixture);
    work_done(fixture, cast.bridge, 1, 1, "a1");
    assert_peer_heard(cast.bridge, "work 2.1 r eliza q2 backlog=1\n");
    work_failed(fixture, cast.bridge, 2, 1);
    assert_peer_heard(cast.bridge, "work 3.1 r eliza q3 backlog=0\n");
    work_done(fixture, cast.bridge, 3, 1, "a3");
    assert_peer_heard(cast.edge, "room_message r 4 eliza a1 reply\nrun r started eliza\n"
                                 "run r failed eliza agent_failed\nrun r started eliza\n"
                                 "room_message r 5 eliza a3 reply\n");
    assert_int_equal(fixture->store.jobs[1].state, JOB_FAILED);
}

static void test_a_bridge_gets_no_more_than_its_credit(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 2);
    ask(fixture, cast.edge, 2, "r1", "ann", "q1");
    ask(fixture, cast.edge, 3, "r2", "ann", "q2");
    ask(fixture, cast.edge, 4, "r3", "ann", "q3");
    assert_peer_heard(cast.bridge, "work 1.1 r1 eliza q1 backlog=0\n"
                                   "work 2.1 r2 eliza q2 backlog=0\n");
    work_done(fixture, cast.bridge, 2, 1, "a2");
    assert_peer_heard(cast.bridge, "work 3.1 r3 eliza q3 backlog=0\n");
}

static void test_who_waits_longest_is_next(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "eliza");
    struct fake_peer *other = bridge_new(fixture, "bridg2", 1, "parry");
    ask(fixture, edge, 1, "a", "ann", "q1");
    ask(fixture, edge, 2, "a", "ann", "q2");
    ask(fixture, edge, 3, "b", "bob", "q3"); /* may be given out before q2, but waits shorter */
    ask(fixture, edge, 4, "c", "cat", "q4");
    hear_nothing_yet(fixture);
    work_done(fixture, bridge, 1, 1, "a1");
    assert_peer_heard(bridge, "work 2.1 a eliza q2 backlog=0\n");
    link_close(&bridge->end.link, fixture->now.now); /* q2 is given back, and first again */
    settle(fixture);
    open_link(fixture, bridge);
    register_agent(fixture, bridge, 1, "eliza");
    assert_peer_heard(bridge, "registered 1\nwork 2.2 a eliza q2 backlog=0\n");
    work_done(fixture, bridge, 2, 2, "a2");
    assert_peer_heard(bridge, "work 3.1 b eliza q3 backlog=0\n");
    work_done(fixture, bridge, 3, 1, "a3");
    assert_peer_heard(bridge, "work 4.1 c eliza q4 backlog=0\n");
    assert_peer_heard(other, "");
}

static void test_work_goes_to_the_bridge_that_is_least_busy_for_its_credit(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 2);
    struct fake_peer *large = bridge_new(fixture, "bridg2", 4, "eliza");
    for (uint64_t i = 0; i < 7; i++) {
        char room[8];
        snprintf(room, sizeof(room), "r%d", (int)i);
        ask(fixture, cast.edge, 10 + i, room, "ann", "q");
    }
    size_t small_jobs = 0, large_jobs = 0;
    for (const struct heard *at = cast.bridge->end.heard; at != NULL; at = at->next) {
        small_jobs += at->message.type == BUS_WORK;
    }
    for (const struct heard *at = large->end.heard; at != NULL; at = at->next) {
        large_jobs += at->message.type == BUS_WORK;
    }
    assert_int_equal(small_jobs, 2);
    assert_int_equal(large_jobs, 4);
    assert_int_equal(counted(fixture)->jobs, 7);
}

static void test_an_agent_s_work_goes_only_to_bridges_that_run_it(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 1);
    struct fake_peer *other = bridge_new(fixture, "bridg2", 4, "parry");
    ask(fixture, cast.edge, 2, "r1", "ann", "q1");
    ask(fixture, cast.edge, 3, "r2", "ann", "q2"); /* waits for Eliza */
    assert_peer_heard(cast.bridge, "work 1.1 r1 eliza q1 backlog=0\n");
    assert_peer_heard(other, "");
}

/* --- bridges that die ------------------------------------------------------------------------ */

static void test_a_lost_bridge_s_job_is_given_out_again_with_the_next_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    kill_peer(cast.bridge);
    pass(fixture, 4000);
    assert_int_equal(counted(fixture)->bridges_lost, 1);
    hear_nothing_yet(fixture);
    struct fake_peer *second = fake_peer_new(fixture, ROUTER_SIDE_BRIDGES, "bridg2");
    open_link(fixture, second);
    register_agent(fixture, second, 4, "eliza");
    assert_peer_heard(second, "registered 1\nwork 1.2 r eliza q1 backlog=1\n");
    work_done(fixture, second, 1, 2, "a1");
    assert_peer_heard(second, "work 2.1 r eliza q2 backlog=0\n");
    assert_peer_heard(cast.edge, "room_message r 3 eliza a1 reply\nrun r started eliza\n");
    assert_int_equal(counted(fixture)->jobs_redelivered, 1);
}

static void test_a_question_that_costs_too_many_bridges_fails(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather_asked(fixture, 4);
    for (uint64_t attempt = 1; attempt <= 3; attempt++) {
        chunk(fixture, cast.bridge, 1, attempt, "Ho");
        open_link(fixture, cast.bridge);
        register_agent(fixture, cast.bridge, 4, "eliza");
    }
    assert_peer_heard(cast.edge, "chunk r 0 Ho\nchunk r 0 reset=2 Ho\nchunk r 0 reset=3 Ho\n"
                                 "run r failed eliza attempts_exhausted partial=Ho\n"
                                 "run r started eliza\n");
    assert_int_equal(fixture->store.jobs[0].state, JOB_FAILED);
    assert_int_equal(counted(fixture)->jobs_given_up, 1);
    work_done(fixture, cast.bridge, 2, 1, "a2"); /* the next one has all its attempts */
    assert_peer_heard(cast.edge, "room_message r 3 eliza a2 reply\n");
}

static void test_a_bridge_that_leaves_costs_no_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    for (int i = 0; i < 5; i++) {
        link_close(&cast.bridge->end.link, fixture->now.now);
        settle(fixture);
        open_link(fixture, cast.bridge);
        register_agent(fixture, cast.bridge, 4, "eliza");
    }
    assert_int_equal(counted(fixture)->jobs_given_up, 0);
    assert_int_equal(counted(fixture)->jobs, 1);
}

static void test_a_question_that_waits_too_long_fails(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 1);
    int64_t deadline = fixture->settings.job_deadline;
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "q", "ann", "q2");
    chunk(fixture, cast.bridge, 1, 1, "Ho");
    hear_nothing_yet(fixture);
    fixture->now.wall += deadline - 100;
    pass(fixture, 50);
    assert_peer_heard(cast.bridge, "");
    pass(fixture, 100);
    assert_peer_heard(cast.bridge, "work_cancel 1.1\n");
    assert_peer_heard(cast.edge, "run r failed eliza timeout partial=Ho\n"
                                 "run q failed eliza timeout\n");
    assert_int_equal(counted(fixture)->jobs_timed_out, 2);
    assert_int_equal(counted(fixture)->jobs, 0);
}

static void test_only_the_bridge_that_has_the_job_and_its_attempt_are_heard(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    struct fake_peer *other = bridge_new(fixture, "bridg2", 4, "parry");
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    hear_nothing_yet(fixture);
    chunk(fixture, other, 1, 1, "no");
    work_done(fixture, other, 1, 1, "no");
    work_failed(fixture, other, 1, 1);
    chunk(fixture, cast.bridge, 1, 2, "no");
    work_done(fixture, cast.bridge, 1, 0, "no");
    work_done(fixture, cast.bridge, 7, 1, "no");
    assert_peer_heard(cast.edge, "");
    assert_int_equal(counted(fixture)->jobs_late, 6);
    work_done(fixture, cast.bridge, 1, 1, "yes");
    work_done(fixture, cast.bridge, 1, 1, "yes");
    assert_peer_heard(cast.edge, "room_message r 2 eliza yes reply\n");
    assert_int_equal(counted(fixture)->replies, 1);
}

static void test_an_answer_that_came_late_does_not_make_a_second_reply(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    struct fake_peer *second = bridge_new(fixture, "bridg2", 4, "eliza");
    hear_nothing_yet(fixture);
    cast.bridge->is_silent = true; /* cut off, and still working */
    pass(fixture, 4000);
    assert_peer_heard(second, "work 1.2 r eliza q backlog=0\n");
    struct bus_message late = {
        .type = BUS_WORK_DONE,
        .work_done = {.job = 1, .attempt = 1, .body = SLICE_LITERAL("late")}};
    assert_int_equal(link_send(&cast.bridge->end.link, &late), 0);
    cast.bridge->is_silent = false; /* its link is not known any more */
    settle(fixture);
    assert_int_equal(cast.bridge->end.close_error, ERROR_CLOSED);
    work_done(fixture, second, 1, 2, "answer");
    assert_peer_heard(cast.edge, "room_message r 2 eliza answer reply\n");
}

static void test_stop_cancels_the_running_reply_and_what_waits_behind_it(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    ask(fixture, cast.edge, 4, "q", "ann", "q3");
    hear_nothing_yet(fixture);
    say_stop(fixture, cast.edge);
    assert_peer_heard(cast.bridge, "work_cancel 1.1\n");
    assert_peer_heard(cast.edge, "signal r 2 ann stop\n"
                                 "run r cancelled eliza\nrun r cancelled eliza\n");
    assert_int_equal(fixture->store.jobs[0].state, JOB_CANCELLED);
    assert_int_equal(fixture->store.jobs[1].state, JOB_CANCELLED);
    assert_int_equal(counted(fixture)->jobs, 1); /* another room's */
    work_done(fixture, cast.bridge, 1, 1, "too late");
    chunk(fixture, cast.bridge, 1, 1, "too late");
    assert_peer_heard(cast.edge, "");
    ask(fixture, cast.edge, 5, "r", "ann", "q4");
    assert_peer_heard(cast.bridge, "work 4.1 r eliza q4 backlog=0\n");
}

static void test_a_cancelled_job_frees_its_credit(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 1);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "q", "ann", "q2");
    hear_nothing_yet(fixture);
    say_stop(fixture, cast.edge);
    assert_peer_heard(cast.bridge, "work_cancel 1.1\nwork 2.1 q eliza q2 backlog=0\n");
}

static void test_another_control_cancels_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 1);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    hear_nothing_yet(fixture);
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .signal = {.room = SLICE_LITERAL("r"),
                                             .kind = BUS_SIGNAL_CONTROL,
                                             .entity = SLICE_LITERAL("ann"),
                                             .action = SLICE_LITERAL("stopped")}};
    say(fixture, cast.edge, &message);
    assert_peer_heard(cast.bridge, "");
    assert_peer_heard(cast.edge, "signal r 2 ann stopped\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_a_question_becomes_work_and_its_answer_a_message),
        ROUTER_TEST(test_what_a_bridge_and_the_viewers_are_told_of_a_job_agrees),
        ROUTER_TEST(test_jobs_of_one_room_and_agent_are_given_out_one_after_the_other),
        ROUTER_TEST(test_a_bridge_gets_no_more_than_its_credit),
        ROUTER_TEST(test_who_waits_longest_is_next),
        ROUTER_TEST(test_work_goes_to_the_bridge_that_is_least_busy_for_its_credit),
        ROUTER_TEST(test_an_agent_s_work_goes_only_to_bridges_that_run_it),
        ROUTER_TEST(test_a_lost_bridge_s_job_is_given_out_again_with_the_next_attempt),
        ROUTER_TEST(test_a_question_that_costs_too_many_bridges_fails),
        ROUTER_TEST(test_a_bridge_that_leaves_costs_no_attempt),
        ROUTER_TEST(test_a_question_that_waits_too_long_fails),
        ROUTER_TEST(test_only_the_bridge_that_has_the_job_and_its_attempt_are_heard),
        ROUTER_TEST(test_an_answer_that_came_late_does_not_make_a_second_reply),
        ROUTER_TEST(test_stop_cancels_the_running_reply_and_what_waits_behind_it),
        ROUTER_TEST(test_a_cancelled_job_frees_its_credit),
        ROUTER_TEST(test_another_control_cancels_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
