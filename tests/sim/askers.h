/*
 * Who asks over HTTP and waits for the answer (mode `sync`): the edge's REST on connections in
 * memory. A request gets one answer: the agent's, or why there is none, or after the timeout 504,
 * and the job goes on. When its edge dies, or says that it may be tried again, it is asked again of
 * any edge under the same messageId. Some callers leave before; that cancels nothing.
 */
#ifndef TESTS_SIM_ASKERS_H
#define TESTS_SIM_ASKERS_H

#include "tests/sim/actor_edge.h"
#include "tests/sim/memory_store.h"

struct ask;

struct askers {
    struct world *world; /* borrows all of these */
    struct memory_store *store;
    struct actor_edge *edges;
    size_t edge_count;
    struct chance chance; /* of their own */
    struct ask *asks;     /* owns: newest first */
    unsigned count;
    unsigned room_count;
    int64_t timeout; /* of every edge */
    bool is_refused; /* rooms are closed, and they are on no list */
};

/* Not every seed has some. */
void askers_init(struct askers *askers, struct world *world, struct memory_store *store,
                 struct actor_edge *edges);
void askers_deinit(struct askers *askers); /* behind the edges */
void askers_begin(struct askers *askers, size_t edge_count, unsigned room_count);
bool askers_are_settled(const struct askers *askers);
/* An edge is about to end: so do the connections to it. */
void askers_edge_ends(struct askers *askers, const struct actor_edge *edge);

/* When all is quiet: who was told to wait on has a question that an agent was asked. */
void askers_check_end(const struct askers *askers);

/* A message of their making is stored. False: it is not theirs. */
bool askers_committed(struct askers *askers, struct stored_message *message, struct slice sender,
                      struct slice text);

#endif
