/*
 * A server that speaks the chat completions API of OpenAI (OpenAI, vLLM, llama.cpp, Ollama, …):
 * POST --openai-url/chat/completions, streamed. A server that answers in one piece all the same, or
 * refuses to be asked for the usage, is fine.
 */
#include "agent-bridge/runtimes/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "agent-bridge/character.h"
#include "agent-bridge/runtimes/openai_prompt.h"
#include "agent-bridge/runtimes/remote.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { HISTORY_MESSAGES = 200, FINISH_REASON_MAX = 64, MODEL_MAX = 256 };

#define ASK_FOR_USAGE ",\"stream_options\":{\"include_usage\":true}}"

struct openai_options {
    const char *url;
    const char *key_file;
    const char *model;
    const char *temperature;
    int64_t max_tokens;
    int64_t context_tokens;
};

static const struct option openai_options[] = {
    {"openai-url", OPTION_STRING, offsetof(struct openai_options, url), NULL, 0, 0, "URL",
     "chat completions API, up to and including /v1"},
    {"openai-key-file", OPTION_STRING, offsetof(struct openai_options, key_file), NULL, 0, 0,
     "FILE", "holds its API key (default: none is sent)"},
    {"openai-model", OPTION_STRING, offsetof(struct openai_options, model), NULL, 0, 0, "NAME",
     "which model answers; a character's settings.elizamq.model wins"},
    {"openai-temperature", OPTION_STRING, offsetof(struct openai_options, temperature), NULL, 0, 0,
     "NUMBER", "0 to 2 (default: the server's)"},
    {"openai-max-tokens", OPTION_INTEGER, offsetof(struct openai_options, max_tokens), "0", 0,
     1000000, "TOKENS", "most of an answer; 0: the server's"},
    {"openai-context-tokens", OPTION_INTEGER, offsetof(struct openai_options, context_tokens),
     "8192", 256, 10000000, "TOKENS",
     "character, history and answer together, estimated as bytes/4"},
};

struct openai_runtime {
    struct remote remote; /* first */
    struct openai_prompt_settings prompt;
    char *url;          /* owns */
    char *model;        /* owns */
    char *temperature;  /* owns; may be NULL */
    bool refuses_usage; /* this server does not know stream_options */
};

struct openai_run {
    struct remote_run remote; /* first */
    size_t without_usage;     /* length of the body up to ASK_FOR_USAGE; 0: it is not in there */
    bool is_usage_tried;      /* it was left out after a refusal */
    struct buffer usage;      /* raw JSON */
    struct buffer model;      /* raw JSON: who answered */
    struct buffer reason;     /* raw JSON: finish_reason */
};

/* --- answers ---------------------------------------------------------------------------------- */

static void keep(struct buffer *kept, struct slice value, enum json_type type, size_t most)
{
    if (json_type(value) == type && value.length <= most) {
        buffer_clear(kept);
        buffer_append_slice(kept, value);
    }
}

static void done(struct openai_run *run)
{
    struct buffer metadata = BUFFER_EMPTY;
    buffer_append_char(&metadata, '{');
    if (run->model.length > 0) {
        json_write_raw_member(&metadata, "model", buffer_slice(&run->model));
    }
    if (run->reason.length > 0) {
        json_write_raw_member(&metadata, "finishReason", buffer_slice(&run->reason));
    }
    if (run->usage.length > 0) {
        json_write_raw_member(&metadata, "usage", buffer_slice(&run->usage));
    }
    buffer_append_char(&metadata, '}');
    struct runtime_reply reply = {.actions = SLICE_LITERAL("[\"REPLY\"]"),
                                  .metadata = buffer_slice(&metadata)};
    remote_done(&run->remote, &reply);
    buffer_deinit(&metadata);
}

/* A chunk of a stream, where the text is in choices[0].delta, or a whole answer: .message. */
static int read_completion(struct openai_run *run, struct slice json, const char *text_member)
{
    struct slice object, choices = SLICE_EMPTY, usage = SLICE_EMPTY, model = SLICE_EMPTY;
    struct slice error = SLICE_EMPTY, choice;
    const struct json_field fields[] = {
        {"choices", &choices}, {"usage", &usage}, {"model", &model}, {"error", &error}};
    if (json_scan(json, JSON_MAX_DEPTH, &object) != 0 || json_type(object) != JSON_OBJECT) {
        return ERROR_MALFORMED;
    }
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    if (json_type(error) != JSON_NONE && json_type(error) != JSON_NULL) {
        remote_fail(&run->remote, ERROR_AGENT_FAILED, "it reports an error");
        return 0;
    }
    if (json_type(choices) != JSON_ARRAY) {
        return ERROR_MALFORMED;
    }
    keep(&run->usage, usage, JSON_OBJECT, 4 * 1024);
    keep(&run->model, model, JSON_STRING, MODEL_MAX);
    struct json_iterator iterator = json_iterate(choices);
    if (!json_next_element(&iterator, &choice)) {
        return 0; /* the chunk that bears the usage */
    }
    struct slice message = SLICE_EMPTY, reason = SLICE_EMPTY;
    const struct json_field of_choice[] = {{text_member, &message}, {"finish_reason", &reason}};
    if (json_type(choice) != JSON_OBJECT) {
        return ERROR_MALFORMED;
    }
    json_collect(choice, of_choice, sizeof(of_choice) / sizeof(of_choice[0]));
    keep(&run->reason, reason, JSON_STRING, FINISH_REASON_MAX);
    struct slice content =
        json_type(message) == JSON_OBJECT ? json_get(message, "content") : SLICE_EMPTY;
    return json_type(content) == JSON_STRING ? remote_say(&run->remote, content) : 0;
}

static int on_event(struct remote_run *self, const struct sse_event *event)
{
    struct openai_run *run = (struct openai_run *)self;
    if (slice_is(event->data, "[DONE]")) {
        done(run);
        return 0;
    }
    return read_completion(run, event->data, "delta");
}

static int on_stream_end(struct remote_run *self)
{
    struct openai_run *run = (struct openai_run *)self;
    if (run->reason.length == 0) {
        return ERROR_CLOSED; /* cut off: neither [DONE] nor a finish_reason */
    }
    done(run);
    return 0;
}

static int on_document(struct remote_run *self, struct slice body)
{
    struct openai_run *run = (struct openai_run *)self;
    int error = read_completion(run, body, "message");
    if (error == 0 && self->state != REMOTE_OVER) {
        done(run);
    }
    return error;
}

static bool on_refused(struct remote_run *self, int status)
{
    struct openai_run *run = (struct openai_run *)self;
    bool may_be_usage = (status == 400 || status == 422) && run->without_usage > 0;
    if (!may_be_usage) {
        return false;
    }
    self->body.length = run->without_usage;
    buffer_append_char(&self->body, '}');
    run->without_usage = 0;
    run->is_usage_tried = true;
    remote_ask(self, 0);
    return true;
}

static void deinit_run(struct remote_run *self)
{
    struct openai_run *run = (struct openai_run *)self;
    struct openai_runtime *runtime = (struct openai_runtime *)self->run.runtime;
    if (run->is_usage_tried && self->status / 100 == 2) {
        runtime->refuses_usage = true;
    }
    buffer_deinit(&run->usage);
    buffer_deinit(&run->model);
    buffer_deinit(&run->reason);
}

static const struct remote_operations operations = {.event = on_event,
                                                    .stream_end = on_stream_end,
                                                    .document = on_document,
                                                    .refused = on_refused,
                                                    .deinit = deinit_run};

/* --- questions -------------------------------------------------------------------------------- */

static void write_request(struct openai_runtime *self, struct openai_run *run,
                          const struct runtime_request *request)
{
    struct openai_prompt_settings settings = self->prompt;
    struct openai_prompt_summary summary;
    if (request->character != NULL && request->character->model.length > 0) {
        settings.model = request->character->model;
    }
    openai_prompt_write(&settings, request, &run->remote.body, &summary);
    if (self->refuses_usage) {
        buffer_append_char(&run->remote.body, '}');
    } else {
        run->without_usage = run->remote.body.length;
        buffer_append_string(&run->remote.body, ASK_FOR_USAGE);
    }
    log_debug("prompt",
              "question=%.*s agent=%.*s model=%.*s messages=%zu left_out=%zu tokens=%zu "
              "examples=%s bytes=%zu",
              (int)request->message_id.length, request->message_id.data,
              (int)request->agent_id.length, request->agent_id.data, (int)settings.model.length,
              settings.model.data, summary.messages, summary.left_out, summary.tokens,
              summary.has_examples ? "yes" : "no", run->remote.body.length);
}

static int start_run(struct runtime *runtime, const struct runtime_request *request,
                     const struct runtime_events *events, void *context, struct runtime_run **out)
{
    struct openai_runtime *self = (struct openai_runtime *)runtime;
    *out = NULL;
    if (!remote_has_room(&self->remote, request->now)) {
        return ERROR_OVERLOADED;
    }
    struct openai_run *run =
        remote_run_new(&self->remote, sizeof(*run), events, context, request->now);
    run->remote.method = "POST";
    run->remote.url = self->url;
    write_request(self, run, request);
    int error = remote_begin(&run->remote);
    *out = error == 0 ? &run->remote.run : NULL;
    return error;
}

/* --- the runtime ------------------------------------------------------------------------------ */

static bool is_temperature(const char *text)
{
    struct slice value;
    double number;
    return json_scan(slice_of_string(text), 1, &value) == 0 && json_type(value) == JSON_NUMBER &&
           json_to_double(value, &number) && number >= 0 && number <= 2;
}

static char *endpoint_of(const char *url)
{
    struct buffer text = BUFFER_EMPTY;
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    buffer_append(&text, url, length);
    buffer_append_string(&text, "/chat/completions");
    char *endpoint = memory_copy_string(text.data, text.length);
    buffer_deinit(&text);
    return endpoint;
}

static void destroy(struct runtime *runtime)
{
    struct openai_runtime *self = (struct openai_runtime *)runtime;
    remote_deinit(&self->remote);
    free(self->url);
    free(self->model);
    free(self->temperature);
    free(self);
}

static int check(const struct openai_options *options, char *error)
{
    int result = remote_check_url("openai-url", options->url, error);
    if (result == 0 && (options->model == NULL || strlen(options->model) > MODEL_MAX)) {
        snprintf(error, RUNTIME_ERROR_SIZE, "--openai-model is missing or too long");
        result = ERROR_MALFORMED;
    }
    if (result == 0 && options->temperature != NULL && !is_temperature(options->temperature)) {
        snprintf(error, RUNTIME_ERROR_SIZE, "--openai-temperature must be a number from 0 to 2");
        result = ERROR_MALFORMED;
    }
    return result;
}

static int create(const struct runtime_config *config, struct runtime **runtime, char *error)
{
    const struct openai_options *options = config->options;
    *runtime = NULL;
    int result = check(options, error);
    if (result != 0) {
        return result;
    }
    struct openai_runtime *self = memory_allocate_zeroed(sizeof(*self));
    result = remote_init(&self->remote, &runtime_openai, &operations, config,
                         "Authorization: Bearer ", options->key_file, error);
    if (result != 0) {
        free(self);
        return result;
    }
    self->url = endpoint_of(options->url);
    self->model = memory_copy_string(options->model, strlen(options->model));
    if (options->temperature != NULL) {
        self->temperature = memory_copy_string(options->temperature, strlen(options->temperature));
    }
    self->prompt = (struct openai_prompt_settings){.model = slice_of_string(self->model),
                                                   .temperature = self->temperature,
                                                   .max_tokens = options->max_tokens,
                                                   .context_tokens = options->context_tokens};
    *runtime = &self->remote.runtime;
    return 0;
}

const struct runtime_class runtime_openai = {
    .name = "openai",
    .options = openai_options,
    .option_count = sizeof(openai_options) / sizeof(openai_options[0]),
    .options_size = sizeof(struct openai_options),
    .history_max = HISTORY_MESSAGES,
    .create = create,
    .destroy = destroy,
    .run = start_run,
    .cancel = remote_cancel,
    .tick = remote_tick,
    .counters = remote_counters,
};
