#include "router/store/batch.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

struct store_batch *store_batch_new(uint64_t number)
{
    struct store_batch *batch = memory_allocate_zeroed(sizeof(*batch));

    batch->number = number;
    arena_init(&batch->arena);
    return batch;
}

void store_batch_destroy(struct store_batch **batch)
{
    if (*batch == NULL) {
        return;
    }
    arena_deinit(&(*batch)->arena);
    free(*batch);
    *batch = NULL;
}

static struct store_operation *add(struct store_batch *batch, enum store_operation_type type)
{
    struct store_operation *operation = arena_allocate(&batch->arena, sizeof(*operation));

    operation->type = type;
    operation->next = NULL;
    if (batch->last == NULL) {
        batch->first = operation;
    } else {
        batch->last->next = operation;
    }
    batch->last = operation;
    batch->operations++;
    return operation;
}

static void copy(struct store_batch *batch, struct slice *slice)
{
    batch->bytes += slice->length;
    *slice = arena_copy(&batch->arena, *slice);
}

void store_batch_put_room(struct store_batch *batch, const struct room_record *room)
{
    struct room_record *own = &add(batch, STORE_PUT_ROOM)->room;

    assert(room->number > 0 && room->id.length > 0);
    *own = *room;
    copy(batch, &own->id);
    copy(batch, &own->server_id);
    copy(batch, &own->name);
    copy(batch, &own->type);
    copy(batch, &own->source_type);
    copy(batch, &own->metadata);
}

static void put_participants(struct store_batch *batch, enum store_operation_type type,
                             uint64_t room, const struct slice *ids, size_t count)
{
    struct store_operation *operation = add(batch, type);
    struct slice *own = arena_allocate(&batch->arena, count * sizeof(*own));

    assert(room > 0);
    for (size_t i = 0; i < count; i++) {
        assert(ids[i].length > 0);
        own[i] = ids[i];
        copy(batch, &own[i]);
    }
    operation->participants.room = room;
    operation->participants.ids = own;
    operation->participants.count = count;
}

void store_batch_set_participants(struct store_batch *batch, uint64_t room, const struct slice *ids,
                                  size_t count)
{
    put_participants(batch, STORE_SET_PARTICIPANTS, room, ids, count);
}

void store_batch_add_participant(struct store_batch *batch, uint64_t room, struct slice id)
{
    put_participants(batch, STORE_ADD_PARTICIPANT, room, &id, 1);
}

void store_batch_remove_participant(struct store_batch *batch, uint64_t room, struct slice id)
{
    put_participants(batch, STORE_REMOVE_PARTICIPANT, room, &id, 1);
}

const struct message_record *store_batch_add_message(struct store_batch *batch,
                                                     const struct message_record *message)
{
    struct message_record *own = &add(batch, STORE_ADD_MESSAGE)->message;

    assert(message->room > 0 && message->seq > 0 && message->id.length > 0);
    *own = *message;
    copy(batch, &own->id);
    copy(batch, &own->sender);
    copy(batch, &own->client_message_id);
    copy(batch, &own->in_reply_to);
    copy(batch, &own->body);
    batch->messages++;
    return own;
}

void store_batch_add_job(struct store_batch *batch, const struct job_record *job)
{
    struct job_record *own = &add(batch, STORE_ADD_JOB)->job;

    assert(job->number > 0 && job->room > 0);
    *own = *job;
    copy(batch, &own->question);
    copy(batch, &own->agent);
    copy(batch, &own->reply);
    copy(batch, &own->asker_edge);
}

void store_batch_finish_job(struct store_batch *batch, const struct job_record *job)
{
    struct job_record *own = &add(batch, STORE_FINISH_JOB)->job;

    assert(job->number > 0 && job->state != JOB_OPEN);
    *own = (struct job_record){.number = job->number,
                               .state = job->state,
                               .finished_at = job->finished_at,
                               .attempts = job->attempts,
                               .error = job->error};
    copy(batch, &own->error);
}

void store_batch_delete_job(struct store_batch *batch, uint64_t job, struct slice agent)
{
    struct job_record *own = &add(batch, STORE_DELETE_JOB)->job;

    assert(job > 0 && agent.length > 0);
    *own = (struct job_record){.number = job, .agent = agent};
    copy(batch, &own->agent);
}

void store_batch_put_agent(struct store_batch *batch, const struct agent_record *agent)
{
    struct agent_record *own = &add(batch, STORE_PUT_AGENT)->agent;

    assert(agent->id.length > 0);
    *own = *agent;
    copy(batch, &own->id);
    copy(batch, &own->name);
    copy(batch, &own->details);
}

void store_batch_put_secret(struct store_batch *batch, struct slice secret)
{
    struct slice *own = &add(batch, STORE_PUT_SECRET)->secret;

    assert(secret.length > 0);
    *own = secret;
    copy(batch, own);
}

static struct store_operation *add_session(struct store_batch *batch,
                                           enum store_operation_type type,
                                           const struct session_record *session, int64_t oldest,
                                           size_t limit)
{
    struct store_operation *operation = add(batch, type);

    operation->session = *session;
    operation->oldest = oldest;
    operation->limit = limit;
    copy(batch, &operation->session.id);
    copy(batch, &operation->session.entity);
    copy(batch, &operation->session.edge);
    copy(batch, &operation->session.former);
    return operation;
}

void store_batch_open_session(struct store_batch *batch, const struct session_record *session)
{
    assert(session->id.length > 0 && session->edge.length > 0);
    add_session(batch, STORE_OPEN_SESSION, session, 0, 0);
}

void store_batch_add_membership(struct store_batch *batch,
                                const struct membership_record *membership)
{
    struct membership_record *own = &add(batch, STORE_ADD_MEMBERSHIP)->membership;

    assert(membership->session.length > 0 && membership->room.length > 0);
    *own = *membership;
    copy(batch, &own->session);
    copy(batch, &own->room);
    copy(batch, &own->entity);
    copy(batch, &own->name);
}

void store_batch_drop_membership(struct store_batch *batch, struct slice id, struct slice edge,
                                 struct slice room)
{
    struct session_record session = {.id = id, .edge = edge};
    struct store_operation *operation = add_session(batch, STORE_DROP_MEMBERSHIP, &session, 0, 0);

    operation->left = room;
    copy(batch, &operation->left);
}

void store_batch_end_session(struct store_batch *batch, struct slice id, struct slice edge,
                             int64_t ended_at)
{
    struct session_record session = {.id = id, .edge = edge, .ended_at = ended_at};

    assert(ended_at != 0);
    add_session(batch, STORE_END_SESSION, &session, 0, 0);
}

void store_batch_drop_session(struct store_batch *batch, struct slice id, struct slice edge)
{
    struct session_record session = {.id = id, .edge = edge};

    add_session(batch, STORE_DROP_SESSION, &session, 0, 0);
}

void store_batch_claim_session(struct store_batch *batch, struct slice id, struct slice edge,
                               struct slice entity, int64_t oldest)
{
    struct session_record session = {.id = id, .entity = entity, .edge = edge};

    add_session(batch, STORE_CLAIM_SESSION, &session, oldest, 0);
}

void store_batch_lose_edge(struct store_batch *batch, struct slice edge, int64_t ended_at)
{
    struct session_record session = {.edge = edge, .ended_at = ended_at};

    assert(ended_at != 0);
    add_session(batch, STORE_LOSE_EDGE, &session, 0, 0);
}

void store_batch_find_edge(struct store_batch *batch, struct slice edge)
{
    struct session_record session = {.edge = edge};

    add_session(batch, STORE_FIND_EDGE, &session, 0, 0);
}

void store_batch_sweep_sessions(struct store_batch *batch, int64_t oldest, size_t limit)
{
    struct session_record session = {.ended_at = 0};

    add_session(batch, STORE_SWEEP_SESSIONS, &session, oldest, limit);
}

static void change_message(struct store_batch *batch, enum store_operation_type type,
                           const struct message_record *change)
{
    struct message_record *own = &add(batch, type)->message;

    assert(change->room > 0);
    *own = *change;
    copy(batch, &own->id);
    copy(batch, &own->body);
}

void store_batch_replace_message(struct store_batch *batch, uint64_t room, struct slice id,
                                 struct slice body)
{
    struct message_record change = {.room = room, .id = id, .body = body};

    assert(id.length > 0);
    change_message(batch, STORE_REPLACE_MESSAGE, &change);
}

void store_batch_delete_message(struct store_batch *batch, uint64_t room, struct slice id)
{
    struct message_record change = {.room = room, .id = id};

    assert(id.length > 0);
    change_message(batch, STORE_DELETE_MESSAGE, &change);
}

void store_batch_clear_room(struct store_batch *batch, uint64_t room, uint64_t through_seq)
{
    struct message_record change = {.room = room, .seq = through_seq};

    change_message(batch, STORE_CLEAR_ROOM, &change);
}

static const struct record_outcome *add_record(struct store_batch *batch,
                                               enum store_operation_type type,
                                               const struct named_record *record, uint64_t expected)
{
    struct store_operation *operation = add(batch, type);
    struct named_record *own = &operation->put.record;

    assert(record->collection.length > 0 && record->collection.length <= RECORD_COLLECTION_MAX);
    assert(record->id.length > 0 && record->body.length <= RECORD_BODY_MAX);
    *own = *record;
    copy(batch, &own->collection);
    copy(batch, &own->id);
    copy(batch, &own->owner);
    copy(batch, &own->body);
    operation->put.expected = expected;
    operation->put.outcome = arena_allocate(&batch->arena, sizeof(*operation->put.outcome));
    *operation->put.outcome = (struct record_outcome){.error = ERROR_STORE};
    return operation->put.outcome;
}

const struct record_outcome *store_batch_put_record(struct store_batch *batch,
                                                    const struct named_record *record,
                                                    uint64_t expected)
{
    return add_record(batch, STORE_PUT_RECORD, record, expected);
}

const struct record_outcome *store_batch_delete_record(struct store_batch *batch,
                                                       struct slice collection, struct slice id)
{
    struct named_record record = {.collection = collection, .id = id};

    return add_record(batch, STORE_DELETE_RECORD, &record, RECORD_REVISION_ANY);
}

void store_batch_sweep(struct store_batch *batch, int64_t now, int64_t recent_since)
{
    struct store_operation *operation = add(batch, STORE_SWEEP);

    operation->sweep.now = now;
    operation->sweep.recent_since = recent_since;
}
