#include "edge/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { HOST_SIZE = 256, PORT_SIZE = 6, ADDRESS_SIZE = INET6_ADDRSTRLEN };

struct listening_socket {
    uv_poll_t poll; /* first, so that it leads here; its data is the listener */
    int descriptor; /* owns */
    bool is_ready;  /* connections wait in it */
};

struct http_listener {
    struct http_listener_events events;
    uv_timer_t retry;
    uv_check_t after_poll; /* runs when a socket is ready */
    struct listening_socket sockets[HTTP_LISTENERS_MAX];
    size_t count;
    size_t handles; /* uv handles that still exist */
    int port;
    bool is_paused;   /* by may_accept() */
    bool is_finished; /* no socket is open any more */
    bool is_unowned;  /* http_listener_destroy() was called */
};

struct address {
    char host[HOST_SIZE]; /* "": all addresses */
    char port[PORT_SIZE];
};

static int parse_address(const char *text, struct address *out)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;

    if (colon == NULL) {
        return -1;
    }
    size_t host_length = (size_t)(colon - text);
    if (*text == '[') {
        if (host_length < 2 || colon[-1] != ']') {
            return -1;
        }
        host++;
        host_length -= 2;
    } else if (memchr(text, ':', host_length) != NULL) {
        return -1; /* an IPv6 address without its brackets */
    }
    size_t port_length = strlen(colon + 1);
    if (host_length >= sizeof(out->host) || port_length == 0 || port_length >= sizeof(out->port) ||
        strspn(colon + 1, "0123456789") != port_length || atoi(colon + 1) > UINT16_MAX) {
        return -1;
    }
    memcpy(out->host, host, host_length);
    out->host[host_length] = '\0';
    memcpy(out->port, colon + 1, port_length + 1);
    return 0;
}

static int port_of(int descriptor)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof(bound);

    if (getsockname(descriptor, (struct sockaddr *)&bound, &length) != 0) {
        return 0;
    }
    return ntohs(bound.ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)(const void *)&bound)->sin6_port
                     : ((const struct sockaddr_in *)(const void *)&bound)->sin_port);
}

/* A listening descriptor, or -1 with errno. */
static int open_socket(const struct addrinfo *info, bool share_port, bool only_v6)
{
    int descriptor = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int v6only = only_v6 ? 1 : 0;

    if (descriptor < 0) {
        return -1;
    }
    /* TCP_NODELAY passes on to what is accepted. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        (!share_port || setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        (info->ai_family != AF_INET6 ||
         setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0) &&
        bind(descriptor, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(descriptor, HTTP_BACKLOG) == 0) {
        return descriptor;
    }

    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

static bool is_unavailable(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static void set_port(struct addrinfo *info, int port)
{
    if (info->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)(void *)info->ai_addr)->sin_port = htons((uint16_t)port);
    }
}

/*
 * Opens what the address stands for into `descriptors`: every address of a name, or one socket for
 * all addresses of both families. Returns how many, 0 with a reason.
 */
static size_t open_sockets(const struct address *address, bool share_port,
                           int descriptors[HTTP_LISTENERS_MAX], const char **reason)
{
    const bool is_wildcard = address->host[0] == '\0';
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM,
                             .ai_family = is_wildcard ? AF_INET6 : AF_UNSPEC};
    struct addrinfo *list = NULL;
    size_t count = 0;
    int failure = getaddrinfo(is_wildcard ? "::" : address->host, address->port, &hints, &list);

    *reason = "no such address";
    if (failure != 0) {
        *reason = gai_strerror(failure);
        return 0;
    }
    for (struct addrinfo *info = list; info != NULL && count < HTTP_LISTENERS_MAX;
         info = info->ai_next) {
        if (count > 0) {
            set_port(info, port_of(descriptors[0]));
        }
        int descriptor = open_socket(info, share_port, !is_wildcard);
        if (descriptor >= 0) {
            descriptors[count++] = descriptor;
            continue;
        }
        *reason = strerror(errno);
        if (is_unavailable(errno)) {
            continue;
        }
        /* Half of what was asked for is not what was asked for. */
        while (count > 0) {
            close(descriptors[--count]);
        }
        break;
    }
    freeaddrinfo(list);
    return count;
}

/* The same for all addresses of a host that knows no IPv6, too. */
static size_t open_sockets_anyhow(struct address *address, bool share_port,
                                  int descriptors[HTTP_LISTENERS_MAX], const char **reason)
{
    size_t count = open_sockets(address, share_port, descriptors, reason);

    if (count > 0 || address->host[0] != '\0' || !is_unavailable(errno)) {
        return count;
    }
    memcpy(address->host, "0.0.0.0", sizeof("0.0.0.0"));
    return open_sockets(address, share_port, descriptors, reason);
}

/* Frees the listener when neither its owner nor a handle needs it any more. */
static void release(struct http_listener *listener)
{
    if (listener->handles > 0 || !listener->is_unowned) {
        return;
    }
    struct http_listener_events events = listener->events;
    free(listener);
    events.gone(events.context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_listener *listener = handle->data;

    listener->handles--;
    release(listener);
}

static void format_peer(const struct sockaddr_storage *peer, char out[ADDRESS_SIZE])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    const void *address = &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    int family = peer->ss_family;

    if (family == AF_INET6) {
        address = &v6->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            family = AF_INET;
            address = &v6->sin6_addr.s6_addr[12];
        }
    }
    if (inet_ntop(family, address, out, ADDRESS_SIZE) == NULL) {
        out[0] = '\0';
    }
}

static void on_retry(uv_timer_t *timer);

static void stop_polling(struct http_listener *listener)
{
    for (size_t i = 0; i < listener->count; i++) {
        uv_poll_stop(&listener->sockets[i].poll);
    }
    listener->events.paused(listener->events.context);
}

/* One connection. False: no more for now. */
static bool accept_one(struct http_listener *listener, int listening)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    char address[ADDRESS_SIZE];
    int descriptor =
        accept4(listening, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (descriptor >= 0) {
        format_peer(&peer, address);
        listener->events.accepted(listener->events.context, descriptor, address);
        return true;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) {
        return errno != EAGAIN && errno != EWOULDBLOCK; /* the client's bad luck, next */
    }

    log_warn("accept_paused", "error=%s", strerror(errno));
    stop_polling(listener);
    uv_timer_start(&listener->retry, on_retry, HTTP_ACCEPT_RETRY_MS, 0);
    return false;
}

static void accept_some(struct http_listener *listener, const struct listening_socket *listening)
{
    for (int i = 0; i < HTTP_ACCEPTS_PER_TURN && !listener->is_finished; i++) {
        if (!listener->events.may_accept(listener->events.context)) {
            listener->is_paused = true;
            stop_polling(listener);
            return;
        }
        if (!accept_one(listener, listening->descriptor)) {
            return;
        }
    }
}

/*
 * New connections are read as they are accepted: that waits until what has come on others before
 * them is taken, so that a client that asks one thing after the other is heard in that order.
 */
static void on_after_poll(uv_check_t *check)
{
    struct http_listener *listener = check->data;

    uv_check_stop(check);
    for (size_t i = 0; i < listener->count && !listener->is_finished; i++) {
        struct listening_socket *listening = &listener->sockets[i];

        if (listening->is_ready && !listener->is_paused) {
            accept_some(listener, listening);
        }
        listening->is_ready = false;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listening_socket *listening = (struct listening_socket *)(void *)poll;
    struct http_listener *listener = poll->data;

    (void)status;
    (void)events;
    listening->is_ready = true;
    uv_check_start(&listener->after_poll, on_after_poll);
}

static void start_polling(struct http_listener *listener)
{
    for (size_t i = 0; i < listener->count; i++) {
        uv_poll_start(&listener->sockets[i].poll, UV_READABLE, on_poll);
    }
}

static void on_retry(uv_timer_t *timer)
{
    struct http_listener *listener = timer->data;

    if (!listener->is_paused) {
        start_polling(listener);
    }
}

void http_listener_resume(struct http_listener *listener)
{
    if (!listener->is_paused || listener->is_finished) {
        return;
    }
    listener->is_paused = false;
    if (!uv_is_active((uv_handle_t *)&listener->retry)) {
        start_polling(listener);
    }
}

static void close_sockets(struct http_listener *listener)
{
    listener->is_finished = true;
    for (size_t i = 0; i < listener->count; i++) {
        uv_close((uv_handle_t *)&listener->sockets[i].poll, on_handle_closed);
        close(listener->sockets[i].descriptor);
    }
    uv_close((uv_handle_t *)&listener->retry, on_handle_closed);
    uv_close((uv_handle_t *)&listener->after_poll, on_handle_closed);
}

void http_listener_finish(struct http_listener *listener)
{
    if (listener->is_finished) {
        return;
    }
    /* With a shared port, what waits in this socket would be reset when it closes. */
    for (size_t i = 0; i < listener->count; i++) {
        for (int k = 0; k < HTTP_BACKLOG; k++) {
            if (!accept_one(listener, listener->sockets[i].descriptor)) {
                break;
            }
        }
    }
    close_sockets(listener);
}

void http_listener_destroy(struct http_listener **self)
{
    struct http_listener *listener = *self;

    if (listener == NULL) {
        return;
    }
    *self = NULL;
    if (!listener->is_finished) {
        close_sockets(listener);
    }
    listener->is_unowned = true;
    release(listener);
}

int http_listener_port(const struct http_listener *listener)
{
    return listener->port;
}

struct http_listener *http_listener_new(struct uv_loop_s *loop, const char *address,
                                        bool share_port, const struct http_listener_events *events,
                                        char *reason, size_t reason_size)
{
    int descriptors[HTTP_LISTENERS_MAX];
    struct address parsed;
    const char *why = NULL;

    if (parse_address(address, &parsed) != 0) {
        snprintf(reason, reason_size, "%s is not host:port, [v6]:port or :port", address);
        return NULL;
    }
    size_t count = open_sockets_anyhow(&parsed, share_port, descriptors, &why);
    if (count == 0) {
        snprintf(reason, reason_size, "cannot listen on %s: %s", address, why);
        return NULL;
    }
    struct http_listener *listener = memory_allocate_zeroed(sizeof(*listener));
    listener->events = *events;
    listener->count = count;
    listener->handles = count + 2;
    listener->port = port_of(descriptors[0]);
    uv_timer_init(loop, &listener->retry);
    listener->retry.data = listener;
    uv_check_init(loop, &listener->after_poll);
    listener->after_poll.data = listener;
    for (size_t i = 0; i < count; i++) {
        listener->sockets[i].descriptor = descriptors[i];
        if (uv_poll_init(loop, &listener->sockets[i].poll, descriptors[i]) != 0) {
            abort(); /* a fresh socket on a running loop: only a broken host fails here */
        }
        listener->sockets[i].poll.data = listener;
    }
    start_polling(listener);
    return listener;
}
