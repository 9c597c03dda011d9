#include "router/core/sessions.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/base/memory.h"
#include "proto/base/msgpack.h"
#include "proto/bus/message.h"
#include "proto/wire/recovery.h"
#include "router/core/access.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/room.h"
#include "router/store/batch.h"
#include "router/store/query.h"

enum {
    SWEEP_INTERVAL_MS = 5000,
    SWEEP_SESSIONS = 1000, /* of one sweep, so that no commit waits for long */
    STAMPS_PER_MS = 1000,
    REJOIN_SILENCE_MS = 60000 /* heartbeats of a client and of its edge, and some more */
};

bool sessions_are_kept(const struct router *router)
{
    return router->settings.recovery_window > 0;
}

/* --- stamps ----------------------------------------------------------------------------------- */

uint64_t clock_after(uint64_t last, int64_t wall)
{
    uint64_t now = (uint64_t)(wall > 0 ? wall : 0) * STAMPS_PER_MS;
    return now > last ? now : last + 1;
}

uint64_t stamp_next(struct router *router)
{
    router->last_stamp = clock_after(router->last_stamp, router->time.wall);
    return router->last_stamp;
}

uint64_t stamp_told(const struct router *router)
{
    return router->unanswered == NULL ? router->last_stamp : router->unanswered->stamp - 1;
}

static struct unanswered_join *unanswered_new(struct router *router)
{
    struct unanswered_join *join = memory_allocate_zeroed(sizeof(*join));
    join->stamp = stamp_next(router);
    DL_APPEND(router->unanswered, join);
    return join;
}

void unanswered_end(struct router *router, struct unanswered_join **join)
{
    if (*join != NULL) {
        DL_DELETE(router->unanswered, *join);
        free(*join);
        *join = NULL;
    }
}

/* --- the cluster's secret --------------------------------------------------------------------- */

void sessions_load_secret(struct router *router, struct slice secret)
{
    buffer_clear(&router->secret);
    buffer_append_slice(&router->secret, secret);
}

void sessions_loaded(struct router *router)
{
    if (!sessions_are_kept(router)) {
        return;
    }
    if (router->secret.length == 0) {
        unsigned char secret[RECOVERY_SECRET_LENGTH];
        id_random_bytes(router->ids, secret, sizeof(secret));
        buffer_append(&router->secret, secret, sizeof(secret));
        store_batch_put_secret(router_batch(router), buffer_slice(&router->secret));
    }
    /* No edge is there yet; each finds its own again when it has synchronised. */
    sessions_lose_edge(router, SLICE_EMPTY);
}

void sessions_greet(struct peer *peer)
{
    bool has_closed_rooms = peer->router->settings.data_isolation;
    struct bus_message message = {
        .type = BUS_CLUSTER, .cluster = {buffer_slice(&peer->router->secret), has_closed_rooms}};
    if (sessions_are_kept(peer->router) || has_closed_rooms) {
        peer_send(peer, &message);
    }
}

/* --- edges come and go ------------------------------------------------------------------------ */

/* Something has ended: its row is to go when the window has passed. */
static void sweep_later(struct router *router)
{
    router->sweep_until =
        router->time.now + router->settings.recovery_window + 2 * SWEEP_INTERVAL_MS;
}

void sessions_lose_edge(struct router *router, struct slice edge)
{
    if (sessions_are_kept(router)) {
        store_batch_lose_edge(router_batch(router), edge, router->time.wall);
        sweep_later(router);
    }
}

void sessions_find_edge(struct peer *peer)
{
    if (sessions_are_kept(peer->router)) {
        store_batch_find_edge(router_batch(peer->router), text_slice(&peer->incarnation));
    }
}

void sessions_tick(struct router *router)
{
    int64_t now = router->time.now;
    if (now > router->sweep_until || now - router->swept_at < SWEEP_INTERVAL_MS ||
        router->store_failed) {
        return;
    }
    router->swept_at = now;
    store_batch_sweep_sessions(
        router_batch(router), router->time.wall - router->settings.recovery_window, SWEEP_SESSIONS);
}

/* --- sessions begin and end ------------------------------------------------------------------- */

static void open_session(struct peer *peer, const struct bus_session_open *open)
{
    struct session_record session = {
        .id = open->socket, .entity = open->entity, .edge = text_slice(&peer->incarnation)};
    store_batch_open_session(router_batch(peer->router), &session);
}

static void end_session(struct peer *peer, const struct bus_session_end *end)
{
    struct router *router = peer->router;
    struct slice edge = text_slice(&peer->incarnation);
    if (end->is_explicit) {
        store_batch_drop_session(router_batch(router), end->socket, edge);
    } else {
        store_batch_end_session(router_batch(router), end->socket, edge, router->time.wall);
        sweep_later(router);
    }
}

/* --- joins ------------------------------------------------------------------------------------ */

void sessions_keep_join(struct peer *peer, struct room *room, const struct bus_message *message)
{
    const struct bus_join *join = &message->join;
    struct router *router = peer->router;
    struct unanswered_join *unanswered = unanswered_new(router);
    struct session_record session = {
        .id = join->socket, .entity = join->entity, .edge = text_slice(&peer->incarnation)};
    struct membership_record membership = {.session = join->socket,
                                           .room = join->room,
                                           .entity = join->entity,
                                           .name = join->name,
                                           .position = router->last_position,
                                           .stamp = unanswered->stamp,
                                           .was_replayed = join->since != BUS_SINCE_NOTHING};
    if (join->begins) {
        store_batch_open_session(router_batch(router), &session);
    }
    store_batch_add_membership(router_batch(router), &membership);
    struct pending *pending = router_pend(router, PENDING_JOIN);
    pending->room = room;
    pending->link_id = peer->link_id;
    pending->request = join->request;
    pending->unanswered = unanswered;
    bus_encode(&pending->asked, message);
    room->joining++;
}

static void answer_leave(struct peer *peer, uint64_t request)
{
    struct bus_message message = {.type = BUS_DONE, .done = {.request = request}};
    peer_send(peer, &message);
}

static void receive_leave(struct peer *peer, const struct bus_session_leave *leave)
{
    struct router *router = peer->router;
    if (!sessions_are_kept(router) || leave->socket.length == 0 || leave->room.length == 0) {
        answer_leave(peer, leave->request); /* nothing is kept */
        return;
    }
    store_batch_drop_membership(router_batch(router), leave->socket, text_slice(&peer->incarnation),
                                leave->room);
    struct pending *pending = router_pend(router, PENDING_LEAVE);
    pending->link_id = peer->link_id;
    pending->request = leave->request;
}

static void leave_committed(struct router *router, const struct pending *pending, int result)
{
    struct peer *peer = peer_by_link(router, pending->link_id);
    if (peer != NULL && result == 0) {
        answer_leave(peer, pending->request); /* else its edge asks again */
    }
}

static bool cancel_join_of(const struct open_batch *batch, const struct peer *peer,
                           uint64_t request)
{
    for (struct pending *pending = batch->first; pending != NULL; pending = pending->next) {
        if (pending->kind == PENDING_JOIN && pending->link_id == peer->link_id &&
            pending->request == request) {
            pending->is_cancelled = true;
            return true;
        }
    }
    return false;
}

bool sessions_cancel_join(struct peer *peer, uint64_t request)
{
    struct router *router = peer->router;
    return cancel_join_of(&router->open, peer, request) ||
           cancel_join_of(&router->with_store, peer, request);
}

static void join_committed(struct router *router, struct pending *pending, int result)
{
    struct peer *peer = peer_by_link(router, pending->link_id);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&pending->asked));
    struct bus_message message;
    pending->room->joining--;
    room_consider(router, pending->room);
    if (peer == NULL || pending->is_cancelled || bus_decode(&reader, &message) != 0) {
        return; /* over another link it has been asked anew */
    }
    if (result != 0) {
        presence_refuse_join(peer, &message, ERROR_OVERLOADED);
    } else {
        presence_begin_join(peer, pending->room, &message, &pending->unanswered);
    }
}

/* --- recovering ------------------------------------------------------------------------------- */

static void refuse(struct router *router, struct peer *peer, uint64_t request, int error)
{
    struct bus_message message = {.type = BUS_RECOVERED,
                                  .recovered = {.request = request, .error = error}};
    router->counters.recoveries_refused++;
    if (peer != NULL) {
        peer_send(peer, &message);
    }
}

/* First the claim: of several who ask, the last one has it, and the row says who had it before. */
static void receive_recover(struct peer *peer, const struct bus_recover *recover)
{
    struct router *router = peer->router;
    if (!sessions_are_kept(router) || recover->socket.length != SESSION_ID_LENGTH) {
        refuse(router, peer, recover->request, ERROR_NOT_FOUND);
        return;
    }
    if (router_may_not_ask(router) || router_batch_is_full(router)) {
        refuse(router, peer, recover->request, ERROR_OVERLOADED);
        return;
    }
    store_batch_claim_session(router_batch(router), recover->socket, text_slice(&peer->incarnation),
                              recover->subject,
                              router->time.wall - router->settings.recovery_window);
    struct pending *pending = router_pend(router, PENDING_CLAIM);
    pending->link_id = peer->link_id;
    pending->request = recover->request;
    buffer_append_slice(&pending->asked, recover->socket);
    buffer_append_slice(&pending->asked, recover->subject);
}

static void claim_committed(struct router *router, struct pending *pending, int result)
{
    if (result != 0) {
        refuse(router, peer_by_link(router, pending->link_id), pending->request, ERROR_STORE);
        return;
    }
    struct store_query query = {.type = STORE_QUERY_SESSION};
    struct slice asked = buffer_slice(&pending->asked);
    memcpy(query.id, asked.data, SESSION_ID_LENGTH);
    struct question *question = router_ask(router, QUESTION_SESSION, &query);
    question->link_id = pending->link_id;
    question->request = pending->request;
    question->entity =
        text_copy(slice_of(asked.data + SESSION_ID_LENGTH, asked.length - SESSION_ID_LENGTH));
}

/*
 * False: there are too many to be listed. router: leaves out what is closed to its entity now;
 * NULL: lists it, so that the join is refused, and with it a recovery that would not be whole.
 */
static bool list_rooms(struct router *router, const struct store_page *page, uint64_t first,
                       uint64_t last, struct bus_list_builder *rooms)
{
    for (size_t i = 0; i < page->membership_count; i++) {
        const struct membership_record *membership = &page->memberships[i];
        if (router != NULL && router->settings.data_isolation &&
            access_room(router, membership->room, membership->entity) == NULL) {
            continue;
        }
        uint64_t position = membership->position > first ? membership->position : first;
        struct bus_session_room element = {.room = membership->room,
                                           .entity = membership->entity,
                                           .name = membership->name,
                                           .position = position < last ? position : last,
                                           .stamp = membership->stamp,
                                           .was_replayed = membership->was_replayed};
        bus_list_add(rooms, BUS_ELEMENT_SESSION_ROOM, &element);
    }
    return rooms->bytes.length <= PAGE_BYTES_MAX;
}

static void answer_recovered(struct peer *peer, uint64_t request, const struct store_page *page)
{
    struct bus_list_builder rooms = {BUFFER_EMPTY, 0};
    if (!list_rooms(NULL, page, 0, UINT64_MAX, &rooms)) {
        refuse(peer->router, peer, request, ERROR_LIMIT);
    } else {
        struct bus_message message = {.type = BUS_RECOVERED,
                                      .recovered = {.request = request,
                                                    .entity = page->session.entity,
                                                    .rooms = bus_list_of(&rooms)}};
        peer->router->counters.recoveries++;
        peer_send(peer, &message);
    }
    buffer_deinit(&rooms.bytes);
}

static void session_read(struct peer *peer, const struct question *question,
                         const struct store_page *page)
{
    struct router *router = peer->router;
    const struct session_record *session = &page->session;
    if (page->error != 0) {
        refuse(router, peer, question->request, page->error);
        return;
    }
    struct slice edge = text_slice(&peer->incarnation), subject = text_slice(&question->entity);
    if (page->found && subject.length > 0 && !slice_equals(session->entity, subject)) {
        refuse(router, peer, question->request, ERROR_IDENTITY);
        return;
    }
    if (!page->found || session->ended_at != 0 || !slice_equals(session->edge, edge)) {
        refuse(router, peer, question->request, ERROR_NOT_FOUND);
        return;
    }
    struct peer *former = peer_by_incarnation(router, session->former);
    if (former != NULL && former->side == ROUTER_SIDE_EDGES) {
        struct bus_message taken = {.type = BUS_SESSION_TAKEN, .session_taken = {session->id}};
        peer_send(former, &taken);
    }
    answer_recovered(peer, question->request, page);
}

/* --- rejoining -------------------------------------------------------------------------------- */

static void answer_rejoin(struct peer *peer, uint64_t request, int error,
                          const struct bus_list_builder *rooms)
{
    struct bus_message message = {
        .type = BUS_REJOINED,
        .rejoined = {.request = request, .error = error, .rooms = bus_list_of(rooms)}};
    peer_send(peer, &message);
}

static void receive_rejoin(struct peer *peer, const struct bus_rejoin *rejoin)
{
    struct router *router = peer->router;
    struct store_query query = {.type = STORE_QUERY_LAST_SESSION};
    const struct bus_list_builder none = {BUFFER_EMPTY, 0};
    if (!sessions_are_kept(router) || rejoin->entity.length == 0) {
        answer_rejoin(peer, rejoin->request, ERROR_NOT_FOUND, &none);
        return;
    }
    if (router_may_not_ask(router)) {
        answer_rejoin(peer, rejoin->request, ERROR_OVERLOADED, &none);
        return;
    }
    memcpy(query.id, rejoin->entity.data, rejoin->entity.length);
    struct question *question = router_ask(router, QUESTION_REJOIN, &query);
    question->link_id = peer->link_id;
    question->request = rejoin->request;
}

/*
 * From the last sign of life that is sure: a socket is known to be lost only after its heartbeat,
 * one of a lost edge only after that edge's. Positions are times, or later.
 */
static void last_session_read(struct peer *peer, const struct question *question,
                              const struct store_page *page)
{
    struct router *router = peer->router;
    struct bus_list_builder rooms = {BUFFER_EMPTY, 0};
    int64_t oldest = router->time.wall - router->settings.recovery_window;
    bool is_there = page->error == 0 && page->found && page->session.ended_at >= oldest;
    bool is_listed =
        is_there &&
        list_rooms(router, page, clock_after(0, page->session.ended_at - REJOIN_SILENCE_MS),
                   router->last_position, &rooms);
    if (is_there && !is_listed) {
        buffer_clear(&rooms.bytes);
        rooms.count = 0;
    }
    answer_rejoin(peer, question->request,
                  is_listed  ? 0
                  : is_there ? ERROR_LIMIT
                             : ERROR_NOT_FOUND,
                  &rooms);
    buffer_deinit(&rooms.bytes);
}

void sessions_answered(struct router *router, struct question *question,
                       const struct store_page *page)
{
    struct peer *peer = peer_by_link(router, question->link_id);
    if (peer == NULL) {
        return;
    }
    if (question->kind == QUESTION_SESSION) {
        session_read(peer, question, page);
    } else {
        last_session_read(peer, question, page);
    }
}

/* --- what comes, and what was committed ------------------------------------------------------- */

bool sessions_receive(struct peer *peer, const struct bus_message *message)
{
    bool is_kept = sessions_are_kept(peer->router);
    switch (message->type) {
    case BUS_SESSION_OPEN:
        if (is_kept && message->session_open.socket.length > 0) {
            open_session(peer, &message->session_open);
        }
        return true;
    case BUS_SESSION_END:
        if (is_kept && message->session_end.socket.length > 0) {
            end_session(peer, &message->session_end);
        }
        return true;
    case BUS_SESSION_LEAVE:
        receive_leave(peer, &message->session_leave);
        return true;
    case BUS_RECOVER:
        receive_recover(peer, &message->recover);
        return true;
    case BUS_REJOIN:
        receive_rejoin(peer, &message->rejoin);
        return true;
    default:
        return false;
    }
}

void sessions_committed(struct router *router, struct pending *pending, int result)
{
    switch (pending->kind) {
    case PENDING_JOIN:
        join_committed(router, pending, result);
        break;
    case PENDING_CLAIM:
        claim_committed(router, pending, result);
        break;
    default:
        leave_committed(router, pending, result);
        break;
    }
}
