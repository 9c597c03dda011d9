#include "edge/rest/internal.h"

enum { HISTORY_DEFAULT = 50, HISTORY_MAX = 1000 };

static const char missing_fields[] =
    "Missing required fields: channelId, message_server_id, author_id, content";

/* --- rendering -------------------------------------------------------------------------------- */

/* The members of a stored body that REST names differently. */
struct body_view {
    struct slice sender, sender_name, text, server_id, source, metadata, attachments;
    struct slice thought, actions, in_reply_to, raw_message, updated_at;
};

static struct body_view view_of(struct slice body, struct buffer *braced)
{
    struct body_view view;
    memset(&view, 0, sizeof(view));
    const struct json_field fields[] = {
        {"senderId", &view.sender},
        {"senderName", &view.sender_name},
        {"text", &view.text},
        {"messageServerId", &view.server_id},
        {"source", &view.source},
        {"metadata", &view.metadata},
        {"attachments", &view.attachments},
        {"thought", &view.thought},
        {"actions", &view.actions},
        {"inReplyTo", &view.in_reply_to},
        {"rawMessage", &view.raw_message},
        {"updatedAt", &view.updated_at},
    };
    buffer_clear(braced);
    chat_show_body(body, braced);
    json_collect(buffer_slice(braced), fields, sizeof(fields) / sizeof(fields[0]));
    return view;
}

static void write_raw(struct buffer *out, const char *name, struct slice raw)
{
    if (raw.length > 0) {
        json_write_raw_member(out, name, raw);
    }
}

/* Both dialects at once: snake_case rows of the server, and `text` of the document. */
void rest_write_user_message(struct buffer *out, const struct bus_send *send,
                             const struct bus_send_done *done)
{
    struct buffer braced = BUFFER_EMPTY;
    struct body_view view = view_of(send->body, &braced);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", done->message_id);
    json_write_string_member(out, "channel_id", send->room);
    json_write_string_member(out, "message_server_id", send->server_id);
    json_write_string_member(out, "author_id", send->sender);
    write_raw(out, "content", view.text);
    write_raw(out, "text", view.text);
    json_write_signed_member(out, "created_at", done->created_at);
    write_raw(out, "source_type", view.source);
    write_raw(out, "author_display_name", view.sender_name);
    write_raw(out, "attachments", view.attachments);
    write_raw(out, "raw_message", view.raw_message);
    write_raw(out, "metadata", view.metadata);
    json_write_unsigned_member(out, "seq", done->seq);
    json_write_unsigned_member(out, "epoch", done->epoch);
    buffer_append_char(out, '}');
    buffer_deinit(&braced);
}

void rest_write_agent_response(struct buffer *out, struct slice reply_id, struct slice question,
                               struct slice body)
{
    struct buffer braced = BUFFER_EMPTY;
    struct body_view view = view_of(body, &braced);
    buffer_append_char(out, '{');
    write_raw(out, "text", view.text);
    write_raw(out, "thought", view.thought);
    json_write_raw_member(out, "actions",
                          view.actions.length > 0 ? view.actions : SLICE_LITERAL("[]"));
    json_write_raw_member(out, "providers", SLICE_LITERAL("[]"));
    json_write_boolean_member(out, "simple", true);
    json_write_string_member(out, "responseId", reply_id);
    json_write_string_member(out, "inReplyTo", question);
    write_raw(out, "senderId", view.sender);
    write_raw(out, "senderName", view.sender_name);
    write_raw(out, "metadata", view.metadata);
    if (chat_reply_was_stopped(body)) {
        json_write_boolean_member(out, "cancelled", true);
    }
    buffer_append_char(out, '}');
    buffer_deinit(&braced);
}

/* --- POST …/messages -------------------------------------------------------------------------- */

bool rest_parse_mode(struct slice body, struct arena *arena, enum rest_mode *mode)
{
    static const struct {
        const char *name;
        enum rest_mode mode;
    } names[] = {{"websocket", REST_WEBSOCKET},
                 {"stream", REST_STREAM},
                 {"sse", REST_STREAM},
                 {"sync", REST_SYNC},
                 {"http", REST_SYNC}};
    struct slice value = json_get(body, "transport");
    if (json_type(value) == JSON_NONE || json_type(value) == JSON_NULL) {
        value = json_get(body, "mode");
    }
    *mode = REST_WEBSOCKET;
    if (json_type(value) == JSON_NONE || json_type(value) == JSON_NULL) {
        return true;
    }
    struct slice text =
        json_type(value) == JSON_STRING ? json_decode_string(value, arena) : SLICE_EMPTY;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(text, names[i].name)) {
            *mode = names[i].mode;
            return true;
        }
    }
    return false;
}

void rest_write_answering(struct buffer *out, const struct bus_send_done *done)
{
    const char *reason = bus_answering_reason(done->no_agent);
    if (done->no_agent != BUS_ANSWERED) {
        json_write_string_member(out, "code", SLICE_LITERAL("no_agent"));
    }
    if (reason[0] != '\0') {
        json_write_string_member(out, "reason", slice_of_string(reason));
    }
}

const char *rest_answering_text(const struct bus_send_done *done)
{
    switch (done->no_agent) {
    case BUS_UNANSWERED_NOT_ADDRESSED:
        return "No agent of the channel is addressed by the message";
    case BUS_UNANSWERED_AWAY:
        return "The agents of the channel are away";
    case BUS_UNANSWERED_OF_AGENT:
        return "Messages of agents are not answered here";
    default:
        return NULL; /* the error's own */
    }
}

static void answer_accepted(struct rest *rest, struct http_exchange *exchange,
                            const struct bus_send *send, const struct bus_send_done *done)
{
    struct buffer *out = &rest->scratch;
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true");
    if (done->is_duplicate) {
        json_write_boolean_member(out, "duplicate", true);
    }
    rest_write_answering(out, done);
    json_write_key(out, "userMessage");
    rest_write_user_message(out, send, done);
    json_write_key(out, "data");
    rest_write_user_message(out, send, done);
    buffer_append_char(out, '}');
    rest_answer(rest, exchange, 201, buffer_slice(out));
}

static void on_sent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct rest *rest = wait->rest;
    const struct bus_send *send = &outcome->sent->send;
    const struct bus_send_done *done = outcome->answer == NULL ? NULL : &outcome->answer->send_done;
    int error = done == NULL ? outcome->error : (int)done->error;
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
        return;
    }
    if (error != 0) {
        rest_refuse(rest, wait->exchange, error, NULL);
    } else if (wait->mode == REST_WEBSOCKET) {
        answer_accepted(rest, wait->exchange, send, done);
    } else if (done->no_agent) {
        rest_refuse(rest, wait->exchange, ERROR_NO_AGENT, rest_answering_text(done));
    } else {
        rest_run_begin(wait, send, done, SLICE_EMPTY, outcome->now);
    }
    rest_wait_destroy(wait);
}

static void refuse_fault(const struct rest_call *call, struct chat_fault fault)
{
    char message[96];
    bool is_missing = fault.field == NULL || strcmp(fault.field, "message") == 0 ||
                      strcmp(fault.field, "senderId") == 0;
    snprintf(message, sizeof(message), "Invalid field: %s", fault.field == NULL ? "" : fault.field);
    rest_refuse(call->rest, call->exchange, fault.error, is_missing ? missing_fields : message);
}

void rest_post_message(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct chat_send send;
    enum rest_mode mode;
    if (!rest_parse_mode(call->body, &rest->arena, &mode)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED,
                    "Invalid transport. Must be one of: http, sse, websocket, sync, stream");
        return;
    }
    struct chat_fault fault =
        chat_decode_send(call->body, call->channel, &rest->arena, "eliza_gui", &send);
    if (fault.error == 0 && send.sender.length == 0) {
        send.sender = identity_subject(call->identity);
    }
    char guest[UUID_TEXT_SIZE];
    if (fault.error == 0 && send.sender.length == 0 &&
        json_type(json_get(call->body, "content")) == JSON_STRING) {
        uuid_random(rest->ids, guest); /* the api-client's postMessage names nobody */
        send.sender = call->viewer.length > 0 ? call->viewer : slice_of(guest, UUID_TEXT_LENGTH);
    }
    if (fault.error == 0 && send.sender.length == 0) {
        fault = (struct chat_fault){ERROR_MALFORMED, "senderId"};
    }
    if (fault.error != 0) {
        refuse_fault(call, fault);
        return;
    }
    if (mode != REST_WEBSOCKET && rest->counters.waiting >= (size_t)rest->settings.runs_max) {
        rest_refuse(rest, call->exchange, ERROR_OVERLOADED, NULL);
        return;
    }
    char minted[UUID_TEXT_SIZE + 1] = "~";
    uuid_random(rest->ids, minted + 1);
    struct buffer body = BUFFER_EMPTY;
    chat_write_body(&send, send.sender, &body);
    struct rest_wait *wait = rest_wait_new(call, mode);
    struct bus_message message = {
        .type = BUS_SEND,
        .trace = id_random_u64(rest->ids),
        .viewer = call->viewer,
        .send = {.room = send.room,
                 .sender = send.sender,
                 .message_id =
                     send.message_id.length > 0 ? send.message_id : slice_of_string(minted),
                 .server_id = send.server_id,
                 .asks_agent = true,
                 .channel_type = send.is_direct ? SLICE_LITERAL("DM") : SLICE_LITERAL("GROUP"),
                 .channel_metadata = send.raw_metadata,
                 .body = buffer_slice(&body)}};
    int error =
        rest_request(rest, &message, &message.send.request, on_sent, wait, &wait->owner, call->now);
    buffer_deinit(&body);
    if (error != 0) {
        rest_wait_destroy(wait);
        rest_refuse(rest, call->exchange, error, NULL);
    }
}

/* --- GET …/messages --------------------------------------------------------------------------- */

/* What the reference keeps as the raw message: the text and what an agent added. */
static void write_raw_message(struct buffer *out, const struct body_view *view)
{
    json_write_key(out, "rawMessage");
    if (view->raw_message.length > 0) {
        buffer_append_slice(out, view->raw_message);
        return;
    }
    buffer_append_char(out, '{');
    write_raw(out, "text", view->text);
    write_raw(out, "thought", view->thought);
    write_raw(out, "actions", view->actions);
    write_raw(out, "attachments", view->attachments);
    buffer_append_char(out, '}');
}

/* What the sender's own metadata says of what is added otherwise. */
struct given {
    struct slice user_name, agent_name, agent_id, thought, actions, attachments;
    struct slice channel_type, is_direct;
};

static void write_unless(struct buffer *out, const char *name, struct slice given, struct slice raw)
{
    if (given.length == 0) {
        write_raw(out, name, raw);
    }
}

/* What ElizaOS notes of its agents' messages. */
static void write_agent_metadata(struct buffer *out, const struct body_view *view,
                                 const struct given *given, struct slice channel_type)
{
    write_unless(out, "agent_id", given->agent_id, view->sender);
    write_unless(out, "thought", given->thought, view->thought);
    write_unless(out, "actions", given->actions, view->actions);
    if (channel_type.length > 0 && given->channel_type.length == 0) {
        json_write_string_member(out, "channelType", channel_type);
    }
    if (channel_type.length > 0 && given->is_direct.length == 0) {
        json_write_boolean_member(out, "isDm", slice_is(channel_type, "DM"));
    }
}

/* The sender's metadata, with the names that the reference and its page look for. */
static void write_metadata(struct buffer *out, const struct body_view *view, bool is_agent,
                           struct slice channel_type)
{
    struct given given;
    const struct json_field fields[] = {{"user_display_name", &given.user_name},
                                        {"agentName", &given.agent_name},
                                        {"agent_id", &given.agent_id},
                                        {"thought", &given.thought},
                                        {"actions", &given.actions},
                                        {"attachments", &given.attachments},
                                        {"channelType", &given.channel_type},
                                        {"isDm", &given.is_direct}};
    struct json_iterator members = json_iterate(view->metadata);
    struct slice key, value;
    json_collect(view->metadata, fields, sizeof(fields) / sizeof(fields[0]));
    json_write_key(out, "metadata");
    if (json_next_member(&members, &key, &value)) {
        buffer_append(out, view->metadata.data, view->metadata.length - 1);
    } else {
        buffer_append_char(out, '{');
    }
    if (is_agent) {
        write_unless(out, "agentName", given.agent_name, view->sender_name);
        write_agent_metadata(out, view, &given, channel_type);
    } else {
        write_unless(out, "user_display_name", given.user_name, view->sender_name);
    }
    write_unless(out, "attachments", given.attachments, view->attachments);
    buffer_append_char(out, '}');
}

void rest_write_message(struct buffer *out, const struct bus_stored_message *message,
                        struct rest_place place)
{
    struct buffer braced = BUFFER_EMPTY;
    struct body_view view = view_of(message->body, &braced);
    char created[CLOCK_ISO_SIZE], updated[CLOCK_ISO_SIZE];
    int64_t updated_at = message->created_at;
    json_to_integer(view.updated_at, &updated_at);
    clock_format_iso(message->created_at, created);
    clock_format_iso(updated_at, updated);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", message->id);
    json_write_string_member(out, "channelId", place.channel);
    json_write_string_member(out, "roomId", place.channel);
    json_write_string_member(out, "authorId", message->sender);
    write_raw(out, "senderName", view.sender_name);
    write_raw(out, "content", view.text);
    write_raw(out, "text", view.text);
    write_raw_message(out, &view);
    write_raw(out, "sourceType", view.source);
    if (message->client_message_id.length > 0 && message->client_message_id.data[0] != '~') {
        json_write_string_member(out, "sourceId", message->client_message_id);
    }
    write_raw(out, "messageServerId", view.server_id);
    write_metadata(out, &view, message->in_reply_to.length > 0, place.channel_type);
    if (message->in_reply_to.length > 0) {
        json_write_string_member(out, "inReplyToRootMessageId", message->in_reply_to);
    } else {
        json_write_raw_member(out, "inReplyToRootMessageId", SLICE_LITERAL("null"));
    }
    json_write_string_member(out, "createdAt", slice_of_string(created));
    json_write_string_member(out, "updatedAt", slice_of_string(updated));
    json_write_signed_member(out, "created_at", message->created_at);
    json_write_signed_member(out, "updated_at", updated_at);
    json_write_unsigned_member(out, "seq", message->seq);
    if (place.epoch != 0) {
        json_write_unsigned_member(out, "epoch", place.epoch);
    }
    buffer_append_char(out, '}');
    buffer_deinit(&braced);
}

static void on_history(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct rest *rest = wait->rest;
    const struct bus_history_page *page =
        outcome->answer == NULL ? NULL : &outcome->answer->history_page;
    int error = page == NULL ? outcome->error : (int)page->error;
    if (wait->exchange != NULL && error != 0) {
        rest_refuse(rest, wait->exchange, error, NULL);
    } else if (wait->exchange != NULL) {
        struct buffer *out = &rest->scratch;
        struct msgpack_reader reader = bus_list_read(&page->messages);
        struct bus_stored_message message;
        buffer_clear(out);
        buffer_append_string(out, "{\"success\":true,\"data\":{\"messages\":[");
        while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
            if (out->data[out->length - 1] != '[') {
                buffer_append_char(out, ',');
            }
            rest_write_message(
                out, &message,
                (struct rest_place){outcome->sent->history.room, page->channel_type, page->epoch});
        }
        buffer_append_string(out, "]}}");
        rest_answer(rest, wait->exchange, 200, buffer_slice(out));
        buffer_shrink(out, 1 << 16);
    }
    rest_wait_destroy(wait);
}

/* A time of the query: absent is 0; false when it is there and not a time. */
static bool take_time(const struct rest_call *call, const char *name, int64_t *time)
{
    struct slice text;
    *time = 0;
    if (!http_query_get(call->request->query, name, &call->rest->arena, &text) ||
        text.length == 0) {
        return true;
    }
    return clock_parse_time(text, time) && *time >= 0;
}

void rest_get_messages(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct bus_message message = {.type = BUS_HISTORY,
                                  .trace = id_random_u64(rest->ids),
                                  .viewer = call->viewer,
                                  .history = {.room = call->channel}};
    if (!rest_take_count(call, "limit", HISTORY_DEFAULT, HISTORY_MAX, &message.history.limit)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Invalid limit");
        return;
    }
    if (!take_time(call, "before", &message.history.before) ||
        !take_time(call, "after", &message.history.after)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED,
                    "Invalid before or after: milliseconds or an ISO 8601 time");
        return;
    }
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    int error = rest_request(rest, &message, &message.history.request, on_history, wait,
                             &wait->owner, call->now);
    if (error != 0) {
        rest_wait_destroy(wait);
        rest_refuse(rest, call->exchange, error, NULL);
    }
}
