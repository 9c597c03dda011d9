#include "tests/sim/runtime_simulated.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

enum { WORDS_MAX = 8, DELAY_MS_MAX = 60, RUNS_MAX = 6, AT_ONCE_PER_MILLE = 400 };

struct simulated_run {
    struct runtime_run run; /* first */
    struct runtime_events events;
    void *context;
    struct buffer text;
    size_t sent;
    int64_t due;
    bool fails; /* instead of its end */
    struct simulated_run *prev, *next;
};

struct simulated {
    struct runtime runtime; /* first */
    struct actor *actor;    /* borrows */
    struct simulated_run *runs;
    size_t count;
};

void runtime_simulated_answer(struct slice question, struct buffer *out)
{
    struct chance chance = {question.length};
    for (size_t i = 0; i < question.length; i++) {
        chance.state = chance.state * 31 + (unsigned char)question.data[i];
    }
    size_t words = chance_below(&chance, WORDS_MAX) + 1;
    for (size_t i = 0; i < words; i++) {
        buffer_append_format(out, "%sw%u", i == 0 ? "" : " ", (unsigned)chance_below(&chance, 99));
    }
}

static void run_free(struct simulated *self, struct simulated_run *run)
{
    DL_DELETE(self->runs, run);
    self->count--;
    buffer_deinit(&run->text);
    free(run);
}

static void destroy(struct runtime *runtime)
{
    struct simulated *self = (struct simulated *)runtime;
    while (self->runs != NULL) {
        run_free(self, self->runs);
    }
    free(self);
}

static struct slice next_chunk(struct simulated *self, const struct simulated_run *run)
{
    size_t left = run->text.length - run->sent;
    size_t length = chance_below(&self->actor->chance, 12) + 1;
    return slice_of(run->text.data + run->sent, length < left ? length : left);
}

static void finish(struct simulated_run *run)
{
    struct runtime_reply reply = {.text = buffer_slice(&run->text),
                                  .actions = SLICE_LITERAL("[\"REPLY\"]")};
    if (run->fails) {
        run->events.failed(run->context, ERROR_AGENT_FAILED, "as the profile wants it");
    } else {
        run->events.done(run->context, &reply);
    }
}

static int start(struct runtime *runtime, const struct runtime_request *request,
                 const struct runtime_events *events, void *context, struct runtime_run **out)
{
    struct simulated *self = (struct simulated *)runtime;
    struct world *world = self->actor->world;
    struct chance *chance = &self->actor->chance;
    *out = NULL;
    if (self->count >= RUNS_MAX && chance_happens(chance, 500)) {
        return ERROR_OVERLOADED;
    }
    struct simulated_run *run = memory_allocate_zeroed(sizeof(*run));
    run->run.runtime = runtime;
    run->events = *events;
    run->context = context;
    run->due = request->now + chance_between(chance, 0, DELAY_MS_MAX);
    run->fails = !world->is_calm && chance_happens(chance, world->profile->agent_failures);
    runtime_simulated_answer(request->text, &run->text);
    if (!world->is_calm && chance_happens(chance, world->profile->agent_diverges)) {
        buffer_append_format(&run->text, " but %u", (unsigned)chance_below(chance, 1000));
        buffer_consume(&run->text, chance_below(chance, 4));
    }
    DL_APPEND(self->runs, run);
    self->count++;
    if (!chance_happens(chance, AT_ONCE_PER_MILLE)) {
        *out = &run->run;
        return 0;
    }
    while (run->sent < run->text.length) {
        struct slice chunk =
            request->has_backlog ? buffer_slice(&run->text) : next_chunk(self, run);
        run->sent += chunk.length;
        events->chunk(context, chunk);
    }
    finish(run);
    run_free(self, run);
    return 0;
}

static void cancel(struct runtime_run *run)
{
    run_free((struct simulated *)run->runtime, (struct simulated_run *)run);
}

static int64_t tick(struct runtime *runtime, int64_t now)
{
    struct simulated *self = (struct simulated *)runtime;
    struct simulated_run *run, *next;
    int64_t due = -1;
    DL_FOREACH_SAFE (self->runs, run, next) {
        bool is_over = run->due <= now && run->sent == run->text.length;
        if (is_over) {
            finish(run);
            run_free(self, run);
            continue;
        }
        if (run->due <= now) {
            struct slice chunk = next_chunk(self, run);
            run->sent += chunk.length;
            run->events.chunk(run->context, chunk);
            run->due = now + chance_between(&self->actor->chance, 1, DELAY_MS_MAX);
        }
        due = due < 0 || run->due < due ? run->due : due;
    }
    return due;
}

struct runtime *runtime_simulated_new(struct actor *actor)
{
    static const struct runtime_class class = {
        .name = "simulated", .destroy = destroy, .run = start, .cancel = cancel, .tick = tick};
    struct simulated *self = memory_allocate_zeroed(sizeof(*self));
    self->runtime.class = &class;
    self->actor = actor;
    return &self->runtime;
}
