/* Rooms as REST sees them: events in a room's order, changes, deletion, submitted messages,
 * records. */
#include "tests/unit/router_fixture.h"

#define EVENT_ID "018f0000-0000-7000-8000-0000000000e1"
#define OTHER_ID "018f0000-0000-7000-8000-0000000000e2"
#define REPLY_ID "018f0000-0000-7000-8000-0000000000e3"

static struct fake_peer *one_member(struct fixture *fixture)
{
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    join(fixture, edge, 1, "r", "ann");
    send(fixture, edge, 2, "r", "ann", "m");
    hear_nothing_yet(fixture);
    return edge;
}

static void room_event(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                       const char *id, enum bus_room_action action, const char *message_id)
{
    struct bus_message message = {.type = BUS_ROOM_EVENT,
                                  .room_event = {.request = request,
                                                 .room = text("r"),
                                                 .id = text(id),
                                                 .action = action,
                                                 .message_id = text(message_id),
                                                 .body = action == BUS_ROOM_EDITS_MESSAGE
                                                             ? text("\"text\":\"new\"")
                                                             : SLICE_EMPTY,
                                                 .event = text("happened {}")}};
    say(fixture, edge, &message);
}

static const struct bus_send_done *done_of(struct fake_peer *edge)
{
    return &last_of(edge, BUS_SEND_DONE)->send_done;
}

static const struct bus_channel *channel_of(struct fixture *fixture, struct fake_peer *edge,
                                            const char *room)
{
    struct bus_message message = {
        .type = BUS_CHANNEL_GET,
        .channel_get = {.request = 40, .room = text(room), .wants_participants = true}};
    say(fixture, edge, &message);
    return &last_of(edge, BUS_CHANNEL)->channel;
}

static bool has_participant(const struct bus_channel *channel, const char *id)
{
    struct msgpack_reader reader = bus_list_read(&channel->participants);
    struct bus_text element;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        if (slice_is(element.text, id)) {
            return true;
        }
    }
    return false;
}

static void test_an_event_takes_its_place_in_the_order_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_TELLS, "");
    const struct bus_room_message *event = &last_of(edge, BUS_ROOM_MESSAGE)->room_message;
    assert_int_equal(event->seq, 2);
    assert_int_equal(event->kind, BUS_KIND_EVENT);
    assert_true(slice_is(event->body, "happened {}"));
    assert_int_equal(done_of(edge)->error, 0);
    room_event(fixture, edge, 4, EVENT_ID, BUS_ROOM_TELLS, "");
    assert_true(done_of(edge)->is_duplicate);
    assert_int_equal(fixture->store.message_count, 2);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    room_event(fixture, edge, 5, EVENT_ID, BUS_ROOM_TELLS, "");
    assert_true(done_of(edge)->is_duplicate);
    assert_int_equal(fixture->store.message_count, 2);
}

static void test_an_event_of_an_unknown_room_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_CLEARS, "");
    assert_int_equal(done_of(edge)->error, ERROR_NOT_FOUND);
    join(fixture, edge, 1, "r", "ann"); /* somebody is there, but nothing was ever said */
    room_event(fixture, edge, 4, EVENT_ID, BUS_ROOM_CLEARS, "");
    assert_int_equal(done_of(edge)->error, ERROR_NOT_FOUND);
}

static void test_messages_are_edited_deleted_and_cleared_with_their_event(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    char id[UUID_TEXT_SIZE] = "";
    memcpy(id, fixture->store.messages[0].id.data, UUID_TEXT_LENGTH);
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_EDITS_MESSAGE, id);
    assert_true(slice_is(fixture->store.messages[0].body, "\"text\":\"new\""));
    room_event(fixture, edge, 4, OTHER_ID, BUS_ROOM_DELETES_MESSAGE, id);
    assert_int_equal(fixture->store.message_count, 2); /* the two events */
    send(fixture, edge, 5, "r", "ann", "n");
    room_event(fixture, edge, 6, REPLY_ID, BUS_ROOM_CLEARS, "");
    assert_int_equal(fixture->store.message_count, 1);
    assert_int_equal(fixture->store.messages[0].seq, 5);
    size_t before = fixture->store.sweeps;
    pass(fixture, 25000);
    assert_true(fixture->store.sweeps > before);
}

static void test_a_deleted_room_is_gone_until_something_is_said_in_it(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    uint64_t epoch = channel_of(fixture, edge, "r")->epoch;
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_IS_DELETED, "");
    assert_int_equal(last_of(edge, BUS_ROOM_MESSAGE)->room_message.seq, 2);
    assert_int_equal(channel_of(fixture, edge, "r")->error, ERROR_NOT_FOUND);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    assert_int_equal(channel_of(fixture, edge, "r")->error, ERROR_NOT_FOUND);
    send(fixture, edge, 5, "r", "bob", "again");
    assert_int_equal(done_of(edge)->seq, 3);
    const struct bus_channel *channel = channel_of(fixture, edge, "r");
    assert_int_equal(channel->error, 0);
    assert_int_equal(channel->epoch, epoch);
    assert_true(has_participant(channel, "bob"));
    assert_false(has_participant(channel, "ann"));
}

static void test_who_speaks_takes_part_and_so_does_who_answers(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    bridge_new(fixture, "bridg1", 4, "eliza");
    ask(fixture, edge, 2, "r", "ann", "m");
    ask(fixture, edge, 3, "r", "bob", "n");
    const struct bus_channel *channel = channel_of(fixture, edge, "r");
    assert_int_equal(channel->participants.count, 3);
    assert_true(has_participant(channel, "ann"));
    assert_true(has_participant(channel, "bob"));
    assert_true(has_participant(channel, "eliza"));
}

static void test_a_change_is_made_told_and_answered_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    struct bus_message message = {.type = BUS_CHANNEL_CHANGE,
                                  .channel_change = {.request = 7,
                                                     .room = text("r"),
                                                     .id = text(EVENT_ID),
                                                     .name = text("New"),
                                                     .metadata = text("{\"a\":1}"),
                                                     .added = text("eliza")}};
    say(fixture, edge, &message);
    const struct bus_channel *channel = &last_of(edge, BUS_CHANNEL)->channel;
    assert_int_equal(channel->error, 0);
    assert_true(slice_is(channel->name, "New"));
    const struct bus_room_message *event = &last_of(edge, BUS_ROOM_MESSAGE)->room_message;
    assert_int_equal(event->kind, BUS_KIND_EVENT);
    assert_non_null(memmem(event->body.data, event->body.length, "channelUpdated {", 16));
    assert_non_null(memmem(event->body.data, event->body.length, "\"name\":\"New\"", 12));
    assert_true(fixture->store.rooms[0].has_participants);
    size_t count = fixture->store.message_count;
    say(fixture, edge, &message);
    assert_int_equal(fixture->store.message_count, count);
    message.channel_change.id = text(OTHER_ID);
    message.channel_change.added = SLICE_EMPTY;
    message.channel_change.removed = text("eliza");
    say(fixture, edge, &message);
    assert_false(has_participant(&last_of(edge, BUS_CHANNEL)->channel, "eliza"));
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    channel = channel_of(fixture, edge, "r");
    assert_true(slice_is(channel->name, "New"));
    assert_false(has_participant(channel, "eliza"));
    assert_true(has_participant(channel, "ann"));
}

static void test_the_same_channel_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.request = 5,
                                                  .id = text(EVENT_ID),
                                                  .server_id = text(NIL_UUID),
                                                  .name = text("First"),
                                                  .type = text("DM")}};
    fixture->store_waits = true;
    say(fixture, edge, &message);
    message.channel_put.request = 6;
    message.channel_put.name = text("Second");
    say(fixture, edge, &message);
    fixture->store_waits = false;
    settle(fixture);
    const struct bus_channel *channel = &last_of(edge, BUS_CHANNEL)->channel;
    assert_int_equal(channel->request, 6);
    assert_true(slice_is(channel->name, "First"));
    assert_int_equal(fixture->store.room_count, 1);
}

static void test_a_deletion_that_is_not_stored_has_not_happened(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    struct bus_message message = {
        .type = BUS_CHANNEL_CHANGE,
        .channel_change = {
            .request = 3, .room = text("r"), .id = text(OTHER_ID), .added = text("agent")}};
    say(fixture, edge, &message);
    fixture->store_waits = true;
    room_event(fixture, edge, 4, EVENT_ID, BUS_ROOM_IS_DELETED, "");
    fail_commit(fixture);
    assert_int_equal(done_of(edge)->error, ERROR_OVERLOADED);
    fixture->store_waits = false;
    settle(fixture);
    assert_int_equal(channel_of(fixture, edge, "r")->error, 0);
    assert_true(has_participant(channel_of(fixture, edge, "r"), "agent"));
    hear_nothing_yet(fixture);
    room_event(fixture, edge, 5, EVENT_ID, BUS_ROOM_IS_DELETED, "");
    assert_int_equal(done_of(edge)->error, 0);
    assert_true(slice_is(last_of(edge, BUS_ROOM_MESSAGE)->room_message.id, EVENT_ID));
    assert_int_equal(channel_of(fixture, edge, "r")->error, ERROR_NOT_FOUND);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    assert_int_equal(channel_of(fixture, edge, "r")->error, ERROR_NOT_FOUND);
}

static void test_a_room_takes_nothing_while_its_deletion_is_being_stored(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    fixture->store_waits = true;
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_IS_DELETED, "");
    send(fixture, edge, 4, "r", "ann", "n");
    assert_int_equal(done_of(edge)->request, 4);
    assert_int_equal(done_of(edge)->error, ERROR_OVERLOADED);
    room_event(fixture, edge, 5, OTHER_ID, BUS_ROOM_TELLS, "");
    assert_int_equal(done_of(edge)->request, 5);
    assert_int_equal(done_of(edge)->error, ERROR_OVERLOADED);
    send(fixture, edge, 6, "r", "ann", "m");
    assert_true(done_of(edge)->is_duplicate); /* what was said before was said */
    commit(fixture);
    assert_int_equal(done_of(edge)->request, 3);
    fixture->store_waits = false;
    send(fixture, edge, 7, "r", "ann", "n");
    assert_int_equal(done_of(edge)->error, 0);
}

static void test_a_question_that_is_cleared_before_it_is_stored_is_not_answered(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    struct fake_peer *bridge = bridge_new(fixture, "bridg1", 1, "agent");
    fixture->store_waits = true;
    ask(fixture, edge, 3, "r", "ann", "question");
    room_event(fixture, edge, 4, EVENT_ID, BUS_ROOM_CLEARS, "");
    commit(fixture);
    fixture->store_waits = false;
    settle(fixture);
    assert_int_equal(heard_of(bridge, BUS_WORK), 0);
    assert_int_equal(router_counters(fixture->router)->jobs, 0);
    ask(fixture, edge, 5, "r", "ann", "another");
    assert_int_equal(heard_of(bridge, BUS_WORK), 1);
}

static void test_a_deleted_message_does_not_come_back_by_being_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    char id[UUID_TEXT_SIZE] = "";
    memcpy(id, fixture->store.messages[0].id.data, UUID_TEXT_LENGTH);
    room_event(fixture, edge, 3, EVENT_ID, BUS_ROOM_DELETES_MESSAGE, id);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    send(fixture, edge, 4, "r", "ann", "m");
    assert_true(done_of(edge)->is_duplicate);
    assert_true(slice_is(done_of(edge)->message_id, id));
    assert_int_equal(fixture->store.message_count, 1); /* the event */
}

static void submit_as(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                      const char *room, struct slice id)
{
    struct bus_message message = {.type = BUS_SUBMIT,
                                  .submit = {.request = request,
                                             .room = text(room),
                                             .id = id,
                                             .sender = text("agent"),
                                             .in_reply_to = text(OTHER_ID),
                                             .body = text("\"text\":\"hi\"")}};
    say(fixture, edge, &message);
}

static void submit(struct fixture *fixture, struct fake_peer *edge, uint64_t request,
                   const char *room)
{
    submit_as(fixture, edge, request, room, text(REPLY_ID));
}

static void test_a_submitted_id_is_taken_once_in_all_rooms(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = one_member(fixture);
    submit(fixture, edge, 3, "r");
    const struct bus_room_message *reply = &last_of(edge, BUS_ROOM_MESSAGE)->room_message;
    assert_true(slice_is(reply->id, REPLY_ID));
    assert_true(slice_is(reply->in_reply_to, OTHER_ID));
    assert_int_equal(done_of(edge)->error, 0);
    submit(fixture, edge, 4, "other");
    assert_int_equal(fixture->store.message_count, 2);
    restart_router(fixture);
    edge = edge_new(fixture, "edgeB1");
    submit_as(fixture, edge, 5, "other", fixture->store.messages[0].id);
    assert_int_equal(done_of(edge)->error, ERROR_CONFLICT); /* somebody else's */
    submit(fixture, edge, 6, "r");
    assert_int_equal(done_of(edge)->error, 0); /* the same once more, as the edge repeats it */
    assert_true(done_of(edge)->is_duplicate);
    assert_int_equal(fixture->store.message_count, 2);
}

static void test_records_go_to_the_store_and_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct fake_peer *edge = edge_new(fixture, "edgeA1");
    struct bus_message put = {.type = BUS_RECORD_PUT,
                              .record_put = {.request = 3,
                                             .collection = text("thing"),
                                             .id = text("x"),
                                             .owner = text("ann"),
                                             .body = text("{}")}};
    say(fixture, edge, &put);
    assert_int_equal(last_of(edge, BUS_RECORD)->record.revision, 1);
    put.record_put.request = 4;
    say(fixture, edge, &put);
    assert_int_equal(last_of(edge, BUS_RECORD)->record.error, ERROR_CONFLICT);
    struct bus_message get = {
        .type = BUS_RECORD_GET,
        .record_get = {.request = 5, .collection = text("thing"), .id = text("x")}};
    say(fixture, edge, &get);
    const struct bus_record *record = &last_of(edge, BUS_RECORD)->record;
    assert_int_equal(record->error, 0);
    assert_true(slice_is(record->body, "{}"));
    assert_true(slice_is(record->owner, "ann"));
    struct bus_message list = {
        .type = BUS_RECORD_LIST,
        .record_list = {.request = 6, .collection = text("thing"), .limit = 10}};
    say(fixture, edge, &list);
    assert_int_equal(last_of(edge, BUS_RECORDS_PAGE)->records_page.records.count, 1);
    struct bus_message gone = {
        .type = BUS_RECORD_DELETE,
        .record_delete = {.request = 7, .collection = text("thing"), .id = text("x")}};
    say(fixture, edge, &gone);
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, 0);
    gone.record_delete.request = 8;
    say(fixture, edge, &gone);
    assert_int_equal(last_of(edge, BUS_DONE)->done.error, ERROR_NOT_FOUND);
    put.record_put.collection = text("a name of more than thirty-two bytes");
    put.record_put.request = 9;
    say(fixture, edge, &put);
    assert_int_equal(last_of(edge, BUS_RECORD)->record.error, ERROR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_an_event_takes_its_place_in_the_order_once),
        TEST(test_an_event_of_an_unknown_room_is_not_found),
        TEST(test_messages_are_edited_deleted_and_cleared_with_their_event),
        TEST(test_a_deleted_room_is_gone_until_something_is_said_in_it),
        TEST(test_a_deletion_that_is_not_stored_has_not_happened),
        TEST(test_a_room_takes_nothing_while_its_deletion_is_being_stored),
        TEST(test_a_question_that_is_cleared_before_it_is_stored_is_not_answered),
        TEST(test_a_deleted_message_does_not_come_back_by_being_sent_again),
        TEST(test_who_speaks_takes_part_and_so_does_who_answers),
        TEST(test_a_change_is_made_told_and_answered_once),
        TEST(test_the_same_channel_is_made_once),
        TEST(test_a_submitted_id_is_taken_once_in_all_rooms),
        TEST(test_records_go_to_the_store_and_come_back),
    };
    return cmocka_run_group_tests_name("router_channels", tests, NULL, NULL);
}
