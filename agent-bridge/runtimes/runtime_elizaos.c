/*
 * A real ElizaOS server, 1.5 or later, as the brain: its sessions API under --elizaos-url. One
 * session per (agent, room, user) or, with --elizaos-sessions room, per (agent, room).
 *
 *     create   POST /api/messaging/sessions                → sessionId, kept
 *     send     POST …/:id/messages, transport "sse"        → chunk*, done          (1.7)
 *                                   transport "http"       → agentResponse         (1.7)
 *                                   or none, as it knows   → the question alone    (1.5, 1.6)
 *     poll     GET  …/:id/messages?after=                  → until the agent has answered
 *
 * A session that is gone (404, 410: they do not survive a restart there) is made anew, once a run.
 */
#include "agent-bridge/runtimes/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent-bridge/character.h"
#include "agent-bridge/runtimes/elizaos_sessions.h"
#include "agent-bridge/runtimes/remote.h"
#include "proto/base/agent_uuid.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { POLL_MS = 500, POLL_PAGE = 20, SESSION_ID_MAX = 128, SESSION_MINUTES = 1440 };

enum session_scope { SESSION_PER_USER, SESSION_PER_ROOM };

struct elizaos_options {
    const char *url;
    const char *key_file;
    const char *agent;
    int scope; /* enum session_scope */
};

static const struct option elizaos_options[] = {
    {"elizaos-url", OPTION_STRING, offsetof(struct elizaos_options, url), NULL, 0, 0, "URL",
     "an ElizaOS server, 1.5 or later, that answers"},
    {"elizaos-key-file", OPTION_STRING, offsetof(struct elizaos_options, key_file), NULL, 0, 0,
     "FILE", "holds its ELIZA_SERVER_AUTH_TOKEN (default: none is sent)"},
    {"elizaos-agent", OPTION_STRING, offsetof(struct elizaos_options, agent), NULL, 0, 0, "UUID",
     "its agent (default: a character's settings.elizamq.agentId, or the agent's own id)"},
    {"elizaos-sessions", OPTION_CHOICE, offsetof(struct elizaos_options, scope), "user", 0, 0,
     "user|room", "whether those who share a room have a session each, or one together"},
};

enum step { STEP_CREATE, STEP_SEND, STEP_POLL };
enum transport { TRANSPORT_SSE, TRANSPORT_HTTP, TRANSPORT_NONE };

struct elizaos_runtime {
    struct remote remote; /* first */
    char *url;            /* owns; without a slash at its end */
    char *agent;          /* owns; may be NULL */
    enum session_scope scope;
    enum transport transport;          /* the best that the server is known to have */
    struct elizaos_sessions *sessions; /* owns */
};

struct elizaos_run {
    struct remote_run remote; /* first */
    enum step step;
    enum transport transport;
    bool is_renewed; /* its session was gone once */
    char agent[UUID_TEXT_SIZE];
    char user[UUID_TEXT_SIZE];
    struct buffer key; /* of the session */
    struct buffer session;
    struct buffer url;
    struct buffer content; /* JSON string */
    struct buffer facts;   /* JSON object: metadata of session and message */
    int64_t asked_at;      /* by their clock, ms: answers are later */
};

static struct elizaos_runtime *runtime_of(struct elizaos_run *run)
{
    return (struct elizaos_runtime *)run->remote.run.runtime;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void set_url(struct elizaos_run *run, const char *tail)
{
    buffer_clear(&run->url);
    buffer_append_string(&run->url, runtime_of(run)->url);
    buffer_append_string(&run->url, "/api/messaging/sessions");
    if (run->session.length > 0) {
        buffer_append_char(&run->url, '/');
        buffer_append_slice(&run->url, buffer_slice(&run->session));
    }
    buffer_append_string(&run->url, tail);
    buffer_append_char(&run->url, '\0');
    run->remote.url = run->url.data;
}

static void write_create(struct elizaos_run *run)
{
    struct buffer *body = &run->remote.body;
    run->step = STEP_CREATE;
    run->remote.method = "POST";
    buffer_clear(&run->session);
    set_url(run, "");
    buffer_clear(body);
    buffer_append_char(body, '{');
    json_write_string_member(body, "agentId", slice_of(run->agent, UUID_TEXT_LENGTH));
    json_write_string_member(body, "userId", slice_of(run->user, UUID_TEXT_LENGTH));
    json_write_raw_member(body, "metadata", buffer_slice(&run->facts));
    json_write_key(body, "timeoutConfig");
    buffer_append_format(body, "{\"timeoutMinutes\":%d,\"autoRenew\":true}}", SESSION_MINUTES);
}

static void write_send(struct elizaos_run *run)
{
    static const char *const transports[] = {[TRANSPORT_SSE] = "sse", [TRANSPORT_HTTP] = "http"};
    struct buffer *body = &run->remote.body;
    run->step = STEP_SEND;
    run->transport = runtime_of(run)->transport;
    run->remote.method = "POST";
    set_url(run, "/messages");
    buffer_clear(body);
    buffer_append_char(body, '{');
    json_write_raw_member(body, "content", buffer_slice(&run->content));
    if (run->transport != TRANSPORT_NONE) {
        json_write_string_member(body, "transport", slice_of_string(transports[run->transport]));
    }
    json_write_raw_member(body, "metadata", buffer_slice(&run->facts));
    buffer_append_char(body, '}');
}

static void write_poll(struct elizaos_run *run)
{
    char tail[96];
    run->step = STEP_POLL;
    run->remote.method = "GET";
    snprintf(tail, sizeof(tail), "/messages?limit=%d&after=%" PRId64, POLL_PAGE, run->asked_at - 1);
    set_url(run, tail);
    buffer_clear(&run->remote.body);
}

/* --- answers ---------------------------------------------------------------------------------- */

static int on_stream_end(struct remote_run *self)
{
    (void)self;
    return ERROR_CLOSED; /* neither done nor error */
}

static bool is_safe_id(struct slice id)
{
    for (size_t i = 0; i < id.length; i++) {
        char c = id.data[i];
        bool is_safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_';
        if (!is_safe) {
            return false;
        }
    }
    return id.length > 0 && id.length <= SESSION_ID_MAX;
}

static int session_made(struct elizaos_run *run, struct slice object)
{
    struct elizaos_runtime *runtime = runtime_of(run);
    struct slice value = json_get(object, "sessionId");
    struct slice id = json_type(value) == JSON_STRING
                          ? json_decode_string(value, &runtime->remote.scratch)
                          : SLICE_EMPTY;
    if (!is_safe_id(id)) {
        return ERROR_MALFORMED;
    }
    elizaos_sessions_put(runtime->sessions, buffer_slice(&run->key), id);
    buffer_append_slice(&run->session, id);
    write_send(run);
    remote_ask(&run->remote, 0);
    return 0;
}

/* Milliseconds, or an ISO text. */
static bool read_time(struct elizaos_run *run, struct slice value)
{
    struct arena *scratch = &runtime_of(run)->remote.scratch;
    return clock_parse_time(json_decode_string(value, scratch), &run->asked_at);
}

/* The server took the question, and says no more of it now: the answer is looked for. */
static int poll_from_now_on(struct elizaos_run *run, struct slice object)
{
    struct slice message = json_get(object, "userMessage");
    message = json_type(message) == JSON_OBJECT ? message : object;
    if (!read_time(run, json_get(message, "createdAt")) &&
        !read_time(run, json_get(message, "created_at"))) {
        return ERROR_MALFORMED;
    }
    write_poll(run);
    remote_ask(&run->remote, POLL_MS);
    return 0;
}

static int sent(struct elizaos_run *run, struct slice object)
{
    struct slice response = json_get(object, "agentResponse");
    if (json_type(response) == JSON_OBJECT) {
        remote_done_as_told(&run->remote, response);
        return 0;
    }
    if (json_type(response) == JSON_NULL) {
        remote_fail(&run->remote, ERROR_AGENT_REFUSED, "the agent does not want to answer");
        return 0;
    }
    return poll_from_now_on(run, object);
}

/* {content, metadata:{thought, actions}} of the polled message as {text, thought, actions}. */
static void tell(struct elizaos_run *run, struct slice content, struct slice metadata)
{
    struct buffer reply = BUFFER_EMPTY;
    struct slice thought = SLICE_EMPTY, actions = SLICE_EMPTY;
    const struct json_field fields[] = {{"thought", &thought}, {"actions", &actions}};
    if (json_type(metadata) == JSON_OBJECT) {
        json_collect(metadata, fields, sizeof(fields) / sizeof(fields[0]));
    }
    buffer_append_char(&reply, '{');
    json_write_raw_member(&reply, "text", content);
    if (json_type(thought) == JSON_STRING) {
        json_write_raw_member(&reply, "thought", thought);
    }
    if (json_type(actions) == JSON_ARRAY) {
        json_write_raw_member(&reply, "actions", actions);
    }
    buffer_append_char(&reply, '}');
    remote_done_as_told(&run->remote, buffer_slice(&reply));
    buffer_deinit(&reply);
}

static bool is_action_notice(struct slice content)
{
    struct slice notice = SLICE_LITERAL("\"Executing action:");
    return content.length >= notice.length &&
           slice_equals(slice_of(content.data, notice.length), notice);
}

/* Messages newest first: the oldest answer counts. */
static int polled(struct elizaos_run *run, struct slice object)
{
    struct slice messages = json_get(object, "messages"), message;
    struct slice found = SLICE_EMPTY, of_found = SLICE_EMPTY;
    if (json_type(messages) != JSON_ARRAY) {
        return ERROR_MALFORMED;
    }
    struct json_iterator iterator = json_iterate(messages);
    while (json_next_element(&iterator, &message)) {
        struct slice content = SLICE_EMPTY, metadata = SLICE_EMPTY, is_agent = SLICE_EMPTY;
        const struct json_field fields[] = {
            {"content", &content}, {"metadata", &metadata}, {"isAgent", &is_agent}};
        if (json_type(message) != JSON_OBJECT) {
            return ERROR_MALFORMED;
        }
        json_collect(message, fields, sizeof(fields) / sizeof(fields[0]));
        if (json_type(is_agent) == JSON_TRUE && json_type(content) == JSON_STRING &&
            !is_action_notice(content)) {
            found = content;
            of_found = metadata;
        }
    }
    if (found.length > 0) {
        tell(run, found, of_found);
    } else {
        write_poll(run);
        remote_ask(&run->remote, POLL_MS);
    }
    return 0;
}

static int on_document(struct remote_run *self, struct slice body)
{
    struct elizaos_run *run = (struct elizaos_run *)self;
    struct slice object;
    if (remote_read_object(body, &object) != 0) {
        return ERROR_MALFORMED;
    }
    switch (run->step) {
    case STEP_CREATE:
        return session_made(run, object);
    case STEP_SEND:
        return sent(run, object);
    case STEP_POLL:
        break;
    }
    return polled(run, object);
}

/* --- refusals --------------------------------------------------------------------------------- */

static bool names_transport(const struct elizaos_run *run)
{
    struct slice body = buffer_slice(&run->remote.document);
    return body.length > 0 &&
           (memmem(body.data, body.length, "ransport", 8) != NULL ||
            memmem(body.data, body.length, "message request format", 22) != NULL);
}

static bool on_refused(struct remote_run *self, int status)
{
    struct elizaos_run *run = (struct elizaos_run *)self;
    struct elizaos_runtime *runtime = runtime_of(run);
    bool is_gone = run->step != STEP_CREATE && (status == 404 || status == 410);
    if (is_gone && !run->is_renewed) {
        run->is_renewed = true;
        elizaos_sessions_forget(runtime->sessions, buffer_slice(&run->key));
        write_create(run);
        remote_ask(self, 0);
        return true;
    }
    bool is_older = run->step == STEP_SEND && status == 400 && run->transport != TRANSPORT_NONE;
    if (is_older && names_transport(run)) {
        runtime->transport = run->transport + 1;
        write_send(run);
        remote_ask(self, 0);
        return true;
    }
    return false;
}

static void deinit_run(struct remote_run *self)
{
    struct elizaos_run *run = (struct elizaos_run *)self;
    buffer_deinit(&run->key);
    buffer_deinit(&run->session);
    buffer_deinit(&run->url);
    buffer_deinit(&run->content);
    buffer_deinit(&run->facts);
}

static const struct remote_operations operations = {.event = remote_event_as_told,
                                                    .stream_end = on_stream_end,
                                                    .document = on_document,
                                                    .refused = on_refused,
                                                    .deinit = deinit_run};

/* --- questions -------------------------------------------------------------------------------- */

/* Their ids are UUIDs; one of ours that is none has always the same in its place. */
static void write_uuid(struct slice id, char out[UUID_TEXT_SIZE])
{
    if (uuid_is_valid(id)) {
        memcpy(out, id.data, UUID_TEXT_LENGTH);
        out[UUID_TEXT_LENGTH] = '\0';
    } else {
        agent_uuid_from_name(id.data, id.length, out);
    }
}

static struct slice remote_agent(const struct elizaos_runtime *self,
                                 const struct runtime_request *request)
{
    if (request->character != NULL && request->character->remote_id.length > 0) {
        return request->character->remote_id;
    }
    return self->agent != NULL ? slice_of_string(self->agent) : request->agent_id;
}

static void prepare(struct elizaos_runtime *self, struct elizaos_run *run,
                    const struct runtime_request *request)
{
    bool is_shared = self->scope == SESSION_PER_ROOM;
    write_uuid(remote_agent(self, request), run->agent);
    write_uuid(is_shared ? request->room_id : request->sender_id, run->user);
    buffer_append_slice(&run->key, request->agent_id);
    buffer_append_slice(&run->key, request->room_id); /* behind a UUID: of known length */
    buffer_append_slice(&run->key, slice_of(run->user, UUID_TEXT_LENGTH));
    json_write_string(&run->content, request->text);
    buffer_append_char(&run->facts, '{');
    json_write_string_member(&run->facts, "source", SLICE_LITERAL("elizamq"));
    json_write_string_member(&run->facts, "roomId", request->room_id);
    json_write_string_member(&run->facts, "userId", request->sender_id);
    json_write_string_member(&run->facts, "user_display_name", request->sender_name);
    buffer_append_char(&run->facts, '}');
}

static int start_run(struct runtime *runtime, const struct runtime_request *request,
                     const struct runtime_events *events, void *context, struct runtime_run **out)
{
    struct elizaos_runtime *self = (struct elizaos_runtime *)runtime;
    *out = NULL;
    if (!remote_has_room(&self->remote, request->now)) {
        return ERROR_OVERLOADED;
    }
    struct elizaos_run *run =
        remote_run_new(&self->remote, sizeof(*run), events, context, request->now);
    prepare(self, run, request);
    struct slice session = elizaos_sessions_find(self->sessions, buffer_slice(&run->key));
    if (session.length == 0) {
        write_create(run);
    } else {
        buffer_append_slice(&run->session, session);
        write_send(run);
    }
    log_debug("prompt", "question=%.*s agent=%.*s session=%s messages=1 bytes=%zu",
              (int)request->message_id.length, request->message_id.data,
              (int)request->agent_id.length, request->agent_id.data,
              session.length == 0 ? "new" : "known", run->content.length);
    int error = remote_begin(&run->remote);
    *out = error == 0 ? &run->remote.run : NULL;
    return error;
}

/* --- the runtime ------------------------------------------------------------------------------ */

static void destroy(struct runtime *runtime)
{
    struct elizaos_runtime *self = (struct elizaos_runtime *)runtime;
    remote_deinit(&self->remote);
    elizaos_sessions_destroy(&self->sessions);
    free(self->url);
    free(self->agent);
    free(self);
}

static int create(const struct runtime_config *config, struct runtime **runtime, char *error)
{
    const struct elizaos_options *options = config->options;
    *runtime = NULL;
    int result = remote_check_url("elizaos-url", options->url, error);
    if (result == 0 && options->agent != NULL && !uuid_is_valid(slice_of_string(options->agent))) {
        snprintf(error, RUNTIME_ERROR_SIZE, "--elizaos-agent must be a UUID");
        result = ERROR_MALFORMED;
    }
    if (result != 0) {
        return result;
    }
    struct elizaos_runtime *self = memory_allocate_zeroed(sizeof(*self));
    result = remote_init(&self->remote, &runtime_elizaos, &operations, config,
                         "X-API-KEY: ", options->key_file, error);
    if (result != 0) {
        free(self);
        return result;
    }
    size_t length = strlen(options->url);
    while (length > 0 && options->url[length - 1] == '/') {
        length--;
    }
    self->url = memory_copy_string(options->url, length);
    self->agent =
        options->agent == NULL ? NULL : memory_copy_string(options->agent, strlen(options->agent));
    self->scope = (enum session_scope)options->scope;
    self->sessions = elizaos_sessions_new(ELIZAOS_SESSIONS_MAX);
    *runtime = &self->remote.runtime;
    return 0;
}

const struct runtime_class runtime_elizaos = {
    .name = "elizaos",
    .options = elizaos_options,
    .option_count = sizeof(elizaos_options) / sizeof(elizaos_options[0]),
    .options_size = sizeof(struct elizaos_options),
    .create = create,
    .destroy = destroy,
    .run = start_run,
    .cancel = remote_cancel,
    .tick = remote_tick,
    .counters = remote_counters,
};
