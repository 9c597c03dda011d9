#include "edge/http/http.h"

#include <strings.h>

struct slice http_request_header(const struct http_request *request, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (header->name.length == length && strncasecmp(header->name.data, name, length) == 0)
            return header->value;
    }
    return SLICE_EMPTY;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte a "%xx" at the front of `text` stands for, or -1. */
static int escaped_byte(const char *text, size_t length)
{
    if (length < 3 || text[0] != '%')
        return -1;
    int high = hex_value(text[1]);
    int low = hex_value(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* As application/x-www-form-urlencoded: '+' is a space, what is no escape stays as it is. */
static struct slice decode_form(struct slice text, struct arena *arena)
{
    if (text.length == 0 || (memchr(text.data, '%', text.length) == NULL &&
                             memchr(text.data, '+', text.length) == NULL))
        return text;
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        int byte = escaped_byte(text.data + i, text.length - i);

        if (byte >= 0)
            i += 2;
        else
            byte = text.data[i] == '+' ? ' ' : (unsigned char)text.data[i];
        out[length++] = (char)byte;
    }
    return slice_of(out, length);
}

bool http_query_get(struct slice query, const char *name, struct arena *arena, struct slice *value)
{
    size_t at = 0;

    while (at < query.length) {
        const char *start = query.data + at;
        const char *ampersand = memchr(start, '&', query.length - at);
        size_t length = ampersand == NULL ? query.length - at : (size_t)(ampersand - start);
        const char *equals = memchr(start, '=', length);
        size_t name_length = equals == NULL ? length : (size_t)(equals - start);

        if (slice_is(decode_form(slice_of(start, name_length), arena), name)) {
            *value = equals == NULL
                         ? SLICE_EMPTY
                         : decode_form(slice_of(equals + 1, length - name_length - 1), arena);
            return true;
        }
        at += length + 1;
    }
    return false;
}

static bool decode_segment(struct slice text, struct arena *arena, struct slice *segment)
{
    *segment = text;
    if (text.length == 0 || memchr(text.data, '%', text.length) == NULL)
        return true;
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        int byte = (unsigned char)text.data[i];

        if (byte == '%') {
            byte = escaped_byte(text.data + i, text.length - i);
            if (byte <= 0)
                return false;
            i += 2;
        }
        out[length++] = (char)byte;
    }
    *segment = slice_of(out, length);
    return true;
}

int http_path_split(struct slice path, struct arena *arena,
                    struct slice segments[HTTP_PATH_SEGMENTS_MAX])
{
    int count = 0;
    size_t at = 1;

    if (path.length == 0 || path.data[0] != '/')
        return -1;
    while (at < path.length) {
        const char *start = path.data + at;
        const char *slash = memchr(start, '/', path.length - at);
        size_t length = slash == NULL ? path.length - at : (size_t)(slash - start);

        if (count == HTTP_PATH_SEGMENTS_MAX ||
            !decode_segment(slice_of(start, length), arena, &segments[count]))
            return -1;
        count++;
        at += length + 1;
    }
    return count;
}
