#include "proto/base/base64.h"

#include <stdint.h>
#include <string.h>

#include "proto/base/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice bytes, struct buffer *out)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    size_t groups = bytes.length / 3;
    size_t rest = bytes.length % 3;
    char *text = buffer_reserve(out, (groups + 1) * 4);
    char *start = text;

    for (size_t i = 0; i < groups; i++, at += 3) {
        uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];

        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = alphabet[group >> 6 & 63];
        *text++ = alphabet[group & 63];
    }
    if (rest > 0) {
        uint32_t group = (uint32_t)at[0] << 16 | (rest == 2 ? (uint32_t)at[1] << 8 : 0);

        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = rest == 2 ? alphabet[group >> 6 & 63] : '=';
        *text++ = '=';
    }
    out->length += (size_t)(text - start);
}

/* The six bits of a character, or -1. */
static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct slice text, struct arena *arena, struct slice *bytes)
{
    size_t length = text.length;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    char *out;
    char *at;

    if (length % 4 != 0) {
        return ERROR_MALFORMED;
    }
    if (length > 0 && text.data[length - 1] == '=') {
        length -= text.data[length - 2] == '=' ? 2 : 1;
    }

    out = at = arena_allocate(arena, length / 4 * 3 + 3);
    for (size_t i = 0; i < length; i++) {
        int value = sextet(text.data[i]);

        if (value < 0) {
            return ERROR_MALFORMED;
        }
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *at++ = (char)(bits >> bit_count);
        }
    }
    if ((bits & ((1U << bit_count) - 1)) != 0) {
        return ERROR_MALFORMED;
    }
    *bytes = slice_of(out, (size_t)(at - out));
    return 0;
}

int base64_decode_url(struct slice text, struct arena *arena, struct slice *bytes)
{
    size_t padding = (4 - text.length % 4) % 4;
    char *plain = arena_allocate(arena, text.length + padding + 1);

    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (c == '+' || c == '/' || c == '=') {
            return ERROR_MALFORMED;
        }
        plain[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    memset(plain + text.length, '=', padding);
    return padding == 3 ? ERROR_MALFORMED
                        : base64_decode(slice_of(plain, text.length + padding), arena, bytes);
}
