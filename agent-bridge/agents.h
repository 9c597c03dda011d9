/*
 * The agents a bridge offers to the router, by id, in the order in which they were added: the first
 * one is a candidate for the cluster's default agent.
 */
#ifndef AGENT_BRIDGE_AGENTS_H
#define AGENT_BRIDGE_AGENTS_H

#include <stddef.h>
#include "agent-bridge/character.h"
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/slice.h"
#include "proto/bus/message.h"

enum {
    AGENTS_MAX = 1024,        /* of one bridge: all of them fit one REGISTER */
    AGENT_NAME_MAX = 256,     /* bytes */
    AGENT_DETAILS_MAX = 2048, /* bytes of JSON */
};

/* The slices live as long as the agents. */
struct agent {
    struct slice id; /* UUID */
    struct slice name;
    struct slice details;        /* JSON object, for whoever asks the cluster about the agent */
    struct character *character; /* owns; NULL: the agent is but a name */
    struct runtime *runtime;     /* borrows; NULL: the bridge's first */
    size_t running;              /* its runs, now: counted by the jobs */
};

struct agents;

struct agents *agents_new(void);
void agents_destroy(struct agents **agents);

/*
 * Adds an agent; an empty id is derived from the name as ElizaOS does it. 0; ERROR_MALFORMED for an
 * id that is no UUID, or a name that is empty or no UTF-8; ERROR_TOO_LARGE for a name or details
 * over their bound; ERROR_CONFLICT when the id is there already; ERROR_LIMIT beyond AGENTS_MAX.
 */
int agents_add(struct agents *agents, struct slice id, struct slice name, struct slice runtime,
               struct slice bio);

/* NULL: none of that id. */
struct agent *agents_find(const struct agents *agents, struct slice id);
size_t agents_count(const struct agents *agents);
/* Appends every agent as a bus_agent. */
void agents_list(const struct agents *agents, struct bus_list_builder *list);

#endif
