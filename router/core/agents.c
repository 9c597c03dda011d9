#include "router/core/internal.h"

#include "proto/base/json.h"

static enum agent_policy policy_of(struct slice value, enum agent_policy otherwise)
{
    if (json_string_is(value, "always")) {
        return AGENT_ALWAYS;
    }
    if (json_string_is(value, "mention")) {
        return AGENT_MENTION;
    }
    return json_string_is(value, "never") ? AGENT_NEVER : otherwise;
}

static struct slice member_of(struct slice object, const char *name)
{
    return json_type(object) == JSON_OBJECT ? json_get(object, name) : SLICE_EMPTY;
}

/* settings.elizamq of its details, which a bridge has checked when it read the character. */
static void read_policies(struct agent *agent)
{
    struct slice details = SLICE_EMPTY;
    struct slice own = SLICE_EMPTY;
    if (json_scan(text_slice(&agent->details), JSON_MAX_DEPTH, &details) == 0) {
        own = member_of(member_of(details, "settings"), "elizamq");
    }
    agent->to_people = policy_of(member_of(own, "reply"), AGENT_ALWAYS);
    agent->to_agents = policy_of(member_of(own, "replyToAgents"), AGENT_MENTION);
}

void work_agent_describe(struct agent *agent, struct slice name, struct slice details)
{
    text_replace(&agent->name, name);
    text_replace(&agent->details, details);
    read_policies(agent);
}

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
        read_policies(agent);
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
struct agent *agent_default(struct router *router)
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
        heap_deinit(&agent->ready);
        free(agent->id.data);
        free(agent->name.data);
        free(agent->details.data);
        free(agent);
    }
}
