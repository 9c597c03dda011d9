#include "edge/rest/internal.h"

#include "proto/base/utf8.h"

/*
 * A channel's title is the beginning of what was asked first: the same for everybody who asks, and
 * there without any model.
 */

enum { MESSAGES_WANTED = 4, MESSAGES_READ = 20, TITLE_MAX = 48 /* bytes */ };

/* The first line, cut between words where that leaves most of it. */
struct slice rest_title_of(struct slice text)
{
    size_t start = 0, end = 0, word = 0;
    while (start < text.length && (unsigned char)text.data[start] <= ' ') {
        start++;
    }
    text = slice_of(text.data + start, text.length - start);
    while (end < text.length && (unsigned char)text.data[end] >= ' ') {
        size_t length = utf8_length((const unsigned char *)text.data + end,
                                    (const unsigned char *)text.data + text.length);
        length = length == 0 ? 1 : length;
        if (end + length > TITLE_MAX) {
            return slice_of(text.data, word > TITLE_MAX / 2 ? word : end);
        }
        word = text.data[end] == ' ' ? end : word;
        end += length;
    }
    while (end > 0 && text.data[end - 1] == ' ') {
        end--;
    }
    return slice_of(text.data, end);
}

static void answer(struct rest_wait *wait, struct slice title, const char *reason)
{
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    if (title.length > 0) {
        json_write_string_member(out, "title", title);
    } else {
        json_write_raw_member(out, "title", SLICE_LITERAL("null"));
    }
    json_write_string_member(out, "channelId", slice_of_string(wait->channel));
    if (reason != NULL) {
        json_write_string_member(out, "reason", slice_of_string(reason));
    }
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

static struct slice text_of(struct slice body, struct arena *arena)
{
    struct buffer braced = BUFFER_EMPTY;
    buffer_append_char(&braced, '{');
    buffer_append_slice(&braced, chat_body_members(body));
    buffer_append_char(&braced, '}');
    struct slice text =
        arena_copy(arena, json_decode_string(json_get(buffer_slice(&braced), "text"), arena));
    buffer_deinit(&braced);
    return text;
}

/* Newest first: the last one of a person is the first that was said. */
static void on_messages(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct slice first = SLICE_EMPTY;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_list *messages = &outcome->answer->history_page.messages;
    struct msgpack_reader reader = bus_list_read(messages);
    struct bus_stored_message message;
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
        first = message.in_reply_to.length == 0 ? message.body : first;
    }
    if (messages->count < MESSAGES_WANTED || first.length == 0) {
        answer(wait, SLICE_EMPTY, "Not enough messages to generate a title");
        return;
    }
    struct arena *arena = &wait->rest->arena;
    struct slice title = rest_title_of(text_of(first, arena));
    answer(wait, title, title.length > 0 ? NULL : "The conversation has no text");
    arena_reset(arena);
}

static void on_agent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, "Agent not found or not active")) {
        return;
    }
    if (!rest_agent_is_active(&outcome->answer->agent_state)) {
        rest_wait_refuse(wait, ERROR_NOT_FOUND, "Agent not found or not active");
        return;
    }
    struct bus_message message = {
        .type = BUS_HISTORY,
        .history = {.room = slice_of_string(wait->channel), .limit = MESSAGES_READ, .after = 1}};
    rest_ask_on(wait, &message, &message.history.request, on_messages, outcome->now);
}

void rest_post_title(const struct rest_call *call)
{
    static const char *const names[] = {"agentId", "agent_id", NULL};
    struct rest_call named = *call;
    struct bus_message message = {.type = BUS_AGENT_GET};
    if (!rest_take_uuid(call, names, &named.id)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Valid agent ID is required");
        return;
    }
    message.agent_get.id = named.id;
    rest_ask(&named, &message, &message.agent_get.request, on_agent);
}
