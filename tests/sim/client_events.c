#include "tests/sim/client.h"

#include <stdlib.h>
#include <utlist.h>

#include "tests/sim/oracle.h"

static struct slice text_of(struct client *client, struct slice object, const char *name)
{
    struct slice value = json_get(object, name);
    return json_type(value) == JSON_STRING ? json_decode_string(value, &client->arena)
                                           : SLICE_EMPTY;
}

static uint64_t number_of(struct slice object, const char *name)
{
    int64_t value = 0;
    json_to_integer(json_get(object, name), &value);
    return (uint64_t)value;
}

static bool flag_of(struct slice object, const char *name)
{
    return json_type(json_get(object, name)) == JSON_TRUE;
}

static int room_of(struct client *client, struct slice object)
{
    int room = room_of_name(text_of(client, object, "roomId"));
    if (room < 0) {
        world_fail(client->world, "stranger", "%s is told of a room that is none: %.*s",
                   client->name, (int)object.length, object.data);
    }
    return room;
}

static struct letter *letter_of(struct client *client, struct slice client_message_id)
{
    struct letter *letter;
    unsigned number = 0;
    size_t dot = 0;
    while (dot < client_message_id.length && client_message_id.data[dot] != '.') {
        dot++;
    }
    for (size_t i = dot + 1; i < client_message_id.length; i++) {
        number = number * 10 + (unsigned)(client_message_id.data[i] - '0');
    }
    LL_SEARCH_SCALAR(client->letters, letter, number, number);
    return letter;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_broadcast(struct client *client, struct slice object)
{
    int room = room_of(client, object);
    struct told_message told = {.id = text_of(client, object, "id"),
                                .seq = number_of(object, "seq"),
                                .epoch = number_of(object, "epoch"),
                                .sender = text_of(client, object, "senderId"),
                                .text = text_of(client, object, "text"),
                                .in_reply_to = text_of(client, object, "inReplyTo"),
                                .client_message_id = text_of(client, object, "clientMessageId"),
                                .is_replay = flag_of(object, "replay")};
    if (room >= 0) {
        oracle_told(client->oracle, client, (unsigned)room, &told);
    }
}

static void read_members(struct client *client, struct slice object, struct told_join *told)
{
    struct json_iterator members = json_iterate(json_get(object, "members"));
    struct slice member;
    while (json_next_element(&members, &member)) {
        int entity = entity_of_name(text_of(client, member, "userId"));
        told->listed++;
        if (entity >= 0) {
            told->view |= UINT64_C(1) << entity;
        }
    }
}

static void on_room_joined(struct client *client, struct slice object)
{
    int room = room_of(client, object);
    struct slice replay = json_get(object, "replay");
    struct told_join told = {.seq = number_of(object, "seq"),
                             .epoch = number_of(object, "epoch"),
                             .member_count = number_of(object, "memberCount"),
                             .has_replay = replay.length > 0};
    if (told.has_replay) {
        told.replay_count = (size_t)number_of(replay, "count");
        told.is_complete = flag_of(replay, "complete");
    }
    read_members(client, object, &told);
    if (room >= 0) {
        oracle_joined(client->oracle, client, (unsigned)room, &told);
    }
}

static void take_ack(struct client *client, struct letter *letter, struct slice object)
{
    struct told_ack told = {.id = text_of(client, object, "messageId"),
                            .seq = number_of(object, "seq"),
                            .epoch = number_of(object, "epoch"),
                            .is_duplicate = flag_of(object, "duplicate"),
                            .no_agent = json_string_is(json_get(object, "code"), "no_agent")};
    oracle_acked(client->oracle, letter, &told);
}

static void count_answer(struct client *client, struct letter *letter)
{
    if (letter->connection != client->serial || ++letter->answers > letter->emissions) {
        world_fail(client->world, "answered", "%s is told more often of letter %u than it asked",
                   client->name, letter->number);
    }
}

static void on_message_ack(struct client *client, struct slice object)
{
    struct slice id = text_of(client, object, "clientMessageId");
    if (id.length == 0) {
        return; /* a receipt, or a letter that waits by its ack id */
    }
    struct letter *letter = letter_of(client, id);
    if (letter == NULL) {
        world_fail(client->world, "stranger", "%s gets another one's ack", client->name);
        return;
    }
    count_answer(client, letter);
    take_ack(client, letter, object);
}

/* Closed rooms refuse what is said in them, and to be joined; the others nobody. */
static bool is_rightly_denied(const struct client *client, const struct letter *letter)
{
    return client->oracle->is_isolated &&
           (letter == NULL || !oracle_is_open(client->oracle, letter->room, client->entity_id));
}

/* It may be tried again, and is; unless the room is closed. */
static void on_message_error(struct client *client, struct slice object)
{
    struct slice code = json_get(object, "code");
    struct slice id = text_of(client, object, "clientMessageId");
    struct letter *letter = id.length == 0 ? NULL : letter_of(client, id);
    if (json_string_is(code, "access_denied") && is_rightly_denied(client, letter)) {
        if (letter != NULL) {
            count_answer(client, letter);
            letter->is_settled = letter->is_refused = true;
        }
        return;
    }
    if (!json_string_is(code, "overloaded") && !json_string_is(code, "not_found") &&
        !json_string_is(code, "store_failed")) {
        world_fail(client->world, "answered", "%s is refused: %.*s", client->name,
                   (int)object.length, object.data);
        return;
    }
    if (letter != NULL) {
        count_answer(client, letter);
        letter->send_at = client->world->now + 200 + (int64_t)number_of(object, "retryAfterMs");
    }
}

static void on_presence(struct client *client, struct slice object, bool is_joined)
{
    int room = room_of(client, object);
    int entity = entity_of_name(text_of(client, object, "userId"));
    if (room < 0) {
        return;
    }
    if (is_joined) {
        oracle_user_joined(client->oracle, client, (unsigned)room, entity);
    } else {
        oracle_user_left(client->oracle, client, (unsigned)room, entity);
    }
}

static void on_user_joined(struct client *client, struct slice object)
{
    on_presence(client, object, true);
}

static void on_user_left(struct client *client, struct slice object)
{
    on_presence(client, object, false);
}

static void on_chunk(struct client *client, struct slice object)
{
    int room = room_of(client, object);
    struct told_chunk told = {.reply = text_of(client, object, "messageId"),
                              .question = text_of(client, object, "inReplyTo"),
                              .index = number_of(object, "index"),
                              .is_reset = flag_of(object, "reset"),
                              .text = text_of(client, object, "chunk")};
    if (room >= 0) {
        oracle_chunk(client->oracle, client, (unsigned)room, &told);
    }
}

static void on_room_event(struct client *client, struct slice object)
{
    int room = room_of(client, object);
    if (room >= 0) {
        oracle_told_event(client->oracle, client, (unsigned)room,
                          text_of(client, object, "eventId"));
    }
}

static void on_complete(struct client *client, struct slice object)
{
    oracle_completed(client->oracle, client, text_of(client, object, "messageId"),
                     flag_of(object, "success"));
}

static void on_control(struct client *client, struct slice object)
{
    int room = room_of(client, object);
    struct slice action = json_get(object, "action");
    bool is_disabled = json_string_is(action, "disable_input");
    if (room >= 0 && (is_disabled || json_string_is(action, "enable_input"))) {
        oracle_controlled(client->oracle, client, (unsigned)room, is_disabled);
    }
}

static const struct {
    const char *name;
    void (*handle)(struct client *client, struct slice object);
} events[] = {
    {"messageBroadcast", on_broadcast}, {"room_joined", on_room_joined},
    {"messageAck", on_message_ack},     {"messageError", on_message_error},
    {"userJoined", on_user_joined},     {"userLeft", on_user_left},
    {"messageStreamChunk", on_chunk},   {"messageComplete", on_complete},
    {"controlMessage", on_control},     {"messageUpdated", on_room_event},
    {"messageDeleted", on_room_event},  {"channelCleared", on_room_event},
    {"channelDeleted", on_room_event},
};

/* But that it is closed, nothing is said of a room to who is no participant. */
static void check_isolation(struct client *client, struct slice name, struct slice argument)
{
    int room = room_of_name(text_of(client, argument, "roomId"));
    if (room >= 0 && !slice_is(name, "messageError") &&
        !oracle_is_open(client->oracle, (unsigned)room, client->entity_id)) {
        world_fail(client->world, "isolation", "%s hears %.*s of %s", client->name,
                   (int)name.length, name.data, room_name((unsigned)room));
    }
}

void client_receive_event(struct client *client, struct slice name, struct slice argument)
{
    world_tell(client->world, "hears %.*s %.*s", (int)name.length, name.data, (int)argument.length,
               argument.data);
    if (client->oracle->is_isolated) {
        check_isolation(client, name, argument);
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (slice_is(name, events[i].name)) {
            events[i].handle(client, argument);
            return;
        }
    }
}

/* --- ack callbacks ---------------------------------------------------------------------------- */

static void join_answered(struct client *client, const struct wait *wait, bool has_succeeded)
{
    struct attendance *attendance = &client->rooms[wait->room];
    if (!has_succeeded && attendance->state == ATTENDANCE_ASKED) {
        attendance->state = ATTENDANCE_OUT;
        attendance->was_refused = true;
        attendance->join_at = client->world->now + 1000;
    } else if (has_succeeded && attendance->state != ATTENDANCE_IN) {
        world_fail(client->world, "answered", "%s: the ack of a join without its room_joined",
                   client->name);
    }
}

static void send_answered(struct client *client, const struct wait *wait, struct slice argument,
                          bool has_succeeded)
{
    if (has_succeeded) {
        take_ack(client, wait->letter, argument);
    } else if (!wait->letter->has_id) {
        wait->letter->is_settled = true; /* refused, or beyond knowing */
    }
}

void client_receive_ack(struct client *client, uint64_t ack_id, struct slice argument)
{
    struct wait *wait;
    bool has_succeeded = flag_of(argument, "success");
    world_tell(client->world, "hears ack %llu %.*s", (unsigned long long)ack_id,
               (int)argument.length, argument.data);
    LL_SEARCH_SCALAR(client->waits, wait, ack_id, ack_id);
    if (wait == NULL) {
        world_fail(client->world, "answered", "%s gets ack %llu, which it does not wait for",
                   client->name, (unsigned long long)ack_id);
        return;
    }
    LL_DELETE(client->waits, wait);
    switch (wait->kind) {
    case WAIT_JOIN:
        join_answered(client, wait, has_succeeded);
        break;
    case WAIT_SEND:
        send_answered(client, wait, argument, has_succeeded);
        break;
    case WAIT_OTHER:
        break;
    }
    free(wait);
}
