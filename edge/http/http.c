#include "edge/http/http.h"

#include <strings.h>

#include "proto/base/form.h"

struct slice http_request_header(const struct http_request *request, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (header->name.length == length && strncasecmp(header->name.data, name, length) == 0) {
            return header->value;
        }
    }
    return SLICE_EMPTY;
}

bool http_query_get(struct slice query, const char *name, struct arena *arena, struct slice *value)
{
    struct slice found;

    while (form_next(&query, arena, &found, value)) {
        if (slice_is(found, name)) {
            return true;
        }
    }
    return false;
}

static bool decode_segment(struct slice text, struct arena *arena, struct slice *segment)
{
    *segment = text;
    if (text.length == 0 || memchr(text.data, '%', text.length) == NULL) {
        return true;
    }
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        int byte = (unsigned char)text.data[i];

        if (byte == '%') {
            byte = form_escaped_byte(slice_of(text.data + i, text.length - i));
            if (byte <= 0) {
                return false;
            }
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

    if (path.length == 0 || path.data[0] != '/') {
        return -1;
    }
    while (at < path.length) {
        const char *start = path.data + at;
        const char *slash = memchr(start, '/', path.length - at);
        size_t length = slash == NULL ? path.length - at : (size_t)(slash - start);

        if (count == HTTP_PATH_SEGMENTS_MAX ||
            !decode_segment(slice_of(start, length), arena, &segments[count])) {
            return -1;
        }
        count++;
        at += length + 1;
    }
    return count;
}
