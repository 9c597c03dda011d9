#include "edge/session/handover.h"

#include <assert.h>

#include "edge/session/internal.h"
#include "proto/base/error.h"
#include "proto/base/msgpack.h"

enum { STATE_FIELDS = 8, SOCKET_FIELDS = 3, TIME_MAX = 1 << 30 /* ms: some twelve days */ };

void handover_write(const struct handover *handover, struct buffer *out)
{
    assert(handover->socket_count <= HANDOVER_SOCKETS_MAX);
    assert(handover->credentials.length <= HANDOVER_CREDENTIALS_MAX);
    msgpack_write_array(out, STATE_FIELDS);
    msgpack_write_unsigned(out, handover->parser);
    msgpack_write_boolean(out, handover->takes_offsets);
    msgpack_write_boolean(out, handover->is_awaiting_pong);
    msgpack_write_unsigned(out, handover->heartbeat);
    msgpack_write_unsigned(out, handover->silence);
    msgpack_write_unsigned(out, handover->connect);
    msgpack_write_binary(out, handover->credentials);
    msgpack_write_array(out, handover->socket_count);
    for (uint32_t i = 0; i < handover->socket_count; i++) {
        const struct handover_socket *socket = &handover->sockets[i];

        assert(socket->name_space.length <= HANDOVER_NAMESPACE_MAX);
        msgpack_write_array(out, SOCKET_FIELDS);
        msgpack_write_text(out, socket->name_space);
        msgpack_write_text(out, socket->id);
        msgpack_write_binary(out, socket->data);
    }
}

static bool read_time(struct msgpack_reader *reader, uint64_t *ms)
{
    return msgpack_read_unsigned(reader, ms) && *ms <= TIME_MAX;
}

static bool read_socket(struct msgpack_reader *reader, struct handover *handover, uint32_t position)
{
    struct handover_socket *socket = &handover->sockets[position];
    uint32_t fields;

    if (!msgpack_read_array(reader, &fields) || fields != SOCKET_FIELDS ||
        !msgpack_read_text(reader, HANDOVER_NAMESPACE_MAX, &socket->name_space) ||
        !msgpack_read_text(reader, SESSION_ID_LENGTH, &socket->id) ||
        !msgpack_read_binary(reader, HANDOVER_BYTES_MAX, &socket->data) ||
        socket->name_space.length == 0 || socket->id.length != SESSION_ID_LENGTH) {
        return false;
    }
    for (uint32_t i = 0; i < position; i++) {
        if (slice_equals(handover->sockets[i].name_space, socket->name_space)) {
            return false;
        }
    }
    return true;
}

int handover_read(struct slice state, struct handover *handover)
{
    struct msgpack_reader reader = msgpack_reader_of(state);
    uint32_t fields;
    bool is_good =
        msgpack_read_array(&reader, &fields) && fields == STATE_FIELDS &&
        msgpack_read_unsigned(&reader, &handover->parser) &&
        msgpack_read_boolean(&reader, &handover->takes_offsets) &&
        msgpack_read_boolean(&reader, &handover->is_awaiting_pong) &&
        read_time(&reader, &handover->heartbeat) && read_time(&reader, &handover->silence) &&
        read_time(&reader, &handover->connect) &&
        msgpack_read_binary(&reader, HANDOVER_CREDENTIALS_MAX, &handover->credentials) &&
        msgpack_read_array(&reader, &handover->socket_count) &&
        handover->parser <= PARSER_MSGPACK && handover->socket_count <= HANDOVER_SOCKETS_MAX;

    for (uint32_t i = 0; is_good && i < handover->socket_count; i++) {
        is_good = read_socket(&reader, handover, i);
    }
    return is_good && reader.at == reader.end ? 0 : ERROR_BUS_MALFORMED;
}
