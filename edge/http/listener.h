/*
 * Listening sockets: one address as an operator writes it, perhaps several sockets. Accepts in
 * bounded batches; when descriptors run out it pauses instead of spinning, and tries again.
 */
#ifndef EDGE_HTTP_LISTENER_H
#define EDGE_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_LISTENERS_MAX = 8,     /* addresses of one name */
    HTTP_BACKLOG = 4096,        /* connections the kernel keeps for us */
    HTTP_ACCEPTS_PER_TURN = 64, /* then others have their turn */
    HTTP_ACCEPT_RETRY_MS = 200  /* after descriptors ran out */
};

struct uv_loop_s;
struct http_listener;

struct http_listener_events {
    void *context; /* borrows */
    /* A new non-blocking descriptor, the callee's to close. */
    void (*accepted)(void *context, int descriptor, const char *remote_address);
    /* May one more be accepted? When not, the listener pauses until http_listener_resume(). */
    bool (*may_accept)(void *context);
    /* Accepting pauses: may_accept() said no, or descriptors ran out. */
    void (*paused)(void *context);
    /* After http_listener_destroy(): nothing of the listener is left. */
    void (*gone)(void *context);
};

/* NULL and a reason when the address is bad or cannot be bound; then no event ever comes. */
struct http_listener *http_listener_new(struct uv_loop_s *loop, const char *address,
                                        bool share_port, const struct http_listener_events *events,
                                        char *reason, size_t reason_size);
int http_listener_port(const struct http_listener *listener);
/* Goes on after may_accept() said no; cheap when there was no pause. */
void http_listener_resume(struct http_listener *listener);
/* Accepts what waits already, then listens no more. */
void http_listener_finish(struct http_listener *listener);
void http_listener_destroy(struct http_listener **listener);

#endif
