/*
 * The server's half of a WebSocket frame header (RFC 6455 §5.2): unmasked, final, text or binary.
 * Frames are built once per packet and shared by all sockets that get it.
 */
#ifndef PROTO_WIRE_WEBSOCKET_H
#define PROTO_WIRE_WEBSOCKET_H

#include <stddef.h>
#include <stdbool.h>

enum { WEBSOCKET_HEADER_MAX = 10 };

/* Writes the header for a payload of `length` bytes; returns its size, 2, 4 or 10. */
size_t websocket_write_header(unsigned char out[WEBSOCKET_HEADER_MAX], bool is_binary,
                              size_t length);

#endif
