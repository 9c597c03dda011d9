/*
 * The inside of JSON text, shared by the scanner, the readers and the writer: finding the end of a
 * run of plain text eight bytes at a time, the ends of tokens, and decoding escapes.
 */
#ifndef PROTO_BASE_JSON_TEXT_H
#define PROTO_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { JSON_TEXT_ESCAPE_MAX = 4 }; /* bytes that one escape decodes to, at most */

#define JSON_TEXT_ONES UINT64_C(0x0101010101010101)
#define JSON_TEXT_HIGHS UINT64_C(0x8080808080808080)

/*
 * Eight bytes at once: x - ones sets the high bit of a byte that was zero, so an xor before it
 * finds quotes and backslashes; with 0x20 in place of ones it finds the controls. A borrow can only
 * mark bytes above one that is marked rightly: the lowest mark is always true.
 */
static inline uint64_t json_text_specials(uint64_t bytes)
{
    uint64_t quotes = bytes ^ (JSON_TEXT_ONES * '"');
    uint64_t backslashes = bytes ^ (JSON_TEXT_ONES * '\\');

    return ((bytes - JSON_TEXT_ONES * 0x20) | (quotes - JSON_TEXT_ONES) |
            (backslashes - JSON_TEXT_ONES) | bytes) &
           JSON_TEXT_HIGHS;
}

static inline uint64_t json_text_quotes(uint64_t bytes)
{
    uint64_t quotes = bytes ^ (JSON_TEXT_ONES * '"');
    uint64_t backslashes = bytes ^ (JSON_TEXT_ONES * '\\');

    return (((quotes - JSON_TEXT_ONES) & ~quotes) |
            ((backslashes - JSON_TEXT_ONES) & ~backslashes)) &
           JSON_TEXT_HIGHS;
}

static inline uint64_t json_text_load(const char *at)
{
    uint64_t bytes;

    memcpy(&bytes, at, sizeof(bytes));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* The first control, quote, backslash or byte of a longer character at or after `at`, or `end`. */
static inline const char *json_text_plain(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t marks = json_text_specials(json_text_load(at));

        if (marks != 0) {
            return at + __builtin_ctzll(marks) / 8;
        }
    }
    for (; at < end; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x80) {
            break;
        }
    }
    return at;
}

/* The first quote or backslash at or after `at`, or `end`. */
static inline const char *json_text_find_quote(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t marks = json_text_quotes(json_text_load(at));

        if (marks != 0) {
            return at + __builtin_ctzll(marks) / 8;
        }
    }
    while (at < end && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

static inline bool json_text_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_text_skip_space(const char *at, const char *end)
{
    while (at < end && json_text_is_space(*at)) {
        at++;
    }
    return at;
}

/* Past the string that starts at `at`, its quotes included. */
static inline const char *json_text_string_end(const char *at, const char *end)
{
    at++;
    for (;;) {
        at = json_text_find_quote(at, end);
        if (at == end) {
            return end;
        }
        if (*at++ == '"') {
            return at;
        }
        if (at < end) {
            at++;
        }
    }
}

/* Past the number or literal that starts at `at`. */
static inline const char *json_text_scalar_end(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !json_text_is_space(*at)) {
        at++;
    }
    return at;
}

/*
 * Decodes the next character of a validated string: a plain byte as it is, an escape as UTF-8 (a
 * lone surrogate as U+FFFD). Moves *at behind it; returns the bytes written, at least 1.
 */
size_t json_text_next(const char **at, const char *end, char out[JSON_TEXT_ESCAPE_MAX]);

#endif
