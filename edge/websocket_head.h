/*
 * The head of a WebSocket upgrade request, as websocket.c needs it. Pure.
 *
 * Implements: RFC 6455 §4.1, the request's headers.
 */
#ifndef EDGE_WEBSOCKET_HEAD_H
#define EDGE_WEBSOCKET_HEAD_H

#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* The value of a header of a well-formed head; empty when it is not there. */
struct slice websocket_head_value(struct slice head, const char *name);
/* The first of a list of tokens (RFC 9110 §5.6.2); empty when it is none that may be sent back. */
struct slice websocket_first_token(struct slice list);
/*
 * The library gets a request of our own writing, with the client's key as its only variable part.
 * The head was checked already, and the library's own parser drops connections for long cookies,
 * many extensions or an unknown subprotocol.
 */
void websocket_write_request(struct buffer *out, struct slice key, struct slice early);

#endif
