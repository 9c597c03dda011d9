#include "edge/jsonp.h"

#include "proto/base/form.h"
#include "proto/base/json.h"

struct jsonp jsonp_of(struct slice j)
{
    struct jsonp jsonp = {.is_asked = true};
    size_t length = 0;

    for (size_t i = 0; i < j.length && length < JSONP_INDEX_MAX; i++) {
        if (j.data[i] >= '0' && j.data[i] <= '9') {
            jsonp.index[length++] = j.data[i];
        }
    }
    return jsonp;
}

/* JSON in which two characters are escaped that end a line in older scripts. */
static void append_script_string(struct buffer *out, struct slice text)
{
    struct buffer json = BUFFER_EMPTY;
    size_t copied = 0;

    json_write_string(&json, text);
    for (size_t i = 0; i + 2 < json.length; i++) {
        bool ends_line = memcmp(json.data + i, "\xe2\x80\xa8", 3) == 0 ||
                         memcmp(json.data + i, "\xe2\x80\xa9", 3) == 0;

        if (!ends_line) {
            continue;
        }
        buffer_append(out, json.data + copied, i - copied);
        buffer_append_string(out, json.data[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
        copied = i + 3;
    }
    buffer_append(out, json.data + copied, json.length - copied);
    buffer_deinit(&json);
}

void jsonp_wrap(const struct jsonp *jsonp, struct slice payload, struct buffer *out)
{
    buffer_append_string(out, "___eio[");
    buffer_append_string(out, jsonp->index);
    buffer_append_string(out, "](");
    append_script_string(out, payload);
    buffer_append_string(out, ");");
}

/* Forms mangle line ends, so clients write them as \n, and what was \n already as \\n. */
static struct slice restore_line_ends(struct slice text, struct arena *arena)
{
    char *out = arena_allocate(arena, text.length + 1);
    size_t length = 0;
    size_t i = 0;

    while (i < text.length) {
        size_t left = text.length - i;

        if (left >= 3 && memcmp(text.data + i, "\\\\n", 3) == 0) {
            out[length++] = '\\';
            out[length++] = 'n';
            i += 3;
        } else if (left >= 2 && memcmp(text.data + i, "\\n", 2) == 0) {
            out[length++] = '\n';
            i += 2;
        } else {
            out[length++] = text.data[i++];
        }
    }
    return slice_of(out, length);
}

struct slice jsonp_unwrap(struct slice form, struct arena *arena)
{
    struct slice name;
    struct slice value;

    while (form_next(&form, arena, &name, &value)) {
        if (slice_is(name, "d")) {
            return restore_line_ends(value, arena);
        }
    }
    return SLICE_EMPTY;
}
