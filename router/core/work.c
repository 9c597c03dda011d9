#include "router/core/work.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "proto/wire/chat_event.h"
#include "router/core/agents.h"
#include "router/core/asked.h"
#include "router/core/dispatch.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/send.h"
#include "router/store/batch.h"

enum { COMMIT_FAILURES_MAX = 3 }; /* of one reply, before its question is given up */

/* --- queues ----------------------------------------------------------------------------------- */

static struct work_queue *queue_obtain(struct room *room, struct agent *agent)
{
    struct work_queue *queue;
    LL_FOREACH (room->queues, queue) {
        if (queue->agent == agent) {
            return queue;
        }
    }
    queue = memory_allocate_zeroed(sizeof(*queue));
    queue->room = room;
    queue->agent = agent;
    LL_PREPEND(room->queues, queue);
    return queue;
}

static void queue_wake(struct router *router, struct work_queue *queue)
{
    bool is_due =
        queue->active == NULL && queue->jobs != NULL && queue->jobs->phase == JOB_PHASE_QUEUED;
    if (is_due) {
        dispatch_ready(router, queue);
    }
}

static void queue_release_when_empty(struct router *router, struct work_queue *queue)
{
    if (queue->jobs == NULL) {
        dispatch_sleep(router, queue);
        LL_DELETE(queue->room->queues, queue);
        free(queue);
    }
}

struct job *work_find(struct router *router, uint64_t number)
{
    struct job *job;
    HASH_FIND(hh, router->jobs, &number, sizeof(number), job);
    return job;
}

/* Goes on from where it was last: whoever loads asks in the order of the messages. */
struct job *work_job_of(struct work_queue *queue, uint64_t seq)
{
    struct job *job = queue->found == NULL ? queue->jobs : queue->found;
    while (job->next != NULL && job->next->question_seq <= seq) {
        job = job->next;
    }
    queue->found = job;
    return job->question_seq == seq ? job : NULL;
}

bool work_has_question(const struct room *room, struct slice question)
{
    const struct work_queue *queue;
    const struct job *job;
    LL_FOREACH (room->queues, queue) {
        DL_FOREACH (queue->jobs, job) {
            if (slice_equals(text_slice(&job->question), question)) {
                return true;
            }
        }
    }
    return false;
}

struct job *work_job_new(struct router *router, struct room *room, struct agent *agent,
                         const struct job_record *record, struct slice asker)
{
    struct work_queue *queue = queue_obtain(room, agent);
    struct job *job = memory_allocate_zeroed(sizeof(*job));
    job->number = record->number;
    job->queue = queue;
    job->question = text_copy(record->question);
    job->asker = text_copy(asker);
    job->asker_edge = text_copy(record->asker_edge);
    job->question_seq = record->question_seq;
    job->question_at = record->created_at;
    size_t length =
        record->reply.length < UUID_TEXT_LENGTH ? record->reply.length : UUID_TEXT_LENGTH;
    memcpy(job->reply, record->reply.data, length);
    HASH_ADD(hh, router->jobs, number, sizeof(job->number), job);
    DL_APPEND(queue->jobs, job);
    queue->count++;
    router->counters.jobs_made++;
    return job;
}

static void forget_body(struct router *router, struct job *job)
{
    router->question_bytes -= job->body.length;
    buffer_deinit(&job->body);
}

/* The job is in nobody's hands any more. */
static void release(struct job *job)
{
    if (job->bridge != NULL) {
        job->bridge->working--;
        job->bridge = NULL;
    }
    if (job->queue->active == job) {
        job->queue->active = NULL;
    }
}

void work_job_drop(struct router *router, struct job *job)
{
    struct work_queue *queue = job->queue;
    release(job);
    forget_body(router, job);
    run_forget(router, job);
    HASH_DELETE(hh, router->jobs, job);
    DL_DELETE(queue->jobs, job);
    queue->found = NULL;
    queue->count--;
    queue->ending -= job->phase == JOB_PHASE_ENDING;
    for (size_t i = 0; i < job->told_count; i++) {
        free(job->told[i].data);
    }
    free(job->told);
    free(job->question.data);
    free(job->asker.data);
    free(job->asker_edge.data);
    buffer_deinit(&job->answer);
    buffer_deinit(&job->text);
    free(job);
    dispatch_sleep(router, queue);
    queue_wake(router, queue);
    queue_release_when_empty(router, queue);
}

void work_job_ready(struct router *router, struct job *job)
{
    release(job);
    job->phase = JOB_PHASE_QUEUED;
    job->was_stopped = false;
    buffer_deinit(&job->answer);
    queue_wake(router, job->queue);
}

/* Its bridge may stop working on it. */
static void revoke(const struct job *job)
{
    if (job->phase == JOB_PHASE_WORKING) {
        struct bus_message message = {.type = BUS_WORK_CANCEL,
                                      .work_cancel = {.job = job->number, .attempt = job->attempt}};
        peer_send(job->bridge, &message);
    }
}

/* --- their ends ------------------------------------------------------------------------------- */

/* Its end goes into the batch; the next question of the queue may be given out already. */
static void begin_end(struct router *router, struct job *job, enum job_state state, int error)
{
    release(job);
    forget_body(router, job);
    job->phase = JOB_PHASE_ENDING;
    job->end = state;
    job->end_error = error;
    job->end_batch = router_batch(router)->number;
    job->queue->ending++;
    DL_DELETE(job->queue->jobs, job);
    DL_APPEND(job->queue->jobs, job);
    dispatch_sleep(router, job->queue);
    queue_wake(router, job->queue);
}

void work_job_fail(struct router *router, struct job *job, enum job_state state, int error)
{
    begin_end(router, job, state, error);
    struct job_record record = {.number = job->number,
                                .state = state,
                                .finished_at = router->time.wall,
                                .attempts = job->attempt};
    if (state == JOB_FAILED) {
        record.error = slice_of_string(error_code(error));
    }
    store_batch_finish_job(router_batch(router), &record);
    router_pend(router, PENDING_JOB_END)->job = job->number;
}

/* Is an earlier end of this queue in another batch than the one that fills? It may still fail. */
static bool is_behind(struct router *router, const struct work_queue *queue)
{
    const struct job *job;
    DL_FOREACH (queue->jobs, job) {
        if (job->phase == JOB_PHASE_ENDING && job->end_batch != router_batch(router)->number) {
            return true;
        }
    }
    return false;
}

void work_job_answer(struct router *router, struct job *job, struct slice body)
{
    if (job->queue->ending > 0 && is_behind(router, job->queue)) {
        struct work_queue *queue = job->queue;
        release(job); /* the bridge is done with it */
        queue->active = job;
        job->phase = JOB_PHASE_ANSWERED;
        buffer_append_slice(&job->answer, body);
        return;
    }
    begin_end(router, job, JOB_DONE, 0);
    send_reply(router, job, body);
}

/* The end of an earlier question is stored: what waited for it goes on. */
static void go_on(struct router *router, struct work_queue *queue)
{
    struct job *job = queue->active;
    if (job != NULL && job->phase == JOB_PHASE_ANSWERED && !is_behind(router, queue)) {
        struct buffer body = job->answer;
        job->answer = BUFFER_EMPTY;
        begin_end(router, job, JOB_DONE, 0);
        send_reply(router, job, buffer_slice(&body));
        buffer_deinit(&body);
    } else {
        run_reveal(router, queue);
    }
}

/*
 * Not stored, so not said: the question is asked again, ahead of later ones, and of one that a
 * bridge is working on already: that one is taken back.
 */
static void ask_again(struct router *router, struct job *job)
{
    struct work_queue *queue = job->queue;
    struct job *active = queue->active;
    struct job *later;
    queue->ending--;
    if (active != NULL) {
        revoke(active);
        work_job_ready(router, active);
    }
    DL_DELETE(queue->jobs, job);
    DL_FOREACH (queue->jobs, later) {
        if (later->phase == JOB_PHASE_ENDING || later->number > job->number) {
            break;
        }
    }
    DL_PREPEND_ELEM(queue->jobs, later, job);
    dispatch_sleep(router, queue);
    work_job_ready(router, job);
}

void work_job_ended(struct router *router, struct pending *pending, int result)
{
    struct job *job = work_find(router, pending->job);
    if (job == NULL || job->phase != JOB_PHASE_ENDING) {
        return;
    }
    if (result != 0 && ++job->failures >= COMMIT_FAILURES_MAX && job->end == JOB_DONE) {
        /* It is this reply that the store cannot take: the question ends without one. */
        job->queue->ending--;
        work_job_fail(router, job, JOB_FAILED, ERROR_STORE);
        return;
    }
    if (result != 0) {
        ask_again(router, job);
        return;
    }
    if (job->end != JOB_DONE) {
        run_end(router, job);
    }
    router->counters.jobs_finished++;
    asked_note(router, job->queue->room, text_slice(&job->asker),
               text_slice(&job->queue->agent->id), router->time.wall);
    struct work_queue *queue = job->queue;
    bool is_last = queue->count == 1;
    work_job_drop(router, job);
    if (!is_last) {
        go_on(router, queue);
    }
}

/* --- questions that are not to be answered ---------------------------------------------------- */

static bool is_open(const struct job *job)
{
    return job->phase != JOB_PHASE_ENDING && job->phase != JOB_PHASE_WAITING;
}

static void cancel(struct router *router, struct job *job)
{
    if (is_open(job)) { /* not over already, nor asked after the stop */
        revoke(job);
        work_job_fail(router, job, JOB_CANCELLED, 0);
    }
}

/* False: it has said nothing, or it would not be in its turn. */
static bool answer_with_words_so_far(struct router *router, struct job *job)
{
    const struct work_queue *queue = job->queue;
    bool is_its_turn = queue->active == NULL || queue->active == job;
    struct chat_reply reply = {.agent_id = text_slice(&queue->agent->id),
                               .agent_name = text_slice(&queue->agent->name),
                               .text = buffer_slice(&job->text),
                               .room = text_slice(&queue->room->id),
                               .server_id = text_slice(&queue->room->server_id),
                               .in_reply_to = text_slice(&job->question),
                               .raw_actions = SLICE_LITERAL("[]"),
                               .was_stopped = true};
    struct buffer body = BUFFER_EMPTY;
    if (job->text.length == 0 || !is_its_turn) {
        return false;
    }
    chat_write_reply_body(&reply, &body);
    bool fits = body.length <= BUS_PAYLOAD_MAX;
    if (fits) {
        job->was_stopped = true;
        work_job_answer(router, job, buffer_slice(&body));
    }
    buffer_deinit(&body);
    return fits;
}

/* False: nothing is being written for it. */
static bool stop(struct router *router, struct job *job)
{
    if (!is_open(job) || job->phase == JOB_PHASE_ANSWERED) {
        return false;
    }
    revoke(job);
    if (!answer_with_words_so_far(router, job)) {
        work_job_fail(router, job, JOB_CANCELLED, 0);
    }
    return true;
}

void work_stop_room(struct router *router, struct room *room)
{
    struct work_queue *queue, *next_queue;
    LL_FOREACH_SAFE (room->queues, queue, next_queue) {
        struct job *job, *next_job;
        DL_FOREACH_SAFE (queue->jobs, job, next_job) {
            stop(router, job);
        }
    }
}

size_t work_stop_run(struct router *router, struct room *room, struct slice id)
{
    size_t count = 0;
    struct work_queue *queue, *next_queue;
    LL_FOREACH_SAFE (room->queues, queue, next_queue) {
        struct job *job, *next_job;
        DL_FOREACH_SAFE (queue->jobs, job, next_job) {
            bool is_meant =
                slice_is(id, job->reply) || slice_equals(id, text_slice(&job->question));
            count += is_meant && stop(router, job);
        }
    }
    return count;
}

void work_stop_agent(struct router *router, const struct agent *agent)
{
    struct job *job, *next;
    HASH_ITER (hh, router->jobs, job, next) {
        if (job->queue->agent == agent) {
            stop(router, job);
        }
    }
}

static void cancel_queue(struct router *router, struct work_queue *queue)
{
    struct job *job, *next;
    DL_FOREACH_SAFE (queue->jobs, job, next) {
        cancel(router, job);
    }
}

void work_cancel_room(struct router *router, struct room *room)
{
    struct work_queue *queue, *next;
    LL_FOREACH_SAFE (room->queues, queue, next) {
        cancel_queue(router, queue);
    }
}

void work_cancel_agent_in(struct router *router, struct room *room, const struct agent *agent)
{
    struct work_queue *queue, *next_queue;
    LL_FOREACH_SAFE (room->queues, queue, next_queue) {
        if (queue->agent == agent) {
            cancel_queue(router, queue);
        }
    }
}

void work_tick(struct router *router)
{
    struct job *job, *next;
    int64_t latest = router->time.wall - router->settings.job_deadline;
    HASH_ITER (hh, router->jobs, job, next) { /* in the order of their making */
        if (job->question_at > latest) {
            break;
        }
        if (is_open(job)) {
            log_warn("job_timed_out", "job=%" PRIu64 " attempt=%" PRIu64, job->number,
                     job->attempt);
            router->counters.jobs_timed_out++;
            revoke(job);
            work_job_fail(router, job, JOB_FAILED, ERROR_TIMEOUT);
        }
    }
}

void work_destroy(struct router *router)
{
    struct job *job, *next;
    HASH_ITER (hh, router->jobs, job, next) {
        work_job_drop(router, job);
    }
}
