#include "edge/rest/internal.h"

#include "proto/wire/chat_body.h"

/* One message: read, edited, deleted; all of a channel: cleared; and found by what they say. */

enum { SEARCH_DEFAULT = 50, SEARCH_MAX = 1000 };

#define MESSAGE_NOT_FOUND "Message not found"

bool rest_first_message(const struct uplink_outcome *outcome, struct bus_stored_message *message)
{
    struct msgpack_reader reader = bus_list_read(&outcome->answer->history_page.messages);
    return bus_list_next(&reader, BUS_ELEMENT_STORED, message);
}

/* A message knows its channel: its body says it. */
struct slice rest_channel_of(struct slice body, struct arena *arena)
{
    struct buffer braced = BUFFER_EMPTY;
    buffer_append_char(&braced, '{');
    buffer_append_slice(&braced, chat_body_members(body));
    buffer_append_char(&braced, '}');
    struct slice channel = json_get(buffer_slice(&braced), "channelId");
    struct slice id =
        json_type(channel) == JSON_STRING ? json_decode_string(channel, arena) : SLICE_EMPTY;
    id = arena_copy(arena, id);
    buffer_deinit(&braced);
    return id;
}

/*
 * The message that was asked for, and its channel: it must be the one of the path, if there is one,
 * and open to the token. False: refused already.
 */
static bool find(struct rest_wait *wait, const struct uplink_outcome *outcome,
                 struct bus_stored_message *message, struct slice *channel)
{
    if (rest_is_over(wait, outcome, MESSAGE_NOT_FOUND)) {
        return false;
    }
    if (rest_first_message(outcome, message)) {
        *channel = rest_channel_of(message->body, &wait->rest->arena);
        bool is_elsewhere =
            wait->channel[0] != '\0' && !slice_equals(*channel, slice_of_string(wait->channel));
        if (!is_elsewhere && channel->length > 0 && rest_may_show(wait, *channel)) {
            return true;
        }
    }
    rest_wait_refuse(wait, ERROR_NOT_FOUND, MESSAGE_NOT_FOUND);
    return false;
}

/* Likewise, for whoever may change it. */
static bool find_own(struct rest_wait *wait, const struct uplink_outcome *outcome,
                     struct bus_stored_message *message, struct slice *channel)
{
    if (!find(wait, outcome, message, channel)) {
        return false;
    }
    bool is_own = identity_may_be(wait->identity, message->sender);
    if (!is_own) {
        rest_wait_refuse(wait, ERROR_IDENTITY, NULL);
    }
    return is_own;
}

static struct rest_wait *ask_for_message(const struct rest_call *call, uplink_answered *answered)
{
    struct bus_message message = {.type = BUS_MESSAGE_GET, .message_get = {.id = call->id}};
    return rest_ask(call, &message, &message.message_get.request, answered);
}

/* --- GET -------------------------------------------------------------------------------------- */

static void on_message(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_stored_message message;
    struct slice channel;
    if (find(wait, outcome, &message, &channel)) {
        const struct bus_history_page *page = &outcome->answer->history_page;
        rest_write_message(rest_begin_data(wait->rest), &message,
                           (struct rest_place){channel, page->channel_type, page->epoch});
        rest_end_data(wait, 200);
    }
}

void rest_get_message(const struct rest_call *call)
{
    ask_for_message(call, on_message);
}

/* --- PATCH ------------------------------------------------------------------------------------ */

/* The body as it was, with the edit's members in place of its own; binary values stay. */
static void write_edited(struct buffer *out, struct slice body, struct slice edit)
{
    static const char *const replaced[] = {"text", "metadata", "rawMessage", "updatedAt"};
    static const char *const nothing[] = {NULL};
    const char *without[sizeof(replaced) / sizeof(replaced[0]) + 1] = {NULL};
    struct slice members = chat_body_members(body);
    struct buffer braced = BUFFER_EMPTY, edited = BUFFER_EMPTY;
    for (size_t i = 0, count = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        if (json_get(edit, replaced[i]).length > 0) {
            without[count++] = replaced[i];
        }
    }
    buffer_append_char(&braced, '{');
    buffer_append_slice(&braced, members);
    buffer_append_char(&braced, '}');
    buffer_append_char(&edited, '{');
    rest_copy_members(&edited, buffer_slice(&braced), without);
    rest_copy_members(&edited, edit, nothing);
    buffer_append(out, edited.data + 1, edited.length - 1);
    buffer_append(out, body.data + members.length, body.length - members.length);
    buffer_deinit(&braced);
    buffer_deinit(&edited);
}

static void write_event(struct buffer *out, const char *name,
                        const struct bus_stored_message *message, uint64_t epoch, struct slice body)
{
    struct chat_stamp stamp = {message->id, message->seq, epoch, message->created_at};
    struct buffer extra = BUFFER_EMPTY;
    buffer_append_string(&extra, "\"messageId\":");
    json_write_string(&extra, message->id);
    buffer_append_string(out, name);
    buffer_append_char(out, ' ');
    chat_write_broadcast(&stamp, chat_body_members(body), buffer_slice(&extra), out);
    buffer_deinit(&extra);
}

static void on_edited(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_message kept;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    struct bus_stored_message message;
    if (rest_is_over(wait, outcome, MESSAGE_NOT_FOUND)) {
        return;
    }
    struct uplink_outcome before = {.answer = &kept};
    if (bus_decode(&reader, &kept) != 0 || !rest_first_message(&before, &message)) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    message.body = outcome->sent->room_event.body;
    struct buffer *out = rest_begin_data(wait->rest);
    rest_write_message(out, &message,
                       (struct rest_place){outcome->sent->room_event.room,
                                           kept.history_page.channel_type,
                                           kept.history_page.epoch});
    if (wait->step == REST_STEP_MEMORY) {
        out->length--;
        json_write_string_member(out, "message", SLICE_LITERAL("Memory updated successfully"));
        buffer_append_char(out, '}');
    }
    rest_end_data(wait, 200);
}

static void on_message_to_edit(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_stored_message message;
    struct slice channel;
    if (!find_own(wait, outcome, &message, &channel)) {
        return;
    }
    struct buffer body = BUFFER_EMPTY, event = BUFFER_EMPTY;
    char id[UUID_TEXT_SIZE];
    const char *name = wait->step == REST_STEP_ACTION ? "messageBroadcast" : "messageUpdated";
    uuid_random(wait->rest->ids, id);
    write_edited(&body, message.body, buffer_slice(&wait->note));
    write_event(&event, name, &message, outcome->answer->history_page.epoch, buffer_slice(&body));
    buffer_clear(&wait->note);
    bus_encode(&wait->note, outcome->answer);
    if (body.length > BUS_PAYLOAD_MAX || event.length > BUS_PAYLOAD_MAX) {
        rest_wait_refuse(wait, ERROR_TOO_LARGE, NULL);
    } else {
        struct bus_message change = {.type = BUS_ROOM_EVENT,
                                     .room_event = {.room = channel,
                                                    .id = slice_of(id, UUID_TEXT_LENGTH),
                                                    .action = BUS_ROOM_EDITS_MESSAGE,
                                                    .message_id = message.id,
                                                    .body = buffer_slice(&body),
                                                    .event = buffer_slice(&event)}};
        rest_ask_on(wait, &change, &change.room_event.request, on_edited, outcome->now);
    }
    buffer_deinit(&body);
    buffer_deinit(&event);
}

/* Keeps the edit in the note: {text?, metadata?, rawMessage?, updatedAt}. */
static void begin_edit(const struct rest_call *call, struct slice text, enum rest_step step)
{
    static const char *const raw_names[] = {"raw_message", "rawMessage", NULL};
    struct slice metadata = rest_object_of(json_get(call->body, "metadata"));
    struct slice raw = rest_object_of(rest_field(call->body, raw_names));
    struct rest_wait *wait = ask_for_message(call, on_message_to_edit);
    if (wait == NULL) {
        return;
    }
    wait->step = step;
    buffer_append_char(&wait->note, '{');
    if (text.length > 0) {
        json_write_string_member(&wait->note, "text", text);
    }
    if (metadata.length > 0) {
        json_write_raw_member(&wait->note, "metadata", metadata);
    }
    if (raw.length > 0) {
        json_write_raw_member(&wait->note, "rawMessage", raw);
    }
    json_write_signed_member(&wait->note, "updatedAt", rest_wall(call->rest));
    buffer_append_char(&wait->note, '}');
}

static void patch_text(const struct rest_call *call, enum rest_step step)
{
    struct slice text;
    if (!rest_take_content(rest_field(call->body, rest_content_names), &call->rest->arena, &text)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Missing required field: content");
        return;
    }
    begin_edit(call, text, step);
}

void rest_patch_message(const struct rest_call *call)
{
    patch_text(call, REST_STEP_EDIT);
}

void rest_patch_remembered(const struct rest_call *call)
{
    patch_text(call, REST_STEP_MEMORY);
}

void rest_patch_action(const struct rest_call *call)
{
    struct slice value = rest_field(call->body, rest_content_names), text = SLICE_EMPTY;
    if (!uuid_is_valid(call->id)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid message id");
        return;
    }
    if (value.length > 0 && !rest_take_content(value, &call->rest->arena, &text)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid content");
        return;
    }
    begin_edit(call, text, REST_STEP_ACTION);
}

/* --- DELETE ----------------------------------------------------------------------------------- */

/* Gone is gone, also when it never was. */
static void on_gone(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_error_of(outcome) != ERROR_NOT_FOUND && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    if (wait->step == REST_STEP_MEMORY) {
        rest_wait_answer(wait, 200,
                         SLICE_LITERAL("{\"success\":true,\"data\":{\"message\":"
                                       "\"Memory deleted successfully\"}}"));
    } else {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    }
}

static void write_gone(struct buffer *out, const char *name, struct slice message,
                       struct slice channel)
{
    buffer_append_string(out, name);
    buffer_append_string(out, " {");
    if (message.length > 0) {
        json_write_string_member(out, "messageId", message);
    }
    json_write_string_member(out, "channelId", channel);
    json_write_string_member(out, "roomId", channel);
    buffer_append_char(out, '}');
}

static bool tell(struct rest_wait *wait, enum bus_room_action action, const char *name,
                 uplink_answered *answered, int64_t now)
{
    struct slice channel = slice_of_string(wait->channel);
    bool is_message = action == BUS_ROOM_DELETES_MESSAGE;
    struct slice message_id = is_message ? slice_of_string(wait->id) : SLICE_EMPTY;
    char id[UUID_TEXT_SIZE];
    struct buffer event = BUFFER_EMPTY;
    uuid_random(wait->rest->ids, id);
    write_gone(&event, name, message_id, channel);
    struct bus_message message = {.type = BUS_ROOM_EVENT,
                                  .room_event = {.room = channel,
                                                 .id = slice_of(id, UUID_TEXT_LENGTH),
                                                 .action = action,
                                                 .message_id = message_id,
                                                 .event = buffer_slice(&event)}};
    bool is_asked = rest_ask_on(wait, &message, &message.room_event.request, answered, now);
    buffer_deinit(&event);
    return is_asked;
}

static void tell_gone(struct rest_wait *wait, enum bus_room_action action, const char *name,
                      int64_t now)
{
    tell(wait, action, name, on_gone, now);
}

bool rest_tell_cleared(struct rest_wait *wait, uplink_answered *answered, int64_t now)
{
    return tell(wait, BUS_ROOM_CLEARS, "channelCleared", answered, now);
}

/* Somebody who is bound by a token deletes what is its own. */
static void on_message_to_delete(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_stored_message message;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    if (!rest_first_message(outcome, &message)) {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    } else if (!identity_may_be(wait->identity, message.sender)) {
        rest_wait_refuse(wait, ERROR_IDENTITY, NULL);
    } else {
        tell_gone(wait, BUS_ROOM_DELETES_MESSAGE, "messageDeleted", outcome->now);
    }
}

void rest_delete_message(const struct rest_call *call)
{
    if (call->identity != NULL) {
        ask_for_message(call, on_message_to_delete);
        return;
    }
    tell_gone(rest_wait_new(call, REST_WEBSOCKET), BUS_ROOM_DELETES_MESSAGE, "messageDeleted",
              call->now);
}

static void on_message_of_some_channel(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct arena *arena = &wait->rest->arena;
    struct bus_stored_message message;
    struct slice channel;
    if (!find_own(wait, outcome, &message, &channel)) {
        return;
    }
    if (channel.length >= sizeof(wait->channel)) {
        rest_wait_refuse(wait, ERROR_NOT_FOUND, MESSAGE_NOT_FOUND);
        return;
    }
    memcpy(wait->channel, channel.data, channel.length);
    tell_gone(wait, BUS_ROOM_DELETES_MESSAGE, "messageDeleted", outcome->now);
    arena_reset(arena);
}

void rest_delete_remembered(const struct rest_call *call)
{
    struct rest_wait *wait = ask_for_message(call, on_message_of_some_channel);
    if (wait != NULL) {
        wait->step = REST_STEP_MEMORY;
    }
}

void rest_clear_messages(const struct rest_call *call)
{
    tell_gone(rest_wait_new(call, REST_WEBSOCKET), BUS_ROOM_CLEARS, "channelCleared", call->now);
}

void rest_delete_channel(const struct rest_call *call)
{
    tell_gone(rest_wait_new(call, REST_WEBSOCKET), BUS_ROOM_IS_DELETED, "channelDeleted",
              call->now);
}

/* --- search ----------------------------------------------------------------------------------- */

static void on_found(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct msgpack_reader reader = bus_list_read(&outcome->answer->history_page.messages);
    struct bus_stored_message message;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"messages\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
        struct slice channel = rest_channel_of(message.body, &wait->rest->arena);
        if (rest_may_show(wait, channel)) {
            if (out->data[out->length - 1] != '[') {
                buffer_append_char(out, ',');
            }
            rest_write_message(out, &message, (struct rest_place){.channel = channel});
        }
    }
    arena_reset(&wait->rest->arena);
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

void rest_search_messages(const struct rest_call *call)
{
    struct arena *arena = &call->rest->arena;
    struct slice words = SLICE_EMPTY, author = SLICE_EMPTY, channel = SLICE_EMPTY;
    struct slice from = SLICE_EMPTY, to = SLICE_EMPTY, limit = SLICE_EMPTY, offset = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"query", &words}, {"authorId", &author}, {"channelId", &channel}, {"from", &from},
        {"to", &to},       {"limit", &limit},     {"offset", &offset}};
    struct bus_message message = {.type = BUS_SEARCH};
    struct bus_search *search = &message.search;
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    bool is_empty = json_type(words) == JSON_STRING && words.length == 2;
    if ((!is_empty && !rest_take_text(words, REST_SEARCH_MAX, arena, &search->text)) ||
        !rest_take_text(author, USER_ID_MAX, arena, &search->sender) ||
        !rest_take_text(channel, USER_ID_MAX, arena, &search->room) ||
        !rest_take_time(from, arena, &search->after) ||
        !rest_take_time(to, arena, &search->before) ||
        !rest_take_number(limit, SEARCH_DEFAULT, SEARCH_MAX, &search->limit) ||
        !rest_take_number(offset, 0, INT32_MAX, &search->offset)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED,
                    "Optional: query, channelId, authorId, from, to, limit, offset");
        return;
    }
    /* Both ends count, while the store's bounds are exclusive. */
    search->after -= search->after > 0;
    search->before += search->before > 0;
    rest_ask(call, &message, &search->request, on_found);
}
