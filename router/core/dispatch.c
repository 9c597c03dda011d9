#include "router/core/dispatch.h"

#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/work.h"
#include "router/store/query.h"
#include "router/store/record.h"

/* A store that could not be read from is not asked again at once. */
enum { READ_PAUSE_MS = 200 };

/*
 * Who waits longest is next: questions are numbered as they come, each queue has its turn by its
 * first one, and each agent that a bridge runs by the first of those.
 */

static int64_t waits_since(const struct work_queue *queue)
{
    return (int64_t)queue->jobs->number;
}

void dispatch_agent(struct router *router, struct agent *agent)
{
    if (agent->ready.count == 0 || agent->offers == NULL || agent->is_passed_over) {
        heap_remove(&router->turns, &agent->turn);
    } else {
        heap_set(&router->turns, &agent->turn, heap_next_deadline(&agent->ready));
    }
}

void dispatch_ready(struct router *router, struct work_queue *queue)
{
    heap_set(&queue->agent->ready, &queue->ready, waits_since(queue));
    dispatch_agent(router, queue->agent);
}

void dispatch_sleep(struct router *router, struct work_queue *queue)
{
    heap_remove(&queue->agent->ready, &queue->ready);
    dispatch_agent(router, queue->agent);
}

static struct peer *choose_bridge(const struct agent *agent)
{
    struct peer *best = NULL;
    const struct offer *offer = agent->is_stopped ? NULL : agent->offers;
    for (; offer != NULL; offer = offer->next) {
        struct peer *bridge = offer->bridge;
        if (bridge->working < bridge->credit &&
            (best == NULL || bridge->working * best->credit < best->working * bridge->credit)) {
            best = bridge;
        }
    }
    return best;
}

/* The bridge has room for it, and keeps it: what waits in the store stays there till then. */
static void read_question(struct router *router, struct job *job, struct peer *bridge)
{
    struct store_query query = {.type = STORE_QUERY_MESSAGE, .limit = 1};
    memcpy(query.id, job->question.data, job->question.length);
    router_ask(router, QUESTION_JOB, &query)->job = job->number;
    job->phase = JOB_PHASE_READING;
    job->queue->active = job;
    job->bridge = bridge;
    bridge->working++;
}

static void give(struct router *router, struct job *job, struct peer *bridge)
{
    struct work_queue *queue = job->queue;
    job->phase = JOB_PHASE_WORKING;
    queue->active = job;
    job->bridge = bridge;
    job->attempt++;
    bridge->working++;
    if (job->attempt > 1) {
        router->counters.jobs_redelivered++;
    }
    struct bus_message message = {.type = BUS_WORK,
                                  .work = {.job = job->number,
                                           .attempt = job->attempt,
                                           .room = text_slice(&queue->room->id),
                                           .server_id = text_slice(&queue->room->server_id),
                                           .agent = text_slice(&queue->agent->id),
                                           .question = text_slice(&job->question),
                                           .reply = slice_of(job->reply, strlen(job->reply)),
                                           .sender = text_slice(&job->asker),
                                           .created_at = job->question_at,
                                           .backlog = queue->count - queue->ending - 1,
                                           .body = buffer_slice(&job->body)}};
    run_begin(router, job);
    peer_send(bridge, &message);
}

static bool has_spare_credit(struct router *router)
{
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->side == ROUTER_SIDE_BRIDGES && peer->working < peer->credit) {
            return true;
        }
    }
    return false;
}

/* The longest waiting question of this agent; false: no bridge has room for it. */
static bool dispatch_one(struct router *router, struct agent *agent)
{
    struct peer *bridge = choose_bridge(agent);
    if (bridge == NULL) {
        return false;
    }
    struct work_queue *queue = (struct work_queue *)(void *)heap_pop_due(&agent->ready, INT64_MAX);
    dispatch_agent(router, agent);
    struct job *job = queue->jobs;
    if (job == NULL || job->phase != JOB_PHASE_QUEUED) {
        return true;
    }
    if (job->body.length == 0) {
        read_question(router, job, bridge);
    } else {
        give(router, job, bridge);
    }
    return true;
}

void dispatch_questions(struct router *router)
{
    struct agent *passed_over = NULL;
    if (router->time.now < router->work_paused_until) {
        return;
    }
    /* Thousands may wait: none of them is looked at that no bridge has room for. */
    while (router->turns.count > 0 && has_spare_credit(router)) {
        struct agent *agent = (struct agent *)(void *)heap_pop_due(&router->turns, INT64_MAX);
        if (!dispatch_one(router, agent)) {
            agent->is_passed_over = true;
            LL_PREPEND2(passed_over, agent, next_passed_over);
        }
    }
    while (passed_over != NULL) {
        struct agent *agent = passed_over;
        LL_DELETE2(passed_over, agent, next_passed_over);
        agent->is_passed_over = false;
        dispatch_agent(router, agent);
    }
}

void dispatch_question_read(struct router *router, struct question *question,
                            struct store_page *page)
{
    struct job *job = work_find(router, question->job);
    if (job == NULL || job->phase != JOB_PHASE_READING) {
        return;
    }
    if (page->error == 0 && page->count == 0) {
        log_warn("job_without_question", "job=%" PRIu64, job->number); /* it was deleted */
        work_job_fail(router, job, JOB_CANCELLED, 0);
        return;
    }
    if (page->error != 0) {
        router->work_paused_until = router->time.now + READ_PAUSE_MS;
        work_job_ready(router, job);
        return;
    }
    buffer_append_slice(&job->body, page->messages[0].body);
    router->question_bytes += job->body.length;
    if (job->asker.length == 0) {
        text_replace(&job->asker, page->messages[0].sender);
    }
    struct peer *bridge = job->bridge;
    bridge->working--; /* give() counts it */
    give(router, job, bridge);
}
