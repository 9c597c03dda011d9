/* The bridge and its router: registration, lost links, silence, frames that are none, leaving. */
#include "bridge_fixture.h"

static const char *reason_of(struct fixture *fixture)
{
    const char *reason;
    bool is_ready = bridge_is_ready(fixture->bridge, fixture->now, &reason);

    assert_int_equal(is_ready, reason[0] == '\0');
    return reason;
}

/* --- registration ----------------------------------------------------------------------------- */

static void a_bridge_is_ready_when_the_router_took_its_agents(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(reason_of(fixture), "");
    bridge_destroy(&fixture->bridge);
    restart_router(fixture);
    fixture->confirms = false;
    fixture_start(fixture);
    assert_string_equal(reason_of(fixture), "router");
    wait_for(fixture, 50);
    assert_heard(fixture, "register credit=4 agents=1\n");
    assert_string_equal(reason_of(fixture), "registration");
}

static void add_agents(struct agents *agents, int count, struct slice bio)
{
    char name[16];
    for (int i = 1; i <= count; i++) {
        int length = snprintf(name, sizeof(name), "agent %d", i);
        assert_int_equal(
            agents_add(agents, SLICE_EMPTY, slice_of(name, (size_t)length), SLICE_EMPTY, bio), 0);
    }
}

static void every_agent_is_registered_and_the_credit_comes_last(void **state)
{
    struct fixture *fixture = *state;
    static char bio[1000];
    memset(bio, 'b', sizeof(bio));
    add_agents(fixture->agents, 2500, slice_of(bio, sizeof(bio)));
    restart_router(fixture);
    wait_for(fixture, 1000);
    assert_heard(fixture, "offer agents=960\noffer agents=957\nregister credit=4 agents=584\n");
}

static void a_reload_tells_what_is_new_and_what_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct agents *next = agents_new();
    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a"); /* to Eliza, who is gone then */
    settle(fixture);
    add_agents(next, 3, SLICE_EMPTY);
    bridge_reload(fixture->bridge, &next, fixture->now);
    settle(fixture);
    assert_null(next);
    assert_heard(fixture, "offer agents=3\nwithdraw agents=1\n");
    let_runtime(fixture, "d");
    assert_heard(fixture, "done 1/1\n");
    give(fixture, 2, 1, "b");
    settle(fixture);
    assert_heard(fixture, "failed 2/1 no_agent\n");

    next = agents_new();
    add_agents(next, 3, SLICE_EMPTY);
    bridge_reload(fixture->bridge, &next, fixture->now);
    settle(fixture);
    assert_heard(fixture, "");
    next = agents_new();
    add_agents(next, 2, SLICE_LITERAL("Another one."));
    bridge_reload(fixture->bridge, &next, fixture->now);
    settle(fixture);
    assert_heard(fixture, "offer agents=2\nwithdraw agents=1\n");
    restart_router(fixture);
    wait_for(fixture, 1000);
    assert_heard(fixture, "register credit=4 agents=2\n");
}

/* --- lost links ------------------------------------------------------------------------------- */

static void a_restarted_router_gets_a_new_link_and_no_old_answers(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    restart_router(fixture);
    for (int i = 0; i < 10 && counted(fixture)->dropped == 0; i++) {
        wait_for(fixture, 50); /* the next heartbeat finds out */
    }
    assert_int_equal(counted(fixture)->dropped, 1);
    assert_int_equal(fixture->fake.cancelled, 1);
    assert_string_equal(reason_of(fixture), "router");
    wait_for(fixture, 150);
    assert_heard(fixture, "register credit=4 agents=1\n");
    assert_string_equal(reason_of(fixture), "");
    assert_int_equal(bridge_counters(fixture->bridge)->links_opened, 2);

    fixture->fake.behaviour = FAKE_ECHO;
    give(fixture, 1, 2, "a");
    settle(fixture);
    assert_heard(fixture, "chunk 1/2 #0 a\ndone 1/2\n");
}

static void goodbye_drops_what_waits_too(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_FULL;
    give(fixture, 1, 1, "a");
    settle(fixture);
    link_close(&fixture->router, fixture->now);
    assert_heard(fixture, "goodbye\n");
    assert_int_equal(counted(fixture)->dropped, 1);
    assert_int_equal(counted(fixture)->waiting, 0);
    wait_for(fixture, 50);
    assert_heard(fixture, "");
    wait_for(fixture, 100);
    assert_heard(fixture, "register credit=4 agents=1\n");
}

static void silence_makes_unready_and_work_goes_on(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    fixture->is_cut = true;
    wait_for(fixture, 3000);
    assert_string_equal(reason_of(fixture), "router");
    let_runtime(fixture, "xd");
    assert_int_equal(counted(fixture)->done, 1);
    assert_heard(fixture, "");
    fixture->is_cut = false;
    wait_for(fixture, 600); /* heartbeats show the gap, what was lost comes again */
    assert_heard(fixture, "chunk 1/1 #0 x\ndone 1/1\n");
    assert_string_equal(reason_of(fixture), "");
    assert_int_equal(bridge_counters(fixture->bridge)->links_opened, 1);
}

static void nothing_begins_while_the_link_is_half_full(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_LONG;
    fixture->fake.length = JOBS_REPLY_MAX - 1024; /* 4 MB of JSON; the link keeps 16 */
    for (uint64_t job = 1; job <= 4; job++) {
        give(fixture, job, 1, "a");
    }
    link_flush(&fixture->router, fixture->now);
    fixture->is_cut = true;
    settle(fixture);
    assert_int_equal(counted(fixture)->done, 3);
    assert_int_equal(counted(fixture)->waiting, 1);
    fixture->is_cut = false;
    wait_for(fixture, 600);
    assert_int_equal(counted(fixture)->done, 4);
    assert_heard(fixture, "done 1/1\ndone 2/1\ndone 3/1\ndone 4/1\n");
    assert_int_equal(bridge_counters(fixture->bridge)->retained, 0);
    assert_int_equal(bridge_counters(fixture->bridge)->links_overflowed, 0);
}

static void a_link_that_is_full_is_given_up(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    fixture->fake.length = JOBS_REPLY_MAX - 1024;
    for (uint64_t job = 1; job <= 4; job++) {
        give(fixture, job, 1, "a");
    }
    settle(fixture);
    fixture->is_cut = true;
    let_runtime(fixture, "cL");
    let_runtime(fixture, "cL");
    let_runtime(fixture, "cL");
    assert_string_equal(reason_of(fixture), "");
    let_runtime(fixture, "cxxxcL");
    assert_string_equal(reason_of(fixture), "router");
    assert_int_equal(bridge_counters(fixture->bridge)->links_overflowed, 1);
    assert_int_equal(bridge_counters(fixture->bridge)->retained, 0);
    fixture->is_cut = false;
    wait_for(fixture, 150);
    assert_heard(fixture, "register credit=4 agents=1\n"); /* and no half of an answer */
}

/* --- frames that are none --------------------------------------------------------------------- */

static void bad_frames_are_counted_and_nothing_else(void **state)
{
    static const struct slice frames[] = {
        {"", 0}, {"\xc1", 1}, {"\x95\x02\x00", 3}, {"\x95\x63\x00\x01\x00\x00", 6}, {"hello", 5},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        bridge_receive(fixture->bridge, frames[i], fixture->now);
    }
    assert_int_equal(bridge_counters(fixture->bridge)->frames_refused, 5);
    assert_string_equal(reason_of(fixture), "");
    give(fixture, 1, 1, "a");
    settle(fixture);
    assert_heard(fixture, "chunk 1/1 #0 a\ndone 1/1\n");
}

static void messages_for_others_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct bus_message message = {.type = BUS_DONE, .done = {.request = 1}};

    link_send(&fixture->router, &message);
    settle(fixture);
    assert_int_equal(bridge_counters(fixture->bridge)->frames_refused, 1);
    assert_string_equal(reason_of(fixture), "");
}

static void a_body_that_does_not_decode_ends_the_link(void **state)
{
    struct fixture *fixture = *state;

    link_send_encoded(&fixture->router, SLICE_LITERAL("\x93\x51\x00\x01"));
    settle(fixture);
    assert_heard(fixture, "closed\n");
    wait_for(fixture, 150);
    assert_heard(fixture, "register credit=4 agents=1\n");
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void an_idle_bridge_leaves_once_the_router_has_confirmed(void **state)
{
    struct fixture *fixture = *state;

    bridge_drain(fixture->bridge, fixture->now);
    bridge_drain(fixture->bridge, fixture->now);
    assert_string_equal(reason_of(fixture), "stopping");
    assert_false(bridge_is_drained(fixture->bridge, fixture->now));
    wait_for(fixture, 50);
    assert_heard(fixture, "register credit=0 agents=0\n");
    assert_true(bridge_is_drained(fixture->bridge, fixture->now));
    bridge_say_goodbye(fixture->bridge, fixture->now);
    settle(fixture);
    assert_heard(fixture, "goodbye\n");
    wait_for(fixture, 1000);
    assert_heard(fixture, ""); /* it does not come back */
}

static void a_draining_bridge_finishes_what_runs_and_what_was_on_its_way(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    give(fixture, 2, 1, "b"); /* sent before the router hears of the drain */
    bridge_drain(fixture->bridge, fixture->now);
    settle(fixture);
    assert_heard(fixture, "register credit=0 agents=0\n");
    assert_int_equal(counted(fixture)->running, 2);
    let_runtime(fixture, "d");
    wait_for(fixture, 1000);
    assert_false(bridge_is_drained(fixture->bridge, fixture->now));
    let_runtime(fixture, "d");
    assert_heard(fixture, "done 1/1\ndone 2/1\n");
    wait_for(fixture, 100); /* until the answer is acknowledged */
    assert_true(bridge_is_drained(fixture->bridge, fixture->now));
}

static void a_router_that_does_not_confirm_is_not_waited_for_long(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_cut = true;
    bridge_drain(fixture->bridge, fixture->now);
    wait_for(fixture, BRIDGE_CONFIRM_MS - 50);
    assert_false(bridge_is_drained(fixture->bridge, fixture->now));
    wait_for(fixture, 50);
    assert_true(bridge_is_drained(fixture->bridge, fixture->now));
}

static void a_bridge_without_router_leaves_at_once(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    restart_router(fixture);
    bridge_drain(fixture->bridge, fixture->now);
    settle(fixture);
    assert_true(bridge_is_drained(fixture->bridge, fixture->now));
    assert_int_equal(fixture->fake.cancelled, 1);
    wait_for(fixture, 1000);
    assert_heard(fixture, "");
}

static void goodbye_leaves_what_runs_to_others(void **state)
{
    struct fixture *fixture = *state;

    fixture->fake.behaviour = FAKE_HOLD;
    give(fixture, 1, 1, "a");
    settle(fixture);
    bridge_say_goodbye(fixture->bridge, fixture->now);
    settle(fixture);
    assert_heard(fixture, "goodbye\n");
    assert_int_equal(fixture->fake.cancelled, 1);
    assert_int_equal(counted(fixture)->dropped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BRIDGE_TEST(a_bridge_is_ready_when_the_router_took_its_agents),
        BRIDGE_TEST(every_agent_is_registered_and_the_credit_comes_last),
        BRIDGE_TEST(a_reload_tells_what_is_new_and_what_is_gone),
        BRIDGE_TEST(a_restarted_router_gets_a_new_link_and_no_old_answers),
        BRIDGE_TEST(goodbye_drops_what_waits_too),
        BRIDGE_TEST(silence_makes_unready_and_work_goes_on),
        BRIDGE_TEST(nothing_begins_while_the_link_is_half_full),
        BRIDGE_TEST(a_link_that_is_full_is_given_up),
        BRIDGE_TEST(bad_frames_are_counted_and_nothing_else),
        BRIDGE_TEST(messages_for_others_are_refused),
        BRIDGE_TEST(a_body_that_does_not_decode_ends_the_link),
        BRIDGE_TEST(an_idle_bridge_leaves_once_the_router_has_confirmed),
        BRIDGE_TEST(a_draining_bridge_finishes_what_runs_and_what_was_on_its_way),
        BRIDGE_TEST(a_router_that_does_not_confirm_is_not_waited_for_long),
        BRIDGE_TEST(a_bridge_without_router_leaves_at_once),
        BRIDGE_TEST(goodbye_leaves_what_runs_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
