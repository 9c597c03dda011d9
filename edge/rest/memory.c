#include "edge/rest/internal.h"

#include "proto/wire/chat_body.h"

/*
 * An agent's memories are the history of its rooms: what it was asked and has said, and, room by
 * room, all messages. There is no second copy: who changes or deletes a memory does so to the
 * message. Of other tables than "messages" nothing is kept.
 */

enum { MEMORIES_DEFAULT = 50, MEMORIES_MAX = 1000, ROOMS_PAGE = 150 };

/* --- writing ---------------------------------------------------------------------------------- */

/* What a message's body says, raw. */
struct memory_view {
    struct slice text, source, thought, actions, attachments, metadata, raw_message;
    struct slice sender_name, channel;
};

/* shown: a buffer that what is seen borrows from. */
static struct memory_view view_of(struct slice body, struct buffer *shown)
{
    struct memory_view view;
    const struct json_field fields[] = {
        {"text", &view.text},
        {"source", &view.source},
        {"thought", &view.thought},
        {"actions", &view.actions},
        {"attachments", &view.attachments},
        {"metadata", &view.metadata},
        {"rawMessage", &view.raw_message},
        {"senderName", &view.sender_name},
        {"channelId", &view.channel},
    };
    buffer_clear(shown);
    chat_show_body(body, shown);
    json_collect(buffer_slice(shown), fields, sizeof(fields) / sizeof(fields[0]));
    return view;
}

static void write_raw(struct buffer *out, const char *name, struct slice value)
{
    if (json_type(value) > JSON_NULL) {
        json_write_raw_member(out, name, value);
    }
}

static void write_content(struct buffer *out, const struct bus_stored_message *message,
                          const struct memory_view *view)
{
    json_write_key(out, "content");
    buffer_append_char(out, '{');
    write_raw(out, "text", view->text);
    write_raw(out, "source", view->source);
    write_raw(out, "thought", view->thought);
    write_raw(out, "actions", view->actions);
    write_raw(out, "attachments", view->attachments);
    if (message->in_reply_to.length > 0) { /* it is an agent's */
        json_write_string_member(out, "inReplyTo", message->in_reply_to);
        json_write_string_member(out, "responseId", message->id);
        json_write_raw_member(out, "providers", SLICE_LITERAL("[]"));
        json_write_boolean_member(out, "simple", true);
    }
    buffer_append_char(out, '}');
}

/* The message as it came, and who said it. */
static void write_origin(struct buffer *out, const struct bus_stored_message *message,
                         const struct memory_view *view)
{
    static const char *const own[] = {"senderId", "senderName", NULL};
    json_write_key(out, "raw");
    buffer_append_char(out, '{');
    json_write_string_member(out, "senderId", message->sender);
    write_raw(out, "senderName", view->sender_name);
    if (json_type(view->raw_message) == JSON_OBJECT) {
        rest_copy_members(out, view->raw_message, own);
    }
    buffer_append_char(out, '}');
}

static void write_metadata(struct buffer *out, const struct bus_stored_message *message,
                           const struct memory_view *view)
{
    static const char *const own[] = {"type",     "timestamp", "entityName", "source",
                                      "sourceId", "raw",       NULL};
    json_write_key(out, "metadata");
    buffer_append_string(out, "{\"type\":\"message\"");
    json_write_signed_member(out, "timestamp", message->created_at);
    write_raw(out, "entityName", view->sender_name);
    write_raw(out, "source", view->source);
    json_write_string_member(out, "sourceId", message->id);
    write_origin(out, message, view);
    if (json_type(view->metadata) == JSON_OBJECT) {
        rest_copy_members(out, view->metadata, own);
    }
    buffer_append_char(out, '}');
}

static void write_memory(struct buffer *out, const struct bus_stored_message *message,
                         const struct memory_view *view, struct slice agent, struct slice room)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", message->id);
    json_write_string_member(out, "type", SLICE_LITERAL("messages"));
    json_write_signed_member(out, "createdAt", message->created_at);
    write_content(out, message, view);
    json_write_string_member(out, "entityId", message->sender);
    json_write_string_member(out, "agentId", agent);
    json_write_string_member(out, "roomId", room);
    json_write_boolean_member(out, "unique", true);
    write_metadata(out, message, view);
    buffer_append_char(out, '}');
}

/* --- GET …/memories --------------------------------------------------------------------------- */

/* The room is the path's, or what each message says of itself. */
static void on_memories(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct arena *arena = &wait->rest->arena;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct msgpack_reader reader = bus_list_read(&outcome->answer->history_page.messages);
    struct bus_stored_message message;
    struct buffer shown = BUFFER_EMPTY;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"memories\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
        struct memory_view view = view_of(message.body, &shown);
        struct slice room = wait->channel[0] != '\0' ? slice_of_string(wait->channel)
                                                     : json_decode_string(view.channel, arena);
        if (!rest_may_show(wait, room)) {
            continue;
        }
        rest_begin_element(out);
        write_memory(out, &message, &view, slice_of_string(wait->id), room);
    }
    arena_reset(arena);
    buffer_deinit(&shown);
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

static bool is_of_messages(const struct rest_call *call)
{
    struct slice table;
    bool is_named = http_query_get(call->request->query, "tableName", &call->rest->arena, &table);
    return !is_named || table.length == 0 || slice_is(table, "messages");
}

/* False: answered already. */
static bool take_page(const struct rest_call *call, uint64_t *limit, int64_t *before)
{
    uint64_t count = 0, latest = 0;
    if (!rest_has_agent_id(call)) {
        return false;
    }
    if (!rest_take_count(call, "limit", MEMORIES_DEFAULT, MEMORIES_MAX, &count) ||
        !rest_take_count(call, "before", 0, INT64_MAX, &latest)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid limit or before");
        return false;
    }
    *limit = is_of_messages(call) ? count : 0;
    *before = (int64_t)latest;
    return true;
}

/* Rooms have the ids of their channels here. */
static struct slice room_of_query(const struct rest_call *call)
{
    static const char *const names[] = {"channelId", "roomId"};
    struct slice room;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (http_query_get(call->request->query, names[i], &call->rest->arena, &room)) {
            return room;
        }
    }
    return SLICE_EMPTY;
}

void rest_get_memories(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_AGENT_HISTORY, .agent_history = {.agent = call->id}};
    struct bus_agent_history *history = &message.agent_history;
    struct rest_call of_room = *call;
    of_room.channel = room_of_query(call);
    if (of_room.channel.length > USER_ID_MAX) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID", "Invalid channel ID format");
    } else if (of_room.channel.length > 0) {
        if (rest_keeps_path_to_identity(&of_room)) {
            rest_get_room_memories(&of_room);
        }
    } else if (take_page(call, &history->limit, &history->before)) {
        rest_ask(call, &message, &history->request, on_memories);
    }
}

void rest_get_room_memories(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_HISTORY, .history = {.room = call->channel}};
    struct bus_history *history = &message.history;
    if (take_page(call, &history->limit, &history->before)) {
        rest_ask(call, &message, &history->request, on_memories);
    }
}

/* --- changing and deleting -------------------------------------------------------------------- */

/* The call as it would be for the message itself. */
static bool name_message(const struct rest_call *call, struct rest_call *out)
{
    *out = *call;
    out->id = call->other;
    if (!uuid_is_valid(call->id) || !uuid_is_valid(call->other)) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID",
                       "Invalid agent or memory ID format");
        return false;
    }
    return true;
}

void rest_patch_memory(const struct rest_call *call)
{
    struct rest_call message;
    struct slice content = json_get(call->body, "content");
    struct slice metadata = rest_object_of(json_get(call->body, "metadata"));
    struct buffer body = BUFFER_EMPTY;
    if (!name_message(call, &message)) {
        return;
    }
    if (json_type(content) == JSON_OBJECT) {
        content = json_get(content, "text");
    }
    buffer_append_char(&body, '{');
    if (json_type(content) == JSON_STRING) {
        json_write_raw_member(&body, "content", content);
    }
    if (metadata.length > 0) {
        json_write_raw_member(&body, "metadata", metadata);
    }
    buffer_append_char(&body, '}');
    message.body = buffer_slice(&body);
    rest_patch_remembered(&message);
    buffer_deinit(&body);
}

void rest_delete_memory(const struct rest_call *call)
{
    struct rest_call message;
    if (name_message(call, &message)) {
        rest_delete_remembered(&message);
    }
}

void rest_clear_room_memories(const struct rest_call *call)
{
    if (rest_is_for_operators(call) && rest_has_agent_id(call)) {
        rest_clear_messages(call);
    }
}

/* --- clearing all rooms of an agent or a server ----------------------------------------------- */

static void ask_for_rooms(struct rest_wait *wait, uint64_t before, int64_t now);

/* What is left to clear stays in the note, as a page of rooms on the bus. */
static void clear_next(struct rest_wait *wait, int64_t now);

static void on_room_cleared(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_error_of(outcome) == ERROR_NOT_FOUND || !rest_is_over(wait, outcome, NULL)) {
        wait->done++;
        clear_next(wait, outcome->now);
    }
}

static void answer_cleared(struct rest_wait *wait)
{
    if (wait->step == REST_STEP_MEMORY) {
        rest_wait_answer(wait, 200,
                         SLICE_LITERAL("{\"success\":true,\"data\":{\"message\":\"All agent "
                                       "memories cleared successfully\"}}"));
    } else {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    }
}

static void clear_next(struct rest_wait *wait, int64_t now)
{
    struct bus_message kept;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    struct bus_channel_row room;
    if (bus_decode(&reader, &kept) != 0) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    reader = bus_list_read(&kept.channels_page.channels);
    for (size_t i = 0; i <= wait->done; i++) {
        if (!bus_list_next(&reader, BUS_ELEMENT_CHANNEL, &room)) {
            wait->done = 0;
            if (kept.channels_page.next == 0) {
                answer_cleared(wait);
            } else {
                ask_for_rooms(wait, kept.channels_page.next, now);
            }
            return;
        }
    }
    memset(wait->channel, 0, sizeof(wait->channel));
    memcpy(wait->channel, room.id.data, room.id.length);
    rest_tell_cleared(wait, on_room_cleared, now);
}

static void on_rooms_to_clear(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        buffer_clear(&wait->note);
        bus_encode(&wait->note, outcome->answer);
        clear_next(wait, outcome->now);
    }
}

static void ask_for_rooms(struct rest_wait *wait, uint64_t before, int64_t now)
{
    struct slice id = slice_of_string(wait->id);
    struct bus_message of_agent = {
        .type = BUS_ROOMS_OF,
        .rooms_of = {.participant = id, .before = before, .limit = ROOMS_PAGE}};
    struct bus_message of_server = {
        .type = BUS_CHANNEL_LIST,
        .channel_list = {.server_id = id, .before = before, .limit = ROOMS_PAGE}};
    if (wait->step == REST_STEP_REMOVE) {
        rest_ask_on(wait, &of_server, &of_server.channel_list.request, on_rooms_to_clear, now);
    } else {
        rest_ask_on(wait, &of_agent, &of_agent.rooms_of.request, on_rooms_to_clear, now);
    }
}

static void clear_all(const struct rest_call *call, enum rest_step step)
{
    if (rest_is_for_operators(call) && rest_has_agent_id(call)) {
        struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
        wait->step = step;
        ask_for_rooms(wait, 0, call->now);
    }
}

void rest_clear_memories(const struct rest_call *call)
{
    clear_all(call, REST_STEP_MEMORY);
}

void rest_clear_world_memories(const struct rest_call *call)
{
    clear_all(call, REST_STEP_REMOVE);
}
