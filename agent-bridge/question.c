#include "agent-bridge/question.h"

#include "proto/base/json.h"
#include "proto/wire/chat_body.h"

static struct slice decode(struct slice value, struct arena *arena)
{
    return json_type(value) == JSON_STRING ? json_decode_string(value, arena) : SLICE_EMPTY;
}

int question_read(struct slice body, struct buffer *scratch, struct arena *arena,
                  struct slice *text, struct slice *sender_name)
{
    struct slice object, raw_text = SLICE_EMPTY, raw_name = SLICE_EMPTY;
    const struct json_field fields[] = {{"text", &raw_text}, {"senderName", &raw_name}};
    size_t start = scratch->length;
    *text = SLICE_EMPTY;
    *sender_name = SLICE_EMPTY;
    buffer_append_char(scratch, '{');
    buffer_append_slice(scratch, chat_body_members(body));
    buffer_append_char(scratch, '}');
    int error = json_scan(slice_of(scratch->data + start, scratch->length - start), JSON_MAX_DEPTH,
                          &object);
    if (error == 0) {
        json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
        *text = decode(raw_text, arena);
        *sender_name = decode(raw_name, arena);
    }
    return error;
}
