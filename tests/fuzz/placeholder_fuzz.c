/*
 * Fuzzes placeholders in JSON of any shape, and the body that is made with them: what is replaced
 * is JSON, the canonical form is a fixed point, and a body reads back as it was written.
 */
#include <stdint.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/placeholder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 3 };
static const struct slice binaries[COUNT] = {{"zero", 4}, {"", 0}, {"\0two", 4}};

static bool keep(void *context, uint64_t number, struct buffer *out)
{
    (void)context;
    placeholder_append(out, number);
    return number < COUNT;
}

static void expect(bool holds)
{
    if (!holds) {
        __builtin_trap();
    }
}

static void check_body(struct slice metadata)
{
    struct chat_send send = {.room = SLICE_LITERAL("r"),
                             .text = SLICE_LITERAL("t"),
                             .raw_metadata = metadata,
                             .binaries = binaries,
                             .binary_count = COUNT};
    struct buffer body = BUFFER_EMPTY, shown = BUFFER_EMPTY;
    struct chat_body parts;
    struct slice value;
    chat_write_body(&send, SLICE_LITERAL("me"), &body);
    chat_read_body(buffer_slice(&body), &parts);
    expect(parts.count <= CHAT_BINARIES_MAX);
    chat_show_body(buffer_slice(&body), &shown);
    expect(json_scan(buffer_slice(&shown), JSON_MAX_DEPTH + 1, &value) == 0);
    buffer_deinit(&body);
    buffer_deinit(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once = BUFFER_EMPTY, twice = BUFFER_EMPTY;
    struct slice value, again;
    if (json_scan((struct slice){(const char *)data, size}, JSON_MAX_DEPTH, &value) != 0) {
        return 0;
    }
    if (placeholders_replace(value, keep, NULL, &once) == 0) {
        expect(json_scan(buffer_slice(&once), JSON_MAX_DEPTH, &again) == 0);
        expect(placeholders_replace(again, keep, NULL, &twice) == 0);
        expect(slice_equals(buffer_slice(&once), buffer_slice(&twice)));
    }
    if (json_type(value) == JSON_OBJECT) {
        check_body(value);
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
