/*
 * Identifiers. Random bits come from getrandom(2), buffered per id_source so that the hot path
 * makes no system call per id.
 */
#ifndef PROTO_BASE_ID_H
#define PROTO_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/slice.h"

enum {
    UUID_TEXT_LENGTH = 36,  /* 8-4-4-4-12 hexadecimal digits, lower case when we mint it */
    UUID_TEXT_SIZE = 37,    /* with NUL */
    INCARNATION_LENGTH = 6, /* URL-safe characters naming one run of one edge */
    SESSION_ID_LENGTH = 24, /* incarnation + 18 characters = 108 random bits */
    USER_ID_MAX = 256,      /* bytes of a room, user or message id that a client chooses */
};

#define NIL_UUID "00000000-0000-0000-0000-000000000000"

/* Random bytes; a simulator gives its own deterministic source. */
struct id_source {
    void (*fill)(void *context, void *bytes, size_t length); /* NULL: getrandom(2), buffered */
    void *context;                                           /* borrows */
    unsigned char pool[256];
    size_t available;
};

void id_source_init(struct id_source *source);
void id_random_bytes(struct id_source *source, void *bytes, size_t length);
/* length URL-safe characters (A-Z a-z 0-9 - _), 6 random bits each, NUL-terminated. */
void id_random_text(struct id_source *source, char *out, size_t length);
uint64_t id_random_u64(struct id_source *source);
/* UUID version 4. */
void uuid_random(struct id_source *source, char out[UUID_TEXT_SIZE]);
/* UUID version 7 (RFC 9562 §5.7): sorts by time, so that an index on it grows at one end. */
void uuid_by_time(struct id_source *source, int64_t wall_ms, char out[UUID_TEXT_SIZE]);
/*
 * The id of the reply of `agent` to the message `question`: always the same for the same pair, so
 * that a repeated attempt cannot make a second reply. Version 8 (RFC 9562 §5.8): the time bits of
 * `question` when that is a UUID, the rest from SHA-256 over both.
 */
void uuid_of_reply(struct slice question, struct slice agent, char out[UUID_TEXT_SIZE]);
/* 8-4-4-4-12 hexadecimal digits, any version, nil allowed (as the reference server checks). */
bool uuid_is_valid(struct slice text);

#endif
