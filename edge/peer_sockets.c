#include "edge/peer_sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/bus/socket.h"

enum { LINGER_MS = 200 };

struct way {
    struct peer_sockets *sockets;
    char *incarnation; /* owns */
    struct bus_socket *socket;
    UT_hash_handle hh;
};

struct peer_sockets {
    struct uv_loop_s *loop;
    struct peers *peers; /* borrows */
    struct bus_socket *listener;
    struct way *ways;
};

static void received_request(void *context, struct slice routing_id, struct slice frame)
{
    struct peer_sockets *sockets = context;
    if (sockets->peers != NULL) {
        peers_receive(sockets->peers, routing_id, frame, clock_monotonic_ms());
    }
}

static void received_answer(void *context, struct slice routing_id, struct slice frame)
{
    struct way *way = context;
    (void)routing_id;
    if (way->sockets->peers != NULL) {
        peers_receive(way->sockets->peers, SLICE_EMPTY, frame, clock_monotonic_ms());
    }
}

struct peer_sockets *peer_sockets_new(struct uv_loop_s *loop, const char *endpoint, char *reason,
                                      size_t reason_size)
{
    struct peer_sockets *sockets = memory_allocate_zeroed(sizeof(*sockets));
    sockets->loop = loop;
    sockets->listener = bus_socket_new(loop, BUS_SOCKET_ROUTER, endpoint, received_request, sockets,
                                       reason, reason_size);
    if (sockets->listener == NULL) {
        free(sockets);
        return NULL;
    }
    return sockets;
}

void peer_sockets_set_peers(struct peer_sockets *sockets, struct peers *peers)
{
    sockets->peers = peers;
}

const char *peer_sockets_endpoint(const struct peer_sockets *sockets)
{
    return bus_socket_endpoint(sockets->listener);
}

static struct way *find(struct peer_sockets *sockets, struct slice incarnation)
{
    struct way *way;
    HASH_FIND(hh, sockets->ways, incarnation.data, incarnation.length, way);
    return way;
}

void peer_sockets_connect(struct peer_sockets *sockets, struct slice incarnation,
                          struct slice address)
{
    char endpoint[BUS_NAME_MAX + 1], reason[256];
    snprintf(endpoint, sizeof(endpoint), "%.*s", (int)address.length, address.data);
    struct way *way = memory_allocate_zeroed(sizeof(*way));
    way->sockets = sockets;
    way->socket = bus_socket_new(sockets->loop, BUS_SOCKET_RELAY, endpoint, received_answer, way,
                                 reason, sizeof(reason));
    if (way->socket == NULL) {
        log_warn("peer_unreachable", "reason=%s", reason);
        free(way);
        return;
    }
    way->incarnation = memory_copy_string(incarnation.data, incarnation.length);
    HASH_ADD_KEYPTR(hh, sockets->ways, way->incarnation, incarnation.length, way);
}

static void way_destroy(struct way *way)
{
    HASH_DELETE(hh, way->sockets->ways, way);
    bus_socket_destroy(&way->socket, 0);
    free(way->incarnation);
    free(way);
}

void peer_sockets_disconnect(struct peer_sockets *sockets, struct slice incarnation)
{
    struct way *way = find(sockets, incarnation);
    if (way != NULL) {
        way_destroy(way);
    }
}

bool peer_sockets_transmit(struct peer_sockets *sockets, struct slice incarnation,
                           struct slice header, struct slice body)
{
    struct way *way = find(sockets, incarnation);
    return way != NULL && bus_socket_send(way->socket, SLICE_EMPTY, header, body);
}

bool peer_sockets_answer(struct peer_sockets *sockets, struct slice routing_id, struct slice header,
                         struct slice body)
{
    return bus_socket_send(sockets->listener, routing_id, header, body);
}

void peer_sockets_destroy(struct peer_sockets **self)
{
    struct peer_sockets *sockets = *self;
    *self = NULL;
    if (sockets == NULL) {
        return;
    }
    struct way *way, *next;
    HASH_ITER (hh, sockets->ways, way, next) {
        way_destroy(way);
    }
    bus_socket_destroy(&sockets->listener, LINGER_MS);
    free(sockets);
}

/* --- the advertised address ------------------------------------------------------------------- */

/* The local address that a packet to the router would carry. */
static bool local_address_towards(const char *router, char *out, size_t size)
{
    char host[256], port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    struct sockaddr_storage local;
    socklen_t length = sizeof(local);
    const char *colon = strrchr(router, ':');
    if (strncmp(router, "tcp://", 6) != 0 || colon == NULL || colon < router + 6) {
        return false;
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - router - 6), router + 6);
    snprintf(port, sizeof(port), "%s", colon + 1);
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return false;
    }
    int descriptor = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) == 0 &&
                 getsockname(descriptor, (struct sockaddr *)&local, &length) == 0 &&
                 getnameinfo((struct sockaddr *)&local, length, out, (socklen_t)size, NULL, 0,
                             NI_NUMERICHOST) == 0;
    if (descriptor >= 0) {
        close(descriptor);
    }
    freeaddrinfo(found);
    return known;
}

bool peer_advertised_endpoint(const char *advertise, const char *bound, const char *router,
                              char *out, size_t size)
{
    char address[256];
    bool is_wildcard = strncmp(bound, "tcp://0.0.0.0:", 14) == 0 ||
                       strncmp(bound, "tcp://*:", 8) == 0 || strncmp(bound, "tcp://[::]:", 11) == 0;
    if (advertise != NULL && advertise[0] != '\0') {
        snprintf(out, size, "%s", advertise);
        return true;
    }
    if (!is_wildcard) {
        snprintf(out, size, "%s", bound);
        return true;
    }
    if (!local_address_towards(router, address, sizeof(address))) {
        return false;
    }
    bool is_v6 = strchr(address, ':') != NULL;
    snprintf(out, size, is_v6 ? "tcp://[%s]:%s" : "tcp://%s:%s", address, strrchr(bound, ':') + 1);
    return true;
}
