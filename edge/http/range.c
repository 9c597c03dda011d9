#include "edge/http/range.h"

#include <strings.h>

/* Digits at the front of text; -1 when there are none or too many. */
static int64_t take_number(struct slice *text)
{
    int64_t number = 0;
    size_t at = 0;

    while (at < text->length && text->data[at] >= '0' && text->data[at] <= '9') {
        if (at == HTTP_RANGE_DIGITS_MAX) {
            return -1;
        }
        number = number * 10 + (text->data[at++] - '0');
    }
    *text = slice_of(text->data + at, text->length - at);
    return at == 0 ? -1 : number;
}

enum http_range_verdict http_range_parse(struct slice header, uint64_t size, uint64_t *first,
                                         uint64_t *length)
{
    static const char unit[] = "bytes=";
    const size_t unit_length = sizeof(unit) - 1;

    if (header.length <= unit_length || strncasecmp(header.data, unit, unit_length) != 0) {
        return HTTP_RANGE_NONE;
    }
    struct slice text = slice_of(header.data + unit_length, header.length - unit_length);
    int64_t from = take_number(&text);
    if (text.length == 0 || *text.data != '-') {
        return HTTP_RANGE_NONE;
    }
    text = slice_of(text.data + 1, text.length - 1);
    const bool is_open = text.length == 0;
    int64_t to = is_open ? -1 : take_number(&text);
    if (text.length > 0 || (!is_open && to < 0) || (is_open && from < 0)) {
        return HTTP_RANGE_NONE;
    }

    if (from < 0) { /* the last `to` bytes */
        if (to == 0 || size == 0) {
            return HTTP_RANGE_UNSATISFIABLE;
        }
        *length = (uint64_t)to < size ? (uint64_t)to : size;
        *first = size - *length;
        return HTTP_RANGE_PART;
    }
    if (!is_open && to < from) {
        return HTTP_RANGE_NONE;
    }
    if ((uint64_t)from >= size) {
        return HTTP_RANGE_UNSATISFIABLE;
    }
    uint64_t last = is_open || (uint64_t)to >= size ? size - 1 : (uint64_t)to;
    *first = (uint64_t)from;
    *length = last - *first + 1;
    return HTTP_RANGE_PART;
}
