#include "edge/rest/internal.h"

#include "proto/wire/log_entry.h"

/* The newest lines that the cluster's processes have logged; the router keeps a bounded number. */

enum { LINES_DEFAULT = 100, LINES_MAX = 1000 };

/* What was asked for stays in the note, as an object without its end. */
static void on_lines(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct buffer *out = &wait->rest->scratch;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_logs_page *page = &outcome->answer->logs_page;
    struct msgpack_reader reader = bus_list_read(&page->lines);
    struct bus_log_line line;
    buffer_clear(out);
    buffer_append_string(out, "{\"logs\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_LOG_LINE, &line)) {
        const struct log_entry entry = {line.at,    line.level, line.program, line.process,
                                        line.agent, line.event, line.pairs};
        if (out->data[out->length - 1] != '[') {
            buffer_append_char(out, ',');
        }
        log_entry_write(&entry, out);
    }
    buffer_append_char(out, ']');
    json_write_unsigned_member(out, "count", page->lines.count);
    json_write_unsigned_member(out, "total", page->total);
    buffer_append_char(out, ',');
    buffer_append(out, wait->note.data + 1, wait->note.length - 1);
    json_write_raw_member(out, "levels", slice_of_string(log_entry_levels));
    buffer_append_char(out, '}');
    struct rest *rest = wait->rest;
    rest_wait_answer(wait, 200, buffer_slice(out));
    buffer_shrink(&rest->scratch, 1 << 16);
}

/* Lines name agents: whose they are was asked for by its id. The question waits in the list. */
static void on_agent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_message message;
    struct bus_logs_get *get = &message.logs_get;
    bool is_unknown = wait->exchange != NULL && rest_error_of(outcome) == ERROR_NOT_FOUND;
    if (!is_unknown && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct slice name = is_unknown ? SLICE_EMPTY : outcome->answer->agent_state.name;
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->list));
    if (bus_decode(&reader, &message) != 0) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    if (is_unknown || (get->agent.length > 0 && !slice_equals(get->agent, name))) {
        get->limit = 0;
    }
    get->agent = name;
    rest_ask_on(wait, &message, &get->request, on_lines, outcome->now);
}

static struct slice query_text(const struct rest_call *call, const char *name)
{
    struct slice value;
    bool is_there = http_query_get(call->request->query, name, &call->rest->arena, &value) &&
                    value.length > 0 && value.length <= USER_ID_MAX;
    return is_there ? value : SLICE_LITERAL("all");
}

void rest_get_logs(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_LOGS_GET};
    struct bus_logs_get *get = &message.logs_get;
    struct slice level = query_text(call, "level"), agent = query_text(call, "agentName");
    struct slice id = query_text(call, "agentId");
    uint64_t since = 0;
    if (!rest_is_for_operators(call)) {
        return;
    }
    get->level = log_entry_level(level);
    if (!rest_take_count(call, "since", 0, INT64_MAX, &since) ||
        !rest_take_count(call, "limit", LINES_DEFAULT, LINES_MAX, &get->limit) ||
        (get->level == 0 && !slice_is(level, "all"))) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid since, limit or level");
        return;
    }
    get->since = (int64_t)since;
    get->agent = slice_is(agent, "all") ? SLICE_EMPTY : agent;
    struct bus_message whose = {.type = BUS_AGENT_GET, .agent_get = {.id = id}};
    struct rest_wait *wait = slice_is(id, "all")
                                 ? rest_ask(call, &message, &get->request, on_lines)
                                 : rest_ask(call, &whose, &whose.agent_get.request, on_agent);
    if (wait != NULL) {
        bus_encode(&wait->list, &message);
        buffer_append_char(&wait->note, '{');
        json_write_string_member(&wait->note, "requestedLevel", level);
        json_write_string_member(&wait->note, "agentName", agent);
        json_write_string_member(&wait->note, "agentId", id);
    }
}

static void on_cleared(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        rest_wait_answer(
            wait, 200,
            SLICE_LITERAL("{\"status\":\"success\",\"message\":\"Logs cleared successfully\"}"));
    }
}

void rest_clear_logs(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_LOGS_GET, .logs_get = {.clears = true}};
    if (rest_is_for_operators(call)) {
        rest_ask(call, &message, &message.logs_get.request, on_cleared);
    }
}
