/*
 * The world of a simulation: a virtual clock in milliseconds, one queue of what will happen, one
 * seed. Single-threaded; nothing in it reads a real clock, so a seed always tells the same story.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/sim/chance.h"
#include "tests/sim/profile.h"

struct task;

struct task_class {
    void (*run)(struct task *task);     /* its time has come: takes the task over */
    void (*discard)(struct task *task); /* it will never come: frees the task */
};

/* Something that happens at a time. Embedded first in what it is about; owned by the queue. */
struct task {
    int64_t time;
    uint64_t order; /* of being scheduled: equal times keep it */
    const struct task_class *class;
};

struct world {
    uint64_t seed;
    const struct profile *profile; /* borrows */
    struct chance chance;
    int64_t now;       /* ms since the world began */
    bool is_calm;      /* the time of faults is over */
    bool is_verbose;   /* tell the story on stdout */
    const char *actor; /* borrows: who acts, for the story; "" between turns */

    struct task **queue; /* owns: a heap by (time, order) */
    size_t count;
    size_t capacity;
    uint64_t last_order;
    uint64_t steps;
    uint64_t digest; /* of all that happened: equal for equal seeds */

    bool has_failed;
    char failure[1024]; /* the first violated property and what shows it */
};

void world_init(struct world *world, uint64_t seed, const struct profile *profile, bool is_verbose);
void world_deinit(struct world *world);

void world_schedule(struct world *world, struct task *task, int64_t delay);
/* The same for a plain call; the context outlives the world. */
typedef void world_call(void *context, uint64_t argument);
void world_after(struct world *world, int64_t delay, world_call *call, void *context,
                 uint64_t argument);
/*
 * Does what comes next, if it comes until then and nothing has failed. False: the time is `until`.
 */
bool world_step(struct world *world, int64_t until);

/* One line of the story. */
void world_tell(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A property does not hold. The first one is kept, and ends the run. */
void world_fail(struct world *world, const char *property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
