/*
 * The reader of event streams, fed in pieces of a size that the input's first byte chooses: the
 * events are those of the whole fed at once, whatever the bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/sse_reader.h"

enum { EVENT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_in_pieces(struct slice text, size_t piece, struct buffer *out)
{
    struct sse_reader reader;
    struct sse_event event;
    int result = 0;
    sse_reader_init(&reader, EVENT_MAX);
    for (size_t at = 0; at < text.length && result >= 0; at += piece) {
        size_t length = text.length - at < piece ? text.length - at : piece;
        struct slice input = slice_of(text.data + at, length);
        while ((result = sse_reader_next(&reader, &input, &event)) > 0) {
            buffer_append_slice(out, event.name);
            buffer_append_char(out, '|');
            buffer_append_slice(out, event.data);
            buffer_append_char(out, ';');
        }
    }
    sse_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole = BUFFER_EMPTY, pieces = BUFFER_EMPTY;
    if (size > 1) {
        struct slice text = slice_of((const char *)data + 1, size - 1);
        read_in_pieces(text, text.length, &whole);
        read_in_pieces(text, (size_t)data[0] + 1, &pieces);
        assert(slice_equals(buffer_slice(&whole), buffer_slice(&pieces)));
    }
    buffer_deinit(&whole);
    buffer_deinit(&pieces);
    return 0;
}
