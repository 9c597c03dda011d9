#include "router/core/internal.h"

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

void work_agents_destroy(struct router *router)
{
    struct agent *agent, *next;
    HASH_ITER (hh, router->agents, agent, next) {
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
