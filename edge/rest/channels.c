#include "edge/rest/internal.h"

#include "proto/wire/channel_row.h"

enum { METADATA_MAX = 16384, PARTICIPANTS_MAX = 10000 };

#define PARTICIPANTS_KEY "participantCentralUserIds"

static const char invalid_channel[] =
    "Invalid payload. Required: name, message_server_id (UUID), participantCentralUserIds (array "
    "of UUIDs). Optional: type, metadata.";

/* --- writing ---------------------------------------------------------------------------------- */

static struct channel_row row_of(const struct bus_channel *channel)
{
    return (struct channel_row){.id = channel->id,
                                .server_id = channel->server_id,
                                .name = channel->name,
                                .type = channel->type,
                                .source_type = channel->source_type,
                                .metadata = channel->metadata,
                                .created_at = channel->created_at,
                                .updated_at = channel->updated_at};
}

void rest_write_participants(struct buffer *out, const struct bus_channel *channel)
{
    struct msgpack_reader reader = bus_list_read(&channel->participants);
    struct bus_text element;
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        rest_begin_element(out);
        json_write_string(out, element.text);
    }
    buffer_append_char(out, ']');
}

/*
 * The api-client adds users by putting back the list that it finds in the metadata: it is shown
 * there, and never kept there.
 */
static void write_row_with_participants(struct buffer *out, const struct bus_channel *channel)
{
    static const char *const own[] = {PARTICIPANTS_KEY, NULL};
    struct buffer metadata = BUFFER_EMPTY;
    struct channel_row row = row_of(channel);
    buffer_append_char(&metadata, '{');
    rest_copy_members(&metadata, row.metadata, own);
    json_write_key(&metadata, PARTICIPANTS_KEY);
    rest_write_participants(&metadata, channel);
    buffer_append_char(&metadata, '}');
    row.metadata = buffer_slice(&metadata);
    channel_row_write(&row, out);
    buffer_deinit(&metadata);
}

void rest_answer_channel(struct rest_wait *wait, int status, const struct bus_channel *channel)
{
    struct channel_row row = row_of(channel);
    channel_row_write(&row, rest_begin_data(wait->rest));
    rest_end_data(wait, status);
}

/* --- POST /channels --------------------------------------------------------------------------- */

static bool take_participants(struct slice value, struct arena *arena,
                              struct bus_list_builder *list)
{
    struct slice element;
    if (json_type(value) <= JSON_NULL) {
        return true;
    }
    if (json_type(value) != JSON_ARRAY) {
        return false;
    }
    struct json_iterator elements = json_iterate(value);
    while (json_next_element(&elements, &element)) {
        struct bus_text text;
        if (list->count >= PARTICIPANTS_MAX ||
            !rest_take_text(element, USER_ID_MAX, arena, &text.text) || text.text.length == 0) {
            return false;
        }
        bus_list_add(list, BUS_ELEMENT_TEXT, &text);
    }
    return true;
}

static bool take_metadata(struct slice value, struct slice *metadata)
{
    *metadata = rest_object_of(value);
    return json_type(value) <= JSON_NULL ||
           (metadata->length > 0 && metadata->length <= METADATA_MAX);
}

static void on_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        rest_answer_channel(wait, 201, &outcome->answer->channel);
    }
}

/* The server is there: the channel, which is kept as it will be said, may be made. */
static void on_server(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, "The message server does not exist")) {
        return;
    }
    struct bus_message message;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    if (bus_decode(&reader, &message) == 0) {
        rest_ask_on(wait, &message, &message.channel_put.request, on_made, outcome->now);
    } else {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
    }
}

static void make_in_server(const struct rest_call *call, struct bus_message *message)
{
    struct slice server = message->channel_put.server_id;
    if (slice_is(server, NIL_UUID)) {
        rest_ask(call, message, &message->channel_put.request, on_made);
        return;
    }
    struct bus_message get = {
        .type = BUS_RECORD_GET,
        .record_get = {.collection = SLICE_LITERAL(REST_SERVERS), .id = server}};
    struct rest_wait *wait = rest_ask(call, &get, &get.record_get.request, on_server);
    if (wait != NULL) {
        bus_encode(&wait->note, message);
    }
}

void rest_post_channel(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct slice name = SLICE_EMPTY, type = SLICE_EMPTY, metadata = SLICE_EMPTY;
    struct slice participants = SLICE_EMPTY;
    const struct json_field fields[] = {{"name", &name},
                                        {"type", &type},
                                        {"metadata", &metadata},
                                        {PARTICIPANTS_KEY, &participants}};
    char id[UUID_TEXT_SIZE];
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_message message = {.type = BUS_CHANNEL_PUT};
    struct bus_channel_put *put = &message.channel_put;
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    uuid_random(rest->ids, id);
    put->id = slice_of(id, UUID_TEXT_LENGTH);
    bool has_server = rest_take_server(call, &put->server_id);
    bool is_valid = rest_take_text(name, CHAT_NAME_MAX, &rest->arena, &put->name) &&
                    put->name.length > 0 &&
                    rest_take_text(type, CHAT_NAME_MAX, &rest->arena, &put->type) &&
                    take_metadata(metadata, &put->metadata) &&
                    take_participants(participants, &rest->arena, &list);
    if (!is_valid) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, invalid_channel);
    } else if (!has_server) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Invalid message_server_id format");
    } else {
        put->creator = call->viewer;
        put->type = put->type.length > 0 ? put->type : SLICE_LITERAL("GROUP");
        put->metadata = put->metadata.length > 0 ? put->metadata : SLICE_LITERAL("{}");
        put->participants = bus_list_of(&list);
        make_in_server(call, &message);
    }
    buffer_deinit(&list.bytes);
}

/* --- GET …/details ---------------------------------------------------------------------------- */

void rest_ask_for_channel(const struct rest_call *call, uplink_answered *answered)
{
    struct bus_message message = {
        .type = BUS_CHANNEL_GET,
        .channel_get = {.room = call->channel, .wants_participants = true}};
    rest_ask(call, &message, &message.channel_get.request, answered);
}

static void on_details(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        write_row_with_participants(rest_begin_data(wait->rest), &outcome->answer->channel);
        rest_end_data(wait, 200);
    }
}

void rest_get_channel(const struct rest_call *call)
{
    rest_ask_for_channel(call, on_details);
}

/* --- PATCH ------------------------------------------------------------------------------------ */

static void on_changed(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        rest_answer_channel(wait, 200, &outcome->answer->channel);
    }
}

void rest_patch_channel(const struct rest_call *call)
{
    static const char *const own[] = {PARTICIPANTS_KEY, NULL};
    struct rest *rest = call->rest;
    struct slice name = SLICE_EMPTY, metadata = SLICE_EMPTY, participants = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"name", &name}, {"metadata", &metadata}, {PARTICIPANTS_KEY, &participants}};
    char id[UUID_TEXT_SIZE];
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct buffer kept = BUFFER_EMPTY;
    struct bus_message message = {.type = BUS_CHANNEL_CHANGE};
    struct bus_channel_change *change = &message.channel_change;
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    uuid_random(rest->ids, id);
    change->room = call->channel;
    change->id = slice_of(id, UUID_TEXT_LENGTH);
    change->sets_participants = json_type(participants) > JSON_NULL;
    if (!rest_take_text(name, CHAT_NAME_MAX, &rest->arena, &change->name) ||
        !take_metadata(metadata, &change->metadata) ||
        !take_participants(participants, &rest->arena, &list)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED,
                    "Invalid payload. Optional: name, metadata, participantCentralUserIds");
    } else {
        if (change->metadata.length > 0) {
            buffer_append_char(&kept, '{');
            rest_copy_members(&kept, change->metadata, own);
            buffer_append_char(&kept, '}');
            change->metadata = buffer_slice(&kept);
        }
        change->participants = bus_list_of(&list);
        rest_ask(call, &message, &change->request, on_changed);
    }
    buffer_deinit(&kept);
    buffer_deinit(&list.bytes);
}

/* --- GET /dm-channel -------------------------------------------------------------------------- */

static void on_dm(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        rest_answer_channel(wait, 200, &outcome->answer->channel);
    }
}

/* The id follows from server and users, so that two who ask at once get the same channel. */
static void ask_for_dm(const struct rest_call *call, struct slice server, struct slice current,
                       struct slice first, struct slice second)
{
    struct buffer pair = BUFFER_EMPTY, metadata = BUFFER_EMPTY, name = BUFFER_EMPTY;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    char id[UUID_TEXT_SIZE];
    struct bus_text users[] = {{first}, {second}};
    buffer_append_string(&pair, "dm ");
    json_write_string(&pair, server);
    json_write_string(&pair, first);
    uuid_of_reply(buffer_slice(&pair), second, id);
    buffer_append_char(&metadata, '{');
    json_write_string_member(&metadata, "user1", first);
    json_write_string_member(&metadata, "user2", second);
    buffer_append_char(&metadata, '}');
    buffer_append_string(&name, "DM-");
    buffer_append_slice(&name, first);
    buffer_append_char(&name, '-');
    buffer_append_slice(&name, second);
    bus_list_add(&list, BUS_ELEMENT_TEXT, &users[0]);
    bus_list_add(&list, BUS_ELEMENT_TEXT, &users[1]);
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.id = slice_of(id, UUID_TEXT_LENGTH),
                                                  .server_id = server,
                                                  .name = buffer_slice(&name),
                                                  .type = SLICE_LITERAL("DM"),
                                                  .metadata = buffer_slice(&metadata),
                                                  .creator = current,
                                                  .participants = bus_list_of(&list)}};
    struct rest_call own = *call;
    own.viewer = call->is_guest ? current : call->viewer;
    rest_ask(&own, &message, &message.channel_put.request, on_dm);
    buffer_deinit(&pair);
    buffer_deinit(&metadata);
    buffer_deinit(&name);
    buffer_deinit(&list.bytes);
}

static bool take_query_id(const struct rest_call *call, const char *name, struct slice *id)
{
    return http_query_get(call->request->query, name, &call->rest->arena, id) && id->length > 0 &&
           id->length <= USER_ID_MAX && memchr(id->data, '\0', id->length) == NULL;
}

void rest_get_dm_channel(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct slice current, target, server;
    if (!take_query_id(call, "targetUserId", &target) ||
        !take_query_id(call, "currentUserId", &current)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Missing targetUserId or currentUserId");
        return;
    }
    if (!identity_may_be(call->identity, current)) {
        rest_refuse(rest, call->exchange, ERROR_IDENTITY, NULL);
        return;
    }
    if (slice_equals(current, target)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Cannot create DM channel with oneself");
        return;
    }
    if (!take_query_id(call, "dmServerId", &server)) {
        server = SLICE_LITERAL(NIL_UUID);
    }
    if (!uuid_is_valid(server)) {
        rest_refuse(rest, call->exchange, ERROR_MALFORMED, "Invalid dmServerId format");
        return;
    }
    size_t shorter = current.length < target.length ? current.length : target.length;
    int order = memcmp(current.data, target.data, shorter);
    bool is_sorted = order < 0 || (order == 0 && current.length < target.length);
    ask_for_dm(call, server, current, is_sorted ? current : target, is_sorted ? target : current);
}
