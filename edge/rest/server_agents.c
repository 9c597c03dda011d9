#include "edge/rest/internal.h"

/*
 * Which agents are on a message server is known for the one that is served here, the default: those
 * that are registered, unless a record says otherwise.
 */

#define SERVER_AGENTS "server-agent"

enum { AGENTS_MAX = 1000 };

static bool is_ours(const struct rest_call *call, const char *invalid, const char *foreign)
{
    if (!uuid_is_valid(call->id)) {
        rest_refuse_format(call, invalid);
        return false;
    }
    if (!rest_is_current_server(call->id)) {
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
            rest_begin_element(out);
            json_write_string(out, agent.id);
        }
    }
    reader = bus_list_read(records);
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        if (slice_is(row.body, "true")) {
            rest_begin_element(out);
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
        .record_list = {.collection = SLICE_LITERAL(SERVER_AGENTS), .limit = AGENTS_MAX}};
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
    json_write_string_member(out, "message",
                             is_added
                                 ? SLICE_LITERAL("Agent added to message server successfully")
                                 : SLICE_LITERAL("Agent removed from message server successfully"));
    buffer_append_char(out, '}');
    rest_end_data(wait, is_added ? 201 : 200);
}

static void record_agent(const struct rest_call *call, struct slice agent, enum rest_step step)
{
    static const char invalid[] = "Invalid messageServerId or agentId format";
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(SERVER_AGENTS),
                                                 .id = agent,
                                                 .expected = UINT64_MAX,
                                                 .body = step == REST_STEP_ADD
                                                             ? SLICE_LITERAL("true")
                                                             : SLICE_LITERAL("false")}};
    if (!uuid_is_valid(agent)) {
        rest_refuse_format(call, invalid);
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

void rest_add_server_agent(const struct rest_call *call, struct slice agent)
{
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
        rest_refuse_format(call, "Invalid agentId format");
        return;
    }
    rest_ask(call, &message, &message.record_get.request, on_agent_servers);
}
