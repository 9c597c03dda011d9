#include "edge/rest/internal.h"

/*
 * Messages of agents and platforms that run elsewhere: /submit and /action take an agent's message
 * under its own id, /ingest-external people's messages, /complete says that a run is over.
 */

enum { INGEST_MAX = 100 };

static const char missing_submit[] =
    "Missing required fields: channel_id, message_server_id, author_id, content, source_type, "
    "raw_message";
static const char invalid_external[] = "Invalid external message payload";

/* --- /submit and /action ---------------------------------------------------------------------- */

struct agent_message {
    struct slice channel, server, author, text, id, in_reply_to, source;
    struct slice raw_message, metadata; /* raw JSON objects, or empty */
};

static void write_member_of(struct buffer *out, struct slice object, const char *name)
{
    struct slice value = json_get(object, name);
    if (json_type(value) > JSON_NULL) {
        json_write_raw_member(out, name, value);
    }
}

static void write_agent_body(struct buffer *out, const struct agent_message *message,
                             struct slice name)
{
    struct slice attachments = json_get(message->metadata, "attachments");
    buffer_append_string(out, "\"senderId\":");
    json_write_string(out, message->author);
    json_write_string_member(out, "senderName", name);
    json_write_string_member(out, "text", message->text);
    json_write_string_member(out, "roomId", message->channel);
    json_write_string_member(out, "channelId", message->channel);
    json_write_string_member(out, "serverId", message->server);
    json_write_string_member(out, "messageServerId", message->server);
    json_write_string_member(out, "source", message->source);
    write_member_of(out, message->raw_message, "thought");
    write_member_of(out, message->raw_message, "actions");
    if (json_type(attachments) == JSON_ARRAY) {
        json_write_raw_member(out, "attachments", attachments);
    } else {
        write_member_of(out, message->raw_message, "attachments");
    }
    if (message->in_reply_to.length > 0) {
        json_write_string_member(out, "inReplyTo", message->in_reply_to);
    }
    if (message->raw_message.length > 0) {
        json_write_raw_member(out, "rawMessage", message->raw_message);
    }
    if (message->metadata.length > 0) {
        json_write_raw_member(out, "metadata", message->metadata);
    }
}

static void on_submitted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_submit *submit = &outcome->sent->submit;
    const struct bus_send_done *done = &outcome->answer->send_done;
    struct bus_stored_message message = {.id = done->message_id,
                                         .seq = done->seq,
                                         .created_at = done->created_at,
                                         .sender = submit->sender,
                                         .in_reply_to = submit->in_reply_to,
                                         .body = submit->body};
    rest_write_message(rest_begin_data(wait->rest), &message,
                       (struct rest_place){.channel = submit->room, .epoch = done->epoch});
    rest_end_data(wait, 201);
}

/* The name that the cluster knows the agent by; the request may have said another one. */
static struct slice name_of(const struct bus_message *agent, struct slice given)
{
    if (given.length > 0) {
        return given;
    }
    return agent->agent_state.name.length > 0 ? agent->agent_state.name : SLICE_LITERAL("Agent");
}

/* What is to be submitted waits in the note, as JSON. */
static void on_agent_name(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct arena *arena = &wait->rest->arena;
    struct agent_message message;
    struct slice raw[8], given;
    memset(raw, 0, sizeof(raw));
    if (rest_error_of(outcome) != ERROR_NOT_FOUND && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct json_field fields[] = {{"channel", &raw[0]},
                                        {"server", &raw[1]},
                                        {"author", &raw[2]},
                                        {"text", &raw[3]},
                                        {"id", &raw[4]},
                                        {"inReplyTo", &raw[5]},
                                        {"source", &raw[6]},
                                        {"name", &raw[7]},
                                        {"rawMessage", &message.raw_message},
                                        {"metadata", &message.metadata}};
    message.raw_message = message.metadata = SLICE_EMPTY;
    json_collect(buffer_slice(&wait->note), fields, sizeof(fields) / sizeof(fields[0]));
    message.channel = json_decode_string(raw[0], arena);
    message.server = json_decode_string(raw[1], arena);
    message.author = json_decode_string(raw[2], arena);
    message.text = json_decode_string(raw[3], arena);
    message.id = json_decode_string(raw[4], arena);
    message.in_reply_to = json_decode_string(raw[5], arena);
    message.source = json_decode_string(raw[6], arena);
    given = json_decode_string(raw[7], arena);
    struct buffer body = BUFFER_EMPTY;
    write_agent_body(&body, &message, name_of(outcome->answer, given));
    struct bus_message submit = {.type = BUS_SUBMIT,
                                 .submit = {.room = message.channel,
                                            .id = message.id,
                                            .sender = message.author,
                                            .in_reply_to = message.in_reply_to,
                                            .server_id = message.server,
                                            .body = buffer_slice(&body)}};
    rest_ask_on(wait, &submit, &submit.submit.request, on_submitted, outcome->now);
    buffer_deinit(&body);
    arena_reset(arena);
}

static void keep(struct buffer *note, const struct agent_message *message, struct slice name)
{
    buffer_append_char(note, '{');
    json_write_string_member(note, "channel", message->channel);
    json_write_string_member(note, "server", message->server);
    json_write_string_member(note, "author", message->author);
    json_write_string_member(note, "text", message->text);
    json_write_string_member(note, "id", message->id);
    json_write_string_member(note, "inReplyTo", message->in_reply_to);
    json_write_string_member(note, "source", message->source);
    json_write_string_member(note, "name", name);
    if (message->raw_message.length > 0) {
        json_write_raw_member(note, "rawMessage", message->raw_message);
    }
    if (message->metadata.length > 0) {
        json_write_raw_member(note, "metadata", message->metadata);
    }
    buffer_append_char(note, '}');
}

static const char *read_agent_message(const struct rest_call *call, struct slice default_source,
                                      char minted[UUID_TEXT_SIZE], struct agent_message *message)
{
    static const char *const id_names[] = {"messageId", "message_id", NULL};
    static const char *const reply_names[] = {"in_reply_to_message_id", "inReplyToMessageId", NULL};
    static const char *const source_names[] = {"source_type", "sourceType", NULL};
    static const char *const raw_names[] = {"raw_message", "rawMessage", NULL};
    struct arena *arena = &call->rest->arena;
    *message = (struct agent_message){.source = default_source};
    if (!rest_take_id(call, rest_channel_names, &message->channel) ||
        !rest_take_server(call, &message->server) ||
        !rest_take_id(call, rest_author_names, &message->author) ||
        !rest_take_content(rest_field(call->body, rest_content_names), arena, &message->text)) {
        return missing_submit;
    }
    if (rest_field(call->body, id_names).length == 0) {
        uuid_by_time(call->rest->ids, rest_wall(call->rest), minted);
        message->id = slice_of(minted, UUID_TEXT_LENGTH);
    } else if (!rest_take_uuid(call, id_names, &message->id)) {
        return "Invalid messageId format";
    }
    if (rest_field(call->body, reply_names).length > 0 &&
        !rest_take_uuid(call, reply_names, &message->in_reply_to)) {
        return "Invalid in_reply_to_message_id format";
    }
    struct slice source;
    if (!rest_take_text(rest_field(call->body, source_names), CHAT_NAME_MAX, arena, &source)) {
        return missing_submit;
    }
    message->source = source.length > 0 ? source : default_source;
    message->raw_message = rest_object_of(rest_field(call->body, raw_names));
    message->metadata = rest_object_of(json_get(call->body, "metadata"));
    return NULL;
}

static void begin_submit(const struct rest_call *call, struct slice default_source)
{
    static const char *const name_names[] = {"author_display_name", "agentName", "senderName",
                                             NULL};
    struct agent_message message;
    char minted[UUID_TEXT_SIZE];
    struct slice name = SLICE_EMPTY;
    const char *fault = read_agent_message(call, default_source, minted, &message);
    if (fault == NULL && !rest_take_text(rest_field(call->body, name_names), CHAT_NAME_MAX,
                                         &call->rest->arena, &name)) {
        fault = missing_submit;
    }
    if (fault != NULL) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, fault);
        return;
    }
    if (!identity_may_be(call->identity, message.author)) {
        rest_refuse(call->rest, call->exchange, ERROR_IDENTITY, NULL);
        return;
    }
    struct bus_message get = {.type = BUS_AGENT_GET, .agent_get = {.id = message.author}};
    struct rest_wait *wait = rest_ask(call, &get, &get.agent_get.request, on_agent_name);
    if (wait != NULL) {
        keep(&wait->note, &message, name);
    }
}

void rest_submit(const struct rest_call *call)
{
    begin_submit(call, SLICE_LITERAL("agent_response"));
}

void rest_submit_action(const struct rest_call *call)
{
    begin_submit(call, SLICE_LITERAL("agent_action"));
}

/* --- /ingest-external ------------------------------------------------------------------------- */

static int send_external(struct rest_wait *wait, const struct chat_send *send,
                         uplink_answered *answered, int64_t now)
{
    struct rest *rest = wait->rest;
    char minted[UUID_TEXT_SIZE + 1] = "~";
    struct buffer body = BUFFER_EMPTY;
    uuid_random(rest->ids, minted + 1);
    chat_write_body(send, send->sender, &body);
    struct bus_message message = {
        .type = BUS_SEND,
        .trace = id_random_u64(rest->ids),
        .viewer = slice_of_string(wait->viewer),
        .send = {.room = send->room,
                 .sender = send->sender,
                 .message_id =
                     send->message_id.length > 0 ? send->message_id : slice_of_string(minted),
                 .server_id = send->server_id,
                 .asks_agent = true,
                 .channel_type = send->is_direct ? SLICE_LITERAL("DM") : SLICE_LITERAL("GROUP"),
                 .channel_metadata = send->raw_metadata,
                 .body = buffer_slice(&body)}};
    int error = body.length > BUS_PAYLOAD_MAX ? ERROR_TOO_LARGE
                                              : rest_request(rest, &message, &message.send.request,
                                                             answered, wait, &wait->owner, now);
    buffer_deinit(&body);
    return error;
}

static void on_ingested(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = &wait->rest->scratch;
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true,\"message\":\"Message ingested and "
                              "published to bus\",\"data\":{");
    json_write_string_member(out, "messageId", outcome->answer->send_done.message_id);
    buffer_append_string(out, ",\"processed\":1}}");
    rest_wait_answer(wait, 202, buffer_slice(out));
}

static void on_one_ingested(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    wait->done += rest_error_of(outcome) == 0;
    if (--wait->left > 0) {
        return;
    }
    if (wait->done == 0) {
        rest_wait_refuse(wait, ERROR_OVERLOADED, NULL);
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_unsigned_member(out, "processed", wait->done);
    buffer_append_char(out, '}');
    rest_end_data(wait, 202);
}

static bool read_of_batch(const struct rest_call *call, struct slice channel, struct slice platform,
                          struct slice raw, struct chat_send *send)
{
    struct arena *arena = &call->rest->arena;
    struct slice id = SLICE_EMPTY, author = SLICE_EMPTY, content = SLICE_EMPTY, name = SLICE_EMPTY;
    const struct json_field fields[] = {{"id", &id},
                                        {"authorId", &author},
                                        {"content", &content},
                                        {"authorName", &name},
                                        {"metadata", &send->raw_metadata}};
    *send = (struct chat_send){
        .room = channel, .source = platform, .server_id = SLICE_LITERAL(NIL_UUID)};
    json_collect(raw, fields, sizeof(fields) / sizeof(fields[0]));
    send->raw_metadata = rest_object_of(send->raw_metadata);
    bool is_valid = rest_take_text(id, USER_ID_MAX - 1, arena, &send->message_id) &&
                    rest_take_text(author, USER_ID_MAX, arena, &send->sender) &&
                    send->sender.length > 0 &&
                    rest_take_text(name, CHAT_NAME_MAX, arena, &send->sender_name) &&
                    rest_take_content(content, arena, &send->text);
    send->sender_name = send->sender_name.length > 0 ? send->sender_name : SLICE_LITERAL("User");
    return is_valid && identity_may_be(call->identity, send->sender);
}

/* {platform, channelId, messages: [{id, authorId, content, timestamp, metadata?}]} */
static void ingest_batch(const struct rest_call *call, struct slice messages)
{
    struct rest *rest = call->rest;
    struct slice channel, platform, element;
    struct chat_send send;
    size_t count = 0;
    bool is_valid =
        rest_take_id(call, rest_channel_names, &channel) &&
        rest_take_text(json_get(call->body, "platform"), CHAT_NAME_MAX, &rest->arena, &platform);
    struct json_iterator elements = json_iterate(messages);
    while (is_valid && json_next_element(&elements, &element)) {
        is_valid = json_type(element) == JSON_OBJECT && ++count <= INGEST_MAX &&
                   read_of_batch(call, channel, platform, element, &send);
    }
    if (!is_valid || count == 0) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, invalid_external);
        return;
    }
    platform = platform.length > 0 ? platform : SLICE_LITERAL("external");
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    elements = json_iterate(messages);
    wait->left = 1; /* ours, until all are on their way */
    int error = ERROR_OVERLOADED;
    while (json_next_element(&elements, &element)) {
        read_of_batch(call, channel, platform, element, &send);
        int result = send_external(wait, &send, on_one_ingested, call->now);
        error = result != 0 ? result : error;
        wait->left += result == 0;
    }
    if (--wait->left == 0) {
        rest_wait_refuse(wait, error, NULL);
    }
}

void rest_ingest(const struct rest_call *call)
{
    static const char *const source_names[] = {"source_id", "sourceId", NULL};
    static const char *const type_names[] = {"source_type", "sourceType", NULL};
    static const char *const name_names[] = {"author_display_name", "authorName", "senderName",
                                             NULL};
    struct arena *arena = &call->rest->arena;
    struct slice messages = json_get(call->body, "messages");
    struct chat_send send = {.source = SLICE_EMPTY};
    if (json_type(messages) == JSON_ARRAY) {
        ingest_batch(call, messages);
        return;
    }
    if (!rest_take_id(call, rest_channel_names, &send.room) ||
        !rest_take_server(call, &send.server_id) ||
        !rest_take_id(call, rest_author_names, &send.sender) ||
        !rest_take_content(rest_field(call->body, rest_content_names), arena, &send.text) ||
        !rest_take_text(rest_field(call->body, source_names), USER_ID_MAX - 1, arena,
                        &send.message_id) ||
        !rest_take_text(rest_field(call->body, type_names), CHAT_NAME_MAX, arena, &send.source) ||
        !rest_take_text(rest_field(call->body, name_names), CHAT_NAME_MAX, arena,
                        &send.sender_name)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, invalid_external);
        return;
    }
    send.source = send.source.length > 0 ? send.source : SLICE_LITERAL("external");
    send.sender_name = send.sender_name.length > 0 ? send.sender_name : SLICE_LITERAL("User");
    send.raw_metadata = rest_object_of(json_get(call->body, "metadata"));
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    int error = send_external(wait, &send, on_ingested, call->now);
    if (error != 0) {
        rest_wait_refuse(wait, error, NULL);
    }
}

/* --- /complete -------------------------------------------------------------------------------- */

static void on_completed(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, "Channel not found")) {
        rest_wait_answer(wait, 200,
                         SLICE_LITERAL("{\"success\":true,\"message\":\"Completion event emitted\","
                                       "\"data\":{\"success\":true}}"));
    }
}

/* The event's members wait in the note, without the channel and the end. */
static void tell_complete(struct rest_wait *wait, struct slice channel, int64_t now)
{
    struct buffer event = BUFFER_EMPTY;
    char id[UUID_TEXT_SIZE];
    uuid_random(wait->rest->ids, id);
    buffer_append_string(&event, "messageComplete {");
    json_write_string_member(&event, "channelId", channel);
    json_write_string_member(&event, "roomId", channel);
    buffer_append_slice(&event, buffer_slice(&wait->note));
    buffer_append_char(&event, '}');
    struct bus_message message = {.type = BUS_ROOM_EVENT,
                                  .room_event = {.room = channel,
                                                 .id = slice_of(id, UUID_TEXT_LENGTH),
                                                 .action = BUS_ROOM_TELLS,
                                                 .event = buffer_slice(&event)}};
    rest_ask_on(wait, &message, &message.room_event.request, on_completed, now);
    buffer_deinit(&event);
}

static void on_message_to_complete(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct arena *arena = &wait->rest->arena;
    struct bus_stored_message message;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct slice channel =
        rest_first_message(outcome, &message) ? rest_channel_of(message.body, arena) : SLICE_EMPTY;
    if (channel.length == 0 || !rest_may_show(wait, channel)) {
        rest_wait_refuse(wait, ERROR_NOT_FOUND, "Message not found");
    } else {
        tell_complete(wait, channel, outcome->now);
    }
    arena_reset(arena);
}

/* {channel_id, server_id} of ElizaOS 1.2, {messageId, status, error?} of the api-client. */
void rest_complete(const struct rest_call *call)
{
    static const char *const id_names[] = {"messageId", "message_id", NULL};
    struct rest *rest = call->rest;
    struct slice channel = SLICE_EMPTY, id = SLICE_EMPTY, server, error;
    bool has_channel = rest_take_id(call, rest_channel_names, &channel);
    bool has_message = rest_take_uuid(call, id_names, &id);
    bool has_failed = json_string_is(json_get(call->body, "status"), "failed");
    if ((!has_channel && !has_message) || !rest_take_server(call, &server) ||
        !rest_take_text(json_get(call->body, "error"), BUS_NAME_MAX, &rest->arena, &error)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED,
                    "Missing required fields: channel_id and server_id, or messageId");
        return;
    }
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    struct buffer *note = &wait->note;
    buffer_append_string(note, ",\"serverId\":");
    json_write_string(note, server);
    json_write_string_member(note, "messageServerId", server);
    if (has_message) {
        json_write_string_member(note, "messageId", id);
    }
    json_write_boolean_member(note, "success", !has_failed);
    if (error.length > 0) {
        json_write_string_member(note, "error", error);
    }
    if (has_channel) {
        tell_complete(wait, channel, call->now);
        return;
    }
    struct bus_message message = {.type = BUS_MESSAGE_GET, .message_get = {.id = id}};
    rest_ask_on(wait, &message, &message.message_get.request, on_message_to_complete, call->now);
}
