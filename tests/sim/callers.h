/*
 * Who calls over HTTP: an operator who edits and deletes messages, clears and deletes rooms, and
 * reads what was said; and an agent that runs elsewhere and submits what it says. What they do is
 * asked of any edge under an id of its own, and again, of another edge, until it is acknowledged:
 * it comes to pass once. Requests end with their edge.
 */
#ifndef TESTS_SIM_CALLERS_H
#define TESTS_SIM_CALLERS_H

#include "tests/sim/actor_edge.h"
#include "tests/sim/memory_store.h"

struct call;

struct callers {
    struct world *world; /* borrows all of these */
    struct memory_store *store;
    struct actor_edge *edges;
    size_t edge_count;
    struct chance chance; /* of their own */
    struct id_source ids;
    struct call *calls; /* owns: newest first */
    unsigned count;
    bool is_isolated; /* rooms are closed; who reads says who it is, or is an operator */
    unsigned entity_count;
};

/* Not every seed has some. */
void callers_init(struct callers *callers, struct world *world, struct memory_store *store,
                  struct actor_edge *edges, size_t edge_count);
void callers_deinit(struct callers *callers); /* behind the edges */
void callers_begin(struct callers *callers);
bool callers_are_settled(const struct callers *callers);

/* Has somebody asked for a message or event of that id? */
bool callers_know(const struct callers *callers, struct slice id);

#endif
