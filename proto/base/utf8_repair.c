#include "proto/base/utf8_repair.h"

#include <string.h>

#include "proto/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"
enum { REPLACEMENT_LENGTH = sizeof(REPLACEMENT) - 1 };

static size_t count_bad(const unsigned char *at, const unsigned char *end)
{
    size_t bad = 0;
    while (at < end) {
        size_t length = utf8_length(at, end);
        bad += length == 0;
        at += length == 0 ? 1 : length;
    }
    return bad;
}

struct slice utf8_repair(struct slice bytes, struct arena *arena)
{
    if (bytes.length == 0) {
        return bytes;
    }
    const unsigned char *at = (const unsigned char *)bytes.data;
    const unsigned char *end = at + bytes.length;
    size_t bad = count_bad(at, end);
    if (bad == 0) {
        return bytes;
    }
    char *copy = arena_allocate(arena, bytes.length + bad * (REPLACEMENT_LENGTH - 1));
    size_t used = 0;
    while (at < end) {
        size_t length = utf8_length(at, end);
        if (length == 0) {
            memcpy(copy + used, REPLACEMENT, REPLACEMENT_LENGTH);
            used += REPLACEMENT_LENGTH;
            at++;
        } else {
            memcpy(copy + used, at, length);
            used += length;
            at += length;
        }
    }
    return slice_of(copy, used);
}
