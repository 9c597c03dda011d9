#include "router/core/replay.h"

#include <string.h>

#include "proto/bus/message.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/room.h"
#include "router/core/run.h"
#include "router/core/sessions.h"
#include "router/store/query.h"

static void admit(struct router *router, struct question *question, bool complete)
{
    struct peer *peer = peer_by_link(router, question->link_id);
    struct room *room = room_by_number(router, question->room);
    if (peer == NULL || room == NULL) {
        return; /* the edge is gone, and its client with it; or it has asked again */
    }
    router->counters.replays++;
    unanswered_end(router, &question->unanswered);
    struct admission admission = {.request = question->request,
                                  .trace = question->trace,
                                  .entity = text_slice(&question->entity),
                                  .name = text_slice(&question->name),
                                  .replay_complete = complete};
    if (complete) {
        admission.replay = bus_list_of(&question->replay);
    }
    presence_admit(peer, room, &admission);
}

void replay_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                       struct unanswered_join **unanswered)
{
    const struct bus_join *join = &message->join;
    struct router *router = peer->router;
    struct store_query query = {.room = room->number,
                                .after_seq = join->since_seq,
                                .after_ms = join->since_time,
                                .limit = (size_t)router->settings.replay_max + 1};
    /* Whoever has nothing of a line misses nothing of another one but its whole beginning. */
    bool is_other_epoch = join->since == BUS_SINCE_SEQ && join->since_seq > 0 &&
                          join->since_epoch != 0 && join->since_epoch != room->epoch;
    bool is_position = join->since == BUS_SINCE_POSITION;
    bool is_future = join->since == BUS_SINCE_SEQ
                         ? join->since_seq > room->assigned
                         : is_position && join->since_seq > router->last_position;
    /* Mostly a socket comes back before anything was said. */
    bool is_nothing = is_position && !is_future && join->since_seq >= room->published_position;
    if (is_other_epoch || is_future || is_nothing) {
        unanswered_end(router, unanswered);
        struct admission admission = {.request = join->request,
                                      .trace = message->trace,
                                      .entity = join->entity,
                                      .name = join->name,
                                      .replay_complete = is_nothing};
        presence_admit(peer, room, &admission);
        return;
    }
    switch (join->since) {
    case BUS_SINCE_ID:
        query.type = STORE_QUERY_AFTER_ID;
        memcpy(query.id, join->since_id.data, join->since_id.length);
        break;
    case BUS_SINCE_POSITION:
        query.type = STORE_QUERY_AFTER_POSITION;
        break;
    case BUS_SINCE_TIME:
        query.type = STORE_QUERY_AFTER_TIME;
        break;
    default:
        query.type = STORE_QUERY_AFTER_SEQ;
        break;
    }
    struct question *question = router_ask(router, QUESTION_JOIN, &query);
    room->joining++;
    question->link_id = peer->link_id;
    question->request = join->request;
    question->room = room->number;
    question->entity = text_copy(join->entity);
    question->name = text_copy(join->name);
    question->trace = message->trace;
    question->through = room->published; /* all of it is in the store: the page will have it */
    question->unanswered = *unanswered;
    *unanswered = NULL;
}

bool replay_cancel_join(struct peer *peer, uint64_t request)
{
    struct question *question, *next;
    /* Rare: a store that takes longer than the edge's deadline. */
    HASH_ITER (hh, peer->router->questions, question, next) {
        if (question->kind == QUESTION_JOIN && question->link_id == peer->link_id &&
            question->request == request) {
            question->is_cancelled = true;
            return true;
        }
    }
    return false;
}

static struct bus_stored_message element_of(const struct message_record *record)
{
    return (struct bus_stored_message){.id = record->id,
                                       .seq = record->seq,
                                       .kind = record->kind,
                                       .created_at = record->created_at,
                                       .sender = record->sender,
                                       .client_message_id = record->client_message_id,
                                       .in_reply_to = record->in_reply_to,
                                       .body = record->body,
                                       .position = record->position};
}

/* Asks for what came after, keeping what was collected. */
static void ask_on(struct router *router, struct question *question, struct room *room)
{
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ,
                                .room = question->room,
                                .after_seq = question->through,
                                .limit = (size_t)router->settings.replay_max + 1};
    struct question *next = router_ask(router, question->kind, &query);
    room->joining++;
    next->link_id = question->link_id;
    next->entity = question->entity;
    next->name = question->name;
    next->request = question->request;
    next->room = question->room;
    next->trace = question->trace;
    next->replay = question->replay;
    next->through = room->published;
    next->unanswered = question->unanswered;
    question->unanswered = NULL;
    question->entity = question->name = (struct text){NULL, 0};
    question->replay = (struct bus_list_builder){BUFFER_EMPTY, 0};
}

static void join_answered(struct router *router, struct question *question,
                          const struct store_page *page)
{
    struct room *room = room_by_number(router, question->room);
    if (question->is_cancelled) {
        return;
    }
    bool complete =
        page->error == 0 && room != NULL && (page->type != STORE_QUERY_AFTER_ID || page->found);
    bool is_met = page->complete; /* nothing is missing between the page and the live stream */
    for (size_t i = 0; complete && i < page->count; i++) {
        const struct message_record *record = &page->messages[i];
        if (record->seq > room->published) {
            is_met = true; /* committed, but not broadcast yet: the joiner will get it live */
            break;
        }
        struct bus_stored_message element = element_of(record);
        bus_list_add(&question->replay, BUS_ELEMENT_STORED, &element);
        question->through = record->seq > question->through ? record->seq : question->through;
        complete = question->replay.count <= (size_t)router->settings.replay_max &&
                   question->replay.bytes.length <= REPLAY_BYTES_MAX;
    }
    complete = complete && is_met;
    if (complete && question->through < room->published) {
        ask_on(router, question, room); /* broadcast while the store was reading */
        return;
    }
    admit(router, question, complete);
}

void replay_begin_catch_up(struct attachment *attachment)
{
    struct router *router = attachment->peer->router;
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ,
                                .room = attachment->room->number,
                                .after_seq = attachment->sent_through,
                                .limit = REPLAY_PAGE};
    struct question *question = router_ask(router, QUESTION_CATCH_UP, &query);
    question->room = attachment->room->number;
    question->link_id = attachment->peer->link_id;
    question->through = attachment->room->published;
    attachment->peer->catching_up += !attachment->is_catching_up;
    attachment->is_catching_up = true;
}

static void catch_up_answered(struct router *router, const struct question *question,
                              const struct store_page *page)
{
    struct peer *peer = peer_by_link(router, question->link_id);
    struct room *room = room_by_number(router, question->room);
    struct attachment *attachment =
        peer == NULL || room == NULL ? NULL : room_attachment(room, peer);
    if (attachment == NULL || !attachment->is_catching_up) {
        return;
    }
    if (page->error != 0) {
        peer_drop(peer, "store_failed"); /* it comes back and asks again */
        return;
    }
    for (size_t i = 0; i < page->count; i++) {
        const struct message_record *record = &page->messages[i];
        if (record->seq > room->published) {
            break;
        }
        struct bus_message message = {
            .type = BUS_ROOM_MESSAGE,
            .room_message = {.room = text_slice(&room->id),
                             .epoch = room->epoch,
                             .seq = record->seq,
                             .id = record->id,
                             .kind = record->kind,
                             .created_at = record->created_at,
                             .sender = record->sender,
                             .in_reply_to = record->in_reply_to,
                             .client_message_id = record->client_message_id,
                             .body = record->body,
                             .position = record->position}};
        peer_send(peer, &message);
        if (peer->is_dead) {
            return;
        }
        attachment->sent_through = record->seq;
    }
    if (page->complete && attachment->sent_through < question->through) {
        attachment->sent_through = question->through; /* numbers without a message lie between */
    }
    if (attachment->sent_through < room->published) {
        replay_begin_catch_up(attachment);
    } else {
        attachment->is_catching_up = false;
        peer->catching_up--;
        peer_consider_caught_up(peer);
        run_caught_up(attachment);
    }
}

void replay_answered(struct router *router, struct question *question, struct store_page *page)
{
    if (question->kind == QUESTION_JOIN) {
        join_answered(router, question, page);
    } else {
        catch_up_answered(router, question, page);
    }
}
