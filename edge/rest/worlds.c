#include "edge/rest/internal.h"

/*
 * What ElizaOS's older services call a world is a message server here. An agent is put into one as
 * it is added to the server; what it is to do there is kept, and nobody here acts on it.
 */

#define WORLD_SETTINGS "world-settings"

enum { WORLDS_MAX = 1000, SETTINGS_MAX = 16384 };

static void write_world(struct buffer *out, const struct bus_record_row *row)
{
    static const char *const nothing[] = {NULL};
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", row->id);
    json_write_string_member(out, "messageServerId", row->id);
    rest_copy_members(out, row->body, nothing);
    buffer_append_char(out, '}');
}

static void on_worlds(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct msgpack_reader reader = bus_list_read(&outcome->answer->records_page.records);
    struct bus_record_row row;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"worlds\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        if (out->data[out->length - 1] != '[') {
            buffer_append_char(out, ',');
        }
        write_world(out, &row);
    }
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

void rest_get_worlds(const struct rest_call *call)
{
    struct bus_message message = {
        .type = BUS_RECORD_LIST,
        .record_list = {.collection = SLICE_LITERAL(REST_SERVERS), .limit = WORLDS_MAX}};
    rest_ask(call, &message, &message.record_list.request, on_worlds);
}

void rest_post_agent_world(const struct rest_call *call)
{
    static const char *const names[] = {"worldId", "world_id", NULL};
    struct rest_call named = *call;
    if (!rest_has_agent_id(call)) {
        return;
    }
    if (!rest_take_uuid(call, names, &named.id)) {
        rest_refuse_as(call->rest, call->exchange, 400, "BAD_REQUEST", "Valid worldId is required");
        return;
    }
    rest_add_server_agent(&named, call->id);
}

static void on_settings_kept(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "agentId", slice_of_string(wait->id));
    json_write_string_member(out, "worldId", outcome->sent->record_put.owner);
    json_write_raw_member(out, "settings", outcome->sent->record_put.body);
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

void rest_patch_agent_world(const struct rest_call *call)
{
    struct slice settings = json_get(call->body, "settings");
    struct buffer id = BUFFER_EMPTY;
    if (!rest_is_for_operators(call) || !rest_has_agent_id(call)) {
        return;
    }
    if (!uuid_is_valid(call->other) || json_type(settings) != JSON_OBJECT ||
        settings.length > SETTINGS_MAX) {
        rest_refuse_as(call->rest, call->exchange, 400, "BAD_REQUEST",
                       "Required: a world's ID, and settings, an object of at most 16 KiB");
        return;
    }
    buffer_append_slice(&id, call->id);
    buffer_append_char(&id, '/');
    buffer_append_slice(&id, call->other);
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(WORLD_SETTINGS),
                                                 .id = buffer_slice(&id),
                                                 .owner = call->other,
                                                 .expected = UINT64_MAX,
                                                 .body = settings}};
    rest_ask(call, &message, &message.record_put.request, on_settings_kept);
    buffer_deinit(&id);
}

/* --- the world of a message server ------------------------------------------------------------ */

static void on_world_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_error_of(outcome) != ERROR_CONFLICT && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "worldId", slice_of_string(wait->id));
    json_write_string_member(out, "messageServerId", slice_of_string(wait->id));
    buffer_append_char(out, '}');
    rest_end_data(wait, 201);
}

/* One that is there already is as good. */
void rest_post_world(const struct rest_call *call)
{
    struct slice name;
    struct buffer body = BUFFER_EMPTY;
    if (!uuid_is_valid(call->id) ||
        !rest_take_text(json_get(call->body, "name"), CHAT_NAME_MAX, &call->rest->arena, &name)) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID",
                       "Invalid message server ID or name");
        return;
    }
    buffer_append_char(&body, '{');
    json_write_string_member(&body, "name", name.length > 0 ? name : SLICE_LITERAL("World"));
    json_write_string_member(&body, "sourceType", SLICE_LITERAL("world"));
    buffer_append_char(&body, '}');
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(REST_SERVERS),
                                                 .id = call->id,
                                                 .body = buffer_slice(&body)}};
    rest_ask(call, &message, &message.record_put.request, on_world_made);
    buffer_deinit(&body);
}

void rest_delete_world(const struct rest_call *call)
{
    if (rest_is_for_operators(call)) {
        rest_delete_server(call);
    }
}
