#include "proto/base/log_line.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "proto/base/utf8.h"

enum { NUMBER_MAX = 64 /* bytes of it as text */, PRECISION_DEFAULT = 6 };

/* The last two bytes are kept for the closing brace and the line feed. */
static void line_put(struct log_line *line, const char *data, size_t length)
{
    if (line->is_full || length > sizeof(line->bytes) - 2 - line->length) {
        line->is_full = true;
        return;
    }
    memcpy(line->bytes + line->length, data, length);
    line->length += length;
}

static void line_put_string(struct log_line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

/*
 * Quotes, backslashes and controls (C1 too: terminals obey them) are escaped and bytes that are
 * not UTF-8 replaced, so that no value can end its field, its line, or drive a terminal.
 */
static void line_put_escaped(struct log_line *line, const char *data, size_t length)
{
    const unsigned char *at = (const unsigned char *)data;
    const unsigned char *end = at + length;

    while (at < end) {
        size_t size = utf8_length(at, end);
        bool is_c1 = size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
        char escape[8];

        if (size == 0) {
            line_put_string(line, "\xef\xbf\xbd");
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            line_put(line, "\\", 1);
            line_put(line, (const char *)at, 1);
        } else if (*at == '\n') {
            line_put(line, "\\n", 2);
        } else if (*at == '\t') {
            line_put(line, "\\t", 2);
        } else if (*at < 0x20 || *at == 0x7f || is_c1) {
            snprintf(escape, sizeof(escape), "\\u00%02x", is_c1 ? at[1] : at[0]);
            line_put_string(line, escape);
        } else {
            line_put(line, (const char *)at, size);
        }
        at += size;
    }
}

static bool needs_quotes(const struct log_value *value)
{
    if (value->length == 0 || value->is_cut) {
        return true;
    }
    for (size_t i = 0; i < value->length; i++) {
        unsigned char byte = (unsigned char)value->bytes[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return false;
}

static void line_put_pair(struct log_line *line, struct slice key, const struct log_value *value)
{
    bool is_json = line->is_json;
    bool is_quoted = is_json ? !value->is_number : needs_quotes(value);

    line->pair_start = line->length;
    if (is_json) {
        line_put_string(line, line->length == 1 ? "\"" : ",\"");
        line_put_escaped(line, key.data, key.length);
        line_put_string(line, "\":");
    } else {
        if (line->length > 0) {
            line_put(line, " ", 1);
        }
        line_put(line, key.data, key.length);
        line_put(line, "=", 1);
    }
    if (is_quoted) {
        line_put(line, "\"", 1);
    }
    line_put_escaped(line, value->bytes, value->length);
    if (value->is_cut) {
        line_put_string(line, "\xe2\x80\xa6"); /* an ellipsis */
    }
    if (is_quoted) {
        line_put(line, "\"", 1);
    }
    if (line->is_full) {
        line->length = line->pair_start;
    }
}

static void value_put(struct log_value *value, const char *data, size_t length)
{
    size_t room = LOG_VALUE_MAX - value->length;

    if (value->is_cut) {
        return;
    }
    if (length > room) {
        value->is_cut = true;
        length = room;
        /* Back to the start of a character. */
        while (length > 0 && utf8_is_continuation((unsigned char)data[length])) {
            length--;
        }
    }
    memcpy(value->bytes + value->length, data, length);
    value->length += length;
}

void log_line_put_text(struct log_line *line, const char *key, const char *text)
{
    struct log_value value = {.length = 0};

    value_put(&value, text, strlen(text));
    line_put_pair(line, slice_of_string(key), &value);
}

void log_line_put_number(struct log_line *line, const char *key, unsigned number)
{
    struct log_value value = {.is_number = true};

    value.length = (size_t)snprintf(value.bytes, sizeof(value.bytes), "%u", number);
    line_put_pair(line, slice_of_string(key), &value);
}

/* --- what printf takes ------------------------------------------------------------------------ */

enum length_modifier { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE, LENGTH_MAX };

static const char *parse_length(const char *at, enum length_modifier *length)
{
    *length = LENGTH_INT;
    if (*at == 'l') {
        *length = at[1] == 'l' ? LENGTH_LONG_LONG : LENGTH_LONG;
        return at + (at[1] == 'l' ? 2 : 1);
    }
    if (*at == 'z' || *at == 'j') {
        *length = *at == 'z' ? LENGTH_SIZE : LENGTH_MAX;
        return at + 1;
    }
    while (*at == 'h') { /* promoted to int */
        at++;
    }
    return at;
}

static intmax_t next_signed(struct log_arguments *arguments, enum length_modifier length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, ssize_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, intmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, int);
}

static uintmax_t next_unsigned(struct log_arguments *arguments, enum length_modifier length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, size_t);
    case LENGTH_MAX:
        return va_arg(arguments->list, uintmax_t);
    case LENGTH_INT:
        break;
    }
    return va_arg(arguments->list, unsigned);
}

static void value_put_string(struct log_value *value, const char *text, int precision)
{
    if (text == NULL) {
        text = "";
    }
    value->is_number = false;
    value_put(value, text, precision < 0 ? strlen(text) : strnlen(text, (size_t)precision));
}

static void value_put_double(struct log_value *value, double number, char conversion, int precision)
{
    char text[LOG_VALUE_MAX];

    if (precision < 0) {
        precision = PRECISION_DEFAULT;
    }
    if (conversion == 'f') {
        snprintf(text, sizeof(text), "%.*f", precision, number);
    } else {
        snprintf(text, sizeof(text), "%.*g", precision, number);
    }
    if (!isfinite(number)) { /* JSON has no such number */
        value->is_number = false;
    }
    value_put(value, text, strlen(text));
}

/* The conversion that begins at the '%' at `at`; returns the place behind it. */
static const char *value_put_conversion(struct log_value *value, const char *at,
                                        struct log_arguments *arguments)
{
    enum length_modifier length;
    char text[NUMBER_MAX];
    int precision = -1;

    at += 1 + strspn(at + 1, "-+ #0123456789");
    if (*at == '.') {
        at++;
        if (*at == '*') {
            precision = va_arg(arguments->list, int);
            at++;
        } else {
            for (precision = 0; *at >= '0' && *at <= '9'; at++) {
                precision = precision * 10 + (*at - '0');
            }
        }
    }
    at = parse_length(at, &length);
    switch (*at) {
    case 's':
        value_put_string(value, va_arg(arguments->list, const char *), precision);
        break;
    case 'd':
    case 'i':
        snprintf(text, sizeof(text), "%jd", next_signed(arguments, length));
        value_put(value, text, strlen(text));
        break;
    case 'u':
        snprintf(text, sizeof(text), "%ju", next_unsigned(arguments, length));
        value_put(value, text, strlen(text));
        break;
    case 'x':
        snprintf(text, sizeof(text), "%jx", next_unsigned(arguments, length));
        value->is_number = false;
        value_put(value, text, strlen(text));
        break;
    case 'c':
        text[0] = (char)va_arg(arguments->list, int);
        value->is_number = false;
        value_put(value, text, 1);
        break;
    case 'f':
    case 'g':
        value_put_double(value, va_arg(arguments->list, double), *at, precision);
        break;
    default:
        assert(false); /* a conversion that log.h does not name */
    }
    return at + 1;
}

void log_line_put_pairs(struct log_line *line, const char *format, struct log_arguments *arguments,
                        struct log_value *agent)
{
    const char *at = format;

    while (*at != '\0') {
        struct log_value value = {.length = 0, .is_number = true};
        size_t key_length = strcspn(at, "= ");
        struct slice key = slice_of(at, key_length);
        unsigned conversions = 0;

        at += key_length;
        if (*at == '=') {
            at++;
        }
        while (*at != '\0' && *at != ' ') {
            if (*at == '%') {
                at = value_put_conversion(&value, at, arguments);
                conversions++;
            } else {
                value.is_number = false;
                value_put(&value, at, 1);
                at++;
            }
        }
        value.is_number = value.is_number && conversions == 1;
        if (key_length > 0) {
            line_put_pair(line, key, &value);
        }
        if (agent != NULL && slice_is(key, "agent")) {
            *agent = value;
        }
        at += strspn(at, " ");
    }
}

void log_line_begin(struct log_line *line, bool is_json)
{
    line->length = 0;
    line->is_full = false;
    line->is_json = is_json;
    if (is_json) {
        line_put(line, "{", 1);
    }
}

struct slice log_line_end(struct log_line *line)
{
    if (line->is_json) {
        line->bytes[line->length++] = '}';
    }
    line->bytes[line->length++] = '\n';
    return slice_of(line->bytes, line->length);
}
