#include "router/core/bridges.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/characters.h"
#include "router/core/dispatch.h"
#include "router/core/internal.h"
#include "router/core/logs.h"
#include "router/core/lookup.h"
#include "router/core/peers.h"
#include "router/core/run.h"
#include "router/core/work.h"
#include "router/store/record.h"

static struct offer *offer_find(struct agent *agent, const struct peer *bridge)
{
    struct offer *offer;
    LL_SEARCH_SCALAR(agent->offers, offer, bridge, bridge);
    return offer;
}

static void take_offer(struct peer *bridge, const struct bus_agent *element)
{
    struct router *router = bridge->router;
    struct agent *agent = agent_obtain(router, element->id, element->name, element->details);
    bool is_same = slice_equals(text_slice(&agent->name), element->name) &&
                   slice_equals(text_slice(&agent->details), element->details);
    router->has_counted_agents = false;
    if (agent->is_deleted) {
        agent->is_deleted = false;
        is_same = false;
    }
    if (!is_same) {
        agent_describe(agent, element->name, element->details);
        agent->updated_at = router->time.wall;
    }
    if (offer_find(agent, bridge) == NULL) {
        struct offer *offer = memory_allocate_zeroed(sizeof(*offer));
        offer->agent = agent;
        offer->bridge = bridge;
        LL_PREPEND(agent->offers, offer);
        dispatch_agent(router, agent);
    }
    if (!is_same || !agent->is_stored) {
        agent_store(router, agent);
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
    bridge->router->has_counted_agents = false;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        struct agent *agent = agent_find(bridge->router, element.text);
        struct offer *offer = agent == NULL ? NULL : offer_find(agent, bridge);
        if (offer != NULL) {
            LL_DELETE(agent->offers, offer);
            free(offer);
            dispatch_agent(bridge->router, agent);
        }
    }
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

void bridges_receive(struct peer *bridge, const struct bus_message *message)
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
            run_append(router, job, message->work_chunk.text);
        }
        break;
    case BUS_WORK_DONE:
        job = current_job(bridge, message->work_done.job, message->work_done.attempt);
        if (job != NULL) {
            work_job_answer(router, job, message->work_done.body);
        }
        break;
    case BUS_WORK_FAILED:
        job = current_job(bridge, message->work_failed.job, message->work_failed.attempt);
        if (job != NULL) {
            work_job_fail(router, job, JOB_FAILED, error_of_run(message->work_failed.error));
        }
        break;
    case BUS_CHARACTER_CHANGED:
        characters_receive_changed(bridge, &message->character_changed);
        break;
    case BUS_LOG_LINES:
        logs_receive(bridge, message);
        break;
    case BUS_HISTORY:
        lookup_receive_of_bridge(bridge, message);
        break;
    default:
        router->counters.frames_refused++;
        break;
    }
}

/* A question that every bridge dies of is not asked for ever. */
static void give_back(struct router *router, struct job *job, bool has_left)
{
    bool was_working = job->phase == JOB_PHASE_WORKING;
    job->losses += was_working && !has_left;
    if (job->losses < router->settings.job_attempts) {
        work_job_ready(router, job);
        return;
    }
    log_warn("job_given_up", "job=%" PRIu64 " attempts=%" PRIu64, job->number, job->attempt);
    router->counters.jobs_given_up++;
    work_job_fail(router, job, JOB_FAILED, ERROR_ATTEMPTS);
}

void bridges_lost(struct peer *bridge)
{
    struct router *router = bridge->router;
    struct agent *agent, *next_agent;
    router->has_counted_agents = false;
    HASH_ITER (hh, router->agents, agent, next_agent) {
        struct offer *offer, *next_offer;
        LL_FOREACH_SAFE (agent->offers, offer, next_offer) {
            if (offer->bridge == bridge) {
                LL_DELETE(agent->offers, offer);
                free(offer);
                dispatch_agent(router, agent);
            }
        }
    }
    struct job *job, *next_job;
    HASH_ITER (hh, router->jobs, job, next_job) {
        if (job->bridge == bridge) {
            give_back(router, job, bridge->has_left);
        }
    }
    router->bridge_seen_at = router->time.now;
    characters_bridge_lost(bridge);
}
