/*
 * Fuzzes the stream extractors. The first byte names one, the second says how the rest is cut: what
 * is shown is UTF-8, comes from the input, and does not depend on where characters were cut; a
 * reset makes all as new.
 */
#include <stdint.h>

#include "agent-bridge/extract/lines.h"
#include "agent-bridge/extract/stream.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        __builtin_trap();
    }
}

static size_t characters(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = text.length == 0 ? at : at + text.length;
    size_t count = 0;
    while (at < end) {
        size_t length = utf8_length(at, end);
        expect(length > 0);
        at += length;
        count++;
    }
    return count;
}

static void show_all(struct extract_stream *stream, struct slice text, size_t step,
                     struct buffer *out)
{
    while (text.length > 0) {
        size_t length = step < text.length ? step : text.length;
        expect(extract_stream_push(stream, slice_of(text.data, length), out) == 0);
        text = slice_of(text.data + length, text.length - length);
    }
    extract_stream_flush(stream, out);
    expect(characters(buffer_slice(out)) <= out->length);
}

/* Lines of any bytes: one JSON object each, nothing else. */
static void answer_lines(struct slice name, struct slice line)
{
    struct extractor *extractor = extractor_new(name);
    struct buffer out = BUFFER_EMPTY;
    struct slice value;
    extract_answer_line(extractor, line, &out);
    expect(json_scan(buffer_slice(&out), 2, &value) == 0 && json_type(value) == JSON_OBJECT);
    expect(memchr(out.data, '\n', out.length) == out.data + out.length - 1);
    buffer_deinit(&out);
    extractor_destroy(&extractor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"passthrough", "xml-tag:text", "response", "action-filter"};
    enum { NAMES = sizeof(names) / sizeof(names[0]), SIZE_MAX_HERE = 1 << 16 };
    if (size < 2 || size > SIZE_MAX_HERE) {
        return 0;
    }
    struct slice name = slice_of_string(names[data[0] % NAMES]);
    struct slice text = {(const char *)data + 2, size - 2};
    struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    struct extract_stream *stream = extract_stream_new(name);
    show_all(stream, text, (size_t)data[1] + 1, &first);
    extract_stream_reset(stream);
    show_all(stream, text, (size_t)data[1] + 1, &second);
    expect(slice_equals(buffer_slice(&first), buffer_slice(&second)));
    if (data[0] % NAMES == 0) {
        buffer_clear(&second);
        extract_stream_reset(stream);
        show_all(stream, text, 1, &second);
        expect(characters(buffer_slice(&second)) == characters(buffer_slice(&first)));
        expect(slice_equals(buffer_slice(&first), buffer_slice(&second)));
    }
    answer_lines(name, text);
    extract_stream_destroy(&stream);
    buffer_deinit(&first);
    buffer_deinit(&second);
    return 0;
}
