/*
 * The embedded runtime: ELIZA (eliza.h) with the DOCTOR script or one from a file.
 *
 * It knows every answer at once, so a run normally begins and ends inside run(), one chunk per
 * word. With --eliza-delay the words come one by one from tick(); when more questions wait in the
 * room the whole answer is one chunk, without delay.
 */
#include "agent-bridge/runtimes/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include "agent-bridge/runtimes/eliza.h"
#include "proto/base/buffer.h"
#include "proto/base/error.h"
#include "proto/base/memory.h"

enum {
    DELAY_MAX_MS = 60000,
    DELAYED_RUNS_MAX = 4096, /* runs under way; more are refused as overloaded */
    FILE_CHUNK = 64 * 1024
};

struct eliza_options {
    const char *script; /* path; NULL: the script that is part of the program */
    int64_t delay;      /* ms between words */
};

static const struct option eliza_options[] = {
    {"eliza-script", OPTION_STRING, offsetof(struct eliza_options, script), NULL, 0, 0, "FILE",
     "script of the eliza runtime (default: DOCTOR, built in)"},
    {"eliza-delay", OPTION_DURATION, offsetof(struct eliza_options, delay), "0ms", 0, DELAY_MAX_MS,
     "TIME", "pause before each word of the eliza runtime, for demonstrations"},
};

struct eliza_run {
    struct runtime_run run; /* first */
    struct runtime_events events;
    void *context;
    int64_t deadline; /* of the next word */
    size_t sent;      /* bytes of text */
    struct buffer text;
    struct buffer thought;
    struct eliza_run *prev; /* of the runtime's list */
    struct eliza_run *next;
};

struct eliza_runtime {
    struct runtime runtime;      /* first */
    struct eliza_script *script; /* owns */
    struct eliza *eliza;         /* owns */
    int64_t delay;
    struct buffer key;      /* scratch: which conversation */
    struct buffer thought;  /* scratch */
    struct eliza_run *runs; /* owns; by deadline */
    size_t run_count;
};

static int read_script(const char *path, struct buffer *out, char *error)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s: %s", path, strerror(errno));
        return ERROR_NOT_FOUND;
    }
    do {
        got = fread(buffer_reserve(out, FILE_CHUNK), 1, FILE_CHUNK, file);
        out->length += got;
    } while (got > 0 && out->length <= ELIZA_SCRIPT_BYTES);
    if (ferror(file)) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s: %s", path, strerror(errno));
        fclose(file);
        return ERROR_SYSTEM;
    }
    fclose(file);
    return 0;
}

static int load_script(const char *path, struct eliza_script **script, char *error)
{
    struct buffer file = BUFFER_EMPTY;
    char problem[RUNTIME_ERROR_SIZE];
    int result;

    if (path == NULL) {
        return eliza_script_new(script, eliza_script_builtin(), error, RUNTIME_ERROR_SIZE);
    }
    result = read_script(path, &file, error);
    if (result == 0) {
        result = eliza_script_new(script, buffer_slice(&file), problem, sizeof(problem));
        if (result != 0) {
            snprintf(error, RUNTIME_ERROR_SIZE, "%.200s: %.300s", path, problem);
        }
    }
    buffer_deinit(&file);
    return result;
}

static int create(const struct runtime_config *config, struct runtime **runtime, char *error)
{
    const struct eliza_options *options = config->options;
    struct eliza_runtime *self;
    struct eliza_script *script;
    int result = load_script(options->script, &script, error);

    *runtime = NULL;
    if (result != 0) {
        return result;
    }
    self = memory_allocate_zeroed(sizeof(*self));
    self->runtime.class = &runtime_eliza;
    self->script = script;
    self->eliza = eliza_new(script, ELIZA_CONVERSATIONS_MAX);
    self->delay = options->delay;
    *runtime = &self->runtime;
    return 0;
}

static struct eliza_runtime *self_of(struct runtime *runtime)
{
    return (struct eliza_runtime *)runtime;
}

static void free_run(struct eliza_runtime *self, struct eliza_run *run)
{
    DL_DELETE(self->runs, run);
    self->run_count--;
    buffer_deinit(&run->text);
    buffer_deinit(&run->thought);
    free(run);
}

static void destroy(struct runtime *runtime)
{
    struct eliza_runtime *self = self_of(runtime);

    while (self->runs != NULL) {
        free_run(self, self->runs);
    }
    eliza_destroy(&self->eliza);
    eliza_script_destroy(&self->script);
    buffer_deinit(&self->key);
    buffer_deinit(&self->thought);
    free(self);
}

/* The next word from `sent` on, with the space before it. */
static struct slice next_word(struct slice text, size_t sent)
{
    size_t end = sent;

    while (end < text.length && text.data[end] == ' ') {
        end++;
    }
    while (end < text.length && text.data[end] != ' ') {
        end++;
    }
    return slice_of(text.data + sent, end - sent);
}

static void tell_done(const struct runtime_events *events, void *context, struct slice text,
                      struct slice thought)
{
    struct runtime_reply reply = {
        .text = text,
        .thought = thought,
        .actions = SLICE_LITERAL("[\"REPLY\"]"),
    };

    events->done(context, &reply);
}

/* Which rule spoke: ELIZA has no other thoughts. */
static void write_thought(struct buffer *out, const struct eliza_answer *answer)
{
    static const char *const reasons[] = {
        [ELIZA_FROM_MEMORY] = "No keyword, but something said earlier.",
        [ELIZA_FROM_NONE] = "No keyword that leads anywhere.",
        [ELIZA_FROM_PUZZLED] = "A keyword, but no decomposition rule fits.",
        [ELIZA_FROM_GREETINGS] = "An empty message: the beginning of a conversation.",
        [ELIZA_FROM_FINALS] = "A farewell.",
    };

    buffer_clear(out);
    if (answer->source == ELIZA_FROM_KEYWORD) {
        buffer_append_format(out, "Keyword \"%.*s\" of rank %d, decomposition \"%.*s\".",
                             (int)answer->keyword.length, answer->keyword.data, answer->rank,
                             (int)answer->pattern.length, answer->pattern.data);
    } else {
        buffer_append_string(out, reasons[answer->source]);
    }
}

static struct eliza_run *start_delayed(struct eliza_runtime *self, struct slice text, int64_t now)
{
    struct eliza_run *run = memory_allocate_zeroed(sizeof(*run));

    run->run.runtime = &self->runtime;
    run->deadline = now + self->delay;
    buffer_append_slice(&run->text, text);
    buffer_append_slice(&run->thought, buffer_slice(&self->thought));
    DL_APPEND(self->runs, run);
    self->run_count++;
    return run;
}

static int start_run(struct runtime *runtime, const struct runtime_request *request,
                     const struct runtime_events *events, void *context, struct runtime_run **run)
{
    struct eliza_runtime *self = self_of(runtime);
    struct eliza_answer answer;

    *run = NULL;
    if (self->run_count >= DELAYED_RUNS_MAX) {
        return ERROR_OVERLOADED;
    }
    /* Each agent has its own conversation in a room. Agent ids are UUIDs: no NUL in them. */
    buffer_clear(&self->key);
    buffer_append_slice(&self->key, request->agent_id);
    buffer_append_char(&self->key, '\0');
    buffer_append_slice(&self->key, request->room_id);
    eliza_answer(self->eliza, buffer_slice(&self->key), request->text, &answer);
    write_thought(&self->thought, &answer);

    if (self->delay > 0 && !request->has_backlog) {
        struct eliza_run *delayed = start_delayed(self, answer.text, request->now);

        delayed->events = *events;
        delayed->context = context;
        *run = &delayed->run;
        return 0;
    }
    for (size_t sent = 0; sent < answer.text.length;) {
        struct slice chunk = request->has_backlog ? answer.text : next_word(answer.text, sent);

        events->chunk(context, chunk);
        sent += chunk.length;
    }
    tell_done(events, context, answer.text, buffer_slice(&self->thought));
    return 0;
}

static void cancel_run(struct runtime_run *run)
{
    free_run(self_of(run->runtime), (struct eliza_run *)run);
}

static int64_t tick(struct runtime *runtime, int64_t now)
{
    struct eliza_runtime *self = self_of(runtime);

    while (self->runs != NULL && self->runs->deadline <= now) {
        struct eliza_run *run = self->runs;
        struct slice text = buffer_slice(&run->text);
        struct slice chunk = next_word(text, run->sent);

        /* Every run waits equally long, so the end of the list is where it belongs. */
        DL_DELETE(self->runs, run);
        DL_APPEND(self->runs, run);
        run->deadline = now + self->delay;
        run->sent += chunk.length;
        run->events.chunk(run->context, chunk);
        if (run->sent == text.length) {
            tell_done(&run->events, run->context, text, buffer_slice(&run->thought));
            free_run(self, run);
        }
    }
    return self->runs == NULL ? -1 : self->runs->deadline;
}

const struct runtime_class runtime_eliza = {
    .name = "eliza",
    .options = eliza_options,
    .option_count = sizeof(eliza_options) / sizeof(eliza_options[0]),
    .options_size = sizeof(struct eliza_options),
    .create = create,
    .destroy = destroy,
    .run = start_run,
    .cancel = cancel_run,
    .tick = tick,
};
