/*
 * What a session is, written down for another edge that takes it over. Pure codec, strict: the
 * reader refuses leftovers, values out of their bounds, and two sockets of one namespace. What the
 * application adds for each socket is opaque here.
 *
 *   state  = [parser, takes_offsets, awaits_pong, heartbeat, silence, connect, credentials,
 *             [*socket]]                                             ; MessagePack
 *   socket = [namespace, id, application's bytes]
 *
 * Implements: BUS.md, "Moves".
 */
#ifndef EDGE_SESSION_HANDOVER_H
#define EDGE_SESSION_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum {
    HANDOVER_SOCKETS_MAX = 32,
    HANDOVER_NAMESPACE_MAX = 1024,      /* bytes */
    HANDOVER_CREDENTIALS_MAX = 1 << 16, /* bytes: the longest head of a request */
    HANDOVER_BYTES_MAX = 4 << 20,       /* of a whole state: what the bus carries in one message */
};

struct handover_socket {
    struct slice name_space;
    struct slice id;   /* SESSION_ID_LENGTH characters */
    struct slice data; /* the application's */
};

/* Times in ms from now. Slices are borrowed. */
struct handover {
    uint64_t parser; /* enum session_parser */
    bool takes_offsets;
    bool is_awaiting_pong;
    uint64_t heartbeat;       /* until the next ping is due, or the pong is */
    uint64_t silence;         /* since the client's last packet */
    uint64_t connect;         /* until a Socket.IO CONNECT has to be there; 0: none is awaited */
    struct slice credentials; /* what its opening showed, for CONNECTs to come */
    uint32_t socket_count;
    struct handover_socket sockets[HANDOVER_SOCKETS_MAX];
};

/* Appends the state. Within bounds: asserted. */
void handover_write(const struct handover *handover, struct buffer *out);
/* 0 or ERROR_BUS_MALFORMED. */
int handover_read(struct slice state, struct handover *handover);

#endif
