/*
 * MessagePack, for the bus and for clients of the msgpack parser. Writing goes through msgpack-c's
 * packer. Reading is a pull reader over pointer and length that allocates nothing: msgpack-c's
 * unpacker allocates what a peer's array header claims before it has seen one element, and offers
 * no limit.
 */
#ifndef PROTO_BASE_MSGPACK_H
#define PROTO_BASE_MSGPACK_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

void msgpack_write_array(struct buffer *out, uint32_t count);
void msgpack_write_map(struct buffer *out, uint32_t count);
void msgpack_write_nil(struct buffer *out);
void msgpack_write_double(struct buffer *out, double value);
void msgpack_write_unsigned(struct buffer *out, uint64_t value);
void msgpack_write_signed(struct buffer *out, int64_t value);
void msgpack_write_boolean(struct buffer *out, bool value);
void msgpack_write_text(struct buffer *out, struct slice text);
void msgpack_write_binary(struct buffer *out, struct slice bytes);

/* Once an item is not what was asked for, `failed` stays set and every later read fails too. */
struct msgpack_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

struct msgpack_reader msgpack_reader_of(struct slice bytes);
bool msgpack_read_array(struct msgpack_reader *reader, uint32_t *count);
bool msgpack_read_unsigned(struct msgpack_reader *reader, uint64_t *value);
bool msgpack_read_signed(struct msgpack_reader *reader, int64_t *value);
bool msgpack_read_boolean(struct msgpack_reader *reader, bool *value);
/* Borrowed from the input; fails beyond `most` bytes. */
bool msgpack_read_text(struct msgpack_reader *reader, size_t most, struct slice *text);
bool msgpack_read_binary(struct msgpack_reader *reader, size_t most, struct slice *bytes);

/* For whoever does not know what comes: the next item, whatever it is. */
enum msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOLEAN,
    MSGPACK_UNSIGNED,
    MSGPACK_SIGNED, /* below zero */
    MSGPACK_DOUBLE,
    MSGPACK_TEXT,
    MSGPACK_BINARY,
    MSGPACK_EXTENSION,
    MSGPACK_ARRAY, /* its elements are the next items */
    MSGPACK_MAP    /* its keys and values are the next items, in turns */
};
struct msgpack_item {
    enum msgpack_kind kind;
    bool is_true;          /* BOOLEAN */
    int8_t extension;      /* EXTENSION: its type */
    uint32_t count;        /* ARRAY: elements; MAP: pairs. Claimed: as many may not come */
    uint64_t number;       /* UNSIGNED */
    int64_t signed_number; /* SIGNED */
    double real;           /* DOUBLE */
    struct slice bytes;    /* TEXT, BINARY, EXTENSION: borrowed from the input */
};
bool msgpack_read_item(struct msgpack_reader *reader, struct msgpack_item *item);

#endif
