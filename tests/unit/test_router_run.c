#include "proto/base/json.h"
#include "proto/wire/chat_event.h"
#include "tests/unit/work_fixture.h"

/* What viewers see of a run, in the room and outside of it. */

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
    assert_peer_heard(cast.edge, "input r ann eliza\n"); /* what she waited for is over */
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

static void test_what_a_stopped_run_had_said_is_its_reply(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather(fixture, 4);
    ask(fixture, cast.edge, 2, "r", "ann", "q1");
    ask(fixture, cast.edge, 3, "r", "ann", "q2");
    chunk(fixture, cast.bridge, 1, 1, "Half a ");
    chunk(fixture, cast.bridge, 1, 1, "sentence");
    hear_nothing_yet(fixture);
    say_stop(fixture, cast.edge);
    assert_peer_heard(cast.bridge, "work_cancel 1.1\n"); /* the second question is stopped, too */
    const struct bus_room_message *reply = &last_of(cast.edge, BUS_ROOM_MESSAGE)->room_message;
    char id[UUID_TEXT_SIZE];
    uuid_of_reply(reply->in_reply_to, SLICE_LITERAL("eliza"), id);
    assert_true(slice_is(reply->id, id));
    assert_true(chat_reply_was_stopped(reply->body));
    struct buffer braced = BUFFER_EMPTY;
    buffer_append_char(&braced, '{');
    buffer_append_slice(&braced, reply->body);
    buffer_append_char(&braced, '}');
    struct slice text = json_get(buffer_slice(&braced), "text");
    assert_true(slice_is(text, "\"Half a sentence\""));
    buffer_deinit(&braced);
    assert_int_equal(fixture->store.jobs[0].state, JOB_CANCELLED);
    assert_int_equal(fixture->store.jobs[1].state, JOB_CANCELLED);
    assert_int_equal(fixture->store.message_count, 3);
    assert_int_equal(counted(fixture)->jobs, 0);
    work_done(fixture, cast.bridge, 1, 1, "too late");
    assert_int_equal(fixture->store.message_count, 3);
}

/* The store has not taken the answer before it yet: neither is seen before that is. */
static void test_a_run_that_is_stopped_behind_an_answer_keeps_its_turn(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather_asked(fixture, 4);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "a1");
    chunk(fixture, cast.bridge, 2, 1, "why");
    hear_nothing_yet(fixture);
    say_stop(fixture, cast.edge);
    say_stop(fixture, cast.edge); /* it is stopped already */
    commit(fixture);
    commit(fixture);
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(fixture->store.message_count, 4);
    assert_true(chat_reply_was_stopped(last_of(cast.edge, BUS_ROOM_MESSAGE)->room_message.body));
}

static void test_a_run_is_not_seen_before_the_reply_ahead_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct cast cast = gather_asked(fixture, 4);
    fixture->store_waits = true;
    work_done(fixture, cast.bridge, 1, 1, "a1");
    chunk(fixture, cast.bridge, 2, 1, "w"); /* given out while a1 is with the store */
    chunk(fixture, cast.bridge, 2, 1, "hy");
    assert_peer_heard(cast.edge, "");
    commit(fixture);
    assert_peer_heard(cast.edge, "room_message r 3 eliza a1 reply\nrun r started eliza\n"
                                 "chunk r 0 why\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_another_attempt_replaces_what_viewers_have),
        ROUTER_TEST(test_an_attempt_that_said_nothing_is_not_replaced),
        ROUTER_TEST(test_an_edge_that_comes_later_gets_the_text_so_far),
        ROUTER_TEST(test_an_edge_that_forgot_a_room_amid_a_join_gets_the_text_so_far_again),
        ROUTER_TEST(test_an_edge_that_was_away_hears_what_is_running_and_what_not),
        ROUTER_TEST(test_an_asker_who_comes_back_may_write_again),
        ROUTER_TEST(test_after_a_restart_it_is_known_whose_questions_are_open),
        ROUTER_TEST(test_an_edge_without_the_room_follows_a_run),
        ROUTER_TEST(test_a_run_is_stopped_by_its_id_and_no_other),
        ROUTER_TEST(test_what_a_stopped_run_had_said_is_its_reply),
        ROUTER_TEST(test_a_run_that_is_stopped_behind_an_answer_keeps_its_turn),
        ROUTER_TEST(test_a_run_is_not_seen_before_the_reply_ahead_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
