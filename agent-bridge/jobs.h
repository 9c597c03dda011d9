/*
 * The jobs of a bridge and their runs, one job being one attempt at one question. For a runtime
 * that wants to know what was said before, the router is asked (HISTORY); then it waits until the
 * runtime takes it, and runs:
 *
 *     WORK ──> waiting ⇄ reading ──> running: WORK_CHUNK* ──> one of WORK_DONE | WORK_FAILED
 *
 * A job that is cancelled or dropped ends in silence. Pure: what is to be said goes out through one
 * operation. That is called from within the runtime too, so it must not call back into the jobs.
 *
 * Implements: BUS.md, the bridge's side of jobs.
 */
#ifndef AGENT_BRIDGE_JOBS_H
#define AGENT_BRIDGE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent-bridge/agents.h"
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/metrics.h"
#include "proto/bus/message.h"

enum { JOBS_REPLY_MAX = 2 << 20 }; /* bytes of an answer's text; beyond: the run is ended, failed */

struct jobs;

typedef void jobs_say(void *context, const struct bus_message *message);

struct jobs_settings {
    int64_t credit;            /* jobs at once */
    int64_t agent_concurrency; /* runs of one agent at once; 0: no limit of its own */
    int64_t wait_timeout;      /* ms that a job waits for its runtime at most; 0: for ever */
};

/* Every job that was given ends in one of the next five. */
struct jobs_counters {
    uint64_t given;
    uint64_t done;
    uint64_t failed;
    uint64_t cancelled;
    uint64_t dropped;
    uint64_t refused;     /* agent unknown, or beyond the credit */
    uint64_t over_credit; /* of the refused ones: beyond the credit */
    uint64_t chunks;
    uint64_t overloaded;            /* times that the runtime had no room */
    uint64_t waited_out;            /* of the failed ones: there was no room for too long */
    struct histogram run_seconds;   /* of the runs that were done */
    struct histogram first_seconds; /* of runs, until there was something to show */
    size_t waiting;                 /* now */
    size_t running;                 /* now */
};

/* Copies the settings and the set, borrows agents and runtimes for its life. */
struct jobs *jobs_new(const struct jobs_settings *settings, struct agents *agents,
                      const struct runtime_set *runtimes, jobs_say *say, void *context);
/* The runs under way end in silence. */
void jobs_destroy(struct jobs **jobs);
/* Another one, that a character names; before the first question to it. */
void jobs_add_runtime(struct jobs *jobs, struct runtime *runtime);

/*
 * A WORK message, which is copied. One for an unknown agent or beyond the credit is answered
 * WORK_FAILED; one whose job is there already replaces it, as a further attempt.
 */
void jobs_take(struct jobs *jobs, const struct bus_message *message);
/* The answer to a HISTORY; it is copied. */
void jobs_take_history(struct jobs *jobs, const struct bus_history_page *page);
void jobs_cancel(struct jobs *jobs, const struct bus_work_cancel *cancel);
void jobs_drop_all(struct jobs *jobs);

/* Starts the job that waits longest of those that may. False: there is none. */
bool jobs_start_next(struct jobs *jobs, int64_t now);
/* Once in a while: runtimes that had no room are asked again; what waited too long fails. */
void jobs_offer_again(struct jobs *jobs, int64_t now);
/* Lets the runtimes do what is due by now, and frees what ended. Every loop turn. */
void jobs_run_due(struct jobs *jobs, int64_t now);
/* When jobs_run_due() has to be called next: ms, or -1. */
int64_t jobs_deadline(const struct jobs *jobs);

size_t jobs_count(const struct jobs *jobs); /* waiting, reading and running */
const struct jobs_counters *jobs_counters(struct jobs *jobs);

#endif
