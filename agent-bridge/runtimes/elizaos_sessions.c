#include "agent-bridge/runtimes/elizaos_sessions.h"

#include <stdlib.h>
#include "proto/base/hash.h"

#include "proto/base/memory.h"

struct session {
    char *key; /* owns */
    char *id;  /* owns */
    size_t id_length;
    UT_hash_handle hh; /* the one used last is the last */
};

struct elizaos_sessions {
    struct session *table; /* owns */
    size_t most;
};

static struct session *find(struct elizaos_sessions *sessions, struct slice key)
{
    struct session *session;
    HASH_FIND(hh, sessions->table, key.data, key.length, session);
    return session;
}

static void drop(struct elizaos_sessions *sessions, struct session *session)
{
    HASH_DEL(sessions->table, session);
    free(session->key);
    free(session->id);
    free(session);
}

struct elizaos_sessions *elizaos_sessions_new(size_t most)
{
    struct elizaos_sessions *sessions = memory_allocate_zeroed(sizeof(*sessions));
    sessions->most = most;
    return sessions;
}

void elizaos_sessions_destroy(struct elizaos_sessions **self)
{
    struct elizaos_sessions *sessions = *self;
    *self = NULL;
    if (sessions == NULL) {
        return;
    }
    while (sessions->table != NULL) {
        drop(sessions, sessions->table);
    }
    free(sessions);
}

struct slice elizaos_sessions_find(struct elizaos_sessions *sessions, struct slice key)
{
    struct session *session = find(sessions, key);
    if (session == NULL) {
        return SLICE_EMPTY;
    }
    HASH_DEL(sessions->table, session);
    HASH_ADD_KEYPTR(hh, sessions->table, session->key, key.length, session);
    return slice_of(session->id, session->id_length);
}

void elizaos_sessions_put(struct elizaos_sessions *sessions, struct slice key, struct slice id)
{
    elizaos_sessions_forget(sessions, key);
    if (HASH_COUNT(sessions->table) >= sessions->most) {
        drop(sessions, sessions->table);
    }
    struct session *session = memory_allocate_zeroed(sizeof(*session));
    session->key = memory_copy_string(key.data, key.length);
    session->id = memory_copy_string(id.data, id.length);
    session->id_length = id.length;
    HASH_ADD_KEYPTR(hh, sessions->table, session->key, key.length, session);
}

void elizaos_sessions_forget(struct elizaos_sessions *sessions, struct slice key)
{
    struct session *session = find(sessions, key);
    if (session != NULL) {
        drop(sessions, session);
    }
}

size_t elizaos_sessions_count(const struct elizaos_sessions *sessions)
{
    return HASH_COUNT(sessions->table);
}
