#include "agent-bridge/extract/units.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "proto/base/utf8.h"

enum { UNITS_CAPACITY_MIN = 64, REPLACEMENT = 0xfffd };

void units_deinit(struct units *units)
{
    free(units->data);
    *units = UNITS_EMPTY;
}

static void reserve(struct units *units, size_t more)
{
    size_t needed = units->length + more;
    if (needed > units->capacity) {
        size_t capacity =
            units->capacity < UNITS_CAPACITY_MIN ? UNITS_CAPACITY_MIN : units->capacity * 2;
        units->capacity = capacity < needed ? needed : capacity;
        units->data = memory_reallocate(units->data, units->capacity * sizeof(*units->data));
    }
}

void units_append(struct units *units, const uint16_t *data, size_t length)
{
    if (length > 0) {
        reserve(units, length);
        memcpy(units->data + units->length, data, length * sizeof(*data));
        units->length += length;
    }
}

void units_append_character(struct units *units, uint32_t character)
{
    reserve(units, 2);
    if (character >= 0x10000) {
        units->data[units->length++] = (uint16_t)(0xd7c0 + (character >> 10));
        units->data[units->length++] = (uint16_t)(0xdc00 | (character & 0x3ff));
    } else {
        units->data[units->length++] = (uint16_t)character;
    }
}

void units_append_utf8(struct units *units, struct slice text)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = text.length == 0 ? at : at + text.length;
    while (at < end) {
        size_t length = utf8_length(at, end);
        uint32_t character = REPLACEMENT;
        if (length > 0) {
            character = *at & first_bits[length];
            for (size_t i = 1; i < length; i++) {
                character = character << 6 | (at[i] & 0x3f);
            }
        }
        units_append_character(units, character);
        at += length > 0 ? length : 1;
    }
}

void units_consume(struct units *units, size_t length)
{
    units->length -= length;
    if (units->length > 0 && length > 0) {
        memmove(units->data, units->data + length, units->length * sizeof(*units->data));
    }
}

size_t units_find(const struct units *units, const struct units *needle, size_t from)
{
    for (size_t i = from; i + needle->length <= units->length; i++) {
        if (units->data[i] == needle->data[0] &&
            memcmp(units->data + i, needle->data, needle->length * sizeof(*needle->data)) == 0) {
            return i;
        }
    }
    return UNITS_NONE;
}

bool unit_is_space(uint16_t unit)
{
    return (unit >= 0x09 && unit <= 0x0d) || unit == 0x20 || unit == 0xa0 || unit == 0x1680 ||
           (unit >= 0x2000 && unit <= 0x200a) || unit == 0x2028 || unit == 0x2029 ||
           unit == 0x202f || unit == 0x205f || unit == 0x3000 || unit == 0xfeff;
}

uint32_t units_next(const uint16_t **at, const uint16_t *end)
{
    uint16_t unit = *(*at)++;
    if (unit_is_high_surrogate(unit) && *at < end && unit_is_low_surrogate(**at)) {
        return 0x10000 + ((uint32_t)(unit & 0x3ff) << 10 | (*(*at)++ & 0x3ff));
    }
    return unit;
}

void units_write_utf8(const uint16_t *at, const uint16_t *end, struct buffer *out)
{
    while (at < end) {
        uint32_t character = units_next(&at, end);
        if (character >= 0xd800 && character < 0xe000) {
            character = REPLACEMENT;
        }
        if (character < 0x80) {
            buffer_append_char(out, (char)character);
            continue;
        }
        if (character < 0x800) {
            buffer_append_char(out, (char)(0xc0 | character >> 6));
        } else {
            if (character < 0x10000) {
                buffer_append_char(out, (char)(0xe0 | character >> 12));
            } else {
                buffer_append_char(out, (char)(0xf0 | character >> 18));
                buffer_append_char(out, (char)(0x80 | (character >> 12 & 0x3f)));
            }
            buffer_append_char(out, (char)(0x80 | (character >> 6 & 0x3f)));
        }
        buffer_append_char(out, (char)(0x80 | (character & 0x3f)));
    }
}
