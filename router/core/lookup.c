#include "router/core/lookup.h"

#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/channels.h"
#include "router/core/events.h"
#include "router/core/internal.h"
#include "router/core/logs.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/presence_list.h"
#include "router/core/records.h"
#include "router/core/registry.h"
#include "router/core/room.h"
#include "router/core/run_records.h"
#include "router/core/work.h"
#include "router/store/query.h"

enum {
    HISTORY_LIMIT_MAX = 1000,
    MEMBERS_LIMIT_MAX = 10000,
    STORED_OVERHEAD = 2048, /* bytes of a stored message beside its body, at most */
};

static void receive_signal(struct peer *peer, const struct bus_message *message)
{
    struct router *router = peer->router;
    struct room *room = access_room(router, message->signal.room, message->signal.entity);
    if (room == NULL || !access_may_be(router, message->viewer, message->signal.entity)) {
        return; /* nobody is there to see it */
    }
    router->counters.signals++;
    room_publish(router, room, message, NULL);
    if (message->signal.kind == BUS_SIGNAL_CONTROL && slice_is(message->signal.action, "stop")) {
        work_stop_room(router, room);
    }
}

static void receive_receipt(struct peer *peer, const struct bus_message *message)
{
    const struct bus_receipt *receipt = &message->receipt;
    struct router *router = peer->router;
    bool may_be = access_may_be(router, message->viewer, receipt->user);
    if (!may_be || router_may_not_ask(router)) {
        struct bus_message done = {
            .type = BUS_DONE,
            .trace = message->trace,
            .done = {receipt->request, may_be ? ERROR_OVERLOADED : ERROR_NOT_FOUND}};
        peer_send(peer, &done);
        return;
    }
    struct store_query query = {.type = STORE_QUERY_MESSAGE, .limit = 1};
    memcpy(query.id, receipt->message_id.data, receipt->message_id.length);
    struct question *question = peer_ask(peer, QUESTION_RECEIPT, message, receipt->request, &query);
    question->entity = text_copy(receipt->user);
    question->name = text_copy(receipt->status);
}

static void receipt_answered(struct router *router, const struct question *question,
                             const struct store_page *page)
{
    struct bus_message done = {.type = BUS_DONE,
                               .trace = question->trace,
                               .done = {.request = question->request, .error = page->error}};
    struct room *room = page->error != 0 || page->count == 0
                            ? NULL
                            : room_by_number(router, page->messages[0].room);
    bool may_see = room != NULL && access_may_see(router, room, text_slice(&question->entity));
    if (page->error == 0 && (page->count == 0 || (room != NULL && !may_see))) {
        done.done.error = ERROR_NOT_FOUND;
    }
    room = may_see ? room : NULL;
    if (room != NULL) {
        const struct message_record *record = &page->messages[0];
        struct bus_message note = {.type = BUS_RECEIPT_NOTE,
                                   .trace = question->trace,
                                   .receipt_note = {.room = text_slice(&room->id),
                                                    .message_id = record->id,
                                                    .author = record->sender,
                                                    .user = text_slice(&question->entity),
                                                    .status = text_slice(&question->name)}};
        struct attachment *attachment, *next;
        DL_FOREACH_SAFE (room->attachments, attachment, next) {
            if (presence_has_entity(attachment, record->sender)) {
                peer_send(attachment->peer, &note);
            }
        }
    }
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    if (peer != NULL) {
        peer_send(peer, &done);
    }
}

/* The messages of a page, newest first, that are sent: from `first` to before `end`. */
struct span {
    size_t first, end;
};

/*
 * As many as fit from the end at which the caller begins, the newest ones, or with `after` the
 * oldest. It goes on by their time, so those of one time stay together if that is possible.
 */
static struct span span_that_fits(const struct store_page *page, bool is_forward)
{
    size_t count = 0, whole = 0, bytes = 0;
    int64_t time = 0;
    for (; count < page->count; count++) {
        const struct message_record *message =
            &page->messages[is_forward ? page->count - 1 - count : count];
        bytes += message->body.length + STORED_OVERHEAD;
        whole = message->created_at != time ? count : whole;
        time = message->created_at;
        if (count > 0 && bytes > PAGE_BYTES_MAX) {
            count = whole > 0 ? whole : count;
            break;
        }
    }
    return is_forward ? (struct span){page->count - count, page->count} : (struct span){0, count};
}

static void answer_history(struct peer *peer, uint64_t request, uint64_t trace,
                           const struct room *room, const struct store_page *page, bool is_forward)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct span span = page == NULL ? (struct span){0, 0} : span_that_fits(page, is_forward);
    for (size_t i = span.first; i < span.end; i++) {
        const struct message_record *record = &page->messages[i];
        struct bus_stored_message element = {.id = record->id,
                                             .seq = record->seq,
                                             .kind = record->kind,
                                             .created_at = record->created_at,
                                             .sender = record->sender,
                                             .client_message_id = record->client_message_id,
                                             .in_reply_to = record->in_reply_to,
                                             .body = record->body};
        bus_list_add(&list, BUS_ELEMENT_STORED, &element);
    }
    struct bus_message message = {
        .type = BUS_HISTORY_PAGE,
        .trace = trace,
        .history_page = {.request = request,
                         .error = page == NULL ? 0 : page->error,
                         .epoch = room == NULL ? 0 : room->epoch,
                         .server_id = room == NULL ? SLICE_EMPTY : text_slice(&room->server_id),
                         .channel_type = room == NULL ? SLICE_EMPTY : text_slice(&room->type),
                         .messages = bus_list_of(&list)}};
    peer_send(peer, &message);
    buffer_deinit(&list.bytes);
}

static void receive_history(struct peer *peer, const struct bus_message *message)
{
    const struct bus_history *history = &message->history;
    struct router *router = peer->router;
    struct room *room = access_room(router, history->room, message->viewer);
    if (router_may_not_ask(router)) {
        struct bus_message page = {
            .type = BUS_HISTORY_PAGE,
            .trace = message->trace,
            .history_page = {.request = history->request, .error = ERROR_OVERLOADED}};
        peer_send(peer, &page);
        return;
    }
    if (room == NULL || history->limit == 0) {
        answer_history(peer, history->request, message->trace, room, NULL, false);
        return;
    }
    struct store_query query = {.type = STORE_QUERY_HISTORY,
                                .room = room->number,
                                .before_ms = history->before,
                                .after_ms = history->after,
                                .limit = history->limit > HISTORY_LIMIT_MAX ? HISTORY_LIMIT_MAX
                                                                            : history->limit};
    peer_ask(peer, QUESTION_HISTORY, message, history->request, &query)->is_forward =
        history->after > 0;
}

static void ask_for_bridge(struct router *router, struct slice bridge, uint64_t request,
                           uint64_t trace, uint64_t room, uint64_t limit)
{
    struct store_query query = {
        .type = STORE_QUERY_HISTORY, .room = room, .before_ms = 0, .after_ms = 0, .limit = limit};
    struct question *question = router_ask(router, QUESTION_HISTORY, &query);
    question->origin = text_copy(bridge);
    question->request = request;
    question->room = room;
    question->trace = trace;
}

void lookup_receive_of_bridge(struct peer *peer, const struct bus_message *message)
{
    const struct bus_history *history = &message->history;
    struct router *router = peer->router;
    struct room *room = room_find(router, history->room);
    bool is_idle = router->open.batch == NULL && router->with_store.batch == NULL;
    uint64_t limit = history->limit > HISTORY_LIMIT_MAX ? HISTORY_LIMIT_MAX : history->limit;
    if (room == NULL || limit == 0 || is_idle || router_may_not_ask(router)) {
        receive_history(peer, message);
        return;
    }
    struct pending *pending = peer_pend(peer, PENDING_HISTORY, history->request, message->trace);
    pending->room_number = room->number;
    pending->limit = limit;
}

void lookup_history_due(struct router *router, const struct pending *pending)
{
    ask_for_bridge(router, text_slice(&pending->origin), pending->request, pending->trace,
                   pending->room_number, pending->limit);
}

/* The answer is a page of history, newest first; of no room in particular. */
static void ask_for_page(struct peer *peer, enum question_kind kind, uint64_t request,
                         const struct bus_message *message, struct store_query *query)
{
    struct router *router = peer->router;
    if (router_may_not_ask(router)) {
        struct bus_message page = {.type = BUS_HISTORY_PAGE,
                                   .trace = message->trace,
                                   .history_page = {.request = request, .error = ERROR_OVERLOADED}};
        peer_send(peer, &page);
        return;
    }
    peer_ask(peer, kind, message, request, query);
}

static void receive_search(struct peer *peer, const struct bus_message *message)
{
    const struct bus_search *search = &message->search;
    struct room *room = events_room(peer->router, search->room, message->viewer);
    struct store_query query = {.type = STORE_QUERY_SEARCH,
                                .room = room == NULL ? 0 : room->number,
                                .before_ms = search->before,
                                .after_ms = search->after,
                                .skip = (size_t)search->offset,
                                .limit = search->limit > HISTORY_LIMIT_MAX ? HISTORY_LIMIT_MAX
                                                                           : search->limit};
    if ((room == NULL && search->room.length > 0) || search->limit == 0 ||
        search->text.length > STORE_SEARCH_TEXT_MAX) {
        answer_history(peer, search->request, message->trace, NULL, NULL, false);
        return;
    }
    memcpy(query.text, search->text.data, search->text.length);
    memcpy(query.owner, search->sender.data, search->sender.length);
    ask_for_page(peer, QUESTION_SEARCH, search->request, message, &query);
}

static void receive_message_get(struct peer *peer, const struct bus_message *message)
{
    struct store_query query = {.type = STORE_QUERY_MESSAGE, .limit = 1};
    memcpy(query.id, message->message_get.id.data, message->message_get.id.length);
    ask_for_page(peer, QUESTION_MESSAGE, message->message_get.request, message, &query);
}

static void receive_agent_history(struct peer *peer, const struct bus_message *message)
{
    const struct bus_agent_history *history = &message->agent_history;
    struct store_query query = {.type = STORE_QUERY_AGENT_HISTORY,
                                .before_ms = history->before,
                                .limit = history->limit > HISTORY_LIMIT_MAX ? HISTORY_LIMIT_MAX
                                                                            : history->limit};
    memcpy(query.id, history->agent.data, history->agent.length);
    ask_for_page(peer, QUESTION_SEARCH, history->request, message, &query);
}

static void receive_members(struct peer *peer, const struct bus_message *message)
{
    const struct bus_members *members = &message->members;
    struct router *router = peer->router;
    struct room *room = access_room(router, members->room, message->viewer);
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    if (room != NULL) {
        uint64_t limit = members->limit > MEMBERS_LIMIT_MAX ? MEMBERS_LIMIT_MAX : members->limit;
        presence_list(room, (size_t)members->offset, (size_t)limit, PAGE_BYTES_MAX, &list);
    }
    struct bus_message answer = {.type = BUS_MEMBERS_PAGE,
                                 .trace = message->trace,
                                 .members_page = {.request = members->request,
                                                  .total = room == NULL ? 0 : presence_count(room),
                                                  .members = bus_list_of(&list)}};
    peer_send(peer, &answer);
    buffer_deinit(&list.bytes);
}

static void receive_job_get(struct peer *peer, const struct bus_message *message)
{
    const struct bus_job_get *get = &message->job_get;
    struct room *room = access_room(peer->router, get->room, message->viewer);
    bool is_open = room != NULL && work_has_question(room, get->question);
    struct bus_message done = {.type = BUS_DONE,
                               .trace = message->trace,
                               .done = {get->request, is_open ? 0 : ERROR_NOT_FOUND}};
    peer_send(peer, &done);
}

void lookup_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_SIGNAL:
        receive_signal(peer, message);
        break;
    case BUS_RECEIPT:
        receive_receipt(peer, message);
        break;
    case BUS_HISTORY:
        receive_history(peer, message);
        break;
    case BUS_MEMBERS:
        receive_members(peer, message);
        break;
    case BUS_JOB_GET:
        receive_job_get(peer, message);
        break;
    case BUS_SEARCH:
        receive_search(peer, message);
        break;
    case BUS_MESSAGE_GET:
        receive_message_get(peer, message);
        break;
    case BUS_AGENT_HISTORY:
        receive_agent_history(peer, message);
        break;
    default:
        if (!channels_receive(peer, message) && !events_receive(peer, message) &&
            !records_receive(peer, message) && !registry_receive(peer, message) &&
            !run_records_receive(peer, message) && !logs_receive(peer, message)) {
            peer->router->counters.frames_refused++; /* not an edge's to say */
        }
        break;
    }
}

void lookup_answered(struct router *router, struct question *question, struct store_page *page)
{
    if (question->kind == QUESTION_RECEIPT) {
        receipt_answered(router, question, page);
        return;
    }
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    if (peer != NULL) {
        uint64_t number = question->kind == QUESTION_MESSAGE && page->count > 0
                              ? page->messages[0].room
                              : question->room;
        struct room *room = room_by_number(router, number);
        if (question->kind == QUESTION_MESSAGE && page->count > 0 &&
            !access_may_see(router, room, text_slice(&question->viewer))) {
            page->count = 0;
        }
        answer_history(peer, question->request, question->trace, room, page, question->is_forward);
    }
}
