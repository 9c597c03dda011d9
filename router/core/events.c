#include "router/core/events.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/base/json.h"
#include "proto/base/msgpack.h"
#include "proto/bus/message.h"
#include "proto/wire/channel_row.h"
#include "proto/wire/chat_body.h"
#include "router/core/access.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/send.h"
#include "router/core/work.h"
#include "router/store/batch.h"
#include "router/store/query.h"
#include "router/store/record.h"

static void refuse(struct peer *peer, uint64_t request, uint64_t trace, int error)
{
    struct bus_message message = {
        .type = BUS_SEND_DONE, .trace = trace, .send_done = {.request = request, .error = error}};
    peer->router->counters.refused++;
    peer_send(peer, &message);
}

struct room *events_room(struct router *router, struct slice id, struct slice viewer)
{
    struct room *room = access_room(router, id, viewer);
    return room == NULL || room->row_batch == 0 || room->deleted_at != 0 ? NULL : room;
}

/* Appends a message, to be answered with SEND_DONE like a send; an id that is known is a repeat. */
static struct pending *append_once(struct peer *peer, struct room *room, struct dedupe_key key,
                                   struct message_record *record, uint64_t request, uint64_t trace)
{
    struct router *router = peer->router;
    const struct message_record *stored = send_append(router, room, record);
    struct dedupe_entry entry = {
        .key = key, .seq = stored->seq, .epoch = room->epoch, .created_at = stored->created_at};
    memcpy(entry.id, stored->id.data, UUID_TEXT_LENGTH);
    router->counters.dedupe_evicted += dedupe_add(router->dedupe, &entry);
    struct pending *pending = peer_pend(peer, PENDING_MESSAGE, request, trace);
    pending->room = room;
    pending->message = stored;
    pending->key = key;
    return pending;
}

/* --- events ----------------------------------------------------------------------------------- */

static void act(struct router *router, struct room *room, const struct bus_room_event *event,
                uint64_t seq)
{
    struct store_batch *batch = router_batch(router);
    switch (event->action) {
    case BUS_ROOM_DELETES_MESSAGE:
        store_batch_delete_message(batch, room->number, event->message_id);
        router->needs_sweep = true;
        break;
    case BUS_ROOM_EDITS_MESSAGE:
        store_batch_replace_message(batch, room->number, event->message_id, event->body);
        break;
    case BUS_ROOM_CLEARS:
    case BUS_ROOM_IS_DELETED:
        room_begin_clearing(router, room, seq, event->action == BUS_ROOM_IS_DELETED);
        work_cancel_room(router, room);
        break;
    default:
        break;
    }
}

static int fault_of(struct router *router, const struct bus_room_event *event)
{
    struct slice name, argument;
    bool needs_message =
        event->action == BUS_ROOM_DELETES_MESSAGE || event->action == BUS_ROOM_EDITS_MESSAGE;
    if (event->id.length != UUID_TEXT_LENGTH || !chat_read_event(event->event, &name, &argument) ||
        event->action > BUS_ROOM_IS_DELETED || (needs_message && event->message_id.length == 0) ||
        (event->action == BUS_ROOM_EDITS_MESSAGE && event->body.length == 0)) {
        return ERROR_MALFORMED;
    }
    return router_batch_is_full(router) ? ERROR_OVERLOADED : 0;
}

static void receive_event(struct peer *peer, const struct bus_message *message)
{
    const struct bus_room_event *event = &message->room_event;
    struct router *router = peer->router;
    struct room *room = events_room(router, event->room, message->viewer);
    int error = fault_of(router, event);
    if (error == 0 && room == NULL) {
        error = ERROR_NOT_FOUND;
    }
    if (error != 0) {
        refuse(peer, event->request, message->trace, error);
        return;
    }
    struct dedupe_key key = dedupe_key_of(router->dedupe, room->number, SLICE_EMPTY, event->id);
    const struct dedupe_entry *known = dedupe_find(router->dedupe, key);
    if (known != NULL) {
        send_answer_duplicate(peer, event->request, message->trace, known);
        return;
    }
    if (room->deleting_at != 0) {
        refuse(peer, event->request, message->trace, ERROR_OVERLOADED);
        return;
    }
    struct message_record record = {.id = event->id,
                                    .kind = MESSAGE_KIND_EVENT,
                                    .client_message_id = event->id,
                                    .body = event->event};
    const struct pending *pending =
        append_once(peer, room, key, &record, event->request, message->trace);
    act(router, room, event, pending->message->seq);
}

void events_say_updated(struct router *router, struct room *room, struct slice id)
{
    struct buffer body = BUFFER_EMPTY;
    struct channel_row row = {.id = text_slice(&room->id),
                              .server_id = text_slice(&room->server_id),
                              .name = text_slice(&room->name),
                              .type = text_slice(&room->type),
                              .source_type = text_slice(&room->source_type),
                              .metadata = text_slice(&room->metadata),
                              .created_at = room->created_at,
                              .updated_at = room->updated_at};
    buffer_append_string(&body, "channelUpdated {");
    json_write_string_member(&body, "channelId", row.id);
    json_write_string_member(&body, "roomId", row.id);
    json_write_key(&body, "updates");
    channel_row_write(&row, &body);
    buffer_append_char(&body, '}');
    struct message_record record = {
        .id = id, .kind = MESSAGE_KIND_EVENT, .client_message_id = id, .body = buffer_slice(&body)};
    const struct message_record *stored = send_append(router, room, &record);
    struct dedupe_entry entry = {.key =
                                     dedupe_key_of(router->dedupe, room->number, SLICE_EMPTY, id),
                                 .seq = stored->seq,
                                 .epoch = room->epoch,
                                 .created_at = stored->created_at};
    memcpy(entry.id, id.data, UUID_TEXT_LENGTH);
    router->counters.dedupe_evicted += dedupe_add(router->dedupe, &entry);
    struct pending *pending = router_pend(router, PENDING_MESSAGE);
    pending->room = room;
    pending->message = stored;
    pending->key = entry.key;
    buffer_deinit(&body);
}

/* --- submitted messages ----------------------------------------------------------------------- */

/*
 * The id is the sender's, and ids are unique: whether a message has it already is asked of the
 * store first, and those on their way to it are known by a key of no room.
 */
static void receive_submit(struct peer *peer, const struct bus_message *message)
{
    const struct bus_submit *submit = &message->submit;
    struct router *router = peer->router;
    int error = 0;
    if (submit->room.length == 0 || !uuid_is_valid(submit->id) || submit->sender.length == 0 ||
        submit->body.length == 0) {
        error = ERROR_MALFORMED;
    } else if (router_batch_is_full(router) || router_may_not_ask(router)) {
        error = ERROR_OVERLOADED;
    } else if (!access_may_enter(router, room_find(router, submit->room), message->viewer,
                                 submit->sender)) {
        error = ERROR_ACCESS;
    }
    if (error != 0) {
        refuse(peer, submit->request, message->trace, error);
        return;
    }
    struct store_query query = {.type = STORE_QUERY_ID_TAKEN, .limit = 1};
    memcpy(query.id, submit->id.data, submit->id.length);
    struct question *question = peer_ask(peer, QUESTION_SUBMIT, message, submit->request, &query);
    bus_encode(&question->replay.bytes, message);
}

void events_submit_answered(struct router *router, const struct question *question,
                            const struct store_page *page)
{
    struct peer *peer = peer_by_incarnation(router, text_slice(&question->origin));
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&question->replay.bytes));
    struct bus_message message;
    if (peer == NULL || bus_decode(&reader, &message) != 0) {
        return; /* the edge is gone; its client asks again */
    }
    const struct bus_submit *submit = &message.submit;
    struct dedupe_key key = dedupe_key_of(router->dedupe, 0, SLICE_EMPTY, submit->id);
    const struct dedupe_entry *known = dedupe_find(router->dedupe, key);
    struct room *room =
        page->error != 0 || page->found || known != NULL
            ? NULL
            : room_obtain(router, submit->room, submit->server_id, SLICE_EMPTY, SLICE_EMPTY);
    if (page->error != 0) {
        refuse(peer, submit->request, message.trace, page->error);
    } else if (known != NULL) {
        send_answer_duplicate(peer, submit->request, message.trace, known);
    } else if (page->found) {
        refuse(peer, submit->request, message.trace, ERROR_CONFLICT);
    } else if (room == NULL) {
        refuse(peer, submit->request, message.trace, ERROR_LIMIT);
    } else if (access_enter(router, room, message.viewer, submit->sender, SLICE_EMPTY) != 0) {
        room_consider(router, room);
        refuse(peer, submit->request, message.trace, ERROR_ACCESS);
    } else if (room->deleting_at != 0) {
        refuse(peer, submit->request, message.trace, ERROR_OVERLOADED);
    } else {
        struct buffer minted = BUFFER_EMPTY; /* by it a repeat is known after a restart, too */
        buffer_append_char(&minted, '~');
        buffer_append_slice(&minted, submit->id);
        struct message_record record = {.id = submit->id,
                                        .kind = MESSAGE_KIND_AGENT,
                                        .sender = submit->sender,
                                        .client_message_id = buffer_slice(&minted),
                                        .in_reply_to = submit->in_reply_to,
                                        .body = submit->body};
        room_revive(router, room);
        struct pending *pending =
            append_once(peer, room, key, &record, submit->request, message.trace);
        send_ask_agents(router, room, pending->message, 1, pending);
        room_note_participant(router, room, submit->sender);
        buffer_deinit(&minted);
    }
}

bool events_receive(struct peer *peer, const struct bus_message *message)
{
    switch (message->type) {
    case BUS_ROOM_EVENT:
        receive_event(peer, message);
        return true;
    case BUS_SUBMIT:
        receive_submit(peer, message);
        return true;
    default:
        return false;
    }
}
