#include "tests/sim/actor_bridge.h"

#include <stddef.h>
#include <stdlib.h>

#include "proto/base/memory.h"
#include "proto/base/version.h"
#include "tests/sim/runtime_simulated.h"

enum { STOP_MS = 3000 };

static struct actor_bridge *self_of(struct actor *actor)
{
    return (struct actor_bridge *)actor;
}

static int64_t now_of(const struct actor_bridge *self)
{
    return actor_now(&self->actor).now;
}

static bool transmit(void *context, struct slice header, struct slice body)
{
    struct actor_bridge *self = context;
    return channel_transmit(self->channel, header, body);
}

static const struct bridge_operations operations = {.transmit = transmit};

static struct runtime *runtime_eliza_new(struct world *world)
{
    char error[RUNTIME_ERROR_SIZE];
    struct runtime *runtime = NULL;
    void *options = memory_allocate_zeroed(runtime_eliza.options_size);
    struct runtime_config config = {.options = options};
    if (runtime_eliza.create(&config, &runtime, error) != 0) {
        world_fail(world, "construction", "eliza: %s", error);
    }
    free(options);
    return runtime;
}

static void start(struct actor *actor)
{
    struct actor_bridge *self = self_of(actor);
    struct bus_hello hello = {.role = BUS_ROLE_BRIDGE,
                              .incarnation = slice_of_string(actor->incarnation),
                              .name = slice_of_string(actor->name),
                              .program_version = SLICE_LITERAL(ELIZAMQ_VERSION)};
    self->runtime = self->is_eliza ? runtime_eliza_new(actor->world) : runtime_simulated_new(actor);
    struct runtime_set runtimes = {.list = {self->runtime}, .count = 1};
    self->bridge = bridge_new(&self->settings, &operations, self, &actor->ids, &hello, self->agents,
                              &runtimes, now_of(self));
    channel_connect(self->channel, 0);
}

void actor_bridge_receive(struct actor *actor, struct slice frame)
{
    bridge_receive(self_of(actor)->bridge, frame, now_of(self_of(actor)));
}

static void tick(struct actor *actor)
{
    struct actor_bridge *self = self_of(actor);
    bridge_tick(self->bridge, now_of(self));
    if (actor->is_stopping && (bridge_is_drained(self->bridge, now_of(self)) ||
                               actor->world->now >= self->stop_deadline)) {
        bridge_say_goodbye(self->bridge, now_of(self));
        actor_kill(actor);
    }
}

static void flush(struct actor *actor)
{
    struct actor_bridge *self = self_of(actor);
    int64_t now = now_of(self);
    bridge_flush(self->bridge, now);
    int64_t deadline = bridge_deadline(self->bridge);
    if (deadline >= 0) {
        actor_wake(actor, deadline > now ? deadline - now : 0);
    }
}

static void stop(struct actor *actor)
{
    struct actor_bridge *self = self_of(actor);
    self->stop_deadline = actor->world->now + STOP_MS;
    bridge_drain(self->bridge, now_of(self));
    actor_wake(actor, 0);
}

static void destroy(struct actor *actor)
{
    struct actor_bridge *self = self_of(actor);
    bridge_destroy(&self->bridge);
    runtime_destroy(&self->runtime);
    channel_break(self->channel, actor_linger(actor));
}

const struct actor_class actor_bridge_class = {start, tick, flush, stop, destroy};
