#include "tests/sim/client.h"

#include <stdio.h>
#include <utlist.h>

#include "proto/base/memory.h"
#include "tests/sim/oracle.h"

enum {
    REPEAT_MS_MIN = 2000, /* without an answer: sent again */
    REPEAT_MS_MAX = 7000,
    JOIN_AGAIN_MS = 8000,
    LONG_TEXT_MAX = 4000,
    BURST_MAX = 12
};

static int64_t draw(struct client *client, int64_t low, int64_t high)
{
    return chance_between(&client->world->chance, low, high);
}

static bool happens(struct client *client, int per_mille)
{
    return chance_happens(&client->world->chance, per_mille);
}

/* --- joining ---------------------------------------------------------------------------------- */

static void write_since(struct client *client, struct attendance *attendance, struct buffer *out)
{
    const struct stored_message *last =
        oracle_message_at(client->oracle, attendance->epoch, attendance->cursor,
                          (unsigned)(attendance - client->rooms));
    attendance->since = NULL;
    if (last != NULL && happens(client, 300) && last->record.kind == MESSAGE_KIND_USER) {
        attendance->since = last;
        buffer_append_string(out, ",\"since\":");
        json_write_string(out, oracle_id_of(last));
        return;
    }
    buffer_append_format(out, ",\"since\":%llu,\"sinceEpoch\":%llu",
                         (unsigned long long)attendance->cursor,
                         (unsigned long long)attendance->epoch);
}

static void say_join(struct client *client, unsigned room, bool asks_since)
{
    struct attendance *attendance = &client->rooms[room];
    struct buffer argument = BUFFER_EMPTY;
    bool is_numbered = happens(client, 100); /* the event "1" of old clients */
    uint64_t ack_id = 0;
    buffer_append_format(&argument, "%s{\"roomId\":\"%s\",\"entityId\":\"%s\"",
                         is_numbered ? "" : "{\"type\":1,\"payload\":", room_name(room),
                         client->entity_id);
    if (asks_since) {
        write_since(client, attendance, &argument);
    }
    buffer_append_string(&argument, is_numbered ? "}" : "}}");
    if (asks_since || happens(client, 600)) {
        struct wait *wait = client_wait(client, WAIT_JOIN);
        wait->room = room;
        ack_id = wait->ack_id;
    }
    client_emit(client, ack_id, is_numbered ? "1" : "message", buffer_slice(&argument));
    buffer_deinit(&argument);
}

void client_join(struct client *client, unsigned room)
{
    struct attendance *attendance = &client->rooms[room];
    bool asks_since = attendance->has_cursor;
    if (attendance->state == ATTENDANCE_OUT) {
        attendance->state = ATTENDANCE_ASKED;
    }
    attendance->asks_since = asks_since;
    attendance->join_at = client->world->now + JOIN_AGAIN_MS;
    say_join(client, room, asks_since);
    if (!asks_since && happens(client, 50)) {
        say_join(client, room, false); /* an effect that runs twice */
    }
}

static void join_rooms(struct client *client)
{
    for (unsigned room = 0; room < client->room_count; room++) {
        struct attendance *attendance = &client->rooms[room];
        bool is_due = attendance->state == ATTENDANCE_OUT ||
                      (attendance->state == ATTENDANCE_ASKED && !attendance->asks_since);
        bool is_in_vain =
            client->world->is_calm && !oracle_is_open(client->oracle, room, client->entity_id);
        if (attendance->is_wanted && is_due && !is_in_vain &&
            client->world->now >= attendance->join_at) {
            client_join(client, room);
        }
    }
}

/* --- letters ---------------------------------------------------------------------------------- */

static struct letter *write_letter(struct client *client)
{
    struct letter *letter = memory_allocate_zeroed(sizeof(*letter));
    unsigned room = (unsigned)chance_below(&client->world->chance, client->room_count);
    /* Mostly where it is, sometimes elsewhere. */
    for (unsigned i = 0; i < 3 && !client->rooms[room].is_wanted; i++) {
        room = (unsigned)chance_below(&client->world->chance, client->room_count);
    }
    letter->author = client;
    letter->room = room;
    letter->number = ++client->letter_count;
    letter->has_id = !happens(client, 80);
    letter->asks_agent = happens(client, 600);
    LL_PREPEND(client->letters, letter);
    return letter;
}

static void write_text(struct client *client, const struct letter *letter, struct buffer *out)
{
    struct chance filler = {letter->number * 1000 + client->number};
    bool is_long = client->world->profile->is_tight && chance_happens(&filler, 200);
    size_t words = chance_below(&filler, 6);
    buffer_append_format(out, "#%u.%u", client->number, letter->number);
    for (size_t i = 0; i < words; i++) {
        buffer_append_format(out, " i%u", (unsigned)chance_below(&filler, 90));
    }
    for (size_t i = is_long ? chance_below(&filler, LONG_TEXT_MAX) : 0; i > 0; i--) {
        buffer_append_char(out, 'x');
    }
}

static void send_letter(struct client *client, struct letter *letter)
{
    struct buffer argument = BUFFER_EMPTY;
    struct buffer text = BUFFER_EMPTY;
    uint64_t ack_id = 0;
    write_text(client, letter, &text);
    buffer_append_format(&argument,
                         "{\"type\":%d,\"payload\":{\"roomId\":\"%s\",\"senderId\":\"%s\"",
                         letter->asks_agent ? 2 : 3, room_name(letter->room), client->entity_id);
    json_write_string_member(&argument, letter->asks_agent ? "message" : "text",
                             buffer_slice(&text));
    if (letter->has_id) {
        buffer_append_format(&argument, ",\"messageId\":\"m%u.%u\"", client->number,
                             letter->number);
    }
    buffer_append_string(&argument, "}}");
    if (!letter->has_id || happens(client, 500)) {
        struct wait *wait = client_wait(client, WAIT_SEND);
        wait->letter = letter;
        ack_id = wait->ack_id;
    }
    if (letter->connection != client->serial) {
        letter->connection = client->serial;
        letter->emissions = letter->answers = letter->echoes = letter->answered_by = 0;
    }
    letter->emissions++;
    letter->all_emissions++;
    letter->send_at = client->world->now + draw(client, REPEAT_MS_MIN, REPEAT_MS_MAX);
    client_emit(client, ack_id, "message", buffer_slice(&argument));
    buffer_deinit(&argument);
    buffer_deinit(&text);
}

static void send_letters_again(struct client *client)
{
    struct letter *letter;
    LL_FOREACH (client->letters, letter) {
        bool is_elsewhere = letter->connection != client->serial;
        if (!letter->is_settled && letter->has_id &&
            (is_elsewhere || client->world->now >= letter->send_at)) {
            send_letter(client, letter);
        }
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

static void say_signal(struct client *client, unsigned room)
{
    struct buffer argument = BUFFER_EMPTY;
    bool stops = happens(client, client->world->profile->controls * 10);
    struct wait *wait = client_wait(client, WAIT_OTHER);
    if (stops) {
        buffer_append_format(&argument,
                             "{\"type\":6,\"payload\":{\"roomId\":\"%s\",\"action\":\"stop\"}}",
                             room_name(room));
    } else {
        buffer_append_format(&argument, "{\"roomId\":\"%s\",\"userId\":\"%s\",\"isTyping\":%s}",
                             room_name(room), client->entity_id,
                             happens(client, 500) ? "true" : "false");
    }
    client_emit(client, wait->ack_id, stops ? "message" : "typing", buffer_slice(&argument));
    buffer_deinit(&argument);
}

static void say_receipt(struct client *client, const struct letter *letter)
{
    struct buffer argument = BUFFER_EMPTY;
    struct wait *wait = client_wait(client, WAIT_OTHER);
    buffer_append_format(&argument,
                         "{\"type\":4,\"payload\":{\"messageId\":\"%s\",\"status\":\"read\"}}",
                         letter->message_id);
    client_emit(client, wait->ack_id, "message", buffer_slice(&argument));
    buffer_deinit(&argument);
}

static void act_freely(struct client *client)
{
    unsigned room = (unsigned)chance_below(&client->world->chance, client->room_count);
    struct letter *letter = client->letters;
    if (chance_below(&client->world->chance, 1000) < client->eagerness) {
        for (int64_t i = happens(client, 30) ? draw(client, 2, BURST_MAX) : 1; i > 0; i--) {
            send_letter(client, write_letter(client));
        }
    }
    if (happens(client, 10)) {
        client->rooms[room].is_wanted = true;
    }
    if (happens(client, 10)) {
        say_signal(client, room);
    }
    if (letter != NULL && letter->is_acked && happens(client, 20)) {
        say_receipt(client, letter);
    }
    if (letter != NULL && letter->is_acked && letter->has_id && happens(client, 15)) {
        send_letter(client, letter); /* as clients do that lost count */
    }
    if (client->rooms[room].state == ATTENDANCE_IN && happens(client, 5)) {
        say_join(client, room, false);
    }
}

void client_act(struct client *client)
{
    join_rooms(client);
    send_letters_again(client);
    if (!client->world->is_calm && !client->is_auditor) {
        act_freely(client);
    }
}
