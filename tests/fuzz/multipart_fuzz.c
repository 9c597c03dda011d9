/*
 * Fuzzes the parser of forms: the first line is the Content-Type, the rest the body. What it says
 * does not depend on the pieces in which the body comes.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "edge/media/multipart.h"
#include "proto/base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that the parser says, in one text. */
static void read_form(struct slice type, struct slice body, size_t step, struct buffer *out)
{
    struct multipart multipart;

    if (!multipart_init(&multipart, type)) {
        return;
    }
    for (size_t at = 0; at < body.length; at += step) {
        struct slice input =
            slice_of(body.data + at, body.length - at < step ? body.length - at : step);
        enum multipart_event event;

        while ((event = multipart_next(&multipart, &input)) != MULTIPART_MORE) {
            if (event == MULTIPART_DATA) {
                assert(multipart.data.length > 0);
                buffer_append_slice(out, multipart.data);
                continue;
            }
            buffer_append_char(out, (char)event);
            if (event == MULTIPART_PART) {
                buffer_append_slice(out, multipart.part.name);
                buffer_append_slice(out, multipart.part.filename);
                buffer_append_slice(out, multipart.part.content_type);
            }
            if (event == MULTIPART_MALFORMED) {
                return;
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    struct buffer whole = BUFFER_EMPTY, pieces = BUFFER_EMPTY;

    if (end == NULL) {
        return 0;
    }
    struct slice type = slice_of((const char *)data, (size_t)(end - data));
    struct slice body = slice_of((const char *)end + 1, size - type.length - 1);
    read_form(type, body, body.length + 1, &whole);
    read_form(type, body, 1, &pieces);
    assert(slice_equals(buffer_slice(&whole), buffer_slice(&pieces)));
    buffer_deinit(&whole);
    buffer_deinit(&pieces);
    return 0;
}
