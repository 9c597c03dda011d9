#include "router/core/router.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/asked.h"
#include "router/core/attach.h"
#include "router/core/channels.h"
#include "router/core/characters.h"
#include "router/core/dedupe.h"
#include "router/core/dispatch.h"
#include "router/core/events.h"
#include "router/core/internal.h"
#include "router/core/logs.h"
#include "router/core/lookup.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/records.h"
#include "router/core/registry.h"
#include "router/core/replay.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/run_records.h"
#include "router/core/said.h"
#include "router/core/send.h"
#include "router/core/sessions.h"
#include "router/core/work.h"
#include "router/store/batch.h"
#include "router/store/query.h"

enum {
    QUESTIONS_MAX = 10000, /* of edges, asked of the store and not answered; beyond: overloaded */
    WORK_PAUSE_MS = 200,   /* after a failed commit no work is given out for this long */
    SWEEP_MS = 1000        /* between two bounded sweeps of what has expired or was cleared */
};

const struct router_settings router_default_settings = {
    .presence_limit = 1000,
    .presence_grace = 5000,
    .agent_grace = 30000,
    .dedupe_window = 10 * 60 * 1000,
    .dedupe_limit = 4000000,
    .rooms_max = 1000000,
    .room_members_max = 100000,
    .jobs_max = 100000,
    .job_attempts = 3,
    .job_deadline = 15 * 60 * 1000,
    .agent_hops = 4,
    .agent_budget = 16,
    .replay_max = 1000,
    .recovery_window = 120000,
    .batch_bytes_max = 64 << 20,
    .link = {.heartbeat = 500,
             .timeout = 3000,
             .retained_max = 64 << 20,
             .frame_max = BUS_FRAME_MAX},
};

struct router *router_new(const struct router_settings *settings,
                          const struct router_operations *operations, void *context,
                          struct id_source *ids, struct slice incarnation, struct instant now)
{
    struct router *router = memory_allocate_zeroed(sizeof(*router));
    router->settings = *settings;
    router->operations = operations;
    router->context = context;
    router->ids = ids;
    router->incarnation = text_copy(incarnation);
    router->time = now;
    router->started_at = now.now;
    router->bridge_seen_at = -1;
    router->last_stamp = clock_after(0, now.wall);
    router->sweep_until = now.now - 1;
    router->dedupe = dedupe_new(ids, settings->dedupe_window, settings->dedupe_limit);
    heap_init(&router->leaving);
    heap_init(&router->turns);
    return router;
}

static void pending_destroy(struct router *router, struct pending *pending)
{
    unanswered_end(router, &pending->unanswered);
    free(pending->origin.data);
    buffer_deinit(&pending->asked);
    free(pending);
}

static void open_batch_destroy(struct router *router, struct open_batch *open)
{
    while (open->first != NULL) {
        struct pending *pending = open->first;
        open->first = pending->next;
        pending_destroy(router, pending);
    }
    store_batch_destroy(&open->batch);
}

static void question_destroy(struct router *router, struct question *question)
{
    struct room *room =
        question->kind == QUESTION_JOIN ? room_by_number(router, question->room) : NULL;
    if (room != NULL) {
        room->joining--;
        room_consider(router, room);
    }
    HASH_DEL(router->questions, question);
    unanswered_end(router, &question->unanswered);
    free(question->origin.data);
    free(question->entity.data);
    free(question->name.data);
    free(question->viewer.data);
    buffer_deinit(&question->replay.bytes);
    free(question);
}

void router_destroy(struct router **self)
{
    struct router *router = *self;
    *self = NULL;
    if (router == NULL) {
        return;
    }
    work_destroy(router);
    agents_forget(router);
    asked_destroy(router);
    said_destroy(router);
    struct peer *peer, *next_peer;
    HASH_ITER (hh, router->peers, peer, next_peer) {
        peer_drop(peer, "stopping");
    }
    peers_reap(router);
    struct room *room, *next_room;
    HASH_ITER (hh, router->rooms, room, next_room) {
        room_destroy(router, room);
    }
    rooms_reap(router);
    struct question *question, *next_question;
    HASH_ITER (hh, router->questions, question, next_question) {
        question_destroy(router, question);
    }
    open_batch_destroy(router, &router->open);
    router->with_store.batch = NULL; /* the store's */
    open_batch_destroy(router, &router->with_store);
    dedupe_destroy(&router->dedupe);
    logs_forget(router);
    characters_forget(router);
    heap_deinit(&router->leaving);
    heap_deinit(&router->turns);
    buffer_deinit(&router->scratch);
    buffer_deinit(&router->secret);
    free(router->incarnation.data);
    free(router);
}

/* --- batches and questions -------------------------------------------------------------------- */

struct store_batch *router_batch(struct router *router)
{
    if (router->open.batch == NULL) {
        router->open.batch = store_batch_new(++router->last_batch);
    }
    return router->open.batch;
}

bool router_batch_is_full(const struct router *router)
{
    return router->open.batch != NULL &&
           router->open.batch->bytes >= (size_t)router->settings.batch_bytes_max;
}

struct pending *router_pend(struct router *router, enum pending_kind kind)
{
    struct pending *pending = memory_allocate_zeroed(sizeof(*pending));
    pending->kind = kind;
    router_batch(router); /* a batch of nothing but answers still has its turn */
    if (router->open.last == NULL) {
        router->open.first = pending;
    } else {
        router->open.last->next = pending;
    }
    router->open.last = pending;
    return pending;
}

struct question *router_ask(struct router *router, enum question_kind kind,
                            struct store_query *query)
{
    struct question *question = memory_allocate_zeroed(sizeof(*question));
    question->token = ++router->last_token;
    question->kind = kind;
    HASH_ADD(hh, router->questions, token, sizeof(question->token), question);
    query->token = question->token;
    router->operations->query(router->context, query);
    return question;
}

bool router_may_not_ask(const struct router *router)
{
    return HASH_COUNT(router->questions) >= QUESTIONS_MAX;
}

struct slice router_encode(struct router *router, const struct bus_message *message)
{
    buffer_clear(&router->scratch);
    bus_encode(&router->scratch, message);
    return buffer_slice(&router->scratch);
}

/* --- entry points ----------------------------------------------------------------------------- */

void router_receive(struct router *router, enum router_side side, struct slice routing_id,
                    struct slice frame, struct instant now)
{
    router->time = now;
    peer_receive(router, side, routing_id, frame);
    peers_reap(router);
    rooms_reap(router);
}

static void note_lost_list(struct router *router, const struct store_operation *failed)
{
    bool is_of_list = failed->type == STORE_SET_PARTICIPANTS ||
                      failed->type == STORE_ADD_PARTICIPANT ||
                      failed->type == STORE_REMOVE_PARTICIPANT;
    struct room *room = is_of_list ? room_by_number(router, failed->participants.room) : NULL;
    if (room != NULL) {
        room->has_lost_list = true;
    }
}

/*
 * Rows that others refer to: what fills already needs them, or the next that refers to them does.
 */
static void store_again(struct router *router, const struct store_batch *failed)
{
    bool is_filling = router->open.batch != NULL;
    for (const struct store_operation *at = failed->first; at != NULL; at = at->next) {
        struct room *room =
            at->type == STORE_PUT_ROOM ? room_by_number(router, at->room.number) : NULL;
        struct agent *agent = at->type == STORE_PUT_AGENT ? agent_find(router, at->agent.id) : NULL;
        if (room != NULL) {
            room->is_stored = false;
            room->row_batch = room->row_batch == failed->number ? 0 : room->row_batch;
        }
        note_lost_list(router, at);
        if (room != NULL && is_filling) {
            room_store(router, room);
        }
        if (agent != NULL) {
            agent->is_stored = false;
        }
        if (agent != NULL && is_filling) {
            agent_store(router, agent);
        }
    }
}

void router_committed(struct router *router, struct store_batch *batch, int result,
                      struct instant now)
{
    router->time = now;
    router->with_store.batch = batch;
    router->store_failed = result != 0;
    *(result == 0 ? &router->counters.commits : &router->counters.commit_failures) += 1;
    if (result != 0) {
        log_error("commit_failed", "batch=%" PRIu64 " operations=%zu", batch->number,
                  batch->operations);
    }
    while (router->with_store.first != NULL) {
        struct pending *pending = router->with_store.first;
        router->with_store.first = pending->next;
        switch (pending->kind) {
        case PENDING_MESSAGE:
        case PENDING_DUPLICATE:
            send_committed(router, pending, result);
            break;
        case PENDING_JOB_END:
            work_job_ended(router, pending, result);
            break;
        case PENDING_CHANNEL:
            channels_stored(router, pending, result);
            break;
        case PENDING_RECORD:
        case PENDING_RECORD_GONE:
            records_stored(router, pending, result);
            break;
        case PENDING_RUN_GONE:
            run_records_stored(router, pending, result);
            break;
        case PENDING_AGENT:
            registry_stored(router, pending, result);
            break;
        case PENDING_HISTORY:
            lookup_history_due(router, pending);
            break;
        case PENDING_JOIN:
        case PENDING_CLAIM:
        case PENDING_LEAVE:
            sessions_committed(router, pending, result);
            break;
        }
        pending_destroy(router, pending);
    }
    router->with_store.last = NULL;
    if (result != 0) {
        router->work_paused_until = now.now + WORK_PAUSE_MS;
        store_again(router, batch);
    }
    store_batch_destroy(&router->with_store.batch);
    peers_reap(router);
    rooms_reap(router);
}

void router_answered(struct router *router, struct store_page *page, struct instant now)
{
    struct question *question;
    router->time = now;
    HASH_FIND(hh, router->questions, &page->token, sizeof(page->token), question);
    if (question != NULL) {
        switch (question->kind) {
        case QUESTION_JOIN:
        case QUESTION_CATCH_UP:
            replay_answered(router, question, page);
            break;
        case QUESTION_HISTORY:
        case QUESTION_RECEIPT:
        case QUESTION_SEARCH:
        case QUESTION_MESSAGE:
            lookup_answered(router, question, page);
            break;
        case QUESTION_SESSION:
        case QUESTION_REJOIN:
            sessions_answered(router, question, page);
            break;
        case QUESTION_RUN:
            attach_answered(router, question, page);
            break;
        case QUESTION_JOB:
            dispatch_question_read(router, question, page);
            break;
        case QUESTION_SUBMIT:
            events_submit_answered(router, question, page);
            break;
        case QUESTION_CHANNEL:
        case QUESTION_CHANNELS:
            channels_answered(router, question, page);
            break;
        case QUESTION_RECORD:
        case QUESTION_RECORDS:
            records_answered(router, question, page);
            break;
        case QUESTION_RUNS:
            run_records_answered(router, question, page);
            break;
        }
        question_destroy(router, question);
    }
    store_page_destroy(&page);
    peers_reap(router);
    rooms_reap(router);
}

/* What has expired, was cleared or is gone is not seen any more: its rows may wait. */
static void sweep(struct router *router)
{
    if (router->needs_sweep && router->time.now - router->records_swept_at >= SWEEP_MS) {
        router->records_swept_at = router->time.now;
        store_batch_sweep(router_batch(router), router->time.wall,
                          router->time.wall - router->settings.dedupe_window);
    }
}

void router_tick(struct router *router, struct instant now)
{
    router->time = now;
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        if (!link_is_alive(&peer->link, now.now)) {
            peer_drop(peer, "silent");
        } else {
            link_tick(&peer->link, now.now);
        }
    }
    peers_reap(router); /* the members of a lost edge may be due already */
    presence_tick(router);
    sessions_tick(router);
    work_tick(router);
    asked_tick(router);
    dedupe_expire(router->dedupe, now.wall);
    sweep(router);
    peers_reap(router);
    rooms_reap(router);
}

void router_flush(struct router *router, struct instant now)
{
    router->time = now;
    dispatch_questions(router);
    run_flush(router);
    if (router->with_store.batch == NULL && router->with_store.first == NULL &&
        router->open.batch != NULL) {
        struct store_batch *batch = router->open.batch;
        router->with_store = router->open;
        router->open = (struct open_batch){NULL, NULL, NULL};
        router->with_store.batch = batch;
        router->operations->commit(router->context, batch);
    }
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        link_flush(&peer->link, now.now);
    }
    peers_reap(router);
    rooms_reap(router);
}

void router_note_logs(struct router *router, const struct bus_list *lines)
{
    logs_take(router, lines);
    peers_reap(router);
    rooms_reap(router);
}

bool router_is_settled(const struct router *router)
{
    return router->open.batch == NULL && router->with_store.batch == NULL;
}

void router_say_goodbye(struct router *router, struct instant now)
{
    router->time = now;
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        link_close(&peer->link, now.now);
    }
    peers_reap(router);
    rooms_reap(router);
}

bool router_is_ready(const struct router *router, const char **reason)
{
    *reason = router->store_failed ? "store" : "";
    return !router->store_failed;
}

const struct router_counters *router_counters(struct router *router)
{
    struct router_counters *counters = &router->totals;
    struct peer *peer, *next;
    *counters = router->counters;
    HASH_ITER (hh, router->peers, peer, next) {
        peer_count_link(peer, counters);
    }
    counters->rooms = HASH_COUNT(router->rooms);
    counters->members = router->member_count;
    counters->edges = router->edge_count;
    counters->bridges = router->bridge_count;
    counters->jobs = HASH_COUNT(router->jobs);
    return counters;
}
