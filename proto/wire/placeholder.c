#include "proto/wire/placeholder.h"

#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/json_text.h"
#include "proto/base/memory.h"

#define CANONICAL_HEAD "{\"_placeholder\":true,\"num\":"

enum member { MEMBER_OTHER, MEMBER_PLACEHOLDER, MEMBER_NUMBER };

/* An object or array that has begun. */
struct level {
    size_t start; /* where its copy starts in the output */
    uint64_t number;
    bool is_object : 1;
    bool is_placeholder : 1;
    bool has_number : 1;
    bool expects_key : 1;
    uint8_t member; /* enum member: whose value comes next */
};

struct walk {
    placeholder_write *write;
    void *context;
    struct buffer *out;
    const char *copied; /* the input is copied up to here */
    struct level *levels;
    size_t depth;
    size_t capacity;
};

static struct level *top(struct walk *walk)
{
    return walk->depth == 0 ? NULL : &walk->levels[walk->depth - 1];
}

static void take_key(struct level *level, struct slice key)
{
    level->expects_key = false;
    level->member = json_string_is(key, "_placeholder") ? MEMBER_PLACEHOLDER
                    : json_string_is(key, "num")        ? MEMBER_NUMBER
                                                        : MEMBER_OTHER;
}

/* A value, or the first character of one that holds others. Of equal members the last counts. */
static void take_value(struct level *level, struct slice value)
{
    int64_t number;

    if (level == NULL || level->member == MEMBER_OTHER) {
        return;
    }
    if (level->member == MEMBER_PLACEHOLDER) {
        level->is_placeholder = slice_is(value, "true");
    } else {
        level->has_number = json_to_integer(value, &number) && number >= 0;
        level->number = level->has_number ? (uint64_t)number : 0;
    }
    level->member = MEMBER_OTHER;
}

static void open(struct walk *walk, const char *at)
{
    take_value(top(walk), slice_of(at, 1));
    if (walk->depth == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 16 : walk->capacity * 2;
        walk->levels = memory_reallocate(walk->levels, walk->capacity * sizeof(*walk->levels));
    }
    walk->levels[walk->depth++] =
        (struct level){.start = walk->out->length + (size_t)(at - walk->copied),
                       .is_object = *at == '{',
                       .expects_key = *at == '{'};
}

/* `at` is the closing bracket. */
static int close(struct walk *walk, const char *at)
{
    struct level level = walk->levels[--walk->depth];
    struct buffer *out = walk->out;

    if (!level.is_placeholder) {
        return 0;
    }
    if (!level.has_number) {
        return ERROR_MALFORMED;
    }
    if (level.start > out->length) {
        buffer_append(out, walk->copied, level.start - out->length);
    }
    out->length = level.start; /* of what was inside, nothing is left */
    walk->copied = at + 1;
    return walk->write(walk->context, level.number, out) ? 0 : ERROR_MALFORMED;
}

static int walk_value(struct walk *walk, const char *at, const char *end)
{
    int error = 0;

    while (at < end && error == 0) {
        struct level *level = top(walk);
        const char *start = at;

        switch (*at) {
        case '{':
        case '[':
            open(walk, at++);
            break;
        case '}':
        case ']':
            error = close(walk, at++);
            break;
        case ',':
            level->expects_key = level->is_object;
            at++;
            break;
        case '"':
            at = json_text_string_end(at, end);
            if (level != NULL && level->expects_key) {
                take_key(level, slice_of(start, (size_t)(at - start)));
            } else {
                take_value(level, slice_of(start, (size_t)(at - start)));
            }
            break;
        case ':':
        case ' ':
        case '\t':
        case '\n':
        case '\r':
            at++;
            break;
        default:
            at = json_text_scalar_end(at, end);
            take_value(level, slice_of(start, (size_t)(at - start)));
            break;
        }
    }
    return error;
}

int placeholders_replace(struct slice json, placeholder_write *write, void *context,
                         struct buffer *out)
{
    struct walk walk = {.write = write, .context = context, .out = out, .copied = json.data};
    const char *end;
    int error;

    if (json.length == 0) {
        return 0;
    }
    end = json.data + json.length;
    error = walk_value(&walk, json.data, end);
    if (error == 0 && walk.copied < end) {
        buffer_append(out, walk.copied, (size_t)(end - walk.copied));
    }
    free(walk.levels);
    return error;
}

void placeholder_append(struct buffer *out, uint64_t number)
{
    buffer_append_string(out, CANONICAL_HEAD);
    buffer_append_unsigned(out, number);
    buffer_append_char(out, '}');
}

bool placeholder_take(const char **at, const char *end, uint64_t *number)
{
    const size_t head = sizeof(CANONICAL_HEAD) - 1;
    const char *place = *at;

    if ((size_t)(end - place) < head || memcmp(place, CANONICAL_HEAD, head) != 0) {
        return false;
    }
    place += head;
    *number = 0;
    if (place == end || *place == '}') {
        return false;
    }
    while (place < end && *place >= '0' && *place <= '9' && *number < UINT32_MAX) {
        *number = *number * 10 + (uint64_t)(*place++ - '0');
    }
    if (place == end || *place != '}') {
        return false;
    }
    *at = place + 1;
    return true;
}
