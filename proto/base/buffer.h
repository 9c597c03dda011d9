/*
 * A growing byte buffer. Owned by whoever declared it; buffer_deinit() ends it.
 * Appending never fails (see memory.h); callers bound what they append.
 */
#ifndef PROTO_BASE_BUFFER_H
#define PROTO_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/slice.h"

struct buffer {
    char *data;      /* owns; NULL while capacity is 0 */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
};

#define BUFFER_EMPTY ((struct buffer){NULL, 0, 0})

void buffer_deinit(struct buffer *buffer);
void buffer_clear(struct buffer *buffer);                   /* length 0, memory kept */
void buffer_shrink(struct buffer *buffer, size_t capacity); /* clear, and free what is over */
char *buffer_reserve(struct buffer *buffer,
                     size_t length); /* room for length more bytes; its start */
void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_string(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_unsigned(struct buffer *buffer, uint64_t value); /* decimal */
void buffer_append_signed(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_consume(struct buffer *buffer, size_t length); /* drop from the front */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->length};
}

#endif
