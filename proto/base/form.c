#include "proto/base/form.h"

#include "proto/base/hex.h"
#include "proto/base/json.h"

int form_escaped_byte(struct slice text)
{
    int high;
    int low;

    if (text.length < 3 || text.data[0] != '%') {
        return -1;
    }
    high = hex_value(text.data[1]);
    low = hex_value(text.data[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static struct slice decode(struct slice text, struct arena *arena)
{
    size_t length = 0;
    char *out;

    if (text.length == 0 || (memchr(text.data, '%', text.length) == NULL &&
                             memchr(text.data, '+', text.length) == NULL)) {
        return text;
    }
    out = arena_allocate(arena, text.length);
    for (size_t i = 0; i < text.length; i++) {
        int byte = form_escaped_byte(slice_of(text.data + i, text.length - i));

        if (byte >= 0) {
            i += 2;
        } else {
            byte = text.data[i] == '+' ? ' ' : (unsigned char)text.data[i];
        }
        out[length++] = (char)byte;
    }
    return slice_of(out, length);
}

bool form_next(struct slice *rest, struct arena *arena, struct slice *name, struct slice *value)
{
    const char *start = rest->data;
    const char *ampersand;
    const char *equals;
    size_t length;
    size_t name_length;

    if (rest->length == 0) {
        return false;
    }
    ampersand = memchr(start, '&', rest->length);
    length = ampersand == NULL ? rest->length : (size_t)(ampersand - start);
    equals = memchr(start, '=', length);
    name_length = equals == NULL ? length : (size_t)(equals - start);
    *name = decode(slice_of(start, name_length), arena);
    *value = equals == NULL ? SLICE_EMPTY
                            : decode(slice_of(equals + 1, length - name_length - 1), arena);
    *rest = ampersand == NULL ? SLICE_EMPTY : slice_of(ampersand + 1, rest->length - length - 1);
    return true;
}

void form_write_json(struct slice pairs, struct arena *arena, struct buffer *out)
{
    struct slice name;
    struct slice value;
    bool is_first = true;

    buffer_append_char(out, '{');
    while (form_next(&pairs, arena, &name, &value)) {
        if (name.length == 0 && value.length == 0) {
            continue; /* between two '&' */
        }
        if (!is_first) {
            buffer_append_char(out, ',');
        }
        is_first = false;
        json_write_string(out, name);
        buffer_append_char(out, ':');
        json_write_string(out, value);
    }
    buffer_append_char(out, '}');
}
