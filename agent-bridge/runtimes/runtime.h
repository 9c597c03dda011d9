/*
 * The seam between the agent-bridge and what answers: a runtime.
 *
 * A runtime takes a question and reports an answer through callbacks, all on the bridge's one
 * thread: it never blocks, and any number of runs may be under way. The life of a run:
 *
 *     run() ──> chunk()*  then exactly one of  done() | failed()      or cancel(), then silence
 *
 * Callbacks come from inside run() (a runtime that knows its answer at once), or later from the
 * bridge's loop: from inside tick(), or out of the HTTP client. When the end came from inside
 * run(), run() hands out NULL; later the run is gone as soon as done() or failed() is called. A
 * callback must not call into the runtime again: it notes what is to be done, and its owner does it
 * when the runtime has returned (so that a queue of quick answers is a loop and no recursion).
 * Slices given to a callback stay until it returns; those given to run() stay until run() returns.
 *
 * The chunks of a run concatenate to exactly the text of done(), and none of them splits a
 * character (UTF-8). A runtime sends at least one chunk unless the text is empty.
 *
 * A new runtime is one file that defines a `struct runtime_class`, and one line in RUNTIME_TABLE
 * below. One that speaks HTTP does so through the bridge's HTTP client, whose sockets and
 * timers are the bridge's business; tick() is only for timers of the runtime's own.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_RUNTIME_H
#define AGENT_BRIDGE_RUNTIMES_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/options.h"
#include "proto/base/slice.h"

struct http_client;

enum { RUNTIME_ERROR_SIZE = 512 }; /* room for the one line create() writes about a failure */

struct character; /* agent-bridge/character.h */

/* A message of the room before the question, oldest first. */
struct runtime_turn {
    struct slice sender_id;
    struct slice sender_name;
    struct slice text;
    bool is_own; /* of the agent that answers */
};

struct runtime_request {
    struct slice room_id;
    struct slice server_id;
    struct slice message_id; /* of the question */
    struct slice agent_id;   /* who answers */
    struct slice agent_name;
    const struct character *character; /* NULL: the agent is but a name; stays as long as the run */
    const struct runtime_turn *history; /* of classes that want it: what GET of the room shows */
    size_t history_count;
    struct slice sender_id; /* who asks */
    struct slice sender_name;
    struct slice text; /* the question: UTF-8, up to the size the edge accepts, may be empty */
    bool has_backlog; /* more questions wait behind this one in the room: prefer few large chunks */
    int64_t now;      /* ms, monotonic */
};

struct runtime_reply {
    struct slice agent_name; /* who speaks, if not the agent itself */
    struct slice text;
    struct slice thought;  /* why it answers so; empty: none */
    struct slice actions;  /* JSON array of strings, e.g. ["REPLY"] */
    struct slice metadata; /* JSON object; empty: none */
};

struct runtime_events {
    void (*chunk)(void *context, struct slice text);
    void (*done)(void *context, const struct runtime_reply *reply);
    /* error: ERROR_*; message: one line for the log, without message texts or secrets */
    void (*failed)(void *context, int error, const char *message);
};

/* Of the runtimes that ask others. */
struct runtime_limits {
    int64_t tries;         /* of one request, before the first text */
    int64_t concurrency;   /* runs at once */
    int64_t total_timeout; /* ms: a run as a whole */
    int64_t wait_timeout;  /* ms that a run waits while the other end is known to be down */
};

struct runtime_config {
    const void *options;      /* the class's own options struct, filled in and within bounds */
    struct http_client *http; /* borrows, for the life of the runtime; NULL in tests without it */
    struct runtime_limits limits;
};

struct runtime_counters {
    uint64_t tries;
    uint64_t tries_failed; /* no answer, or status 5xx */
    uint64_t openings;     /* of the breaker */
    size_t running;        /* now */
    bool is_open;          /* the breaker, now */
};

/* First member of every runtime's own structs. */
struct runtime {
    const struct runtime_class *class;
};

struct runtime_run {
    struct runtime *runtime; /* borrows */
};

struct runtime_class {
    const char *name; /* as in --runtime NAME */

    /* Flags of its own, all beginning with "name-"; offsets are into its own options struct. */
    const struct option *options;
    size_t option_count;
    size_t options_size; /* bytes */

    size_t history_max; /* messages before the question that a run wants to see; 0: none */

    /*
     * Makes a runtime and checks everything that can be checked without asking anyone (files,
     * URLs). On failure returns ERROR_* and writes one clear line, without line end, into
     * error[RUNTIME_ERROR_SIZE].
     */
    int (*create)(const struct runtime_config *config, struct runtime **runtime, char *error);

    /* Runs under way end in silence. */
    void (*destroy)(struct runtime *runtime);

    /*
     * Returns 0, or ERROR_* when the run was not taken: then nothing is called back and *run is
     * NULL. ERROR_OVERLOADED asks to offer the same question again later. *run is written before
     * anything is called back, not after.
     */
    int (*run)(struct runtime *runtime, const struct runtime_request *request,
               const struct runtime_events *events, void *context, struct runtime_run **run);

    /* Ends a run that has neither done nor failed yet. Nothing is called back, now or later. */
    void (*cancel)(struct runtime_run *run);

    /*
     * Does what is due and returns when to come again: an absolute time, or -1 for not at all.
     * run() and cancel() may change it, so the caller comes once more after a batch of those.
     */
    int64_t (*tick)(struct runtime *runtime, int64_t now);

    /* NULL: it asks nobody. */
    const struct runtime_counters *(*counters)(struct runtime *runtime);
};

/* X(name): runtime_NAME is the class, defined in runtime_NAME.c. */
#define RUNTIME_TABLE(X)                                                                           \
    X(eliza)                                                                                       \
    X(openai)                                                                                      \
    X(elizaos)                                                                                     \
    X(http)

#define X(name) extern const struct runtime_class runtime_##name;
RUNTIME_TABLE(X)
#undef X

/* The runtimes of a bridge; the first one answers for agents that name none. */
enum { RUNTIMES_MAX = 8 };
struct runtime_set {
    struct runtime *list[RUNTIMES_MAX]; /* borrows */
    size_t count;
};

/* The classes in the order of the table; NULL behind the last, and for a name nobody has. */
const struct runtime_class *runtime_class_at(size_t index);
const struct runtime_class *runtime_class_find(struct slice name);

/* Destroys what create() made and nulls the caller's pointer; a NULL runtime is fine. */
void runtime_destroy(struct runtime **runtime);

#endif
