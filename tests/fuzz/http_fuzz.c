/*
 * Fuzzes the two parsers of HTTP: a verdict never depends on how the bytes are cut, what is refused
 * stays refused, and a complete head ends at the same byte whatever follows it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "edge/http/framing.h"
#include "edge/http/head.h"

enum { BODY_LIMIT = 1000, CUTS_MAX = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Long inputs are cut here and there, so that none of them takes long. */
static size_t first_cut(const char *bytes, size_t length)
{
    size_t step = length / CUTS_MAX + 1;

    return length == 0 ? 0 : (unsigned char)bytes[length - 1] % step;
}

static size_t next_cut(size_t cut, size_t length)
{
    return cut + length / CUTS_MAX + 1;
}

static void check_head(const char *bytes, size_t length)
{
    struct http_head whole;
    struct http_head part;
    enum http_head_verdict verdict = http_head_check(bytes, length, &whole);

    for (size_t cut = first_cut(bytes, length); cut < length; cut = next_cut(cut, length)) {
        enum http_head_verdict early = http_head_check(bytes, cut, &part);

        if (verdict == HTTP_HEAD_COMPLETE) {
            assert(early == (cut < whole.length ? HTTP_HEAD_INCOMPLETE : HTTP_HEAD_COMPLETE));
        } else {
            assert(early == HTTP_HEAD_INCOMPLETE || early == verdict);
        }
        assert(early != HTTP_HEAD_REFUSED || part.status == whole.status);
        assert(early != HTTP_HEAD_COMPLETE || part.length == whole.length);
    }
}

struct outcome {
    enum http_framing_verdict verdict;
    struct buffer body;
    size_t used;
};

static struct outcome frame(const struct http_head *head, const char *bytes, size_t length,
                            size_t cut)
{
    struct outcome outcome = {.verdict = HTTP_FRAMING_MORE, .body = BUFFER_EMPTY};
    struct http_framing framing;
    size_t used;

    http_framing_init(&framing, head);
    outcome.verdict =
        http_framing_take(&framing, slice_of(bytes, cut), BODY_LIMIT, &outcome.body, &outcome.used);
    if (outcome.verdict == HTTP_FRAMING_MORE) {
        outcome.verdict = http_framing_take(&framing, slice_of(bytes + cut, length - cut),
                                            BODY_LIMIT, &outcome.body, &used);
        outcome.used += used;
    }
    return outcome;
}

static void check_framing(const struct http_head *head, const char *bytes, size_t length)
{
    struct outcome whole = frame(head, bytes, length, length);

    assert(whole.body.length <= BODY_LIMIT && whole.used <= length);
    for (size_t cut = first_cut(bytes, length); cut < length; cut = next_cut(cut, length)) {
        struct outcome parts = frame(head, bytes, length, cut);

        assert(parts.verdict == whole.verdict && parts.used == whole.used);
        assert(slice_equals(buffer_slice(&parts.body), buffer_slice(&whole.body)));
        buffer_deinit(&parts.body);
    }
    buffer_deinit(&whole.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_head chunked = {.is_chunked = true};
    const struct http_head sized = {.content_length = size / 2};
    char *bytes = malloc(size == 0 ? 1 : size); /* of exactly that size, so that ASan sees more */

    if (size > 0) {
        memcpy(bytes, data, size);
    }
    check_head(bytes, size);
    check_framing(&chunked, bytes, size);
    check_framing(&sized, bytes, size);
    free(bytes);
    return 0;
}
