#include "router/core/internal.h"

/* A store that could not be read from is not asked again at once. */
enum { READ_PAUSE_MS = 200 };

static struct peer *choose_bridge(const struct agent *agent)
{
    struct peer *best = NULL;
    for (struct offer *offer = agent->offers; offer != NULL; offer = offer->next) {
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

void work_dispatch(struct router *router)
{
    struct work_queue *queue, *next_queue;
    if (router->ready == NULL || router->time.now < router->work_paused_until ||
        !has_spare_credit(router)) {
        return;
    }
    DL_FOREACH_SAFE2(router->ready, queue, next_queue, ready_next)
    {
        struct job *job = queue->jobs;
        if (job == NULL || job->phase != JOB_PHASE_QUEUED) {
            work_queue_sleep(router, queue);
            continue;
        }
        struct peer *bridge = choose_bridge(queue->agent);
        if (bridge != NULL) {
            work_queue_sleep(router, queue);
            if (job->body.length == 0) {
                read_question(router, job, bridge);
            } else {
                give(router, job, bridge);
            }
            if (!has_spare_credit(router)) {
                break; /* thousands may wait: not one of them has to be looked at */
            }
        }
    }
}

void work_question_read(struct router *router, struct question *question, struct store_page *page)
{
    struct job *job = work_find(router, question->job);
    if (job == NULL || job->phase != JOB_PHASE_READING) {
        return;
    }
    if (page->error == 0 && page->count == 0) {
        log_error("job_without_question", "job=%" PRIu64, job->number);
        work_job_fail(router, job, JOB_FAILED, ERROR_INTERNAL);
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
