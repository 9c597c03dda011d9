/*
 * JSON without a tree (RFC 8259): a validating scanner, raw views, and a writer.
 *
 * A value travels as the bytes in which it was sent, so numbers keep every digit and `metadata`
 * arrives as its sender wrote it. json_scan() validates once; every other reader here expects
 * bytes that passed it. Pointer and length throughout; depth is capped.
 */
#ifndef PROTO_BASE_JSON_H
#define PROTO_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum { JSON_MAX_DEPTH = 128 };

enum json_type {
    JSON_NONE, /* no value: an empty slice */
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/*
 * Validates that text is exactly one JSON value (white space around it allowed, UTF-8 valid).
 * Returns 0 and the value without the white space, ERROR_MALFORMED, or ERROR_TOO_DEEP and the
 * value: the text is valid but nested deeper than max_depth.
 */
int json_scan(struct slice text, unsigned max_depth, struct slice *value);

/* Of a text that is no JSON: where the first piece begins (a name, a value) that is not in order.
 */
size_t json_fault(struct slice text);

enum json_type json_type(struct slice value);

/* Walks the members of an object or the elements of an array, in order. */
struct json_iterator {
    const char *at;
    const char *end;
};
struct json_iterator json_iterate(struct slice container);
/* The next member; key is the raw text between the quotes. False at the end. */
bool json_next_member(struct json_iterator *iterator, struct slice *key, struct slice *value);
bool json_next_element(struct json_iterator *iterator, struct slice *value);

/*
 * Collects known members in one pass: the last of equal keys wins, absent ones become empty. Keys
 * are compared after unescaping.
 */
struct json_field {
    const char *name;
    struct slice *value;
};
void json_collect(struct slice object, const struct json_field *fields, size_t count);
struct slice json_get(struct slice object, const char *name);

/*
 * Decodes a string value into the arena. Lone surrogates become U+FFFD; \u0000 becomes a NUL byte,
 * which a slice carries unharmed. When nothing is escaped the result borrows the value's bytes. A
 * value of another type is returned as its own text: the event name 2 reads like "2".
 */
struct slice json_decode_string(struct slice value, struct arena *arena);
/* Whether value is a string that reads `text` once it is decoded. */
bool json_string_is(struct slice value, const char *text);
bool json_to_integer(struct slice value, int64_t *out); /* false: not an integer that fits */
bool json_to_double(struct slice value, double *out);
bool json_to_boolean(struct slice value, bool *out);

/* Writer: appends to a buffer. Strings are escaped and valid UTF-8 (bad bytes become U+FFFD). */
void json_write_string(struct buffer *out, struct slice text);
/* The shortest number that reads back the same; null for what JSON has no number for. */
void json_write_double(struct buffer *out, double value);
/* ,"name": (the comma only when something other than '{' or '[' stands before). */
void json_write_key(struct buffer *out, const char *name);
void json_write_string_member(struct buffer *out, const char *name, struct slice text);
void json_write_raw_member(struct buffer *out, const char *name, struct slice json);
void json_write_unsigned_member(struct buffer *out, const char *name, uint64_t value);
void json_write_signed_member(struct buffer *out, const char *name, int64_t value);
void json_write_boolean_member(struct buffer *out, const char *name, bool value);

#endif
