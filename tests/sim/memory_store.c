#include "tests/sim/memory_store.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

enum { MESSAGES_FIRST = 16 };

void memory_store_init(struct memory_store *store, const struct world *world)
{
    *store = (struct memory_store){.world = world};
    arena_init(&store->arena);
    memory_sessions_init(&store->sessions, &store->arena);
}

void memory_store_deinit(struct memory_store *store)
{
    struct stored_room *room, *next_room;
    struct stored_message *message, *next_message;
    struct stored_job *job, *next_job;
    struct stored_agent *agent, *next_agent;
    HASH_ITER (hh, store->rooms, room, next_room) {
        HASH_DEL(store->rooms, room);
        free(room->messages);
        free(room->participants);
        free(room);
    }
    HASH_ITER (hh, store->messages, message, next_message) {
        HASH_DEL(store->messages, message);
        free(message->notes);
        free(message);
    }
    HASH_ITER (hh, store->jobs, job, next_job) {
        HASH_DEL(store->jobs, job);
        free(job);
    }
    HASH_ITER (hh, store->agents, agent, next_agent) {
        HASH_DEL(store->agents, agent);
        free(agent);
    }
    memory_sessions_deinit(&store->sessions);
    arena_deinit(&store->arena);
}

/* --- looking up ------------------------------------------------------------------------------- */

struct stored_room *memory_store_room_numbered(struct memory_store *store, uint64_t number)
{
    struct stored_room *room;
    HASH_FIND(hh, store->rooms, &number, sizeof(number), room);
    return room;
}

struct stored_room *memory_store_room(struct memory_store *store, struct slice id)
{
    struct stored_room *room, *next;
    HASH_ITER (hh, store->rooms, room, next) {
        if (room->has_row && slice_equals(room->record.id, id)) {
            return room;
        }
    }
    return NULL;
}

struct stored_message *memory_store_message(struct memory_store *store, struct slice id)
{
    struct stored_message *message;
    HASH_FIND(hh, store->messages, id.data, id.length, message);
    return message;
}

size_t memory_store_after(const struct stored_room *room, uint64_t seq)
{
    size_t low = 0, high = room->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (room->messages[middle]->record.seq > seq) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool memory_store_has_participant(const struct stored_room *room, struct slice id)
{
    for (size_t i = 0; i < room->participant_count; i++) {
        if (slice_equals(room->participants[i], id)) {
            return true;
        }
    }
    return false;
}

/* --- committing ------------------------------------------------------------------------------- */

static bool is_taken(struct memory_store *store, const struct message_record *message)
{
    struct stored_room *room = memory_store_room_numbered(store, message->room);
    if (memory_store_message(store, message->id) != NULL) {
        return true;
    }
    return room != NULL && room->count > 0 &&
           room->messages[room->count - 1]->record.seq >= message->seq;
}

static bool room_is_taken(struct memory_store *store, const struct room_record *record)
{
    struct stored_room *room = memory_store_room(store, record->id);
    return room != NULL && room->record.number != record->number;
}

static bool job_is_taken(struct memory_store *store, const struct job_record *record)
{
    struct stored_job *job;
    HASH_FIND(hh, store->jobs, &record->number, sizeof(record->number), job);
    return job != NULL;
}

/* Against what is stored; two operations of one batch are not compared with each other. */
static bool breaks_constraint(struct memory_store *store, const struct store_operation *operation)
{
    switch (operation->type) {
    case STORE_PUT_ROOM:
        return room_is_taken(store, &operation->room);
    case STORE_ADD_MESSAGE:
        return is_taken(store, &operation->message);
    case STORE_ADD_JOB:
        return job_is_taken(store, &operation->job);
    default:
        return false;
    }
}

static struct slice keep(struct memory_store *store, struct slice slice)
{
    return arena_copy(&store->arena, slice);
}

static struct stored_room *room_obtain(struct memory_store *store, uint64_t number)
{
    struct stored_room *room = memory_store_room_numbered(store, number);
    if (room == NULL) {
        room = memory_allocate_zeroed(sizeof(*room));
        room->record.number = number;
        room->gone_until = -1;
        HASH_ADD(hh, store->rooms, record.number, sizeof(room->record.number), room);
    }
    return room;
}

static void put_room(struct memory_store *store, const struct room_record *record)
{
    struct stored_room *room = room_obtain(store, record->number);
    uint64_t last_seq = room->record.last_seq;
    int64_t last_at = room->record.last_at;
    if (!room->has_row) {
        room->record = *record;
        room->record.id = keep(store, record->id);
    }
    room->has_row = true;
    room->record.last_seq = last_seq;
    room->record.last_at = last_at;
    room->record.server_id = keep(store, record->server_id);
    room->record.name = keep(store, record->name);
    room->record.type = keep(store, record->type);
    room->record.source_type = keep(store, record->source_type);
    room->record.metadata = keep(store, record->metadata);
    room->record.has_participants = record->has_participants;
    room->record.updated_at = record->updated_at;
    room->record.deleted_at = record->deleted_at;
    if (record->deleted_at != 0) {
        room->gone_until = INT64_MAX;
    } else if (room->gone_until == INT64_MAX) {
        room->gone_until = store->world->now;
    }
}

static void add_participant(struct memory_store *store, uint64_t number, struct slice id)
{
    struct stored_room *room = room_obtain(store, number);
    if (memory_store_has_participant(room, id)) {
        return;
    }
    room->participants = memory_reallocate(room->participants, (room->participant_count + 1) *
                                                                   sizeof(*room->participants));
    room->participants[room->participant_count++] = keep(store, id);
}

static void add_message(struct memory_store *store, const struct message_record *record)
{
    struct stored_room *room = room_obtain(store, record->room);
    struct stored_message *message = memory_allocate_zeroed(sizeof(*message));
    message->record = *record;
    message->record.id = keep(store, record->id);
    message->record.sender = keep(store, record->sender);
    message->record.client_message_id = keep(store, record->client_message_id);
    message->record.in_reply_to = keep(store, record->in_reply_to);
    message->record.body = keep(store, record->body);
    message->room = room;
    message->arrival = ++store->arrivals;
    message->stored_at = store->world->now;
    message->gone_at = -1;
    if (room->count == room->capacity) {
        room->capacity = room->capacity == 0 ? MESSAGES_FIRST : room->capacity * 2;
        room->messages =
            memory_reallocate(room->messages, room->capacity * sizeof(*room->messages));
    }
    room->messages[room->count++] = message;
    room->record.last_seq = record->seq;
    room->record.last_at = record->created_at;
    HASH_ADD_KEYPTR(hh, store->messages, message->record.id.data, message->record.id.length,
                    message);
}

/* Of a message that is there, and no event: else nothing, as a statement that matches no row. */
static void change_message(struct memory_store *store, const struct store_operation *operation)
{
    const struct message_record *change = &operation->message;
    struct stored_message *message = memory_store_message(store, change->id);
    if (message == NULL || message->room->record.number != change->room || message->is_swept ||
        message->record.kind == MESSAGE_KIND_EVENT) {
        return;
    }
    if (operation->type == STORE_DELETE_MESSAGE) {
        message->gone_at = message->gone_at < 0 ? store->world->now : message->gone_at;
        message->is_swept = true;
    } else {
        message->record.body = keep(store, change->body);
    }
}

static void clear_room(struct memory_store *store, const struct message_record *change)
{
    struct stored_room *room = room_obtain(store, change->room);
    size_t end = memory_store_after(room, change->seq);
    for (size_t i = 0; i < end; i++) {
        struct stored_message *message = room->messages[i];
        message->gone_at = message->gone_at < 0 ? store->world->now : message->gone_at;
        message->is_cleared = true;
    }
}

static void sweep(struct memory_store *store)
{
    struct stored_message *message, *next;
    HASH_ITER (hh, store->messages, message, next) {
        message->is_swept = message->is_swept || message->is_cleared;
    }
}

static void add_job(struct memory_store *store, const struct job_record *record)
{
    struct stored_job *job = memory_allocate_zeroed(sizeof(*job));
    job->record = *record;
    job->record.question = keep(store, record->question);
    job->record.agent = keep(store, record->agent);
    job->record.reply = keep(store, record->reply);
    job->record.asker_edge = keep(store, record->asker_edge);
    HASH_ADD(hh, store->jobs, record.number, sizeof(job->record.number), job);
    store->open_jobs++;
}

static void finish_job(struct memory_store *store, const struct job_record *record)
{
    struct stored_job *job;
    HASH_FIND(hh, store->jobs, &record->number, sizeof(record->number), job);
    if (job == NULL) {
        return; /* an UPDATE that matches no row */
    }
    store->open_jobs -= job->record.state == JOB_OPEN;
    job->record.state = record->state;
    job->record.finished_at = record->finished_at;
    job->record.attempts = record->attempts;
    job->record.error = keep(store, record->error);
}

static void put_agent(struct memory_store *store, const struct agent_record *record)
{
    struct stored_agent *agent;
    HASH_FIND(hh, store->agents, record->id.data, record->id.length, agent);
    if (agent == NULL) {
        agent = memory_allocate_zeroed(sizeof(*agent));
        agent->record.id = keep(store, record->id);
        agent->record.created_at = record->created_at;
        HASH_ADD_KEYPTR(hh, store->agents, agent->record.id.data, agent->record.id.length, agent);
    }
    agent->record.name = keep(store, record->name);
    agent->record.details = keep(store, record->details);
    agent->record.state = record->state;
    agent->record.updated_at = record->updated_at;
}

static void apply(struct memory_store *store, const struct store_operation *operation)
{
    switch (operation->type) {
    case STORE_PUT_ROOM:
        put_room(store, &operation->room);
        break;
    case STORE_SET_PARTICIPANTS:
        room_obtain(store, operation->participants.room)->participant_count = 0;
        /* fall through */
    case STORE_ADD_PARTICIPANT:
        for (size_t i = 0; i < operation->participants.count; i++) {
            add_participant(store, operation->participants.room, operation->participants.ids[i]);
        }
        break;
    case STORE_ADD_MESSAGE:
        add_message(store, &operation->message);
        break;
    case STORE_REPLACE_MESSAGE:
    case STORE_DELETE_MESSAGE:
        change_message(store, operation);
        break;
    case STORE_CLEAR_ROOM:
        clear_room(store, &operation->message);
        break;
    case STORE_SWEEP:
        sweep(store);
        break;
    case STORE_ADD_JOB:
        add_job(store, &operation->job);
        break;
    case STORE_FINISH_JOB:
        finish_job(store, &operation->job);
        break;
    case STORE_PUT_AGENT:
        put_agent(store, &operation->agent);
        break;
    default:
        memory_sessions_apply(&store->sessions, operation);
        break;
    }
}

int memory_store_commit(struct memory_store *store, struct store_batch *batch)
{
    batch->refused = NULL;
    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        if (breaks_constraint(store, at)) {
            batch->refused = at;
            return ERROR_STORE;
        }
    }
    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        apply(store, at);
    }
    for (const struct store_operation *at = batch->first; at != NULL; at = at->next) {
        if (at->type == STORE_ADD_MESSAGE && store->committed != NULL) {
            store->committed(store->context, memory_store_message(store, at->message.id));
        }
    }
    return 0;
}

/* --- loading ---------------------------------------------------------------------------------- */

static int by_number(const struct stored_job *a, const struct stored_job *b)
{
    return a->record.number < b->record.number ? -1 : a->record.number > b->record.number;
}

static int by_arrival(const struct stored_message *a, const struct stored_message *b)
{
    return a->arrival < b->arrival ? -1 : a->arrival > b->arrival;
}

static int by_age(const struct stored_agent *a, const struct stored_agent *b)
{
    if (a->record.created_at != b->record.created_at) {
        return a->record.created_at < b->record.created_at ? -1 : 1;
    }
    size_t most =
        a->record.id.length < b->record.id.length ? a->record.id.length : b->record.id.length;
    return memcmp(a->record.id.data, b->record.id.data, most);
}

static void load_rooms(struct memory_store *store, struct store_loader *loader)
{
    struct stored_room *room, *next;
    HASH_ITER (hh, store->rooms, room, next) {
        if (!room->has_row) {
            continue;
        }
        loader->room(loader->context, &room->record);
        loader->last_room =
            room->record.number > loader->last_room ? room->record.number : loader->last_room;
    }
    HASH_ITER (hh, store->rooms, room, next) {
        for (size_t i = 0; room->record.has_participants && i < room->participant_count; i++) {
            loader->participant(loader->context, room->record.number, room->participants[i]);
        }
    }
}

void memory_store_load(struct memory_store *store, struct store_loader *loader)
{
    struct stored_agent *agent, *next_agent;
    struct stored_job *job, *next_job;
    struct stored_message *message, *next_message;
    load_rooms(store, loader);
    HASH_SORT(store->agents, by_age);
    HASH_ITER (hh, store->agents, agent, next_agent) {
        loader->agent(loader->context, &agent->record);
    }
    HASH_SORT(store->jobs, by_number);
    HASH_ITER (hh, store->jobs, job, next_job) {
        if (job->record.state == JOB_OPEN) {
            loader->open_job(loader->context, &job->record);
        }
        loader->last_job = job->record.number;
    }
    HASH_SORT(store->messages, by_arrival);
    HASH_ITER (hh, store->messages, message, next_message) {
        loader->last_position = message->record.position;
        if (message->record.created_at > loader->recent_since) { /* also one that is gone */
            struct message_record recent = message->record;
            recent.body = SLICE_EMPTY;
            loader->recent(loader->context, &recent);
        }
    }
    if (store->sessions.secret.length > 0) {
        loader->secret(loader->context, store->sessions.secret);
    }
}
