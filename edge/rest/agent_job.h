/*
 * A job of the Jobs API: one question to one agent in a channel of its own, with a deadline. Kept
 * as a record, without its texts: those are in the channel's history. What has become of it follows
 * from that history, so that it is the same on every edge and whatever was killed; the record only
 * remembers it. Pure.
 *
 * Implements: the states of ElizaOS 1.7's Jobs API.
 */
#ifndef EDGE_REST_AGENT_JOB_H
#define EDGE_REST_AGENT_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum {
    AGENT_JOB_TIMEOUT = 30 * 1000, /* ms, as the next ones */
    AGENT_JOB_TIMEOUT_MIN = 1000,
    AGENT_JOB_TIMEOUT_MAX = 300 * 1000,
    AGENT_JOB_KEPT = 60 * 60 * 1000, /* beyond its deadline */
};

enum agent_job_status {
    AGENT_JOB_PENDING, /* of the reference; none of ours is */
    AGENT_JOB_PROCESSING,
    AGENT_JOB_COMPLETED,
    AGENT_JOB_FAILED,
    AGENT_JOB_TIMED_OUT,
    AGENT_JOB_STATUSES
};

/* Times are wall ms. Texts borrow from what it was read from. */
struct agent_job {
    struct slice channel;
    struct slice agent;
    struct slice user;
    struct slice question; /* message id */
    struct slice metadata; /* raw JSON object, or empty */
    int64_t created_at;
    int64_t expires_at;
    enum agent_job_status status;
    int64_t finished_at; /* 0: it is processing */
};

const char *agent_job_status_name(enum agent_job_status status);
/* AGENT_JOB_STATUSES: there is none of that name. */
enum agent_job_status agent_job_status_of(struct slice name);
bool agent_job_is_over(const struct agent_job *job);
/* Is it an agent's answer, and not the note of an action that it begins? */
bool agent_job_is_answer(const struct agent_job *job, struct slice sender, struct slice text);

/* What follows, unless it is over already. The answer came at `at`: was that in time? */
void agent_job_answered(struct agent_job *job, int64_t at);
/* There is no answer yet; nor will there be, if it is not expected. */
void agent_job_unanswered(struct agent_job *job, bool is_expected, int64_t now);

/* As a record's body, and back. False: it is none. */
void agent_job_write(const struct agent_job *job, struct buffer *out);
bool agent_job_read(struct slice body, struct arena *arena, struct agent_job *job);

#endif
