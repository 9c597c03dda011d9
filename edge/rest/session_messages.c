#include "edge/rest/internal.h"

/* What is said in a session: sending, in the three transports, and reading. */

enum {
    PAGE_DEFAULT = 50,
    PAGE_MAX = 100,
    PAGE_SPARE = 32 /* asked for beyond a page: to see where it may end */
};

/* --- sending ---------------------------------------------------------------------------------- */

/* The status of the session waits in the note, as the members that go into each answer. */
static void answer_sent(struct rest_wait *wait, const struct bus_send *send,
                        const struct bus_send_done *done)
{
    struct buffer *out = &wait->rest->scratch;
    struct buffer members = BUFFER_EMPTY;
    json_write_key(&members, "userMessage");
    rest_write_user_message(&members, send, done);
    buffer_append_slice(&members, buffer_slice(&wait->note));
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true,");
    buffer_append_slice(out, buffer_slice(&members));
    if (done->is_duplicate) {
        json_write_boolean_member(out, "duplicate", true);
    }
    rest_write_answering(out, done);
    buffer_append_string(out, ",\"data\":{");
    buffer_append_slice(out, buffer_slice(&members));
    buffer_append_string(out, "}}");
    rest_wait_answer(wait, 201, buffer_slice(out));
    buffer_deinit(&members);
}

static void on_sent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    const struct bus_send *send = &outcome->sent->send;
    const struct bus_send_done *done = &outcome->answer->send_done;
    if (wait->mode == REST_WEBSOCKET) {
        answer_sent(wait, send, done);
    } else if (done->no_agent) {
        rest_wait_refuse(wait, ERROR_NO_AGENT, rest_answering_text(done));
    } else {
        rest_run_begin(wait, send, done, buffer_slice(&wait->note), outcome->now);
        rest_wait_destroy(wait);
    }
}

/* What was given comes before the session's own, and that before the metadata it was made with. */
void rest_write_session_metadata(struct buffer *out, const struct agent_session *session,
                                 struct slice id, struct slice given)
{
    static const char *const nothing[] = {NULL};
    struct buffer own = BUFFER_EMPTY, all = BUFFER_EMPTY;
    buffer_append_char(&own, '{');
    json_write_string_member(&own, "sessionId", id);
    json_write_string_member(&own, "agentId", session->agent);
    json_write_string_member(&own, "userId", session->user);
    agent_session_write_config(session, &own);
    buffer_append_char(&own, '}');
    buffer_append_char(&all, '{');
    rest_copy_members(&all, given, nothing);
    rest_copy_others(&all, buffer_slice(&own), given);
    buffer_append_char(&all, '}');
    buffer_append(out, all.data, all.length - 1);
    rest_copy_others(out, session->metadata, buffer_slice(&all));
    buffer_append_char(out, '}');
    buffer_deinit(&own);
    buffer_deinit(&all);
}

/* The request as it came, which is what the reference keeps as the raw message. */
static void write_raw_message(struct buffer *out, struct slice content, struct slice attachments)
{
    json_write_key(out, "rawMessage");
    buffer_append_char(out, '{');
    json_write_raw_member(out, "content", content);
    if (attachments.length > 0) {
        json_write_raw_member(out, "attachments", attachments);
    }
    buffer_append_char(out, '}');
}

static struct slice array_of(struct slice value)
{
    return json_type(value) == JSON_ARRAY ? value : SLICE_EMPTY;
}

void rest_session_send(struct rest_wait *wait, const struct agent_session *session, int64_t now)
{
    static const char *const id_names[] = {"messageId", "message_id", NULL};
    struct rest *rest = wait->rest;
    struct slice request = buffer_slice(&wait->note);
    struct slice content = json_get(request, "content");
    char minted[UUID_TEXT_SIZE + 1] = "~";
    struct buffer metadata = BUFFER_EMPTY, body = BUFFER_EMPTY;
    rest_write_session_metadata(&metadata, session, slice_of_string(wait->id),
                                rest_object_of(json_get(request, "metadata")));
    struct chat_send send = {.room = session->channel,
                             .sender = session->user,
                             .sender_name = SLICE_LITERAL("User"),
                             .text = json_decode_string(content, &rest->arena),
                             .server_id = SLICE_LITERAL(NIL_UUID),
                             .source = SLICE_LITERAL("user"),
                             .raw_metadata = buffer_slice(&metadata),
                             .raw_attachments = array_of(json_get(request, "attachments"))};
    uuid_random(rest->ids, minted + 1);
    if (!rest_take_text(rest_field(request, id_names), USER_ID_MAX, &rest->arena,
                        &send.message_id) ||
        send.message_id.length == 0) {
        send.message_id = slice_of_string(minted);
    }
    chat_write_body(&send, send.sender, &body);
    write_raw_message(&body, content, send.raw_attachments);
    struct bus_message message = {.type = BUS_SEND,
                                  .send = {.room = send.room,
                                           .sender = send.sender,
                                           .message_id = send.message_id,
                                           .server_id = send.server_id,
                                           .asks_agent = true,
                                           .channel_type = SLICE_LITERAL("DM"),
                                           .body = buffer_slice(&body)}};
    if (body.length > BUS_PAYLOAD_MAX) {
        rest_wait_refuse(wait, ERROR_TOO_LARGE, NULL);
    } else if (rest_ask_on(wait, &message, &message.send.request, on_sent, now)) {
        buffer_clear(&wait->note);
        buffer_append_string(&wait->note, ",\"sessionStatus\":");
        agent_session_write_status(session, wait->was_renewed, rest_wall(rest), &wait->note);
    }
    buffer_deinit(&metadata);
    buffer_deinit(&body);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool take_cursor(const struct rest_call *call, const char *name, int64_t *time)
{
    struct slice text;
    *time = 0;
    return !http_query_get(call->request->query, name, &call->rest->arena, &text) ||
           text.length == 0 || (clock_parse_time(text, time) && *time >= 0);
}

struct rest_wait *rest_session_page(const struct rest_call *call)
{
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    struct bus_message message = {.type = BUS_HISTORY};
    struct bus_history *history = &message.history;
    if (!take_cursor(call, "before", &history->before)) {
        wait->fault = "Invalid pagination parameter 'before': Must be a valid timestamp";
    } else if (!take_cursor(call, "after", &history->after)) {
        wait->fault = "Invalid pagination parameter 'after': Must be a valid timestamp";
    } else if (!rest_take_count(call, "limit", PAGE_DEFAULT, PAGE_MAX, &history->limit) ||
               history->limit == 0) {
        history->limit = PAGE_DEFAULT;
    }
    bus_encode(&wait->note, &message);
    return wait;
}

static void write_item(struct buffer *out, const struct bus_stored_message *message,
                       struct slice channel_type, struct slice agent)
{
    char created[CLOCK_ISO_SIZE];
    struct buffer shown = BUFFER_EMPTY;
    rest_write_message(&shown, message, (struct rest_place){.channel_type = channel_type});
    clock_format_iso(message->created_at, created);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", message->id);
    json_write_raw_member(out, "content", json_get(buffer_slice(&shown), "content"));
    json_write_string_member(out, "authorId", message->sender);
    json_write_boolean_member(out, "isAgent", slice_equals(message->sender, agent));
    json_write_string_member(out, "createdAt", slice_of_string(created));
    json_write_raw_member(out, "metadata", json_get(buffer_slice(&shown), "metadata"));
    buffer_append_char(out, '}');
    buffer_deinit(&shown);
}

/*
 * How many messages to show of those that came, in the order in which the caller pages through
 * them. Where a page ends, the next one begins behind a time: so messages of one time are not
 * parted, if need be by showing a few more than was asked for.
 */
static uint32_t shown_of(const int64_t *times, uint32_t count, uint32_t limit)
{
    uint32_t end = limit;
    if (count <= limit) {
        return count;
    }
    while (end > 0 && times[end - 1] == times[limit]) {
        end--;
    }
    if (end == 0) {
        for (end = limit; end < count && times[end] == times[0];) {
            end++;
        }
    }
    return end;
}

/* Of the messages that came, newest first, those from `first` to before `end` are shown. */
struct extent {
    uint32_t first, end;
    bool has_more;
};

static struct extent extent_of(const struct bus_list *messages, const struct bus_history *asked,
                               struct arena *arena)
{
    uint32_t count = messages->count;
    int64_t *times = arena_allocate(arena, (count + 1) * sizeof(*times));
    bool is_forward = asked->after > 0;
    struct msgpack_reader reader = bus_list_read(messages);
    struct bus_stored_message message;
    for (uint32_t i = 0; i < count && bus_list_next(&reader, BUS_ELEMENT_STORED, &message); i++) {
        times[is_forward ? count - 1 - i : i] = message.created_at;
    }
    uint32_t shown = shown_of(times, count, (uint32_t)asked->limit - PAGE_SPARE);
    return (struct extent){.first = is_forward ? count - shown : 0,
                           .end = is_forward ? count : shown,
                           .has_more = shown < count};
}

static void on_messages(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    const struct bus_list *messages = &outcome->answer->history_page.messages;
    struct extent extent = extent_of(messages, &outcome->sent->history, &wait->rest->arena);
    arena_reset(&wait->rest->arena);
    struct msgpack_reader reader = bus_list_read(messages);
    struct bus_stored_message message;
    struct buffer *out = &wait->rest->scratch;
    int64_t newest = 0, oldest = 0;
    buffer_clear(out);
    buffer_append_string(out, "{\"messages\":[");
    for (uint32_t i = 0; i < extent.end && bus_list_next(&reader, BUS_ELEMENT_STORED, &message);
         i++) {
        if (i < extent.first) {
            continue;
        }
        if (i > extent.first) {
            buffer_append_char(out, ',');
        }
        newest = i == extent.first ? message.created_at : newest;
        oldest = message.created_at;
        write_item(out, &message, outcome->answer->history_page.channel_type,
                   buffer_slice(&wait->note));
    }
    buffer_append_char(out, ']');
    json_write_boolean_member(out, "hasMore", extent.has_more);
    if (extent.end > extent.first) {
        json_write_key(out, "cursors");
        buffer_append_char(out, '{');
        json_write_signed_member(out, "before", oldest);
        json_write_signed_member(out, "after", newest);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 200, buffer_slice(out));
}

void rest_session_messages(struct rest_wait *wait, const struct agent_session *session, int64_t now)
{
    struct bus_message message;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    if (bus_decode(&reader, &message) != 0) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    message.history.room = session->channel;
    message.history.limit += PAGE_SPARE;
    buffer_clear(&wait->note); /* from now on: whose messages are the agent's */
    buffer_append_slice(&wait->note, session->agent);
    rest_ask_on(wait, &message, &message.history.request, on_messages, now);
}
