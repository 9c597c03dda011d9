#include "proto/wire/sse.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

/* A field of one line: what would end it, or void it (NUL in an id), is left out. */
static void write_field(struct buffer *out, const char *name, struct slice value)
{
    buffer_append_string(out, name);
    buffer_append_string(out, ": ");
    for (size_t i = 0; i < value.length; i++) {
        if (!is_line_end(value.data[i]) && value.data[i] != '\0') {
            buffer_append_char(out, value.data[i]);
        }
    }
    buffer_append_char(out, '\n');
}

void sse_write_event(struct buffer *out, const char *event, struct slice id, struct slice data)
{
    size_t start = 0;

    if (event != NULL) {
        write_field(out, "event", slice_of_string(event));
    }
    /* CR, LF and CRLF all end a line there. */
    for (size_t i = 0; i <= data.length; i++) {
        if (i < data.length && !is_line_end(data.data[i])) {
            continue;
        }
        buffer_append_string(out, "data: ");
        buffer_append_slice(out, slice_of(data.length == 0 ? NULL : data.data + start, i - start));
        buffer_append_char(out, '\n');
        if (i + 1 < data.length && data.data[i] == '\r' && data.data[i + 1] == '\n') {
            i++;
        }
        start = i + 1;
    }
    if (id.length > 0) {
        write_field(out, "id", id);
    }
    buffer_append_char(out, '\n');
}

void sse_write_comment(struct buffer *out, const char *text)
{
    write_field(out, "", slice_of_string(text)); /* a field without a name */
    buffer_append_char(out, '\n');
}
