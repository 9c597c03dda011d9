#include "router/core/peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/base/msgpack.h"
#include "proto/base/version.h"
#include "proto/bus/message.h"
#include "router/core/access.h"
#include "router/core/attach.h"
#include "router/core/bridges.h"
#include "router/core/lookup.h"
#include "router/core/presence.h"
#include "router/core/run.h"
#include "router/core/send.h"
#include "router/core/sessions.h"

static bool transmit(void *context, struct link *link, struct slice header, struct slice body)
{
    struct peer *peer = context;
    struct router *router = peer->router;
    (void)link;
    return router->operations->transmit(router->context, peer->side,
                                        slice_of(peer->routing_id, peer->routing_id_length), header,
                                        body);
}

/*
 * For the edge that a session moves away from: whatever it hears later, the new one has heard too.
 */
static void receive_mark(struct peer *peer, const struct bus_mark *mark)
{
    struct peer *former = peer_by_incarnation(peer->router, mark->edge);
    bool is_there = former != NULL && former->side == ROUTER_SIDE_EDGES && former != peer;
    struct bus_message marked = {.type = BUS_MARKED, .marked = {mark->move}};
    struct bus_message done = {
        .type = BUS_DONE,
        .done = {.request = mark->request, .error = is_there ? 0 : ERROR_NOT_FOUND}};
    if (is_there) {
        peer_send(former, &marked);
    }
    peer_send(peer, &done);
}

static void deliver(void *context, struct link *link, const struct bus_message *message,
                    int64_t now)
{
    struct peer *peer = context;
    (void)link;
    (void)now;
    if (peer->is_dead) {
        return; /* given up while an earlier message of the same frame was handled */
    }
    if (peer->side == ROUTER_SIDE_BRIDGES) {
        bridges_receive(peer, message);
        return;
    }
    switch (message->type) {
    case BUS_ROOM_SYNC:
        presence_receive_sync(peer, &message->room_sync);
        break;
    case BUS_SYNC_DONE:
        peer->is_synchronised = true;
        sessions_find_edge(peer);
        peer_consider_caught_up(peer);
        run_catch_up_askers(peer);
        log_info("edge_synchronised", "edge=%s rooms=%" PRIu64, peer->incarnation.data,
                 message->sync_done.rooms);
        break;
    case BUS_RUN_ATTACH:
        attach_receive(peer, message);
        break;
    case BUS_RUN_STOP:
        attach_receive_stop(peer, message);
        break;
    case BUS_RUNS_WANTED:
        run_receive_asking(peer, message->runs_wanted.room);
        break;
    case BUS_JOIN:
        presence_receive_join(peer, message);
        break;
    case BUS_LEAVE:
        presence_receive_leave(peer, &message->leave);
        break;
    case BUS_SEND:
        send_receive(peer, message);
        break;
    case BUS_MARK:
        receive_mark(peer, &message->mark);
        break;
    default:
        if (sessions_receive(peer, message)) {
            break;
        }
        lookup_receive(peer, message);
        break;
    }
}

static void closed(void *context, struct link *link, int error, int64_t now)
{
    struct peer *peer = context;
    (void)link;
    (void)now;
    peer->has_left = error == 0;
    peer_drop(peer, error == 0 ? "goodbye" : error_code(error));
}

static void opened(void *context, struct link *link, const struct bus_hello *hello, int64_t now)
{
    /* An accepting side opens where HELLO comes in; nothing comes here. */
    (void)context;
    (void)link;
    (void)hello;
    (void)now;
}

static const struct link_operations operations = {transmit, deliver, opened, closed};

struct peer *peer_by_incarnation(struct router *router, struct slice incarnation)
{
    struct peer *peer, *next;
    /* One per process of the cluster: a handful. */
    HASH_ITER (hh, router->peers, peer, next) {
        if (slice_equals(text_slice(&peer->incarnation), incarnation)) {
            return peer;
        }
    }
    return NULL;
}

struct peer *peer_by_link(struct router *router, uint64_t link_id)
{
    struct peer *peer;
    HASH_FIND(hh, router->peers, &link_id, sizeof(link_id), peer);
    return peer;
}

void peer_consider_caught_up(struct peer *peer)
{
    struct router *router = peer->router;
    if (!peer->is_synchronised || peer->is_caught_up || peer->catching_up > 0 || peer->is_dead) {
        return;
    }
    peer->is_caught_up = true;
    struct bus_message message = {.type = BUS_CAUGHT_UP, .caught_up = {router->published_position}};
    if (sessions_are_kept(router)) {
        peer_send(peer, &message);
    }
}

static struct peer *peer_new(struct router *router, enum router_side side, uint64_t link_id,
                             const struct bus_hello *hello)
{
    struct peer *peer = memory_allocate_zeroed(sizeof(*peer));
    peer->router = router;
    peer->side = side;
    peer->link_id = link_id;
    peer->incarnation = text_copy(hello->incarnation);
    peer->name = text_copy(hello->name);
    peer->address = text_copy(hello->peer_address);
    struct bus_hello self = {.role = BUS_ROLE_ROUTER,
                             .incarnation = text_slice(&router->incarnation),
                             .name = SLICE_LITERAL("router"),
                             .program_version = SLICE_LITERAL(ELIZAMQ_VERSION)};
    link_init(&peer->link, &router->settings.link, &operations, peer, false, &self,
              router->time.now);
    HASH_ADD(hh, router->peers, link_id, sizeof(peer->link_id), peer);
    *(side == ROUTER_SIDE_EDGES ? &router->edge_count : &router->bridge_count) += 1;
    return peer;
}

static void remember_route(struct peer *peer, struct slice routing_id)
{
    if (routing_id.length <= sizeof(peer->routing_id)) {
        memcpy(peer->routing_id, routing_id.data, routing_id.length);
        peer->routing_id_length = routing_id.length;
    }
}

static const char *socket_option(enum router_side side)
{
    return side == ROUTER_SIDE_EDGES ? "--bind-edges" : "--bind-bridges";
}

/* has_ended: another link will do; else one like it is refused. */
static void answer_reset(struct router *router, enum router_side side, struct slice routing_id,
                         uint64_t link_id, bool has_ended)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, LINK_RESET, link_id, has_ended, 0};
    link_header_encode(&bytes, &header);
    router->operations->transmit(router->context, side, routing_id, buffer_slice(&bytes),
                                 SLICE_EMPTY);
    buffer_deinit(&bytes);
}

static void announce(struct router *router)
{
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->side == ROUTER_SIDE_EDGES && peer->address.length > 0) {
            struct bus_peer element = {text_slice(&peer->incarnation), text_slice(&peer->address)};
            bus_list_add(&list, BUS_ELEMENT_PEER, &element);
        }
    }
    struct bus_message message = {.type = BUS_PEERS, .peers = {bus_list_of(&list)}};
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->side == ROUTER_SIDE_EDGES) {
            peer_send(peer, &message);
        }
    }
    buffer_deinit(&list.bytes);
}

/*
 * A HELLO that was said again, or came late, does not begin a link anew that has been given up: its
 * other end may have heard of the first one, and counts from there.
 */
static bool was_given_up(const struct router *router, uint64_t link_id)
{
    for (size_t i = 0; i < ENDED_LINKS_KEPT; i++) {
        if (router->ended_links[i] == link_id) {
            return true;
        }
    }
    return false;
}

/* Also one of another router's: who speaks on it opens another one when it hears RESET. */
static void note_given_up(struct router *router, uint64_t link_id)
{
    if (!was_given_up(router, link_id)) {
        router->ended_links[router->ended_count++ % ENDED_LINKS_KEPT] = link_id;
    }
}

static void receive_hello(struct router *router, enum router_side side, struct slice routing_id,
                          const struct link_header *header, struct msgpack_reader *body)
{
    struct bus_message message = {.type = BUS_DONE};
    enum bus_role role = side == ROUTER_SIDE_EDGES ? BUS_ROLE_EDGE : BUS_ROLE_BRIDGE;
    if (header->link == 0 || bus_decode(body, &message) != 0 || message.type != BUS_HELLO ||
        message.hello.role != role || message.hello.incarnation.length == 0) {
        router->counters.frames_refused++;
        log_warn("hello_refused", "socket=%s role=%" PRIu64, socket_option(side),
                 message.type == BUS_HELLO ? message.hello.role : 0);
        answer_reset(router, side, routing_id, header->link, false);
        return;
    }
    struct peer *peer;
    HASH_FIND(hh, router->peers, &header->link, sizeof(header->link), peer);
    if (peer == NULL && was_given_up(router, header->link)) {
        answer_reset(router, side, routing_id, header->link, true);
        return;
    }
    if (peer != NULL && peer->side != side) {
        router->counters.frames_refused++; /* somebody else's, on the other socket */
        answer_reset(router, side, routing_id, header->link, false);
        return;
    }
    if (peer == NULL) {
        /* The same process on a new link: what hung on the old one enters its grace period and
         * is taken up again by what follows. */
        struct peer *former = peer_by_incarnation(router, message.hello.incarnation);
        if (former != NULL) {
            peer_drop(former, "replaced");
        }
        peer = peer_new(router, side, header->link, &message.hello);
        log_info("peer_connected", "role=%s incarnation=%s name=%s address=%s",
                 side == ROUTER_SIDE_EDGES ? "edge" : "bridge", peer->incarnation.data,
                 peer->name.data, peer->address.data);
    }
    remember_route(peer, routing_id);
    bool is_known = link_is_open(&peer->link);
    link_accept(&peer->link, header->link, router->time.now);
    if (side == ROUTER_SIDE_EDGES && !is_known) {
        sessions_greet(peer);
    }
    if (side == ROUTER_SIDE_EDGES) {
        announce(router);
    }
}

void peer_receive(struct router *router, enum router_side side, struct slice routing_id,
                  struct slice frame)
{
    struct link_header header = {0};
    struct msgpack_reader reader = msgpack_reader_of(frame);
    struct peer *peer;
    int error = link_header_decode(&reader, &header);
    if (error != 0) {
        router->counters.frames_refused++;
        if (link_refusal_is_news(&router->refusals[side], error, router->time.now)) {
            log_warn("frame_refused", "reason=%s socket=%s bytes=%zu version=%" PRIu64 " ours=%d",
                     error_code(error), socket_option(side), frame.length, header.version,
                     BUS_VERSION);
        }
        if (error == ERROR_BUS_VERSION) {
            answer_reset(router, side, routing_id, 0,
                         false); /* so that the other side logs it, too */
        }
        return;
    }
    if (header.kind == LINK_HELLO) {
        receive_hello(router, side, routing_id, &header, &reader);
        return;
    }
    HASH_FIND(hh, router->peers, &header.link, sizeof(header.link), peer);
    if (peer == NULL || peer->side != side) {
        router->counters.frames_refused++;
        if (header.kind != LINK_GOODBYE && header.kind != LINK_RESET) {
            note_given_up(router, header.link);
            answer_reset(router, side, routing_id, header.link, false);
        }
        return;
    }
    remember_route(peer, routing_id);
    link_receive(&peer->link, &header, &reader, router->time.now);
}

void peer_send_encoded(struct peer *peer, struct slice message)
{
    if (peer->is_dead) {
        return;
    }
    if (link_send_encoded(&peer->link, message) == ERROR_OVERLOADED) {
        peer->router->counters.links_overflowed++;
        peer_drop(peer, "overflow");
    }
}

void peer_send(struct peer *peer, const struct bus_message *message)
{
    peer_send_encoded(peer, router_encode(peer->router, message));
}

void peer_count_link(const struct peer *peer, struct router_counters *counters)
{
    counters->link_gaps += peer->link.gaps;
    counters->frames_resent += peer->link.frames_resent;
    counters->frames_held += peer->link.frames_held;
}

struct question *peer_ask(struct peer *peer, enum question_kind kind,
                          const struct bus_message *message, uint64_t request,
                          struct store_query *query)
{
    access_limit(peer->router, query, message->viewer);
    struct question *question = router_ask(peer->router, kind, query);
    question->origin = text_copy(text_slice(&peer->incarnation));
    question->viewer = text_copy(message->viewer);
    question->request = request;
    question->trace = message->trace;
    question->room = query->room;
    return question;
}

struct pending *peer_pend(struct peer *peer, enum pending_kind kind, uint64_t request,
                          uint64_t trace)
{
    struct pending *pending = router_pend(peer->router, kind);
    pending->origin = text_copy(text_slice(&peer->incarnation));
    pending->request = request;
    pending->trace = trace;
    return pending;
}

void peer_drop(struct peer *peer, const char *why)
{
    struct router *router = peer->router;
    if (peer->is_dead) {
        return;
    }
    peer->is_dead = true;
    peer->credit = 0;
    peer_count_link(peer, &router->counters);
    HASH_DELETE(hh, router->peers, peer);
    note_given_up(router, peer->link_id);
    peer->next_dead = router->dead;
    router->dead = peer;
    *(peer->side == ROUTER_SIDE_EDGES ? &router->edge_count : &router->bridge_count) -= 1;
    log_info("peer_lost", "role=%s incarnation=%s why=%s",
             peer->side == ROUTER_SIDE_EDGES ? "edge" : "bridge", peer->incarnation.data, why);
}

/* What hung on it: its members enter their grace period, its work goes to others. */
static void let_go(struct peer *peer)
{
    struct router *router = peer->router;
    if (peer->side == ROUTER_SIDE_EDGES) {
        router->counters.edges_lost++;
        sessions_lose_edge(router, text_slice(&peer->incarnation));
        presence_drop_edge(peer, peer->link.heard_at);
    } else {
        router->counters.bridges_lost++;
        bridges_lost(peer);
    }
}

void peers_reap(struct router *router)
{
    while (router->dead != NULL) {
        bool edges_changed = false;
        while (router->dead != NULL) {
            struct peer *peer = router->dead;
            router->dead = peer->next_dead;
            edges_changed = edges_changed || peer->side == ROUTER_SIDE_EDGES;
            let_go(peer);
            link_deinit(&peer->link);
            free(peer->incarnation.data);
            free(peer->name.data);
            free(peer->address.data);
            free(peer);
        }
        if (edges_changed) {
            announce(router);
        }
    }
}
