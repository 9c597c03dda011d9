#include "router/core/registry.h"

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/characters.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/work.h"

static size_t count_bridges(const struct agent *agent)
{
    size_t count = 0;
    for (const struct offer *offer = agent->offers; offer != NULL; offer = offer->next) {
        count++;
    }
    return count;
}

/* Counted anew only after a change: pages ask for it every time. */
static size_t count_active(struct router *router)
{
    const struct agent *agent;
    if (!router->has_counted_agents) {
        router->has_counted_agents = true;
        router->active_agents = 0;
        router->known_agents = 0;
        for (agent = router->agents; agent != NULL; agent = agent->hh.next) {
            router->known_agents += !agent->is_deleted;
            router->active_agents += agent->offers != NULL && !agent->is_stopped;
        }
    }
    return router->active_agents;
}

static void receive_list(struct peer *peer, const struct bus_message *message)
{
    const struct bus_agents_get *get = &message->agents_get;
    struct router *router = peer->router;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    const struct agent *agent = router->agents;
    uint64_t most = get->limit == 0 ? UINT64_MAX : get->limit;
    uint64_t passed = 0;
    for (; agent != NULL && passed < get->after; agent = agent->hh.next) {
        passed += !agent->is_deleted;
    }
    for (; agent != NULL && list.count < most && list.bytes.length < PAGE_BYTES_MAX;
         agent = agent->hh.next) {
        if (agent->is_deleted) {
            continue;
        }
        struct bus_known_agent element = {.id = text_slice(&agent->id),
                                          .name = text_slice(&agent->name),
                                          .bio = text_slice(&agent->bio),
                                          .bridges = count_bridges(agent),
                                          .is_stopped = agent->is_stopped,
                                          .created_at = agent->created_at,
                                          .updated_at = agent->updated_at};
        bus_list_add(&list, BUS_ELEMENT_KNOWN_AGENT, &element);
    }
    uint64_t active = count_active(router);
    struct bus_message answer = {.type = BUS_AGENTS_PAGE,
                                 .trace = message->trace,
                                 .agents_page = {.request = get->request,
                                                 .total = router->known_agents,
                                                 .active = active,
                                                 .is_complete = agent == NULL,
                                                 .agents = bus_list_of(&list)}};
    peer_send(peer, &answer);
    buffer_deinit(&list.bytes);
}

/* agent: NULL for an error. */
void registry_answer(struct peer *peer, uint64_t request, uint64_t trace, int error,
                     const struct agent *agent, struct slice reason)
{
    struct bus_message answer = {
        .type = BUS_AGENT_STATE,
        .trace = trace,
        .agent_state = {.request = request, .error = error, .reason = reason}};
    if (agent != NULL) {
        answer.agent_state = (struct bus_agent_state){.request = request,
                                                      .id = text_slice(&agent->id),
                                                      .name = text_slice(&agent->name),
                                                      .bridges = count_bridges(agent),
                                                      .is_stopped = agent->is_stopped,
                                                      .created_at = agent->created_at,
                                                      .updated_at = agent->updated_at,
                                                      .details = text_slice(&agent->details)};
    }
    peer_send(peer, &answer);
}

static void receive_get(struct peer *peer, const struct bus_message *message)
{
    const struct agent *agent = agent_find(peer->router, message->agent_get.id);
    bool is_there = agent != NULL && !agent->is_deleted;
    registry_answer(peer, message->agent_get.request, message->trace,
                    is_there ? 0 : ERROR_NOT_FOUND, is_there ? agent : NULL, SLICE_EMPTY);
}

static int fault_of_change(const struct router *router, const struct agent *agent)
{
    if (agent == NULL || agent->is_deleted) {
        return ERROR_NOT_FOUND;
    }
    return router_batch_is_full(router) ? ERROR_OVERLOADED : 0;
}

static void receive_change(struct peer *peer, const struct bus_message *message)
{
    const struct bus_agent_change *change = &message->agent_change;
    struct router *router = peer->router;
    struct agent *agent = agent_find(router, change->id);
    if (change->action > BUS_AGENT_STOPS) {
        characters_receive_change(peer, message);
        return;
    }
    int error = fault_of_change(router, agent);
    if (error != 0) {
        registry_answer(peer, change->request, message->trace, error, NULL, SLICE_EMPTY);
        return;
    }
    bool is_stopped = change->action == BUS_AGENT_STOPS;
    if (agent->is_stopped != is_stopped) {
        agent->is_stopped = is_stopped;
        router->has_counted_agents = false;
        agent_store(router, agent);
        log_info(is_stopped ? "agent_stopped" : "agent_started", "agent=%s id=%s", agent->name.data,
                 agent->id.data);
    }
    if (is_stopped) {
        work_stop_agent(router, agent);
    }
    peer_pend(peer, PENDING_AGENT, change->request, message->trace)->agent = agent;
}

void registry_stored(struct router *router, const struct pending *pending, int result)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&pending->origin));
    if (peer != NULL) {
        registry_answer(peer, pending->request, pending->trace, result == 0 ? 0 : ERROR_OVERLOADED,
                        result == 0 ? pending->agent : NULL, SLICE_EMPTY);
    }
}

void registry_delete(struct router *router, struct agent *agent)
{
    agent->is_deleted = true;
    agent->is_stopped = false;
    router->has_counted_agents = false;
    work_stop_agent(router, agent);
    agent_store(router, agent);
}

bool registry_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_AGENTS_GET:
        receive_list(peer, message);
        return true;
    case BUS_AGENT_GET:
        receive_get(peer, message);
        return true;
    case BUS_AGENT_CHANGE:
        receive_change(peer, message);
        return true;
    default:
        return false;
    }
}
