#include "edge/rest/internal.h"

/* Who is in a channel: on its list, to answer there, and there now. */

enum { MEMBERS_DEFAULT = 1000, MEMBERS_MAX = 10000 };

/* --- GET …/participants, …/agents ------------------------------------------------------------- */

static void on_participants(void *context, const struct uplink_outcome *outcome)
{
    static const struct bus_channel nothing = {.request = 0};
    struct rest_wait *wait = context;
    bool is_unknown = rest_error_of(outcome) == ERROR_NOT_FOUND;
    if (is_unknown || !rest_is_over(wait, outcome, NULL)) {
        rest_write_participants(rest_begin_data(wait->rest),
                                is_unknown ? &nothing : &outcome->answer->channel);
        rest_end_data(wait, 200);
    }
}

void rest_get_participants(const struct rest_call *call)
{
    rest_ask_for_channel(call, on_participants);
}

static void on_agents(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        struct buffer *out = rest_begin_data(wait->rest);
        buffer_append_char(out, '{');
        json_write_string_member(out, "channelId", outcome->answer->channel.id);
        json_write_key(out, "participants");
        rest_write_participants(out, &outcome->answer->channel);
        buffer_append_char(out, '}');
        rest_end_data(wait, 200);
    }
}

void rest_get_channel_agents(const struct rest_call *call)
{
    rest_ask_for_channel(call, on_agents);
}

/* --- agents that come and go ------------------------------------------------------------------ */

static bool has_participant(const struct bus_channel *channel, struct slice id)
{
    struct msgpack_reader reader = bus_list_read(&channel->participants);
    struct bus_text element;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        if (slice_equals(element.text, id)) {
            return true;
        }
    }
    return false;
}

static void answer_agent(struct rest_wait *wait, int status, const char *what)
{
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '{');
    json_write_string_member(out, "channelId", slice_of_string(wait->channel));
    json_write_string_member(out, "agentId", slice_of_string(wait->id));
    json_write_string_member(out, "message", slice_of_string(what));
    buffer_append_char(out, '}');
    rest_end_data(wait, status);
}

static void on_agent_added(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        answer_agent(wait, 201, "Agent added to channel successfully");
    }
}

static void on_agent_removed(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        answer_agent(wait, 200, "Agent removed from channel successfully");
    }
}

/* Is it there to be added or removed at all? */
static void on_channel_of_agent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct slice agent = slice_of_string(wait->id);
    bool is_removal = wait->step == REST_STEP_REMOVE;
    char id[UUID_TEXT_SIZE];
    if (rest_is_over(wait, outcome, REST_CHANNEL_NOT_FOUND)) {
        return;
    }
    bool is_there = has_participant(&outcome->answer->channel, agent);
    if (is_removal && !is_there) {
        rest_wait_refuse(wait, ERROR_NOT_FOUND, "Agent is not a participant in this channel");
        return;
    }
    if (!is_removal && is_there) {
        answer_agent(wait, 201, "Agent added to channel successfully");
        return;
    }
    uuid_random(wait->rest->ids, id);
    struct bus_message message = {.type = BUS_CHANNEL_CHANGE,
                                  .channel_change = {.room = slice_of_string(wait->channel),
                                                     .id = slice_of(id, UUID_TEXT_LENGTH),
                                                     .added = is_removal ? SLICE_EMPTY : agent,
                                                     .removed = is_removal ? agent : SLICE_EMPTY}};
    rest_ask_on(wait, &message, &message.channel_change.request,
                is_removal ? on_agent_removed : on_agent_added, outcome->now);
}

static void change_agent(const struct rest_call *call, struct slice agent, enum rest_step step)
{
    struct rest_call named = *call;
    if (!uuid_is_valid(agent)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED,
                    "Invalid channelId or agentId format");
        return;
    }
    struct bus_message message = {
        .type = BUS_CHANNEL_GET,
        .channel_get = {.room = call->channel, .wants_participants = true}};
    named.id = agent;
    struct rest_wait *wait =
        rest_ask(&named, &message, &message.channel_get.request, on_channel_of_agent);
    if (wait != NULL) {
        wait->step = step;
    }
}

void rest_post_channel_agent(const struct rest_call *call)
{
    static const char *const names[] = {"agentId", "agent_id", NULL};
    struct slice agent = SLICE_EMPTY;
    rest_take_id(call, names, &agent);
    change_agent(call, agent, REST_STEP_ADD);
}

void rest_delete_channel_agent(const struct rest_call *call)
{
    change_agent(call, call->id, REST_STEP_REMOVE);
}

/* --- GET …/presence --------------------------------------------------------------------------- */

static void write_member(struct buffer *out, const struct bus_member *member)
{
    rest_begin_element(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "userId", member->entity);
    if (member->name.length > 0) {
        json_write_string_member(out, "displayName", member->name);
    }
    json_write_unsigned_member(out, "connections", member->connections);
    buffer_append_char(out, '}');
}

static void on_members(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_members_page *page = &outcome->answer->members_page;
    struct buffer *out = rest_begin_data(wait->rest);
    struct slice room = outcome->sent->members.room;
    struct msgpack_reader reader = bus_list_read(&page->members);
    struct bus_member member;
    buffer_append_char(out, '{');
    json_write_string_member(out, "channelId", room);
    json_write_string_member(out, "roomId", room);
    json_write_unsigned_member(out, "memberCount", page->total);
    json_write_unsigned_member(out, "offset", outcome->sent->members.offset);
    buffer_append_string(out, ",\"members\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_MEMBER, &member)) {
        write_member(out, &member);
    }
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

void rest_get_presence(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_MEMBERS, .members = {.room = call->channel}};
    struct bus_members *members = &message.members;
    if (!rest_take_count(call, "limit", MEMBERS_DEFAULT, MEMBERS_MAX, &members->limit) ||
        !rest_take_count(call, "offset", 0, INT64_MAX, &members->offset)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid limit or offset");
        return;
    }
    rest_ask(call, &message, &members->request, on_members);
}
