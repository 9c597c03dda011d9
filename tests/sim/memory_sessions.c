#include "tests/sim/memory_sessions.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/memory.h"

void memory_sessions_init(struct memory_sessions *sessions, struct arena *arena)
{
    *sessions = (struct memory_sessions){.arena = arena};
}

static void drop(struct memory_sessions *sessions, struct stored_session *session)
{
    HASH_DEL(sessions->all, session);
    while (session->memberships != NULL) {
        struct stored_membership *membership = session->memberships;
        session->memberships = membership->next;
        free(membership);
    }
    free(session);
}

void memory_sessions_deinit(struct memory_sessions *sessions)
{
    while (sessions->all != NULL) {
        drop(sessions, sessions->all);
    }
}

static struct stored_session *find(const struct memory_sessions *sessions, struct slice id)
{
    struct stored_session *session;
    HASH_FIND(hh, sessions->all, id.data, id.length, session);
    return session;
}

const struct stored_session *memory_sessions_find(const struct memory_sessions *sessions,
                                                  struct slice id)
{
    return find(sessions, id);
}

static struct slice keep(struct memory_sessions *sessions, struct slice slice)
{
    return arena_copy(sessions->arena, slice);
}

/* --- one function per operation --------------------------------------------------------------- */

static void open_session(struct memory_sessions *sessions, const struct session_record *record)
{
    struct stored_session *session = find(sessions, record->id);
    if (session == NULL) {
        session = memory_allocate_zeroed(sizeof(*session));
        session->record.id = keep(sessions, record->id);
        session->record.entity = keep(sessions, record->entity);
        HASH_ADD_KEYPTR(hh, sessions->all, session->record.id.data, session->record.id.length,
                        session);
    }
    session->record.edge = keep(sessions, record->edge);
    session->record.ended_at = 0;
    session->is_lost = false;
}

static void add_membership(struct memory_sessions *sessions, const struct membership_record *record)
{
    struct stored_session *session = find(sessions, record->session);
    struct stored_membership *membership = NULL;
    if (session == NULL) {
        return; /* nobody's */
    }
    LL_FOREACH (session->memberships, membership) {
        if (slice_equals(membership->record.room, record->room)) {
            break;
        }
    }
    if (membership == NULL) {
        membership = memory_allocate_zeroed(sizeof(*membership));
        membership->record = *record;
        membership->record.session = session->record.id;
        membership->record.room = keep(sessions, record->room);
        LL_APPEND(session->memberships, membership);
    }
    membership->record.entity = keep(sessions, record->entity);
    membership->record.name = keep(sessions, record->name);
}

static bool is_of(const struct stored_session *session, struct slice edge)
{
    return slice_equals(session->record.edge, edge);
}

static void drop_membership(const struct memory_sessions *sessions,
                            const struct store_operation *operation)
{
    struct stored_session *session = find(sessions, operation->session.id);
    struct stored_membership *membership, *next;
    if (session == NULL || !is_of(session, operation->session.edge)) {
        return;
    }
    LL_FOREACH_SAFE (session->memberships, membership, next) {
        if (slice_equals(membership->record.room, operation->left)) {
            LL_DELETE(session->memberships, membership);
            free(membership);
        }
    }
}

static void end_session(struct memory_sessions *sessions, const struct session_record *record)
{
    struct stored_session *session = find(sessions, record->id);
    if (session != NULL && is_of(session, record->edge) &&
        (session->record.ended_at == 0 || session->is_lost)) {
        session->record.ended_at = record->ended_at;
        session->is_lost = false;
    }
}

static void drop_session(struct memory_sessions *sessions, const struct session_record *record)
{
    struct stored_session *session = find(sessions, record->id);
    if (session != NULL && (record->edge.length == 0 || is_of(session, record->edge))) {
        drop(sessions, session);
    }
}

static void claim_session(struct memory_sessions *sessions, const struct store_operation *operation)
{
    struct stored_session *session = find(sessions, operation->session.id);
    if (session == NULL ||
        (session->record.ended_at != 0 && session->record.ended_at < operation->oldest)) {
        return;
    }
    bool was_alive = session->record.ended_at == 0 || session->is_lost;
    session->record.former = was_alive ? session->record.edge : SLICE_EMPTY;
    session->record.edge = keep(sessions, operation->session.edge);
    session->record.ended_at = 0;
    session->is_lost = false;
}

static void lose_edge(struct memory_sessions *sessions, const struct session_record *record)
{
    struct stored_session *session, *next;
    HASH_ITER (hh, sessions->all, session, next) {
        if (session->record.ended_at == 0 &&
            (record->edge.length == 0 || is_of(session, record->edge))) {
            session->record.ended_at = record->ended_at;
            session->is_lost = true;
        }
    }
}

static void find_edge(struct memory_sessions *sessions, const struct session_record *record)
{
    struct stored_session *session, *next;
    HASH_ITER (hh, sessions->all, session, next) {
        if (session->is_lost && is_of(session, record->edge)) {
            session->record.ended_at = 0;
            session->is_lost = false;
        }
    }
}

static void sweep(struct memory_sessions *sessions, int64_t oldest)
{
    struct stored_session *session, *next;
    HASH_ITER (hh, sessions->all, session, next) {
        if (session->record.ended_at > 0 && session->record.ended_at < oldest) {
            drop(sessions, session);
        }
    }
}

bool memory_sessions_apply(struct memory_sessions *sessions,
                           const struct store_operation *operation)
{
    switch (operation->type) {
    case STORE_PUT_SECRET:
        if (sessions->secret.length == 0) {
            sessions->secret = keep(sessions, operation->secret);
        }
        return true;
    case STORE_OPEN_SESSION:
        open_session(sessions, &operation->session);
        return true;
    case STORE_ADD_MEMBERSHIP:
        add_membership(sessions, &operation->membership);
        return true;
    case STORE_DROP_MEMBERSHIP:
        drop_membership(sessions, operation);
        return true;
    case STORE_END_SESSION:
        end_session(sessions, &operation->session);
        return true;
    case STORE_DROP_SESSION:
        drop_session(sessions, &operation->session);
        return true;
    case STORE_CLAIM_SESSION:
        claim_session(sessions, operation);
        return true;
    case STORE_LOSE_EDGE:
        lose_edge(sessions, &operation->session);
        return true;
    case STORE_FIND_EDGE:
        find_edge(sessions, &operation->session);
        return true;
    case STORE_SWEEP_SESSIONS:
        sweep(sessions, operation->oldest);
        return true;
    default:
        return false;
    }
}

/* --- answering -------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
    const struct membership_record *left = a, *right = b;
    return left->position < right->position ? -1 : left->position > right->position;
}

void memory_sessions_answer(const struct memory_sessions *sessions, struct store_page *page,
                            const char *id)
{
    const struct stored_session *session = find(sessions, slice_of_string(id));
    const struct stored_membership *membership;
    size_t count = 0;
    page->complete = true;
    page->found = session != NULL;
    if (session == NULL) {
        return;
    }
    page->session =
        (struct session_record){.id = arena_copy(&page->arena, session->record.id),
                                .entity = arena_copy(&page->arena, session->record.entity),
                                .edge = arena_copy(&page->arena, session->record.edge),
                                .former = arena_copy(&page->arena, session->record.former),
                                .ended_at = session->record.ended_at};
    LL_COUNT(session->memberships, membership, count);
    page->memberships = arena_allocate(&page->arena, (count + 1) * sizeof(*page->memberships));
    LL_FOREACH (session->memberships, membership) {
        struct membership_record *own = &page->memberships[page->membership_count++];
        *own = membership->record;
        own->session = page->session.id;
        own->room = arena_copy(&page->arena, own->room);
        own->entity = arena_copy(&page->arena, own->entity);
        own->name = arena_copy(&page->arena, own->name);
    }
    qsort(page->memberships, page->membership_count, sizeof(*page->memberships), by_position);
}
