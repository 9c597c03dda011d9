/*
 * Engine.IO packets and payloads: pure codec. A revision of the protocol is one
 * `struct engineio_codec`, chosen by the EIO= of the request: 4 (clients 3.x and 4.x, in
 * engineio.c) and 3 (clients 1.x and 2.x, in engineio_v3.c).
 *
 * Implements: Engine.IO protocol, revisions 3 and 4, "Packet encoding" and "Payload encoding".
 */
#ifndef PROTO_WIRE_ENGINEIO_H
#define PROTO_WIRE_ENGINEIO_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum engineio_type {
    ENGINEIO_OPEN = 0,
    ENGINEIO_CLOSE = 1,
    ENGINEIO_PING = 2,
    ENGINEIO_PONG = 3,
    ENGINEIO_MESSAGE = 4,
    ENGINEIO_UPGRADE = 5,
    ENGINEIO_NOOP = 6
};

struct engineio_packet {
    enum engineio_type type;
    bool is_binary;    /* a binary message: data holds raw bytes */
    struct slice data; /* borrows the input, or the arena when it was base64 */
};

/* The errors the protocol answers with HTTP 400 and {"code":N,"message":"…"}. */
enum engineio_error {
    ENGINEIO_ERROR_UNKNOWN_TRANSPORT = 0,
    ENGINEIO_ERROR_UNKNOWN_SID = 1,
    ENGINEIO_ERROR_BAD_HANDSHAKE_METHOD = 2,
    ENGINEIO_ERROR_BAD_REQUEST = 3,
    ENGINEIO_ERROR_FORBIDDEN = 4,
    ENGINEIO_ERROR_UNSUPPORTED_VERSION = 5
};
const char *engineio_error_message(enum engineio_error error);
/* Appends {"code":1,"message":"Session ID unknown"}. */
void engineio_write_error(enum engineio_error error, struct buffer *out);

/* Walks the packets of a polling payload. */
struct engineio_payload {
    const char *at;
    const char *end;
    size_t packets; /* decoded so far */
    bool is_binary; /* revision 3: the binary form, known by its first byte */
};

struct engineio_codec {
    int revision;      /* the EIO= value */
    bool server_pings; /* who sends the heartbeat: the server (4) or the client (3) */
    /* Binary messages begin with their type, as a byte (3), or are messages and bare (4). */
    bool binary_has_type;
    /* One packet from a WebSocket message. 0 or ERROR_MALFORMED. The arena: as for next(); 4 needs
     * none. */
    int (*decode)(struct slice message, bool is_binary, struct arena *arena,
                  struct engineio_packet *out);
    /*
     * Next packet of a payload: 1, 0 at the end, ERROR_MALFORMED, or ERROR_TOO_LARGE after
     * max_packets. Base64 is decoded into the arena.
     */
    int (*next)(struct engineio_payload *payload, size_t max_packets, struct arena *arena,
                struct engineio_packet *out);
    /*
     * Appends one packet to a payload under construction (with its separator or length). Binary
     * data begins with its type where binary_has_type, and becomes base64.
     */
    void (*append)(struct buffer *payload, struct slice packet, bool is_binary);
    /* The same in the binary form of a payload; NULL: the revision has none. */
    void (*append_binary)(struct buffer *payload, struct slice packet, bool is_binary);
};

/* The codec for a revision, or NULL when it is not served. */
const struct engineio_codec *engineio_codec(int revision);
static inline struct engineio_payload engineio_payload_of(struct slice body)
{
    const char *start = body.length == 0 ? "" : body.data;

    return (struct engineio_payload){start, start + body.length, 0,
                                     body.length > 0 && (unsigned char)*start <= 1};
}

/* A binary message as text, for clients of revision 3 that cannot take bytes: b4 and base64. */
void engineio_write_base64_message(struct slice bytes, struct buffer *out);

struct engineio_handshake {
    struct slice sid;
    bool offer_websocket; /* "upgrades":["websocket"] or [] */
    int64_t ping_interval_ms;
    int64_t ping_timeout_ms;
    int64_t max_payload;
};
/*
 * Appends the open packet: 0{"sid":…,"upgrades":…,"pingInterval":…,"pingTimeout":…,"maxPayload":…}.
 */
void engineio_write_open(const struct engineio_handshake *handshake, struct buffer *out);

#endif
