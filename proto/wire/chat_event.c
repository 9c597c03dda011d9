#include "proto/wire/chat_event.h"

#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/base/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A `since` number from here on is milliseconds, below it a sequence number. */
static const int64_t since_is_time = INT64_C(1000000000000);

static const struct chat_fault no_fault = {0, NULL};

static struct chat_fault fault(int error, const char *field)
{
    return (struct chat_fault){error, field};
}

/* The first member that is there; clients of different ages use different names. */
static struct slice first_of(const struct slice *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum json_type type = json_type(values[i]);
        if (type != JSON_NONE && type != JSON_NULL) {
            return values[i];
        }
    }
    return SLICE_EMPTY;
}

/*
 * Decodes an optional text: absent and null become empty. False: another type, or too long.
 * Identifiers given as numbers are a client's mistake like any other type.
 */
static bool take_text(struct slice value, size_t most, struct arena *arena, struct slice *out)
{
    *out = SLICE_EMPTY;
    switch (json_type(value)) {
    case JSON_NONE:
    case JSON_NULL:
        return true;
    case JSON_STRING:
        *out = json_decode_string(value, arena);
        return out->length <= most;
    default:
        return false;
    }
}

/* An id: a text without NUL, at most USER_ID_MAX bytes. */
static bool take_id(struct slice value, struct arena *arena, struct slice *out)
{
    return take_text(value, USER_ID_MAX, arena, out) &&
           (out->length == 0 || memchr(out->data, '\0', out->length) == NULL);
}

struct chat_fault chat_decode_envelope(struct slice argument, enum chat_type *type,
                                       struct slice *payload)
{
    struct slice raw_type = SLICE_EMPTY;
    const struct json_field fields[] = {{"type", &raw_type}, {"payload", payload}};
    int64_t number = 0;
    *payload = SLICE_EMPTY;
    if (json_type(argument) != JSON_OBJECT) {
        return fault(ERROR_MALFORMED, NULL);
    }
    json_collect(argument, fields, COUNT(fields));
    if (json_type(raw_type) == JSON_STRING && raw_type.length == 3 && raw_type.data[1] >= '0' &&
        raw_type.data[1] <= '9') {
        raw_type = slice_of(raw_type.data + 1, 1); /* "2" */
    }
    if (!json_to_integer(raw_type, &number)) {
        return fault(ERROR_MALFORMED, "type");
    }
    if (number < CHAT_ROOM_JOINING || number > CHAT_CONTROL) {
        return fault(ERROR_UNKNOWN_TYPE, "type");
    }
    *type = (enum chat_type)number;
    if (json_type(*payload) != JSON_OBJECT) {
        return fault(ERROR_MALFORMED, "payload");
    }
    return no_fault;
}

static struct chat_fault decode_since(struct slice value, struct slice epoch, struct arena *arena,
                                      struct chat_join *out)
{
    int64_t number;
    double real;
    out->since = CHAT_SINCE_NOTHING;
    switch (json_type(value)) {
    case JSON_NONE:
    case JSON_NULL:
        return no_fault;
    case JSON_NUMBER:
        if (!json_to_integer(value, &number)) {
            if (!json_to_double(value, &real) || real < 0 || real > 9e15) {
                return fault(ERROR_MALFORMED, "since");
            }
            number = (int64_t)real;
        }
        if (number < 0) {
            return fault(ERROR_MALFORMED, "since");
        }
        if (number >= since_is_time) {
            out->since = CHAT_SINCE_TIME;
            out->since_time = number;
            return no_fault;
        }
        out->since = CHAT_SINCE_SEQ;
        out->since_seq = (uint64_t)number;
        number = 0;
        if (json_type(epoch) != JSON_NONE && json_type(epoch) != JSON_NULL &&
            (!json_to_integer(epoch, &number) || number < 0)) {
            return fault(ERROR_MALFORMED, "sinceEpoch");
        }
        out->since_epoch = (uint64_t)number;
        return no_fault;
    case JSON_STRING:
        if (!take_id(value, arena, &out->since_id) || out->since_id.length == 0) {
            return fault(ERROR_MALFORMED, "since");
        }
        out->since = CHAT_SINCE_ID;
        /* A time has dashes: digits alone would be milliseconds, and as a text they are an id. */
        if (memchr(out->since_id.data, '-', out->since_id.length) != NULL &&
            !uuid_is_valid(out->since_id) && clock_parse_time(out->since_id, &out->since_time)) {
            out->since = CHAT_SINCE_TIME;
        }
        return no_fault;
    default:
        return fault(ERROR_MALFORMED, "since");
    }
}

struct chat_fault chat_decode_join(struct slice payload, struct arena *arena, struct chat_join *out)
{
    struct slice rooms[3] = {{NULL, 0}}, entities[3] = {{NULL, 0}}, names[5] = {{NULL, 0}};
    struct slice servers[4] = {{NULL, 0}};
    struct slice agent = SLICE_EMPTY, since = SLICE_EMPTY, epoch = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"channelId", &rooms[0]},   {"roomId", &rooms[1]},
        {"channel_id", &rooms[2]},  {"entityId", &entities[0]},
        {"userId", &entities[1]},   {"author_id", &entities[2]},
        {"displayName", &names[0]}, {"username", &names[1]},
        {"userName", &names[2]},    {"senderName", &names[3]},
        {"name", &names[4]},        {"messageServerId", &servers[0]},
        {"serverId", &servers[1]},  {"message_server_id", &servers[2]},
        {"server_id", &servers[3]}, {"agentId", &agent},
        {"since", &since},          {"sinceEpoch", &epoch},
    };
    *out = (struct chat_join){.since = CHAT_SINCE_NOTHING};
    json_collect(payload, fields, COUNT(fields));
    if (!take_id(first_of(rooms, COUNT(rooms)), arena, &out->room) || out->room.length == 0) {
        return fault(ERROR_MALFORMED, "roomId");
    }
    if (!take_id(first_of(entities, COUNT(entities)), arena, &out->entity)) {
        return fault(ERROR_MALFORMED, "entityId");
    }
    if (!take_text(first_of(names, COUNT(names)), CHAT_NAME_MAX, arena, &out->name)) {
        return fault(ERROR_MALFORMED, "displayName");
    }
    if (!take_id(first_of(servers, COUNT(servers)), arena, &out->server_id)) {
        return fault(ERROR_MALFORMED, "messageServerId");
    }
    if (!take_id(agent, arena, &out->agent_id)) {
        return fault(ERROR_MALFORMED, "agentId");
    }
    return decode_since(since, epoch, arena, out);
}

/* Does the metadata say that the channel is a direct one? */
static bool metadata_is_direct(struct slice metadata)
{
    struct slice is_dm = SLICE_EMPTY, types[2] = {{NULL, 0}};
    const struct json_field fields[] = {
        {"isDm", &is_dm}, {"channelType", &types[0]}, {"channel_type", &types[1]}};
    if (json_type(metadata) != JSON_OBJECT) {
        return false;
    }
    json_collect(metadata, fields, COUNT(fields));
    return json_type(is_dm) == JSON_TRUE || slice_is(first_of(types, COUNT(types)), "\"DM\"");
}

/* The message that this one replies to; anything but a UUID says nothing. */
static struct slice replied_message(struct slice payload, struct slice metadata,
                                    struct arena *arena)
{
    struct slice ids[8] = {{NULL, 0}};
    const struct json_field fields[] = {{"inReplyTo", &ids[0]},
                                        {"inReplyToMessageId", &ids[1]},
                                        {"replyTo", &ids[2]},
                                        {"replyToMessageId", &ids[3]}};
    const struct json_field inner[] = {{"inReplyTo", &ids[4]},
                                       {"inReplyToMessageId", &ids[5]},
                                       {"replyTo", &ids[6]},
                                       {"replyToMessageId", &ids[7]}};
    json_collect(payload, fields, COUNT(fields));
    if (json_type(metadata) == JSON_OBJECT) {
        json_collect(metadata, inner, COUNT(inner));
    }
    struct slice id = first_of(ids, COUNT(ids));
    id = json_type(id) == JSON_STRING ? json_decode_string(id, arena) : SLICE_EMPTY;
    return uuid_is_valid(id) ? id : SLICE_EMPTY;
}

/* False: it is there, and of another kind. null counts as not there. */
static bool take_raw(struct slice value, enum json_type kind, struct slice *out)
{
    enum json_type type = json_type(value);
    *out = type == kind ? value : SLICE_EMPTY;
    return type == kind || type == JSON_NONE || type == JSON_NULL;
}

static bool has_elements(struct slice array)
{
    struct json_iterator elements = json_iterate(array);
    struct slice element;
    return array.length > 0 && json_next_element(&elements, &element);
}

static void fill_in(struct chat_send *send, const char *default_source)
{
    if (send->sender_name.length == 0) {
        send->sender_name = SLICE_LITERAL("User");
    }
    if (send->server_id.length == 0) {
        send->server_id = SLICE_LITERAL(NIL_UUID);
    }
    if (send->source.length == 0) {
        send->source = slice_of_string(default_source);
    }
}

struct chat_fault chat_decode_send(struct slice payload, struct slice room, struct arena *arena,
                                   const char *default_source, struct chat_send *out)
{
    struct slice rooms[3] = {{NULL, 0}}, senders[4] = {{NULL, 0}}, texts[3] = {{NULL, 0}};
    struct slice servers[4] = {{NULL, 0}}, ids[2] = {{NULL, 0}}, sources[2] = {{NULL, 0}};
    struct slice name = SLICE_EMPTY, attachments = SLICE_EMPTY, metadata = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"channelId", &rooms[0]},
        {"roomId", &rooms[1]},
        {"channel_id", &rooms[2]},
        {"senderId", &senders[0]},
        {"author_id", &senders[1]},
        {"entityId", &senders[2]},
        {"userId", &senders[3]},
        {"message", &texts[0]},
        {"text", &texts[1]},
        {"content", &texts[2]},
        {"messageServerId", &servers[0]},
        {"serverId", &servers[1]},
        {"message_server_id", &servers[2]},
        {"server_id", &servers[3]},
        {"messageId", &ids[0]},
        {"message_id", &ids[1]},
        {"source", &sources[0]},
        {"source_type", &sources[1]},
        {"senderName", &name},
        {"attachments", &attachments},
        {"metadata", &metadata},
    };
    *out = (struct chat_send){.is_direct = false};
    json_collect(payload, fields, COUNT(fields));
    out->room = room;
    if (room.length == 0 &&
        (!take_id(first_of(rooms, COUNT(rooms)), arena, &out->room) || out->room.length == 0)) {
        return fault(ERROR_MALFORMED, "roomId");
    }
    if (!take_id(first_of(senders, COUNT(senders)), arena, &out->sender)) {
        return fault(ERROR_MALFORMED, "senderId");
    }
    if (!take_id(first_of(ids, COUNT(ids)), arena, &out->message_id)) {
        return fault(ERROR_MALFORMED, "messageId");
    }
    if (!take_id(first_of(servers, COUNT(servers)), arena, &out->server_id)) {
        return fault(ERROR_MALFORMED, "messageServerId");
    }
    if (!take_text(first_of(sources, COUNT(sources)), CHAT_NAME_MAX, arena, &out->source)) {
        return fault(ERROR_MALFORMED, "source");
    }
    if (!take_text(name, CHAT_NAME_MAX, arena, &out->sender_name)) {
        return fault(ERROR_MALFORMED, "senderName");
    }
    if (!take_raw(attachments, JSON_ARRAY, &out->raw_attachments)) {
        return fault(ERROR_MALFORMED, "attachments");
    }
    if (!take_raw(metadata, JSON_OBJECT, &out->raw_metadata)) {
        return fault(ERROR_MALFORMED, "metadata");
    }
    out->is_direct = metadata_is_direct(out->raw_metadata);
    out->in_reply_to = replied_message(payload, out->raw_metadata, arena);
    if (!take_text(first_of(texts, COUNT(texts)), SIZE_MAX, arena, &out->text) ||
        (out->text.length == 0 && !has_elements(out->raw_attachments))) {
        return fault(ERROR_MALFORMED, "message");
    }
    fill_in(out, default_source);
    return no_fault;
}

struct chat_fault chat_decode_typing(struct slice payload, struct arena *arena, const char *flag,
                                     struct chat_typing *out)
{
    struct slice rooms[3] = {{NULL, 0}}, users[3] = {{NULL, 0}}, is_on = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"channelId", &rooms[0]}, {"roomId", &rooms[1]},   {"channel_id", &rooms[2]},
        {"userId", &users[0]},    {"entityId", &users[1]}, {"senderId", &users[2]},
        {flag, &is_on},
    };
    *out = (struct chat_typing){.is_on = false};
    if (json_type(payload) != JSON_OBJECT) {
        return fault(ERROR_MALFORMED, NULL);
    }
    json_collect(payload, fields, COUNT(fields));
    if (!take_id(first_of(rooms, COUNT(rooms)), arena, &out->room) || out->room.length == 0) {
        return fault(ERROR_MALFORMED, "roomId");
    }
    if (!take_id(first_of(users, COUNT(users)), arena, &out->user)) {
        return fault(ERROR_MALFORMED, "userId");
    }
    if (!json_to_boolean(is_on, &out->is_on)) {
        return fault(ERROR_MALFORMED, flag);
    }
    return no_fault;
}

struct chat_fault chat_decode_receipt(struct slice payload, struct arena *arena,
                                      struct chat_receipt *out)
{
    struct slice id = SLICE_EMPTY, status = SLICE_EMPTY, users[3] = {{NULL, 0}};
    const struct json_field fields[] = {{"messageId", &id},
                                        {"status", &status},
                                        {"userId", &users[0]},
                                        {"entityId", &users[1]},
                                        {"senderId", &users[2]}};
    *out = (struct chat_receipt){.status = SLICE_EMPTY};
    json_collect(payload, fields, COUNT(fields));
    if (!take_id(id, arena, &out->message_id) || out->message_id.length == 0) {
        return fault(ERROR_MALFORMED, "messageId");
    }
    if (!take_id(first_of(users, COUNT(users)), arena, &out->user)) {
        return fault(ERROR_MALFORMED, "userId");
    }
    if (!take_text(status, CHAT_NAME_MAX, arena, &out->status) ||
        !(slice_is(out->status, "delivered") || slice_is(out->status, "read"))) {
        return fault(ERROR_MALFORMED, "status");
    }
    return no_fault;
}

struct chat_fault chat_decode_control(struct slice payload, struct arena *arena,
                                      struct chat_control *out)
{
    struct slice rooms[3] = {{NULL, 0}}, users[3] = {{NULL, 0}}, action = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"channelId", &rooms[0]}, {"roomId", &rooms[1]},   {"channel_id", &rooms[2]},
        {"userId", &users[0]},    {"entityId", &users[1]}, {"senderId", &users[2]},
        {"action", &action},
    };
    *out = (struct chat_control){.action = SLICE_EMPTY};
    json_collect(payload, fields, COUNT(fields));
    if (!take_id(first_of(rooms, COUNT(rooms)), arena, &out->room) || out->room.length == 0) {
        return fault(ERROR_MALFORMED, "roomId");
    }
    if (!take_id(first_of(users, COUNT(users)), arena, &out->user)) {
        return fault(ERROR_MALFORMED, "userId");
    }
    if (!take_text(action, CHAT_NAME_MAX, arena, &out->action) || out->action.length == 0) {
        return fault(ERROR_MALFORMED, "action");
    }
    return no_fault;
}

struct slice chat_client_message_id(struct slice payload, struct arena *arena)
{
    struct slice id;
    if (json_type(payload) != JSON_OBJECT || !take_id(json_get(payload, "messageId"), arena, &id)) {
        return SLICE_EMPTY;
    }
    return id;
}

#define STOPPED_METADATA "\"metadata\":{\"stopped\":true},"

bool chat_reply_was_stopped(struct slice body)
{
    struct slice mark = SLICE_LITERAL(STOPPED_METADATA);
    return body.length >= mark.length && memcmp(body.data, mark.data, mark.length) == 0;
}

void chat_write_reply_body(const struct chat_reply *reply, struct buffer *out)
{
    if (reply->was_stopped) {
        buffer_append_string(out, STOPPED_METADATA); /* first, to be found without a search */
    }
    buffer_append_string(out, "\"senderId\":");
    json_write_string(out, reply->agent_id);
    json_write_string_member(out, "senderName", reply->agent_name);
    json_write_string_member(out, "text", reply->text);
    json_write_string_member(out, "roomId", reply->room);
    json_write_string_member(out, "channelId", reply->room);
    json_write_string_member(out, "serverId", reply->server_id);
    json_write_string_member(out, "messageServerId", reply->server_id);
    json_write_string_member(out, "source", SLICE_LITERAL("agent_response"));
    if (reply->thought.length > 0) {
        json_write_string_member(out, "thought", reply->thought);
    }
    json_write_raw_member(out, "actions", reply->raw_actions);
    json_write_string_member(out, "inReplyTo", reply->in_reply_to);
    if (reply->raw_metadata.length > 0) {
        json_write_raw_member(out, "metadata", reply->raw_metadata);
    }
}

void chat_write_error(bool is_ack, struct chat_fault what, struct slice client_message_id,
                      int64_t retry_after_ms, struct buffer *out)
{
    buffer_append_char(out, '{');
    if (is_ack) {
        json_write_boolean_member(out, "success", false);
    }
    json_write_string_member(out, "error", slice_of_string(error_text(what.error)));
    json_write_string_member(out, "code", slice_of_string(error_code(what.error)));
    if (what.field != NULL) {
        json_write_string_member(out, "field", slice_of_string(what.field));
    }
    if (retry_after_ms > 0) {
        json_write_signed_member(out, "retryAfterMs", retry_after_ms);
    }
    if (client_message_id.length > 0) {
        json_write_string_member(out, "clientMessageId", client_message_id);
    }
    buffer_append_char(out, '}');
}
