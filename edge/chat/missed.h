/*
 * What a client that is being recovered has missed, while it is collected: messages by their
 * positions, and what else was said meanwhile. Bounded: beyond MISSED_BYTES_MAX nothing more is
 * kept, and it says so.
 */
#ifndef EDGE_CHAT_MISSED_H
#define EDGE_CHAT_MISSED_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/session/socket.h"
#include "proto/base/packet.h"

enum { MISSED_BYTES_MAX = 16 << 20 };

struct missed_message {
    uint64_t position;
    uint32_t order;        /* of several with one position */
    struct packet *packet; /* owns a reference */
};

/* Zeroed at first. */
struct missed {
    struct missed_message *messages; /* owns */
    uint32_t count, capacity;
    struct packet **held; /* owns; in the order in which they came */
    uint32_t held_count, held_capacity;
    size_t bytes;
    bool is_overfull;
};

/* Takes the packet's reference over. */
void missed_add(struct missed *missed, uint64_t position, struct packet *packet);
/* Takes a reference of its own, of the packet without its suffix. */
void missed_hold(struct missed *missed, struct packet *packet);
/* To a pending socket: the messages, in the order of their positions. */
void missed_emit_messages(struct missed *missed, struct socket *socket);
/* To an accepted one: the rest. */
void missed_emit_rest(const struct missed *missed, struct socket *socket);
void missed_clear(struct missed *missed);

#endif
