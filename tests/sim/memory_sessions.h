/*
 * Sessions of a memory store: sockets that can be recovered and their rooms, with the semantics of
 * the statements in store_sqlite.h. Bytes are kept in the store's arena.
 */
#ifndef TESTS_SIM_MEMORY_SESSIONS_H
#define TESTS_SIM_MEMORY_SESSIONS_H

#include <uthash.h>
#include "proto/base/arena.h"
#include "router/store/batch.h"
#include "router/store/query.h"

struct stored_membership {
    struct membership_record record;
    struct stored_membership *next;
};

struct stored_session {
    struct session_record record;
    bool is_lost;                          /* ended with its edge, which may be found again */
    struct stored_membership *memberships; /* owns */
    UT_hash_handle hh;                     /* by id */
};

struct memory_sessions {
    struct arena *arena; /* borrows */
    struct stored_session *all;
    struct slice secret; /* empty: none yet */
};

void memory_sessions_init(struct memory_sessions *sessions, struct arena *arena);
void memory_sessions_deinit(struct memory_sessions *sessions);

/* False: an operation on something else. */
bool memory_sessions_apply(struct memory_sessions *sessions,
                           const struct store_operation *operation);
/* STORE_QUERY_SESSION. */
void memory_sessions_answer(const struct memory_sessions *sessions, struct store_page *page,
                            const char *id);
const struct stored_session *memory_sessions_find(const struct memory_sessions *sessions,
                                                  struct slice id);

#endif
