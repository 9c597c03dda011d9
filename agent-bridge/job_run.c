#include "agent-bridge/jobs_internal.h"

#include <inttypes.h>

#include "agent-bridge/history.h"
#include "agent-bridge/question.h"
#include "proto/base/error.h"
#include "proto/wire/chat_event.h"

enum { SCRATCH_KEPT = 64 * 1024 }; /* bytes of a scratch buffer that outlive their use */

/* --- what a run says -------------------------------------------------------------------------- */

static double seconds_of_run(const struct job *job)
{
    return (double)(job->jobs->now - job->started_at) / 1000;
}

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
    if (job->speech.streamed == 0) {
        histogram_observe(&jobs->counters.first_seconds, seconds_of_run(job));
    }
    job->speech.streamed += text.length;
    jobs->counters.chunks++;
    jobs->say(jobs->context, &message);
}

/* What an extractor has held back comes with a later chunk: more may be out than was let in. */
static bool has_room(const struct job *job, struct slice text)
{
    size_t streamed = job->speech.streamed;
    return streamed <= JOBS_REPLY_MAX && text.length <= JOBS_REPLY_MAX - streamed;
}

static void on_chunk(void *context, struct slice text)
{
    struct job *job = context;
    struct slice shown;
    if (job->state == JOB_OVER) {
        return;
    }
    if (!has_room(job, text) || speech_push(&job->speech, text, &shown) != 0) {
        job_fail(job, ERROR_TOO_LARGE, "the answer is too long");
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
        job_fail(job, ERROR_AGENT_REFUSED, "nothing of the answer is for people");
    } else if (reply->text.length > JOBS_REPLY_MAX || jobs->reply.length > BUS_PAYLOAD_MAX) {
        job_fail(job, ERROR_TOO_LARGE, "the answer is too long");
    } else {
        struct bus_message message = {.type = BUS_WORK_DONE,
                                      .trace = job->message.trace,
                                      .work_done = {.job = job->number,
                                                    .attempt = job->message.work.attempt,
                                                    .body = buffer_slice(&jobs->reply)}};
        jobs->counters.done++;
        histogram_observe(&jobs->counters.run_seconds, seconds_of_run(job));
        jobs->say(jobs->context, &message);
        job_end(job);
    }
    buffer_shrink(&jobs->reply, SCRATCH_KEPT);
}

static void on_failed(void *context, int error, const char *message)
{
    struct job *job = context;
    job->run = NULL;
    if (job->state != JOB_OVER) {
        job_fail(job, error, message);
    }
}

static const struct runtime_events events = {on_chunk, on_done, on_failed};

/* --- the beginning ---------------------------------------------------------------------------- */

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
        job_wait_again(job);
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
        job_fail(job, error, "the runtime refused");
    }
}

void job_run(struct job *job, int64_t now)
{
    struct jobs *jobs = job->jobs;
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
        job_fail(job, error, "the question is malformed");
    }
    buffer_shrink(&jobs->question, SCRATCH_KEPT);
    arena_reset(&jobs->arena);
    jobs_settle(jobs);
}
