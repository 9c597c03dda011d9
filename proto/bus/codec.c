#include "proto/bus/codec.h"

#include <assert.h>

static void write_field(struct buffer *out, const struct field *field, const char *base)
{
    const void *at = base + field->offset;
    const struct slice *slice = at;
    const struct bus_list *list = at;
    switch (field->kind) {
    case FIELD_UNSIGNED:
        msgpack_write_unsigned(out, *(const uint64_t *)at);
        break;
    case FIELD_SIGNED:
        msgpack_write_signed(out, *(const int64_t *)at);
        break;
    case FIELD_BOOLEAN:
        msgpack_write_boolean(out, *(const bool *)at);
        break;
    case FIELD_TEXT:
        assert(slice->length <= field->most);
        msgpack_write_text(out, *slice);
        break;
    case FIELD_PAYLOAD:
        assert(slice->length <= field->most);
        msgpack_write_binary(out, *slice);
        break;
    case FIELD_LIST:
        assert(list->elements.length <= field->most);
        msgpack_write_array(out, list->count);
        buffer_append_slice(out, list->elements);
        break;
    }
}

void bus_write_fields(struct buffer *out, const struct layout *layout, const void *base)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        write_field(out, &layout->fields[i], base);
    }
}

static bool read_list(struct msgpack_reader *reader, enum bus_element element,
                      struct bus_list *list)
{
    if (!msgpack_read_array(reader, &list->count)) {
        return false;
    }
    union {
        struct bus_member member;
        struct bus_stored_message stored;
        struct bus_agent agent;
        struct bus_peer peer;
        struct bus_text text;
        struct bus_session_room session_room;
        struct bus_record_row record;
        struct bus_channel_row channel;
        struct bus_known_agent known_agent;
        struct bus_run_record run;
        struct bus_log_line log_line;
    } scratch;
    const char *start = (const char *)reader->at;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!bus_list_next(reader, element, &scratch)) {
            return false;
        }
    }
    list->elements = slice_of(start, (size_t)((const char *)reader->at - start));
    return list->elements.length <= BUS_PAYLOAD_MAX;
}

static bool read_field(struct msgpack_reader *reader, const struct field *field, char *base)
{
    void *at = base + field->offset;
    switch (field->kind) {
    case FIELD_UNSIGNED:
        return msgpack_read_unsigned(reader, at);
    case FIELD_SIGNED:
        return msgpack_read_signed(reader, at);
    case FIELD_BOOLEAN:
        return msgpack_read_boolean(reader, at);
    case FIELD_TEXT:
        return msgpack_read_text(reader, field->most, at);
    case FIELD_PAYLOAD:
        return msgpack_read_binary(reader, field->most, at);
    case FIELD_LIST:
        return read_list(reader, field->element, at);
    }
    return false;
}

bool bus_read_fields(struct msgpack_reader *reader, const struct layout *layout, void *base)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        if (!read_field(reader, &layout->fields[i], base)) {
            return false;
        }
    }
    return true;
}
