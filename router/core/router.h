/*
 * The router's core: rooms, presence, one order per room, idempotent sends, agent work. A state
 * machine without I/O: frames, commits, answers and the time come in; frames, batches and queries
 * go out through `struct router_operations`. The shell (router/main.c) and the simulator drive it.
 *
 * Order of things for a message: it gets its sequence number, joins the open batch, the batch is
 * committed by the store, and only then is it broadcast and its sender told (design: acknowledged
 * means committed). One batch is with the store at a time, the next one fills meanwhile.
 *
 * Implements: BUS.md, the router's side.
 */
#ifndef ROUTER_CORE_ROUTER_H
#define ROUTER_CORE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/bus/link.h"
#include "router/store/store.h"

struct router;

/* Which of the two sockets a frame belongs to. */
enum router_side { ROUTER_SIDE_EDGES, ROUTER_SIDE_BRIDGES };

struct router_operations {
    /* Hands a frame to the socket. False: it takes nothing for that peer now. */
    bool (*transmit)(void *context, enum router_side side, struct slice routing_id,
                     struct slice header, struct slice body);
    /* Takes the batch over; router_committed() follows. */
    void (*commit)(void *context, struct store_batch *batch);
    /* Copies the query; router_answered() follows. */
    void (*query)(void *context, const struct store_query *query);
};

/* Limits and times; durations in ms. */
struct router_settings {
    int64_t presence_limit; /* members listed by a join; rooms above it send no presence events */
    int64_t presence_grace; /* how long a lost connection stays a member, from its last life */
    int64_t agent_grace;    /* how long jobs are made while no bridge is registered */
    int64_t dedupe_window;  /* how long a messageId is remembered */
    int64_t dedupe_limit;   /* messageIds remembered at most; the oldest go first, counted */
    int64_t rooms_max;
    int64_t room_members_max;
    int64_t jobs_max;        /* open agent jobs; beyond: overloaded */
    int64_t job_attempts;    /* bridges that one question may lose before it fails */
    int64_t job_deadline;    /* from question to answer; then it fails */
    int64_t agent_hops;      /* answers of agents to agents that follow from one another */
    int64_t agent_budget;    /* such answers in a room until a person speaks again */
    int64_t replay_max;      /* messages of one replay; more are not replayed but reported */
    int64_t recovery_window; /* how long a lost socket can be recovered; 0: none is ever kept */
    int64_t batch_bytes_max; /* waiting for the store; beyond: overloaded */
    bool data_isolation;     /* rooms are open to their participants only, see access.h */
    struct link_settings link;
};
extern const struct router_settings router_default_settings;

struct router_counters {
    uint64_t messages, duplicates, replies, refused, presence_events, signals, chunks;
    uint64_t room_frames;    /* room events handed to edges, one per edge */
    uint64_t frames_refused; /* malformed, of another version, or for an unknown link */
    uint64_t link_gaps, frames_resent, frames_held; /* of all links, see link.h */
    uint64_t dedupe_evicted, jobs_made, jobs_redelivered, jobs_finished, jobs_late;
    uint64_t jobs_given_up, jobs_timed_out;
    uint64_t agents_stopped; /* conversations of agents that came to a limit */
    uint64_t edges_lost, bridges_lost, links_overflowed, commits, commit_failures, replays;
    uint64_t recoveries, recoveries_refused; /* sockets that clients went on with, or could not */
    size_t rooms, members, edges, bridges, jobs; /* now */
};

struct router *router_new(const struct router_settings *settings,
                          const struct router_operations *operations, void *context,
                          struct id_source *ids, struct slice incarnation, struct instant now);
void router_destroy(struct router **router);

/* Call-backs that fill the router from the store, before anything is received. */
struct store_loader router_loader(struct router *router, struct instant now);
/* After loading: the highest numbers the store has used. */
void router_loaded(struct router *router, const struct store_loader *loader);

void router_receive(struct router *router, enum router_side side, struct slice routing_id,
                    struct slice frame, struct instant now);
void router_committed(struct router *router, struct store_batch *batch, int result,
                      struct instant now);
void router_answered(struct router *router, struct store_page *page, struct instant now);
/* Timers: every 50 to 100 ms. */
void router_tick(struct router *router, struct instant now);
/* Once per loop turn: hands out the open batch when the store is free, then flushes the links. */
void router_flush(struct router *router, struct instant now);

/* Lines that this process has logged (bus_log_line): kept and passed on like everybody's. */
void router_note_logs(struct router *router, const struct bus_list *lines);

/* Stopping: true when nothing waits for the store any more; then GOODBYE goes to all. */
bool router_is_settled(const struct router *router);
void router_say_goodbye(struct router *router, struct instant now);

bool router_is_ready(const struct router *router, const char **reason);
const struct router_counters *router_counters(struct router *router);

#endif
