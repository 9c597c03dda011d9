#include "edge/application.h"

#include "proto/base/clock.h"

static bool uplink_transmit(void *context, struct slice header, struct slice body)
{
    struct application *application = context;
    return application->router != NULL &&
           bus_socket_send(application->router, SLICE_EMPTY, header, body);
}

static uint64_t uplink_synchronise(void *context, int64_t now)
{
    struct application *application = context;
    peers_unsettle(application->peers, now);
    return chat_synchronise(application->chat, now);
}

static void uplink_deliver(void *context, const struct bus_message *message, int64_t now)
{
    struct application *application = context;
    if (message->type == BUS_PEERS) {
        peers_update(application->peers, &message->peers, now);
    } else if (message->type == BUS_MARKED) {
        moves_marked(application->moves, message->marked.move, now);
    } else {
        chat_deliver(application->chat, message, now);
    }
}

const struct uplink_operations application_uplink_operations = {uplink_transmit, uplink_synchronise,
                                                                uplink_deliver};

void application_receive(void *context, struct slice peer, struct slice frame)
{
    struct application *application = context;
    (void)peer;
    uplink_receive(application->uplink, frame, clock_monotonic_ms());
}

static void peers_connect(void *context, struct slice incarnation, struct slice address)
{
    struct application *application = context;
    peer_sockets_connect(application->peer_sockets, incarnation, address);
}

static void peers_disconnect(void *context, struct slice incarnation)
{
    struct application *application = context;
    if (application->moves != NULL) {
        moves_edge_gone(application->moves, incarnation, clock_monotonic_ms());
    }
    peer_sockets_disconnect(application->peer_sockets, incarnation);
}

static bool peers_transmit(void *context, struct slice incarnation, struct slice header,
                           struct slice body)
{
    struct application *application = context;
    return peer_sockets_transmit(application->peer_sockets, incarnation, header, body);
}

static bool peers_answer_back(void *context, struct slice routing_id, struct slice header,
                              struct slice body)
{
    struct application *application = context;
    return peer_sockets_answer(application->peer_sockets, routing_id, header, body);
}

static void peers_serve(void *context, const struct relay_request *request,
                        struct poll_exchange *exchange, int64_t now)
{
    struct application *application = context;
    engineio_relayed_request(application->sessions, request, exchange, now);
}

static void peers_gone(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct application *application = context;
    session_exchange_gone(application->sessions, exchange, now);
}

static void peers_move(void *context, struct slice routing_id, const struct bus_message *message,
                       int64_t now)
{
    struct application *application = context;
    moves_receive(application->moves, routing_id, message, now);
}

static void peers_recalled(void *context, struct poll_exchange *exchange, int64_t now)
{
    struct application *application = context;
    session_exchange_recall(application->sessions, exchange, now);
}

const struct peers_operations application_peers_operations = {
    peers_connect, peers_disconnect, peers_transmit, peers_answer_back,
    peers_serve,   peers_gone,       peers_recalled, peers_move};

static bool relay(void *context, const struct relay_request *request,
                  struct poll_exchange *exchange)
{
    struct application *application = context;
    return peers_relay(application->peers, request, exchange, clock_monotonic_ms());
}

static void relay_gone(void *context, struct poll_exchange *exchange)
{
    struct application *application = context;
    peers_exchange_gone(application->peers, exchange);
}

static bool can_move(void *context, struct slice sid)
{
    struct application *application = context;
    return application->options.session.allow_upgrades && peers_knows(application->peers, sid);
}

const struct relay_operations application_relay_operations = {relay, relay_gone, can_move};

bool application_begin_move(void *context, struct slice sid, int revision,
                            struct websocket *websocket, int64_t now)
{
    struct application *application = context;
    return moves_begin(application->moves, sid, revision, websocket, now);
}
