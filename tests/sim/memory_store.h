/*
 * A store in memory, with what SQLite's promises: batches commit whole or not at all, constraints
 * hold, queries answer as store_sqlite_query.c does. It outlives the router that writes to it; the
 * oracle reads it too. See router/store/store.h for the contracts.
 */
#ifndef TESTS_SIM_MEMORY_STORE_H
#define TESTS_SIM_MEMORY_STORE_H

#include <uthash.h>
#include "proto/base/arena.h"
#include "router/store/store.h"
#include "tests/sim/memory_sessions.h"
#include "tests/sim/world.h"

struct stored_room {
    struct room_record record; /* last_seq and last_at are kept up to date */
    int64_t gone_until; /* of the world: until then it was deleted; INT64_MAX: it is; -1: never */
    bool has_row;       /* else only messages name its number: lost at the next start */
    struct stored_message **messages; /* owns the array; by seq */
    size_t count;
    size_t capacity;
    struct slice *participants; /* owns the array */
    size_t participant_count;
    UT_hash_handle hh; /* by number */
};

struct stored_message {
    struct message_record record;
    struct stored_room *room;
    uint64_t arrival;  /* 1 for the first one ever stored */
    int64_t stored_at; /* of the world */
    int64_t gone_at;   /* likewise: deleted, cleared, no query shows it any more; -1: it is there */
    bool is_cleared;   /* gone with all of its room; its row stays until it is swept */
    bool is_swept;
    bool is_called;    /* somebody has asked to change it */
    void *notes;       /* the oracle's */
    UT_hash_handle hh; /* by id */
};

struct stored_job {
    struct job_record record;
    UT_hash_handle hh; /* by number */
};

struct stored_agent {
    struct agent_record record;
    UT_hash_handle hh; /* by id */
};

struct memory_store {
    struct arena arena; /* everything but arrays */
    struct stored_room *rooms;
    struct stored_message *messages;
    struct stored_job *jobs;
    struct stored_agent *agents;
    struct memory_sessions sessions;
    uint64_t arrivals;
    uint64_t open_jobs;
    const struct world *world; /* borrows: what time it is */
    /* Told of every message that is committed, in order, when its batch is. May be NULL. */
    void (*committed)(void *context, struct stored_message *message);
    void *context;
};

void memory_store_init(struct memory_store *store, const struct world *world);
void memory_store_deinit(struct memory_store *store);

/* 0, or ERROR_STORE and batch->refused: a constraint was broken, nothing was written. */
int memory_store_commit(struct memory_store *store, struct store_batch *batch);
struct store_page *memory_store_query(struct memory_store *store, const struct store_query *query);
void memory_store_load(struct memory_store *store, struct store_loader *loader);

static inline bool memory_store_shows(const struct stored_message *message)
{
    return message->gone_at < 0;
}

bool memory_store_has_participant(const struct stored_room *room, struct slice id);
struct stored_message *memory_store_message(struct memory_store *store, struct slice id);
struct stored_room *memory_store_room(struct memory_store *store, struct slice id);
struct stored_room *memory_store_room_numbered(struct memory_store *store, uint64_t number);
/*
 * The position of the first message with a seq above this one; the room's count when there is none.
 */
size_t memory_store_after(const struct stored_room *room, uint64_t seq);

#endif
