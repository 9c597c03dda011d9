#include "edge/rest/internal.h"

/*
 * Making jobs of the Jobs API: a channel with the agent, the question in it, and then the record.
 * Without that nobody knows of the job; so one whose edge is lost halfway has never been.
 */

enum {
    CONTENT_MAX = 50000,  /* UTF-16 units */
    METADATA_MAX = 10000, /* bytes */
};

/* What is kept, as JSON, while router and store are asked. */
struct order {
    struct slice agent; /* empty: any */
    struct slice user;
    struct slice content; /* raw JSON string */
    struct slice metadata;
    int64_t timeout; /* ms */
};

static void write_order(struct buffer *out, const struct order *order)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "agent", order->agent);
    json_write_string_member(out, "user", order->user);
    json_write_raw_member(out, "content", order->content);
    json_write_raw_member(out, "metadata",
                          order->metadata.length > 0 ? order->metadata : SLICE_LITERAL("{}"));
    json_write_signed_member(out, "timeout", order->timeout);
    buffer_append_char(out, '}');
}

static struct order read_order(const struct rest_wait *wait)
{
    struct slice note = buffer_slice(&wait->note);
    struct arena *arena = &wait->rest->arena;
    struct order order = {.agent = json_decode_string(json_get(note, "agent"), arena),
                          .user = json_decode_string(json_get(note, "user"), arena),
                          .content = json_get(note, "content"),
                          .metadata = json_get(note, "metadata")};
    json_to_integer(json_get(note, "timeout"), &order.timeout);
    return order;
}

/* --- from the question to the record ---------------------------------------------------------- */

static void on_recorded(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct agent_job job;
    struct buffer *out = &wait->rest->scratch;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    agent_job_read(outcome->sent->record_put.body, &wait->rest->arena, &job);
    buffer_clear(out);
    buffer_append_char(out, '{');
    json_write_string_member(out, "jobId", slice_of_string(wait->id));
    json_write_string_member(out, "status", slice_of_string(agent_job_status_name(job.status)));
    json_write_signed_member(out, "createdAt", job.created_at);
    json_write_signed_member(out, "expiresAt", job.expires_at);
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 201, buffer_slice(out));
}

static void on_asked(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct arena *arena = &wait->rest->arena;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    const struct bus_send *send = &outcome->sent->send;
    const struct bus_send_done *done = &outcome->answer->send_done;
    struct order order = read_order(wait);
    struct buffer body = BUFFER_EMPTY;
    struct agent_job job = {.channel = send->room,
                            .agent = order.agent,
                            .user = order.user,
                            .question = done->message_id,
                            .metadata = order.metadata,
                            .created_at = done->created_at,
                            .expires_at = done->created_at + order.timeout,
                            .status = AGENT_JOB_PROCESSING};
    if (done->no_agent) {
        agent_job_unanswered(&job, false, done->created_at);
    }
    agent_job_write(&job, &body);
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(REST_JOBS),
                                                 .id = slice_of_string(wait->id),
                                                 .owner = job.user,
                                                 .expires_at = job.expires_at + AGENT_JOB_KEPT,
                                                 .body = buffer_slice(&body)}};
    rest_ask_on(wait, &message, &message.record_put.request, on_recorded, outcome->now);
    buffer_deinit(&body);
    arena_reset(arena);
}

/* What was given comes before what is ours, as in the reference. */
static void write_metadata(struct buffer *out, const struct rest_wait *wait,
                           const struct order *order, bool is_of_channel)
{
    static const char *const nothing[] = {NULL};
    struct buffer own = BUFFER_EMPTY;
    buffer_append_char(&own, '{');
    json_write_string_member(&own, "jobId", slice_of_string(wait->id));
    if (is_of_channel) {
        json_write_string_member(&own, "agentId", order->agent);
        json_write_string_member(&own, "userId", order->user);
    }
    json_write_boolean_member(&own, is_of_channel ? "isJobChannel" : "isJobMessage", true);
    buffer_append_char(&own, '}');
    buffer_append_char(out, '{');
    rest_copy_members(out, order->metadata, nothing);
    rest_copy_others(out, buffer_slice(&own), order->metadata);
    buffer_append_char(out, '}');
    buffer_deinit(&own);
}

static void on_channel(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct rest *rest = wait->rest;
    struct order order = read_order(wait);
    struct buffer metadata = BUFFER_EMPTY, body = BUFFER_EMPTY;
    char minted[UUID_TEXT_SIZE + 1] = "~";
    write_metadata(&metadata, wait, &order, false);
    struct chat_send send = {.room = outcome->sent->channel_put.id,
                             .sender = order.user,
                             .sender_name = SLICE_LITERAL("User"),
                             .text = json_decode_string(order.content, &rest->arena),
                             .server_id = SLICE_LITERAL(NIL_UUID),
                             .source = SLICE_LITERAL("job_request"),
                             .raw_metadata = buffer_slice(&metadata)};
    uuid_random(rest->ids, minted + 1);
    chat_write_body(&send, send.sender, &body);
    struct bus_message message = {.type = BUS_SEND,
                                  .send = {.room = send.room,
                                           .sender = send.sender,
                                           .message_id = slice_of_string(minted),
                                           .server_id = send.server_id,
                                           .asks_agent = true,
                                           .channel_type = SLICE_LITERAL("DM"),
                                           .body = buffer_slice(&body)}};
    rest_ask_on(wait, &message, &message.send.request, on_asked, outcome->now);
    buffer_deinit(&metadata);
    buffer_deinit(&body);
    arena_reset(&rest->arena);
}

static void make_channel(struct rest_wait *wait, const struct order *order, int64_t now)
{
    struct buffer metadata = BUFFER_EMPTY;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_text agent = {order->agent};
    char id[UUID_TEXT_SIZE], name[sizeof("job-") + UUID_TEXT_SIZE];
    uuid_random(wait->rest->ids, id);
    snprintf(name, sizeof(name), "job-%.*s", UUID_TEXT_LENGTH, wait->id);
    bus_list_add(&list, BUS_ELEMENT_TEXT, &agent);
    write_metadata(&metadata, wait, order, true);
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.id = slice_of(id, UUID_TEXT_LENGTH),
                                                  .server_id = SLICE_LITERAL(NIL_UUID),
                                                  .name = slice_of_string(name),
                                                  .type = SLICE_LITERAL("DM"),
                                                  .source_type = SLICE_LITERAL("job"),
                                                  .metadata = buffer_slice(&metadata),
                                                  .creator = order->user,
                                                  .participants = bus_list_of(&list)}};
    rest_ask_on(wait, &message, &message.channel_put.request, on_channel, now);
    buffer_deinit(&metadata);
    buffer_deinit(&list.bytes);
}

/* The one that was asked for; else the first that runs, or that has run. */
static struct slice choose_agent(const struct bus_list *agents, struct slice wanted)
{
    struct msgpack_reader reader = bus_list_read(agents);
    struct bus_known_agent agent;
    struct slice chosen = SLICE_EMPTY;
    bool is_running = false;
    while (bus_list_next(&reader, BUS_ELEMENT_KNOWN_AGENT, &agent)) {
        if (wanted.length > 0 && slice_equals(agent.id, wanted)) {
            return agent.id;
        }
        if (wanted.length == 0 && (chosen.length == 0 || (!is_running && agent.bridges > 0))) {
            chosen = agent.id;
            is_running = agent.bridges > 0;
        }
    }
    return chosen;
}

static void on_agents(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    char message[UUID_TEXT_SIZE + 32] = "No agents available on server";
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct order order = read_order(wait);
    struct slice wanted = order.agent;
    order.agent = choose_agent(&outcome->answer->agents_page.agents, wanted);
    if (order.agent.length == 0) {
        if (wanted.length > 0) {
            snprintf(message, sizeof(message), "Agent %.*s not found", UUID_TEXT_LENGTH,
                     wanted.data);
        }
        rest_wait_refuse(wait, ERROR_NOT_FOUND, message);
        return;
    }
    struct buffer former = wait->note; /* what the order points into */
    wait->note = BUFFER_EMPTY;
    write_order(&wait->note, &order);
    make_channel(wait, &order, outcome->now);
    buffer_deinit(&former);
}

/* --- POST /jobs ------------------------------------------------------------------------------- */

static const char *fault_of_timeout(struct slice value, int64_t *timeout)
{
    double number = AGENT_JOB_TIMEOUT;
    if (json_type(value) > JSON_NULL &&
        (json_type(value) != JSON_NUMBER || !json_to_double(value, &number) || number < 0)) {
        return "timeoutMs must be a positive number";
    }
    if (number < AGENT_JOB_TIMEOUT_MIN) {
        return "timeoutMs must be at least 1000ms";
    }
    if (number > AGENT_JOB_TIMEOUT_MAX) {
        return "timeoutMs cannot exceed 300000ms";
    }
    *timeout = (int64_t)number;
    return NULL;
}

static const char *fault_of_texts(struct slice user, struct slice agent, struct slice content,
                                  struct arena *arena)
{
    if (json_type(agent) > JSON_NULL && json_type(agent) != JSON_STRING) {
        return "agentId must be a valid UUID string";
    }
    if (json_type(user) != JSON_STRING) {
        return "userId is required and must be a valid UUID string";
    }
    if (json_type(content) != JSON_STRING) {
        return "content is required and must be a string";
    }
    size_t length = rest_utf16_length(json_decode_string(content, arena));
    return length == 0            ? "content cannot be empty"
           : length > CONTENT_MAX ? "content exceeds maximum length of 50000 characters"
                                  : NULL;
}

static const char *fault_of_metadata(struct slice metadata)
{
    if (json_type(metadata) > JSON_NULL && json_type(metadata) != JSON_OBJECT) {
        return "metadata must be an object";
    }
    return metadata.length > METADATA_MAX ? "metadata exceeds maximum size of 10000 bytes" : NULL;
}

/* NULL, or what is wrong with the body. */
static const char *take_order(const struct rest_call *call, struct order *order)
{
    struct arena *arena = &call->rest->arena;
    struct slice user = SLICE_EMPTY, agent = SLICE_EMPTY, content = SLICE_EMPTY;
    struct slice metadata = SLICE_EMPTY, timeout = SLICE_EMPTY;
    const struct json_field fields[] = {{"userId", &user},
                                        {"agentId", &agent},
                                        {"content", &content},
                                        {"metadata", &metadata},
                                        {"timeoutMs", &timeout}};
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    const char *fault = fault_of_texts(user, agent, content, arena);
    fault = fault != NULL ? fault : fault_of_metadata(metadata);
    fault = fault != NULL ? fault : fault_of_timeout(timeout, &order->timeout);
    if (fault != NULL) {
        return fault;
    }
    order->user = json_decode_string(user, arena);
    order->agent = json_decode_string(agent, arena);
    order->content = content;
    order->metadata = rest_object_of(metadata);
    if (!uuid_is_valid(order->user)) {
        return "Invalid userId format (must be valid UUID)";
    }
    return order->agent.length == 0 || uuid_is_valid(order->agent)
               ? NULL
               : "Invalid agentId format (must be valid UUID)";
}

void rest_post_job(const struct rest_call *call)
{
    struct rest_call named = *call;
    struct order order = {.timeout = 0};
    char id[UUID_TEXT_SIZE];
    const char *fault = take_order(call, &order);
    if (fault != NULL) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, fault);
        return;
    }
    uuid_random(call->rest->ids, id);
    named.id = slice_of(id, UUID_TEXT_LENGTH);
    struct bus_message message = {.type = BUS_AGENTS_GET};
    struct rest_wait *wait = rest_ask(&named, &message, &message.agents_get.request, on_agents);
    if (wait != NULL) {
        write_order(&wait->note, &order);
    }
}
