#include "edge/rest/internal.h"

/*
 * Agents are what bridges have registered: who they are comes from their characters, whether one is
 * stopped from the store.
 */

#define AGENT_NOT_FOUND "Agent not found"

static struct slice status_of(bool is_active)
{
    return is_active ? SLICE_LITERAL("active") : SLICE_LITERAL("inactive");
}

bool rest_agent_is_active(const struct bus_agent_state *agent)
{
    return agent->bridges > 0 && !agent->is_stopped;
}

bool rest_has_agent_id(const struct rest_call *call)
{
    bool is_valid = uuid_is_valid(call->id);
    if (!is_valid) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID", "Invalid agent ID format");
    }
    return is_valid;
}

/* --- the list --------------------------------------------------------------------------------- */

static bool is_active(const struct bus_known_agent *agent)
{
    return agent->bridges > 0 && !agent->is_stopped;
}

/* Active ones first, then by name. */
static int compare(const void *left, const void *right)
{
    const struct bus_known_agent *a = left, *b = right;
    size_t least = a->name.length < b->name.length ? a->name.length : b->name.length;
    if (is_active(a) != is_active(b)) {
        return is_active(a) ? -1 : 1;
    }
    int order = least == 0 ? 0 : memcmp(a->name.data, b->name.data, least);
    return order != 0 ? order
                      : (a->name.length > b->name.length) - (a->name.length < b->name.length);
}

static void write_listed(struct buffer *out, const struct bus_known_agent *agent)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", agent->id);
    json_write_string_member(out, "name", agent->name);
    json_write_string_member(out, "characterName", agent->name);
    json_write_string_member(out, "bio", agent->bio);
    json_write_string_member(out, "status", status_of(is_active(agent)));
    buffer_append_char(out, '}');
}

static void answer_list(struct rest_wait *wait)
{
    struct arena *arena = &wait->rest->arena;
    struct bus_list list = {(uint32_t)wait->done, buffer_slice(&wait->note)};
    struct bus_known_agent *agents = arena_allocate(arena, (wait->done + 1) * sizeof(*agents));
    struct msgpack_reader reader = bus_list_read(&list);
    struct buffer *out = rest_begin_data(wait->rest);
    size_t count = 0;
    while (count < wait->done && bus_list_next(&reader, BUS_ELEMENT_KNOWN_AGENT, &agents[count])) {
        count++;
    }
    qsort(agents, count, sizeof(*agents), compare);
    buffer_append_string(out, "{\"agents\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_append_char(out, ',');
        }
        write_listed(out, &agents[i]);
    }
    buffer_append_string(out, "]}");
    arena_reset(arena);
    rest_end_data(wait, 200);
}

/* Page by page; what has come stays in the note, as it is on the bus. */
static void on_agents(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_agents_page *page = &outcome->answer->agents_page;
    buffer_append_slice(&wait->note, page->agents.elements);
    wait->done += page->agents.count;
    if (!page->is_complete && page->agents.count > 0) {
        struct bus_message message = {.type = BUS_AGENTS_GET, .agents_get = {.after = wait->done}};
        rest_ask_on(wait, &message, &message.agents_get.request, on_agents, outcome->now);
        return;
    }
    answer_list(wait);
}

void rest_get_agents(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_AGENTS_GET};
    rest_ask(call, &message, &message.agents_get.request, on_agents);
}

/* --- one agent -------------------------------------------------------------------------------- */

/* A text becomes the list of one that ElizaOS's own server shows. */
static void write_bio(struct buffer *out, struct slice bio)
{
    json_write_key(out, "bio");
    if (json_type(bio) == JSON_ARRAY) {
        buffer_append_slice(out, bio);
    } else {
        buffer_append_char(out, '[');
        if (json_type(bio) == JSON_STRING) {
            buffer_append_slice(out, bio);
        }
        buffer_append_char(out, ']');
    }
}

/* Secrets stay with the bridge; that there is room for them is said. */
static void write_settings(struct buffer *out, struct slice settings)
{
    static const char *const without[] = {"secrets", NULL};
    json_write_key(out, "settings");
    buffer_append_char(out, '{');
    if (json_type(settings) == JSON_OBJECT) {
        rest_copy_members(out, settings, without);
    }
    json_write_raw_member(out, "secrets", SLICE_LITERAL("{}"));
    buffer_append_char(out, '}');
}

void rest_write_agent(struct buffer *out, const struct bus_agent_state *agent)
{
    static const char *const own[] = {"id",        "enabled", "server_id", "createdAt",
                                      "updatedAt", "name",    "bio",       "settings",
                                      "status",    "secrets", NULL};
    static const struct {
        const char *name;
        const char *value;
    } defaults[] = {{"username", "\"\""},   {"system", "\"\""}, {"messageExamples", "[]"},
                    {"postExamples", "[]"}, {"topics", "[]"},   {"adjectives", "[]"},
                    {"knowledge", "[]"},    {"plugins", "[]"},  {"style", "{}"}};
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", agent->id);
    json_write_boolean_member(out, "enabled", !agent->is_stopped);
    json_write_raw_member(out, "server_id", SLICE_LITERAL("null"));
    json_write_signed_member(out, "createdAt", agent->created_at);
    json_write_signed_member(out, "updatedAt", agent->updated_at);
    json_write_string_member(out, "name", agent->name);
    write_bio(out, json_get(agent->details, "bio"));
    rest_copy_members(out, agent->details, own);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (json_get(agent->details, defaults[i].name).length == 0) {
            json_write_raw_member(out, defaults[i].name, slice_of_string(defaults[i].value));
        }
    }
    write_settings(out, json_get(agent->details, "settings"));
    json_write_string_member(out, "status", status_of(rest_agent_is_active(agent)));
    buffer_append_char(out, '}');
}

bool rest_agent_is_over(struct rest_wait *wait, const struct uplink_outcome *outcome)
{
    if (rest_error_of(outcome) == ERROR_NOT_FOUND && wait->exchange != NULL) {
        rest_refuse_as(wait->rest, wait->exchange, 404, "NOT_FOUND", AGENT_NOT_FOUND);
        rest_wait_destroy(wait);
        return true;
    }
    return rest_is_over(wait, outcome, NULL);
}

static void on_agent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_agent_is_over(wait, outcome)) {
        rest_write_agent(rest_begin_data(wait->rest), &outcome->answer->agent_state);
        rest_end_data(wait, 200);
    }
}

static void ask_for_agent(const struct rest_call *call, uplink_answered *answered)
{
    struct bus_message message = {.type = BUS_AGENT_GET, .agent_get = {.id = call->id}};
    if (rest_has_agent_id(call)) {
        rest_ask(call, &message, &message.agent_get.request, answered);
    }
}

void rest_get_agent(const struct rest_call *call)
{
    ask_for_agent(call, on_agent);
}

/* Panels are pages of ElizaOS plugins: none run here. */
static void on_agent_of_panels(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_agent_is_over(wait, outcome)) {
        buffer_append_string(rest_begin_data(wait->rest), "[]");
        rest_end_data(wait, 200);
    }
}

void rest_get_panels(const struct rest_call *call)
{
    ask_for_agent(call, on_agent_of_panels);
}

/* --- starting and stopping -------------------------------------------------------------------- */

static void on_started(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_agent_is_over(wait, outcome)) {
        return;
    }
    const struct bus_agent_state *agent = &outcome->answer->agent_state;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", agent->id);
    json_write_string_member(out, "name", agent->name);
    json_write_string_member(out, "status", status_of(rest_agent_is_active(agent)));
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

static void on_stopped(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_agent_is_over(wait, outcome)) {
        buffer_append_string(rest_begin_data(wait->rest), "{\"message\":\"Agent stopped\"}");
        rest_end_data(wait, 200);
    }
}

static void change(const struct rest_call *call, enum bus_agent_action action,
                   uplink_answered *answered)
{
    struct bus_message message = {.type = BUS_AGENT_CHANGE,
                                  .agent_change = {.id = call->id, .action = action}};
    if (rest_is_for_operators(call) && rest_has_agent_id(call)) {
        rest_ask(call, &message, &message.agent_change.request, answered);
    }
}

void rest_start_agent(const struct rest_call *call)
{
    change(call, BUS_AGENT_STARTS, on_started);
}

void rest_stop_agent(const struct rest_call *call)
{
    change(call, BUS_AGENT_STOPS, on_stopped);
}
