#include "tests/unit/router_fixture.h"

/* An edge with Ann in r, and a bridge that runs Eliza with that credit. */
struct cast {
    struct fake_peer *edge;
    struct fake_peer *bridge;
};

static struct cast gather(struct fixture *fixture, uint64_t credit)
{
    struct cast cast = {edge_new(fixture, "edgeA1"), NULL};
    join(fixture, cast.edge, 1, "r", "ann");
    cast.bridge = bridge_new(fixture, "bridg1", credit, "eliza");
    hear_nothing_yet(fixture);
    return cast;
}

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

static void test_another_attempt_replaces_what_viewers_have(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    hear_nothing_yet(fixture);
    chunk(fixture, cast.bridge, 1, 1, "How do");
    open_link(fixture, cast.bridge); /* it dropped all work of the former link */
    register_agent(fixture, cast.bridge, 4, "eliza");
    chunk(fixture, cast.bridge, 1, 2, "How");
    chunk(fixture, cast.bridge, 1, 2, " are you");
    open_link(fixture, cast.bridge);
    register_agent(fixture, cast.bridge, 4, "eliza");
    chunk(fixture, cast.bridge, 1, 3, "Why?");
    work_done(fixture, cast.bridge, 1, 3, "Why?");
    assert_peer_heard(cast.edge, "chunk r 0 How do\nchunk r 0 reset=2 How\nchunk r 1  are you\n"
                                 "chunk r 0 reset=3 Why?\nroom_message r 2 eliza Why? reply\n");
}

static void test_an_attempt_that_said_nothing_is_not_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    hear_nothing_yet(fixture);
    open_link(fixture, cast.bridge);
    register_agent(fixture, cast.bridge, 4, "eliza");
    chunk(fixture, cast.bridge, 1, 2, "How");
    assert_peer_heard(cast.edge, "chunk r 0 How\n");
}

static void test_a_question_that_costs_too_many_bridges_fails(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
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

/* --- edges that come later ------------------------------------------------------------------- */

static void test_an_edge_that_comes_later_gets_the_text_so_far(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    chunk(fixture, cast.bridge, 1, 1, "How ");
    chunk(fixture, cast.bridge, 1, 1, "are ");
    struct fake_peer *late = edge_new(fixture, "edgeB1");
    hear_nothing_yet(fixture);
    join(fixture, late, 1, "r", "bob");
    chunk(fixture, cast.bridge, 1, 1, "you");
    assert_peer_heard(late, "presence r +bob count=2\n"
                            "joined #1 r last=1 count=2 members=ann,bob\n"
                            "run r started eliza\nchunk r 1 reset=1 How are \n"
                            "chunk r 2 you\n");
    assert_int_equal(last_of(late, BUS_CHUNK)->chunk.offset, 8);
}

static void test_an_edge_that_forgot_a_room_amid_a_join_gets_the_text_so_far_again(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    chunk(fixture, cast.bridge, 1, 1, "How ");
    hear_nothing_yet(fixture);
    join(fixture, cast.edge, 3, "r", "bob"); /* answered, but not heard yet */
    leave_last(fixture, cast.edge, "r", "ann");
    chunk(fixture, cast.bridge, 1, 1, "are you");
    assert_peer_heard(cast.edge, "presence r +bob count=2\n"
                                 "joined #3 r last=1 count=2 members=ann,bob\n"
                                 "run r started eliza\nchunk r 0 reset=1 How \n"
                                 "chunk r 1 are you\n");
    leave_last(fixture, cast.edge, "r", "bob"); /* nobody is left to be told */
    assert_peer_heard(cast.edge, "");
}

static void ask_runs(struct fixture *fixture, struct fake_peer *edge)
{
    struct bus_message message = {.type = BUS_RUNS_WANTED, .runs_wanted = {SLICE_LITERAL("r")}};
    say(fixture, edge, &message);
}

static void test_an_edge_that_was_away_hears_what_is_running_and_what_not(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    chunk(fixture, cast.bridge, 1, 1, "How");
    uint64_t epoch = last_of(cast.edge, BUS_ROOM_MESSAGE)->room_message.epoch;
    open_link(fixture, cast.edge);
    hear_nothing_yet(fixture);
    sync_room(fixture, cast.edge, "r", epoch, 1, "ann");
    ask_runs(fixture, cast.edge);
    assert_peer_heard(cast.edge, "run r started eliza\nchunk r 0 reset=1 How\nruns r 1\n");
    work_failed(fixture, cast.bridge, 1, 1);
    open_link(fixture, cast.edge);
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    sync_room(fixture, cast.edge, "r", epoch, 0, "ann");
    ask_runs(fixture, cast.edge);
    assert_peer_heard(cast.edge, "");
    fixture->store_waits = false;
    settle(fixture);
    assert_peer_heard(cast.edge, "room_message r 1 ann q\nruns r 0\n");
}

static bool was_enabled(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                        const char *entity)
{
    hear_nothing_yet(fixture);
    join(fixture, edge, request, "r", entity);
    buffer_append_char(&edge->end.lines, '\0');
    return strstr(edge->end.lines.data, "input r ") != NULL;
}

static void test_an_asker_who_comes_back_may_write_again(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    struct fake_peer *other = edge_new(fixture, "edgeB1");
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    cast.edge->is_silent = true;                         /* it dies, and nobody knows yet */
    assert_false(was_enabled(fixture, other, 1, "ann")); /* the answer is still to come */
    work_done(fixture, cast.bridge, 1, 1, "a1");
    assert_false(was_enabled(fixture, other, 2, "bob"));
    assert_true(was_enabled(fixture, other, 3, "ann"));
    const struct bus_input *input = &last_of(other, BUS_INPUT)->input;
    assert_true(slice_is(input->entity, "ann") && slice_is(input->agent, "eliza"));
    restart_router(fixture);
    open_edge(fixture, other);
    assert_true(was_enabled(fixture, other, 4, "ann")); /* the store knows who wrote lately */
    fixture->now.wall += 11 * 60 * 1000;
    pass(fixture, 100);
    assert_false(was_enabled(fixture, other, 5, "ann"));
}

/* Its own question is answered; one of somebody else's is open, and has not been read yet. */
static void test_after_a_restart_it_is_known_whose_questions_are_open(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "bob", "q2");
    restart_router(fixture);
    open_edge(fixture, cast.edge);
    assert_false(was_enabled(fixture, cast.edge, 4, "ann"));
    open_link(fixture, cast.bridge);
    register_agent(fixture, cast.bridge, 1, "eliza");
    work_done(fixture, cast.bridge, 1, 2, "a1");
    link_close(&cast.bridge->end.link, fixture->now.now);
    restart_router(fixture);
    open_edge(fixture, cast.edge);
    assert_true(was_enabled(fixture, cast.edge, 5, "ann"));
    assert_false(was_enabled(fixture, cast.edge, 6, "bob"));
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

/* --- cancelling ------------------------------------------------------------------------------ */

static void say_stop(struct fixture *fixture, struct fake_peer *edge)
{
    struct bus_message message = {.type = BUS_SIGNAL,
                                  .signal = {.room = SLICE_LITERAL("r"),
                                             .kind = BUS_SIGNAL_CONTROL,
                                             .entity = SLICE_LITERAL("ann"),
                                             .action = SLICE_LITERAL("stop")}};
    say(fixture, edge, &message);
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

/* --- runs by an id ---------------------------------------------------------------------------- */

static void attach(struct fixture *fixture, struct fake_peer *edge, const char *room,
                   struct slice id)
{
    struct bus_message message = {.type = BUS_RUN_ATTACH,
                                  .run_attach = {.request = 9, .room = text(room), .id = id}};
    say(fixture, edge, &message);
}

static void test_an_edge_without_the_room_follows_a_run(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    struct fake_peer *other = edge_new(fixture, "edgeB1");
    char question[UUID_TEXT_SIZE] = "", reply[UUID_TEXT_SIZE];
    ask(fixture, cast.edge, 2, "r", "ann", "q");
    memcpy(question, last_of(cast.edge, BUS_SEND_DONE)->send_done.message_id.data,
           UUID_TEXT_LENGTH);
    uuid_of_reply(text(question), SLICE_LITERAL("eliza"), reply);
    chunk(fixture, cast.bridge, 1, 1, "How");
    hear_nothing_yet(fixture);
    attach(fixture, other, "r", text(reply));
    assert_peer_heard(other, "run_attached #9 open\nrun r started eliza\nchunk r 0 reset=1 How\n");
    chunk(fixture, cast.bridge, 1, 1, "?");
    work_done(fixture, cast.bridge, 1, 1, "How?");
    assert_peer_heard(other, "chunk r 1 ?\nroom_message r 2 eliza How? reply\n");
    attach(fixture, other, "r", text(reply));
    assert_peer_heard(other, "run_attached #9 How?\n");
    attach(fixture, other, "r", text(question));
    assert_peer_heard(other, "run_attached #9\n"); /* its reply is in the history behind it */
    attach(fixture, other, "q", text(reply));
    attach(fixture, other, "r", SLICE_LITERAL(NIL_UUID));
    attach(fixture, other, "r", SLICE_LITERAL("x"));
    assert_peer_heard(other, "run_attached #9 error=not_found\nrun_attached #9 error=not_found\n"
                             "run_attached #9 error=not_found\n");
}

static void test_a_run_is_stopped_by_its_id_and_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    struct bus_message message = {.type = BUS_RUN_STOP,
                                  .run_stop = {.request = 9, .room = SLICE_LITERAL("r")}};
    char question[UUID_TEXT_SIZE] = "";
    memcpy(question, last_of(cast.edge, BUS_SEND_DONE)->send_done.message_id.data,
           UUID_TEXT_LENGTH);
    message.run_stop.id = text(question);
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
    say(fixture, cast.edge, &message);
    assert_peer_heard(cast.bridge, "work_cancel 1.1\nwork 2.1 r eliza q2 backlog=0\n");
    assert_peer_heard(cast.edge, "done #9\nrun r cancelled eliza\nrun r started eliza\n");
    say(fixture, cast.edge, &message);
    assert_peer_heard(cast.edge, "done #9 error=not_found\n");
}

/* --- commits that fail ----------------------------------------------------------------------- */

static void test_a_reply_that_could_not_be_committed_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
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

static void test_a_run_is_not_seen_before_the_reply_ahead_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "a1");
    chunk(fixture, cast.bridge, 2, 1, "w"); /* given out while a1 is with the store */
    chunk(fixture, cast.bridge, 2, 1, "hy");
    assert_peer_heard(cast.edge, "");
    commit(fixture);
    assert_peer_heard(cast.edge, "room_message r 3 eliza a1 reply\nrun r started eliza\n"
                                 "chunk r 0 why\n");
}

static void test_a_later_answer_waits_for_an_earlier_one_that_may_fail(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    hear_nothing_yet(fixture);
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
        ROUTER_TEST(test_a_question_becomes_work_and_its_answer_a_message),
        ROUTER_TEST(test_a_question_is_open_until_the_end_of_it_is_committed),
        ROUTER_TEST(test_what_a_bridge_and_the_viewers_are_told_of_a_job_agrees),
        ROUTER_TEST(test_question_and_job_are_one_transaction_and_work_begins_after_it),
        ROUTER_TEST(test_a_question_that_could_not_be_committed_makes_no_work),
        ROUTER_TEST(test_reply_and_end_of_the_job_are_one_transaction),
        ROUTER_TEST(test_jobs_of_one_room_and_agent_are_given_out_one_after_the_other),
        ROUTER_TEST(test_a_bridge_gets_no_more_than_its_credit),
        ROUTER_TEST(test_who_waits_longest_is_next),
        ROUTER_TEST(test_work_goes_to_the_bridge_that_is_least_busy_for_its_credit),
        ROUTER_TEST(test_an_agent_s_work_goes_only_to_bridges_that_run_it),
        ROUTER_TEST(test_a_lost_bridge_s_job_is_given_out_again_with_the_next_attempt),
        ROUTER_TEST(test_another_attempt_replaces_what_viewers_have),
        ROUTER_TEST(test_an_attempt_that_said_nothing_is_not_replaced),
        ROUTER_TEST(test_a_question_that_costs_too_many_bridges_fails),
        ROUTER_TEST(test_a_bridge_that_leaves_costs_no_attempt),
        ROUTER_TEST(test_a_question_that_waits_too_long_fails),
        ROUTER_TEST(test_an_edge_that_comes_later_gets_the_text_so_far),
        ROUTER_TEST(test_an_edge_that_forgot_a_room_amid_a_join_gets_the_text_so_far_again),
        ROUTER_TEST(test_an_edge_that_was_away_hears_what_is_running_and_what_not),
        ROUTER_TEST(test_an_asker_who_comes_back_may_write_again),
        ROUTER_TEST(test_after_a_restart_it_is_known_whose_questions_are_open),
        ROUTER_TEST(test_only_the_bridge_that_has_the_job_and_its_attempt_are_heard),
        ROUTER_TEST(test_an_answer_that_came_late_does_not_make_a_second_reply),
        ROUTER_TEST(test_stop_cancels_the_running_reply_and_what_waits_behind_it),
        ROUTER_TEST(test_a_cancelled_job_frees_its_credit),
        ROUTER_TEST(test_another_control_cancels_nothing),
        ROUTER_TEST(test_an_edge_without_the_room_follows_a_run),
        ROUTER_TEST(test_a_run_is_stopped_by_its_id_and_no_other),
        ROUTER_TEST(test_a_reply_that_could_not_be_committed_is_asked_for_again),
        ROUTER_TEST(test_a_run_is_not_seen_before_the_reply_ahead_of_it),
        ROUTER_TEST(test_a_later_answer_waits_for_an_earlier_one_that_may_fail),
        ROUTER_TEST(test_replies_of_one_failed_batch_are_asked_for_again_in_their_order),
        ROUTER_TEST(test_a_cancellation_that_could_not_be_committed_leaves_the_job_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
