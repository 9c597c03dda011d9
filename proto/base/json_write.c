#include "proto/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/json_text.h"
#include "proto/base/utf8.h"

static void write_control(struct buffer *out, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};

    switch (byte) {
    case '\b':
        buffer_append(out, "\\b", 2);
        return;
    case '\f':
        buffer_append(out, "\\f", 2);
        return;
    case '\n':
        buffer_append(out, "\\n", 2);
        return;
    case '\r':
        buffer_append(out, "\\r", 2);
        return;
    case '\t':
        buffer_append(out, "\\t", 2);
        return;
    default:
        buffer_append(out, escape, sizeof(escape));
    }
}

/* Writes the special byte at `at`, or the whole character it begins; returns the place behind. */
static const char *write_special(struct buffer *out, const char *at, const char *end)
{
    unsigned char byte = (unsigned char)*at;
    size_t length;

    if (byte == '"' || byte == '\\') {
        buffer_append_char(out, '\\');
        buffer_append_char(out, *at);
        return at + 1;
    }
    if (byte < 0x20) {
        write_control(out, byte);
        return at + 1;
    }
    length = utf8_length((const unsigned char *)at, (const unsigned char *)end);
    if (length == 0) {
        buffer_append(out, "\xef\xbf\xbd", 3); /* U+FFFD */
        return at + 1;
    }
    buffer_append(out, at, length);
    return at + length;
}

void json_write_string(struct buffer *out, struct slice text)
{
    const char *at = text.length == 0 ? "" : text.data;
    const char *end = at + text.length;

    buffer_reserve(out, text.length + 2);
    buffer_append_char(out, '"');
    while (at < end) {
        const char *special = json_text_plain(at, end);

        buffer_append(out, at, (size_t)(special - at));
        at = special == end ? end : write_special(out, special, end);
    }
    buffer_append_char(out, '"');
}

void json_write_key(struct buffer *out, const char *name)
{
    char before = out->length == 0 ? '{' : out->data[out->length - 1];

    if (before != '{' && before != '[') {
        buffer_append_char(out, ',');
    }
    buffer_append_char(out, '"');
    buffer_append_string(out, name);
    buffer_append(out, "\":", 2);
}

void json_write_string_member(struct buffer *out, const char *name, struct slice text)
{
    json_write_key(out, name);
    json_write_string(out, text);
}

void json_write_raw_member(struct buffer *out, const char *name, struct slice json)
{
    json_write_key(out, name);
    buffer_append_slice(out, json);
}

void json_write_unsigned_member(struct buffer *out, const char *name, uint64_t value)
{
    json_write_key(out, name);
    buffer_append_unsigned(out, value);
}

void json_write_signed_member(struct buffer *out, const char *name, int64_t value)
{
    json_write_key(out, name);
    buffer_append_signed(out, value);
}

void json_write_boolean_member(struct buffer *out, const char *name, bool value)
{
    json_write_key(out, name);
    buffer_append_string(out, value ? "true" : "false");
}

void json_write_double(struct buffer *out, double value)
{
    enum { DIGITS_MIN = 15, DIGITS_MAX = 17 }; /* of these, one is always enough */
    char text[32];

    if (!isfinite(value)) {
        buffer_append_string(out, "null");
        return;
    }
    if (value == 0) {
        buffer_append_char(out, '0'); /* of either sign, as JavaScript writes it */
        return;
    }
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buffer_append_string(out, text);
}
