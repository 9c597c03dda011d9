#include "proto/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/json_text.h"
#include "proto/base/memory.h"
#include "proto/base/utf8.h"

enum { NESTING_INLINE = 1024, WORD_BITS = 64 };

/*
 * The containers that are open, a bit each (set: object). Text that is nested deeper than it may be
 * is still checked to its end, since the answer then is another; the bits beyond NESTING_INLINE lie
 * on the heap and are at most as many as the text has bytes.
 */
struct nesting {
    uint64_t inline_words[NESTING_INLINE / WORD_BITS];
    uint64_t *words; /* inline_words, or owns */
    size_t capacity; /* bits */
    size_t depth;
    bool in_object;      /* the innermost one, at hand */
    const char *reached; /* what is before it is in order; where the next piece begins */
};

static void nesting_init(struct nesting *nesting)
{
    nesting->words = nesting->inline_words;
    nesting->capacity = NESTING_INLINE;
    nesting->depth = 0;
    nesting->in_object = false;
}

static void nesting_deinit(struct nesting *nesting)
{
    if (nesting->words != nesting->inline_words) {
        free(nesting->words);
    }
}

static void nesting_grow(struct nesting *nesting)
{
    size_t bytes = nesting->capacity / 8;
    bool was_inline = nesting->words == nesting->inline_words;

    nesting->words = memory_reallocate(was_inline ? NULL : nesting->words, bytes * 2);
    if (was_inline) {
        memcpy(nesting->words, nesting->inline_words, bytes);
    }
    nesting->capacity *= 2;
}

static void nesting_open(struct nesting *nesting, bool is_object)
{
    size_t depth = nesting->depth;
    uint64_t bit = UINT64_C(1) << depth % WORD_BITS;

    if (depth == nesting->capacity) {
        nesting_grow(nesting);
    }
    /* A word's first bit clears it: nothing initialises them. */
    if (depth % WORD_BITS == 0) {
        nesting->words[depth / WORD_BITS] = is_object;
    } else if (is_object) {
        nesting->words[depth / WORD_BITS] |= bit;
    } else {
        nesting->words[depth / WORD_BITS] &= ~bit;
    }
    nesting->depth = depth + 1;
    nesting->in_object = is_object;
}

static void nesting_close(struct nesting *nesting)
{
    size_t depth = --nesting->depth;

    if (depth > 0) {
        nesting->in_object = nesting->words[(depth - 1) / WORD_BITS] >> (depth - 1) % WORD_BITS & 1;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexadecimal(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Each scan_* begins at the first byte of its piece and returns the place behind it, or NULL. */

static const char *scan_escape(const char *at, const char *end)
{
    if (end - at < 2) {
        return NULL;
    }
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        if (end - at < 6) {
            return NULL;
        }
        for (int i = 2; i < 6; i++) {
            if (!is_hexadecimal(at[i])) {
                return NULL;
            }
        }
        return at + 6;
    default:
        return NULL;
    }
}

static const char *scan_string(const char *at, const char *end)
{
    at++;
    for (;;) {
        unsigned char byte;
        size_t length;

        at = json_text_plain(at, end);
        if (at == end) {
            return NULL;
        }
        byte = (unsigned char)*at;
        if (byte == '"') {
            return at + 1;
        }
        if (byte == '\\') {
            at = scan_escape(at, end);
            if (at == NULL) {
                return NULL;
            }
            continue;
        }
        if (byte < 0x20) {
            return NULL;
        }
        /* Characters beyond ASCII seldom come alone: stay here while they last. */
        do {
            length = utf8_length((const unsigned char *)at, (const unsigned char *)end);
            if (length == 0) {
                return NULL;
            }
            at += length;
        } while (at < end && (unsigned char)*at >= 0x80);
    }
}

static const char *scan_digits(const char *at, const char *end)
{
    const char *start = at;

    while (at < end && is_digit(*at)) {
        at++;
    }
    return at == start ? NULL : at;
}

static const char *scan_number(const char *at, const char *end)
{
    if (*at == '-') {
        at++;
    }
    if (at < end && *at == '0') {
        at++;
    } else {
        at = scan_digits(at, end);
    }
    if (at != NULL && at < end && *at == '.') {
        at = scan_digits(at + 1, end);
    }
    if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        at = scan_digits(at, end);
    }
    return at;
}

static const char *scan_literal(const char *at, const char *end, const char *literal, size_t length)
{
    if ((size_t)(end - at) < length || memcmp(at, literal, length) != 0) {
        return NULL;
    }
    return at + length;
}

/* A value that holds no other. */
static const char *scan_scalar(const char *at, const char *end)
{
    switch (*at) {
    case '"':
        return scan_string(at, end);
    case 't':
        return scan_literal(at, end, "true", 4);
    case 'f':
        return scan_literal(at, end, "false", 5);
    case 'n':
        return scan_literal(at, end, "null", 4);
    default:
        if (*at == '-' || is_digit(*at)) {
            return scan_number(at, end);
        }
        return NULL;
    }
}

/* A member's name and colon, up to its value. */
static const char *scan_key(const char *at, const char *end)
{
    if (at == end || *at != '"') {
        return NULL;
    }
    at = scan_string(at, end);
    if (at == NULL) {
        return NULL;
    }
    at = json_text_skip_space(at, end);
    if (at == end || *at != ':') {
        return NULL;
    }
    return json_text_skip_space(at + 1, end);
}

/* The value at `at`, whatever it holds. Loops over the text; `nesting` stands for the recursion. */
static const char *scan_value(const char *at, const char *end, struct nesting *nesting,
                              size_t *deepest)
{
    for (;;) {
        /* A value begins here. */
        nesting->reached = at;
        if (at == end) {
            return NULL;
        }
        if (*at == '{' || *at == '[') {
            bool is_object = *at == '{';

            nesting_open(nesting, is_object);
            if (nesting->depth > *deepest) {
                *deepest = nesting->depth;
            }
            at = json_text_skip_space(at + 1, end);
            nesting->reached = at;
            if (at == end) {
                return NULL;
            }
            if (*at != (is_object ? '}' : ']')) {
                if (is_object && (at = scan_key(at, end)) == NULL) {
                    return NULL;
                }
                continue;
            }
        } else {
            at = scan_scalar(at, end);
            if (at == NULL || nesting->depth == 0) {
                return at;
            }
            at = json_text_skip_space(at, end);
        }

        /* It has ended: a comma and the next one, or the end of what holds it. */
        while (at < end && *at == (nesting->in_object ? '}' : ']')) {
            nesting_close(nesting);
            at++;
            if (nesting->depth == 0) {
                return at;
            }
            at = json_text_skip_space(at, end);
        }
        nesting->reached = at;
        if (at == end || *at != ',') {
            return NULL;
        }
        at = json_text_skip_space(at + 1, end);
        nesting->reached = at;
        if (nesting->in_object && (at = scan_key(at, end)) == NULL) {
            return NULL;
        }
    }
}

/* The value and the white space around it; NULL: that is not all, or no JSON. */
static const char *scan_text(struct slice text, struct nesting *nesting, size_t *deepest)
{
    const char *end = text.data + text.length;
    nesting_init(nesting);
    const char *after = scan_value(json_text_skip_space(text.data, end), end, nesting, deepest);
    nesting_deinit(nesting);
    if (after != NULL) {
        nesting->reached = json_text_skip_space(after, end);
    }
    return nesting->reached == end ? after : NULL;
}

int json_scan(struct slice text, unsigned max_depth, struct slice *value)
{
    struct nesting nesting;
    size_t deepest = 0;
    const char *after;

    if (text.length == 0 || (after = scan_text(text, &nesting, &deepest)) == NULL) {
        return ERROR_MALFORMED;
    }
    const char *start = json_text_skip_space(text.data, after);
    *value = slice_of(start, (size_t)(after - start));
    return deepest > max_depth ? ERROR_TOO_DEEP : 0;
}

size_t json_fault(struct slice text)
{
    struct nesting nesting;
    size_t deepest = 0;

    if (text.length == 0) {
        return 0;
    }
    scan_text(text, &nesting, &deepest);
    return (size_t)(nesting.reached - text.data);
}
