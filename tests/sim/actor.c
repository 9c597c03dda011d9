#include "tests/sim/actor.h"

#include <stdio.h>
#include <string.h>

enum {
    TICK_MS = 50, /* PROCESS_TICK_MS of the real processes */
    CLOCK_OFFSET_MAX = 1000000000,
    LATENCY_MAX = 20,
    LINGER_MS = 200, /* of the real processes' sockets */
    KILLED_LINGER_MS = 5
};

static const int64_t wall_origin = INT64_C(1795000000000); /* some day of 2026 */

static void fill(void *context, void *bytes, size_t length)
{
    struct chance *chance = context;
    unsigned char *at = bytes;
    while (length > 0) {
        uint64_t value = chance_u64(chance);
        size_t some = length < sizeof(value) ? length : sizeof(value);
        memcpy(at, &value, some);
        at += some;
        length -= some;
    }
}

void actor_init(struct actor *actor, const struct actor_class *class, struct world *world,
                const char *kind, size_t number)
{
    *actor = (struct actor){.class = class, .world = world};
    snprintf(actor->name, sizeof(actor->name), "%s-%zu", kind, number);
    actor->latency = chance_happens(&world->chance, 300)
                         ? chance_between(&world->chance, 1, LATENCY_MAX)
                         : chance_between(&world->chance, 0, 1);
}

void actor_deinit(struct actor *actor)
{
    actor_kill(actor);
}

struct instant actor_now(const struct actor *actor)
{
    int64_t now = actor->world->now;
    return (struct instant){now + actor->clock_offset, now + wall_origin + actor->wall_offset};
}

int64_t actor_linger(struct actor *actor)
{
    return actor->is_stopping ? LINGER_MS : chance_between(&actor->chance, -1, KILLED_LINGER_MS);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void discard_inputs(struct actor *actor)
{
    while (actor->first != NULL) {
        struct input *input = actor->first;
        actor->first = input->next;
        input->class->discard(input);
    }
    actor->last = NULL;
}

/* Handles what has arrived; what arrives by doing so waits for the next turn. */
static void handle_inputs(struct actor *actor, size_t most)
{
    struct input *input = actor->first;
    uint64_t life = actor->life;
    actor->first = actor->last = NULL;
    while (input != NULL) {
        struct input *next = input->next;
        if (most > 0 && actor->is_running && actor->life == life) {
            most--;
            input->class->handle(actor, input);
        }
        input->class->discard(input);
        input = next;
    }
}

static size_t count_inputs(const struct actor *actor)
{
    size_t count = 0;
    for (const struct input *input = actor->first; input != NULL; input = input->next) {
        count++;
    }
    return count;
}

static void turn(void *context, uint64_t life)
{
    struct actor *actor = context;
    struct world *world = actor->world;
    if (!actor->is_running || actor->life != life) {
        return;
    }
    if (actor->paused_until > world->now) {
        world_after(world, actor->paused_until - world->now, turn, actor, life);
        return;
    }
    actor->has_turn = false;
    world->actor = actor->name;
    if (actor->is_doomed) {
        handle_inputs(actor, chance_below(&actor->chance, count_inputs(actor) + 1));
        if (actor->is_running && chance_happens(&actor->chance, 300)) {
            actor->class->flush(actor);
        }
        actor_kill(actor);
    } else {
        handle_inputs(actor, SIZE_MAX);
        if (actor->is_running) {
            actor->class->flush(actor);
        }
    }
    world->actor = "";
}

void actor_wake(struct actor *actor, int64_t delay)
{
    if (delay == 0) {
        if (actor->has_turn) {
            return;
        }
        actor->has_turn = true;
        delay = chance_between(&actor->chance, 0, actor->latency);
    } else {
        int64_t at = actor->world->now + delay;
        if (actor->wakes_at > actor->world->now && actor->wakes_at <= at) {
            return; /* its flush will ask again */
        }
        actor->wakes_at = at;
    }
    world_after(actor->world, delay, turn, actor, actor->life);
}

static void arrive(struct task *task)
{
    struct input *input = (struct input *)task;
    struct actor *actor = input->actor;
    if (!actor->is_running || actor->life != input->life) {
        input->class->discard(input);
        return;
    }
    input->next = NULL;
    if (actor->last == NULL) {
        actor->first = input;
    } else {
        actor->last->next = input;
    }
    actor->last = input;
    actor_wake(actor, 0);
}

static void discard(struct task *task)
{
    struct input *input = (struct input *)task;
    input->class->discard(input);
}

void actor_post(struct actor *actor, struct input *input, int64_t delay)
{
    static const struct task_class class = {arrive, discard};
    input->task.class = &class;
    input->actor = actor;
    input->life = actor->life;
    world_schedule(actor->world, &input->task, delay);
}

/* --- lives ------------------------------------------------------------------------------------ */

static void tick(void *context, uint64_t life)
{
    struct actor *actor = context;
    struct world *world = actor->world;
    if (!actor->is_running || actor->life != life) {
        return;
    }
    if (actor->paused_until > world->now) {
        world_after(world, actor->paused_until - world->now, tick, actor, life);
        return;
    }
    world->actor = actor->name;
    actor->class->tick(actor);
    world->actor = "";
    if (actor->is_running) {
        actor_wake(actor, 0);
        world_after(world, TICK_MS + chance_between(&actor->chance, 0, actor->latency), tick, actor,
                    life);
    }
}

void actor_start(struct actor *actor)
{
    struct world *world = actor->world;
    if (actor->is_running) {
        return;
    }
    actor->life++;
    actor->started_at = world->now;
    actor->is_running = true;
    actor->is_stopping = false;
    actor->is_doomed = false;
    actor->has_turn = false;
    actor->wakes_at = 0;
    actor->paused_until = 0;
    actor->clock_offset = chance_between(&world->chance, 1, CLOCK_OFFSET_MAX);
    actor->chance.state = chance_u64(&world->chance);
    actor->ids = (struct id_source){.fill = fill, .context = &actor->chance};
    id_random_text(&actor->ids, actor->incarnation, INCARNATION_LENGTH);
    world->actor = actor->name;
    world_tell(world, "starts as %s", actor->incarnation);
    actor->class->start(actor);
    world->actor = "";
    world_after(world, chance_between(&actor->chance, 0, TICK_MS), tick, actor, actor->life);
}

void actor_kill(struct actor *actor)
{
    if (!actor->is_running) {
        return;
    }
    world_tell(actor->world, "%s %s", actor->name, actor->is_stopping ? "ends" : "is killed");
    actor->is_running = false;
    actor->class->destroy(actor);
    discard_inputs(actor);
}

void actor_stop(struct actor *actor)
{
    if (actor->is_running && !actor->is_stopping) {
        world_tell(actor->world, "%s is asked to stop", actor->name);
        actor->is_stopping = true;
        actor->class->stop(actor);
    }
}
