/*
 * Connection state recovery: the two strings that a client keeps for the server. Pure codec.
 *
 * The private id proves which socket a client was: the socket's id and a MAC over it under the
 * cluster's secret, so that nobody has to remember it and a forged one reaches no store. The offset
 * says how far a client has come, and is checked so that a foreign or garbled one is not believed.
 *
 * Implements: Socket.IO protocol 5 as clients 4.6 and later speak it: `pid` of CONNECT, last
 * argument of events.
 */
#ifndef PROTO_WIRE_RECOVERY_H
#define PROTO_WIRE_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/id.h"
#include "proto/base/slice.h"

enum {
    RECOVERY_SECRET_LENGTH = 32,
    RECOVERY_PID_LENGTH = SESSION_ID_LENGTH + 22, /* the MAC: 128 bits */
    RECOVERY_OFFSET_LENGTH = 24
};

/* Keys made of the cluster's secret. */
struct recovery_keys {
    unsigned char pid[32];
    uint64_t offset[2];
};
void recovery_keys_init(struct recovery_keys *keys, struct slice secret);

/* How far a client has come: everything of its rooms up to here has been sent to it. */
struct recovery_point {
    uint64_t position; /* of messages; < 2^56 */
    uint64_t stamp;    /* of presence changes and joins; < 2^55 */
    bool is_unsettled; /* what it knows of presence may be wrong nevertheless */
};

void recovery_write_pid(const struct recovery_keys *keys, struct slice socket_id,
                        char out[RECOVERY_PID_LENGTH + 1]);
/* False: not one of ours. Else *socket_id borrows from pid. */
bool recovery_read_pid(const struct recovery_keys *keys, struct slice pid, struct slice *socket_id);

void recovery_write_offset(const struct recovery_keys *keys, const struct recovery_point *point,
                           char out[RECOVERY_OFFSET_LENGTH + 1]);
bool recovery_read_offset(const struct recovery_keys *keys, struct slice offset,
                          struct recovery_point *point);

/* An offset that recovers nothing: what a packet carries whose place in the order is not known. */
#define RECOVERY_OFFSET_VOID "~"

#endif
