/*
 * Fuzzes the msgpack parser: what it decodes is JSON, and packed and decoded again it says the
 * same. So does the text that its old versions have for some packets.
 */
#include <stdint.h>
#include <string.h>

#include "proto/wire/socketio_msgpack.h"
#include "proto/wire/socketio_msgpack_v4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 16 };

struct decoded {
    struct buffer text;
    struct socketio_binaries binaries;
    struct socketio_packet packet;
};

static int decode(struct slice message, size_t most, struct decoded *out)
{
    out->text = BUFFER_EMPTY;
    return socketio_msgpack_decode(message, 5, most, &out->text, &out->binaries, &out->packet);
}

static struct packet *render(const struct decoded *decoded)
{
    static const char marks[] = "0123456";
    struct buffer text = BUFFER_EMPTY;
    buffer_append_char(&text, '4');
    bool is_binary = decoded->binaries.count > 0 && decoded->packet.type == SOCKETIO_EVENT;
    buffer_append_char(&text, marks[is_binary ? SOCKETIO_EVENT : decoded->packet.type]);
    buffer_append_slice(&text, decoded->packet.name_space);
    buffer_append_char(&text, ',');
    if (decoded->packet.has_ack_id) {
        buffer_append_unsigned(&text, decoded->packet.ack_id);
    }
    buffer_append_slice(&text, decoded->packet.data);
    struct slice part = buffer_slice(&text);
    struct packet *packet = packet_new(PACKET_TEXT, &part, 1);
    packet_attach(packet, decoded->binaries.list, decoded->binaries.count);
    buffer_deinit(&text);
    return packet;
}

static bool is_same(const struct decoded *a, const struct decoded *b)
{
    if (a->packet.type != b->packet.type || a->packet.ack_id != b->packet.ack_id ||
        !slice_equals(a->packet.name_space, b->packet.name_space) ||
        !slice_equals(a->packet.data, b->packet.data) || a->binaries.count != b->binaries.count) {
        return false;
    }
    for (unsigned i = 0; i < a->binaries.count; i++) {
        if (!slice_equals(a->binaries.list[i], b->binaries.list[i])) {
            return false;
        }
    }
    return true;
}

/* Maps that look like placeholders are the session's to refuse. */
static bool has_lookalike(const struct decoded *decoded)
{
    size_t found = 0;
    const char *at = decoded->text.data;
    size_t left = decoded->text.length;
    while (left > 0 && (at = memmem(at, left, "_placeholder", 12)) != NULL) {
        found++;
        at += 12;
        left = decoded->text.length - (size_t)(at - decoded->text.data);
    }
    return found != decoded->binaries.count;
}

static void check_text(struct slice message)
{
    struct socketio_packet packet, again;
    struct buffer json = BUFFER_EMPTY, text = BUFFER_EMPTY;
    struct arena arena;
    arena_init(&arena);
    if (socketio_msgpack_v4_decode(message, &arena, &packet) == 0 &&
        socketio_msgpack_is_namespace(packet.name_space)) {
        buffer_append_char(&json, '4');
        buffer_append_char(&json, packet.type == SOCKETIO_CONNECT ? '0' : '1');
        buffer_append_slice(&json, packet.name_space);
        buffer_append_char(&json, ',');
        bool is_text = socketio_msgpack_v4_write(buffer_slice(&json), &text);
        if (!is_text || socketio_msgpack_v4_decode(slice_of(text.data + 1, text.length - 1), &arena,
                                                   &again) != 0) {
            __builtin_trap();
        }
        if (again.type != packet.type || !slice_equals(again.name_space, packet.name_space)) {
            __builtin_trap();
        }
    }
    buffer_deinit(&json);
    buffer_deinit(&text);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoded first;
    struct slice value;
    if (size > 0 && *data == '{') { /* no packet of MessagePack begins so */
        check_text((struct slice){(const char *)data, size});
        return 0;
    }
    int error = decode((struct slice){(const char *)data, size}, TEXT_MAX, &first);
    if (error == 0 && first.packet.data.length > 0 &&
        json_scan(first.packet.data, SOCKETIO_EVENT_DEPTH, &value) != 0) {
        __builtin_trap();
    }
    if (error == 0 && first.packet.data_state == SOCKETIO_DATA_VALID && !has_lookalike(&first) &&
        socketio_msgpack_is_namespace(first.packet.name_space)) {
        /* Numbers settle in the first round: what is over 64 bits is a double from then on. */
        struct packet *packet = render(&first);
        struct decoded second, third;
        if (decode(packet_payload(socketio_msgpack_packet(packet)), SIZE_MAX, &second) != 0) {
            __builtin_trap();
        }
        struct packet *again = render(&second);
        if (decode(packet_payload(socketio_msgpack_packet(again)), SIZE_MAX, &third) != 0 ||
            !is_same(&second, &third)) {
            __builtin_trap();
        }
        packet_release(&packet);
        packet_release(&again);
        buffer_deinit(&second.text);
        buffer_deinit(&third.text);
    }
    buffer_deinit(&first.text);
    return 0;
}
