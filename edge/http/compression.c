#include "edge/http/compression.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#include "proto/base/memory.h"

enum {
    WINDOW_BITS = 15,
    GZIP_WINDOW_BITS = WINDOW_BITS + 16, /* how zlib is told to write gzip */
    MEMORY_LEVEL = 8,
    QUALITY_MAX = 1000, /* q=1 */
};

struct compressor {
    z_stream streams[2]; /* gzip, deflate */
    bool is_ready[2];
};

/* --- what is accepted ------------------------------------------------------------------------- */

static struct slice trim(struct slice text)
{
    while (text.length > 0 && (*text.data == ' ' || *text.data == '\t')) {
        text = slice_of(text.data + 1, text.length - 1);
    }
    while (text.length > 0 && strchr(" \t", text.data[text.length - 1]) != NULL) {
        text.length--;
    }
    return text;
}

/* Thousandths; a weight that is no weight counts as none given. */
static int quality_of(struct slice parameters)
{
    int quality = 0;
    int unit = QUALITY_MAX;

    parameters = trim(parameters);
    if (parameters.length < 3 || strncasecmp(parameters.data, "q=", 2) != 0) {
        return QUALITY_MAX;
    }
    for (size_t i = 2; i < parameters.length && unit > 0; i++) {
        char c = parameters.data[i];

        if (c == '.' && i == 3) {
            continue;
        }
        if (c < '0' || c > '9') {
            return QUALITY_MAX;
        }
        quality += (c - '0') * unit;
        unit /= 10;
    }
    return quality < QUALITY_MAX ? quality : QUALITY_MAX;
}

static bool names(struct slice text, const char *name)
{
    return text.length == strlen(name) && strncasecmp(text.data, name, text.length) == 0;
}

enum content_coding content_coding_accepted(struct slice accept_encoding)
{
    int gzip = -1;
    int deflate = -1;
    int others = 0;

    while (accept_encoding.length > 0) {
        const char *comma = memchr(accept_encoding.data, ',', accept_encoding.length);
        size_t length =
            comma == NULL ? accept_encoding.length : (size_t)(comma - accept_encoding.data);
        struct slice element = slice_of(accept_encoding.data, length);
        const char *semicolon = memchr(element.data, ';', length);
        size_t name_length = semicolon == NULL ? length : (size_t)(semicolon - element.data);
        struct slice name = trim(slice_of(element.data, name_length));
        int quality = semicolon == NULL
                          ? QUALITY_MAX
                          : quality_of(slice_of(semicolon + 1, length - name_length - 1));

        if (names(name, "gzip") || names(name, "x-gzip")) {
            gzip = quality;
        } else if (names(name, "deflate")) {
            deflate = quality;
        } else if (names(name, "*")) {
            others = quality;
        }
        length += comma != NULL;
        accept_encoding = slice_of(accept_encoding.data + length, accept_encoding.length - length);
    }
    gzip = gzip < 0 ? others : gzip;
    deflate = deflate < 0 ? others : deflate;
    if (gzip > 0 && gzip >= deflate) {
        return CODING_GZIP;
    }
    return deflate > 0 ? CODING_DEFLATE : CODING_NONE;
}

const char *content_coding_name(enum content_coding coding)
{
    return coding == CODING_GZIP ? "gzip" : coding == CODING_DEFLATE ? "deflate" : "identity";
}

/* --- coding ----------------------------------------------------------------------------------- */

struct compressor *compressor_new(void)
{
    return memory_allocate_zeroed(sizeof(struct compressor));
}

void compressor_destroy(struct compressor **compressor)
{
    struct compressor *self = *compressor;

    if (self == NULL) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (self->is_ready[i]) {
            deflateEnd(&self->streams[i]);
        }
    }
    free(self);
    *compressor = NULL;
}

static z_stream *stream_for(struct compressor *self, enum content_coding coding)
{
    int index = coding == CODING_GZIP ? 0 : 1;
    z_stream *stream = &self->streams[index];
    int result;

    if (self->is_ready[index]) {
        deflateReset(stream);
        return stream;
    }
    result = deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                          coding == CODING_GZIP ? GZIP_WINDOW_BITS : WINDOW_BITS, MEMORY_LEVEL,
                          Z_DEFAULT_STRATEGY);
    if (result != Z_OK) {
        abort(); /* out of memory, as in memory.h */
    }
    self->is_ready[index] = true;
    return stream;
}

void compressor_run(struct compressor *compressor, enum content_coding coding, struct slice bytes,
                    struct buffer *out)
{
    z_stream *stream = stream_for(compressor, coding);
    size_t room = deflateBound(stream, (uLong)bytes.length);
    int result;

    assert(coding != CODING_NONE && bytes.length <= UINT_MAX && room <= UINT_MAX);
    stream->next_in = (Bytef *)(void *)(uintptr_t)bytes.data;
    stream->avail_in = (uInt)bytes.length;
    stream->next_out = (Bytef *)(void *)buffer_reserve(out, room);
    stream->avail_out = (uInt)room;
    result = deflate(stream, Z_FINISH);
    assert(result == Z_STREAM_END);
    (void)result;
    out->length += room - stream->avail_out;
}
