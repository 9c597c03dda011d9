#include "edge/peer.h"

#include <stdlib.h>

#include "proto/base/buffer.h"
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/link.h"
#include "proto/wire/engineio.h"

enum {
    ROUTING_ID_MAX = 255,
    SETTLE_MS = 3000, /* after a link to the router was opened its lists may lack edges */
    HOLD_MS = 2000    /* a request waits so long for the way to its owner */
};

struct peer_edge {
    char incarnation[USER_ID_MAX + 1];
    size_t incarnation_length;
    bool is_listed; /* in the newest list of the router */
    UT_hash_handle hh;
};

/* A request of a client here, on its way to another edge. */
struct relay {
    struct heap_entry deadline; /* first: found back from it */
    uint64_t request;
    struct poll_exchange *exchange; /* borrows */
    struct peer_edge *edge;         /* NULL: not sent yet */
    struct buffer held;             /* the request, encoded, while it is not sent */
    char owner[INCARNATION_LENGTH];
    bool is_recalled;
    UT_hash_handle hh; /* by request */
    UT_hash_handle by_exchange;
};

/* A request of another edge's client, being served here. */
struct served {
    struct poll_exchange exchange; /* first: found back from it */
    struct peers *peers;
    char key[ROUTING_ID_MAX + sizeof(uint64_t)]; /* request number, then routing id */
    size_t key_length;
    UT_hash_handle hh;
};

struct peers {
    struct peers_settings settings;
    const struct peers_operations *operations;
    void *context;
    struct peer_edge *edges;
    struct relay *relays;
    struct relay *by_exchange;
    struct served *served;
    struct heap deadlines;
    size_t held;        /* relays that are not sent yet */
    int64_t settled_at; /* from then on an edge that is not listed is gone */
    uint64_t last_request;
    struct peers_counters counters;
};

struct peers *peers_new(const struct peers_settings *settings,
                        const struct peers_operations *operations, void *context)
{
    struct peers *peers = memory_allocate_zeroed(sizeof(*peers));
    peers->settings = *settings;
    peers->operations = operations;
    peers->context = context;
    heap_init(&peers->deadlines);
    peers->settled_at = INT64_MAX; /* there is no list yet */
    return peers;
}

static void encode(struct buffer *header, struct buffer *body, const struct bus_message *message)
{
    struct link_header link_header = {BUS_VERSION, LINK_DATA, 0, 0, 0};
    link_header_encode(header, &link_header);
    bus_encode(body, message);
}

bool peers_send(struct peers *peers, struct slice incarnation, const struct bus_message *message)
{
    struct buffer header = BUFFER_EMPTY, body = BUFFER_EMPTY;
    encode(&header, &body, message);
    bool taken = peers->operations->transmit(peers->context, incarnation, buffer_slice(&header),
                                             buffer_slice(&body));
    buffer_deinit(&header);
    buffer_deinit(&body);
    return taken;
}

bool peers_answer(struct peers *peers, struct slice routing_id, const struct bus_message *message)
{
    struct buffer header = BUFFER_EMPTY, body = BUFFER_EMPTY;
    encode(&header, &body, message);
    bool taken = peers->operations->answer(peers->context, routing_id, buffer_slice(&header),
                                           buffer_slice(&body));
    buffer_deinit(&header);
    buffer_deinit(&body);
    return taken;
}

static bool send_to(struct peers *peers, const struct peer_edge *edge,
                    const struct bus_message *message)
{
    return peers_send(peers, slice_of(edge->incarnation, edge->incarnation_length), message);
}

bool peers_knows(struct peers *peers, struct slice incarnation)
{
    struct peer_edge *edge = NULL;
    if (incarnation.length >= INCARNATION_LENGTH) {
        HASH_FIND(hh, peers->edges, incarnation.data, INCARNATION_LENGTH, edge);
    }
    return edge != NULL;
}

/* --- requests of clients here ----------------------------------------------------------------- */

static void relay_end(struct peers *peers, struct relay *relay)
{
    heap_remove(&peers->deadlines, &relay->deadline);
    HASH_DELETE(hh, peers->relays, relay);
    HASH_DELETE(by_exchange, peers->by_exchange, relay);
    peers->held -= relay->edge == NULL;
    buffer_deinit(&relay->held);
    free(relay);
}

/* The owner is gone or silent: the client opens a new session. */
static void relay_fail(struct peers *peers, struct relay *relay)
{
    struct poll_exchange *exchange = relay->exchange;
    peers->counters.failed++;
    struct buffer body = BUFFER_EMPTY;
    relay_end(peers, relay);
    engineio_write_error(ENGINEIO_ERROR_UNKNOWN_SID, &body);
    exchange->answer(exchange, 400, "application/json", buffer_slice(&body));
    buffer_deinit(&body);
}

static struct peer_edge *edge_of(struct peers *peers, const char owner[INCARNATION_LENGTH])
{
    struct peer_edge *edge;
    HASH_FIND(hh, peers->edges, owner, INCARNATION_LENGTH, edge);
    return edge;
}

/* Sends a relay that is held, if there is a way now. */
static void relay_send(struct peers *peers, struct relay *relay, int64_t now)
{
    struct peer_edge *edge = edge_of(peers, relay->owner);
    struct link_header link_header = {BUS_VERSION, LINK_DATA, 0, 0, 0};
    struct buffer header = BUFFER_EMPTY;
    link_header_encode(&header, &link_header);
    bool is_sent = edge != NULL && peers->operations->transmit(
                                       peers->context, slice_of(relay->owner, INCARNATION_LENGTH),
                                       buffer_slice(&header), buffer_slice(&relay->held));
    buffer_deinit(&header);
    if (!is_sent) {
        return;
    }
    relay->edge = edge;
    peers->held--;
    buffer_deinit(&relay->held);
    heap_set(&peers->deadlines, &relay->deadline, now + peers->settings.deadline);
}

static void send_held(struct peers *peers, int64_t now)
{
    struct relay *relay, *next;
    HASH_ITER (hh, peers->relays, relay, next) {
        if (peers->held == 0) {
            return;
        }
        if (relay->edge == NULL) {
            relay_send(peers, relay, now);
        }
    }
}

bool peers_relay(struct peers *peers, const struct relay_request *request,
                 struct poll_exchange *exchange, int64_t now)
{
    bool is_post = request->method == HTTP_POST_METHOD;
    if (request->sid.length <= INCARNATION_LENGTH || request->sid.length > BUS_ID_MAX ||
        request->body.length > BUS_PAYLOAD_MAX ||
        HASH_COUNT(peers->relays) >= (size_t)peers->settings.relays_max ||
        (edge_of(peers, request->sid.data) == NULL && now >= peers->settled_at)) {
        return false;
    }
    struct relay *relay = memory_allocate_zeroed(sizeof(*relay));
    relay->request = ++peers->last_request;
    relay->exchange = exchange;
    memcpy(relay->owner, request->sid.data, INCARNATION_LENGTH);
    struct bus_message message = {
        .type = BUS_RELAY_REQUEST,
        .relay_request = {.request = relay->request,
                          .method = is_post ? BUS_RELAY_POST : BUS_RELAY_GET,
                          .revision = (uint64_t)request->revision,
                          .sid = request->sid,
                          .body = request->body}};
    bus_encode(&relay->held, &message);
    peers->held++;
    HASH_ADD(hh, peers->relays, request, sizeof(relay->request), relay);
    HASH_ADD(by_exchange, peers->by_exchange, exchange, sizeof(relay->exchange), relay);
    heap_set(&peers->deadlines, &relay->deadline, now + HOLD_MS);
    relay_send(peers, relay, now);
    peers->counters.relayed++;
    return true;
}

void peers_exchange_gone(struct peers *peers, struct poll_exchange *exchange)
{
    struct relay *relay;
    HASH_FIND(by_exchange, peers->by_exchange, &exchange, sizeof(exchange), relay);
    if (relay != NULL) {
        struct bus_message message = {.type = BUS_RELAY_GONE, .relay_gone = {relay->request}};
        if (relay->edge != NULL) {
            send_to(peers, relay->edge, &message);
        }
        relay_end(peers, relay);
    }
}

void peers_recall(struct peers *peers)
{
    struct relay *relay, *next;
    HASH_ITER (hh, peers->relays, relay, next) {
        struct bus_message message = {.type = BUS_RELAY_RECALL, .relay_recall = {relay->request}};
        relay->is_recalled =
            relay->is_recalled || (relay->edge != NULL && send_to(peers, relay->edge, &message));
    }
}

/* Final ones: behind an interim answer a client, or a proxy, waits for another. */
static bool is_answer_status(uint64_t status)
{
    return status >= 200 && status <= 599;
}

static void receive_response(struct peers *peers, const struct bus_relay_response *response)
{
    struct relay *relay;
    HASH_FIND(hh, peers->relays, &response->request, sizeof(response->request), relay);
    if (relay == NULL) {
        return; /* too late, or its client left */
    }
    if (!is_answer_status(response->status)) {
        peers->counters.frames_refused++;
        relay_fail(peers, relay);
        return;
    }
    struct poll_exchange *exchange = relay->exchange;
    bool is_binary = slice_is(response->content_type, "application/octet-stream");
    bool is_html = slice_is(response->content_type, "text/html");
    bool is_json = slice_is(response->content_type, "application/json");
    bool has_none = response->content_type.length == 0;
    relay_end(peers, relay);
    exchange->answer(exchange, (int)response->status,
                     is_binary  ? "application/octet-stream"
                     : is_html  ? "text/html"
                     : is_json  ? "application/json"
                     : has_none ? NULL
                                : "text/plain; charset=UTF-8",
                     response->body);
}

/* --- requests of other edges' clients --------------------------------------------------------- */

static void served_end(struct served *served)
{
    HASH_DEL(served->peers->served, served);
    free(served);
}

static void answer_back(struct poll_exchange *exchange, int status, const char *content_type,
                        struct slice body)
{
    struct served *served = (struct served *)exchange;
    struct peers *peers = served->peers;
    struct buffer unknown_sid = BUFFER_EMPTY;
    if (body.length > BUS_PAYLOAD_MAX) {
        /* More than the bus carries: the client comes back with a new session and recovers. */
        engineio_write_error(ENGINEIO_ERROR_UNKNOWN_SID, &unknown_sid);
        status = 400;
        content_type = "application/json";
        body = buffer_slice(&unknown_sid);
    }
    struct bus_message message = {.type = BUS_RELAY_RESPONSE,
                                  .relay_response = {.status = (uint64_t)status,
                                                     .content_type = slice_of_string(content_type),
                                                     .body = body}};
    memcpy(&message.relay_response.request, served->key, sizeof(uint64_t));
    peers_answer(peers,
                 slice_of(served->key + sizeof(uint64_t), served->key_length - sizeof(uint64_t)),
                 &message);
    buffer_deinit(&unknown_sid);
    served_end(served);
}

static size_t make_key(char *key, uint64_t request, struct slice routing_id)
{
    memcpy(key, &request, sizeof(request));
    memcpy(key + sizeof(request), routing_id.data, routing_id.length);
    return sizeof(request) + routing_id.length;
}

static struct served *served_find(struct peers *peers, struct slice routing_id, uint64_t request)
{
    char key[ROUTING_ID_MAX + sizeof(uint64_t)];
    struct served *served = NULL;
    if (routing_id.length <= ROUTING_ID_MAX) {
        size_t length = make_key(key, request, routing_id);
        HASH_FIND(hh, peers->served, key, length, served);
    }
    return served;
}

static void receive_request(struct peers *peers, struct slice routing_id,
                            const struct bus_relay_request *request, int64_t now)
{
    struct served *served = served_find(peers, routing_id, request->request);
    if (served != NULL || routing_id.length > ROUTING_ID_MAX ||
        HASH_COUNT(peers->served) >= (size_t)peers->settings.relays_max) {
        peers->counters.frames_refused++;
        return; /* its edge answers at the deadline */
    }
    served = memory_allocate_zeroed(sizeof(*served));
    served->exchange.answer = answer_back;
    served->peers = peers;
    served->key_length = make_key(served->key, request->request, routing_id);
    HASH_ADD_KEYPTR(hh, peers->served, served->key, served->key_length, served);
    peers->counters.served++;
    struct relay_request local = {.method = request->method == BUS_RELAY_POST ? HTTP_POST_METHOD
                                                                              : HTTP_GET_METHOD,
                                  .revision = (int)(request->revision & 0xff),
                                  .sid = request->sid,
                                  .body = request->body};
    peers->operations->serve(peers->context, &local, &served->exchange, now);
}

static void receive_recall(struct peers *peers, struct slice routing_id, uint64_t request,
                           int64_t now)
{
    struct served *served = served_find(peers, routing_id, request);
    if (served != NULL) {
        peers->operations->recall(peers->context, &served->exchange, now);
    }
}

static void receive_gone(struct peers *peers, struct slice routing_id, uint64_t request,
                         int64_t now)
{
    struct served *served = served_find(peers, routing_id, request);
    if (served != NULL) {
        peers->operations->gone(peers->context, &served->exchange, now);
        served_end(served);
    }
}

void peers_receive(struct peers *peers, struct slice routing_id, struct slice frame, int64_t now)
{
    struct link_header header;
    struct bus_message message;
    struct msgpack_reader reader = msgpack_reader_of(frame);
    if (link_header_decode(&reader, &header) != 0 || header.kind != LINK_DATA || header.link != 0 ||
        bus_decode(&reader, &message) != 0 || reader.at != reader.end) {
        peers->counters.frames_refused++;
        return;
    }
    bool is_answer = routing_id.length == 0;
    if (is_answer && message.type == BUS_RELAY_RESPONSE) {
        receive_response(peers, &message.relay_response);
    } else if (!is_answer && message.type == BUS_RELAY_REQUEST) {
        receive_request(peers, routing_id, &message.relay_request, now);
    } else if (!is_answer && message.type == BUS_RELAY_RECALL) {
        receive_recall(peers, routing_id, message.relay_recall.request, now);
    } else if (!is_answer && message.type == BUS_RELAY_GONE) {
        receive_gone(peers, routing_id, message.relay_gone.request, now);
    } else if (message.type >= BUS_MOVE_BEGIN && message.type <= BUS_MOVE_END) {
        peers->operations->move(peers->context, routing_id, &message, now);
    } else {
        peers->counters.frames_refused++;
    }
}

/* --- the cluster's edges ---------------------------------------------------------------------- */

static void edge_forget(struct peers *peers, struct peer_edge *edge)
{
    struct relay *relay, *next;
    HASH_ITER (hh, peers->relays, relay, next) {
        if (relay->edge == edge) {
            relay_fail(peers, relay);
        }
    }
    peers->operations->disconnect(peers->context,
                                  slice_of(edge->incarnation, edge->incarnation_length));
    HASH_DEL(peers->edges, edge);
    free(edge);
}

/* But not while the router itself is still learning which edges there are. */
static void forget_unlisted(struct peers *peers, int64_t now)
{
    struct peer_edge *edge, *next;
    HASH_ITER (hh, peers->edges, edge, next) {
        if (!edge->is_listed && now >= peers->settled_at) {
            edge_forget(peers, edge);
        }
    }
}

void peers_update(struct peers *peers, const struct bus_peers *list, int64_t now)
{
    struct msgpack_reader reader = bus_list_read(&list->peers);
    struct bus_peer element;
    struct peer_edge *edge, *next;
    HASH_ITER (hh, peers->edges, edge, next) {
        edge->is_listed = false;
    }
    while (bus_list_next(&reader, BUS_ELEMENT_PEER, &element)) {
        if (slice_equals(element.incarnation, peers->settings.incarnation)) {
            continue;
        }
        HASH_FIND(hh, peers->edges, element.incarnation.data, element.incarnation.length, edge);
        if (edge == NULL) {
            edge = memory_allocate_zeroed(sizeof(*edge));
            memcpy(edge->incarnation, element.incarnation.data, element.incarnation.length);
            edge->incarnation_length = element.incarnation.length;
            HASH_ADD_KEYPTR(hh, peers->edges, edge->incarnation, edge->incarnation_length, edge);
            peers->operations->connect(peers->context, element.incarnation, element.address);
        }
        edge->is_listed = true;
    }
    forget_unlisted(peers, now);
    send_held(peers, now);
}

void peers_unsettle(struct peers *peers, int64_t now)
{
    peers->settled_at = now + SETTLE_MS;
}

void peers_tick(struct peers *peers, int64_t now)
{
    struct heap_entry *entry;
    send_held(peers, now);
    forget_unlisted(peers, now);
    while ((entry = heap_pop_due(&peers->deadlines, now)) != NULL) {
        relay_fail(peers, (struct relay *)entry);
    }
}

void peers_destroy(struct peers **self, int64_t now)
{
    struct peers *peers = *self;
    *self = NULL;
    if (peers == NULL) {
        return;
    }
    struct relay *relay, *next_relay;
    HASH_ITER (hh, peers->relays, relay, next_relay) {
        relay_end(peers, relay);
    }
    struct peer_edge *edge, *next_edge;
    HASH_ITER (hh, peers->edges, edge, next_edge) {
        edge_forget(peers, edge);
    }
    struct served *served, *next_served;
    HASH_ITER (hh, peers->served, served, next_served) {
        peers->operations->gone(peers->context, &served->exchange, now);
        served_end(served);
    }
    heap_deinit(&peers->deadlines);
    free(peers);
}

const struct peers_counters *peers_counters(struct peers *peers)
{
    peers->counters.peers = HASH_COUNT(peers->edges);
    peers->counters.waiting = HASH_COUNT(peers->relays);
    return &peers->counters;
}
