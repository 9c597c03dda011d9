#include "router/core/send.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/agents.h"
#include "router/core/asking.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/said.h"
#include "router/core/sessions.h"
#include "router/core/work.h"
#include "router/store/batch.h"
#include "router/store/record.h"

enum { RETRY_AFTER_MS = 1000 };

static void answer(struct peer *peer, uint64_t request, uint64_t trace, struct bus_send_done done)
{
    struct bus_message message = {.type = BUS_SEND_DONE, .trace = trace, .send_done = done};
    message.send_done.request = request;
    peer_send(peer, &message);
}

static void refuse(struct peer *peer, const struct bus_message *question, int error)
{
    peer->router->counters.refused++;
    answer(peer, question->send.request, question->trace,
           (struct bus_send_done){.error = error,
                                  .retry_after = error_is_retryable(error) ? RETRY_AFTER_MS : 0});
}

/* As the first one was answered. */
static void answer_repeat(struct peer *peer, uint64_t request, uint64_t trace,
                          const struct dedupe_entry *entry)
{
    answer(peer, request, trace,
           (struct bus_send_done){.message_id = slice_of(entry->id, UUID_TEXT_LENGTH),
                                  .seq = entry->seq,
                                  .epoch = entry->epoch,
                                  .created_at = entry->created_at,
                                  .is_duplicate = true,
                                  .no_agent = entry->no_agent,
                                  .jobs = run_also_tell(peer->router, entry, peer)});
    run_catch_up_repeat(peer->router, entry, peer);
}

/* The first send of this messageId decides; a repeat gets the same answer when it has one. */
void send_answer_duplicate(struct peer *peer, uint64_t request, uint64_t trace,
                           const struct dedupe_entry *entry)
{
    struct router *router = peer->router;
    router->counters.duplicates++;
    if (entry->is_committed) {
        answer_repeat(peer, request, trace, entry);
        return;
    }
    peer_pend(peer, PENDING_DUPLICATE, request, trace)->key = entry->key;
}

const struct message_record *send_append(struct router *router, struct room *room,
                                         struct message_record *record)
{
    room_store(router, room);
    record->room = room->number;
    record->seq = ++room->assigned;
    record->created_at = router->time.wall > room->last_at ? router->time.wall : room->last_at;
    room->last_at = record->created_at;
    record->position = clock_after(router->last_position, router->time.wall);
    router->last_position = record->position;
    return store_batch_add_message(router_batch(router), record);
}

static bool is_overloaded(struct router *router, const struct bus_send *send)
{
    return router_batch_is_full(router) ||
           (send->asks_agent && HASH_COUNT(router->jobs) >= (size_t)router->settings.jobs_max);
}

/* A message that was not there before: its place, its jobs, and what waits for its commit. */
static void accept_message(struct peer *peer, const struct bus_message *message, struct room *room,
                           struct dedupe_key key)
{
    const struct bus_send *send = &message->send;
    struct router *router = peer->router;
    struct asking asking = {.room = room,
                            .sender = send->sender,
                            .body = send->body,
                            .is_of_agent = agent_find(router, send->sender) != NULL};
    struct choice choice = {.count = 0};
    enum bus_answering answering = BUS_ANSWERED;
    asking.hops = asking.is_of_agent;
    if (!asking.is_of_agent) {
        asking_of_person(room);
    }
    if (send->asks_agent) {
        answering = asking_choose(router, &asking, &choice);
    }
    char id[UUID_TEXT_SIZE];
    uuid_by_time(router->ids, router->time.wall, id);
    struct message_record record = {
        .id = slice_of(id, UUID_TEXT_LENGTH),
        .kind = answering == BUS_ANSWERED ? MESSAGE_KIND_USER : MESSAGE_KIND_UNANSWERED,
        .sender = send->sender,
        /* Ours or the client's: a repeat is a repeat, also after a restart. */
        .client_message_id = send->message_id,
        .body = send->body,
    };
    room_revive(router, room);
    const struct message_record *stored = send_append(router, room, &record);
    room_note_participant(router, room, send->sender);
    struct pending *pending = peer_pend(peer, PENDING_MESSAGE, send->request, message->trace);
    asking_make_jobs(router, &asking, &choice, stored, text_slice(&peer->incarnation), pending);
    choice_deinit(&choice);
    struct dedupe_entry entry = {.key = key,
                                 .seq = stored->seq,
                                 .epoch = room->epoch,
                                 .created_at = stored->created_at,
                                 .no_agent = (uint8_t)answering,
                                 .first_job = pending->first_job,
                                 .jobs = (uint32_t)pending->jobs};
    memcpy(entry.id, id, sizeof(entry.id));
    router->counters.dedupe_evicted += dedupe_add(router->dedupe, &entry);
    pending->room = room;
    pending->message = stored;
    pending->no_agent = (uint8_t)answering;
    pending->key = key;
}

void send_receive(struct peer *peer, const struct bus_message *message)
{
    const struct bus_send *send = &message->send;
    struct router *router = peer->router;
    if (send->room.length == 0 || send->message_id.length == 0 || send->body.length == 0) {
        refuse(peer, message, ERROR_MALFORMED);
        return;
    }
    if (is_overloaded(router, send)) {
        refuse(peer, message, ERROR_OVERLOADED);
        return;
    }
    struct room *room = room_obtain(router, send->room, send->server_id, send->channel_type,
                                    send->channel_metadata);
    if (room == NULL) {
        refuse(peer, message, ERROR_LIMIT);
        return;
    }
    int error = access_enter(router, room, message->viewer, send->sender, send->channel_metadata);
    if (error != 0) {
        room_consider(router, room);
        refuse(peer, message, error);
        return;
    }
    struct dedupe_key key =
        dedupe_key_of(router->dedupe, room->number, send->sender, send->message_id);
    const struct dedupe_entry *known = dedupe_find(router->dedupe, key);
    if (known != NULL) {
        send_answer_duplicate(peer, send->request, message->trace, known);
        return;
    }
    if (room->deleting_at != 0) {
        refuse(peer, message, ERROR_OVERLOADED); /* soon it is another one's, or still this one */
        return;
    }
    accept_message(peer, message, room, key);
}

void send_reply(struct router *router, struct job *job, struct slice body)
{
    struct work_queue *queue = job->queue;
    struct message_record record = {.id = slice_of(job->reply, UUID_TEXT_LENGTH),
                                    .kind = MESSAGE_KIND_AGENT,
                                    .sender = text_slice(&queue->agent->id),
                                    .in_reply_to = text_slice(&job->question),
                                    .body = body};
    const struct message_record *stored = send_append(router, queue->room, &record);
    struct job_record end = {.number = job->number,
                             .state = job->was_stopped ? JOB_CANCELLED : JOB_DONE,
                             .finished_at = router->time.wall,
                             .attempts = job->attempt};
    store_batch_finish_job(router_batch(router), &end);
    struct pending *pending = router_pend(router, PENDING_MESSAGE);
    pending->room = queue->room;
    pending->message = stored;
    pending->origin = text_copy(text_slice(&job->asker_edge));
    pending->job = job->number;
    if (!job->was_stopped) { /* half a sentence asks nobody */
        send_ask_agents(router, queue->room, stored, job->hops + 1, pending);
    }
}

void send_ask_agents(struct router *router, struct room *room, const struct message_record *said,
                     uint64_t hops, struct pending *pending)
{
    struct asking asking = {.room = room,
                            .sender = said->sender,
                            .body = said->body,
                            .is_of_agent = true,
                            .hops = hops};
    struct choice choice;
    asking_choose(router, &asking, &choice);
    asking_make_jobs(router, &asking, &choice, said, SLICE_EMPTY, pending);
    choice_deinit(&choice);
}

static void publish(struct router *router, const struct pending *pending, struct peer *origin)
{
    const struct message_record *record = pending->message;
    struct room *room = pending->room;
    struct job *job = pending->job == 0 ? NULL : work_find(router, pending->job);
    bool is_reply = record->kind == MESSAGE_KIND_AGENT;
    bool is_event = record->kind == MESSAGE_KIND_EVENT;
    struct bus_message message = {
        .type = BUS_ROOM_MESSAGE,
        .trace = pending->trace,
        .room_message = {.room = text_slice(&room->id),
                         .epoch = room->epoch,
                         .seq = record->seq,
                         .id = record->id,
                         .kind = record->kind,
                         .created_at = record->created_at,
                         .sender = record->sender,
                         .in_reply_to = record->in_reply_to,
                         .asker = job == NULL ? SLICE_EMPTY : text_slice(&job->asker),
                         .origin = is_reply ? SLICE_EMPTY : text_slice(&pending->origin),
                         .origin_request = pending->request,
                         .body = record->body,
                         .position = record->position}};
    room->published = record->seq;
    room->published_position = record->position;
    router->published_position = record->position;
    if (job != NULL) {
        run_finish(router, job);
        run_publish(router, job, &message);
    } else {
        room_publish(router, room, &message, origin);
    }
    if (is_reply) {
        said_note(router, record->id, agent_find(router, record->sender));
    }
    if (pending->stops_agents) {
        asking_say_stopped(router, pending);
    }
    if (is_event) {
        room_end_clearing(room, record->seq, 0);
    }
    if (is_event && room->deleted_at != 0) {
        access_enforce(router, room); /* those who were there have been told, and are out */
    }
    if (!is_event) {
        *(is_reply ? &router->counters.replies : &router->counters.messages) += 1;
    }
}

/* Jobs of a question become workable with its commit, or never were. */
static void settle_jobs(struct router *router, const struct pending *pending, int result)
{
    for (uint64_t i = 0; i < pending->jobs; i++) {
        struct job *job = work_find(router, pending->first_job + i);
        if (job == NULL) {
            continue; /* cancelled meanwhile */
        }
        bool is_cleared = job->question_seq < job->queue->room->clearing;
        if (result == 0 && (is_cleared || job->queue->agent->is_stopped)) {
            work_job_fail(router, job, JOB_CANCELLED, 0); /* cleared, or stopped meanwhile */
        } else if (result == 0) {
            work_job_ready(router, job);
        } else {
            work_job_drop(router, job);
        }
    }
}

static void answer_later(struct peer *origin, const struct pending *pending)
{
    answer(origin, pending->request, pending->trace,
           (struct bus_send_done){.error = ERROR_OVERLOADED, .retry_after = RETRY_AFTER_MS});
}

/* The batch of the first one is over. */
static void duplicate_due(struct router *router, const struct pending *pending, struct peer *origin)
{
    const struct dedupe_entry *entry = dedupe_find(router->dedupe, pending->key);
    if (origin == NULL) {
        return;
    }
    if (entry != NULL && entry->is_committed) {
        answer_repeat(origin, pending->request, pending->trace, entry);
    } else {
        answer_later(origin, pending); /* it failed; or was sent anew, and is not committed yet */
    }
}

static void note_committed(struct router *router, const struct pending *pending, int result)
{
    struct dedupe_entry *entry = dedupe_find(router->dedupe, pending->key);
    if (result != 0) {
        dedupe_remove(router->dedupe, pending->key);
    } else if (entry != NULL) { /* else forgotten: the dedupe limit is smaller than one batch */
        entry->is_committed = true;
    }
}

void send_committed(struct router *router, struct pending *pending, int result)
{
    struct peer *origin = peer_by_incarnation(router, text_slice(&pending->origin));
    if (pending->kind == PENDING_DUPLICATE) {
        duplicate_due(router, pending, origin);
        return;
    }
    if (result == 0) {
        publish(router, pending, origin);
    } else {
        room_end_clearing(pending->room, pending->message->seq, result);
    }
    if (pending->job != 0) {
        settle_jobs(router, pending, result);
        work_job_ended(router, pending, result);
        return;
    }
    note_committed(router, pending, result);
    settle_jobs(router, pending, result);
    if (origin == NULL) {
        return; /* that edge is gone; its clients repeat and get `duplicate` */
    }
    if (result != 0) {
        answer_later(origin, pending);
        return;
    }
    answer(origin, pending->request, pending->trace,
           (struct bus_send_done){.message_id = pending->message->id,
                                  .seq = pending->message->seq,
                                  .epoch = pending->room->epoch,
                                  .created_at = pending->message->created_at,
                                  .no_agent = pending->no_agent,
                                  .jobs = pending->jobs});
}
