/*
 * The store as the router's core sees it, in memory: takes batches, answers queries like the real
 * ones do, and fills a router that starts anew. The test decides when, and with what result.
 */
#ifndef TESTS_UNIT_FAKE_STORE_H
#define TESTS_UNIT_FAKE_STORE_H

#include <assert.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "router/store/store.h"

enum { FAKE_STORE_MAX = 4096, FAKE_STORE_GONE_MAX = 64, FAKE_STORE_QUERIES_MAX = 64 };

struct fake_store {
    struct arena arena; /* bytes of all below */
    struct room_record rooms[64];
    size_t room_count;
    struct {
        uint64_t room;
        struct slice id;
    } participants[64];
    size_t participant_count;
    struct message_record messages[FAKE_STORE_MAX]; /* in order of commits */
    size_t message_count;
    struct message_record gone[FAKE_STORE_GONE_MAX]; /* deleted or cleared; swept never */
    size_t gone_count;
    struct job_record jobs[256];
    size_t job_count;
    struct agent_record agents[16];
    size_t agent_count;
    struct {
        struct session_record record;
        bool is_lost, is_gone;
    } sessions[32];
    size_t session_count;
    struct membership_record memberships[64];
    size_t membership_count;
    struct slice secret;
    struct named_record records[16];
    size_t record_count;
    size_t sweeps;
    struct store_batch *batch; /* owns: being committed */
    struct store_query queries[FAKE_STORE_QUERIES_MAX];
    size_t query_count;
    size_t page_max; /* 0: none; else messages of a page at most, whatever was asked for */
};

static inline struct slice fake_store_keep(struct fake_store *store, struct slice slice)
{
    return arena_copy(&store->arena, slice);
}

static inline struct room_record *fake_store_room(struct fake_store *store, uint64_t number)
{
    for (size_t i = 0; i < store->room_count; i++) {
        if (store->rooms[i].number == number) {
            return &store->rooms[i];
        }
    }
    return NULL;
}

static inline void fake_store_put_room(struct fake_store *store, const struct room_record *record)
{
    struct room_record *room = fake_store_room(store, record->number);
    if (room == NULL) {
        assert(store->room_count < sizeof(store->rooms) / sizeof(store->rooms[0]));
        room = &store->rooms[store->room_count++];
    }
    *room = *record;
    room->id = fake_store_keep(store, record->id);
    room->server_id = fake_store_keep(store, record->server_id);
    room->name = fake_store_keep(store, record->name);
    room->type = fake_store_keep(store, record->type);
    room->source_type = fake_store_keep(store, record->source_type);
    room->metadata = fake_store_keep(store, record->metadata);
}

static inline void fake_store_add_message(struct fake_store *store,
                                          const struct message_record *record)
{
    assert(store->message_count < FAKE_STORE_MAX);
    struct message_record *message = &store->messages[store->message_count++];
    *message = *record;
    message->id = fake_store_keep(store, record->id);
    message->sender = fake_store_keep(store, record->sender);
    message->client_message_id = fake_store_keep(store, record->client_message_id);
    message->in_reply_to = fake_store_keep(store, record->in_reply_to);
    message->body = fake_store_keep(store, record->body);
}

static inline struct job_record *fake_store_job(struct fake_store *store, uint64_t number)
{
    for (size_t i = 0; i < store->job_count; i++) {
        if (store->jobs[i].number == number) {
            return &store->jobs[i];
        }
    }
    return NULL;
}

static inline void fake_store_add_job(struct fake_store *store, const struct job_record *record)
{
    assert(store->job_count < sizeof(store->jobs) / sizeof(store->jobs[0]));
    struct job_record *job = &store->jobs[store->job_count++];
    *job = *record;
    job->question = fake_store_keep(store, record->question);
    job->agent = fake_store_keep(store, record->agent);
    job->reply = fake_store_keep(store, record->reply);
    job->asker_edge = fake_store_keep(store, record->asker_edge);
}

static inline void fake_store_put_agent(struct fake_store *store, const struct agent_record *record)
{
    size_t i = 0;
    while (i < store->agent_count && !slice_equals(store->agents[i].id, record->id)) {
        i++;
    }
    assert(i < sizeof(store->agents) / sizeof(store->agents[0]));
    store->agent_count = i == store->agent_count ? i + 1 : store->agent_count;
    store->agents[i] = *record;
    store->agents[i].id = fake_store_keep(store, record->id);
    store->agents[i].name = fake_store_keep(store, record->name);
    store->agents[i].details = fake_store_keep(store, record->details);
}

static inline struct session_record *fake_store_session(struct fake_store *store, struct slice id)
{
    for (size_t i = 0; i < store->session_count; i++) {
        if (!store->sessions[i].is_gone && slice_equals(store->sessions[i].record.id, id)) {
            return &store->sessions[i].record;
        }
    }
    return NULL;
}

static inline void fake_store_open_session(struct fake_store *store,
                                           const struct session_record *record)
{
    struct session_record *session = fake_store_session(store, record->id);
    if (session == NULL) {
        assert(store->session_count < 32);
        session = &store->sessions[store->session_count++].record;
        session->id = fake_store_keep(store, record->id);
        session->entity = fake_store_keep(store, record->entity);
    }
    session->edge = fake_store_keep(store, record->edge);
    session->ended_at = 0;
}

static inline void fake_store_add_membership(struct fake_store *store,
                                             const struct membership_record *record)
{
    if (fake_store_session(store, record->session) == NULL) {
        return; /* nobody's */
    }
    for (size_t i = 0; i < store->membership_count; i++) {
        struct membership_record *known = &store->memberships[i];
        if (slice_equals(known->session, record->session) &&
            slice_equals(known->room, record->room)) {
            known->entity = fake_store_keep(store, record->entity);
            known->name = fake_store_keep(store, record->name);
            return;
        }
    }
    assert(store->membership_count < 64);
    struct membership_record *membership = &store->memberships[store->membership_count++];
    *membership = *record;
    membership->session = fake_store_keep(store, record->session);
    membership->room = fake_store_keep(store, record->room);
    membership->entity = fake_store_keep(store, record->entity);
    membership->name = fake_store_keep(store, record->name);
}

static inline void fake_store_drop_membership(struct fake_store *store,
                                              const struct store_operation *operation)
{
    const struct session_record *session = fake_store_session(store, operation->session.id);
    for (size_t i = 0; session != NULL && i < store->membership_count; i++) {
        const struct membership_record *known = &store->memberships[i];
        if (slice_equals(session->edge, operation->session.edge) &&
            slice_equals(known->session, session->id) &&
            slice_equals(known->room, operation->left)) {
            store->memberships[i] = store->memberships[--store->membership_count];
            return;
        }
    }
}

/* The operations that find sessions and change them. */
static inline void fake_store_change_sessions(struct fake_store *store,
                                              const struct store_operation *operation)
{
    const struct session_record *given = &operation->session;
    for (size_t i = 0; i < store->session_count; i++) {
        struct session_record *session = &store->sessions[i].record;
        bool is_it = !store->sessions[i].is_gone && slice_equals(session->id, given->id);
        bool is_edge = slice_equals(session->edge, given->edge) || given->edge.length == 0;
        bool *is_lost = &store->sessions[i].is_lost;
        switch ((int)operation->type) {
        case STORE_END_SESSION:
            session->ended_at = is_it && is_edge ? given->ended_at : session->ended_at;
            break;
        case STORE_DROP_SESSION:
            store->sessions[i].is_gone = store->sessions[i].is_gone || (is_it && is_edge);
            break;
        case STORE_CLAIM_SESSION:
            if (is_it && (session->ended_at == 0 || session->ended_at >= operation->oldest) &&
                (given->entity.length == 0 || slice_equals(given->entity, session->entity))) {
                session->former = session->ended_at == 0 || *is_lost ? session->edge : SLICE_EMPTY;
                session->edge = fake_store_keep(store, given->edge);
                session->ended_at = 0;
                *is_lost = false;
            }
            break;
        case STORE_LOSE_EDGE:
            *is_lost = *is_lost || (is_edge && session->ended_at == 0);
            session->ended_at =
                *is_lost && session->ended_at == 0 ? given->ended_at : session->ended_at;
            break;
        case STORE_FIND_EDGE:
            session->ended_at = is_edge && *is_lost ? 0 : session->ended_at;
            *is_lost = *is_lost && !is_edge;
            break;
        case STORE_SWEEP_SESSIONS:
            store->sessions[i].is_gone =
                store->sessions[i].is_gone ||
                (session->ended_at != 0 && session->ended_at < operation->oldest);
            break;
        }
    }
}

static inline void fake_store_change_messages(struct fake_store *store,
                                              const struct store_operation *operation)
{
    const struct message_record *change = &operation->message;
    size_t kept = 0;
    for (size_t i = 0; i < store->message_count; i++) {
        struct message_record message = store->messages[i];
        bool is_it = message.room == change->room && slice_equals(message.id, change->id);
        bool is_cleared = operation->type == STORE_CLEAR_ROOM && message.room == change->room &&
                          message.seq <= change->seq;
        if (is_it && operation->type == STORE_REPLACE_MESSAGE) {
            message.body = fake_store_keep(store, change->body);
        }
        if (!is_cleared && !(is_it && operation->type == STORE_DELETE_MESSAGE)) {
            store->messages[kept++] = message;
        } else {
            assert_in_range(store->gone_count, 0, FAKE_STORE_GONE_MAX - 1);
            store->gone[store->gone_count++] = message;
        }
    }
    store->message_count = kept;
}

static inline struct named_record *fake_store_record(struct fake_store *store,
                                                     struct slice collection, struct slice id)
{
    for (size_t i = 0; i < store->record_count; i++) {
        if (slice_equals(store->records[i].collection, collection) &&
            slice_equals(store->records[i].id, id)) {
            return &store->records[i];
        }
    }
    return NULL;
}

static inline void fake_store_put_record(struct fake_store *store,
                                         const struct store_operation *operation)
{
    const struct named_record *put = &operation->put.record;
    struct named_record *record = fake_store_record(store, put->collection, put->id);
    uint64_t revision = record == NULL ? 0 : record->revision;
    if (operation->put.expected != RECORD_REVISION_ANY && operation->put.expected != revision) {
        *operation->put.outcome = (struct record_outcome){
            .error = revision == 0 ? ERROR_NOT_FOUND : ERROR_CONFLICT, .revision = revision};
        return;
    }
    if (record == NULL) {
        assert(store->record_count < sizeof(store->records) / sizeof(store->records[0]));
        record = &store->records[store->record_count++];
        *record =
            (struct named_record){.number = store->record_count, .created_at = put->updated_at};
    }
    record->collection = fake_store_keep(store, put->collection);
    record->id = fake_store_keep(store, put->id);
    record->owner = fake_store_keep(store, put->owner);
    record->body = fake_store_keep(store, put->body);
    record->updated_at = put->updated_at;
    record->expires_at = put->expires_at;
    record->revision = revision + 1;
    *operation->put.outcome = (struct record_outcome){
        .number = record->number, .revision = record->revision, .created_at = record->created_at};
}

static inline void fake_store_delete_record(struct fake_store *store,
                                            const struct store_operation *operation)
{
    struct named_record *record =
        fake_store_record(store, operation->put.record.collection, operation->put.record.id);
    operation->put.outcome->error = record == NULL ? ERROR_NOT_FOUND : 0;
    if (record != NULL) {
        *record = store->records[--store->record_count];
    }
}

static inline bool fake_store_has_participant(const struct fake_store *store, uint64_t room,
                                              struct slice id)
{
    for (size_t i = 0; i < store->participant_count; i++) {
        if (store->participants[i].room == room && slice_equals(store->participants[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* One of a room, or with an empty id all. */
static inline void fake_store_remove_participant(struct fake_store *store, uint64_t room,
                                                 struct slice id)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->participant_count; i++) {
        bool is_it = store->participants[i].room == room &&
                     (id.length == 0 || slice_equals(store->participants[i].id, id));
        if (!is_it) {
            store->participants[kept++] = store->participants[i];
        }
    }
    store->participant_count = kept;
}

static inline void fake_store_apply(struct fake_store *store, const struct store_batch *batch)
{
    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        switch (at->type) {
        case STORE_PUT_ROOM:
            fake_store_put_room(store, &at->room);
            break;
        case STORE_SET_PARTICIPANTS:
            fake_store_remove_participant(store, at->participants.room, SLICE_EMPTY);
            /* fall through */
        case STORE_ADD_PARTICIPANT:
            for (size_t i = 0; i < at->participants.count; i++) {
                if (fake_store_has_participant(store, at->participants.room,
                                               at->participants.ids[i])) {
                    continue;
                }
                assert(store->participant_count < 64);
                store->participants[store->participant_count].room = at->participants.room;
                store->participants[store->participant_count++].id =
                    fake_store_keep(store, at->participants.ids[i]);
            }
            break;
        case STORE_REMOVE_PARTICIPANT:
            fake_store_remove_participant(store, at->participants.room, at->participants.ids[0]);
            break;
        case STORE_ADD_MESSAGE:
            fake_store_add_message(store, &at->message);
            break;
        case STORE_ADD_JOB:
            fake_store_add_job(store, &at->job);
            break;
        case STORE_FINISH_JOB:
            fake_store_job(store, at->job.number)->state = at->job.state;
            fake_store_job(store, at->job.number)->attempts = at->job.attempts;
            fake_store_job(store, at->job.number)->error = fake_store_keep(store, at->job.error);
            break;
        case STORE_DELETE_JOB:
            break; /* nobody asks for jobs that have ended */
        case STORE_PUT_AGENT:
            fake_store_put_agent(store, &at->agent);
            break;
        case STORE_PUT_SECRET:
            store->secret = fake_store_keep(store, at->secret);
            break;
        case STORE_OPEN_SESSION:
            fake_store_open_session(store, &at->session);
            break;
        case STORE_ADD_MEMBERSHIP:
            fake_store_add_membership(store, &at->membership);
            break;
        case STORE_DROP_MEMBERSHIP:
            fake_store_drop_membership(store, at);
            break;
        case STORE_END_SESSION:
        case STORE_DROP_SESSION:
        case STORE_CLAIM_SESSION:
        case STORE_LOSE_EDGE:
        case STORE_FIND_EDGE:
        case STORE_SWEEP_SESSIONS:
            fake_store_change_sessions(store, at);
            break;
        case STORE_REPLACE_MESSAGE:
        case STORE_DELETE_MESSAGE:
        case STORE_CLEAR_ROOM:
            fake_store_change_messages(store, at);
            break;
        case STORE_PUT_RECORD:
            fake_store_put_record(store, at);
            break;
        case STORE_DELETE_RECORD:
            fake_store_delete_record(store, at);
            break;
        case STORE_SWEEP:
            store->sweeps++;
            break;
        }
    }
}

/* --- queries --------------------------------------------------------------------------------- */

static inline bool fake_store_matches(const struct store_query *query, uint64_t after_seq,
                                      const struct message_record *message)
{
    switch (query->type) {
    case STORE_QUERY_AFTER_SEQ:
    case STORE_QUERY_AFTER_ID:
        return message->room == query->room && message->seq > after_seq;
    case STORE_QUERY_AFTER_TIME:
        return message->room == query->room && message->created_at > query->after_ms;
    case STORE_QUERY_HISTORY:
        return message->room == query->room &&
               (query->before_ms == 0 || message->created_at < query->before_ms) &&
               (query->after_ms == 0 || message->created_at > query->after_ms);
    case STORE_QUERY_MESSAGE:
    case STORE_QUERY_ID_TAKEN:
        return slice_is(message->id, query->id);
    case STORE_QUERY_AFTER_POSITION:
        return message->room == query->room && message->position > query->after_seq;
    case STORE_QUERY_SESSION:
    case STORE_QUERY_LAST_SESSION:
    case STORE_QUERY_SEARCH:
    case STORE_QUERY_PARTICIPANTS:
    case STORE_QUERY_ROOMS:
    case STORE_QUERY_ROOMS_OF:
    case STORE_QUERY_RUNS:
    case STORE_QUERY_AGENT_HISTORY:
    case STORE_QUERY_RECORD:
    case STORE_QUERY_RECORDS:
        break; /* answered elsewhere, or asked by no test of the router */
    }
    return false;
}

static inline struct store_page *fake_store_answer_session(struct fake_store *store,
                                                           const struct store_query *query)
{
    struct store_page *page = store_page_new(query);
    struct session_record *session = fake_store_session(store, slice_of_string(query->id));
    for (size_t i = 0; query->type == STORE_QUERY_LAST_SESSION && i < store->session_count; i++) {
        struct session_record *each = &store->sessions[i].record;
        bool is_it =
            !store->sessions[i].is_gone && each->ended_at > 0 && slice_is(each->entity, query->id);
        session = is_it && (session == NULL || each->ended_at > session->ended_at) ? each : session;
    }
    page->found = session != NULL;
    page->complete = true;
    page->memberships = arena_allocate(&page->arena, 64 * sizeof(*page->memberships));
    if (page->found) {
        page->session = *session; /* what it borrows lives as long as the store */
    }
    for (size_t i = 0; page->found && i < store->membership_count; i++) {
        if (slice_equals(store->memberships[i].session, session->id)) {
            page->memberships[page->membership_count++] = store->memberships[i];
        }
    }
    return page;
}

static inline void fake_store_answer_others(const struct fake_store *store,
                                            const struct store_query *query,
                                            struct store_page *page)
{
    page->records =
        arena_allocate(&page->arena, (store->record_count + 1) * sizeof(*page->records));
    page->ids = arena_allocate(&page->arena, (store->participant_count + 1) * sizeof(*page->ids));
    page->rooms = arena_allocate(&page->arena, (store->room_count + 1) * sizeof(*page->rooms));
    for (size_t i = 0; i < store->participant_count; i++) {
        if (query->type == STORE_QUERY_PARTICIPANTS && store->participants[i].room == query->room) {
            page->ids[page->id_count++] = store->participants[i].id;
        }
    }
    for (size_t i = store->room_count; query->type == STORE_QUERY_ROOMS && i > 0; i--) {
        if (slice_is(store->rooms[i - 1].server_id, query->id)) {
            page->rooms[page->room_count++] = store->rooms[i - 1];
        }
    }
    for (size_t i = 0; i < store->record_count; i++) {
        bool is_listed =
            query->type == STORE_QUERY_RECORDS ||
            (query->type == STORE_QUERY_RECORD && slice_is(store->records[i].id, query->id));
        if (is_listed && slice_is(store->records[i].collection, query->collection)) {
            page->records[page->record_count++] = store->records[i];
        }
    }
    page->found = page->found || page->record_count > 0;
    page->total = store->record_count;
}

static inline struct store_page *fake_store_answer(struct fake_store *store,
                                                   const struct store_query *query)
{
    if (query->type == STORE_QUERY_SESSION || query->type == STORE_QUERY_LAST_SESSION) {
        return fake_store_answer_session(store, query);
    }
    struct store_page *page = store_page_new(query);
    size_t limit =
        store->page_max > 0 && store->page_max < query->limit ? store->page_max : query->limit;
    uint64_t after_seq = query->after_seq;
    page->complete = true;
    fake_store_answer_others(store, query, page);
    page->messages = arena_allocate(&page->arena, (limit + 1) * sizeof(*page->messages));
    for (size_t i = 0; i < store->message_count; i++) {
        if (query->type == STORE_QUERY_AFTER_ID && slice_is(store->messages[i].id, query->id) &&
            store->messages[i].room == query->room) {
            page->found = true;
            after_seq = store->messages[i].seq;
        }
    }
    bool is_newest_first = query->type == STORE_QUERY_HISTORY;
    for (size_t n = 0; n < store->message_count; n++) {
        size_t i = is_newest_first ? store->message_count - 1 - n : n;
        const struct message_record *message = &store->messages[i];
        if ((query->type == STORE_QUERY_AFTER_ID && !page->found) ||
            !fake_store_matches(query, after_seq, message)) {
            continue;
        }
        if (page->count == limit) {
            page->complete = false;
            break;
        }
        struct message_record *copy = &page->messages[page->count++];
        *copy = *message;
        copy->id = arena_copy(&page->arena, message->id);
        copy->sender = arena_copy(&page->arena, message->sender);
        copy->client_message_id = arena_copy(&page->arena, message->client_message_id);
        copy->in_reply_to = arena_copy(&page->arena, message->in_reply_to);
        copy->body = arena_copy(&page->arena, message->body);
    }
    page->found = page->found || (page->count > 0 && query->type == STORE_QUERY_ID_TAKEN);
    return page;
}

/* Fills a router that starts. */
static inline void fake_store_load_recent(const struct message_record *stored,
                                          struct store_loader *loader)
{
    struct message_record message = *stored;
    message.body = SLICE_EMPTY;
    if (message.created_at > loader->recent_since) {
        loader->recent(loader->context, &message);
    }
}

static inline void fake_store_load(struct fake_store *store, struct store_loader *loader)
{
    for (size_t i = 0; i < store->room_count; i++) {
        struct room_record room = store->rooms[i];
        for (size_t m = 0; m < store->message_count; m++) {
            if (store->messages[m].room == room.number) {
                room.last_seq = store->messages[m].seq;
                room.last_at = store->messages[m].created_at;
            }
        }
        loader->room(loader->context, &room);
        loader->last_room = room.number > loader->last_room ? room.number : loader->last_room;
    }
    for (size_t i = 0; i < store->participant_count; i++) {
        loader->participant(loader->context, store->participants[i].room,
                            store->participants[i].id);
    }
    for (size_t i = 0; i < store->agent_count; i++) {
        loader->agent(loader->context, &store->agents[i]);
    }
    for (size_t i = 0; i < store->job_count; i++) {
        loader->last_job = store->jobs[i].number;
        if (store->jobs[i].state == JOB_OPEN) {
            loader->open_job(loader->context, &store->jobs[i]);
        }
    }
    if (store->secret.length > 0) {
        loader->secret(loader->context, store->secret);
    }
    for (size_t i = 0; i < store->message_count; i++) {
        loader->last_position = store->messages[i].position;
        fake_store_load_recent(&store->messages[i], loader);
    }
    for (size_t i = 0; i < store->gone_count; i++) {
        fake_store_load_recent(&store->gone[i], loader);
    }
}

static inline void fake_store_init(struct fake_store *store)
{
    memset(store, 0, sizeof(*store));
    arena_init(&store->arena);
}

static inline void fake_store_deinit(struct fake_store *store)
{
    store_batch_destroy(&store->batch);
    arena_deinit(&store->arena);
}

#endif
