/*
 * An actor: one process of the simulated cluster. As under a real main(), what arrives is handled
 * in loop turns, a tick comes every PROCESS_TICK_MS, and each turn ends with a flush. It has clocks
 * of its own, may be killed at any point of a turn, may be paused, and lives several times.
 */
#ifndef TESTS_SIM_ACTOR_H
#define TESTS_SIM_ACTOR_H

#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "tests/sim/world.h"

struct actor;
struct input;

struct actor_class {
    /* Makes the state of a fresh process, as main() does. */
    void (*start)(struct actor *actor);
    void (*tick)(struct actor *actor);
    void (*flush)(struct actor *actor);
    void (*stop)(struct actor *actor); /* SIGTERM; it ends itself by actor_kill() */
    /* Frees the state. Whatever that does, nothing leaves the process any more. */
    void (*destroy)(struct actor *actor);
};

struct actor {
    const struct actor_class *class;
    struct world *world; /* borrows */
    char name[16];
    bool is_running;
    bool is_stopping;
    bool is_doomed;       /* dies in the midst of its next turn */
    uint64_t life;        /* how often it was started */
    int64_t started_at;   /* of this life */
    int64_t clock_offset; /* of its monotonic clock */
    int64_t wall_offset;
    int64_t latency; /* ms between what arrives and the turn that handles it, at most */
    int64_t paused_until;
    struct chance chance;
    struct id_source ids;
    char incarnation[INCARNATION_LENGTH + 1];
    struct input *first; /* owns: arrived, not handled */
    struct input *last;
    bool has_turn;
    int64_t wakes_at; /* the turn that was asked for by itself */
};

struct input_class {
    void (*handle)(struct actor *actor, struct input *input); /* then discard() is called */
    void (*discard)(struct input *input);                     /* frees it */
};

/* Something on its way to an actor. Embedded first in what it carries. */
struct input {
    struct task task;
    const struct input_class *class;
    struct actor *actor;
    uint64_t life; /* the life it is for; another one never sees it */
    struct input *next;
};

void actor_init(struct actor *actor, const struct actor_class *class, struct world *world,
                const char *kind, size_t number);
void actor_deinit(struct actor *actor);

void actor_start(struct actor *actor);
/* At once: its state is gone, and what was on its way to it. No-op when it does not run. */
void actor_kill(struct actor *actor);
void actor_stop(struct actor *actor);

/* Takes the input over. */
void actor_post(struct actor *actor, struct input *input, int64_t delay);
/* Gives it a turn although nothing arrives. */
void actor_wake(struct actor *actor, int64_t delay);

struct instant actor_now(const struct actor *actor);
/* How long what an ending process has sent goes on arriving: a killed one leaves little behind. */
int64_t actor_linger(struct actor *actor);

#endif
