/*
 * What jobs.c (the jobs of a bridge, and who is next) and job_run.c (one of them with its runtime)
 * share. Not included elsewhere.
 */
#ifndef AGENT_BRIDGE_JOBS_INTERNAL_H
#define AGENT_BRIDGE_JOBS_INTERNAL_H

#include "agent-bridge/jobs.h"

#include "agent-bridge/speech.h"
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/hash.h"

enum job_state {
    JOB_WAITING, /* in jobs->waiting */
    JOB_READING, /* the router was asked for the history */
    JOB_RUNNING, /* the runtime has it */
    JOB_OVER     /* in jobs->over and out of the table; freed when no runtime is on the stack */
};

struct job {
    struct jobs *jobs;
    uint64_t number;
    enum job_state state;
    struct agent *agent;        /* borrows */
    struct slot *slot;          /* of the agent's runtime; borrows */
    struct bus_message message; /* the WORK; its slices borrow from `encoded` */
    struct buffer encoded;
    struct bus_message history; /* HISTORY_PAGE, once has_history; borrows from `page` */
    struct buffer page;
    bool has_history;
    struct runtime_run *run; /* NULL: not begun, or ended by the runtime itself */
    struct speech speech;
    int64_t given_at;
    int64_t started_at;
    struct job *prev, *next; /* jobs->waiting, jobs->over */
    UT_hash_handle hh;       /* jobs->table, by number */
};

/* A runtime as the jobs see it. */
struct slot {
    struct runtime *runtime; /* borrows */
    int64_t deadline;        /* of its tick; -1: none */
    bool is_stale;           /* run(), cancel() or its sockets may have changed the deadline */
    bool is_full;            /* it said so */
};

struct jobs {
    struct jobs_settings settings;
    struct agents *agents;
    struct slot slots[RUNTIMES_MAX];
    size_t slot_count;
    jobs_say *say;
    void *context;
    struct job *table;      /* owns: waiting and running */
    struct job *waiting;    /* in the order they came */
    struct job *over;       /* owns */
    int64_t now;            /* of the entry point that runs */
    bool is_blocked;        /* none of those that wait may start, until something ends */
    struct buffer question; /* scratch: the JSON of a question that begins */
    struct buffer reply;    /* scratch: the body of a reply */
    struct arena arena;     /* decoded members of the question */
    struct jobs_counters counters;
};

/* jobs.c */
/* It is not the bridge's any more: freed by the next jobs_settle(). */
void job_end(struct job *job);
void job_fail(struct job *job, int error, const char *why); /* WORK_FAILED, and the end */
void job_wait_again(struct job *job);                       /* before all others */
/* Frees what ended; no runtime is on the stack, so that it may be told to stop, too. */
void jobs_settle(struct jobs *jobs);

/* job_run.c */
/* Puts the question to the runtime of its agent; settles. */
void job_run(struct job *job, int64_t now);

#endif
