#include "edge/rest/internal.h"

const char *const rest_server_names[] = {"message_server_id", "server_id", "messageServerId",
                                         "serverId", NULL};
const char *const rest_channel_names[] = {"channel_id", "channelId", "roomId", "room_id", NULL};
const char *const rest_author_names[] = {"author_id", "authorId", "senderId",
                                         "entityId",  "agentId",  NULL};
const char *const rest_content_names[] = {"content", "text", "message", NULL};

struct slice rest_field(struct slice object, const char *const *names)
{
    struct slice value = SLICE_EMPTY;
    for (; *names != NULL && json_type(value) <= JSON_NULL; names++) {
        value = json_get(object, *names);
    }
    return json_type(value) <= JSON_NULL ? SLICE_EMPTY : value;
}

bool rest_take_text(struct slice value, size_t most, struct arena *arena, struct slice *out)
{
    *out = SLICE_EMPTY;
    if (json_type(value) <= JSON_NULL) {
        return true;
    }
    if (json_type(value) != JSON_STRING) {
        return false;
    }
    *out = json_decode_string(value, arena);
    return out->length > 0 && out->length <= most && memchr(out->data, '\0', out->length) == NULL;
}

bool rest_take_id(const struct rest_call *call, const char *const *names, struct slice *id)
{
    return rest_take_text(rest_field(call->body, names), USER_ID_MAX, &call->rest->arena, id) &&
           id->length > 0;
}

bool rest_take_uuid(const struct rest_call *call, const char *const *names, struct slice *id)
{
    return rest_take_id(call, names, id) && uuid_is_valid(*id);
}

bool rest_take_server(const struct rest_call *call, struct slice *id)
{
    bool is_text = rest_take_text(rest_field(call->body, rest_server_names), USER_ID_MAX,
                                  &call->rest->arena, id);
    if (is_text && id->length == 0) {
        *id = SLICE_LITERAL(NIL_UUID);
    }
    return is_text && uuid_is_valid(*id);
}

bool rest_take_content(struct slice value, struct arena *arena, struct slice *text)
{
    *text = json_type(value) == JSON_STRING ? json_decode_string(value, arena) : SLICE_EMPTY;
    return text->length > 0;
}

struct slice rest_object_of(struct slice value)
{
    return json_type(value) == JSON_OBJECT ? value : SLICE_EMPTY;
}

bool rest_take_time(struct slice value, struct arena *arena, int64_t *time)
{
    *time = 0;
    if (json_type(value) <= JSON_NULL) {
        return true;
    }
    if (json_type(value) == JSON_NUMBER) {
        return json_to_integer(value, time) && *time >= 0;
    }
    return json_type(value) == JSON_STRING &&
           clock_parse_time(json_decode_string(value, arena), time) && *time >= 0;
}

bool rest_take_number(struct slice value, int64_t fallback, int64_t most, uint64_t *number)
{
    int64_t given = fallback;
    if (json_type(value) > JSON_NULL && (!json_to_integer(value, &given) || given < 0)) {
        return false;
    }
    *number = (uint64_t)(given > most ? most : given);
    return true;
}

static bool is_named(struct slice key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (slice_is(key, *names)) {
            return true;
        }
    }
    return false;
}

static void copy_member(struct buffer *out, struct slice key, struct slice value)
{
    if (out->length > 0 && out->data[out->length - 1] != '{') {
        buffer_append_char(out, ',');
    }
    buffer_append_char(out, '"');
    buffer_append_slice(out, key);
    buffer_append_string(out, "\":");
    buffer_append_slice(out, value);
}

/* Members are copied as they stand: keys and values are JSON already. */
void rest_copy_members(struct buffer *out, struct slice object, const char *const *without)
{
    struct json_iterator members = json_iterate(object);
    struct slice key, value;
    while (json_next_member(&members, &key, &value)) {
        if (!is_named(key, without)) {
            copy_member(out, key, value);
        }
    }
}

static bool has_key(struct slice object, struct slice wanted)
{
    struct json_iterator members = json_iterate(object);
    struct slice key, value;
    while (json_next_member(&members, &key, &value)) {
        if (slice_equals(key, wanted)) {
            return true;
        }
    }
    return false;
}

void rest_copy_others(struct buffer *out, struct slice object, struct slice other)
{
    struct json_iterator members = json_iterate(object);
    struct slice key, value;
    while (json_next_member(&members, &key, &value)) {
        if (!has_key(other, key)) {
            copy_member(out, key, value);
        }
    }
}

size_t rest_utf16_length(struct slice text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        length += (byte & 0xc0) != 0x80; /* a character begins */
        length += byte >= 0xf0;          /* one that takes two units */
    }
    return length;
}

void rest_begin_element(struct buffer *out)
{
    if (out->data[out->length - 1] != '[') {
        buffer_append_char(out, ',');
    }
}
