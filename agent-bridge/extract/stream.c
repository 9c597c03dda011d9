#include "agent-bridge/extract/stream.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "proto/base/utf8.h"

enum { CUT_MAX = 3 }; /* bytes of a character that is not whole */

struct extract_stream {
    struct extractor *extractor; /* owns */
    char cut[CUT_MAX];           /* the beginning of a character */
    size_t cut_length;
    struct units chunk; /* scratch */
    struct units shown; /* scratch; what stays in it is half a pair */
};

struct extract_stream *extract_stream_new(struct slice name)
{
    struct extractor *extractor = extractor_new(name);
    struct extract_stream *stream = NULL;
    if (extractor != NULL) {
        stream = memory_allocate_zeroed(sizeof(*stream));
        stream->extractor = extractor;
    }
    return stream;
}

void extract_stream_destroy(struct extract_stream **stream)
{
    struct extract_stream *self = *stream;
    if (self != NULL) {
        extractor_destroy(&self->extractor);
        units_deinit(&self->chunk);
        units_deinit(&self->shown);
        free(self);
        *stream = NULL;
    }
}

/* Bytes at the end of `bytes` that more bytes may make a character of. */
static size_t unfinished(struct slice bytes)
{
    static const char completion[CUT_MAX] = {'\x80', '\x80', '\x80'};
    for (size_t length = 1; length <= CUT_MAX && length <= bytes.length; length++) {
        const unsigned char *first = (const unsigned char *)bytes.data + bytes.length - length;
        size_t whole = *first >= 0xf0 ? 4 : *first >= 0xe0 ? 3 : *first >= 0xc0 ? 2 : 1;
        if (utf8_is_continuation(*first)) {
            continue;
        }
        /* Any second byte that is there must fit; where none is, one can be found that does. */
        unsigned char tried[CUT_MAX + 1];
        memcpy(tried, first, length);
        memcpy(tried + length, completion, whole > length ? whole - length : 0);
        if (length == 1 && (*first == 0xe0 || *first == 0xf0)) {
            tried[1] = 0xa0;
        }
        return whole > length && utf8_length(tried, tried + whole) == whole ? length : 0;
    }
    return 0;
}

/* Moves what was shown out, but the first half of a pair only when nothing can follow. */
static void give(struct extract_stream *stream, bool is_end, struct buffer *out)
{
    struct units *shown = &stream->shown;
    size_t length = shown->length;
    if (!is_end && length > 0 && unit_is_high_surrogate(shown->data[length - 1])) {
        length--;
    }
    if (length > 0) {
        units_write_utf8(shown->data, shown->data + length, out);
        units_consume(shown, length);
    }
}

int extract_stream_push(struct extract_stream *stream, struct slice bytes, struct buffer *out)
{
    struct buffer joined = BUFFER_EMPTY;
    if (stream->cut_length > 0) {
        buffer_append(&joined, stream->cut, stream->cut_length);
        buffer_append_slice(&joined, bytes);
        bytes = buffer_slice(&joined);
    }
    size_t cut = unfinished(bytes);
    stream->chunk.length = 0;
    units_append_utf8(&stream->chunk, slice_of(bytes.data, bytes.length - cut));
    int error =
        extractor_push(stream->extractor, stream->chunk.data, stream->chunk.length, &stream->shown);
    if (error == 0) {
        if (cut > 0) {
            memcpy(stream->cut, bytes.data + bytes.length - cut, cut);
        }
        stream->cut_length = cut;
        give(stream, false, out);
    }
    buffer_deinit(&joined);
    return error;
}

void extract_stream_flush(struct extract_stream *stream, struct buffer *out)
{
    if (stream->cut_length > 0) {
        uint16_t replacement = 0xfffd;
        stream->cut_length = 0;
        extractor_push(stream->extractor, &replacement, 1, &stream->shown);
    }
    extractor_flush(stream->extractor, &stream->shown);
    give(stream, true, out);
}

void extract_stream_reset(struct extract_stream *stream)
{
    extractor_reset(stream->extractor);
    stream->cut_length = 0;
    stream->shown.length = 0;
}

bool extract_stream_is_done(const struct extract_stream *stream)
{
    return extractor_is_done(stream->extractor);
}
