/*
 * The little HTTP listener of the router and the bridge: GET /healthz, /readyz and /metrics on
 * --http. (The edge answers the same paths on its own listener with admin_answer().) HTTP/1.1, one
 * request per connection, head at most ADMIN_HEAD_MAX bytes within ADMIN_DEADLINE_MS, at most
 * ADMIN_CONNECTIONS_MAX at once; anything else gets 400, 404, 405 or is closed.
 * This is the only file of the pair that includes libuv.
 */
#ifndef PROTO_BASE_ADMIN_H
#define PROTO_BASE_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum { ADMIN_HEAD_MAX = 4096, ADMIN_DEADLINE_MS = 5000, ADMIN_CONNECTIONS_MAX = 64 };

struct admin_source {
    void *context;                                        /* borrows */
    bool (*is_ready)(void *context, const char **reason); /* reason: why not, one word */
    void (*metrics)(void *context, struct buffer *out);   /* Prometheus text */
};

/* Answers /healthz, /readyz, /metrics: status, content type and body; false: not such a path. */
bool admin_answer(const struct admin_source *source, struct slice path, int *status,
                  const char **content_type, struct buffer *body);

struct admin;
struct uv_loop_s;
/* Binds address (host:port). NULL and a reason when that fails. */
struct admin *admin_new(struct uv_loop_s *loop, const char *address, struct admin_source source,
                        char *reason, size_t reason_size);
/* Closes the listener and its connections; the memory goes when the loop has run its close
 * callbacks. */
void admin_destroy(struct admin **admin);

#endif
