#include "router/core/run.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/work.h"
#include "router/store/record.h"

/* --- what there is to say --------------------------------------------------------------------- */

static struct bus_message run_message(const struct job *job, enum bus_run_state state)
{
    const struct room *room = job->queue->room;
    return (struct bus_message){.type = BUS_RUN,
                                .run = {.room = text_slice(&room->id),
                                        .state = state,
                                        .agent = text_slice(&job->queue->agent->id),
                                        .agent_name = text_slice(&job->queue->agent->name),
                                        .question = text_slice(&job->question),
                                        .reply = slice_of(job->reply, strlen(job->reply)),
                                        .asker = text_slice(&job->asker),
                                        .server_id = text_slice(&room->server_id)}};
}

static struct bus_message chunk_message(const struct job *job)
{
    return (struct bus_message){.type = BUS_CHUNK,
                                .chunk = {.room = text_slice(&job->queue->room->id),
                                          .reply = slice_of(job->reply, strlen(job->reply)),
                                          .question = text_slice(&job->question),
                                          .agent = text_slice(&job->queue->agent->id),
                                          .attempt = job->attempt}};
}

/* To an edge that comes later: all of it so far. */
static void catch_up(const struct job *job, struct peer *edge)
{
    struct bus_message started = run_message(job, BUS_RUN_STARTED);
    struct bus_message so_far = chunk_message(job);
    peer_send(edge, &started);
    if (job->shown > 0) {
        so_far.chunk.index = job->chunks - 1;
        so_far.chunk.is_reset = true;
        so_far.chunk.text = slice_of(job->text.data, job->shown);
        peer_send(edge, &so_far);
    }
}

/* --- who hears of it -------------------------------------------------------------------------- */

void run_publish(struct router *router, const struct job *job, struct bus_message *message)
{
    struct room *room = job->queue->room;
    struct peer *asker = peer_by_incarnation(router, text_slice(&job->asker_edge));
    room_publish(router, room, message, asker);
    for (size_t i = 0; i < job->told_count; i++) {
        struct peer *edge = peer_by_incarnation(router, text_slice(&job->told[i]));
        /*
         * As in room_publish(): before it has said what it holds, there may be a gap before this.
         */
        if (edge != NULL && edge != asker && edge->is_synchronised && !edge->is_dead &&
            room_attachment(room, edge) == NULL) {
            peer_send(edge, message);
        }
    }
}

/* Somebody there follows it, in the room or not. */
static bool is_told(const struct job *job, const struct peer *edge)
{
    struct slice incarnation = text_slice(&edge->incarnation);
    bool is_told = slice_equals(text_slice(&job->asker_edge), incarnation);
    for (size_t i = 0; i < job->told_count && !is_told; i++) {
        is_told = slice_equals(text_slice(&job->told[i]), incarnation);
    }
    return is_told;
}

void run_tell(struct job *job, const struct peer *edge)
{
    if (is_told(job, edge)) {
        return;
    }
    if (job->told_count == TOLD_EDGES_MAX) { /* the first of them are gone for long */
        free(job->told[0].data);
        memmove(job->told, job->told + 1, --job->told_count * sizeof(*job->told));
    }
    job->told = memory_reallocate(job->told, (job->told_count + 1) * sizeof(*job->told));
    job->told[job->told_count++] = text_copy(text_slice(&edge->incarnation));
}

uint64_t run_also_tell(struct router *router, const struct dedupe_entry *question,
                       const struct peer *edge)
{
    uint64_t open = 0;
    for (uint64_t i = 0; i < question->jobs; i++) {
        struct job *job = work_find(router, question->first_job + i);
        if (job != NULL) {
            open++;
            run_tell(job, edge);
        }
    }
    return open;
}

/* --- when it is said -------------------------------------------------------------------------- */

static void stop_streaming(struct router *router, struct job *job)
{
    if (job->is_streaming) {
        job->is_streaming = false;
        DL_DELETE2(router->streaming, job, streaming_prev, streaming_next);
    }
}

static bool is_hidden(const struct job *job)
{
    return job->queue->ending > (job->phase == JOB_PHASE_ENDING);
}

static void show(struct router *router, struct job *job)
{
    stop_streaming(router, job);
    if (!job->was_announced) {
        struct bus_message started = run_message(job, BUS_RUN_STARTED);
        job->was_announced = true;
        run_publish(router, job, &started);
    }
    if (job->shown == job->text.length) {
        return;
    }
    struct bus_message message = chunk_message(job);
    message.chunk.index = job->chunks++;
    message.chunk.offset = job->shown;
    message.chunk.is_reset = job->is_replacing;
    message.chunk.text = slice_of(job->text.data + job->shown, job->text.length - job->shown);
    job->shown = job->text.length;
    job->is_replacing = false;
    router->counters.chunks++;
    run_publish(router, job, &message);
}

/* Viewers get what they do not have yet, unless an earlier answer is still to come. */
static void show_in_turn(struct router *router, struct job *job)
{
    if (!is_hidden(job)) {
        show(router, job);
    }
}

void run_reveal(struct router *router, struct work_queue *queue)
{
    if (queue->active != NULL && queue->active->phase != JOB_PHASE_READING) {
        show_in_turn(router, queue->active);
    }
}

void run_begin(struct router *router, struct job *job)
{
    job->is_replacing = job->is_replacing || job->shown > 0;
    job->is_too_long = false;
    job->shown = 0;
    job->chunks = 0;
    buffer_clear(&job->text);
    show_in_turn(router, job);
}

void run_append(struct router *router, struct job *job, struct slice text)
{
    job->is_too_long = job->is_too_long || text.length > STREAMED_MAX - job->text.length;
    if (job->is_too_long || text.length == 0) {
        return;
    }
    buffer_append_slice(&job->text, text);
    if (!job->is_streaming) {
        job->is_streaming = true;
        DL_APPEND2(router->streaming, job, streaming_prev, streaming_next);
    }
}

void run_flush(struct router *router)
{
    struct job *job, *next;
    DL_FOREACH_SAFE2(router->streaming, job, next, streaming_next)
    {
        show_in_turn(router, job);
        stop_streaming(router, job); /* what is hidden comes with its reveal */
    }
}

void run_finish(struct router *router, struct job *job)
{
    if (job->was_announced || job->text.length > 0) {
        show(router, job);
    }
}

void run_end(struct router *router, struct job *job)
{
    struct bus_message message =
        run_message(job, job->end == JOB_CANCELLED ? BUS_RUN_CANCELLED : BUS_RUN_FAILED);
    run_finish(router, job);
    if (job->end == JOB_FAILED) {
        message.run.reason = slice_of_string(error_code(job->end_error));
        message.run.partial = buffer_slice(&job->text);
    }
    run_publish(router, job, &message);
}

void run_forget(struct router *router, struct job *job)
{
    stop_streaming(router, job);
}

/* --- edges that come later -------------------------------------------------------------------- */

void run_catch_up(const struct room *room, struct peer *edge)
{
    const struct work_queue *queue;
    LL_FOREACH (room->queues, queue) {
        const struct job *job;
        DL_FOREACH (queue->jobs, job) {
            if (job->was_announced) {
                catch_up(job, edge);
            }
        }
    }
}

void run_catch_up_outsider(const struct job *job, struct peer *edge)
{
    if (job->was_announced && room_attachment(job->queue->room, edge) == NULL) {
        catch_up(job, edge);
    }
}

void run_catch_up_repeat(struct router *router, const struct dedupe_entry *question,
                         struct peer *edge)
{
    for (uint64_t i = 0; i < question->jobs; i++) {
        const struct job *job = work_find(router, question->first_job + i);
        if (job != NULL) {
            run_catch_up_outsider(job, edge);
        }
    }
}

void run_catch_up_askers(struct peer *edge)
{
    const struct job *job, *next;
    HASH_ITER (hh, edge->router->jobs, job, next) {
        if (is_told(job, edge)) {
            run_catch_up_outsider(job, edge);
        }
    }
}

static void list_runs(const struct room *room, struct bus_list_builder *list)
{
    const struct work_queue *queue;
    LL_FOREACH (room->queues, queue) {
        const struct job *job;
        DL_FOREACH (queue->jobs, job) {
            struct bus_text element = {slice_of(job->reply, strlen(job->reply))};
            bus_list_add(list, BUS_ELEMENT_TEXT, &element);
        }
    }
}

static void say_runs(struct peer *edge, struct slice id, const struct room *room)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    if (room != NULL) {
        list_runs(room, &list);
    }
    struct bus_message message = {.type = BUS_RUNS,
                                  .runs = {.room = id, .replies = bus_list_of(&list)}};
    peer_send(edge, &message);
    buffer_deinit(&list.bytes);
}

void run_receive_asking(struct peer *edge, struct slice id)
{
    struct room *room = room_find(edge->router, id);
    struct attachment *attachment = room == NULL ? NULL : room_attachment(room, edge);
    if (attachment != NULL && attachment->is_catching_up) {
        attachment->is_asking = true;
    } else {
        say_runs(edge, id, room);
    }
}

void run_caught_up(struct attachment *attachment)
{
    if (attachment->is_asking) {
        attachment->is_asking = false;
        say_runs(attachment->peer, text_slice(&attachment->room->id), attachment->room);
    }
}
