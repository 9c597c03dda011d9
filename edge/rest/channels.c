#include "edge/rest/internal.h"

enum { METADATA_MAX = 16384, PARTICIPANTS_MAX = 10000, MEMBERS_DEFAULT = 1000, MEMBERS_MAX = 10000 };

static const char invalid_channel[] =
    "Invalid payload. Required: name, message_server_id (UUID), participantCentralUserIds (array "
    "of UUIDs). Optional: type, metadata.";

/* --- POST /channels --------------------------------------------------------------------------- */

static void write_row(struct buffer *out, const struct bus_channel *channel)
{
    char created[CLOCK_ISO_SIZE], updated[CLOCK_ISO_SIZE];
    clock_format_iso(channel->created_at, created);
    clock_format_iso(channel->updated_at, updated);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", channel->id);
    json_write_string_member(out, "messageServerId", channel->server_id);
    json_write_string_member(out, "name", channel->name);
    json_write_string_member(out, "type", channel->type);
    if (channel->source_type.length > 0) {
        json_write_string_member(out, "sourceType", channel->source_type);
    }
    json_write_raw_member(out, "metadata",
                          channel->metadata.length > 0 ? channel->metadata : SLICE_LITERAL("{}"));
    json_write_string_member(out, "createdAt", slice_of_string(created));
    json_write_string_member(out, "updatedAt", slice_of_string(updated));
    buffer_append_char(out, '}');
}

static void on_created(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct rest *rest = wait->rest;
    const struct bus_channel *channel = outcome->answer == NULL ? NULL : &outcome->answer->channel;
    int error = channel == NULL ? outcome->error : (int)channel->error;
    if (wait->exchange != NULL && error != 0) {
        rest_refuse(rest, wait->exchange, error, NULL);
    } else if (wait->exchange != NULL) {
        struct buffer *out = &rest->scratch;
        buffer_clear(out);
        buffer_append_string(out, "{\"success\":true,\"data\":");
        write_row(out, channel);
        buffer_append_char(out, '}');
        rest_answer(rest, wait->exchange, 201, buffer_slice(out));
    }
    rest_wait_destroy(wait);
}

/* Decodes a text member; false when it is there and not a text of 1 to `most` bytes. */
static bool take_text(struct slice value, size_t most, struct arena *arena, struct slice *out)
{
    *out = SLICE_EMPTY;
    if (json_type(value) == JSON_NONE || json_type(value) == JSON_NULL) {
        return true;
    }
    if (json_type(value) != JSON_STRING) {
        return false;
    }
    *out = json_decode_string(value, arena);
    return out->length > 0 && out->length <= most && memchr(out->data, '\0', out->length) == NULL;
}

static bool take_participants(struct slice value, struct arena *arena,
                              struct bus_list_builder *list)
{
    struct slice element;
    if (json_type(value) == JSON_NONE || json_type(value) == JSON_NULL) {
        return true;
    }
    if (json_type(value) != JSON_ARRAY) {
        return false;
    }
    struct json_iterator elements = json_iterate(value);
    while (json_next_element(&elements, &element)) {
        struct bus_text text;
        if (list->count >= PARTICIPANTS_MAX ||
            !take_text(element, USER_ID_MAX, arena, &text.text) || text.text.length == 0) {
            return false;
        }
        bus_list_add(list, BUS_ELEMENT_TEXT, &text);
    }
    return true;
}

void rest_post_channel(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct slice name = SLICE_EMPTY, type = SLICE_EMPTY, metadata = SLICE_EMPTY;
    struct slice participants = SLICE_EMPTY, servers[4] = {{NULL, 0}};
    const struct json_field fields[] = {
        {"name", &name},
        {"type", &type},
        {"metadata", &metadata},
        {"participantCentralUserIds", &participants},
        {"message_server_id", &servers[0]},
        {"server_id", &servers[1]},
        {"messageServerId", &servers[2]},
        {"serverId", &servers[3]},
    };
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .trace = id_random_u64(call->rest->ids)};
    struct bus_channel_put *put = &message.channel_put;
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    struct slice server = SLICE_EMPTY;
    for (size_t i = 0; i < 4 && server.length == 0; i++) {
        server = servers[i];
    }
    bool is_object = json_type(metadata) == JSON_OBJECT && metadata.length <= METADATA_MAX;
    bool is_valid = take_text(name, CHAT_NAME_MAX, &rest->arena, &put->name) &&
                    put->name.length > 0 &&
                    take_text(type, CHAT_NAME_MAX, &rest->arena, &put->type) &&
                    take_text(server, USER_ID_MAX, &rest->arena, &put->server_id) &&
                    (is_object || json_type(metadata) <= JSON_NULL) &&
                    take_participants(participants, &rest->arena, &list);
    if (is_valid && put->server_id.length > 0 && !uuid_is_valid(put->server_id)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Invalid message_server_id format");
    } else if (!is_valid) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, invalid_channel);
    } else {
        char id[UUID_TEXT_SIZE];
        uuid_random(rest->ids, id);
        put->id = slice_of(id, UUID_TEXT_LENGTH);
        put->server_id = put->server_id.length > 0 ? put->server_id : SLICE_LITERAL(NIL_UUID);
        put->type = put->type.length > 0 ? put->type : SLICE_LITERAL("GROUP");
        put->metadata = is_object ? metadata : SLICE_LITERAL("{}");
        put->participants = bus_list_of(&list);
        struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
        int error = uplink_request(rest->uplink, &message, &put->request, on_created, wait,
                                   &wait->owner, call->now);
        if (error != 0) {
            rest_wait_destroy(wait);
            rest_refuse(rest, call->exchange, error, NULL);
        }
    }
    buffer_deinit(&list.bytes);
}

/* --- GET …/presence --------------------------------------------------------------------------- */

static void on_members(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct rest *rest = wait->rest;
    const struct bus_members_page *page =
        outcome->answer == NULL ? NULL : &outcome->answer->members_page;
    int error = page == NULL ? outcome->error : (int)page->error;
    if (wait->exchange != NULL && error != 0) {
        rest_refuse(rest, wait->exchange, error, NULL);
    } else if (wait->exchange != NULL) {
        struct buffer *out = &rest->scratch;
        struct slice room = outcome->sent->members.room;
        struct msgpack_reader reader = bus_list_read(&page->members);
        struct bus_member member;
        buffer_clear(out);
        buffer_append_string(out, "{\"success\":true,\"data\":{");
        json_write_string_member(out, "channelId", room);
        json_write_string_member(out, "roomId", room);
        json_write_unsigned_member(out, "memberCount", page->total);
        json_write_unsigned_member(out, "offset", outcome->sent->members.offset);
        buffer_append_string(out, ",\"members\":[");
        while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member)) {
            if (out->data[out->length - 1] != '[') {
                buffer_append_char(out, ',');
            }
            buffer_append_char(out, '{');
            json_write_string_member(out, "userId", member.entity);
            if (member.name.length > 0) {
                json_write_string_member(out, "displayName", member.name);
            }
            json_write_unsigned_member(out, "connections", member.connections);
            buffer_append_char(out, '}');
        }
        buffer_append_string(out, "]}}");
        rest_answer(rest, wait->exchange, 200, buffer_slice(out));
        buffer_shrink(out, 1 << 16);
    }
    rest_wait_destroy(wait);
}

void rest_get_presence(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct bus_message message = {.type = BUS_MEMBERS,
                                  .trace = id_random_u64(rest->ids),
                                  .members = {.room = call->channel}};
    struct bus_members *members = &message.members;
    if (!rest_take_count(call, "limit", MEMBERS_DEFAULT, MEMBERS_MAX, &members->limit) ||
        !rest_take_count(call, "offset", 0, INT64_MAX, &members->offset)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Invalid limit or offset");
        return;
    }
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    int error = uplink_request(rest->uplink, &message, &members->request, on_members, wait,
                               &wait->owner, call->now);
    if (error != 0) {
        rest_wait_destroy(wait);
        rest_refuse(rest, call->exchange, error, NULL);
    }
}
