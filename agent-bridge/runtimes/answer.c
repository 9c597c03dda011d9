#include "agent-bridge/runtimes/answer.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

void answer_deinit(struct answer *answer)
{
    buffer_deinit(&answer->text);
}

static bool is_any_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Whether the inside of a JSON string ends with the escape of a pair's first half. */
static bool ends_with_half(struct slice inside)
{
    if (inside.length < ANSWER_ESCAPE) {
        return false;
    }
    const char *escape = inside.data + inside.length - ANSWER_ESCAPE;
    size_t backslashes = 0; /* an even number before it: it is an escape of its own */
    while (escape - backslashes > inside.data && *(escape - backslashes - 1) == '\\') {
        backslashes++;
    }
    return backslashes % 2 == 0 && escape[0] == '\\' && escape[1] == 'u' &&
           is_any_of(escape[2], "dD") && is_any_of(escape[3], "89abAB");
}

static int append(struct answer *answer, struct slice text, struct slice *added)
{
    if (text.length > ANSWER_MAX - answer->text.length) {
        return ERROR_TOO_LARGE;
    }
    if (text.length > 0) {
        buffer_append_slice(&answer->text, text);
        *added = slice_of(answer->text.data + answer->text.length - text.length, text.length);
    }
    return 0;
}

int answer_add(struct answer *answer, struct slice value, struct arena *scratch,
               struct slice *added)
{
    struct slice inside = slice_of(value.data + 1, value.length - 2);
    size_t pending = answer->pending_length;
    *added = SLICE_EMPTY;
    if (inside.length == 0) {
        return 0;
    }
    if (pending == 0 && !ends_with_half(inside)) {
        return append(answer, json_decode_string(value, scratch), added);
    }
    char *joined = arena_allocate(scratch, pending + inside.length + 2);
    memcpy(joined + 1, answer->pending, pending);
    memcpy(joined + 1 + pending, inside.data, inside.length);
    size_t length = pending + inside.length;
    answer->pending_length = 0;
    if (ends_with_half(slice_of(joined + 1, length))) {
        length -= ANSWER_ESCAPE;
        memcpy(answer->pending, joined + 1 + length, ANSWER_ESCAPE);
        answer->pending_length = ANSWER_ESCAPE;
    }
    joined[0] = '"';
    joined[1 + length] = '"';
    return append(answer, json_decode_string(slice_of(joined, length + 2), scratch), added);
}

int answer_complete(struct answer *answer, struct slice whole, struct slice *added)
{
    size_t length = answer->text.length;
    *added = SLICE_EMPTY;
    if (whole.length <= length ||
        !slice_equals(slice_of(whole.data, length), buffer_slice(&answer->text))) {
        return 0;
    }
    answer->pending_length = 0; /* it is in what follows */
    return append(answer, slice_of(whole.data + length, whole.length - length), added);
}

int answer_finish(struct answer *answer, struct slice *added)
{
    *added = SLICE_EMPTY;
    if (answer->pending_length == 0) {
        return 0;
    }
    answer->pending_length = 0;
    return append(answer, SLICE_LITERAL(REPLACEMENT), added);
}

struct slice answer_next_piece(struct slice *text)
{
    size_t length = text->length;
    if (length > ANSWER_PIECE_MAX) {
        length = ANSWER_PIECE_MAX;
        while (length > 1 && utf8_is_continuation((unsigned char)text->data[length])) {
            length--;
        }
    }
    struct slice piece = slice_of(text->data, length);
    *text = slice_of(text->data + length, text->length - length);
    return piece;
}
