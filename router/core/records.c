#include "router/core/records.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/store/batch.h"
#include "router/store/query.h"
#include "router/store/record.h"

enum { RECORDS_LIMIT_MAX = 1000 };

static void answer_put(struct peer *peer, const struct pending *pending, int error)
{
    const struct record_outcome *outcome = pending->record;
    struct bus_message message = {.type = BUS_RECORD,
                                  .trace = pending->trace,
                                  .record = {.request = pending->request,
                                             .error = error != 0 ? error : outcome->error,
                                             .number = outcome->number,
                                             .revision = outcome->revision,
                                             .created_at = outcome->created_at,
                                             .updated_at = pending->at}};
    peer_send(peer, &message);
}

static void answer_done(struct peer *peer, uint64_t request, uint64_t trace, int error)
{
    struct bus_message done = {.type = BUS_DONE, .trace = trace, .done = {request, error}};
    peer_send(peer, &done);
}

static struct pending *pend(struct peer *peer, enum pending_kind kind, uint64_t request,
                            uint64_t trace, const struct record_outcome *outcome)
{
    struct pending *pending = peer_pend(peer, kind, request, trace);
    pending->record = outcome;
    pending->at = peer->router->time.wall;
    return pending;
}

static int fault_of(struct router *router, struct slice collection, struct slice id)
{
    if (collection.length == 0 || collection.length > RECORD_COLLECTION_MAX || id.length == 0) {
        return ERROR_MALFORMED;
    }
    return router_batch_is_full(router) ? ERROR_OVERLOADED : 0;
}

static void receive_put(struct peer *peer, const struct bus_message *message)
{
    const struct bus_record_put *put = &message->record_put;
    struct router *router = peer->router;
    int error = fault_of(router, put->collection, put->id);
    if (error == 0 && put->body.length > RECORD_BODY_MAX) {
        error = ERROR_TOO_LARGE;
    }
    if (error != 0) {
        struct bus_message answer = {.type = BUS_RECORD,
                                     .trace = message->trace,
                                     .record = {.request = put->request, .error = error}};
        peer_send(peer, &answer);
        return;
    }
    struct named_record record = {.collection = put->collection,
                                  .id = put->id,
                                  .owner = put->owner,
                                  .body = put->body,
                                  .updated_at = router->time.wall,
                                  .expires_at = put->expires_at};
    router->needs_sweep = router->needs_sweep || put->expires_at != 0;
    pend(peer, PENDING_RECORD, put->request, message->trace,
         store_batch_put_record(router_batch(router), &record, put->expected));
}

static void receive_delete(struct peer *peer, const struct bus_message *message)
{
    const struct bus_record_delete *delete = &message->record_delete;
    struct router *router = peer->router;
    int error = fault_of(router, delete->collection, delete->id);
    if (error != 0) {
        answer_done(peer, delete->request, message->trace, error);
        return;
    }
    pend(peer, PENDING_RECORD_GONE, delete->request, message->trace,
         store_batch_delete_record(router_batch(router), delete->collection, delete->id));
}

void records_stored(struct router *router, const struct pending *pending, int result)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&pending->origin));
    int error = result == 0 ? 0 : ERROR_OVERLOADED;
    if (peer == NULL) {
        return;
    }
    if (pending->kind == PENDING_RECORD) {
        answer_put(peer, pending, error);
    } else {
        answer_done(peer, pending->request, pending->trace,
                    error != 0 ? error : pending->record->error);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static void ask(struct peer *peer, enum question_kind kind, uint64_t request,
                const struct bus_message *message, struct store_query *query)
{
    query->now_ms = peer->router->time.wall;
    peer_ask(peer, kind, message, request, query);
}

static void copy_text(char *out, struct slice text)
{
    memcpy(out, text.data, text.length); /* zeroed before, and bounded by the bus */
}

static void receive_get(struct peer *peer, const struct bus_message *message)
{
    const struct bus_record_get *get = &message->record_get;
    struct store_query query = {.type = STORE_QUERY_RECORD, .limit = 1};
    int error = fault_of(peer->router, get->collection, get->id);
    if (error == 0 && router_may_not_ask(peer->router)) {
        error = ERROR_OVERLOADED;
    }
    if (error != 0) {
        struct bus_message answer = {.type = BUS_RECORD,
                                     .trace = message->trace,
                                     .record = {.request = get->request, .error = error}};
        peer_send(peer, &answer);
        return;
    }
    copy_text(query.collection, get->collection);
    copy_text(query.id, get->id);
    ask(peer, QUESTION_RECORD, get->request, message, &query);
}

static void receive_list(struct peer *peer, const struct bus_message *message)
{
    const struct bus_record_list *list = &message->record_list;
    struct store_query query = {.type = STORE_QUERY_RECORDS,
                                .limit = list->limit > RECORDS_LIMIT_MAX ? RECORDS_LIMIT_MAX
                                                                         : (size_t)list->limit,
                                .after_number = list->after > INT64_MAX ? INT64_MAX : list->after,
                                .is_descending = list->is_descending};
    int error = fault_of(peer->router, list->collection, SLICE_LITERAL("any"));
    if (error == 0 && router_may_not_ask(peer->router)) {
        error = ERROR_OVERLOADED;
    }
    if (error != 0) {
        struct bus_message answer = {.type = BUS_RECORDS_PAGE,
                                     .trace = message->trace,
                                     .records_page = {.request = list->request, .error = error}};
        peer_send(peer, &answer);
        return;
    }
    copy_text(query.collection, list->collection);
    copy_text(query.owner, list->owner);
    ask(peer, QUESTION_RECORDS, list->request, message, &query);
}

static void answer_record(struct peer *peer, const struct question *question,
                          const struct store_page *page)
{
    struct bus_message message = {
        .type = BUS_RECORD,
        .trace = question->trace,
        .record = {.request = question->request,
                   .error = page->error != 0 ? page->error : ERROR_NOT_FOUND}};
    if (page->error == 0 && page->record_count > 0 &&
        access_may_have(peer->router, text_slice(&question->viewer), page->records[0].owner)) {
        const struct named_record *record = &page->records[0];
        message.record = (struct bus_record){.request = question->request,
                                             .id = record->id,
                                             .owner = record->owner,
                                             .number = record->number,
                                             .revision = record->revision,
                                             .created_at = record->created_at,
                                             .updated_at = record->updated_at,
                                             .expires_at = record->expires_at,
                                             .body = record->body};
    }
    peer_send(peer, &message);
}

static void answer_records(struct peer *peer, const struct question *question,
                           const struct store_page *page)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    bool is_complete = page->complete;
    for (size_t i = 0; page->error == 0 && i < page->record_count; i++) {
        const struct named_record *record = &page->records[i];
        if (!access_may_have(peer->router, text_slice(&question->viewer), record->owner)) {
            continue;
        }
        struct bus_record_row row = {.id = record->id,
                                     .owner = record->owner,
                                     .number = record->number,
                                     .revision = record->revision,
                                     .created_at = record->created_at,
                                     .updated_at = record->updated_at,
                                     .expires_at = record->expires_at,
                                     .body = record->body};
        if (list.count > 0 && list.bytes.length + record->body.length > PAGE_BYTES_MAX) {
            is_complete = false;
            break;
        }
        bus_list_add(&list, BUS_ELEMENT_RECORD, &row);
    }
    struct bus_message message = {.type = BUS_RECORDS_PAGE,
                                  .trace = question->trace,
                                  .records_page = {.request = question->request,
                                                   .error = page->error,
                                                   .total = page->total,
                                                   .is_complete = is_complete,
                                                   .records = bus_list_of(&list)}};
    peer_send(peer, &message);
    buffer_deinit(&list.bytes);
}

void records_answered(struct router *router, const struct question *question,
                      const struct store_page *page)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    if (peer == NULL) {
        return;
    }
    if (question->kind == QUESTION_RECORD) {
        answer_record(peer, question, page);
    } else {
        answer_records(peer, question, page);
    }
}

bool records_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_RECORD_PUT:
        receive_put(peer, message);
        return true;
    case BUS_RECORD_GET:
        receive_get(peer, message);
        return true;
    case BUS_RECORD_LIST:
        receive_list(peer, message);
        return true;
    case BUS_RECORD_DELETE:
        receive_delete(peer, message);
        return true;
    default:
        return false;
    }
}
