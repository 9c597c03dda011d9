#include "agent-bridge/jobs.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "proto/base/hash.h"
#include <utlist.h>

#include "agent-bridge/history.h"
#include "agent-bridge/question.h"
#include "agent-bridge/speech.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"

enum { SCRATCH_KEPT = 64 * 1024 }; /* bytes of a scratch buffer that outlive their use */

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

/* --- ends ------------------------------------------------------------------------------------- */

static void end(struct job *job)
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

static void fail(struct job *job, int error, const char *why)
{
    log_warn("run_failed", "job=%" PRIu64 " attempt=%" PRIu64 " agent=%.*s code=%s why=%s",
             job->number, job->message.work.attempt, (int)job->agent->name.length,
             job->agent->name.data, error_code(error), why);
    job->jobs->counters.failed++;
    say_failed(job->jobs, &job->message, error);
    end(job);
}

/* Frees what ended; the runtimes have returned, so that it may be told to stop, too. */
static void settle(struct jobs *jobs)
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

/* --- what a run says -------------------------------------------------------------------------- */

static void say_chunk(struct job *job, struct slice text)
{
    struct jobs *jobs = job->jobs;
    struct bus_message message = {.type = BUS_WORK_CHUNK,
                                  .trace = job->message.trace,
                                  .work_chunk = {.job = job->number,
                                                 .attempt = job->message.work.attempt,
                                                 .index = job->speech.chunks++,
                                                 .text = text}};
    if (text.length == 0) {
        return; /* it is held back, or not for people */
    }
    job->speech.streamed += text.length;
    jobs->counters.chunks++;
    jobs->say(jobs->context, &message);
}

static void on_chunk(void *context, struct slice text)
{
    struct job *job = context;
    struct slice shown;
    if (job->state == JOB_OVER) {
        return;
    }
    if (text.length > JOBS_REPLY_MAX - job->speech.streamed ||
        speech_push(&job->speech, text, &shown) != 0) {
        fail(job, ERROR_TOO_LARGE, "the answer is too long");
        return;
    }
    say_chunk(job, shown);
}

static void write_reply(const struct job *job, const struct runtime_reply *reply, struct slice text,
                        struct buffer *out)
{
    const struct bus_work *work = &job->message.work;
    struct chat_reply body = {
        .agent_id = job->agent->id,
        .agent_name = reply->agent_name.length > 0 ? reply->agent_name : job->agent->name,
        .text = text,
        .room = work->room,
        .server_id = work->server_id,
        .in_reply_to = work->question,
        .thought = reply->thought,
        .raw_actions = reply->actions.length > 0 ? reply->actions : SLICE_LITERAL("[]"),
        .raw_metadata = reply->metadata};
    chat_write_reply_body(&body, out);
}

static void on_done(void *context, const struct runtime_reply *reply)
{
    struct job *job = context;
    struct jobs *jobs = job->jobs;
    job->run = NULL;
    if (job->state == JOB_OVER) {
        return;
    }
    say_chunk(job, speech_flush(&job->speech));
    struct slice text = speech_whole(&job->speech, reply->text);
    write_reply(job, reply, text, &jobs->reply);
    if (text.length == 0 && reply->text.length > 0) {
        fail(job, ERROR_AGENT_REFUSED, "nothing of the answer is for people");
    } else if (reply->text.length > JOBS_REPLY_MAX || jobs->reply.length > BUS_PAYLOAD_MAX) {
        fail(job, ERROR_TOO_LARGE, "the answer is too long");
    } else {
        struct bus_message message = {.type = BUS_WORK_DONE,
                                      .trace = job->message.trace,
                                      .work_done = {.job = job->number,
                                                    .attempt = job->message.work.attempt,
                                                    .body = buffer_slice(&jobs->reply)}};
        jobs->counters.done++;
        jobs->counters.run_ms += (uint64_t)(jobs->now - job->started_at);
        jobs->say(jobs->context, &message);
        end(job);
    }
    buffer_shrink(&jobs->reply, SCRATCH_KEPT);
}

static void on_failed(void *context, int error, const char *message)
{
    struct job *job = context;
    job->run = NULL;
    if (job->state != JOB_OVER) {
        fail(job, error, message);
    }
}

static const struct runtime_events events = {on_chunk, on_done, on_failed};

/* --- beginnings ------------------------------------------------------------------------------- */

static void wait_again(struct job *job)
{
    struct jobs *jobs = job->jobs;
    job->state = JOB_WAITING;
    DL_PREPEND(jobs->waiting, job);
}

static void ask_runtime(struct jobs *jobs, struct job *job, struct runtime_request *request)
{
    const struct runtime_class *class = job->slot->runtime->class;
    struct runtime_turn *turns = NULL;
    if (job->has_history) {
        request->history_count = history_read(&job->history.history_page, &job->message.work,
                                              class->history_max, &jobs->arena, &turns);
        request->history = turns;
    }
    int error = class->run(job->slot->runtime, request, &events, job, &job->run);
    job->slot->is_stale = true;
    if (error == ERROR_OVERLOADED) {
        wait_again(job);
        jobs->counters.running--;
        job->agent->running--;
        jobs->counters.waiting++;
        jobs->counters.overloaded++;
        job->slot->is_full = true;
        return;
    }
    buffer_deinit(&job->page);
    job->has_history = false;
    if (error != 0) {
        fail(job, error, "the runtime refused");
    }
}

static void run(struct jobs *jobs, struct job *job, int64_t now)
{
    const struct bus_work *work = &job->message.work;
    struct runtime_request request = {.room_id = work->room,
                                      .server_id = work->server_id,
                                      .message_id = work->question,
                                      .agent_id = job->agent->id,
                                      .agent_name = job->agent->name,
                                      .character = job->agent->character,
                                      .sender_id = work->sender,
                                      .has_backlog = work->backlog > 0,
                                      .now = now};
    jobs->counters.waiting--;
    jobs->counters.running++;
    job->agent->running++;
    job->state = JOB_RUNNING;
    job->started_at = now;
    int error = question_read(work->body, &jobs->question, &jobs->arena, &request.text,
                              &request.sender_name);
    if (error == 0) {
        ask_runtime(jobs, job, &request);
    } else {
        fail(job, error, "the question is malformed");
    }
    buffer_shrink(&jobs->question, SCRATCH_KEPT);
    arena_reset(&jobs->arena);
    settle(jobs);
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
        run(jobs, job, now);
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
        end(former);
        settle(jobs);
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
    wait_again(job);
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
        end(job);
        settle(jobs);
    }
}

void jobs_drop_all(struct jobs *jobs)
{
    struct job *job, *next;
    HASH_ITER (hh, jobs->table, job, next) {
        jobs->counters.dropped++;
        end(job);
    }
    settle(jobs);
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
            fail(job, ERROR_AGENT_BUSY, "the runtime had no room for too long");
        }
    }
    settle(jobs);
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
    settle(jobs);
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
