/*
 * UTF-8 (RFC 3629): how long the character at a place is, for whoever cuts text; and whether it is
 * valid.
 */
#ifndef PROTO_BASE_UTF8_H
#define PROTO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

static inline bool utf8_is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/*
 * Length in bytes of the character that starts at `at`, 1 to 4, or 0 when the bytes up to `end`
 * begin with none: stray continuation, overlong form, surrogate, beyond U+10FFFF, or cut off.
 * At least one byte must be there.
 */
static inline size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    unsigned char first = at[0];
    unsigned char low = 0x80; /* bounds of the second byte */
    unsigned char high = 0xbf;

    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    if (first < 0xe0) {
        return left >= 2 && utf8_is_continuation(at[1]) ? 2 : 0;
    }
    if (first == 0xe0) {
        low = 0xa0;
    } else if (first == 0xed) {
        high = 0x9f;
    } else if (first == 0xf0) {
        low = 0x90;
    } else if (first == 0xf4) {
        high = 0x8f;
    }
    if (left < 3 || at[1] < low || at[1] > high || !utf8_is_continuation(at[2])) {
        return 0;
    }
    if (first < 0xf0) {
        return 3;
    }
    return left >= 4 && utf8_is_continuation(at[3]) ? 4 : 0;
}

static inline bool utf8_is_valid(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;

    for (size_t at = 0, length; at < text.length; at += length) {
        length = utf8_length(bytes + at, bytes + text.length);
        if (length == 0) {
            return false;
        }
    }
    return true;
}

#endif
