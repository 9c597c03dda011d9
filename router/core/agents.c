#include "router/core/agents.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/arena.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "proto/base/utf8.h"
#include "proto/bus/message.h"
#include "router/core/internal.h"
#include "router/store/batch.h"
#include "router/store/record.h"

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
    struct slice settings = member_of(text_slice(&agent->details), "settings");
    struct slice own = member_of(settings, "elizamq");
    agent->to_people = policy_of(member_of(own, "reply"), AGENT_ALWAYS);
    agent->to_agents = policy_of(member_of(own, "replyToAgents"), AGENT_MENTION);
}

/* The first line of a character's bio, as much of it as the bus carries. */
static struct slice bio_of(struct slice details, struct arena *arena)
{
    struct slice bio = json_get(details, "bio");
    if (json_type(bio) == JSON_ARRAY) {
        struct json_iterator lines = json_iterate(bio);
        bio = json_next_element(&lines, &bio) ? bio : SLICE_EMPTY;
    }
    struct slice line =
        json_type(bio) == JSON_STRING ? json_decode_string(bio, arena) : SLICE_EMPTY;
    const unsigned char *at = (const unsigned char *)line.data;
    const unsigned char *end = line.length == 0 ? at : at + line.length;
    size_t length = 0;
    while (at < end && *at != '\n') {
        size_t more = utf8_length(at, end);
        if (more == 0 || length + more > BUS_NAME_MAX) {
            break;
        }
        length += more;
        at += more;
    }
    return slice_of(line.data, length);
}

void agent_describe(struct agent *agent, struct slice name, struct slice details)
{
    struct arena arena;
    struct slice value;
    if (json_scan(details, JSON_MAX_DEPTH, &value) != 0 || json_type(value) != JSON_OBJECT) {
        value = SLICE_LITERAL("{}");
    }
    arena_init(&arena);
    text_replace(&agent->name, name);
    text_replace(&agent->details, value);
    text_replace(&agent->bio, bio_of(value, &arena));
    arena_deinit(&arena);
    read_policies(agent);
}

struct agent *agent_obtain(struct router *router, struct slice id, struct slice name,
                           struct slice details)
{
    struct agent *agent;
    HASH_FIND(hh, router->agents, id.data, id.length, agent);
    if (agent == NULL) {
        agent = memory_allocate_zeroed(sizeof(*agent));
        agent->id = text_copy(id);
        agent->created_at = router->time.wall;
        agent->updated_at = router->time.wall;
        agent_describe(agent, name, details);
        HASH_ADD_KEYPTR(hh, router->agents, agent->id.data, agent->id.length, agent);
    }
    return agent;
}

struct agent *agent_find(struct router *router, struct slice id)
{
    struct agent *agent;
    HASH_FIND(hh, router->agents, id.data, id.length, agent);
    return agent;
}

void agent_store(struct router *router, struct agent *agent)
{
    struct agent_record record = {.id = text_slice(&agent->id),
                                  .name = text_slice(&agent->name),
                                  .details = text_slice(&agent->details),
                                  .state = agent->is_deleted   ? AGENT_DELETED
                                           : agent->is_stopped ? AGENT_STOPPED
                                                               : AGENT_SERVES,
                                  .created_at = agent->created_at,
                                  .updated_at = agent->updated_at};
    store_batch_put_agent(router_batch(router), &record);
    agent->is_stored = true;
}

bool agent_may_answer(const struct agent *agent)
{
    return !agent->is_stopped && !agent->is_deleted;
}

/* The first agent ever registered that runs now, else the first one known; none that is stopped. */
struct agent *agent_default(struct router *router)
{
    struct agent *agent, *next, *first = NULL;
    HASH_ITER (hh, router->agents, agent, next) {
        if (!agent_may_answer(agent)) {
            continue;
        }
        if (agent->offers != NULL) {
            return agent;
        }
        first = first == NULL ? agent : first;
    }
    return first;
}

bool agents_can_wait(struct router *router)
{
    return router->bridge_count > 0 ||
           (router->bridge_seen_at >= 0 &&
            router->time.now - router->bridge_seen_at < router->settings.agent_grace);
}

void agents_forget(struct router *router)
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
        free(agent->bio.data);
        free(agent);
    }
}
