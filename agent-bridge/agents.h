/*
 * The agents a bridge offers to the router, by id, in the order in which they were added: the first
 * one is a candidate for the cluster's default agent. Agents do not change: a reload puts others in
 * their place, and those that somebody still works with go when he has let go of them.
 */
#ifndef AGENT_BRIDGE_AGENTS_H
#define AGENT_BRIDGE_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include "agent-bridge/character.h"
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/slice.h"
#include "proto/bus/message.h"

enum {
    AGENTS_MAX = 20000,                      /* of one bridge */
    AGENT_NAME_MAX = 256,                    /* bytes */
    AGENT_DETAILS_MAX = CHARACTER_MAX + 256, /* bytes of JSON */
};

/* The slices live as long as the agent. */
struct agent {
    struct slice id; /* UUID */
    struct slice name;
    struct slice details; /* JSON object, for whoever asks the cluster about the agent */
    const struct character *character; /* owns; NULL: the agent is but a name */
    struct runtime *runtime;           /* borrows; NULL: the bridge's first */
    size_t references;                 /* jobs that have it */
    size_t running;                    /* its runs, now: counted by the jobs */
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
/*
 * Likewise of a character, which is the agents' if that succeeds. runtime: who answers for it;
 * source: the file it came from.
 */
int agents_add_character(struct agents *agents, struct character **character,
                         struct runtime *runtime, const char *source);

/*
 * Puts those of `next`, which is destroyed, in the place of these. Tells which are new or another,
 * and then which are gone.
 */
struct agents_listener {
    void *context;
    void (*changed)(void *context, const struct agent *agent);
    void (*gone)(void *context, struct slice id);
};
void agents_replace(struct agents *agents, struct agents **next,
                    const struct agents_listener *listener);

/* NULL: none of that id. Whoever keeps it counts himself in `references`, until the release. */
struct agent *agents_find(const struct agents *agents, struct slice id);
void agents_release(struct agents *agents, struct agent *agent);
/* The one behind `agent`, or the first one; NULL at the end. */
struct agent *agents_next(const struct agents *agents, const struct agent *agent);
/* The file of an agent, or NULL. */
const char *agent_source(const struct agent *agent);

size_t agents_count(const struct agents *agents);
size_t agents_bytes(const struct agents *agents); /* of all details */
/* Appends every agent as a bus_agent. */
void agents_list(const struct agents *agents, struct bus_list_builder *list);

#endif
