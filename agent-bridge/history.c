#include "agent-bridge/history.h"

#include "proto/base/json.h"
#include "proto/wire/chat_body.h"

static struct slice decode(struct slice value, struct arena *arena)
{
    return json_type(value) == JSON_STRING ? json_decode_string(value, arena) : SLICE_EMPTY;
}

static bool read_turn(const struct bus_stored_message *message, struct slice agent,
                      struct arena *arena, struct runtime_turn *turn)
{
    struct slice members = chat_body_members(message->body);
    struct slice object, text = SLICE_EMPTY, name = SLICE_EMPTY;
    const struct json_field fields[] = {{"text", &text}, {"senderName", &name}};
    char *copy = arena_allocate(arena, members.length + 2);
    copy[0] = '{';
    memcpy(copy + 1, members.data, members.length);
    copy[members.length + 1] = '}';
    if (json_scan(slice_of(copy, members.length + 2), JSON_MAX_DEPTH, &object) != 0) {
        return false;
    }
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    *turn = (struct runtime_turn){.sender_id = message->sender,
                                  .sender_name = decode(name, arena),
                                  .text = decode(text, arena),
                                  .is_own = slice_equals(message->sender, agent)};
    return turn->text.length > 0;
}

static bool belongs(const struct bus_stored_message *message, const struct bus_work *work,
                    bool has_question, bool is_after_question)
{
    if (slice_equals(message->id, work->question)) {
        return false;
    }
    if (slice_equals(message->sender, work->agent)) {
        return true;
    }
    return has_question ? !is_after_question : message->created_at < work->created_at;
}

static bool has_question(const struct bus_history_page *page, const struct bus_work *work)
{
    struct msgpack_reader reader = bus_list_read(&page->messages);
    struct bus_stored_message message;
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
        if (slice_equals(message.id, work->question)) {
            return true;
        }
    }
    return false;
}

size_t history_read(const struct bus_history_page *page, const struct bus_work *work, size_t most,
                    struct arena *arena, struct runtime_turn **turns)
{
    struct msgpack_reader reader = bus_list_read(&page->messages);
    struct bus_stored_message message;
    struct runtime_turn *all = arena_allocate(arena, (most + 1) * sizeof(*all));
    bool is_there = has_question(page, work);
    bool is_after = true; /* the page begins with the newest */
    size_t count = 0;
    while (count < most && bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
        if (slice_equals(message.id, work->question)) {
            is_after = false;
        }
        if (belongs(&message, work, is_there, is_after) &&
            read_turn(&message, work->agent, arena, &all[count])) {
            count++;
        }
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct runtime_turn turn = all[i];
        all[i] = all[count - 1 - i];
        all[count - 1 - i] = turn;
    }
    *turns = all;
    return count;
}
