#include "proto/base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

enum {
    CAPACITY_MIN = 64,
    FORMAT_ROOM = 128,
    DECIMAL_MAX = 20 /* digits of UINT64_MAX */
};

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = BUFFER_EMPTY;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
}

void buffer_shrink(struct buffer *buffer, size_t capacity)
{
    buffer->length = 0;
    if (buffer->capacity <= capacity) {
        return;
    }
    /* Nothing is kept, so a fresh block saves realloc() its copy. */
    free(buffer->data);
    buffer->data = capacity == 0 ? NULL : memory_allocate(capacity);
    buffer->capacity = capacity;
}

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    if (buffer->capacity - buffer->length < length || buffer->data == NULL) {
        size_t needed = buffer->length + length;
        size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity * 2;

        assert(needed >= length);
        if (capacity < needed) {
            capacity = needed;
        }
        buffer->data = memory_reallocate(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    if (length == 0) {
        return;
    }
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.length);
}

void buffer_append_string(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    *buffer_reserve(buffer, 1) = c;
    buffer->length++;
}

void buffer_append_unsigned(struct buffer *buffer, uint64_t value)
{
    char digits[DECIMAL_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void buffer_append_signed(struct buffer *buffer, int64_t value)
{
    if (value < 0) {
        buffer_append_char(buffer, '-');
        buffer_append_unsigned(buffer, 0 - (uint64_t)value);
    } else {
        buffer_append_unsigned(buffer, (uint64_t)value);
    }
}

/* Room for most lines at the first attempt. vsnprintf() wants a NUL, which does not count here. */
void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    size_t room = FORMAT_ROOM;

    assert(format != NULL);
    for (;;) {
        char *end = buffer_reserve(buffer, room);
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(end, room, format, arguments);
        va_end(arguments);
        assert(length >= 0);
        if ((size_t)length < room) {
            buffer->length += (size_t)length;
            return;
        }
        room = (size_t)length + 1;
    }
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    assert(length <= buffer->length);
    buffer->length -= length;
    if (buffer->length > 0) {
        memmove(buffer->data, buffer->data + length, buffer->length);
    }
}
