/*
 * An HTTP service of one's own, after the processMessage of the ElizaOS documentation:
 *
 *     POST --http-url   {content, roomId, userId, userName, agentId, agentName, messageId,
 * serverId} 200  application/json    {agentName, text, metadata, actions, thought} 200
 * text/event-stream   *("chunk" {chunk}) then "done" {the same} or "error" {error}
 */
#include "agent-bridge/runtimes/runtime.h"

#include <stdlib.h>
#include <string.h>
#include "agent-bridge/runtimes/remote.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

struct http_options {
    const char *url;
    const char *key_file;
};

static const struct option http_options[] = {
    {"http-url", OPTION_STRING, offsetof(struct http_options, url), NULL, 0, 0, "URL",
     "the http runtime: where questions are posted"},
    {"http-key-file", OPTION_STRING, offsetof(struct http_options, key_file), NULL, 0, 0, "FILE",
     "holds what is sent as Authorization: Bearer (default: nothing)"},
};

struct http_runtime {
    struct remote remote; /* first */
    char *url;            /* owns */
};

/* --- answers ---------------------------------------------------------------------------------- */

static int on_stream_end(struct remote_run *run)
{
    (void)run;
    return ERROR_CLOSED; /* neither done nor error */
}

static int on_document(struct remote_run *run, struct slice body)
{
    struct slice object;
    int error = remote_read_object(body, &object);
    if (error == 0) {
        remote_done_as_told(run, object);
    }
    return error;
}

static bool on_refused(struct remote_run *run, int status)
{
    (void)run;
    (void)status;
    return false;
}

static const struct remote_operations operations = {.event = remote_event_as_told,
                                                    .stream_end = on_stream_end,
                                                    .document = on_document,
                                                    .refused = on_refused};

/* --- questions -------------------------------------------------------------------------------- */

static void write_request(const struct runtime_request *request, struct buffer *out)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "content", request->text);
    json_write_string_member(out, "roomId", request->room_id);
    json_write_string_member(out, "userId", request->sender_id);
    json_write_string_member(out, "userName", request->sender_name);
    json_write_string_member(out, "agentId", request->agent_id);
    json_write_string_member(out, "agentName", request->agent_name);
    json_write_string_member(out, "messageId", request->message_id);
    json_write_string_member(out, "serverId", request->server_id);
    buffer_append_char(out, '}');
}

static int start_run(struct runtime *runtime, const struct runtime_request *request,
                     const struct runtime_events *events, void *context, struct runtime_run **out)
{
    struct http_runtime *self = (struct http_runtime *)runtime;
    *out = NULL;
    if (!remote_has_room(&self->remote, request->now)) {
        return ERROR_OVERLOADED;
    }
    struct remote_run *run =
        remote_run_new(&self->remote, sizeof(*run), events, context, request->now);
    run->method = "POST";
    run->url = self->url;
    write_request(request, &run->body);
    log_debug("prompt", "question=%.*s agent=%.*s messages=1 bytes=%zu",
              (int)request->message_id.length, request->message_id.data,
              (int)request->agent_id.length, request->agent_id.data, run->body.length);
    int error = remote_begin(run);
    *out = error == 0 ? &run->run : NULL;
    return error;
}

/* --- the runtime ------------------------------------------------------------------------------ */

static void destroy(struct runtime *runtime)
{
    struct http_runtime *self = (struct http_runtime *)runtime;
    remote_deinit(&self->remote);
    free(self->url);
    free(self);
}

static int create(const struct runtime_config *config, struct runtime **runtime, char *error)
{
    const struct http_options *options = config->options;
    *runtime = NULL;
    int result = remote_check_url("http-url", options->url, error);
    if (result != 0) {
        return result;
    }
    struct http_runtime *self = memory_allocate_zeroed(sizeof(*self));
    result = remote_init(&self->remote, &runtime_http, &operations, config,
                         "Authorization: Bearer ", options->key_file, error);
    if (result != 0) {
        free(self);
        return result;
    }
    self->url = memory_copy_string(options->url, strlen(options->url));
    *runtime = &self->remote.runtime;
    return 0;
}

const struct runtime_class runtime_http = {
    .name = "http",
    .options = http_options,
    .option_count = sizeof(http_options) / sizeof(http_options[0]),
    .options_size = sizeof(struct http_options),
    .create = create,
    .destroy = destroy,
    .run = start_run,
    .cancel = remote_cancel,
    .tick = remote_tick,
    .counters = remote_counters,
};
