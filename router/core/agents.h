/*
 * Agents: what bridges say of them, and who answers where nobody has been chosen.
 */
#ifndef ROUTER_CORE_AGENTS_H
#define ROUTER_CORE_AGENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "router/core/text.h"

struct peer;
struct router;

/* When an agent answers what is not said to it alone. */
enum agent_policy { AGENT_ALWAYS, AGENT_MENTION, AGENT_NEVER };

struct agent {
    struct heap_entry turn; /* first; in router->turns: a bridge runs it, and a question waits */
    struct heap ready;      /* of its queues, by their first question */
    bool is_passed_over;    /* by the dispatch that runs: its bridges are full */
    struct agent *next_passed_over;
    struct text id;
    struct text name;
    enum agent_policy to_people; /* in groups */
    enum agent_policy to_agents;
    struct text details; /* JSON object */
    struct text bio;     /* the first line of it */
    bool is_stopped;     /* asked for nothing until somebody starts it again */
    bool is_deleted;     /* nobody hears of it until a bridge offers it again */
    int64_t created_at;
    int64_t updated_at;
    bool is_stored;       /* its row is committed, or in a batch */
    struct offer *offers; /* bridges that run it now */
    UT_hash_handle hh;    /* router->agents, by id, in order of first registration */
};

struct offer {
    struct agent *agent;
    struct peer *bridge;
    struct offer *next;
};

struct agent *agent_obtain(struct router *router, struct slice id, struct slice name,
                           struct slice details);
struct agent *agent_find(struct router *router, struct slice id);
/* What a bridge says of it; details that are no JSON object count as {}. */
void agent_describe(struct agent *agent, struct slice name, struct slice details);
void agent_store(struct router *router, struct agent *agent); /* row into the open batch */
bool agents_can_wait(struct router *router); /* a bridge is there, or was within agent_grace */
/* Who answers in rooms without a list; NULL: there has never been an agent. */
struct agent *agent_default(struct router *router);
bool agent_may_answer(const struct agent *agent); /* neither stopped nor deleted */
void agents_forget(struct router *router);

#endif
