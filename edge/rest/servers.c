#include "edge/rest/internal.h"

#include "proto/wire/channel_row.h"

/*
 * Message servers are records; the default one is made by whoever asks for the list first. Which
 * agents are on a server is known for the one that is served here, the default: those that are
 * registered, unless a record says otherwise.
 */

#define SERVER_AGENTS "server-agent"

enum {
    SERVERS_MAX = 1000,
    CHANNELS_DEFAULT = 1000,
    METADATA_MAX = 16384,
    SYNC_CHANNELS_MAX = 200
};

static void refuse_format(const struct rest_call *call, const char *text)
{
    rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, text);
}

static bool is_current(struct slice server)
{
    return slice_is(server, NIL_UUID);
}

static void begin_element(struct buffer *out)
{
    if (out->data[out->length - 1] != '[') {
        buffer_append_char(out, ',');
    }
}

/* --- the list --------------------------------------------------------------------------------- */

void rest_get_current_server(const struct rest_call *call)
{
    rest_answer(call->rest, call->exchange, 200,
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
                       .body = SLICE_LITERAL(
                           "{\"name\":\"Default Server\",\"sourceType\":\"eliza_default\"}")}};
    rest_ask_on(wait, &message, &message.record_put.request, on_default_made, now);
}

static void on_servers(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_records_page *page = &outcome->answer->records_page;
    struct msgpack_reader reader = bus_list_read(&page->records);
    struct bus_record_row row;
    bool has_default = false;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_key(out, wait->step == REST_STEP_OLD ? "servers" : "messageServers");
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        begin_element(out);
        write_server(out, row.id, row.body, row.created_at, row.updated_at);
        has_default = has_default || slice_is(row.id, NIL_UUID);
    }
    if (!has_default && page->is_complete && !wait->is_second) {
        wait->is_second = true;
        make_default(wait, outcome->now);
        return;
    }
    buffer_append_string(out, "]}");
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
    const struct json_field fields[] = {
        {"name", &raw_name},        {"sourceType", &raw_type[0]},  {"source_type", &raw_type[1]},
        {"sourceId", &raw_source[0]}, {"source_id", &raw_source[1]}, {"metadata", &metadata}};
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    bool is_valid =
        rest_take_text(raw_name, CHAT_NAME_MAX, &rest->arena, &name) && name.length > 0 &&
        rest_take_text(raw_type[raw_type[0].length == 0], CHAT_NAME_MAX, &rest->arena,
                       &source_type) &&
        source_type.length > 0 &&
        rest_take_text(raw_source[raw_source[0].length == 0], CHAT_NAME_MAX, &rest->arena,
                       &source_id) &&
        metadata.length <= METADATA_MAX;
    if (!is_valid) {
        refuse_format(call, "Missing required fields: name, sourceType");
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
        buffer_append_string(rest_begin_data(wait->rest), "{\"success\":true}");
        rest_end_data(wait, 200);
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
        refuse_format(call, "Invalid messageServerId");
        return;
    }
    if (is_current(call->id)) {
        rest_refuse(call->rest, call->exchange, ERROR_FORBIDDEN,
                    "The default message server cannot be deleted");
        return;
    }
    struct bus_message message = {.type = BUS_CHANNEL_LIST,
                                  .channel_list = {.server_id = call->id, .limit = 1}};
    rest_ask(call, &message, &message.channel_list.request, on_channels_left);
}

/* --- channels of a server --------------------------------------------------------------------- */

static void on_channels(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_channels_page *page = &outcome->answer->channels_page;
    struct msgpack_reader reader = bus_list_read(&page->channels);
    struct bus_channel_row element;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"channels\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_CHANNEL, &element)) {
        struct channel_row row = {.id = element.id,
                                  .server_id = element.server_id,
                                  .name = element.name,
                                  .type = element.type,
                                  .source_type = element.source_type,
                                  .metadata = element.metadata,
                                  .created_at = element.created_at,
                                  .updated_at = element.updated_at};
        if (rest_may_show(wait, element.id)) {
            begin_element(out);
            channel_row_write(&row, out);
        }
    }
    buffer_append_char(out, ']');
    if (page->next != 0) {
        json_write_unsigned_member(out, "next", page->next);
    }
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

/* Newest first; `next` of one page is `before` of the following one. */
void rest_get_server_channels(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_CHANNEL_LIST,
                                  .channel_list = {.server_id = call->id}};
    struct bus_channel_list *list = &message.channel_list;
    if (!uuid_is_valid(call->id)) {
        refuse_format(call, "Invalid messageServerId");
        return;
    }
    if (!rest_take_count(call, "limit", CHANNELS_DEFAULT, CHANNELS_DEFAULT, &list->limit) ||
        !rest_take_count(call, "before", 0, INT64_MAX, &list->before)) {
        refuse_format(call, "Invalid limit or before");
        return;
    }
    rest_ask(call, &message, &list->request, on_channels);
}

/* One channel per sourceId, whoever asks how often: its id follows from server and source. */
static bool put_synchronised(struct rest_wait *wait, struct slice server, struct slice channel,
                             struct arena *arena, uplink_answered *answered, int64_t now)
{
    struct slice raw_name = SLICE_EMPTY, raw_type = SLICE_EMPTY, raw_source = SLICE_EMPTY;
    const struct json_field fields[] = {
        {"name", &raw_name}, {"type", &raw_type}, {"sourceId", &raw_source}};
    struct slice name, type, source;
    json_collect(channel, fields, sizeof(fields) / sizeof(fields[0]));
    if (!rest_take_text(raw_name, CHAT_NAME_MAX, arena, &name) || name.length == 0 ||
        !rest_take_text(raw_type, CHAT_NAME_MAX, arena, &type) ||
        !rest_take_text(raw_source, USER_ID_MAX, arena, &source) || source.length == 0) {
        return false;
    }
    char id[UUID_TEXT_SIZE];
    struct buffer pair = BUFFER_EMPTY, metadata = BUFFER_EMPTY;
    buffer_append_string(&pair, "sync ");
    buffer_append_slice(&pair, server);
    uuid_of_reply(buffer_slice(&pair), source, id);
    buffer_append_char(&metadata, '{');
    json_write_string_member(&metadata, "sourceId", source);
    buffer_append_char(&metadata, '}');
    struct bus_message message = {
        .type = BUS_CHANNEL_PUT,
        .trace = id_random_u64(wait->rest->ids),
        .channel_put = {.id = slice_of(id, UUID_TEXT_LENGTH),
                        .server_id = server,
                        .name = name,
                        .type = type.length > 0 ? type : SLICE_LITERAL("GROUP"),
                        .source_type = SLICE_LITERAL("synchronised"),
                        .metadata = buffer_slice(&metadata)}};
    int error = uplink_request(wait->rest->uplink, &message, &message.channel_put.request, answered,
                               wait, &wait->owner, now);
    buffer_deinit(&pair);
    buffer_deinit(&metadata);
    return error == 0;
}

static void on_synchronised(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    wait->done += rest_error_of(outcome) == 0;
    if (--wait->left > 0) {
        return;
    }
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_unsigned_member(out, "synced", wait->done);
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

void rest_sync_channels(const struct rest_call *call)
{
    struct slice channels = json_get(call->body, "channels"), element;
    size_t count = 0;
    if (!uuid_is_valid(call->id)) {
        refuse_format(call, "Invalid messageServerId");
        return;
    }
    struct json_iterator elements = json_iterate(channels);
    while (json_type(channels) == JSON_ARRAY && json_next_element(&elements, &element)) {
        count += json_type(element) == JSON_OBJECT ? 1 : SYNC_CHANNELS_MAX;
    }
    if (json_type(channels) != JSON_ARRAY || count > SYNC_CHANNELS_MAX) {
        refuse_format(call, "Required: channels, an array of at most 200 {name, type, sourceId}");
        return;
    }
    if (count == 0) {
        rest_answer(call->rest, call->exchange, 200,
                    SLICE_LITERAL("{\"success\":true,\"data\":{\"synced\":0}}"));
        return;
    }
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    elements = json_iterate(channels);
    wait->left = 1; /* ours, until all are asked for */
    while (json_next_element(&elements, &element)) {
        wait->left += put_synchronised(wait, call->id, element, &call->rest->arena,
                                       on_synchronised, call->now);
    }
    if (wait->left == 1) {
        rest_wait_refuse(wait, ERROR_MALFORMED, "Required of each channel: name, sourceId");
        return;
    }
    wait->left--;
}

/* --- agents of the server --------------------------------------------------------------------- */

static bool is_ours(const struct rest_call *call, const char *invalid, const char *foreign)
{
    if (!uuid_is_valid(call->id)) {
        refuse_format(call, invalid);
        return false;
    }
    if (!is_current(call->id)) {
        rest_refuse(call->rest, call->exchange, ERROR_FORBIDDEN, foreign);
        return false;
    }
    return true;
}

/* What the records say of an agent: 1 on the server, 0 not, -1 nothing. */
static int recorded(const struct bus_list *records, struct slice agent)
{
    struct msgpack_reader reader = bus_list_read(records);
    struct bus_record_row row;
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        if (slice_equals(row.id, agent)) {
            return slice_is(row.body, "true");
        }
    }
    return -1;
}

/* The records came first, and are kept while the registered agents are asked for. */
static void on_registered(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_message kept;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    if (bus_decode(&reader, &kept) != 0) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    const struct bus_list *records = &kept.records_page.records;
    struct buffer *out = rest_begin_data(wait->rest);
    struct msgpack_reader agents = bus_list_read(&outcome->answer->agents_page.agents);
    struct bus_known_agent agent;
    struct bus_record_row row;
    buffer_append_string(out, "{\"messageServerId\":\"" NIL_UUID "\",\"agents\":[");
    while (bus_list_next(&agents, BUS_ELEMENT_KNOWN_AGENT, &agent)) {
        if (recorded(records, agent.id) < 0) {
            begin_element(out);
            json_write_string(out, agent.id);
        }
    }
    reader = bus_list_read(records);
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        if (slice_is(row.body, "true")) {
            begin_element(out);
            json_write_string(out, row.id);
        }
    }
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

static void on_recorded(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        struct bus_message message = {.type = BUS_AGENTS_GET};
        bus_encode(&wait->note, outcome->answer);
        rest_ask_on(wait, &message, &message.agents_get.request, on_registered, outcome->now);
    }
}

void rest_get_server_agents(const struct rest_call *call)
{
    struct bus_message message = {
        .type = BUS_RECORD_LIST,
        .record_list = {.collection = SLICE_LITERAL(SERVER_AGENTS), .limit = SERVERS_MAX}};
    if (is_ours(call, "Invalid messageServerId format",
                "Cannot access agents for a different server")) {
        rest_ask(call, &message, &message.record_list.request, on_recorded);
    }
}

static void on_agent_recorded(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    bool is_added = wait->step == REST_STEP_ADD;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "messageServerId", SLICE_LITERAL(NIL_UUID));
    json_write_string_member(out, "agentId", outcome->sent->record_put.id);
    json_write_string_member(
        out, "message",
        is_added ? SLICE_LITERAL("Agent added to message server successfully")
                 : SLICE_LITERAL("Agent removed from message server successfully"));
    buffer_append_char(out, '}');
    rest_end_data(wait, is_added ? 201 : 200);
}

static void record_agent(const struct rest_call *call, struct slice agent, enum rest_step step)
{
    static const char invalid[] = "Invalid messageServerId or agentId format";
    struct bus_message message = {
        .type = BUS_RECORD_PUT,
        .record_put = {.collection = SLICE_LITERAL(SERVER_AGENTS),
                       .id = agent,
                       .expected = UINT64_MAX,
                       .body = step == REST_STEP_ADD ? SLICE_LITERAL("true")
                                                     : SLICE_LITERAL("false")}};
    if (!uuid_is_valid(agent)) {
        refuse_format(call, invalid);
        return;
    }
    if (is_ours(call, invalid, "Cannot modify agents for a different server")) {
        struct rest_wait *wait =
            rest_ask(call, &message, &message.record_put.request, on_agent_recorded);
        if (wait != NULL) {
            wait->step = step;
        }
    }
}

void rest_post_server_agent(const struct rest_call *call)
{
    static const char *const names[] = {"agentId", "agent_id", NULL};
    struct slice agent = SLICE_EMPTY;
    rest_take_id(call, names, &agent);
    record_agent(call, agent, REST_STEP_ADD);
}

void rest_delete_server_agent(const struct rest_call *call)
{
    record_agent(call, call->other, REST_STEP_REMOVE);
}

static void on_agent_servers(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    bool is_unsaid = rest_error_of(outcome) == ERROR_NOT_FOUND;
    if (!is_unsaid && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "agentId", slice_of_string(wait->id));
    buffer_append_string(out, ",\"messageServers\":[");
    if (is_unsaid || slice_is(outcome->answer->record.body, "true")) {
        json_write_string(out, SLICE_LITERAL(NIL_UUID));
    }
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

void rest_get_agent_servers(const struct rest_call *call)
{
    struct bus_message message = {
        .type = BUS_RECORD_GET,
        .record_get = {.collection = SLICE_LITERAL(SERVER_AGENTS), .id = call->id}};
    if (!uuid_is_valid(call->id)) {
        refuse_format(call, "Invalid agentId format");
        return;
    }
    rest_ask(call, &message, &message.record_get.request, on_agent_servers);
}
