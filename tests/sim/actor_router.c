#include "tests/sim/actor_router.h"

#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

enum {
    COMMIT_MS_MAX = 6,
    QUERY_MS_MAX = 4,
    NOTICE_MS_MAX = 3, /* from the store's being done to the router's knowing it */
    STOP_MS = 1500     /* PROCESS_HARD_STOP_MS */
};

/* A batch on its way through the store and back. */
struct commit {
    struct input input; /* first: the way back */
    struct actor_router *self;
    uint64_t life;
    struct store_batch *batch; /* owns; NULL: the router has it again */
    int result;
};

struct question {
    struct input input; /* first */
    struct actor_router *self;
    uint64_t life;
    struct store_query query;
    struct store_page *page; /* owns */
};

static struct actor_router *self_of(struct actor *actor)
{
    return (struct actor_router *)actor;
}

static int64_t store_delay(struct actor_router *self, int64_t most)
{
    struct world *world = self->actor.world;
    int64_t delay = chance_between(&world->chance, 0, world->is_calm ? 1 : most);
    int64_t stall = world->is_calm ? 0 : self->stalled_until - world->now;
    return delay + (stall > 0 ? stall : 0);
}

static bool store_fails(struct actor_router *self)
{
    struct world *world = self->actor.world;
    return !world->is_calm && chance_happens(&world->chance, world->profile->store_failures);
}

/* --- commits ---------------------------------------------------------------------------------- */

static void handle_commit(struct actor *actor, struct input *input)
{
    struct commit *commit = (struct commit *)input;
    struct store_batch *batch = commit->batch;
    commit->batch = NULL;
    router_committed(self_of(actor)->router, batch, commit->result, actor_now(actor));
}

static void discard_commit(struct input *input)
{
    struct commit *commit = (struct commit *)input;
    store_batch_destroy(&commit->batch);
    free(commit);
}

static void write_batch(struct commit *commit)
{
    struct actor_router *self = commit->self;
    self->committing = NULL;
    if (store_fails(self)) {
        commit->result = ERROR_STORE;
        return;
    }
    commit->result = memory_store_commit(self->store, commit->batch);
    if (commit->result != 0) {
        world_fail(self->actor.world, "constraint",
                   "the store refuses operation of type %d of batch %llu",
                   (int)commit->batch->refused->type, (unsigned long long)commit->batch->number);
    }
}

static void write_due(struct task *task)
{
    struct commit *commit = (struct commit *)task;
    struct actor_router *self = commit->self;
    if (self->actor.life != commit->life || !self->actor.is_running) {
        discard_commit(&commit->input); /* settled when the router was killed */
        return;
    }
    write_batch(commit);
    actor_post(&self->actor, &commit->input,
               chance_between(&self->actor.world->chance, 0, NOTICE_MS_MAX));
}

static void write_never(struct task *task)
{
    discard_commit((struct input *)task);
}

static void commit_batch(void *context, struct store_batch *batch)
{
    static const struct task_class task_class = {write_due, write_never};
    static const struct input_class input_class = {handle_commit, discard_commit};
    struct actor_router *self = context;
    struct commit *commit = memory_allocate_zeroed(sizeof(*commit));
    commit->input.class = &input_class;
    commit->input.task.class = &task_class;
    commit->self = self;
    commit->life = self->actor.life;
    commit->batch = batch;
    self->committing = commit;
    world_schedule(self->actor.world, &commit->input.task, store_delay(self, COMMIT_MS_MAX));
}

/* --- queries ---------------------------------------------------------------------------------- */

static void handle_question(struct actor *actor, struct input *input)
{
    struct question *question = (struct question *)input;
    struct store_page *page = question->page;
    question->page = NULL;
    router_answered(self_of(actor)->router, page, actor_now(actor));
}

static void discard_question(struct input *input)
{
    struct question *question = (struct question *)input;
    store_page_destroy(&question->page);
    free(question);
}

static void read_due(struct task *task)
{
    struct question *question = (struct question *)task;
    struct actor_router *self = question->self;
    if (self->actor.life != question->life || !self->actor.is_running) {
        discard_question(&question->input);
        return;
    }
    if (store_fails(self)) {
        question->page = store_page_new(&question->query);
        question->page->error = ERROR_STORE;
    } else {
        question->page = memory_store_query(self->store, &question->query);
    }
    actor_post(&self->actor, &question->input,
               chance_between(&self->actor.world->chance, 0, NOTICE_MS_MAX));
}

static void read_never(struct task *task)
{
    discard_question((struct input *)task);
}

static void ask_store(void *context, const struct store_query *query)
{
    static const struct task_class task_class = {read_due, read_never};
    static const struct input_class input_class = {handle_question, discard_question};
    struct actor_router *self = context;
    struct question *question = memory_allocate_zeroed(sizeof(*question));
    question->input.class = &input_class;
    question->input.task.class = &task_class;
    question->self = self;
    question->life = self->actor.life;
    question->query = *query;
    world_schedule(self->actor.world, &question->input.task, store_delay(self, QUERY_MS_MAX));
}

/* --- the process ------------------------------------------------------------------------------ */

static bool transmit(void *context, enum router_side side, struct slice routing_id,
                     struct slice header, struct slice body)
{
    struct actor_router *self = context;
    return network_transmit(self->network, side, routing_id, header, body);
}

static const struct router_operations operations = {transmit, commit_batch, ask_store};

static void start(struct actor *actor)
{
    struct actor_router *self = self_of(actor);
    struct instant now = actor_now(actor);
    self->committing = NULL;
    self->stalled_until = 0;
    self->router = router_new(&self->settings, &operations, self, &actor->ids,
                              slice_of_string(actor->incarnation), now);
    struct store_loader loader = router_loader(self->router, now);
    memory_store_load(self->store, &loader);
    router_loaded(self->router, &loader);
    network_router_started(self->network);
}

void actor_router_receive(struct actor *actor, enum router_side side, struct slice routing_id,
                          struct slice frame)
{
    router_receive(self_of(actor)->router, side, routing_id, frame, actor_now(actor));
}

static void tick(struct actor *actor)
{
    struct actor_router *self = self_of(actor);
    router_tick(self->router, actor_now(actor));
    if (actor->is_stopping &&
        (router_is_settled(self->router) || actor->world->now >= self->stop_deadline)) {
        router_say_goodbye(self->router, actor_now(actor));
        if (self->committing != NULL) {
            write_batch(self->committing); /* the store's thread is waited for */
        }
        actor_kill(actor);
    }
}

static void flush(struct actor *actor)
{
    router_flush(self_of(actor)->router, actor_now(actor));
}

static void stop(struct actor *actor)
{
    self_of(actor)->stop_deadline = actor->world->now + STOP_MS;
}

static void destroy(struct actor *actor)
{
    struct actor_router *self = self_of(actor);
    /* Nobody can tell whether the writer was quicker than the signal. */
    if (self->committing != NULL && chance_happens(&actor->chance, 500)) {
        world_tell(actor->world, "the batch under way is committed");
        write_batch(self->committing);
    }
    self->committing = NULL;
    router_destroy(&self->router);
    network_router_ended(self->network, actor_linger(actor));
}

const struct actor_class actor_router_class = {start, tick, flush, stop, destroy};
