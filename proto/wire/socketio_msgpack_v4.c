#include "proto/wire/socketio_msgpack_v4.h"

#include <assert.h>

#include "proto/base/error.h"

int socketio_msgpack_v4_decode(struct slice text, struct arena *arena, struct socketio_packet *out)
{
    struct slice object, type, name_space, data;
    const struct json_field fields[] = {{"type", &type}, {"nsp", &name_space}, {"data", &data}};
    int64_t number;

    *out = (struct socketio_packet){.has_ack_id = false};
    if (json_scan(text, JSON_MAX_DEPTH, &object) != 0 || json_type(object) != JSON_OBJECT) {
        return ERROR_MALFORMED;
    }
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    if (json_type(type) != JSON_NUMBER || !json_to_integer(type, &number) ||
        (number != SOCKETIO_CONNECT && number != SOCKETIO_DISCONNECT) ||
        json_type(name_space) != JSON_STRING || data.length > 0) {
        return ERROR_MALFORMED;
    }
    out->type = (enum socketio_type)number;
    out->name_space = json_decode_string(name_space, arena);
    socketio_split_query(out);
    return out->name_space.length <= SOCKETIO_NAMESPACE_MAX ? 0 : ERROR_MALFORMED;
}

static void write_packet(enum socketio_type type, struct slice name_space, struct slice data,
                         struct buffer *out)
{
    buffer_append_string(out, "4{");
    json_write_unsigned_member(out, "type", type);
    json_write_string_member(out, "nsp", name_space);
    if (data.length > 0) {
        json_write_raw_member(out, "data", data);
    }
    buffer_append_char(out, '}');
}

bool socketio_msgpack_v4_write(struct slice packet, struct buffer *out)
{
    struct socketio_packet head;
    struct slice data;
    int error;

    assert(packet.length > 0 && *packet.data == '4');
    error = socketio_decode_head(slice_of(packet.data + 1, packet.length - 1), &head, &data);
    assert(error == 0);
    (void)error;
    if (head.type != SOCKETIO_CONNECT && head.type != SOCKETIO_DISCONNECT &&
        head.type != SOCKETIO_CONNECT_ERROR) {
        return false;
    }
    write_packet(head.type, head.name_space, data, out);
    return true;
}

void socketio_msgpack_v4_write_refusal(struct slice name_space, const char *message,
                                       struct buffer *out)
{
    struct buffer data = BUFFER_EMPTY;

    json_write_string(&data, slice_of_string(message));
    write_packet(SOCKETIO_CONNECT_ERROR, name_space, buffer_slice(&data), out);
    buffer_deinit(&data);
}
