/* Rooms that are closed to all but their participants: every message of an edge, by who asks. */
#include "router/core/access.h"
#include "router/core/presence.h"
#include "router/core/room.h"
#include "tests/unit/router_fixture.h"

#define EVENT_ID "018f0000-0000-7000-8000-0000000000e1"
#define OTHER_ID "018f0000-0000-7000-8000-0000000000e2"

/* --- the decision ----------------------------------------------------------------------------- */

static void test_a_room_is_open_to_participants_and_free_when_it_is_nobody_s(void **state)
{
    struct room room = {.row_batch = 1};
    struct slice ann = text("ann"), eve = text("eve");
    (void)state;
    room_add_participant(&room, ann);
    assert_int_equal(access_of(false, NULL, eve), ACCESS_OPEN);
    assert_int_equal(access_of(false, &room, eve), ACCESS_OPEN);
    assert_int_equal(access_of(true, NULL, ann), ACCESS_FREE);
    assert_int_equal(access_of(true, &room, ann), ACCESS_OPEN);
    assert_int_equal(access_of(true, &room, eve), ACCESS_CLOSED);
    assert_int_equal(access_of(true, &room, SLICE_EMPTY), ACCESS_OPEN); /* an operator */
    room.row_batch = 0;                                                 /* its commit has failed */
    assert_int_equal(access_of(true, &room, eve), ACCESS_CLOSED);
    room.deleted_at = 1;
    assert_int_equal(access_of(true, &room, eve), ACCESS_FREE);
    room_forget_participants(&room);
    room = (struct room){.row_batch = 1}; /* one of before that nobody has spoken in */
    assert_int_equal(access_of(true, &room, eve), ACCESS_CLOSED);
    room.row_batch = 0;
    assert_int_equal(access_of(true, &room, eve), ACCESS_FREE);
}

/* --- a closed room ---------------------------------------------------------------------------- */

static void say_as(struct fixture *fixture, struct fake_peer *edge, const char *viewer,
                   struct bus_message message)
{
    message.viewer = text(viewer);
    say(fixture, edge, &message);
}

static struct bus_message making(const char *creator, const char *participant)
{
    static struct bus_list_builder list;
    struct bus_text element = {text(participant)};
    buffer_clear(&list.bytes);
    list.count = 0;
    bus_list_add(&list, BUS_ELEMENT_TEXT, &element);
    return (struct bus_message){.type = BUS_CHANNEL_PUT,
                                .channel_put = {.request = 1,
                                                .id = text("r"),
                                                .server_id = SLICE_LITERAL(NIL_UUID),
                                                .name = text("Closed"),
                                                .type = text("GROUP"),
                                                .metadata = SLICE_LITERAL("{}"),
                                                .creator = text(creator),
                                                .participants = bus_list_of(&list)}};
}

/* Room r of ann's, in which bob takes part and ann is; with one message. */
static struct fake_peer *closed_room(struct fixture *fixture)
{
    struct router_settings settings = fixture->settings;
    settings.data_isolation = true;
    restart_with(fixture, settings);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    assert_true(last_of(edge, BUS_CLUSTER)->cluster.has_closed_rooms);
    say_as(fixture, edge, "ann", making("ann", "bob"));
    assert_int_equal(last_of(edge, BUS_CHANNEL)->channel.error, 0);
    join(fixture, edge, 2, "r", "ann");
    send(fixture, edge, 3, "r", "ann", "m");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    hear_nothing_yet(fixture);
    return edge;
}

static struct slice first_message(const struct fixture *fixture)
{
    return fixture->store.messages[0].id;
}

/* What asks of a room that is there already; text: the room. */
static struct bus_message asking(size_t which, struct slice room, struct slice message_id)
{
    struct bus_room_event event = {.request = 9,
                                   .room = room,
                                   .id = text(EVENT_ID),
                                   .message_id = message_id,
                                   .event = text("happened {}")};
    switch (which) {
    case 0:
        return (struct bus_message){.type = BUS_HISTORY,
                                    .history = {.request = 9, .room = room, .limit = 10}};
    case 1:
        return (struct bus_message){.type = BUS_MEMBERS,
                                    .members = {.request = 9, .room = room, .limit = 10}};
    case 2:
        return (struct bus_message){
            .type = BUS_CHANNEL_GET,
            .channel_get = {.request = 9, .room = room, .wants_participants = true}};
    case 3:
        return (struct bus_message){
            .type = BUS_CHANNEL_CHANGE,
            .channel_change = {
                .request = 9, .room = room, .id = text(OTHER_ID), .added = text("eve")}};
    case 4:
        return (struct bus_message){.type = BUS_RUN_ATTACH,
                                    .run_attach = {.request = 9, .room = room, .id = message_id}};
    case 5:
        event.action = BUS_ROOM_TELLS;
        break;
    case 6:
        event.action = BUS_ROOM_EDITS_MESSAGE;
        event.body = text("\"text\":\"new\"");
        break;
    case 7:
        event.action = BUS_ROOM_DELETES_MESSAGE;
        break;
    case 8:
        event.action = BUS_ROOM_CLEARS;
        break;
    default:
        event.action = BUS_ROOM_IS_DELETED;
        break;
    }
    return (struct bus_message){.type = BUS_ROOM_EVENT, .room_event = event};
}

enum { QUESTIONS = 10 };

static void test_to_a_stranger_a_room_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct slice message = first_message(fixture);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct buffer nowhere = BUFFER_EMPTY;
        hear_nothing_yet(fixture);
        say_as(fixture, edge, "eve", asking(i, text("nowhere"), message));
        buffer_append_slice(&nowhere, buffer_slice(&edge->end.lines));
        buffer_append_char(&nowhere, '\0');
        hear_nothing_yet(fixture);
        say_as(fixture, edge, "eve", asking(i, text("r"), message));
        assert_peer_heard(edge, nowhere.data);
        buffer_deinit(&nowhere);
    }
    assert_int_equal(fixture->store.message_count, 1);
    assert_int_equal(presence_count(room_find(fixture->router, text("r"))), 1);
}

static void test_participants_and_operators_are_answered(void **state)
{
    static const char *const viewers[] = {"bob", "ann", ""};
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    for (size_t i = 0; i < sizeof(viewers) / sizeof(viewers[0]); i++) {
        say_as(fixture, edge, viewers[i], asking(0, text("r"), SLICE_EMPTY));
        assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->history_page.messages.count, 1);
        say_as(fixture, edge, viewers[i], asking(1, text("r"), SLICE_EMPTY));
        assert_int_equal(last_of(edge, BUS_MEMBERS_PAGE)->members_page.total, 1);
        say_as(fixture, edge, viewers[i], asking(2, text("r"), SLICE_EMPTY));
        assert_int_equal(last_of(edge, BUS_CHANNEL)->channel.participants.count, 2);
        say_as(fixture, edge, viewers[i], asking(4, text("r"), first_message(fixture)));
        assert_int_equal(last_of(edge, BUS_RUN_ATTACHED)->run_attached.error, 0);
    }
    say_as(fixture, edge, "bob", asking(8, text("r"), SLICE_EMPTY));
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
}

static void test_a_stranger_is_refused_where_it_would_make_the_room(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    join(fixture, edge, 10, "r", "eve");
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal", sending(12, "r", "mal", "let me in", false));
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal", sending(13, "r", "ann", "m", false)); /* nor as one who is */
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal",
           (struct bus_message){.type = BUS_SUBMIT,
                                .submit = {.request = 14,
                                           .room = text("r"),
                                           .id = text(OTHER_ID),
                                           .sender = text("mal"),
                                           .body = text("\"text\":\"let me in\"")}});
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal", making("mal", "mal"));
    assert_int_equal(last_of(edge, BUS_CHANNEL)->channel.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal", making("ann", "mal"));
    assert_int_equal(last_of(edge, BUS_CHANNEL)->channel.error, ERROR_ACCESS);
    say_as(fixture, edge, "mal",
           (struct bus_message){.type = BUS_JOIN,
                                .join = {.request = 15, .room = text("r"), .entity = text("ann")}});
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_ACCESS);
    /* An operator speaks as anybody, which puts nobody on a list that was made. */
    send(fixture, edge, 16, "r", "eve", "from outside");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    join(fixture, edge, 17, "r", "eve");
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_ACCESS);
}

static struct bus_message signalling(const char *entity)
{
    return (struct bus_message){
        .type = BUS_SIGNAL, .signal = {.room = text("r"), .entity = text(entity), .is_on = true}};
}

static void test_a_stranger_s_signals_and_receipts_reach_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct bus_message receipt = {.type = BUS_RECEIPT,
                                  .receipt = {.request = 9,
                                              .message_id = first_message(fixture),
                                              .user = text("eve"),
                                              .status = text("read")}};
    say_as(fixture, edge, "eve", signalling("eve"));
    say_as(fixture, edge, "eve", signalling("ann"));
    assert_int_equal(heard_of(edge, BUS_SIGNAL), 0);
    say_as(fixture, edge, "bob", signalling("bob"));
    assert_int_equal(heard_of(edge, BUS_SIGNAL), 1);
    say_as(fixture, edge, "eve", receipt);
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, ERROR_NOT_FOUND);
    receipt.receipt.user = text("bob");
    say_as(fixture, edge, "eve", receipt);
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, ERROR_NOT_FOUND);
    assert_int_equal(heard_of(edge, BUS_RECEIPT_NOTE), 0);
    say_as(fixture, edge, "bob", receipt);
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, 0);
    assert_int_equal(heard_of(edge, BUS_RECEIPT_NOTE), 1);
}

static void test_a_message_by_its_id_is_its_room_s(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct bus_message get = {.type = BUS_MESSAGE_GET,
                              .message_get = {.request = 9, .id = first_message(fixture)}};
    say_as(fixture, edge, "eve", get);
    assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->history_page.messages.count, 0);
    say_as(fixture, edge, "bob", get);
    assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->history_page.messages.count, 1);
    say_as(fixture, edge, "", get);
    assert_int_equal(last_of(edge, BUS_HISTORY_PAGE)->history_page.messages.count, 1);
}

static void test_what_is_about_no_room_in_particular_is_limited_by_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "agent");
    (void)bridge;
    const struct bus_message questions[] = {
        {.type = BUS_SEARCH, .search = {.request = 9, .text = text("m"), .limit = 10}},
        {.type = BUS_CHANNEL_LIST,
         .channel_list = {.request = 9, .server_id = SLICE_LITERAL(NIL_UUID), .limit = 10}},
        {.type = BUS_ROOMS_OF,
         .rooms_of = {.request = 9, .participant = text("agent"), .limit = 10}},
        {.type = BUS_AGENT_HISTORY,
         .agent_history = {.request = 9, .agent = text("agent"), .limit = 10}},
        {.type = BUS_RUNS_LIST, .runs_list = {.request = 9, .agent = text("agent"), .limit = 10}},
    };
    fixture->store_waits = true;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        say_as(fixture, edge, "eve", questions[i]);
        assert_string_equal(fixture->store.queries[0].viewer, "eve");
        answer(fixture);
        say_as(fixture, edge, "", questions[i]);
        assert_string_equal(fixture->store.queries[0].viewer, "");
        answer(fixture);
    }
    say_as(fixture, edge, "eve",
           (struct bus_message){.type = BUS_RUN_DELETE,
                                .run_delete = {.request = 9, .agent = text("agent"), .job = 1}});
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, ERROR_FORBIDDEN);
}

static void test_a_record_is_its_owner_s(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct bus_message put = {.type = BUS_RECORD_PUT,
                              .record_put = {.request = 8,
                                             .collection = text("things"),
                                             .id = text("one"),
                                             .owner = text("ann"),
                                             .body = text("{}")}};
    struct bus_message get = {
        .type = BUS_RECORD_GET,
        .record_get = {.request = 9, .collection = text("things"), .id = text("one")}};
    struct bus_message list = {
        .type = BUS_RECORD_LIST,
        .record_list = {.request = 9, .collection = text("things"), .limit = 10}};
    say_as(fixture, edge, "ann", put);
    put.record_put.id = text("two");
    put.record_put.owner = SLICE_EMPTY;
    say_as(fixture, edge, "ann", put);
    say_as(fixture, edge, "eve", get);
    assert_int_equal(last_of(edge, BUS_RECORD)->record.error, ERROR_NOT_FOUND);
    say_as(fixture, edge, "eve", list);
    assert_int_equal(last_of(edge, BUS_RECORDS_PAGE)->records_page.records.count, 1);
    say_as(fixture, edge, "ann", get);
    assert_int_equal(last_of(edge, BUS_RECORD)->record.error, 0);
    say_as(fixture, edge, "", list);
    assert_int_equal(last_of(edge, BUS_RECORDS_PAGE)->records_page.records.count, 2);
}

/* --- rooms that come into being --------------------------------------------------------------- */

static bool takes_part(const struct fixture *fixture, const char *room, const char *id)
{
    return room_has_participant(room_find(fixture->router, text(room)), text(id));
}

static void test_whoever_comes_first_has_the_room_also_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct bus_message direct = sending(20, "direct", "ann", "hello", false);
    bridge_new(fixture, "bridg1", 1, "agent");
    join(fixture, edge, 18, "joined", "ann");
    send(fixture, edge, 19, "spoken", "ann", "hello");
    direct.send.channel_type = text("DM");
    direct.send.channel_metadata = text("{\"targetUserId\":\"bob\"}");
    say(fixture, edge, &direct);
    for (int i = 0; i < 2; i++) {
        static const char *const rooms[] = {"joined", "spoken", "direct"};
        for (size_t r = 0; r < 3; r++) {
            assert_true(takes_part(fixture, rooms[r], "ann"));
            assert_true(takes_part(fixture, rooms[r], "agent"));
            assert_false(takes_part(fixture, rooms[r], "eve"));
        }
        assert_true(takes_part(fixture, "direct", "bob"));
        assert_false(takes_part(fixture, "spoken", "bob"));
        restart_router(fixture);
    }
}

static void test_a_list_whose_commit_failed_is_kept_with_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    fixture->store_is_down = true;
    send(fixture, edge, 20, "new", "ann", "one");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, ERROR_OVERLOADED);
    fixture->store_is_down = false;
    send(fixture, edge, 21, "new", "ann", "one");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.error, 0);
    restart_router(fixture);
    assert_true(takes_part(fixture, "new", "ann"));
}

/* --- out of it -------------------------------------------------------------------------------- */

static void remove_bob(struct fixture *fixture, struct fake_peer *edge)
{
    say_as(fixture, edge, "ann",
           (struct bus_message){.type = BUS_CHANNEL_CHANGE,
                                .channel_change = {.request = 30,
                                                   .room = text("r"),
                                                   .id = text(OTHER_ID),
                                                   .removed = text("bob")}});
}

static void test_who_is_removed_is_out_of_the_room_on_every_edge(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *first = closed_room(fixture);
    struct fake_peer *second = edge_new(fixture, "edgeB1");
    join(fixture, first, 20, "r", "bob");
    join(fixture, second, 21, "r", "bob");
    hear_nothing_yet(fixture);
    remove_bob(fixture, first);
    assert_int_equal(last_of(first, BUS_CHANNEL)->channel.error, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct bus_expelled *expelled =
            &last_of(i == 0 ? first : second, BUS_EXPELLED)->expelled;
        assert_true(slice_is(expelled->room, "r") && slice_is(expelled->entity, "bob"));
    }
    const struct bus_presence *left = &last_of(first, BUS_PRESENCE)->presence;
    assert_false(left->is_joined);
    assert_int_equal(left->member_count, 1);
    size_t heard = heard_of(second, BUS_ROOM_MESSAGE);
    send(fixture, first, 31, "r", "ann", "without bob");
    assert_int_equal(heard_of(second, BUS_ROOM_MESSAGE), heard);
    leave(fixture, second, "r", "bob", false); /* the edge's, said before it knew */
    assert_int_equal(presence_count(room_find(fixture->router, text("r"))), 1);
}

static void test_nobody_is_put_out_before_the_change_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    join(fixture, edge, 20, "r", "bob");
    hear_nothing_yet(fixture);
    fixture->store_waits = true;
    remove_bob(fixture, edge);
    assert_int_equal(heard_of(edge, BUS_EXPELLED), 0);
    commit(fixture);
    assert_int_equal(heard_of(edge, BUS_EXPELLED), 1);
}

static void test_a_join_that_waits_is_refused_to_who_is_removed_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    fixture->store_waits = true;
    say(fixture, edge,
        &(struct bus_message){
            .type = BUS_JOIN,
            .join = {
                .request = 20, .room = text("r"), .entity = text("bob"), .since = BUS_SINCE_SEQ}});
    remove_bob(fixture, edge);
    commit(fixture);
    answer(fixture);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_ACCESS);
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.replay.count, 0);
    assert_int_equal(presence_count(room_find(fixture->router, text("r"))), 1);
}

static void test_an_edge_that_comes_back_hears_who_has_been_removed(void **state)
{
    struct fixture *fixture = *state;
    closed_room(fixture);
    struct fake_peer *edge = fake_peer_new(fixture, ROUTER_SIDE_EDGES, "edgeB1");
    edge->end.keeps_settled = false;
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", room_find(fixture->router, text("r"))->epoch, 0, "mal");
    assert_int_equal(heard_of(edge, BUS_EXPELLED), 1);
    assert_true(slice_is(last_of(edge, BUS_EXPELLED)->expelled.entity, "mal"));
    sync_done(fixture, edge);
    assert_int_equal(heard_of(edge, BUS_ROOM_MESSAGE), 0);
    assert_int_equal(presence_count(room_find(fixture->router, text("r"))), 1);
    /* A room that the router has lost is theirs who were in it. */
    sync_room(fixture, edge, "lost", 1, 0, "mal");
    assert_true(takes_part(fixture, "lost", "mal"));
}

static void test_a_deleted_room_is_everybody_s_loss_and_the_next_one_s(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    join(fixture, edge, 20, "r", "bob");
    hear_nothing_yet(fixture);
    say_as(fixture, edge, "bob", asking(9, text("r"), SLICE_EMPTY));
    assert_int_equal(heard_of(edge, BUS_EXPELLED), 2);
    assert_int_equal(presence_count(room_find(fixture->router, text("r"))), 0);
    join(fixture, edge, 21, "r", "eve");
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, 0);
    join(fixture, edge, 22, "r", "ann");
    assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, ERROR_ACCESS);
}

static void test_an_edge_that_comes_back_does_not_revive_a_room(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    say_as(fixture, edge, "ann", asking(9, text("r"), SLICE_EMPTY));
    edge = fake_peer_new(fixture, ROUTER_SIDE_EDGES, "edgeB1");
    open_link(fixture, edge);
    sync_room(fixture, edge, "r", room_find(fixture->router, text("r"))->epoch, 1, "bob");
    assert_int_equal(heard_of(edge, BUS_EXPELLED), 1);
    assert_true(room_find(fixture->router, text("r"))->deleted_at != 0);
}

static void test_a_removed_agent_answers_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = closed_room(fixture);
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "agent");
    send(fixture, edge, 20, "ours", "ann", "hello");
    ask(fixture, edge, 21, "ours", "ann", "question");
    assert_int_equal(heard_of(bridge, BUS_WORK), 1);
    say_as(fixture, edge, "ann",
           (struct bus_message){.type = BUS_CHANNEL_CHANGE,
                                .channel_change = {.request = 22,
                                                   .room = text("ours"),
                                                   .id = text(OTHER_ID),
                                                   .removed = text("agent")}});
    assert_int_equal(heard_of(bridge, BUS_WORK_CANCEL), 1);
    ask(fixture, edge, 23, "ours", "ann", "another one");
    assert_int_equal(last_of(edge, BUS_SEND_DONE)->send_done.no_agent, BUS_UNANSWERED_NO_AGENT);
}

/* --- sockets that come back ------------------------------------------------------------------- */

static void test_a_rejoining_entity_is_not_put_back_where_it_was_removed(void **state)
{
    static const char socket[] = "edgeA1abcdefghijklmnopqrst";
    struct fixture *fixture = *state;
    fixture->settings.data_isolation = true;
    restart_recovering(fixture, 120000);
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    say_as(fixture, edge, "ann", making("ann", "bob"));
    for (int i = 0; i < 2; i++) {
        say(fixture, edge,
            &(struct bus_message){.type = BUS_JOIN,
                                  .join = {.request = 20,
                                           .room = i == 0 ? text("r") : text("own"),
                                           .entity = text("bob"),
                                           .socket = slice_of(socket, SESSION_ID_LENGTH),
                                           .begins = i == 0}});
        assert_int_equal(last_of(edge, BUS_JOINED)->joined.error, 0);
    }
    say(fixture, edge,
        &(struct bus_message){.type = BUS_SESSION_END,
                              .session_end = {slice_of(socket, SESSION_ID_LENGTH), false}});
    remove_bob(fixture, edge);
    say(fixture, edge,
        &(struct bus_message){.type = BUS_REJOIN,
                              .rejoin = {.request = 21, .entity = text("bob")}});
    const struct bus_rejoined *rejoined = &last_of(edge, BUS_REJOINED)->rejoined;
    assert_int_equal(rejoined->error, 0);
    assert_int_equal(rejoined->rooms.count, 1);
    struct msgpack_reader reader = bus_list_read(&rejoined->rooms);
    struct bus_session_room room;
    assert_true(bus_list_next(&reader, BUS_ELEMENT_SESSION_ROOM, &room));
    assert_true(slice_is(room.room, "own"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_room_is_open_to_participants_and_free_when_it_is_nobody_s),
        ROUTER_TEST(test_to_a_stranger_a_room_is_not_there),
        ROUTER_TEST(test_participants_and_operators_are_answered),
        ROUTER_TEST(test_a_stranger_is_refused_where_it_would_make_the_room),
        ROUTER_TEST(test_a_stranger_s_signals_and_receipts_reach_nobody),
        ROUTER_TEST(test_a_message_by_its_id_is_its_room_s),
        ROUTER_TEST(test_what_is_about_no_room_in_particular_is_limited_by_the_store),
        ROUTER_TEST(test_a_record_is_its_owner_s),
        ROUTER_TEST(test_whoever_comes_first_has_the_room_also_after_a_restart),
        ROUTER_TEST(test_a_list_whose_commit_failed_is_kept_with_the_next),
        ROUTER_TEST(test_who_is_removed_is_out_of_the_room_on_every_edge),
        ROUTER_TEST(test_nobody_is_put_out_before_the_change_is_committed),
        ROUTER_TEST(test_a_join_that_waits_is_refused_to_who_is_removed_meanwhile),
        ROUTER_TEST(test_an_edge_that_comes_back_hears_who_has_been_removed),
        ROUTER_TEST(test_a_deleted_room_is_everybody_s_loss_and_the_next_one_s),
        ROUTER_TEST(test_an_edge_that_comes_back_does_not_revive_a_room),
        ROUTER_TEST(test_a_removed_agent_answers_no_more),
        ROUTER_TEST(test_a_rejoining_entity_is_not_put_back_where_it_was_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
