#include "router/core/channels.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/events.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/store/batch.h"
#include "router/store/query.h"

enum {
    CHANNELS_LIMIT_MAX = 1000,
    ROOMS_OF_LIMIT_MAX = 150 /* with all their metadata they fit one page */
};

static void list_participants(const struct room *room, const struct store_page *noted,
                              struct bus_list_builder *list)
{
    struct participant *participant;
    for (participant = room->participants; noted == NULL && participant != NULL;
         participant = participant->hh.next) {
        struct bus_text element = {text_slice(&participant->id)};
        bus_list_add(list, BUS_ELEMENT_TEXT, &element);
    }
    for (size_t i = 0; noted != NULL && i < noted->id_count; i++) {
        struct bus_text element = {noted->ids[i]};
        bus_list_add(list, BUS_ELEMENT_TEXT, &element);
    }
}

/* participants: NULL for those of its own list. */
static void answer_channel(struct peer *peer, uint64_t request, uint64_t trace, int error,
                           const struct room *room, const struct store_page *participants)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct bus_message message = {
        .type = BUS_CHANNEL, .trace = trace, .channel = {.request = request, .error = error}};
    if (room != NULL) {
        list_participants(room, participants, &list);
        message.channel = (struct bus_channel){.request = request,
                                               .error = error,
                                               .id = text_slice(&room->id),
                                               .epoch = room->epoch,
                                               .server_id = text_slice(&room->server_id),
                                               .name = text_slice(&room->name),
                                               .type = text_slice(&room->type),
                                               .source_type = text_slice(&room->source_type),
                                               .metadata = text_slice(&room->metadata),
                                               .created_at = room->created_at,
                                               .updated_at = room->updated_at,
                                               .participants = bus_list_of(&list)};
    }
    peer_send(peer, &message);
    buffer_deinit(&list.bytes);
}

static bool has_empty_text(const struct bus_list *list)
{
    struct msgpack_reader reader = bus_list_read(list);
    struct bus_text element;
    bool is_empty = false;
    while (!is_empty && bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        is_empty = element.text.length == 0;
    }
    return is_empty;
}

static int fault_of_put(struct router *router, const struct bus_message *message)
{
    const struct bus_channel_put *put = &message->channel_put;
    if (put->id.length == 0 || has_empty_text(&put->participants)) {
        return ERROR_MALFORMED;
    }
    if (HASH_COUNT(router->rooms) >= (size_t)router->settings.rooms_max ||
        put->participants.count > PARTICIPANTS_MAX) {
        return ERROR_LIMIT;
    }
    const struct room *room = room_find(router, put->id);
    if (!access_may_enter(router, room, message->viewer, put->creator)) {
        return ERROR_ACCESS;
    }
    bool is_deleting = room != NULL && room->deleting_at != 0;
    return is_deleting || router_batch_is_full(router) ? ERROR_OVERLOADED : 0;
}

static struct pending *pend(struct peer *peer, struct room *room, uint64_t request, uint64_t trace)
{
    struct pending *pending = peer_pend(peer, PENDING_CHANNEL, request, trace);
    pending->room = room;
    return pending;
}

static void set_participants(struct router *router, struct room *room, const struct bus_list *ids)
{
    struct msgpack_reader reader = bus_list_read(ids);
    struct bus_text element;
    room_forget_participants(room);
    store_batch_set_participants(router_batch(router), room->number, NULL, 0);
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        if (room_add_participant(room, element.text)) {
            store_batch_add_participant(router_batch(router), room->number, element.text);
        }
    }
}

/* A room that somebody is in, but that was never made or is deleted, becomes this channel. */
static void make(struct router *router, struct room *room, const struct bus_channel_put *put)
{
    text_replace(&room->server_id, put->server_id);
    text_replace(&room->name, put->name);
    text_replace(&room->type, put->type);
    text_replace(&room->source_type, put->source_type);
    text_replace(&room->metadata, put->metadata);
    room->has_participants = put->participants.count > 0;
    room->deleted_at = 0;
    room_changed(router, room);
    set_participants(router, room, &put->participants);
    if (router->settings.data_isolation && put->creator.length > 0 &&
        room_add_participant(room, put->creator)) {
        store_batch_add_participant(router_batch(router), room->number, put->creator);
    }
}

static void receive_put(struct peer *peer, const struct bus_message *message)
{
    const struct bus_channel_put *put = &message->channel_put;
    struct router *router = peer->router;
    int error = fault_of_put(router, message);
    if (error != 0) {
        router->counters.refused++;
        answer_channel(peer, put->request, message->trace, error, NULL, NULL);
        return;
    }
    struct room *room = room_find(router, put->id);
    bool is_new = room == NULL;
    if (is_new) {
        struct room_record record = {.number = ++router->last_room,
                                     .id = put->id,
                                     .epoch = room_new_epoch(router),
                                     .created_at = router->time.wall};
        room = room_new(router, &record);
    }
    if (room->row_batch == 0 || room->deleted_at != 0) {
        make(router, room, put);
    }
    pend(peer, room, put->request, message->trace)->is_new = is_new;
}

/* They hear of the change first, and are out of the room with the commit. */
static void expel_lost(struct router *router, const struct pending *pending)
{
    struct bus_list list = {0, buffer_slice(&pending->asked)};
    struct msgpack_reader reader = bus_list_read(&list);
    struct bus_text element;
    while (bus_list_next(&reader, BUS_ELEMENT_TEXT, &element)) {
        if (!room_has_participant(pending->room, element.text)) {
            access_expel(router, pending->room, element.text);
        }
    }
    access_enforce(router, pending->room);
}

void channels_stored(struct router *router, struct pending *pending, int result)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&pending->origin));
    if (peer != NULL) {
        answer_channel(peer, pending->request, pending->trace, result == 0 ? 0 : ERROR_OVERLOADED,
                       result == 0 ? pending->room : NULL, NULL);
    }
    if (result == 0 && router->settings.data_isolation) {
        expel_lost(router, pending);
    }
    bool is_unknown = pending->is_new && pending->room->attachments == NULL &&
                      pending->room->members == NULL && pending->room->joining == 0 &&
                      pending->room->queues == NULL;
    if (result != 0 && is_unknown) {
        room_destroy(router, pending->room); /* nobody has seen it */
    }
}

/* --- changing --------------------------------------------------------------------------------- */

static int fault_of_change(struct router *router, const struct bus_message *message)
{
    const struct bus_channel_change *change = &message->channel_change;
    if (change->id.length != UUID_TEXT_LENGTH || has_empty_text(&change->participants)) {
        return ERROR_MALFORMED;
    }
    const struct room *room = events_room(router, change->room, message->viewer);
    bool is_full = room != NULL && HASH_COUNT(room->participants) >= PARTICIPANTS_MAX;
    if (change->participants.count > PARTICIPANTS_MAX || (is_full && change->added.length > 0)) {
        return ERROR_LIMIT;
    }
    if (router_batch_is_full(router) || (room != NULL && room->deleting_at != 0)) {
        return ERROR_OVERLOADED;
    }
    return room == NULL ? ERROR_NOT_FOUND : 0;
}

static void change_participants(struct router *router, struct room *room,
                                const struct bus_channel_change *change)
{
    struct store_batch *batch = router_batch(router);
    if (change->sets_participants) {
        room->has_participants = true;
        set_participants(router, room, &change->participants);
    }
    /* Whoever adds somebody wants a list that decides; the senders so far stay on it. */
    if (change->added.length > 0) {
        room->has_participants = true;
        room_add_participant(room, change->added);
        store_batch_add_participant(batch, room->number, change->added);
    }
    if (change->removed.length > 0) {
        /* Where rooms are closed all of them are known: a list decides from here on. */
        room->has_participants = room->has_participants || router->settings.data_isolation;
        room_remove_participant(room, change->removed);
        store_batch_remove_participant(batch, room->number, change->removed);
    }
}

/* Where rooms are closed: who may be on the list no more when that has been done. */
static void list_endangered(const struct room *room, const struct bus_channel_change *change,
                            struct bus_list_builder *list)
{
    struct bus_text removed = {change->removed};
    if (change->sets_participants) {
        list_participants(room, NULL, list);
    }
    if (removed.text.length > 0) {
        bus_list_add(list, BUS_ELEMENT_TEXT, &removed);
    }
}

static void receive_change(struct peer *peer, const struct bus_message *message)
{
    const struct bus_channel_change *change = &message->channel_change;
    struct router *router = peer->router;
    int error = fault_of_change(router, message);
    if (error != 0) {
        router->counters.refused++;
        answer_channel(peer, change->request, message->trace, error, NULL, NULL);
        return;
    }
    struct room *room = room_find(router, change->room);
    struct bus_list_builder endangered = {BUFFER_EMPTY, 0};
    struct dedupe_key key = dedupe_key_of(router->dedupe, room->number, SLICE_EMPTY, change->id);
    if (dedupe_find(router->dedupe, key) == NULL) {
        if (change->name.length > 0) {
            text_replace(&room->name, change->name);
        }
        if (change->metadata.length > 0) {
            text_replace(&room->metadata, change->metadata);
        }
        if (router->settings.data_isolation) {
            list_endangered(room, change, &endangered);
        }
        change_participants(router, room, change);
        room_changed(router, room);
        events_say_updated(router, room, change->id);
    }
    struct pending *pending = pend(peer, room, change->request, message->trace);
    pending->asked = endangered.bytes; /* taken over */
}

/* --- reading ---------------------------------------------------------------------------------- */

static void ask(struct peer *peer, enum question_kind kind, uint64_t request,
                const struct bus_message *message, struct store_query *query)
{
    peer_ask(peer, kind, message, request, query);
}

static void receive_get(struct peer *peer, const struct bus_message *message)
{
    const struct bus_channel_get *get = &message->channel_get;
    struct room *room = events_room(peer->router, get->room, message->viewer);
    bool is_listed = room != NULL && (room->has_participants || !get->wants_participants);
    if (room == NULL || is_listed) {
        answer_channel(peer, get->request, message->trace, room == NULL ? ERROR_NOT_FOUND : 0, room,
                       NULL);
    } else if (router_may_not_ask(peer->router)) {
        answer_channel(peer, get->request, message->trace, ERROR_OVERLOADED, NULL, NULL);
    } else {
        struct store_query query = {
            .type = STORE_QUERY_PARTICIPANTS, .room = room->number, .limit = PARTICIPANTS_MAX};
        ask(peer, QUESTION_CHANNEL, get->request, message, &query);
    }
}

static void refuse_page(struct peer *peer, uint64_t request, uint64_t trace)
{
    struct bus_message page = {.type = BUS_CHANNELS_PAGE,
                               .trace = trace,
                               .channels_page = {.request = request, .error = ERROR_OVERLOADED}};
    peer_send(peer, &page);
}

static void receive_list(struct peer *peer, const struct bus_message *message)
{
    const struct bus_channel_list *list = &message->channel_list;
    struct store_query query = {
        .type = STORE_QUERY_ROOMS,
        .before_number = list->before > INT64_MAX ? INT64_MAX : list->before,
        .limit = list->limit > CHANNELS_LIMIT_MAX ? CHANNELS_LIMIT_MAX : (size_t)list->limit};
    if (router_may_not_ask(peer->router)) {
        refuse_page(peer, list->request, message->trace);
        return;
    }
    memcpy(query.id, list->server_id.data, list->server_id.length);
    ask(peer, QUESTION_CHANNELS, list->request, message, &query);
}

static void receive_rooms_of(struct peer *peer, const struct bus_message *message)
{
    const struct bus_rooms_of *of = &message->rooms_of;
    struct store_query query = {
        .type = STORE_QUERY_ROOMS_OF,
        .before_number = of->before == 0 || of->before > INT64_MAX ? INT64_MAX : of->before,
        .limit = of->limit > ROOMS_OF_LIMIT_MAX ? ROOMS_OF_LIMIT_MAX : (size_t)of->limit};
    if (router_may_not_ask(peer->router)) {
        refuse_page(peer, of->request, message->trace);
        return;
    }
    memcpy(query.id, of->participant.data, of->participant.length);
    ask(peer, QUESTION_CHANNELS, of->request, message, &query);
}

static void answer_channels(struct peer *peer, const struct question *question,
                            const struct store_page *page)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    uint64_t last = page->next;
    size_t i = 0;
    for (; page->error == 0 && i < page->room_count && list.bytes.length < PAGE_BYTES_MAX; i++) {
        const struct room_record *room = &page->rooms[i];
        struct bus_channel_row row = {.id = room->id,
                                      .server_id = room->server_id,
                                      .name = room->name,
                                      .type = room->type,
                                      .source_type = room->source_type,
                                      .metadata = room->metadata,
                                      .created_at = room->created_at,
                                      .updated_at = room->updated_at};
        bus_list_add(&list, BUS_ELEMENT_CHANNEL, &row);
        last = page->type == STORE_QUERY_ROOMS ? room->number : last;
    }
    bool is_last = page->complete && i == page->room_count;
    struct bus_message message = {.type = BUS_CHANNELS_PAGE,
                                  .trace = question->trace,
                                  .channels_page = {.request = question->request,
                                                    .error = page->error,
                                                    .next = is_last ? 0 : last,
                                                    .channels = bus_list_of(&list)}};
    peer_send(peer, &message);
    buffer_deinit(&list.bytes);
}

void channels_answered(struct router *router, struct question *question, struct store_page *page)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    struct room *room = room_by_number(router, question->room);
    if (peer == NULL) {
        return;
    }
    if (question->kind == QUESTION_CHANNELS) {
        answer_channels(peer, question, page);
    } else {
        int error = room == NULL ? ERROR_NOT_FOUND : page->error;
        answer_channel(peer, question->request, question->trace, error, error == 0 ? room : NULL,
                       page);
    }
}

bool channels_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_CHANNEL_PUT:
        receive_put(peer, message);
        return true;
    case BUS_CHANNEL_GET:
        receive_get(peer, message);
        return true;
    case BUS_CHANNEL_CHANGE:
        receive_change(peer, message);
        return true;
    case BUS_CHANNEL_LIST:
        receive_list(peer, message);
        return true;
    case BUS_ROOMS_OF:
        receive_rooms_of(peer, message);
        return true;
    default:
        return false;
    }
}
