#include "router/core/internal.h"

enum { COMMIT_FAILURES_MAX = 3 }; /* of one reply, before its question is given up */

struct agent *work_agent_obtain(struct router *router, struct slice id, struct slice name,
                                struct slice details)
{
    struct agent *agent;
    HASH_FIND(hh, router->agents, id.data, id.length, agent);
    if (agent == NULL) {
        agent = memory_allocate_zeroed(sizeof(*agent));
        agent->id = text_copy(id);
        agent->name = text_copy(name);
        agent->details = text_copy(details);
        HASH_ADD_KEYPTR(hh, router->agents, agent->id.data, agent->id.length, agent);
    }
    return agent;
}

struct agent *work_agent_find(struct router *router, struct slice id)
{
    struct agent *agent;
    HASH_FIND(hh, router->agents, id.data, id.length, agent);
    return agent;
}

void work_agent_store(struct router *router, struct agent *agent)
{
    struct agent_record record = {.id = text_slice(&agent->id),
                                  .name = text_slice(&agent->name),
                                  .details = text_slice(&agent->details),
                                  .updated_at = router->time.wall};
    store_batch_put_agent(router_batch(router), &record);
    agent->is_stored = true;
}

/* The first agent ever registered that runs now, else the first one known. */
static struct agent *default_agent(struct router *router)
{
    struct agent *agent, *next;
    HASH_ITER (hh, router->agents, agent, next) {
        if (agent->offers != NULL) {
            return agent;
        }
    }
    return router->agents;
}

bool work_can_wait(struct router *router)
{
    return router->bridge_count > 0 ||
           (router->bridge_seen_at >= 0 &&
            router->time.now - router->bridge_seen_at < router->settings.agent_grace);
}

size_t work_for_agents(struct router *router, struct room *room, struct slice sender,
                       void (*visit)(void *context, struct agent *agent), void *context)
{
    size_t count = 0;
    if (work_agent_find(router, sender) != NULL) {
        return 0; /* agents do not answer agents */
    }
    if (!room->has_participants) {
        struct agent *agent = default_agent(router);
        if (agent != NULL) {
            visit(context, agent);
            count = 1;
        }
        return count;
    }
    struct participant *participant;
    for (participant = room->participants; participant != NULL;
         participant = participant->hh.next) {
        struct agent *agent = work_agent_find(router, text_slice(&participant->id));
        if (agent != NULL) {
            visit(context, agent);
            count++;
        }
    }
    return count;
}

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
    if (is_due && !queue->is_ready) {
        queue->is_ready = true;
        DL_APPEND2(router->ready, queue, ready_prev, ready_next);
    }
}

static void queue_sleep(struct router *router, struct work_queue *queue)
{
    if (queue->is_ready) {
        queue->is_ready = false;
        DL_DELETE2(router->ready, queue, ready_prev, ready_next);
    }
}

static void queue_release_when_empty(struct router *router, struct work_queue *queue)
{
    if (queue->jobs == NULL) {
        queue_sleep(router, queue);
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
    HASH_DELETE(hh, router->jobs, job);
    DL_DELETE(queue->jobs, job);
    queue->count--;
    queue->ending -= job->phase == JOB_PHASE_ENDING;
    free(job->question.data);
    free(job->asker.data);
    free(job->asker_edge.data);
    free(job->other_edge.data);
    buffer_deinit(&job->streamed);
    free(job);
    queue_sleep(router, queue);
    queue_wake(router, queue);
    queue_release_when_empty(router, queue);
}

void work_job_ready(struct router *router, struct job *job)
{
    release(job);
    job->phase = JOB_PHASE_QUEUED;
    queue_wake(router, job->queue);
}

/* --- what viewers see of a run ---------------------------------------------------------------- */

void work_publish(struct router *router, const struct job *job, struct bus_message *message)
{
    struct room *room = job->queue->room;
    struct peer *asker = peer_by_incarnation(router, text_slice(&job->asker_edge));
    struct peer *other = job->other_edge.length == 0
                             ? NULL
                             : peer_by_incarnation(router, text_slice(&job->other_edge));
    room_publish(router, room, message, asker);
    if (other != NULL && other != asker && room_attachment(room, other) == NULL) {
        peer_send(other, message);
    }
}

uint64_t work_also_tell(struct router *router, const struct dedupe_entry *question,
                        const struct peer *edge)
{
    uint64_t open = 0;
    for (uint64_t i = 0; i < question->jobs; i++) {
        struct job *job = work_find(router, question->first_job + i);
        if (job != NULL) {
            open++;
            if (!slice_equals(text_slice(&job->asker_edge), text_slice(&edge->incarnation))) {
                text_replace(&job->other_edge, text_slice(&edge->incarnation));
            }
        }
    }
    return open;
}

static void announce(struct router *router, const struct job *job, enum bus_run_state state,
                     int error)
{
    struct room *room = job->queue->room;
    struct bus_message message = {
        .type = BUS_RUN,
        .run = {.room = text_slice(&room->id),
                .state = state,
                .agent = text_slice(&job->queue->agent->id),
                .agent_name = text_slice(&job->queue->agent->name),
                .question = text_slice(&job->question),
                .reply = slice_of(job->reply, strlen(job->reply)),
                .asker = text_slice(&job->asker),
                .server_id = text_slice(&room->server_id),
                .reason = error == 0 ? SLICE_EMPTY : slice_of_string(error_code(error))}};
    work_publish(router, job, &message);
}

/*
 * Hands a piece of a reply to the viewers. A second attempt repeats what the first one said: what
 * viewers have is left out, and if it says something else they wait for the final message.
 */
static void stream(struct router *router, struct job *job, struct slice text)
{
    if (job->has_diverged || job->streamed.length + text.length > STREAMED_MAX) {
        job->has_diverged = true;
        return;
    }
    size_t known = job->streamed.length - job->matched;
    size_t common = known < text.length ? known : text.length;
    if (common > 0 && memcmp(job->streamed.data + job->matched, text.data, common) != 0) {
        job->has_diverged = true;
        return;
    }
    job->matched += common;
    text.data += common;
    text.length -= common;
    if (text.length == 0) {
        return;
    }
    buffer_append_slice(&job->streamed, text);
    job->matched += text.length;
    struct bus_message message = {.type = BUS_CHUNK,
                                  .chunk = {.room = text_slice(&job->queue->room->id),
                                            .reply = slice_of(job->reply, strlen(job->reply)),
                                            .question = text_slice(&job->question),
                                            .agent = text_slice(&job->queue->agent->id),
                                            .index = job->chunks++,
                                            .text = text}};
    router->counters.chunks++;
    work_publish(router, job, &message);
}

/* --- giving work out -------------------------------------------------------------------------- */

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

static void read_question(struct router *router, struct job *job)
{
    struct store_query query = {.type = STORE_QUERY_MESSAGE, .limit = 1};
    memcpy(query.id, job->question.data, job->question.length);
    router_ask(router, QUESTION_JOB, &query)->job = job->number;
    job->phase = JOB_PHASE_READING;
    job->queue->active = job;
}

static void give(struct router *router, struct job *job, struct peer *bridge)
{
    struct work_queue *queue = job->queue;
    job->phase = JOB_PHASE_WORKING;
    queue->active = job;
    job->bridge = bridge;
    job->attempt++;
    job->matched = 0;
    job->has_diverged = false;
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
    peer_send(bridge, &message);
    if (!job->was_announced) {
        job->was_announced = true;
        announce(router, job, BUS_RUN_STARTED, 0);
    }
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
            queue_sleep(router, queue);
            continue;
        }
        if (job->body.length == 0) {
            queue_sleep(router, queue);
            read_question(router, job);
            continue;
        }
        struct peer *bridge = choose_bridge(queue->agent);
        if (bridge != NULL) {
            queue_sleep(router, queue);
            give(router, job, bridge);
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
        store_batch_finish_job(router_batch(router), job->number, JOB_FAILED, router->time.wall);
        work_job_drop(router, job);
        return;
    }
    if (page->error == 0) {
        buffer_append_slice(&job->body, page->messages[0].body);
        router->question_bytes += job->body.length;
        if (job->asker.length == 0) {
            text_replace(&job->asker, page->messages[0].sender);
        }
    }
    work_job_ready(router, job);
}

/* --- what bridges say ------------------------------------------------------------------------- */

static struct offer *offer_find(struct agent *agent, const struct peer *bridge)
{
    struct offer *offer;
    LL_SEARCH_SCALAR(agent->offers, offer, bridge, bridge);
    return offer;
}

static void take_offer(struct peer *bridge, const struct bus_agent *element)
{
    struct router *router = bridge->router;
    struct agent *agent = work_agent_obtain(router, element->id, element->name, element->details);
    bool is_known = agent->is_stored && slice_equals(text_slice(&agent->name), element->name) &&
                    slice_equals(text_slice(&agent->details), element->details);
    text_replace(&agent->name, element->name);
    text_replace(&agent->details, element->details);
    if (offer_find(agent, bridge) == NULL) {
        struct offer *offer = memory_allocate_zeroed(sizeof(*offer));
        offer->agent = agent;
        offer->bridge = bridge;
        LL_PREPEND(agent->offers, offer);
    }
    if (!is_known) {
        work_agent_store(router, agent);
    }
}

static uint64_t take_offers(struct peer *bridge, const struct bus_list *agents)
{
    struct msgpack_reader reader = bus_list_read(agents);
    struct bus_agent element;
    uint64_t count = 0;
    while (bus_list_next(&reader, BUS_ELEMENT_AGENT, &element)) {
        if (element.id.length == 0) {
            bridge->router->counters.frames_refused++;
            continue;
        }
        take_offer(bridge, &element);
        count++;
    }
    return count;
}

static void receive_register(struct peer *bridge, const struct bus_register_agents *registered)
{
    bridge->credit = registered->credit;
    uint64_t count = take_offers(bridge, &registered->agents);
    log_info("bridge_registered", "bridge=%s agents=%" PRIu64 " credit=%" PRIu64,
             bridge->incarnation.data, count, bridge->credit);
    struct bus_message answer = {.type = BUS_REGISTERED, .registered = {count}};
    peer_send(bridge, &answer);
}

/* What it works on for them goes on; what waits for them waits for another bridge. */
static void receive_withdraw(struct peer *bridge, const struct bus_withdraw *withdraw)
{
    struct msgpack_reader reader = bus_list_read(&withdraw->agents);
    struct bus_text element;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        struct agent *agent = work_agent_find(bridge->router, element.text);
        struct offer *offer = agent == NULL ? NULL : offer_find(agent, bridge);
        if (offer != NULL) {
            LL_DELETE(agent->offers, offer);
            free(offer);
        }
    }
}

/* The job this bridge may speak of: it has it, and it is this attempt. */
static struct job *current_job(struct peer *bridge, uint64_t number, uint64_t attempt)
{
    struct job *job = work_find(bridge->router, number);
    bool is_current = job != NULL && job->phase == JOB_PHASE_WORKING && job->bridge == bridge &&
                      job->attempt == attempt;
    if (!is_current) {
        bridge->router->counters.jobs_late++;
    }
    return is_current ? job : NULL;
}

/* Its end goes into the batch; the next question of the queue may be given out already. */
static void begin_end(struct router *router, struct job *job, enum job_state state, int error)
{
    release(job);
    forget_body(router, job);
    job->phase = JOB_PHASE_ENDING;
    job->end = state;
    job->end_error = error;
    job->queue->ending++;
    DL_DELETE(job->queue->jobs, job);
    DL_APPEND(job->queue->jobs, job);
    queue_sleep(router, job->queue);
    queue_wake(router, job->queue);
}

static void end_without_reply(struct router *router, struct job *job, enum job_state state,
                              int error)
{
    begin_end(router, job, state, error);
    store_batch_finish_job(router_batch(router), job->number, state, router->time.wall);
    router_pend(router, PENDING_JOB_END)->job = job->number;
}

/* What viewers are told: a bridge's word for it when it is one about runs. */
static int error_of_run(int64_t error)
{
    switch (error) {
    case ERROR_AGENT_UNREACHABLE:
    case ERROR_AGENT_BUSY:
    case ERROR_AGENT_REFUSED:
    case ERROR_TIMEOUT:
    case ERROR_TOO_LARGE:
        return (int)error;
    default:
        return ERROR_AGENT_FAILED;
    }
}

void work_receive(struct peer *bridge, const struct bus_message *message)
{
    struct router *router = bridge->router;
    struct job *job;
    switch (message->type) {
    case BUS_REGISTER:
        receive_register(bridge, &message->register_agents);
        break;
    case BUS_OFFER:
        take_offers(bridge, &message->offer.agents);
        break;
    case BUS_WITHDRAW:
        receive_withdraw(bridge, &message->withdraw);
        break;
    case BUS_WORK_CHUNK:
        job = current_job(bridge, message->work_chunk.job, message->work_chunk.attempt);
        if (job != NULL) {
            stream(router, job, message->work_chunk.text);
        }
        break;
    case BUS_WORK_DONE:
        job = current_job(bridge, message->work_done.job, message->work_done.attempt);
        if (job != NULL) {
            begin_end(router, job, JOB_DONE, 0);
            send_reply(router, job, message->work_done.body);
        }
        break;
    case BUS_WORK_FAILED:
        job = current_job(bridge, message->work_failed.job, message->work_failed.attempt);
        if (job != NULL) {
            end_without_reply(router, job, JOB_FAILED, error_of_run(message->work_failed.error));
        }
        break;
    case BUS_HISTORY:
        lookup_receive_of_bridge(bridge, message);
        break;
    default:
        router->counters.frames_refused++;
        break;
    }
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
        end_without_reply(router, job, JOB_FAILED, ERROR_STORE);
        return;
    }
    if (result != 0) {
        /* Not stored, so not said: the question is asked again, ahead of later ones. */
        struct work_queue *queue = job->queue;
        struct job *later;
        queue->ending--;
        DL_DELETE(queue->jobs, job);
        DL_FOREACH (queue->jobs, later) {
            if (later->phase == JOB_PHASE_ENDING || later->number > job->number) {
                break;
            }
        }
        DL_PREPEND_ELEM(queue->jobs, later, job);
        queue_sleep(router, queue);
        work_job_ready(router, job);
        return;
    }
    if (job->end != JOB_DONE) {
        announce(router, job, job->end == JOB_CANCELLED ? BUS_RUN_CANCELLED : BUS_RUN_FAILED,
                 job->end_error);
    }
    router->counters.jobs_finished++;
    work_job_drop(router, job);
}

void work_bridge_lost(struct peer *bridge)
{
    struct router *router = bridge->router;
    struct agent *agent, *next_agent;
    HASH_ITER (hh, router->agents, agent, next_agent) {
        struct offer *offer, *next_offer;
        LL_FOREACH_SAFE (agent->offers, offer, next_offer) {
            if (offer->bridge == bridge) {
                LL_DELETE(agent->offers, offer);
                free(offer);
            }
        }
    }
    struct job *job, *next_job;
    HASH_ITER (hh, router->jobs, job, next_job) {
        if (job->bridge == bridge) {
            work_job_ready(router, job);
        }
    }
    router->bridge_seen_at = router->time.now;
}

void work_cancel_room(struct router *router, struct room *room)
{
    struct work_queue *queue, *next_queue;
    LL_FOREACH_SAFE (room->queues, queue, next_queue) {
        struct job *job, *next_job;
        DL_FOREACH_SAFE (queue->jobs, job, next_job) {
            if (job->phase == JOB_PHASE_ENDING || job->phase == JOB_PHASE_WAITING) {
                continue; /* over already, or asked after the stop */
            }
            if (job->phase == JOB_PHASE_WORKING) {
                struct bus_message message = {
                    .type = BUS_WORK_CANCEL,
                    .work_cancel = {.job = job->number, .attempt = job->attempt}};
                peer_send(job->bridge, &message);
            }
            end_without_reply(router, job, JOB_CANCELLED, 0);
        }
    }
}

void work_destroy(struct router *router)
{
    struct job *job, *next_job;
    HASH_ITER (hh, router->jobs, job, next_job) {
        work_job_drop(router, job);
    }
    struct agent *agent, *next_agent;
    HASH_ITER (hh, router->agents, agent, next_agent) {
        HASH_DELETE(hh, router->agents, agent);
        while (agent->offers != NULL) {
            struct offer *offer = agent->offers;
            LL_DELETE(agent->offers, offer);
            free(offer);
        }
        free(agent->id.data);
        free(agent->name.data);
        free(agent->details.data);
        free(agent);
    }
}
