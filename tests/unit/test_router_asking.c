#include "tests/unit/router_fixture.h"

/* Two agents, Ann and Bob, on a bridge each, in one channel with a person. */
struct group {
    struct fake_peer *edge;
    struct fake_peer *ann;
    struct fake_peer *bob;
    char room[UUID_TEXT_SIZE];
    uint64_t requests;
};

static struct fake_peer *agent_new(struct fixture *fixture, const char *incarnation,
                                   const char *name, const char *policies)
{
    struct fake_peer *bridge = fake_peer_new(fixture, ROUTER_SIDE_BRIDGES, incarnation);
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    char details[160];
    snprintf(details, sizeof(details), "{\"settings\":{\"elizamq\":{%s}}}", policies);
    struct bus_agent element = {text(name), text(name), text(details)};
    bus_list_add(&list, BUS_ELEMENT_AGENT, &element);
    struct bus_message message = {.type = BUS_REGISTER,
                                  .register_agents = {.credit = 8, .agents = bus_list_of(&list)}};
    open_link(fixture, bridge);
    say(fixture, bridge, &message);
    buffer_deinit(&list.bytes);
    return bridge;
}

static struct group group_new(struct fixture *fixture, const char *type, const char *ann,
                              const char *bob)
{
    struct group group = {.edge = edge_new(fixture, "edgeA1"),
                          .ann = agent_new(fixture, "bridg1", "Ann", ann),
                          .bob = agent_new(fixture, "bridg2", "Bob", bob)};
    static const char *const ids[] = {"eve", "Ann", "Bob"};
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    for (size_t i = 0; i < 3; i++) {
        struct bus_text element = {text(ids[i])};
        bus_list_add(&list, BUS_ELEMENT_TEXT, &element);
    }
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.request = 50,
                                                  .id = SLICE_LITERAL(NIL_UUID),
                                                  .name = SLICE_LITERAL("Team"),
                                                  .type = text(type),
                                                  .participants = bus_list_of(&list)}};
    say(fixture, group.edge, &message);
    memcpy(group.room, last_of(group.edge, BUS_CHANNEL)->channel.id.data, UUID_TEXT_LENGTH);
    buffer_deinit(&list.bytes);
    join(fixture, group.edge, 51, group.room, "eve");
    hear_nothing_yet(fixture);
    return group;
}

/* Someone says this, and it is acknowledged. */
static const struct bus_send_done *tell(struct fixture *fixture, struct group *group,
                                        const char *sender, const char *members)
{
    char id[32];
    snprintf(id, sizeof(id), "m%" PRIu64, ++group->requests);
    struct bus_message message = sending(group->requests, group->room, sender, id, true);
    message.send.body = text(members);
    hear_nothing_yet(fixture);
    say(fixture, group->edge, &message);
    return &last_of(group->edge, BUS_SEND_DONE)->send_done;
}

static bool was_asked(const struct fake_peer *bridge)
{
    return strstr(bridge->end.lines.data, "work ") != NULL;
}

static void assert_asked(const struct group *group, bool ann, bool bob)
{
    assert_int_equal(group->ann->end.lines.length > 0 && was_asked(group->ann), ann);
    assert_int_equal(group->bob->end.lines.length > 0 && was_asked(group->bob), bob);
}

/* What that agent was asked last is answered so. */
static void reply(struct fixture *fixture, struct fake_peer *bridge, const char *members)
{
    struct bus_work work = last_of(bridge, BUS_WORK)->work;
    hear_nothing_yet(fixture);
    work_done(fixture, bridge, work.job, work.attempt, members);
}

/* --- people ---------------------------------------------------------------------------------- */

static void who_is_addressed_answers_and_nobody_else(void **state)
{
    struct fixture *fixture = *state;
    struct group group = group_new(fixture, "GROUP", "", "");
    tell(fixture, &group, "eve", "\"text\":\"Hello all\"");
    assert_asked(&group, true, true);
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"@bob hi\"")->jobs, 1);
    tell(fixture, &group, "eve", "\"text\":\"@Eve hi\""); /* a person: no agent is addressed */
    assert_int_equal(last_of(group.edge, BUS_SEND_DONE)->send_done.jobs, 2);
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"@Ann and @Bob\"")->jobs, 2);
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"mail bob@Ann.example\"")->jobs, 2);
}

static void a_policy_says_when_an_agent_answers_in_groups(void **state)
{
    struct fixture *fixture = *state;
    struct group group =
        group_new(fixture, "GROUP", "\"reply\":\"mention\"", "\"reply\":\"never\"");
    const struct bus_send_done *done = tell(fixture, &group, "eve", "\"text\":\"Anybody?\"");
    assert_int_equal(done->jobs, 0);
    assert_int_equal(done->no_agent, BUS_UNANSWERED_NOT_ADDRESSED);
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    assert_asked(&group, true, false);
    done = tell(fixture, &group, "eve", "\"text\":\"@Bob?\"");
    assert_int_equal(done->no_agent, BUS_UNANSWERED_NOT_ADDRESSED);
    done = tell(fixture, &group, "eve", "no JSON at all");
    assert_int_equal(done->no_agent, BUS_UNANSWERED_NOT_ADDRESSED);
}

static void in_a_direct_channel_all_answer(void **state)
{
    struct fixture *fixture = *state;
    struct group group = group_new(fixture, "DM", "\"reply\":\"mention\"", "\"reply\":\"never\"");
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"@Ann?\"")->jobs, 2);
}

static void a_reply_addresses_who_is_replied_to(void **state)
{
    struct fixture *fixture = *state;
    struct group group =
        group_new(fixture, "GROUP", "\"reply\":\"mention\"", "\"reply\":\"mention\"");
    char members[128];
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    reply(fixture, group.ann, "\"text\":\"Yes?\"");
    snprintf(members, sizeof(members), "\"text\":\"Well\",\"inReplyTo\":\"%.*s\"", UUID_TEXT_LENGTH,
             last_of(group.edge, BUS_ROOM_MESSAGE)->room_message.id.data);
    tell(fixture, &group, "eve", members);
    assert_asked(&group, true, false);
    reply(fixture, group.ann, "\"text\":\"Fine\"");
    restart_router(fixture); /* what was said lately is known again */
    open_edge(fixture, group.edge);
    for (size_t i = 0; i < 2; i++) {
        struct fake_peer *bridge = i == 0 ? group.ann : group.bob;
        open_link(fixture, bridge);
        register_agent(fixture, bridge, 8, i == 0 ? "Ann" : "Bob");
    }
    tell(fixture, &group, "eve", members);
    assert_asked(&group, true, false);
    const char *unknown = "\"text\":\"Well\",\"inReplyTo\":\"" NIL_UUID "\"";
    assert_int_equal(tell(fixture, &group, "eve", unknown)->jobs, 2); /* registered anew: always */
}

static void the_acknowledgement_says_why_nobody_answers(void **state)
{
    struct fixture *fixture = *state;
    struct group group = group_new(fixture, "GROUP", "", "");
    struct fake_peer *edge = group.edge;
    assert_int_equal(tell(fixture, &group, "Ann", "\"text\":\"hm\"")->no_agent,
                     BUS_UNANSWERED_OF_AGENT);
    kill_peer(group.ann);
    kill_peer(group.bob);
    pass(fixture, 40000);
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"hm\"")->no_agent,
                     BUS_UNANSWERED_AWAY);
    struct bus_message change = {.type = BUS_CHANNEL_CHANGE,
                                 .channel_change = {.request = 60,
                                                    .room = text(group.room),
                                                    .id = SLICE_LITERAL(NIL_UUID),
                                                    .removed = SLICE_LITERAL("Ann")}};
    say(fixture, edge, &change);
    change.channel_change.id = SLICE_LITERAL("aaaaaaaa-0000-4000-8000-000000000001");
    change.channel_change.removed = SLICE_LITERAL("Bob");
    say(fixture, edge, &change);
    assert_int_equal(tell(fixture, &group, "eve", "\"text\":\"hm\"")->no_agent,
                     BUS_UNANSWERED_NO_AGENT);
}

/* --- agents among themselves ----------------------------------------------------------------- */

static void an_agent_answers_another_that_addresses_it(void **state)
{
    struct fixture *fixture = *state;
    struct group group = group_new(fixture, "GROUP", "", "");
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    reply(fixture, group.ann, "\"text\":\"Ask @Bob\"");
    assert_asked(&group, false, true);
    const struct bus_work *work = &last_of(group.bob, BUS_WORK)->work;
    assert_true(slice_is(work->sender, "Ann"));
    assert_true(slice_is(work->body, "\"text\":\"Ask @Bob\""));
    reply(fixture, group.bob, "\"text\":\"I, Bob, do not know\"");
    assert_asked(&group, false, false);
    assert_int_equal(counted(fixture)->replies, 2);
    assert_int_equal(counted(fixture)->jobs, 0);
}

static void an_agent_s_answer_that_is_not_stored_asks_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct group group = group_new(fixture, "GROUP", "", "");
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    fixture->store_waits = true;
    reply(fixture, group.ann, "\"text\":\"Ask @Bob\"");
    fail_commit(fixture);
    assert_int_equal(counted(fixture)->jobs, 1); /* Ann's is to be done again */
    fixture->store_waits = false;
    pass(fixture, 1000);
    reply(fixture, group.ann, "\"text\":\"Nothing\"");
    assert_int_equal(counted(fixture)->jobs, 0);
}

static size_t talk(struct fixture *fixture, struct group *group)
{
    size_t answers = 0;
    for (; answers < 100; answers++) {
        if (group->ann->end.lines.length > 0 && was_asked(group->ann)) {
            reply(fixture, group->ann, "\"text\":\"@Bob, what now?\"");
        } else if (group->bob->end.lines.length > 0 && was_asked(group->bob)) {
            reply(fixture, group->bob, "\"text\":\"@Ann, what now?\"");
        } else {
            break;
        }
    }
    return answers;
}

static void a_runaway_is_stopped_and_the_room_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.agent_hops = 3;
    restart_with(fixture, settings);
    struct group group = group_new(fixture, "GROUP", "", "");
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    assert_int_equal(talk(fixture, &group), 4); /* the first one, and three among themselves */
    const struct bus_signal *signal = &last_of(group.edge, BUS_SIGNAL)->signal;
    assert_int_equal(signal->kind, BUS_SIGNAL_CONTROL);
    assert_true(slice_is(signal->action, "agents_stopped"));
    assert_true(slice_is(signal->entity, "Bob")); /* whose message is not answered any more */
    assert_int_equal(counted(fixture)->jobs, 0);
    assert_int_equal(counted(fixture)->agents_stopped, 1);
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\""); /* begins anew */
    assert_int_equal(talk(fixture, &group), 4);
    assert_int_equal(counted(fixture)->agents_stopped, 2);
}

static void a_room_has_a_budget_until_a_person_speaks(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.agent_hops = 1000;
    settings.agent_budget = 7;
    restart_with(fixture, settings);
    struct group group = group_new(fixture, "GROUP", "", "");
    /* An agent that runs elsewhere begins each time a conversation of its own. */
    for (size_t i = 0; i < 20; i++) {
        if (tell(fixture, &group, "Ann", "\"text\":\"@Bob?\"")->jobs == 0) {
            assert_int_equal(i, 7);
            break;
        }
        reply(fixture, group.bob, "\"text\":\"Yes?\"");
    }
    assert_int_equal(counted(fixture)->agents_stopped, 1);
    assert_int_equal(tell(fixture, &group, "Ann", "\"text\":\"@Bob?\"")->jobs, 0);
    assert_int_equal(counted(fixture)->agents_stopped, 1); /* said once */
    tell(fixture, &group, "eve", "\"text\":\"@Bob, go on\"");
    assert_int_equal(tell(fixture, &group, "Ann", "\"text\":\"@Bob?\"")->jobs, 1);
}

static void an_agent_may_answer_all_that_others_say_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct group group =
        group_new(fixture, "GROUP", "\"replyToAgents\":\"always\"", "\"replyToAgents\":\"never\"");
    tell(fixture, &group, "eve", "\"text\":\"@Bob?\"");
    reply(fixture, group.bob, "\"text\":\"Hm\"");
    assert_asked(&group, true, false);
    reply(fixture, group.ann, "\"text\":\"@Bob, hm?\"");
    assert_asked(&group, false, false);
}

static void without_hops_agents_do_not_answer_agents(void **state)
{
    struct fixture *fixture = *state;
    struct router_settings settings = router_default_settings;
    settings.agent_hops = 0;
    restart_with(fixture, settings);
    struct group group = group_new(fixture, "GROUP", "", "");
    tell(fixture, &group, "eve", "\"text\":\"@Ann?\"");
    assert_int_equal(talk(fixture, &group), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTER_TEST(who_is_addressed_answers_and_nobody_else),
        ROUTER_TEST(a_policy_says_when_an_agent_answers_in_groups),
        ROUTER_TEST(in_a_direct_channel_all_answer),
        ROUTER_TEST(a_reply_addresses_who_is_replied_to),
        ROUTER_TEST(the_acknowledgement_says_why_nobody_answers),
        ROUTER_TEST(an_agent_answers_another_that_addresses_it),
        ROUTER_TEST(an_agent_s_answer_that_is_not_stored_asks_nobody),
        ROUTER_TEST(a_runaway_is_stopped_and_the_room_is_told),
        ROUTER_TEST(a_room_has_a_budget_until_a_person_speaks),
        ROUTER_TEST(an_agent_may_answer_all_that_others_say_or_nothing),
        ROUTER_TEST(without_hops_agents_do_not_answer_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
