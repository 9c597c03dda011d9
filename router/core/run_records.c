#include "router/core/run_records.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/store/batch.h"
#include "router/store/query.h"

enum { RUNS_LIMIT_MAX = 1000 };

static void refuse_list(struct peer *peer, uint64_t request, uint64_t trace, int error)
{
    struct bus_message page = {
        .type = BUS_RUNS_PAGE, .trace = trace, .runs_page = {.request = request, .error = error}};
    peer_send(peer, &page);
}

static void answer_empty(struct peer *peer, uint64_t request, uint64_t trace)
{
    struct bus_message page = {.type = BUS_RUNS_PAGE,
                               .trace = trace,
                               .runs_page = {.request = request, .is_complete = true}};
    peer_send(peer, &page);
}

static void receive_list(struct peer *peer, const struct bus_message *message)
{
    const struct bus_runs_list *list = &message->runs_list;
    struct router *router = peer->router;
    struct room *room = access_room(router, list->room, message->viewer);
    struct store_query query = {
        .type = STORE_QUERY_RUNS,
        .room = room == NULL ? 0 : room->number,
        .after_ms = list->after,
        .before_ms = list->before,
        .after_number = list->job > INT64_MAX - 1 ? INT64_MAX - 1 : list->job,
        .skip = (size_t)list->offset,
        .limit = list->limit > RUNS_LIMIT_MAX ? RUNS_LIMIT_MAX : (size_t)list->limit};
    if (agent_find(router, list->agent) == NULL) {
        refuse_list(peer, list->request, message->trace, ERROR_NOT_FOUND);
        return;
    }
    if (list->room.length > 0 && room == NULL) {
        answer_empty(peer, list->request, message->trace);
        return;
    }
    if (router_may_not_ask(router)) {
        refuse_list(peer, list->request, message->trace, ERROR_OVERLOADED);
        return;
    }
    memcpy(query.id, list->agent.data, list->agent.length);
    memcpy(query.text, list->status.data, list->status.length);
    peer_ask(peer, QUESTION_RUNS, message, list->request, &query);
}

void run_records_answered(struct router *router, const struct question *question,
                          const struct store_page *page)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    if (peer == NULL) {
        return;
    }
    for (size_t i = 0; i < page->run_count; i++) {
        const struct job_record *job = &page->runs[i].job;
        struct bus_run_record element = {.job = job->number,
                                         .room = page->runs[i].room_id,
                                         .question = job->question,
                                         .reply = job->reply,
                                         .asker = page->runs[i].asker,
                                         .state = job->state,
                                         .created_at = job->created_at,
                                         .finished_at = job->finished_at,
                                         .attempts = job->attempts,
                                         .error = job->error};
        bus_list_add(&list, BUS_ELEMENT_RUN, &element);
    }
    struct bus_message answer = {.type = BUS_RUNS_PAGE,
                                 .trace = question->trace,
                                 .runs_page = {.request = question->request,
                                               .error = page->error,
                                               .total = page->total,
                                               .is_complete = page->complete,
                                               .runs = bus_list_of(&list)}};
    peer_send(peer, &answer);
    buffer_deinit(&list.bytes);
}

static void answer_done(struct peer *peer, uint64_t request, uint64_t trace, int error)
{
    struct bus_message done = {.type = BUS_DONE, .trace = trace, .done = {request, error}};
    peer_send(peer, &done);
}

static void receive_delete(struct peer *peer, const struct bus_message *message)
{
    const struct bus_run_delete *run = &message->run_delete;
    struct router *router = peer->router;
    if (run->job == 0 || run->job > INT64_MAX || run->agent.length == 0) {
        answer_done(peer, run->request, message->trace, ERROR_NOT_FOUND);
        return;
    }
    if (router->settings.data_isolation && message->viewer.length > 0) {
        answer_done(peer, run->request, message->trace, ERROR_FORBIDDEN); /* whose it is, is not
                                                                             known here */
        return;
    }
    if (router_batch_is_full(router)) {
        answer_done(peer, run->request, message->trace, ERROR_OVERLOADED);
        return;
    }
    store_batch_delete_job(router_batch(router), run->job, run->agent);
    peer_pend(peer, PENDING_RUN_GONE, run->request, message->trace);
}

void run_records_stored(struct router *router, const struct pending *pending, int result)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&pending->origin));
    if (peer != NULL) {
        answer_done(peer, pending->request, pending->trace, result == 0 ? 0 : ERROR_OVERLOADED);
    }
}

bool run_records_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_RUNS_LIST:
        receive_list(peer, message);
        return true;
    case BUS_RUN_DELETE:
        receive_delete(peer, message);
        return true;
    default:
        return false;
    }
}
