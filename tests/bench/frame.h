/*
 * WebSocket frames (RFC 6455 §5.2) as the load generator and the floor servers speak them.
 *
 * Deliberately apart from proto/wire: what measures the product shares no code with it. Only
 * unfragmented frames without extensions exist here, which is all that Engine.IO servers send.
 */
#ifndef TESTS_BENCH_FRAME_H
#define TESTS_BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xa,
};

enum {
    FRAME_HEADER_MAX = 14,
    FRAME_PAYLOAD_MAX = 4 * 1024 * 1024,
};

enum frame_status {
    FRAME_COMPLETE = 0,
    FRAME_INCOMPLETE = 1,
    FRAME_INVALID = 2,
};

struct frame {
    enum frame_opcode opcode;
    uint8_t *payload; /* borrows from the bytes read, unmasked in place */
    size_t length;
    size_t size; /* header and payload; known (non-zero) as soon as the header is */
};

/* Reads the frame at the start of `bytes`. */
enum frame_status frame_read(struct frame *frame, uint8_t *bytes, size_t length);

/* Writes an unmasked server header of at most FRAME_HEADER_MAX bytes; returns its size. */
size_t frame_write_header(uint8_t *out, enum frame_opcode opcode, size_t length);

/* Writes a whole masked client frame into `out`, which holds FRAME_HEADER_MAX + length bytes;
 * returns its size. */
size_t frame_write_masked(uint8_t *out, enum frame_opcode opcode, const char *payload,
                          size_t length);

#endif
