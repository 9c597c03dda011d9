/*
 * The one table of errors.
 *
 * Functions return 0 (or a count >= 0) on success and a negative ERROR_* value on failure. Each
 * error has a wire name (the `code` member of acks, messageError and REST errors), the HTTP
 * status it becomes, whether a client may retry it, and a plain sentence for people. The sentence
 * never contains anything a client sent. Wire names differ, but that the one temporary refusal that
 * clients know has two reasons.
 */
#ifndef PROTO_BASE_ERROR_H
#define PROTO_BASE_ERROR_H

#include <stdbool.h>
#include "proto/base/slice.h"

/* X(name, value, wire name, HTTP status, retryable, sentence) */
#define ERROR_TABLE(X)                                                                             \
    X(MALFORMED, -1, "malformed", 400, false, "The payload is malformed")                          \
    X(UNKNOWN_TYPE, -2, "unknown_type", 400, false, "The message type is not known")               \
    X(TOO_LARGE, -3, "too_large", 413, false, "The payload is too large")                          \
    X(TOO_DEEP, -4, "too_deep", 400, false, "The payload is nested too deeply")                    \
    X(NOT_FOUND, -5, "not_found", 404, false, "Not found")                                         \
    X(METHOD, -6, "method_not_allowed", 405, false, "The method is not allowed here")              \
    X(CONTENT_TYPE, -7, "INVALID_CONTENT_TYPE", 415, false,                                        \
      "Invalid or missing Content-Type header")                                                    \
    X(OVERLOADED, -8, "overloaded", 503, true, "The cluster is overloaded, try again")             \
    X(RATE_LIMITED, -9, "rate_limited", 429, true, "Too many requests, slow down")                 \
    X(TIMEOUT, -10, "timeout", 504, true, "No answer in time")                                     \
    X(FORBIDDEN, -11, "forbidden", 403, false, "Not allowed")                                      \
    X(CONFLICT, -12, "conflict", 409, false, "It exists already")                                  \
    X(NO_AGENT, -13, "no_agent", 400, false, "No agent found in channel participants")             \
    X(LIMIT, -14, "limit_reached", 429, true, "A configured limit is reached")                     \
    X(CLOSED, -15, "closed", 503, true, "The connection is closed")                                \
    X(STORE, -16, "store_failed", 503, true, "The store failed")                                   \
    X(SCHEMA, -17, "schema_mismatch", 500, false, "The store is of another version or corrupt")    \
    X(BUS_VERSION, -18, "bus_version", 500, false, "The peer speaks another bus version")          \
    X(BUS_MALFORMED, -19, "bus_malformed", 500, false, "A bus frame is malformed")                 \
    X(SYSTEM, -20, "system", 500, false, "A system call failed")                                   \
    X(AGENT_FAILED, -21, "agent_failed", 502, true, "The agent failed to answer")                  \
    X(BUS_REFUSED, -22, "bus_refused", 500, false, "The peer is not who was expected there")       \
    X(ACCESS, -23, "access_denied", 403, false,                                                    \
      "Access denied: You don't have permission to join this channel")                             \
    X(IDENTITY, -24, "identity_mismatch", 403, false, "The token is somebody else's")              \
    X(AGENT_UNREACHABLE, -25, "agent_unreachable", 502, true, "The agent cannot be reached")       \
    X(AGENT_BUSY, -26, "agent_busy", 503, true, "The agent is busy, try again later")              \
    X(AGENT_REFUSED, -27, "agent_refused", 502, false, "The agent refused to answer")              \
    X(ATTEMPTS, -28, "attempts_exhausted", 502, true,                                              \
      "The agent was lost each time while it answered")                                            \
    X(ROUTER_AWAY, -29, "overloaded", 503, true,                                                   \
      "The router cannot be reached, try again shortly")                                           \
    X(INTERNAL, -30, "internal", 500, false, "Internal error")

enum error {
#define X(name, value, wire, status, retryable, text) ERROR_##name = (value),
    ERROR_TABLE(X)
#undef X
};

/* Wire name, e.g. "malformed"; "internal" for a number that is not in the table. */
const char *error_code(int error);
/* The error of a wire name; ERROR_INTERNAL when nobody has it. */
int error_of_code(struct slice code);
/* The sentence for people. */
const char *error_text(int error);
int error_http_status(int error);
bool error_is_retryable(int error);

#endif
