#include "proto/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/json_text.h"
#include "proto/base/memory.h"

enum { NUMBER_TEXT_MAX = 64, EXACT_DOUBLE_BITS = 53 };

enum json_type json_type(struct slice value)
{
    if (value.length == 0) {
        return JSON_NONE;
    }
    switch (value.data[0]) {
    case 'n':
        return JSON_NULL;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        char c = *at;

        if (c == '"') {
            at = json_text_string_end(at, end);
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            break;
        }
    }
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at == end) {
        return end;
    }
    if (*at == '"') {
        return json_text_string_end(at, end);
    }
    if (*at == '{' || *at == '[') {
        return skip_container(at, end);
    }
    return json_text_scalar_end(at, end);
}

struct json_iterator json_iterate(struct slice container)
{
    enum json_type type = json_type(container);

    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        return (struct json_iterator){NULL, NULL};
    }
    return (struct json_iterator){container.data + 1, container.data + container.length};
}

/* To the next key or element; false at the closing bracket. */
static bool iterator_advance(struct json_iterator *iterator)
{
    const char *at = json_text_skip_space(iterator->at, iterator->end);

    if (at < iterator->end && *at == ',') {
        at = json_text_skip_space(at + 1, iterator->end);
    }
    if (at == iterator->end || *at == '}' || *at == ']') {
        iterator->at = iterator->end;
        return false;
    }
    iterator->at = at;
    return true;
}

static struct slice take_value(struct json_iterator *iterator)
{
    const char *start = iterator->at;

    iterator->at = skip_value(start, iterator->end);
    return slice_of(start, (size_t)(iterator->at - start));
}

bool json_next_element(struct json_iterator *iterator, struct slice *value)
{
    if (!iterator_advance(iterator)) {
        return false;
    }
    *value = take_value(iterator);
    return value->length > 0;
}

bool json_next_member(struct json_iterator *iterator, struct slice *key, struct slice *value)
{
    struct slice quoted;
    const char *at;

    if (!iterator_advance(iterator)) {
        return false;
    }
    quoted = take_value(iterator);
    if (quoted.length < 2 || quoted.data[0] != '"') {
        return false;
    }
    at = json_text_skip_space(iterator->at, iterator->end);
    if (at == iterator->end || *at != ':') {
        return false;
    }
    iterator->at = json_text_skip_space(at + 1, iterator->end);
    *key = slice_of(quoted.data + 1, quoted.length - 2);
    *value = take_value(iterator);
    return value->length > 0;
}

static bool has_escape(struct slice inside)
{
    return inside.length > 0 && memchr(inside.data, '\\', inside.length) != NULL;
}

/* Whether what stands between quotes, with escapes, reads `text`. */
static bool escaped_equals(struct slice inside, const char *text)
{
    const char *at = inside.data;
    const char *end = inside.data + inside.length;

    while (at < end) {
        char piece[JSON_TEXT_ESCAPE_MAX];
        size_t length = json_text_next(&at, end, piece);

        for (size_t i = 0; i < length; i++) {
            if (*text == '\0' || *text++ != piece[i]) {
                return false;
            }
        }
    }
    return *text == '\0';
}

/* The same without escapes; most keys differ in their first byte. */
static bool plain_equals(struct slice inside, const char *text)
{
    if (inside.length == 0 || *text != *inside.data) {
        return inside.length == 0 && *text == '\0';
    }
    return strncmp(text, inside.data, inside.length) == 0 && text[inside.length] == '\0';
}

bool json_string_is(struct slice value, const char *text)
{
    struct slice inside;

    if (json_type(value) != JSON_STRING || value.length < 2) {
        return false;
    }
    inside = slice_of(value.data + 1, value.length - 2);
    return has_escape(inside) ? escaped_equals(inside, text) : plain_equals(inside, text);
}

void json_collect(struct slice object, const struct json_field *fields, size_t count)
{
    struct json_iterator iterator;
    struct slice key;
    struct slice value;

    for (size_t i = 0; i < count; i++) {
        *fields[i].value = SLICE_EMPTY;
    }
    if (json_type(object) != JSON_OBJECT) {
        return;
    }
    iterator = json_iterate(object);
    while (json_next_member(&iterator, &key, &value)) {
        bool is_escaped = has_escape(key);

        for (size_t i = 0; i < count; i++) {
            if (is_escaped ? escaped_equals(key, fields[i].name)
                           : plain_equals(key, fields[i].name)) {
                *fields[i].value = value;
                break;
            }
        }
    }
}

struct slice json_get(struct slice object, const char *name)
{
    struct slice value;
    const struct json_field field = {name, &value};

    json_collect(object, &field, 1);
    return value;
}

struct slice json_decode_string(struct slice value, struct arena *arena)
{
    struct slice raw;
    const char *at;
    const char *end;
    char *text;
    size_t length = 0;

    if (json_type(value) != JSON_STRING) {
        return value;
    }
    if (value.length < 2) {
        return SLICE_EMPTY;
    }
    raw = slice_of(value.data + 1, value.length - 2);
    if (raw.length == 0 || memchr(raw.data, '\\', raw.length) == NULL) {
        return raw;
    }

    /* No escape decodes to more bytes than it is written in. */
    text = arena_allocate(arena, raw.length);
    at = raw.data;
    end = raw.data + raw.length;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape == NULL ? end : escape) - at);
        char piece[JSON_TEXT_ESCAPE_MAX];

        memcpy(text + length, at, plain);
        length += plain;
        at += plain;
        if (escape != NULL) {
            size_t decoded = json_text_next(&at, end, piece);

            memcpy(text + length, piece, decoded);
            length += decoded;
        }
    }
    return slice_of(text, length);
}

static bool plain_integer(struct slice value, int64_t *out)
{
    bool is_negative = value.length > 0 && value.data[0] == '-';
    uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t magnitude = 0;
    size_t i = is_negative ? 1 : 0;

    if (i == value.length) {
        return false;
    }
    for (; i < value.length; i++) {
        unsigned digit = (unsigned char)value.data[i] - (unsigned)'0';

        if (digit > 9 || magnitude > (limit - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    *out = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    return true;
}

bool json_to_integer(struct slice value, int64_t *out)
{
    double number;

    if (plain_integer(value, out)) {
        return true;
    }
    /* 1.0 and 1e3 are integers too, as long as a double is exact about it. */
    if (!json_to_double(value, &number) || number != floor(number) ||
        fabs(number) > (double)(INT64_C(1) << EXACT_DOUBLE_BITS)) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

bool json_to_double(struct slice value, double *out)
{
    char text[NUMBER_TEXT_MAX];
    char *copy = text;
    double number;

    if (json_type(value) != JSON_NUMBER) {
        return false;
    }
    if (value.length >= sizeof(text)) {
        copy = memory_copy_string(value.data, value.length);
    } else {
        memcpy(text, value.data, value.length);
        text[value.length] = '\0';
    }
    number = strtod(copy, NULL);
    if (copy != text) {
        free(copy);
    }
    if (!isfinite(number)) {
        return false;
    }
    *out = number;
    return true;
}

bool json_to_boolean(struct slice value, bool *out)
{
    enum json_type type = json_type(value);

    if (type != JSON_TRUE && type != JSON_FALSE) {
        return false;
    }
    *out = type == JSON_TRUE;
    return true;
}
