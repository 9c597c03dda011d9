#include "router/core/characters.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/registry.h"

enum { REQUESTS_MAX = 1000 };

struct character_request {
    uint64_t number;
    uint64_t action; /* enum bus_agent_action */
    struct text agent;
    struct text origin; /* incarnation of the edge that asked */
    uint64_t request;
    uint64_t trace;
    struct buffer details;
    uint64_t link_id; /* of the bridge that is asked: those with smaller ones have been */
    int error;        /* of the last one that did not do it */
    struct text reason;
    size_t done;                           /* bridges that have */
    struct character_request *prev, *next; /* router->character_requests */
};

static void destroy(struct router *router, struct character_request *request)
{
    DL_DELETE(router->character_requests, request);
    free(request->agent.data);
    free(request->origin.data);
    free(request->reason.data);
    buffer_deinit(&request->details);
    free(request);
}

void characters_forget(struct router *router)
{
    while (router->character_requests != NULL) {
        destroy(router, router->character_requests);
    }
}

static bool runs(const struct agent *agent, const struct peer *bridge)
{
    const struct offer *offer = agent == NULL ? NULL : agent->offers;
    while (offer != NULL && offer->bridge != bridge) {
        offer = offer->next;
    }
    return offer != NULL;
}

static struct peer *next_bridge(struct router *router, const struct character_request *request)
{
    const struct agent *agent = agent_find(router, text_slice(&request->agent));
    struct peer *peer, *next, *best = NULL;
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->side == ROUTER_SIDE_BRIDGES && peer->link_id > request->link_id &&
            (request->action == BUS_AGENT_IS_MADE || runs(agent, peer)) &&
            (best == NULL || peer->link_id < best->link_id)) {
            best = peer;
        }
    }
    return best;
}

static void finish(struct router *router, struct character_request *request)
{
    struct peer *edge = peer_by_incarnation(router, text_slice(&request->origin));
    struct agent *agent = agent_find(router, text_slice(&request->agent));
    int error = request->done > 0 ? 0 : request->error;
    if (error == 0 && request->action == BUS_AGENT_IS_DELETED && agent != NULL &&
        agent->offers == NULL) {
        registry_delete(router, agent);
    }
    if (edge != NULL) {
        registry_answer(edge, request->request, request->trace, error, error == 0 ? agent : NULL,
                        error == 0 ? SLICE_EMPTY : text_slice(&request->reason));
    }
    destroy(router, request);
}

static void ask_next(struct router *router, struct character_request *request)
{
    struct peer *bridge = next_bridge(router, request);
    bool is_made = request->action == BUS_AGENT_IS_MADE && request->done > 0;
    if (bridge == NULL || is_made) {
        finish(router, request);
        return;
    }
    request->link_id = bridge->link_id;
    struct bus_message message = {.type = BUS_CHARACTER_CHANGE,
                                  .trace = request->trace,
                                  .character_change = {.change = request->number,
                                                       .action = request->action,
                                                       .agent = text_slice(&request->agent),
                                                       .details = buffer_slice(&request->details)}};
    peer_send(bridge, &message);
}

static int fault_of(struct router *router, const struct bus_agent_change *change)
{
    const struct agent *agent = agent_find(router, change->id);
    bool is_there = agent != NULL && !agent->is_deleted;
    size_t count = 0;
    const struct character_request *request;
    DL_FOREACH (router->character_requests, request) {
        count++;
    }
    if (change->action > BUS_AGENT_IS_DELETED || change->id.length == 0) {
        return ERROR_MALFORMED;
    }
    if (count >= REQUESTS_MAX) {
        return ERROR_OVERLOADED;
    }
    if (change->action == BUS_AGENT_IS_MADE) {
        return is_there && agent->offers != NULL ? ERROR_CONFLICT : 0;
    }
    return is_there ? 0 : ERROR_NOT_FOUND;
}

void characters_receive_change(struct peer *edge, const struct bus_message *message)
{
    const struct bus_agent_change *change = &message->agent_change;
    struct router *router = edge->router;
    const struct agent *agent = agent_find(router, change->id);
    int error = fault_of(router, change);
    if (error != 0) {
        registry_answer(edge, change->request, message->trace, error, NULL, SLICE_EMPTY);
        return;
    }
    struct character_request *request = memory_allocate_zeroed(sizeof(*request));
    request->number = ++router->last_character_request;
    request->action = change->action;
    request->agent = text_copy(change->id);
    request->origin = text_copy(text_slice(&edge->incarnation));
    request->request = change->request;
    request->trace = message->trace;
    request->error =
        change->action == BUS_AGENT_IS_MADE ? ERROR_FORBIDDEN : ERROR_AGENT_UNREACHABLE;
    request->reason = text_copy(SLICE_EMPTY);
    /* One that no bridge runs is only remembered: that can be ended here. */
    request->done = change->action == BUS_AGENT_IS_DELETED && agent->offers == NULL;
    buffer_append_slice(&request->details, change->details);
    DL_APPEND(router->character_requests, request);
    ask_next(router, request);
}

void characters_receive_changed(struct peer *bridge, const struct bus_character_changed *changed)
{
    struct router *router = bridge->router;
    struct character_request *request;
    DL_SEARCH_SCALAR(router->character_requests, request, number, changed->change);
    if (request == NULL || request->link_id != bridge->link_id) {
        return;
    }
    if (changed->error == 0) {
        request->done++;
    } else {
        request->error = (int)changed->error;
        text_replace(&request->reason, changed->reason);
    }
    if (changed->error == 0 || changed->error == ERROR_FORBIDDEN) {
        ask_next(router, request);
    } else {
        finish(router, request);
    }
}

void characters_bridge_lost(struct peer *bridge)
{
    struct router *router = bridge->router;
    struct character_request *request, *next;
    DL_FOREACH_SAFE (router->character_requests, request, next) {
        if (request->link_id == bridge->link_id) {
            ask_next(router, request);
        }
    }
}
