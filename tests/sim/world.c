#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

enum { QUEUE_FIRST = 256 };

void world_init(struct world *world, uint64_t seed, const struct profile *profile, bool is_verbose)
{
    *world = (struct world){.seed = seed,
                            .profile = profile,
                            .chance = {seed * UINT64_C(0x2545f4914f6cdd1d)},
                            .is_verbose = is_verbose,
                            .actor = ""};
    chance_u64(&world->chance);
}

void world_deinit(struct world *world)
{
    /* What a discarded task lets go of may schedule nothing any more. */
    while (world->count > 0) {
        struct task *task = world->queue[--world->count];
        task->class->discard(task);
    }
    free(world->queue);
    world->queue = NULL;
}

/* --- the queue -------------------------------------------------------------------------------- */

static bool is_before(const struct task *a, const struct task *b)
{
    return a->time < b->time || (a->time == b->time && a->order < b->order);
}

void world_schedule(struct world *world, struct task *task, int64_t delay)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? QUEUE_FIRST : world->capacity * 2;
        world->queue = memory_reallocate(world->queue, world->capacity * sizeof(struct task *));
    }
    task->time = world->now + delay;
    task->order = ++world->last_order;
    size_t at = world->count++;
    while (at > 0 && is_before(task, world->queue[(at - 1) / 2])) {
        world->queue[at] = world->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->queue[at] = task;
}

static struct task *take_first(struct world *world)
{
    struct task *first = world->queue[0];
    struct task *last = world->queue[--world->count];
    size_t at = 0;
    for (size_t child = 1; child < world->count; child = at * 2 + 1) {
        if (child + 1 < world->count && is_before(world->queue[child + 1], world->queue[child])) {
            child++;
        }
        if (!is_before(world->queue[child], last)) {
            break;
        }
        world->queue[at] = world->queue[child];
        at = child;
    }
    if (world->count > 0) {
        world->queue[at] = last;
    }
    return first;
}

bool world_step(struct world *world, int64_t until)
{
    if (world->has_failed || world->count == 0 || world->queue[0]->time > until) {
        if (!world->has_failed && world->now < until) {
            world->now = until;
        }
        return false;
    }
    struct task *task = take_first(world);
    world->now = task->time;
    world->steps++;
    world->digest = (world->digest ^ (uint64_t)task->time) * UINT64_C(0x100000001b3) + task->order;
    task->class->run(task);
    return true;
}

struct call_task {
    struct task task;
    world_call *call;
    void *context;
    uint64_t argument;
};

static void run_call(struct task *task)
{
    struct call_task call = *(struct call_task *)task;
    free(task);
    call.call(call.context, call.argument);
}

static void discard_call(struct task *task)
{
    free(task);
}

void world_after(struct world *world, int64_t delay, world_call *call, void *context,
                 uint64_t argument)
{
    static const struct task_class class = {run_call, discard_call};
    struct call_task *task = memory_allocate(sizeof(*task));
    *task = (struct call_task){{0, 0, &class}, call, context, argument};
    world_schedule(world, &task->task, delay);
}

/* --- the story -------------------------------------------------------------------------------- */

void world_tell(const struct world *world, const char *format, ...)
{
    va_list arguments;
    if (!world->is_verbose) {
        return;
    }
    printf("%6lld.%03lld  %-9s ", (long long)(world->now / 1000), (long long)(world->now % 1000),
           world->actor);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void world_fail(struct world *world, const char *property, const char *format, ...)
{
    va_list arguments;
    if (world->has_failed) {
        return;
    }
    world->has_failed = true;
    int length =
        snprintf(world->failure, sizeof(world->failure), "%s: at %lld.%03lld s: ", property,
                 (long long)(world->now / 1000), (long long)(world->now % 1000));
    va_start(arguments, format);
    vsnprintf(world->failure + length, sizeof(world->failure) - (size_t)length, format, arguments);
    va_end(arguments);
    world_tell(world, "VIOLATED %s", world->failure);
}
