#include "agent-bridge/jobs_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

/* --- ends ------------------------------------------------------------------------------------- */

void job_end(struct job *job)
{
    struct jobs *jobs = job->jobs;
    if (job->state == JOB_RUNNING) {
        jobs->counters.running--;
        job->agent->running--;
    } else {
        jobs->counters.waiting--;
    }
    if (job->state == JOB_WAITING) {
        DL_DELETE(jobs->waiting, job);
    }
    jobs->is_blocked = false;
    HASH_DEL(jobs->table, job);
    job->state = JOB_OVER;
    DL_APPEND(jobs->over, job);
}

static void say_failed(struct jobs *jobs, const struct bus_message *work, int error)
{
    struct bus_message message = {
        .type = BUS_WORK_FAILED,
        .trace = work->trace,
        .work_failed = {.job = work->work.job, .attempt = work->work.attempt, .error = error}};
    jobs->say(jobs->context, &message);
}

void job_fail(struct job *job, int error, const char *why)
{
    log_warn("run_failed", "job=%" PRIu64 " attempt=%" PRIu64 " agent=%.*s code=%s why=%s",
             job->number, job->message.work.attempt, (int)job->agent->name.length,
             job->agent->name.data, error_code(error), why);
    job->jobs->counters.failed++;
    say_failed(job->jobs, &job->message, error);
    job_end(job);
}

void jobs_settle(struct jobs *jobs)
{
    while (jobs->over != NULL) {
        struct job *job = jobs->over;
        DL_DELETE(jobs->over, job);
        if (job->run != NULL) {
            job->slot->runtime->class->cancel(job->run);
            job->slot->is_stale = true;
        }
        agents_release(jobs->agents, job->agent);
        speech_deinit(&job->speech);
        buffer_deinit(&job->encoded);
        buffer_deinit(&job->page);
        free(job);
    }
}

/* --- who is next ------------------------------------------------------------------------------ */

void job_wait_again(struct job *job)
{
    struct jobs *jobs = job->jobs;
    job->state = JOB_WAITING;
    DL_PREPEND(jobs->waiting, job);
}

static void ask_for_history(struct jobs *jobs, struct job *job)
{
    struct bus_message message = {.type = BUS_HISTORY,
                                  .trace = job->message.trace,
                                  .history = {.request = job->number,
                                              .room = job->message.work.room,
                                              /* the question is among them */
                                              .limit = job->slot->runtime->class->history_max + 1}};
    job->state = JOB_READING;
    jobs->say(jobs->context, &message);
}

static bool may_start(const struct jobs *jobs, const struct job *job)
{
    int64_t most = jobs->settings.agent_concurrency;
    return !job->slot->is_full && (most == 0 || job->agent->running < (size_t)most);
}

bool jobs_start_next(struct jobs *jobs, int64_t now)
{
    struct job *job;
    jobs->now = now;
    if (jobs->is_blocked) {
        return false;
    }
    DL_FOREACH (jobs->waiting, job) {
        if (may_start(jobs, job)) {
            break;
        }
    }
    if (job == NULL) {
        jobs->is_blocked = true;
        return false;
    }
    DL_DELETE(jobs->waiting, job);
    if (job->slot->runtime->class->history_max > 0 && !job->has_history) {
        ask_for_history(jobs, job);
    } else {
        job_run(job, now);
    }
    return true;
}

static struct slot *slot_of(struct jobs *jobs, const struct agent *agent)
{
    for (size_t i = 0; i < jobs->slot_count; i++) {
        if (jobs->slots[i].runtime == agent->runtime) {
            return &jobs->slots[i];
        }
    }
    return &jobs->slots[0];
}

static void add(struct jobs *jobs, struct agent *agent, const struct bus_message *message)
{
    struct job *job = memory_allocate_zeroed(sizeof(*job));
    job->jobs = jobs;
    job->number = message->work.job;
    job->agent = agent;
    agent->references++;
    /* A name that is none was refused with the character. */
    speech_init(&job->speech, agent->character == NULL ? SLICE_EMPTY : agent->character->extract);
    job->slot = slot_of(jobs, agent);
    job->given_at = jobs->now;
    bus_encode(&job->encoded, message);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&job->encoded));
    int error = bus_decode(&reader, &job->message);
    assert(error == 0);
    (void)error;
    HASH_ADD(hh, jobs->table, number, sizeof(job->number), job);
    DL_APPEND(jobs->waiting, job);
    jobs->counters.waiting++;
    jobs->is_blocked = false;
}

static struct job *find(struct jobs *jobs, uint64_t number)
{
    struct job *job;
    HASH_FIND(hh, jobs->table, &number, sizeof(number), job);
    return job;
}

void jobs_take(struct jobs *jobs, const struct bus_message *message)
{
    struct agent *agent = agents_find(jobs->agents, message->work.agent);
    struct job *former = find(jobs, message->work.job);
    jobs->counters.given++;
    if (former != NULL) {
        jobs->counters.cancelled++;
        job_end(former);
        jobs_settle(jobs);
    }
    if (agent == NULL) {
        jobs->counters.refused++;
        say_failed(jobs, message, ERROR_NO_AGENT);
    } else if (HASH_COUNT(jobs->table) >= (size_t)jobs->settings.credit) {
        jobs->counters.refused++;
        jobs->counters.over_credit++;
        say_failed(jobs, message, ERROR_OVERLOADED);
    } else {
        add(jobs, agent, message);
    }
}

void jobs_take_history(struct jobs *jobs, const struct bus_history_page *page)
{
    struct job *job = find(jobs, page->request);
    if (job == NULL || job->state != JOB_READING) {
        return; /* it ended meanwhile */
    }
    job_wait_again(job);
    if (page->error != 0) {
        job->slot->is_full = true; /* not now: asked again with the next offer */
        return;
    }
    struct bus_message message = {.type = BUS_HISTORY_PAGE, .history_page = *page};
    bus_encode(&job->page, &message);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&job->page));
    int error = bus_decode(&reader, &job->history);
    assert(error == 0);
    (void)error;
    job->has_history = true;
    jobs->is_blocked = false;
}

/* --- the rest --------------------------------------------------------------------------------- */

void jobs_cancel(struct jobs *jobs, const struct bus_work_cancel *cancel)
{
    struct job *job = find(jobs, cancel->job);
    /* None: the answer and the cancellation crossed. */
    if (job != NULL && job->message.work.attempt == cancel->attempt) {
        jobs->counters.cancelled++;
        job_end(job);
        jobs_settle(jobs);
    }
}

void jobs_drop_all(struct jobs *jobs)
{
    struct job *job, *next;
    HASH_ITER (hh, jobs->table, job, next) {
        jobs->counters.dropped++;
        job_end(job);
    }
    jobs_settle(jobs);
}

/* It has no room because its other end is down. */
static bool is_left_alone(struct runtime *runtime)
{
    return runtime->class->counters != NULL && runtime->class->counters(runtime)->is_open;
}

void jobs_offer_again(struct jobs *jobs, int64_t now)
{
    struct job *job, *next;
    jobs->now = now;
    for (size_t i = 0; i < jobs->slot_count; i++) {
        jobs->slots[i].is_full = false;
        jobs->slots[i].is_stale = true;
    }
    jobs->is_blocked = false;
    DL_FOREACH_SAFE (jobs->waiting, job, next) {
        if (jobs->settings.wait_timeout > 0 && now - job->given_at >= jobs->settings.wait_timeout) {
            jobs->counters.waited_out++;
            if (is_left_alone(job->slot->runtime)) {
                job_fail(job, ERROR_AGENT_UNREACHABLE, "the runtime has failed too often lately");
            } else {
                job_fail(job, ERROR_AGENT_BUSY, "the runtime had no room for too long");
            }
        }
    }
    jobs_settle(jobs);
}

void jobs_run_due(struct jobs *jobs, int64_t now)
{
    jobs->now = now;
    for (size_t i = 0; i < jobs->slot_count; i++) {
        struct slot *slot = &jobs->slots[i];
        if (slot->is_stale || (slot->deadline >= 0 && slot->deadline <= now)) {
            slot->is_stale = false;
            slot->deadline = slot->runtime->class->tick(slot->runtime, now);
        }
    }
    jobs_settle(jobs);
}

int64_t jobs_deadline(const struct jobs *jobs)
{
    int64_t deadline = -1;
    for (size_t i = 0; i < jobs->slot_count; i++) {
        int64_t own = jobs->slots[i].is_stale ? jobs->now : jobs->slots[i].deadline;
        if (own >= 0 && (deadline < 0 || own < deadline)) {
            deadline = own;
        }
    }
    return deadline;
}

size_t jobs_count(const struct jobs *jobs)
{
    return HASH_COUNT(jobs->table);
}

const struct jobs_counters *jobs_counters(struct jobs *jobs)
{
    return &jobs->counters;
}

void jobs_add_runtime(struct jobs *jobs, struct runtime *runtime)
{
    assert(jobs->slot_count < RUNTIMES_MAX);
    /* Stale: a runtime may have something to do before the first run. */
    jobs->slots[jobs->slot_count++] = (struct slot){.runtime = runtime, .is_stale = true};
}

struct jobs *jobs_new(const struct jobs_settings *settings, struct agents *agents,
                      const struct runtime_set *runtimes, jobs_say *say, void *context)
{
    struct jobs *jobs = memory_allocate_zeroed(sizeof(*jobs));
    jobs->settings = *settings;
    jobs->agents = agents;
    for (size_t i = 0; i < runtimes->count; i++) {
        jobs_add_runtime(jobs, runtimes->list[i]);
    }
    jobs->say = say;
    jobs->context = context;
    arena_init(&jobs->arena);
    return jobs;
}

void jobs_destroy(struct jobs **self)
{
    struct jobs *jobs = *self;
    *self = NULL;
    if (jobs == NULL) {
        return;
    }
    jobs_drop_all(jobs);
    buffer_deinit(&jobs->question);
    buffer_deinit(&jobs->reply);
    arena_deinit(&jobs->arena);
    free(jobs);
}
