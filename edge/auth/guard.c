#include "edge/auth/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "proto/base/buffer.h"

enum { IPV6_BYTES = 16, IPV6_NETWORK_BYTES = 8, MS_PER_SECOND = 1000 };

#define JSON_TYPE "application/json; charset=utf-8"

void guard_init(struct guard *guard, const struct auth *auth, const struct trusted_proxies *proxies,
                const struct cors *cors, const struct rate *per_address, const struct rate *per_key,
                const struct rate *uploads)
{
    *guard = (struct guard){.auth = auth,
                            .proxies = proxies,
                            .cors = cors,
                            .addresses = rate_limit_new(per_address, GUARD_CLIENTS_MAX),
                            .keys = rate_limit_new(per_key, GUARD_CLIENTS_MAX),
                            .uploads = rate_limit_new(uploads, GUARD_CLIENTS_MAX)};
}

void guard_deinit(struct guard *guard)
{
    rate_limit_destroy(&guard->addresses);
    rate_limit_destroy(&guard->keys);
    rate_limit_destroy(&guard->uploads);
}

void credentials_add_headers(struct credentials *credentials, const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    struct slice authorization = http_request_header(request, "Authorization");
    size_t length = sizeof(scheme) - 1;

    credentials_add(credentials, http_request_header(request, "X-API-KEY"));
    if (authorization.length > length && strncasecmp(authorization.data, scheme, length) == 0) {
        credentials_add(credentials,
                        slice_of(authorization.data + length, authorization.length - length));
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static void refuse(struct guard *guard, struct http_exchange *exchange,
                   const struct http_request *request, int status, struct slice json)
{
    cors_add_headers(guard->cors, exchange, request);
    http_add_header(exchange, "Cache-Control", SLICE_LITERAL("no-store"));
    http_respond(exchange, status, JSON_TYPE, json);
}

static void refuse_stranger(struct guard *guard, struct http_exchange *exchange,
                            const struct http_request *request, enum auth_result result)
{
    guard->counters.unauthorized++;
    http_add_header(exchange, "WWW-Authenticate", SLICE_LITERAL("Bearer"));
    refuse(guard, exchange, request, 401,
           result == AUTH_BAD_TOKEN
               ? SLICE_LITERAL("{\"success\":false,\"error\":{\"code\":\"UNAUTHORIZED\","
                               "\"message\":\"Invalid token\"},"
                               "\"message\":\"The token is malformed, expired or not ours\"}")
               : SLICE_LITERAL("{\"success\":false,\"error\":{\"code\":\"UNAUTHORIZED\","
                               "\"message\":\"API key required\"},"
                               "\"message\":\"Missing or invalid X-API-KEY header\"}"));
}

static void add_number(struct http_exchange *exchange, const char *name, int64_t number)
{
    struct buffer text = BUFFER_EMPTY;

    buffer_append_signed(&text, number);
    http_add_header(exchange, name, buffer_slice(&text));
    buffer_deinit(&text);
}

static int64_t seconds_up(int64_t ms)
{
    return (ms + MS_PER_SECOND - 1) / MS_PER_SECOND;
}

static void add_rate_headers(struct http_exchange *exchange, const struct rate *rate,
                             const struct rate_verdict *verdict)
{
    struct buffer policy = BUFFER_EMPTY;

    buffer_append_format(&policy, "%lld;w=%lld", (long long)rate->count,
                         (long long)seconds_up(rate->window));
    http_add_header(exchange, "RateLimit-Policy", buffer_slice(&policy));
    buffer_deinit(&policy);
    add_number(exchange, "RateLimit-Limit", rate->count);
    add_number(exchange, "RateLimit-Remaining", verdict->remaining);
    add_number(exchange, "RateLimit-Reset", seconds_up(verdict->reset));
}

static void refuse_eager(struct guard *guard, struct http_exchange *exchange,
                         const struct http_request *request, const struct rate *rate,
                         const struct rate_verdict *verdict)
{
    guard->counters.limited++;
    add_rate_headers(exchange, rate, verdict);
    add_number(exchange, "Retry-After", seconds_up(verdict->reset));
    refuse(guard, exchange, request, 429,
           SLICE_LITERAL("{\"success\":false,\"error\":{\"code\":\"RATE_LIMIT_EXCEEDED\","
                         "\"message\":\"Too many requests. Please try again later.\"}}"));
}

/* --- admission -------------------------------------------------------------------------------- */

/* Of an address of IPv6 what a network counts by: one client has the rest to itself. */
static void client_of_address(const char *address, unsigned char client[RATE_CLIENT_BYTES])
{
    memset(client, 0, RATE_CLIENT_BYTES);
    if (inet_pton(AF_INET, address, client) != 1 && inet_pton(AF_INET6, address, client) == 1) {
        if (!IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)client)) {
            memset(client + IPV6_NETWORK_BYTES, 0, IPV6_BYTES - IPV6_NETWORK_BYTES);
        }
        client[IPV6_BYTES] = 6;
    }
}

static void client_of(const struct guard *guard, const struct http_request *request,
                      unsigned char client[RATE_CLIENT_BYTES])
{
    char text[FORWARDED_ADDRESS_SIZE];

    client_of_address(trusted_proxies_client(guard->proxies, request->remote_address,
                                             http_request_header(request, "X-Forwarded-For"), text),
                      client);
}

/* Counts the request for its address, and for its key; the answer tells of the first. */
static bool is_in_time(struct guard *guard, struct http_exchange *exchange,
                       const struct http_request *request, const struct auth_holder *holder,
                       int64_t now)
{
    static const unsigned char nobody[AUTH_HOLDER_BYTES];
    unsigned char client[RATE_CLIENT_BYTES];
    struct rate_verdict verdict;

    if (guard->keys != NULL && memcmp(holder->digest, nobody, sizeof(nobody)) != 0) {
        verdict = rate_limit_take(guard->keys, holder->digest, now);
        if (!verdict.is_allowed) {
            refuse_eager(guard, exchange, request, rate_limit_rate(guard->keys), &verdict);
            return false;
        }
    }
    if (guard->addresses != NULL) {
        client_of(guard, request, client);
        verdict = rate_limit_take(guard->addresses, client, now);
        if (!verdict.is_allowed) {
            refuse_eager(guard, exchange, request, rate_limit_rate(guard->addresses), &verdict);
            return false;
        }
        add_rate_headers(exchange, rate_limit_rate(guard->addresses), &verdict);
    }
    return true;
}

bool guard_admit(struct guard *guard, struct http_exchange *exchange,
                 const struct http_request *request, int64_t now, int64_t wall,
                 struct identity **identity)
{
    struct credentials credentials = {.count = 0};
    struct auth_holder holder;
    enum auth_result result;

    *identity = NULL;
    if (request->method == HTTP_OPTIONS_METHOD) {
        return true;
    }
    credentials_add_headers(&credentials, request);
    result = auth_check(guard->auth, &credentials, wall, &holder);
    if (result != AUTH_ACCEPTED) {
        refuse_stranger(guard, exchange, request, result);
        return false;
    }
    if (!is_in_time(guard, exchange, request, &holder, now)) {
        identity_destroy(&holder.identity);
        return false;
    }
    *identity = holder.identity;
    return true;
}

bool guard_admit_upload(struct guard *guard, struct http_exchange *exchange,
                        const struct http_request *request, int64_t now)
{
    unsigned char client[RATE_CLIENT_BYTES];
    struct rate_verdict verdict;

    if (guard->uploads == NULL) {
        return true;
    }
    client_of(guard, request, client);
    verdict = rate_limit_take(guard->uploads, client, now);
    if (!verdict.is_allowed) {
        guard->counters.limited++;
        add_number(exchange, "Retry-After", seconds_up(verdict.reset));
        refuse(
            guard, exchange, request, 429,
            SLICE_LITERAL("{\"success\":false,\"error\":{\"code\":\"UPLOAD_RATE_LIMIT_EXCEEDED\","
                          "\"message\":\"Too many upload attempts. Please try again later.\"}}"));
    }
    return verdict.is_allowed;
}
