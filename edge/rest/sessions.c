#include "edge/rest/internal.h"

/*
 * The Sessions API. A session is a record, and each request reads it, puts it back with what it
 * makes of it, and begins again when another edge was faster: any edge may have any of them.
 */

enum {
    CONTENT_MAX = 4000,   /* UTF-16 units */
    METADATA_MAX = 10240, /* bytes */
    TRIES_MAX = 16        /* of one request, while others change the session */
};

#define INVALID_CONFIG "Invalid timeout configuration: Invalid timeout configuration format"
#define LONG_METADATA "Invalid metadata: Metadata exceeds maximum size of 10240 bytes"

/* --- refusals, with the codes of their own and a time ------------------------------------------
 */

void rest_refuse_session(struct rest *rest, struct http_exchange *exchange, int status,
                         const char *code, const char *message, struct slice details)
{
    struct buffer out = BUFFER_EMPTY;
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(rest_wall(rest), now);
    rest->counters.refused++;
    buffer_append_string(&out, "{\"success\":false,\"error\":{");
    json_write_string_member(&out, "code", slice_of_string(code));
    json_write_string_member(&out, "message", slice_of_string(message));
    json_write_string_member(&out, "timestamp", slice_of_string(now));
    if (details.length > 0) {
        json_write_raw_member(&out, "details", details);
    }
    buffer_append_string(&out, "}}");
    rest_answer(rest, exchange, status, buffer_slice(&out));
    buffer_deinit(&out);
}

/* details: raw JSON, or empty: what stands behind the colon is the reason. */
static void refuse_request(struct rest *rest, struct http_exchange *exchange, const char *message,
                           struct slice details)
{
    const char *reason = strstr(message, ": ");
    struct buffer own = BUFFER_EMPTY;
    if (details.length == 0 && reason != NULL) {
        buffer_append_char(&own, '{');
        json_write_string_member(&own, "reason", slice_of_string(reason + 2));
        buffer_append_char(&own, '}');
        details = buffer_slice(&own);
    }
    rest_refuse_session(rest, exchange, 400, "VALIDATION_ERROR", message, details);
    buffer_deinit(&own);
}

static void refuse_call(const struct rest_call *call, const char *message, struct slice details)
{
    refuse_request(call->rest, call->exchange, message, details);
}

static void refuse_wait(struct rest_wait *wait, int status, const char *code, const char *message)
{
    if (wait->exchange != NULL) {
        rest_refuse_session(wait->rest, wait->exchange, status, code, message, SLICE_EMPTY);
    }
    rest_wait_destroy(wait);
}

static void refuse_error(struct rest_wait *wait, int error)
{
    if (wait->exchange != NULL && error_is_retryable(error)) {
        http_add_header(wait->exchange, "Retry-After", SLICE_LITERAL("1"));
    }
    refuse_wait(wait, error_http_status(error), error_code(error), error_text(error));
}

bool rest_is_session_over(struct rest_wait *wait, const struct uplink_outcome *outcome)
{
    char message[USER_ID_MAX + 64];
    int error = rest_error_of(outcome);
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
        return true;
    }
    if (error == ERROR_NOT_FOUND) {
        bool is_uuid = uuid_is_valid(slice_of_string(wait->id)); /* other text is not said again */
        snprintf(message, sizeof(message), "Session with ID '%s' not found", wait->id);
        refuse_wait(wait, 404, "SESSION_NOT_FOUND", is_uuid ? message : "Session not found");
    } else if (error != 0) {
        refuse_error(wait, error);
    }
    return error != 0;
}

static void answer_info(struct rest_wait *wait, int status, const struct agent_session *session)
{
    struct buffer *out = &wait->rest->scratch;
    buffer_clear(out);
    buffer_append_char(out, '{');
    agent_session_write_info(session, slice_of_string(wait->id), rest_wall(wait->rest), out);
    buffer_append_char(out, '}');
    rest_wait_answer(wait, status, buffer_slice(out));
}

/* --- making ----------------------------------------------------------------------------------- */

static void put_session(struct rest_wait *wait, struct agent_session *session, uint64_t expected,
                        uplink_answered *answered, int64_t now)
{
    struct buffer body = BUFFER_EMPTY;
    session->change = id_random_u64(wait->rest->ids);
    agent_session_write(session, &body);
    struct bus_message message = {
        .type = BUS_RECORD_PUT,
        .record_put = {.collection = SLICE_LITERAL(REST_SESSIONS),
                       .id = slice_of_string(wait->id),
                       .owner = session->user,
                       .expected = expected,
                       .expires_at = session->expires_at + wait->rest->settings.session.kept,
                       .body = buffer_slice(&body)}};
    rest_ask_on(wait, &message, &message.record_put.request, answered, now);
    buffer_deinit(&body);
}

static void on_made(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct agent_session session;
    if (!rest_is_session_over(wait, outcome)) {
        agent_session_read(outcome->sent->record_put.body, &wait->rest->arena, &session);
        answer_info(wait, 201, &session);
    }
}

/* Its channel is there; the session begins with the record. */
static void on_channel(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct agent_session session;
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    agent_session_read(buffer_slice(&wait->note), &wait->rest->arena, &session);
    session.created_at = rest_wall(wait->rest);
    agent_session_begin(&session, session.created_at);
    put_session(wait, &session, 0, on_made, outcome->now);
}

static void make_channel(struct rest_wait *wait, const struct agent_session *session, int64_t now)
{
    struct buffer metadata = BUFFER_EMPTY;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_text agent = {session->agent};
    char name[sizeof("session-") + UUID_TEXT_SIZE];
    snprintf(name, sizeof(name), "session-%.*s", UUID_TEXT_LENGTH, wait->id);
    bus_list_add(&list, BUS_ELEMENT_TEXT, &agent);
    rest_write_session_metadata(&metadata, session, slice_of_string(wait->id), SLICE_EMPTY);
    struct bus_message message = {.type = BUS_CHANNEL_PUT,
                                  .channel_put = {.id = session->channel,
                                                  .server_id = SLICE_LITERAL(NIL_UUID),
                                                  .name = slice_of_string(name),
                                                  .type = SLICE_LITERAL("DM"),
                                                  .source_type = SLICE_LITERAL("session"),
                                                  .metadata = buffer_slice(&metadata),
                                                  .creator = session->user,
                                                  .participants = bus_list_of(&list)}};
    rest_ask_on(wait, &message, &message.channel_put.request, on_channel, now);
    buffer_deinit(&metadata);
    buffer_deinit(&list.bytes);
}

static void refuse_agent(struct rest_wait *wait, struct slice agent)
{
    char message[UUID_TEXT_SIZE + 32];
    snprintf(message, sizeof(message), "Agent with ID '%.*s' not found", UUID_TEXT_LENGTH,
             agent.data);
    refuse_wait(wait, 404, "AGENT_NOT_FOUND", message);
}

/* What was asked for comes before what the agent wants, and that before what is usual here. */
static void on_agent(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    const struct agent_session_settings *settings = &wait->rest->settings.session;
    struct arena *arena = &wait->rest->arena;
    struct agent_session session;
    if (wait->exchange != NULL && rest_error_of(outcome) == ERROR_NOT_FOUND) {
        refuse_agent(wait, outcome->sent->agent_get.id);
        return;
    }
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    struct buffer asked = wait->note;
    wait->note = (struct buffer)BUFFER_EMPTY;
    agent_session_read(buffer_slice(&asked), arena, &session);
    agent_session_take_settings(&session, settings,
                                json_get(outcome->answer->agent_state.details, "settings"), arena);
    agent_session_configure(&session, settings, buffer_slice(&wait->list), arena);
    agent_session_write(&session, &wait->note);
    make_channel(wait, &session, outcome->now);
    buffer_deinit(&asked);
}

/* config: the raw timeoutConfig, or empty; it was checked, and is for later. False: refused. */
static bool read_session(const struct rest_call *call, struct agent_session *session,
                         struct slice *config)
{
    struct arena *arena = &call->rest->arena;
    struct slice agent = SLICE_EMPTY, user = SLICE_EMPTY, metadata = SLICE_EMPTY;
    struct agent_session trial = *session;
    const struct json_field fields[] = {
        {"agentId", &agent}, {"userId", &user}, {"metadata", &metadata}, {"timeoutConfig", config}};
    json_collect(call->body, fields, sizeof(fields) / sizeof(fields[0]));
    if (json_type(agent) != JSON_STRING || json_type(user) != JSON_STRING) {
        refuse_call(call, "Missing required fields: agentId, userId",
                    SLICE_LITERAL("{\"missingFields\":[\"agentId\",\"userId\"]}"));
        return false;
    }
    session->agent = json_decode_string(agent, arena);
    session->user = json_decode_string(user, arena);
    session->metadata = rest_object_of(metadata);
    if (!uuid_is_valid(session->agent)) {
        refuse_call(call, "Invalid UUID format for field 'agentId'",
                    SLICE_LITERAL("{\"field\":\"agentId\",\"expectedFormat\":\"UUID v4\"}"));
    } else if (!uuid_is_valid(session->user)) {
        refuse_call(call, "Invalid UUID format for field 'userId'",
                    SLICE_LITERAL("{\"field\":\"userId\",\"expectedFormat\":\"UUID v4\"}"));
    } else if (session->metadata.length > METADATA_MAX) {
        refuse_call(call, LONG_METADATA, SLICE_EMPTY);
    } else if (agent_session_configure(&trial, &call->rest->settings.session, *config, arena) ==
               AGENT_SESSION_NO_CONFIG) {
        refuse_call(call, INVALID_CONFIG, SLICE_EMPTY);
    } else {
        return true;
    }
    return false;
}

void rest_post_session(const struct rest_call *call)
{
    struct rest_call named = *call;
    struct agent_session session;
    struct slice config = SLICE_EMPTY;
    char id[UUID_TEXT_SIZE], channel[UUID_TEXT_SIZE];
    agent_session_init(&session, &call->rest->settings.session);
    if (!read_session(call, &session, &config)) {
        return;
    }
    uuid_random(call->rest->ids, id);
    uuid_random(call->rest->ids, channel);
    named.id = slice_of(id, UUID_TEXT_LENGTH);
    session.channel = slice_of(channel, UUID_TEXT_LENGTH);
    struct bus_message message = {.type = BUS_AGENT_GET, .agent_get = {.id = session.agent}};
    struct rest_wait *wait = rest_ask(&named, &message, &message.agent_get.request, on_agent);
    if (wait != NULL) {
        agent_session_write(&session, &wait->note);
        buffer_append_slice(&wait->list, config);
    }
}

/* --- one that is there ------------------------------------------------------------------------ */

static void on_session(void *context, const struct uplink_outcome *outcome);

static void ask_for_session(struct rest_wait *wait, int64_t now)
{
    struct bus_message message = {.type = BUS_RECORD_GET,
                                  .record_get = {.collection = SLICE_LITERAL(REST_SESSIONS),
                                                 .id = slice_of_string(wait->id)}};
    rest_ask_on(wait, &message, &message.record_get.request, on_session, now);
}

/* The body, if there is one, waits in the note. */
static struct rest_wait *begin(const struct rest_call *call, enum rest_step step)
{
    struct rest_wait *wait = rest_wait_new(call, REST_WEBSOCKET);
    wait->step = step;
    buffer_append_slice(&wait->note, call->body);
    return wait;
}

/* It was put back with what this request makes of it, or has to be read again. */
static void on_saved(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct agent_session session;
    if (rest_error_of(outcome) == ERROR_CONFLICT) {
        if (++wait->done < TRIES_MAX) {
            ask_for_session(wait, outcome->now);
        } else {
            refuse_error(wait, ERROR_OVERLOADED);
        }
        return;
    }
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    agent_session_read(outcome->sent->record_put.body, &wait->rest->arena, &session);
    if (wait->step == REST_STEP_SEND) {
        rest_session_send(wait, &session, outcome->now);
    } else {
        answer_info(wait, 200, &session);
    }
}

/* False: it cannot be what was asked for. */
static bool change(struct rest_wait *wait, struct agent_session *session, int64_t wall)
{
    bool may_renew = session->renews_itself || wait->step == REST_STEP_RENEW;
    session->last_activity = wall;
    if (wait->step == REST_STEP_TIMEOUT) {
        agent_session_configure(session, &wait->rest->settings.session, buffer_slice(&wait->note),
                                &wait->rest->arena);
        agent_session_begin(session, wall);
        return true;
    }
    wait->was_renewed = may_renew && agent_session_renew(session, wall);
    return wait->was_renewed || wait->step != REST_STEP_RENEW;
}

static void on_deleted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct buffer *out = &wait->rest->scratch;
    char message[UUID_TEXT_SIZE + 32];
    bool is_gone = rest_error_of(outcome) == ERROR_NOT_FOUND; /* meanwhile, or by this question */
    if (!is_gone && rest_is_session_over(wait, outcome)) {
        return;
    }
    snprintf(message, sizeof(message), "Session %.*s deleted successfully", UUID_TEXT_LENGTH,
             wait->id);
    buffer_clear(out);
    buffer_append_string(out, "{\"success\":true");
    json_write_string_member(out, "message", slice_of_string(message));
    buffer_append_string(out, ",\"data\":{\"success\":true");
    json_write_string_member(out, "message", slice_of_string(message));
    buffer_append_string(out, "}}");
    rest_wait_answer(wait, 200, buffer_slice(out));
}

static void remove_session(struct rest_wait *wait, int64_t now)
{
    struct bus_message message = {.type = BUS_RECORD_DELETE,
                                  .record_delete = {.collection = SLICE_LITERAL(REST_SESSIONS),
                                                    .id = slice_of_string(wait->id)}};
    rest_ask_on(wait, &message, &message.record_delete.request, on_deleted, now);
}

static void refuse_expired(struct rest_wait *wait, const struct agent_session *session)
{
    char message[USER_ID_MAX + 64], at[CLOCK_ISO_SIZE];
    clock_format_iso(session->expires_at, at);
    snprintf(message, sizeof(message), "Session '%s' expired at %s", wait->id, at);
    refuse_wait(wait, 410, "SESSION_EXPIRED", message);
}

/* What the token does not let see, what has ended, and what the request itself got wrong. */
static bool is_refused(struct rest_wait *wait, const struct agent_session *session, int64_t wall)
{
    if (!identity_may_be(wait->identity, session->user)) {
        refuse_error(wait, ERROR_IDENTITY);
    } else if (!rest_may_show(wait, session->channel)) {
        refuse_error(wait, ERROR_ACCESS);
    } else if (wait->step != REST_STEP_REMOVE && agent_session_is_expired(session, wall)) {
        refuse_expired(wait, session);
    } else if (wait->fault != NULL) {
        refuse_request(wait->rest, wait->exchange, wait->fault, SLICE_EMPTY);
        rest_wait_destroy(wait);
    } else {
        return false;
    }
    return true;
}

static void on_session(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct agent_session session;
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    const struct bus_record *record = &outcome->answer->record;
    int64_t wall = rest_wall(wait->rest);
    if (!agent_session_read(record->body, &wait->rest->arena, &session)) {
        refuse_error(wait, ERROR_INTERNAL);
        return;
    }
    if (is_refused(wait, &session, wall)) {
        return;
    }
    if (wait->step == REST_STEP_REMOVE) {
        remove_session(wait, outcome->now);
    } else if (wait->step == REST_STEP_FIRST) {
        answer_info(wait, 200, &session);
    } else if (wait->step == REST_STEP_MESSAGES) {
        rest_session_messages(wait, &session, outcome->now);
    } else if (change(wait, &session, wall)) {
        put_session(wait, &session, record->revision, on_saved, outcome->now);
    } else {
        refuse_wait(wait, 400, "SESSION_RENEWAL_FAILED", "Maximum duration reached");
    }
}

void rest_get_session(const struct rest_call *call)
{
    ask_for_session(begin(call, REST_STEP_FIRST), call->now);
}

void rest_delete_session(const struct rest_call *call)
{
    ask_for_session(begin(call, REST_STEP_REMOVE), call->now);
}

void rest_renew_session(const struct rest_call *call)
{
    ask_for_session(begin(call, REST_STEP_RENEW), call->now);
}

void rest_heartbeat_session(const struct rest_call *call)
{
    ask_for_session(begin(call, REST_STEP_HEARTBEAT), call->now);
}

void rest_patch_session_timeout(const struct rest_call *call)
{
    struct rest_wait *wait = begin(call, REST_STEP_TIMEOUT);
    const struct agent_session_settings *settings = &call->rest->settings.session;
    struct agent_session trial;
    agent_session_init(&trial, settings);
    switch (agent_session_configure(&trial, settings, call->body, &call->rest->arena)) {
    case AGENT_SESSION_FITS:
        break;
    case AGENT_SESSION_OUT_OF_RANGE:
        wait->fault = call->rest->timeout_fault;
        break;
    case AGENT_SESSION_NO_CONFIG:
        wait->fault = INVALID_CONFIG;
        break;
    }
    ask_for_session(wait, call->now);
}

/* --- messages --------------------------------------------------------------------------------- */

static const char *fault_of_message(const struct rest_call *call, struct slice content)
{
    size_t length = rest_utf16_length(json_decode_string(content, &call->rest->arena));
    if (length == 0) {
        return "Invalid content: Content cannot be empty";
    }
    if (length > CONTENT_MAX) {
        return "Invalid content: Content exceeds maximum length of 4000 characters";
    }
    return json_get(call->body, "metadata").length > METADATA_MAX ? LONG_METADATA : NULL;
}

void rest_post_session_message(const struct rest_call *call)
{
    struct slice content = json_get(call->body, "content");
    enum rest_mode mode;
    if (!rest_parse_mode(call->body, &call->rest->arena, &mode)) {
        refuse_call(call,
                    "Invalid content: Invalid transport. Must be one of: http, sse, websocket, "
                    "sync, stream",
                    SLICE_EMPTY);
    } else if (json_type(content) != JSON_STRING) {
        refuse_call(call, "Invalid content: Invalid message request format", SLICE_EMPTY);
    } else if (mode != REST_WEBSOCKET &&
               call->rest->counters.waiting >= (size_t)call->rest->settings.runs_max) {
        rest_refuse(call->rest, call->exchange, ERROR_OVERLOADED, NULL);
    } else {
        struct rest_wait *wait = begin(call, REST_STEP_SEND);
        wait->mode = mode;
        wait->fault = fault_of_message(call, content);
        ask_for_session(wait, call->now);
    }
}

void rest_get_session_messages(const struct rest_call *call)
{
    struct rest_wait *wait = rest_session_page(call);
    wait->step = REST_STEP_MESSAGES;
    ask_for_session(wait, call->now);
}
