/*
 * The jobs of a bridge and their runs, one job being one attempt at one question. It waits until
 * the runtime takes it, then it runs:
 *
 *     WORK ──> waiting ──> running: WORK_CHUNK* ──> exactly one of WORK_DONE | WORK_FAILED
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
#include "proto/bus/message.h"

enum { JOBS_REPLY_MAX = 2 << 20 }; /* bytes of an answer's text; beyond: the run is ended, failed */

struct jobs;

typedef void jobs_say(void *context, const struct bus_message *message);

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
    uint64_t overloaded; /* times that the runtime had no room */
    uint64_t run_ms;     /* of the runs that were done, all together */
    size_t waiting;      /* now */
    size_t running;      /* now */
};

/* Borrows agents and runtime for its life. credit: jobs at once. */
struct jobs *jobs_new(size_t credit, const struct agents *agents, struct runtime *runtime,
                      jobs_say *say, void *context);
/* The runs under way end in silence. */
void jobs_destroy(struct jobs **jobs);

/*
 * A WORK message, which is copied. One for an unknown agent or beyond the credit is answered
 * WORK_FAILED; one whose job is there already replaces it, as a further attempt.
 */
void jobs_take(struct jobs *jobs, const struct bus_message *message);
void jobs_cancel(struct jobs *jobs, const struct bus_work_cancel *cancel);
void jobs_drop_all(struct jobs *jobs);

/* Starts the job that waits longest. False: none waits, or the runtime has no room. */
bool jobs_start_next(struct jobs *jobs, int64_t now);
/* Once in a while: a runtime that had no room is asked again. */
void jobs_offer_again(struct jobs *jobs);
/* Lets the runtime do what is due by now, if anything is. */
void jobs_run_due(struct jobs *jobs, int64_t now);
/* When jobs_run_due() has to be called next: ms, or -1. */
int64_t jobs_deadline(const struct jobs *jobs);

size_t jobs_count(const struct jobs *jobs); /* waiting and running */
const struct jobs_counters *jobs_counters(struct jobs *jobs);

#endif
