#include "proto/wire/sse_reader.h"

#include "proto/base/error.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void sse_reader_init(struct sse_reader *reader, size_t event_max)
{
    *reader = (struct sse_reader){.event_max = event_max};
}

void sse_reader_deinit(struct sse_reader *reader)
{
    buffer_deinit(&reader->line);
    buffer_deinit(&reader->event);
    buffer_deinit(&reader->data);
}

static void begin_event(struct sse_reader *reader)
{
    buffer_clear(&reader->event);
    buffer_clear(&reader->data);
    reader->has_data = false;
    reader->is_given = false;
    reader->size = 0;
}

/* True: the line ends an event. */
static bool take_line(struct sse_reader *reader, struct slice line)
{
    struct slice mark = SLICE_LITERAL(BYTE_ORDER_MARK);
    if (!reader->is_after_bom && line.length >= mark.length &&
        slice_equals(slice_of(line.data, mark.length), mark)) {
        line = slice_of(line.data + mark.length, line.length - mark.length);
    }
    reader->is_after_bom = true;
    if (line.length == 0) {
        if (reader->has_data) {
            return true;
        }
        begin_event(reader);
        return false;
    }
    const char *colon = memchr(line.data, ':', line.length);
    struct slice name = line, value = SLICE_EMPTY;
    if (colon != NULL) {
        name.length = (size_t)(colon - line.data);
        value = slice_of(colon + 1, line.length - name.length - 1);
        if (value.length > 0 && value.data[0] == ' ') {
            value = slice_of(value.data + 1, value.length - 1);
        }
    }
    if (slice_is(name, "data")) {
        if (reader->has_data) {
            buffer_append_char(&reader->data, '\n');
        }
        buffer_append_slice(&reader->data, value);
        reader->has_data = true;
    } else if (slice_is(name, "event")) {
        buffer_clear(&reader->event);
        buffer_append_slice(&reader->event, value);
    }
    return false;
}

/* Bytes up to the end of the first line in the input; the whole input when none ends there. */
static size_t line_length(struct slice input)
{
    size_t length = 0;
    while (length < input.length && input.data[length] != '\n' && input.data[length] != '\r') {
        length++;
    }
    return length;
}

static void skip(struct slice *input, size_t length)
{
    *input = slice_of(input->data + length, input->length - length);
}

int sse_reader_next(struct sse_reader *reader, struct slice *input, struct sse_event *event)
{
    if (reader->is_given) {
        begin_event(reader);
    }
    while (input->length > 0) {
        if (reader->is_after_cr && input->data[0] == '\n') {
            skip(input, 1);
            reader->is_after_cr = false;
            continue;
        }
        reader->is_after_cr = false;
        size_t length = line_length(*input);
        struct slice line = slice_of(input->data, length);
        bool is_whole = length < input->length;
        reader->size += length + is_whole;
        if (reader->size > reader->event_max) {
            return ERROR_TOO_LARGE;
        }
        if (!is_whole) {
            buffer_append_slice(&reader->line, line);
            skip(input, length);
            return 0;
        }
        reader->is_after_cr = input->data[length] == '\r';
        skip(input, length + 1);
        if (reader->line.length > 0) {
            buffer_append_slice(&reader->line, line);
            line = buffer_slice(&reader->line);
        }
        bool is_end = take_line(reader, line);
        buffer_clear(&reader->line);
        if (is_end) {
            reader->is_given = true;
            event->name =
                reader->event.length > 0 ? buffer_slice(&reader->event) : SLICE_LITERAL("message");
            event->data = buffer_slice(&reader->data);
            return 1;
        }
    }
    return 0;
}
