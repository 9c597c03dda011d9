/*
 * Jobs: the questions of one room to one agent in their order, and their ends.
 */
#ifndef ROUTER_CORE_WORK_H
#define ROUTER_CORE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "proto/base/id.h"
#include "router/core/text.h"
#include "router/store/record.h"

struct agent;
struct peer;
struct pending;
struct room;
struct router;

enum job_phase {
    JOB_PHASE_WAITING, /* made in a batch that is not committed yet */
    JOB_PHASE_QUEUED,
    JOB_PHASE_READING,  /* its question is being read from the store, for a bridge that has room */
    JOB_PHASE_WORKING,  /* a bridge has it */
    JOB_PHASE_ANSWERED, /* a bridge has; an earlier answer of the queue is with the store */
    JOB_PHASE_ENDING    /* its end is in a batch */
};

struct job {
    uint64_t number;
    struct work_queue *queue;
    struct text question;
    struct text asker;      /* entity that sent the question */
    struct text asker_edge; /* incarnation */
    struct text *told;      /* owns: incarnations of other edges where somebody follows it */
    size_t told_count;
    uint64_t question_seq;
    int64_t question_at;
    char reply[UUID_TEXT_SIZE];
    enum job_phase phase;
    enum job_state end; /* while ENDING */
    uint64_t end_batch; /* while ENDING: the number of the batch that its end is in */
    int end_error;
    uint64_t attempt;
    uint64_t hops;        /* see asking.h */
    int64_t losses;       /* bridges that were lost while they had it */
    unsigned failures;    /* commits of its end that failed */
    struct peer *bridge;  /* while READING or WORKING: counts it as work */
    struct buffer body;   /* of the question; empty: to be read from the store */
    struct buffer answer; /* while ANSWERED: the body of the reply */
    struct buffer text;   /* of the reply, as this attempt has written it so far */
    size_t shown;         /* bytes of it that viewers have */
    uint64_t chunks;      /* of this attempt, handed to viewers */
    bool is_replacing;    /* viewers may have pieces of an earlier attempt */
    bool is_too_long;     /* viewers wait for the end */
    bool was_announced;   /* RUN started went out */
    bool was_stopped;     /* its answer is what it had said until then */
    bool is_streaming;    /* in router->streaming */
    struct job *streaming_prev, *streaming_next;
    struct job *prev, *next; /* queue->jobs */
    UT_hash_handle hh;       /* router->jobs, by number */
};

/* The questions of one room to one agent, in order; the first one may be with a bridge. */
struct work_queue {
    struct heap_entry ready; /* first; in agent->ready */
    struct room *room;
    struct agent *agent;
    struct job *jobs;
    size_t count;
    size_t ending;           /* of them: answered, their end is in a batch */
    struct job *active;      /* borrows: the one that is READING, WORKING or ANSWERED */
    struct job *found;       /* borrows: where work_job_of() goes on; or NULL */
    struct work_queue *next; /* room->queues */
};

struct job *work_find(struct router *router, uint64_t number);
/* Is an agent still to answer it, or the end of that still to be stored? */
bool work_has_question(const struct room *room, struct slice question);
/* The one that answers the message of that seq, or NULL. Only for rising seqs, while loading. */
struct job *work_job_of(struct work_queue *queue, uint64_t seq);
struct job *work_job_new(struct router *router, struct room *room, struct agent *agent,
                         const struct job_record *record, struct slice asker);
void work_job_ready(struct router *router, struct job *job); /* its question is committed */
void work_job_drop(struct router *router, struct job *job);  /* its question was not */
/* A bridge has answered; or the question ends without an answer. */
void work_job_answer(struct router *router, struct job *job, struct slice body);
void work_job_fail(struct router *router, struct job *job, enum job_state state, int error);
void work_job_ended(struct router *router, struct pending *pending, int result);
/* Stopped: what viewers have of an answer is the answer, and kept as one. */
void work_stop_room(struct router *router, struct room *room);
/* Those with that reply, or to that question. Returns how many. */
size_t work_stop_run(struct router *router, struct room *room, struct slice id);
void work_stop_agent(struct router *router, const struct agent *agent);
/* Ended without an answer, whatever was said of it. */
void work_cancel_room(struct router *router, struct room *room);
void work_cancel_agent_in(struct router *router, struct room *room, const struct agent *agent);
void work_tick(struct router *router); /* questions that have waited for too long */
void work_destroy(struct router *router);

#endif
