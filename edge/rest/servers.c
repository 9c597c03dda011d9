#include "edge/rest/internal.h"

/* Message servers are records; the default one is made by whoever asks for the list first. */

enum { SERVERS_MAX = 1000, METADATA_MAX = 16384 };

void rest_refuse_format(const struct rest_call *call, const char *text)
{
    rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, text);
}

bool rest_is_current_server(struct slice server)
{
    return slice_is(server, NIL_UUID);
}

/* --- the list --------------------------------------------------------------------------------- */

void rest_get_current_server(const struct rest_call *call)
{
    rest_answer(
        call->rest, call->exchange, 200,
        SLICE_LITERAL("{\"success\":true,\"data\":{\"messageServerId\":\"" NIL_UUID "\"}}"));
}

static void write_server(struct buffer *out, struct slice id, struct slice body, int64_t created_at,
                         int64_t updated_at)
{
    static const char *const nothing[] = {NULL};
    char created[CLOCK_ISO_SIZE], updated[CLOCK_ISO_SIZE];
    clock_format_iso(created_at, created);
    clock_format_iso(updated_at, updated);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", id);
    rest_copy_members(out, body, nothing);
    json_write_string_member(out, "createdAt", slice_of_string(created));
    json_write_string_member(out, "updatedAt", slice_of_string(updated));
    buffer_append_char(out, '}');
}

static void ask_for_servers(struct rest_wait *wait, int64_t now);

/* Made by us or, at the same time, by another edge: it is there now. */
static void on_default_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_error_of(outcome) == ERROR_CONFLICT || !rest_is_over(wait, outcome, NULL)) {
        ask_for_servers(wait, outcome->now);
    }
}

static void make_default(struct rest_wait *wait, int64_t now)
{
    struct bus_message message = {
        .type = BUS_RECORD_PUT,
        .record_put = {.collection = SLICE_LITERAL(REST_SERVERS),
                       .id = SLICE_LITERAL(NIL_UUID),
                       .body = SLICE_LITERAL("{\"name\":\"" REST_DEFAULT_SERVER
                                             "\",\"sourceType\":\"eliza_default\"}")}};
    rest_ask_on(wait, &message, &message.record_put.request, on_default_made, now);
}

static bool has_default(const struct bus_list *records)
{
    struct msgpack_reader reader = bus_list_read(records);
    struct bus_record_row row;
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        if (rest_is_current_server(row.id)) {
            return true;
        }
    }
    return false;
}

static void write_servers(struct buffer *out, const char *name, const struct bus_list *records)
{
    struct msgpack_reader reader = bus_list_read(records);
    struct bus_record_row row;
    json_write_key(out, name);
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        rest_begin_element(out);
        write_server(out, row.id, row.body, row.created_at, row.updated_at);
    }
    buffer_append_char(out, ']');
}

/* Bare members for who knows the original, and `data` for the api-client, which takes only that. */
static void answer_debug(struct rest_wait *wait, const struct bus_list *records)
{
    struct buffer *out = &wait->rest->scratch;
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true");
    write_servers(out, "servers", records);
    json_write_unsigned_member(out, "count", records->count);
    buffer_append_string(out, ",\"data\":{");
    write_servers(out, "servers", records);
    json_write_unsigned_member(out, "count", records->count);
    buffer_append_string(out, "}}");
    rest_wait_answer(wait, 200, buffer_slice(out));
}

static void on_servers(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_records_page *page = &outcome->answer->records_page;
    if (!has_default(&page->records) && page->is_complete && !wait->is_second) {
        wait->is_second = true;
        make_default(wait, outcome->now);
        return;
    }
    if (wait->step == REST_STEP_DEBUG) {
        answer_debug(wait, &page->records);
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    write_servers(out, wait->step == REST_STEP_OLD ? "servers" : "messageServers", &page->records);
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

static void ask_for_servers(struct rest_wait *wait, int64_t now)
{
    struct bus_message message = {
        .type = BUS_RECORD_LIST,
        .record_list = {.collection = SLICE_LITERAL(REST_SERVERS), .limit = SERVERS_MAX}};
    rest_ask_on(wait, &message, &message.record_list.request, on_servers, now);
}

void rest_get_servers(const struct rest_call *call)
{
    ask_for_servers(rest_wait_new(call, REST_WEBSOCKET), call->now);
}

void rest_get_central_servers(const struct rest_call *call)
{
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    wait->step = REST_STEP_OLD;
    ask_for_servers(wait, call->now);
}

void rest_get_debug_servers(const struct rest_call *call)
{
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    wait->step = REST_STEP_DEBUG;
    ask_for_servers(wait, call->now);
}

/* --- making and deleting ---------------------------------------------------------------------- */

static void on_server_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_record *record = &outcome->answer->record;
    const struct bus_record_put *put = &outcome->sent->record_put;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"server\":");
    write_server(out, put->id, put->body, record->created_at, record->updated_at);
    buffer_append_char(out, '}');
    rest_end_data(wait, 201);
}

void rest_post_server(const struct rest_call *call)
{
    struct rest *rest = call->rest;
    struct slice raw_name = SLICE_EMPTY, raw_type[2] = {{NULL, 0}}, raw_source[2] = {{NULL, 0}};
    struct slice metadata = SLICE_EMPTY, name, source_type, source_id;
    const struct json_field fields[] = {{"name", &raw_name},           {"sourceType", &raw_type[0]},
                                        {"source_type", &raw_type[1]}, {"sourceId", &raw_source[0]},
                                        {"source_id", &raw_source[1]}, {"metadata", &metadata}};
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    bool is_valid = rest_take_text(raw_name, CHAT_NAME_MAX, &rest->arena, &name) &&
                    name.length > 0 &&
                    rest_take_text(raw_type[raw_type[0].length == 0], CHAT_NAME_MAX, &rest->arena,
                                   &source_type) &&
                    source_type.length > 0 &&
                    rest_take_text(raw_source[raw_source[0].length == 0], CHAT_NAME_MAX,
                                   &rest->arena, &source_id) &&
                    metadata.length <= METADATA_MAX;
    if (!is_valid) {
        rest_refuse_format(call, "Missing required fields: name, sourceType");
        return;
    }
    char id[UUID_TEXT_SIZE];
    struct buffer body = BUFFER_EMPTY;
    uuid_random(rest->ids, id);
    buffer_append_char(&body, '{');
    json_write_string_member(&body, "name", name);
    json_write_string_member(&body, "sourceType", source_type);
    if (source_id.length > 0) {
        json_write_string_member(&body, "sourceId", source_id);
    }
    if (json_type(metadata) == JSON_OBJECT) {
        json_write_raw_member(&body, "metadata", metadata);
    }
    buffer_append_char(&body, '}');
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(REST_SERVERS),
                                                 .id = slice_of(id, UUID_TEXT_LENGTH),
                                                 .body = buffer_slice(&body)}};
    rest_ask(call, &message, &message.record_put.request, on_server_made);
    buffer_deinit(&body);
}

static void on_server_deleted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, "Message server not found")) {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    }
}

static void on_channels_left(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    if (outcome->answer->channels_page.channels.count > 0) {
        rest_wait_refuse(wait, ERROR_CONFLICT, "The message server has channels");
        return;
    }
    struct bus_message message = {.type = BUS_RECORD_DELETE,
                                  .record_delete = {.collection = SLICE_LITERAL(REST_SERVERS),
                                                    .id = slice_of_string(wait->id)}};
    rest_ask_on(wait, &message, &message.record_delete.request, on_server_deleted, outcome->now);
}

void rest_delete_server(const struct rest_call *call)
{
    if (!uuid_is_valid(call->id)) {
        rest_refuse_format(call, "Invalid messageServerId");
        return;
    }
    if (rest_is_current_server(call->id)) {
        rest_refuse(call->rest, call->exchange, ERROR_FORBIDDEN,
                    "The default message server cannot be deleted");
        return;
    }
    struct bus_message message = {.type = BUS_CHANNEL_LIST,
                                  .channel_list = {.server_id = call->id, .limit = 1}};
    rest_ask(call, &message, &message.channel_list.request, on_channels_left);
}
