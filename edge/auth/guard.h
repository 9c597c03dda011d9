/*
 * What stands before REST: who may ask (401), and how often (429). Also reads what a handshake of
 * Engine.IO shows, for the sockets on it.
 *
 * Implements: the RateLimit header fields as ElizaOS 1.7 sends them.
 */
#ifndef EDGE_AUTH_GUARD_H
#define EDGE_AUTH_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/auth/auth.h"
#include "edge/auth/rate_limit.h"
#include "edge/http/cors.h"
#include "edge/http/forwarded.h"
#include "edge/http/http.h"

enum {
    GUARD_CLIENTS_MAX = 100000
}; /* whose requests are counted at once, addresses and keys each */

struct guard_counters {
    uint64_t unauthorized, limited;
};

/* Borrows auth, proxies and cors; owns the limits. */
struct guard {
    const struct auth *auth;
    const struct trusted_proxies *proxies;
    const struct cors *cors;
    struct rate_limit *addresses; /* NULL: off */
    struct rate_limit *keys;      /* NULL: off */
    struct rate_limit *uploads;   /* NULL: off; per address, too */
    struct guard_counters counters;
};

void guard_init(struct guard *guard, const struct auth *auth, const struct trusted_proxies *proxies,
                const struct cors *cors, const struct rate *per_address, const struct rate *per_key,
                const struct rate *uploads);
void guard_deinit(struct guard *guard);

/*
 * May this request of REST go on? If not it was answered. *identity is the caller's then. wall: ms
 * since 1970. Preflights go on unasked.
 */
bool guard_admit(struct guard *guard, struct http_exchange *exchange,
                 const struct http_request *request, int64_t now, int64_t wall,
                 struct identity **identity);

/* And this upload? The same for the limit of those; for what was admitted above. */
bool guard_admit_upload(struct guard *guard, struct http_exchange *exchange,
                        const struct http_request *request, int64_t now);

/* X-API-KEY and Authorization: Bearer. */
void credentials_add_headers(struct credentials *credentials, const struct http_request *request);

#endif
