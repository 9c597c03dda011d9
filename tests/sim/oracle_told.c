#include "tests/sim/oracle_internal.h"

#include <string.h>

/* --- joins ------------------------------------------------------------------------------------ */

static void check_replay(struct oracle *oracle, struct client *client, unsigned room,
                         const struct told_join *told)
{
    struct world *world = oracle->world;
    struct attendance *attendance = &client->rooms[room];
    size_t missed = count_between(room_at(oracle, room), attendance->cursor, told->seq);
    size_t least = count_lasting(room_at(oracle, room), attendance->cursor, told->seq);
    bool is_other_line = attendance->epoch != told->epoch && attendance->cursor > 0;
    /* From a message that is gone nobody can go on. */
    bool is_lost = attendance->since != NULL && !memory_store_shows(attendance->since);
    if (told->is_complete &&
        (is_other_line || told->replay_count > missed || told->replay_count < least)) {
        world_fail(world, "replay", "%s missed %zu of %s and is promised %zu", client->name, missed,
                   room_name(room), told->replay_count);
    } else if (!told->is_complete && !is_other_line && !is_lost &&
               missed <= (size_t)oracle->replay_max && world->profile->store_failures == 0) {
        world_fail(world, "replay", "%s missed %zu of %s and does not get them", client->name,
                   missed, room_name(room));
    } else if (!told->is_complete && told->replay_count > 0) {
        world_fail(world, "replay", "%s gets a part of what it missed", client->name);
    }
    oracle->replayed += told->replay_count;
}

static void check_members(struct oracle *oracle, const struct client *client, unsigned room,
                          const struct told_join *told)
{
    if ((told->view & (UINT64_C(1) << client->entity)) == 0 || told->listed != told->member_count) {
        world_fail(oracle->world, "presence", "%s joins %s and gets the list %llx, %zu of %llu",
                   client->name, room_name(room), (unsigned long long)told->view, told->listed,
                   (unsigned long long)told->member_count);
    }
}

void oracle_joined(struct oracle *oracle, struct client *client, unsigned room,
                   const struct told_join *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_room *stored = room_at(oracle, room);
    bool is_again = attendance->state == ATTENDANCE_IN;
    bool was_begun = attendance->may_be_in && attendance->has_cursor;
    if (told->seq > (stored == NULL ? 0 : stored->record.last_seq)) {
        world_fail(oracle->world, "committed", "%s joins %s at seq %llu", client->name,
                   room_name(room), (unsigned long long)told->seq);
    }
    check_members(oracle, client, room, told);
    attendance->view = told->view;
    attendance->may_be_in = false;
    if (is_again || was_begun) {
        if (attendance->cursor < told->seq && attendance->epoch == told->epoch &&
            count_lasting(stored, attendance->cursor, told->seq) > 0) {
            world_fail(oracle->world, "order", "%s is at %llu of %s, which was said to %llu",
                       client->name, (unsigned long long)attendance->cursor, room_name(room),
                       (unsigned long long)told->seq);
        }
    }
    if (is_again) {
        return;
    }
    attendance->state = ATTENDANCE_IN;
    if (!client->is_severed) {
        oracle_held(oracle, room, client->entity);
    }
    if (told->has_replay) {
        check_replay(oracle, client, room, told);
    }
    if (told->is_complete) {
        attendance->replay_left = told->replay_count;
    } else if (!was_begun || attendance->cursor < told->seq) {
        attendance->cursor = told->seq;
    }
    attendance->has_cursor = true;
    attendance->floor = told->seq;
    attendance->epoch = told->epoch;
}

/* --- messages --------------------------------------------------------------------------------- */

static struct stored_message *check_stored(struct oracle *oracle, const struct client *client,
                                           unsigned room, const struct told_message *told)
{
    struct stored_message *message = memory_store_message(oracle->store, told->id);
    if (message == NULL || message->room != room_at(oracle, room) ||
        message->record.seq != told->seq || message->room->record.epoch != told->epoch ||
        !slice_equals(message->record.sender, told->sender) ||
        !oracle_is_text_of(message, told->text) ||
        !slice_equals(message->record.in_reply_to, told->in_reply_to)) {
        world_fail(oracle->world, "committed", "%s is told %.*s of %s, seq %llu, as it is not",
                   client->name, (int)told->id.length, told->id.data, room_name(room),
                   (unsigned long long)told->seq);
        return NULL;
    }
    return message;
}

struct letter *oracle_own_letter(const struct oracle *oracle, const struct client *client,
                                 const struct stored_message *message)
{
    const struct stored_message *question =
        message->record.in_reply_to.length == 0
            ? message
            : memory_store_message(oracle->store, message->record.in_reply_to);
    struct letter *letter = question == NULL ? NULL : note_of(question)->letter;
    return letter != NULL && letter->author == client ? letter : NULL;
}

/* Outside its rooms a client gets its own messages, and the answers to them. */
static void told_outside(struct oracle *oracle, const struct client *client, unsigned room,
                         const struct stored_message *message, const struct told_message *told)
{
    struct letter *letter = oracle_own_letter(oracle, client, message);
    int agent = oracle_agent_of(oracle, message->record.sender);
    unsigned bit = agent < 0 ? 0 : 1U << agent;
    if (letter == NULL || letter->connection != client->serial || told->is_replay) {
        world_fail(oracle->world, "stranger", "%s gets %.*s of %s", client->name,
                   (int)told->id.length, told->id.data, room_name(room));
        return;
    }
    if (told->in_reply_to.length == 0 && ++letter->echoes > letter->emissions) {
        world_fail(oracle->world, "exactly-once", "%s gets its own letter %u twice", client->name,
                   letter->number);
    } else if ((letter->answered_by & bit) != 0) {
        world_fail(oracle->world, "exactly-once", "%s gets an answer to letter %u twice",
                   client->name, letter->number);
    }
    letter->answered_by |= bit;
}

static void told_in_order(struct oracle *oracle, struct client *client, unsigned room,
                          const struct stored_message *message, const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_room *stored = message->room;
    size_t at = memory_store_after(stored, attendance->cursor);
    while (at < stored->count && stored->messages[at] != message &&
           !memory_store_shows(stored->messages[at])) {
        at++; /* it was gone before it could be told */
    }
    bool is_replayed = attendance->replay_left > 0;
    if (told->is_replay != is_replayed) {
        world_fail(oracle->world, "replay", "%s gets %.*s of %s %s", client->name,
                   (int)told->id.length, told->id.data, room_name(room),
                   is_replayed ? "amid a replay" : "as a replay");
    } else if (at == stored->count || stored->messages[at] != message) {
        world_fail(
            oracle->world, "order", "%s is at seq %llu of %s and gets %llu, not %llu", client->name,
            (unsigned long long)attendance->cursor, room_name(room), (unsigned long long)told->seq,
            (unsigned long long)(at == stored->count ? 0 : stored->messages[at]->record.seq));
    }
    attendance->replay_left -= is_replayed;
    attendance->cursor = told->seq;
    attendance->epoch = told->epoch;
}

void oracle_told(struct oracle *oracle, struct client *client, unsigned room,
                 const struct told_message *told)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_message *message = check_stored(oracle, client, room, told);
    if (message == NULL) {
        return;
    }
    if (attendance->may_be_in && !attendance->has_cursor && client->is_catching_up) {
        oracle_begin_at(client, room, message);
    }
    /* That it is in a room for which it had asked it is told behind what it has missed. */
    bool is_in = attendance->state == ATTENDANCE_IN ||
                 (attendance->may_be_in && attendance->has_cursor && client->is_catching_up);
    bool was_held = attendance->state == ATTENDANCE_IN && attendance->replay_left == 0 &&
                    told->seq <= attendance->floor;
    if (!is_in || (was_held && told->in_reply_to.length > 0)) {
        told_outside(oracle, client, room, message, told);
    } else {
        told_in_order(oracle, client, room, message, told);
    }
    if (slice_equals(note_of(message)->text, told->text)) {
        oracle_check_assembly(oracle, client, room, told);
    }
}

void oracle_told_event(struct oracle *oracle, struct client *client, unsigned room, struct slice id)
{
    struct attendance *attendance = &client->rooms[room];
    struct stored_message *event = memory_store_message(oracle->store, id);
    if (event == NULL || event->record.kind != MESSAGE_KIND_EVENT ||
        event->room != room_at(oracle, room)) {
        world_fail(oracle->world, "committed", "%s is told of %.*s in %s, as it is not",
                   client->name, (int)id.length, id.data, room_name(room));
        return;
    }
    if (attendance->may_be_in && !attendance->has_cursor && client->is_catching_up) {
        oracle_begin_at(client, room, event);
    }
    if (attendance->state != ATTENDANCE_IN &&
        !(attendance->may_be_in && attendance->has_cursor && client->is_catching_up)) {
        world_fail(oracle->world, "stranger", "%s is told of %.*s in %s", client->name,
                   (int)id.length, id.data, room_name(room));
        return;
    }
    struct told_message told = {.id = id,
                                .seq = event->record.seq,
                                .epoch = event->room->record.epoch,
                                .is_replay = attendance->replay_left > 0}; /* it is not marked */
    told_in_order(oracle, client, room, event, &told);
}

/* --- acknowledgements ------------------------------------------------------------------------- */

void oracle_acked(struct oracle *oracle, struct letter *letter, const struct told_ack *told)
{
    struct world *world = oracle->world;
    struct stored_message *message = memory_store_message(oracle->store, told->id);
    const char *name = letter->author->name;
    if (message == NULL || message != letter->stored || message->record.seq != told->seq ||
        message->room->record.epoch != told->epoch) {
        world_fail(world, "committed",
                   "%s: letter %u is acknowledged as %.*s, seq %llu, as it is "
                   "not",
                   name, letter->number, (int)told->id.length, told->id.data,
                   (unsigned long long)told->seq);
        return;
    }
    if (letter->is_acked && !slice_is(told->id, letter->message_id)) {
        world_fail(world, "exactly-once", "%s: letter %u was acknowledged as %s before", name,
                   letter->number, letter->message_id);
    }
    if (told->is_duplicate && letter->all_emissions == 1) {
        world_fail(world, "exactly-once", "%s: letter %u was sent once and is a duplicate", name,
                   letter->number);
    }
    if (!has_faults(oracle) && letter->is_acked && letter->all_emissions > 1 &&
        letter->connection == letter->author->serial && letter->answers == letter->emissions &&
        letter->emissions > 1 && !told->is_duplicate) {
        world_fail(world, "exactly-once", "%s: a repeat of letter %u is no duplicate", name,
                   letter->number);
    }
    if (!letter->is_acked) {
        memcpy(letter->message_id, told->id.data, UUID_TEXT_LENGTH);
        letter->no_agent = told->no_agent;
        oracle->acked++;
    }
    letter->is_acked = letter->is_settled = true;
}
