/*
 * The shared packet: one rendered client packet, immutable once made, reference-counted, queued by
 * pointer in the outbox of every socket that gets it. Rendered once per message per edge.
 *
 * A text packet carries its finished, unmasked WebSocket frame (RFC 6455 §5.2) in one run of
 * memory: [header][payload]. WebSocket transports send `packet_frame`, polling sends
 * `packet_payload`, the same bytes without the header.
 *
 * Single-threaded: references are counted without atomics.
 */
#ifndef PROTO_BASE_PACKET_H
#define PROTO_BASE_PACKET_H

#include <stdint.h>
#include "proto/base/slice.h"

enum packet_kind {
    PACKET_TEXT,  /* an Engine.IO packet as text, e.g. 42["event",…] */
    PACKET_BINARY /* the bytes of an Engine.IO binary message, without marker */
};

struct packet {
    struct packet **attachments; /* owns; NULL: none. Binary packets that follow this one at once */
    struct packet *packed;       /* owns; NULL: not made. The same packet for the msgpack parser */
    struct packet *plain;        /* owns; NULL: not made. The same packet without its suffix */
    uint32_t references;
    uint32_t payload_length;
    uint8_t header_length; /* WebSocket header bytes before the payload */
    uint8_t kind;          /* enum packet_kind */
    uint8_t is_volatile;   /* may be dropped for a slow consumer; not with attachments */
    uint8_t attachment_count;
    uint8_t suffix_length; /* bytes before the last one that not every client can take */
    char bytes[];          /* header, then payload */
};

/* A packet with one reference, holding a copy of the concatenation of the parts. */
struct packet *packet_new(enum packet_kind kind, const struct slice *parts, size_t count);
/* Gives a text packet that was just made its attachments, copies of these. */
void packet_attach(struct packet *packet, const struct slice *attachments, size_t count);
/* The packet without its suffix, made at the first call and borrowed; itself when it has none. */
struct packet *packet_plain(struct packet *packet);
/* A packet with this suffix instead of its own; one reference for the caller. */
struct packet *packet_with_suffix(const struct packet *packet, struct slice suffix);
struct packet *packet_share(struct packet *packet); /* one more reference; returns its argument */
void packet_release(struct packet **packet);        /* one reference less; nulls the pointer */
static inline struct slice packet_payload(const struct packet *packet)
{
    return (struct slice){packet->bytes + packet->header_length, packet->payload_length};
}
static inline struct slice packet_frame(const struct packet *packet)
{
    return (struct slice){packet->bytes, (size_t)packet->header_length + packet->payload_length};
}

#endif
