#include "tests/unit/router_fixture.h"

/* --- no_agent -------------------------------------------------------------------------------- */

static void test_without_any_bridge_ever_no_agent_is_said_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    ask(fixture, edge, 1, "r", "ann", "q");
    assert_peer_heard(edge, "room_message r 1 ann q origin=edgeA1#1\n"
                            "send_done #1 seq=1 no_agent\n"); /* and never refused */
    assert_int_equal(counted(fixture)->jobs_made, 0);
}

static void test_a_message_that_asks_nobody_is_no_question(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    send(fixture, edge, 1, "r", "ann", "m");
    assert_false(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
    bridge_new(fixture, "bridg1", 4, "eliza");
    send(fixture, edge, 2, "r", "ann", "n");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 0);
    assert_int_equal(counted(fixture)->jobs_made, 0);
}

static void test_for_the_agent_grace_questions_wait_for_a_bridge_to_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    link_close(&bridge->end.link, fixture->now.now);
    settle(fixture);
    pass(fixture, 29900);
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 1);
    pass(fixture, 100);
    ask(fixture, edge, 2, "r", "ann", "q2");
    assert_true(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 0);
    pass(fixture, 60000); /* the job goes on waiting */
    open_link(fixture, bridge);
    register_agent(fixture, bridge, 4, "eliza");
    assert_peer_heard(bridge, "registered 1\nwork 1.1 r eliza q1 backlog=0\n");
}

static void test_a_repeat_is_told_no_agent_again(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    ask(fixture, edge, 1, "r", "ann", "q");
    bridge_new(fixture, "bridg1", 4, "eliza");
    hear_nothing_yet(fixture);
    ask(fixture, edge, 2, "r", "ann", "q");
    assert_peer_heard(edge, "send_done #2 seq=1 duplicate no_agent\n");
    assert_int_equal(counted(fixture)->jobs_made, 0);
}

static void test_agents_are_not_answered(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    ask(fixture, edge, 1, "r", "eliza", "q");
    assert_peer_heard(edge, "room_message r 1 eliza q origin=edgeA1#1\n"
                            "send_done #1 seq=1 no_agent\n");
    assert_peer_heard(bridge, "");
}

/* --- stopped agents -------------------------------------------------------------------------- */

static const struct bus_agent_state *change(struct fixture *fixture, struct fake_peer *edge,
                                            const char *agent, enum bus_agent_action action)
{
    struct bus_message message = {
        .type = BUS_AGENT_CHANGE,
        .agent_change = {.request = 60, .id = text(agent), .action = action}};
    say(fixture, edge, &message);
    return &last_of(edge, BUS_AGENT_STATE)->agent_state;
}

static void test_a_stopped_agent_is_asked_nothing_until_it_is_started(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    assert_true(change(fixture, edge, "eliza", BUS_AGENT_STOPS)->is_stopped);
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_true(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
    assert_peer_heard(bridge, "");
    assert_false(change(fixture, edge, "eliza", BUS_AGENT_STARTS)->is_stopped);
    ask(fixture, edge, 2, "r", "ann", "q2");
    assert_peer_heard(bridge, "work 1.1 r eliza q2 backlog=0\n");
    assert_int_equal(change(fixture, edge, "parry", BUS_AGENT_STOPS)->error, ERROR_NOT_FOUND);
}

static void test_stopping_an_agent_ends_what_it_is_doing(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "eliza");
    ask(fixture, edge, 1, "r", "ann", "q1");
    ask(fixture, edge, 2, "r", "ann", "q2");
    hear_nothing_yet(fixture);
    change(fixture, edge, "eliza", BUS_AGENT_STOPS);
    assert_peer_heard(bridge, "work_cancel 1.1\n");
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(fixture->store.jobs[1].state, JOB_CANCELLED);
    work_done(fixture, bridge, 1, 1, "too late");
    assert_int_equal(fixture->store.message_count, 2);
}

static void test_an_agent_stays_stopped_over_restarts_of_all(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    change(fixture, edge, "eliza", BUS_AGENT_STOPS);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    bridge_new(fixture, "bridg2", 4, "eliza");
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_true(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
}

static void test_another_agent_answers_in_its_place_where_nobody_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *parry = bridge_new(fixture, "bridg2", 4, "parry");
    change(fixture, edge, "eliza", BUS_AGENT_STOPS);
    ask(fixture, edge, 1, "r", "ann", "q");
    assert_peer_heard(parry, "work 1.1 r parry q backlog=0\n");
    struct bus_message message = {.type = BUS_AGENTS_GET,
                                  .agents_get = {.request = 61, .limit = 1}};
    say(fixture, edge, &message);
    const struct bus_agents_page *page = &last_of(edge, BUS_AGENTS_PAGE)->agents_page;
    assert_int_equal(page->total, 2);
    assert_int_equal(page->active, 1);
    assert_false(page->is_complete);
    assert_int_equal(page->agents.count, 1);
}

/* --- who answers ----------------------------------------------------------------------------- */

static void put_channel(struct fixture *fixture, struct fake_peer *edge, const char *const *ids,
                        size_t count, char room[UUID_TEXT_SIZE])
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (size_t i = 0; i < count; i++) {
        struct bus_text element = {text(ids[i])};
        bus_list_add(&list, BUS_ELEMENT_TEXT, &element);
    }
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.request = 50,
                                                  .id = SLICE_LITERAL(NIL_UUID),
                                                  .name = SLICE_LITERAL("Team"),
                                                  .participants = bus_list_of(&list)}};
    say(fixture, edge, &message);
    const struct bus_channel *channel = &last_of(edge, BUS_CHANNEL)->channel;
    assert_int_equal(channel->id.length, UUID_TEXT_LENGTH);
    memcpy(room, channel->id.data, UUID_TEXT_LENGTH);
    room[UUID_TEXT_LENGTH] = '\0';
    buffer_deinit(&list.bytes);
    hear_nothing_yet(fixture);
}

static void test_the_first_agent_that_runs_answers_where_nobody_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *first = bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *second = bridge_new(fixture, "bridg2", 4, "parry");
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_peer_heard(first, "work 1.1 r eliza q1 backlog=0\n");
    link_close(&first->end.link, fixture->now.now);
    settle(fixture);
    ask(fixture, edge, 2, "q", "ann", "q2");
    assert_peer_heard(second, "work 2.1 q parry q2 backlog=0\n");
}

static void test_a_participant_list_decides_who_answers(void **state)
{
    static const char *const ids[] = {"ann", "parry", "unknown", "eliza"};
    struct fixture *fixture = *state;
    char room[UUID_TEXT_SIZE], expected[256];
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *eliza = bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *parry = bridge_new(fixture, "bridg2", 4, "parry");
    put_channel(fixture, edge, ids, 4, room);
    ask(fixture, edge, 1, room, "ann", "q");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 2);
    snprintf(expected, sizeof(expected), "work 2.1 %s eliza q backlog=0\n", room);
    assert_peer_heard(eliza, expected);
    snprintf(expected, sizeof(expected), "work 1.1 %s parry q backlog=0\n", room);
    assert_peer_heard(parry, expected);
    char reply[UUID_TEXT_SIZE];
    uuid_of_reply(last_of(edge, BUS_SEND_DONE)->send_done.message_id, SLICE_LITERAL("eliza"),
                  reply);
    work_done(fixture, parry, 1, 1, "p");
    work_done(fixture, eliza, 2, 1, "e");
    assert_int_equal(fixture->store.message_count, 3); /* one final reply of each */
    assert_true(slice_is(fixture->store.messages[2].id, reply));
}

static void test_a_list_without_agents_has_no_agent(void **state)
{
    static const char *const ids[] = {"ann", "bob"};
    struct fixture *fixture = *state;
    char room[UUID_TEXT_SIZE];
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    put_channel(fixture, edge, ids, 2, room);
    ask(fixture, edge, 1, room, "ann", "q");
    assert_true(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
}

static void test_an_empty_list_is_none(void **state)
{
    struct fixture *fixture = *state;
    char room[UUID_TEXT_SIZE];
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    put_channel(fixture, edge, NULL, 0, room);
    ask(fixture, edge, 1, room, "ann", "q");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 1);
}

static void test_a_participant_list_decides_also_after_a_restart(void **state)
{
    static const char *const ids[] = {"parry"};
    struct fixture *fixture = *state;
    char room[UUID_TEXT_SIZE], expected[256];
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    put_channel(fixture, edge, ids, 1, room);
    restart_router(fixture);
    open_edge(fixture, edge);
    struct fake_peer *eliza = bridge_new(fixture, "bridg1", 4, "eliza");
    struct fake_peer *parry = bridge_new(fixture, "bridg2", 4, "parry");
    ask(fixture, edge, 1, room, "ann", "q");
    snprintf(expected, sizeof(expected), "work 1.1 %s parry q backlog=0\n", room);
    assert_peer_heard(parry, expected);
    assert_peer_heard(eliza, "");
}

/* --- restarts -------------------------------------------------------------------------------- */

static void test_open_jobs_are_given_out_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    join(fixture, edge, 1, "r", "ann");
    ask(fixture, edge, 2, "r", "ann", "q1");
    ask(fixture, edge, 3, "r", "ann", "q2");
    ask(fixture, edge, 4, "r", "ann", "q3");
    work_done(fixture, bridge, 1, 1, "a1");
    struct slice question = fixture->store.messages[1].id;
    restart_router(fixture);
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", fixture->store.rooms[0].epoch, 4, "ann");
    sync_done(fixture, edge);
    open_link(fixture, bridge);
    hear_nothing_yet(fixture);
    register_agent(fixture, bridge, 4, "eliza");
    assert_peer_heard(bridge, "registered 1\nwork 2.2 r eliza q2 backlog=1\n");
    const struct bus_work *work = &last_of(bridge, BUS_WORK)->work;
    assert_true(slice_is(work->sender, "ann")); /* read with the question */
    assert_true(slice_equals(work->question, question));
    assert_int_equal(work->created_at, fixture->store.messages[1].created_at);
    work_done(fixture, bridge, 2, 2, "a2");
    assert_peer_heard(bridge, "work 3.2 r eliza q3 backlog=0\n");
    assert_peer_heard(edge, "run r started eliza\nroom_message r 5 eliza a2 reply\n"
                            "run r started eliza\n");
    assert_true(slice_is(last_of(edge, BUS_ROOM_MESSAGE)->room_message.asker, "ann"));
    ask(fixture, edge, 5, "r", "ann", "q4");
    work_done(fixture, bridge, 3, 2, "a3");
    assert_peer_heard(bridge, "work 4.1 r eliza q4 backlog=0\n"); /* numbers go on */
}

/* Many questions, none of them in memory, an edge and a bridge of that credit. */
static struct fake_peer *restart_with_questions(struct fixture *fixture, int questions,
                                                uint64_t credit)
{
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "eliza");
    link_close(&bridge->end.link, fixture->now.now);
    for (int i = 0; i < questions; i++) {
        char room[16];
        snprintf(room, sizeof(room), "r%d", i);
        ask(fixture, edge, (uint64_t)i + 1, room, "ann", "q");
    }
    restart_router(fixture);
    open_link(fixture, bridge);
    fixture->store_waits = true;
    register_agent(fixture, bridge, credit, "eliza");
    return bridge;
}

static void test_after_a_restart_only_questions_that_a_bridge_has_room_for_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *bridge = restart_with_questions(fixture, 6, 2);
    settle(fixture);
    assert_int_equal(fixture->store.query_count, 2);
    fixture->store_waits = false;
    settle(fixture);
    work_done(fixture, bridge, 1, 2, "a");
    assert_int_equal(fixture->store.query_count, 0);
    assert_peer_heard(bridge, "registered 1\nwork 1.2 r0 eliza q backlog=0\n"
                              "work 2.2 r1 eliza q backlog=0\nwork 3.2 r2 eliza q backlog=0\n");
}

static void test_a_store_that_cannot_be_read_is_not_asked_again_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *bridge = restart_with_questions(fixture, 1, 2);
    int queries = 0;
    for (int i = 0; i < 10; i++) {
        for (; fixture->store.query_count > 0; queries++) {
            finish_query(fixture, ERROR_STORE);
            settle(fixture);
        }
        pass(fixture, 50);
    }
    assert_in_range(queries, 2, 3); /* in half a second */
    fixture->store_waits = false;
    pass(fixture, 300);
    assert_peer_heard(bridge, "registered 1\nwork 1.2 r0 eliza q backlog=0\n");
}

static void test_a_repeat_is_told_no_agent_also_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    ask(fixture, edge, 1, "r", "ann", "q1");
    restart_router(fixture);
    open_edge(fixture, edge);
    hear_nothing_yet(fixture);
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_peer_heard(edge, "send_done #1 seq=1 duplicate no_agent\n");
}

static void test_a_job_whose_question_is_gone_is_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    link_close(&bridge->end.link, fixture->now.now);
    ask(fixture, edge, 1, "r", "ann", "q1");
    fixture->store.messages[0].id = SLICE_LITERAL("somebody deleted it");
    restart_router(fixture);
    open_link(fixture, bridge);
    hear_nothing_yet(fixture);
    register_agent(fixture, bridge, 4, "eliza");
    assert_peer_heard(bridge, "registered 1\n");
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(fixture->store.jobs[0].state, JOB_CANCELLED);
}

static void test_after_a_restart_the_agent_grace_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    restart_router(fixture);
    open_edge(fixture, edge);
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 1);
    pass(fixture, 30000);
    ask(fixture, edge, 2, "r", "ann", "q2");
    assert_true(last_of(edge, BUS_SEND_DONE)->send_done.no_agent);
}

static void test_an_agent_that_could_not_be_stored_is_stored_with_its_first_job(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    fixture->store_is_down = true;
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 4, "eliza");
    fixture->store_is_down = false;
    assert_int_equal(fixture->store.agent_count, 0);
    ask(fixture, edge, 1, "r", "ann", "q1");
    assert_int_equal(fixture->store.agent_count, 1);
    restart_router(fixture); /* else the job would be nobody's */
    open_link(fixture, bridge);
    hear_nothing_yet(fixture);
    register_agent(fixture, bridge, 4, "eliza");
    assert_peer_heard(bridge, "registered 1\nwork 1.2 r eliza q1 backlog=0\n");
}

/* --- limits and mistakes --------------------------------------------------------------------- */

static void test_beyond_jobs_max_questions_are_overloaded_and_messages_are_not(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.jobs_max = 2;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "eliza");
    ask(fixture, edge, 1, "r", "ann", "q1");
    ask(fixture, edge, 2, "r", "ann", "q2");
    hear_nothing_yet(fixture);
    ask(fixture, edge, 3, "r", "ann", "q3");
    assert_peer_heard(edge, "send_done #3 error=overloaded retry=1000\n");
    send(fixture, edge, 4, "r", "ann", "m");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    work_done(fixture, bridge, 1, 1, "a1");
    ask(fixture, edge, 5, "r", "ann", "q3");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.jobs, 1);
}

static void test_a_registration_said_again_replaces_name_and_credit(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 0, "eliza");
    ask(fixture, edge, 1, "r1", "ann", "q1");
    ask(fixture, edge, 2, "r2", "ann", "q2");
    assert_peer_heard(bridge, "");
    register_agent(fixture, bridge, 2, "eliza");
    assert_peer_heard(bridge, "registered 1\nwork 1.1 r1 eliza q1 backlog=0\n"
                              "work 2.1 r2 eliza q2 backlog=0\n");
    assert_int_equal(fixture->store.agent_count, 1);
}

static void test_an_agent_without_an_id_is_not_registered(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *bridge = fake_peer_new(fixture, ROUTER_SIDE_BRIDGES, "bridg1");
    open_link(fixture, bridge);
    register_agent(fixture, bridge, 4, "");
    assert_peer_heard(bridge, "registered 0\n");
    assert_int_equal(fixture->store.agent_count, 0);
    assert_int_equal(counted(fixture)->frames_refused, 1);
}

static void test_the_body_of_a_question_is_read_again_when_memory_for_it_is_full(void **state)
{
    enum { SIZE = 3 << 20, QUESTIONS = 24 }; /* 72 MiB */
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "eliza");
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    edge->end.settings.retained_max = bridge->end.settings.retained_max = 128 << 20;
    for (uint64_t i = 1; i <= QUESTIONS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "q%d", (int)i);
        struct bus_message message = sending(i, "r", "ann", id, true);
        body[0] = (char)('a' + i);
        message.send.body = slice_of(body, SIZE);
        say(fixture, edge, &message);
    }
    for (uint64_t i = 1; i <= QUESTIONS; i++) {
        const struct bus_work *work = &last_of(bridge, BUS_WORK)->work;
        assert_int_equal(work->job, i);
        assert_int_equal(work->body.length, SIZE);
        assert_int_equal(work->body.data[0], 'a' + (int)i);
        work_done(fixture, bridge, i, 1, "a");
    }
    assert_int_equal(counted(fixture)->jobs, 0);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(test_without_any_bridge_ever_no_agent_is_said_at_once),
        ROUTER_TEST(test_a_message_that_asks_nobody_is_no_question),
        ROUTER_TEST(test_for_the_agent_grace_questions_wait_for_a_bridge_to_come_back),
        ROUTER_TEST(test_a_repeat_is_told_no_agent_again),
        ROUTER_TEST(test_agents_are_not_answered),
        ROUTER_TEST(test_a_stopped_agent_is_asked_nothing_until_it_is_started),
        ROUTER_TEST(test_stopping_an_agent_ends_what_it_is_doing),
        ROUTER_TEST(test_an_agent_stays_stopped_over_restarts_of_all),
        ROUTER_TEST(test_another_agent_answers_in_its_place_where_nobody_is_named),
        ROUTER_TEST(test_the_first_agent_that_runs_answers_where_nobody_is_named),
        ROUTER_TEST(test_a_participant_list_decides_who_answers),
        ROUTER_TEST(test_a_list_without_agents_has_no_agent),
        ROUTER_TEST(test_an_empty_list_is_none),
        ROUTER_TEST(test_a_participant_list_decides_also_after_a_restart),
        ROUTER_TEST(test_open_jobs_are_given_out_after_a_restart),
        ROUTER_TEST(test_after_a_restart_only_questions_that_a_bridge_has_room_for_are_read),
        ROUTER_TEST(test_a_store_that_cannot_be_read_is_not_asked_again_at_once),
        ROUTER_TEST(test_a_repeat_is_told_no_agent_also_after_a_restart),
        ROUTER_TEST(test_a_job_whose_question_is_gone_is_cancelled),
        ROUTER_TEST(test_after_a_restart_the_agent_grace_begins_anew),
        ROUTER_TEST(test_an_agent_that_could_not_be_stored_is_stored_with_its_first_job),
        ROUTER_TEST(test_beyond_jobs_max_questions_are_overloaded_and_messages_are_not),
        ROUTER_TEST(test_a_registration_said_again_replaces_name_and_credit),
        ROUTER_TEST(test_an_agent_without_an_id_is_not_registered),
        ROUTER_TEST(test_the_body_of_a_question_is_read_again_when_memory_for_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
