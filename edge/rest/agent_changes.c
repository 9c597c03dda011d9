#include "edge/rest/internal.h"

#include "proto/base/agent_uuid.h"

/*
 * Agents that are made, changed and deleted: the bridges do it where they keep their characters, if
 * they may. A new agent answers at once.
 */

/* Under the codes of ElizaOS, and with what the bridge says of it. */
static bool is_over(struct rest_wait *wait, const struct uplink_outcome *outcome, const char *code)
{
    struct rest *rest = wait->rest;
    int error = rest_error_of(outcome);
    if (error == 0 || wait->exchange == NULL || outcome->answer == NULL) {
        return rest_agent_is_over(wait, outcome);
    }
    struct slice reason = outcome->answer->agent_state.reason;
    char text[BUS_NAME_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", (int)reason.length, reason.length == 0 ? "" : reason.data);
    const char *message = reason.length > 0 ? text : error_text(error);
    switch (error) {
    case ERROR_NOT_FOUND:
        rest_refuse_as(rest, wait->exchange, 404, "NOT_FOUND", "Agent not found");
        break;
    case ERROR_FORBIDDEN:
        rest_refuse_as(rest, wait->exchange, 403, "READ_ONLY",
                       reason.length > 0 ? text : "No agent-bridge keeps characters");
        break;
    case ERROR_MALFORMED:
        rest_refuse_as(rest, wait->exchange, 400, code, message);
        break;
    default:
        rest_refuse(rest, wait->exchange, error, message);
    }
    rest_wait_destroy(wait);
    return true;
}

static void on_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (is_over(wait, outcome, "CREATE_ERROR")) {
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", outcome->answer->agent_state.id);
    json_write_key(out, "character");
    rest_write_agent(out, &outcome->answer->agent_state);
    buffer_append_char(out, '}');
    rest_end_data(wait, 201);
}

static void ask(const struct rest_call *call, enum bus_agent_action action, struct slice id,
                struct slice details, uplink_answered *answered)
{
    struct bus_message message = {.type = BUS_AGENT_CHANGE,
                                  .agent_change = {.id = id, .action = action, .details = details}};
    rest_ask(call, &message, &message.agent_change.request, answered);
}

void rest_post_agent(const struct rest_call *call)
{
    static const char *const characters[] = {"characterJson", "agent", NULL};
    static const char *const ids[] = {"id", NULL};
    struct slice character = rest_object_of(rest_field(call->body, characters));
    struct slice name = SLICE_EMPTY, id = SLICE_EMPTY;
    struct arena *arena = &call->rest->arena;
    char derived[UUID_TEXT_SIZE];
    if (!rest_is_for_operators(call)) {
        return;
    }
    bool is_valid = character.length > 0 &&
                    rest_take_text(json_get(character, "name"), CHAT_NAME_MAX, arena, &name) &&
                    name.length > 0 &&
                    rest_take_text(rest_field(character, ids), USER_ID_MAX, arena, &id) &&
                    (id.length == 0 || uuid_is_valid(id));
    if (!is_valid) {
        rest_refuse_as(call->rest, call->exchange, 400, "CREATE_ERROR",
                       "Required: characterJson or agent, an object with a name");
        return;
    }
    if (id.length == 0) {
        agent_uuid_from_name(name.data, name.length, derived);
        id = slice_of(derived, UUID_TEXT_LENGTH);
    }
    ask(call, BUS_AGENT_IS_MADE, id, character, on_made);
}

static void on_changed(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!is_over(wait, outcome, "UPDATE_ERROR")) {
        rest_write_agent(rest_begin_data(wait->rest), &outcome->answer->agent_state);
        rest_end_data(wait, 200);
    }
}

void rest_patch_agent(const struct rest_call *call)
{
    if (rest_is_for_operators(call) && rest_has_agent_id(call)) {
        ask(call, BUS_AGENT_IS_CHANGED, call->id, call->body, on_changed);
    }
}

static void on_deleted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!is_over(wait, outcome, "DELETE_ERROR")) {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    }
}

void rest_delete_agent(const struct rest_call *call)
{
    if (rest_is_for_operators(call) && rest_has_agent_id(call)) {
        ask(call, BUS_AGENT_IS_DELETED, call->id, SLICE_EMPTY, on_deleted);
    }
}
