/*
 * Fuzzes the Socket.IO decoders and, behind them, every decoder of chat payloads: what a client
 * controls from the packet down to the last field.
 */
#include <stdint.h>

#include "proto/wire/chat_event.h"
#include "proto/wire/socketio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_payload(struct slice payload, struct arena *arena)
{
    struct chat_join join;
    struct chat_send send;
    struct chat_typing typing;
    struct chat_receipt receipt;
    struct chat_control control;
    struct buffer body = BUFFER_EMPTY;
    if (json_type(payload) != JSON_OBJECT) {
        return;
    }
    chat_decode_join(payload, arena, &join);
    if (chat_decode_send(payload, SLICE_EMPTY, arena, "fuzz", &send).error == 0) {
        chat_write_body(&send, send.sender, &body);
        buffer_append_char(&body, '}');
        struct buffer object = BUFFER_EMPTY;
        buffer_append_char(&object, '{');
        buffer_append_slice(&object, buffer_slice(&body));
        struct slice value;
        if (json_scan(buffer_slice(&object), JSON_MAX_DEPTH + 2, &value) != 0) {
            __builtin_trap(); /* what we store and broadcast must be JSON */
        }
        buffer_deinit(&object);
    }
    chat_decode_typing(payload, arena, "isTyping", &typing);
    chat_decode_receipt(payload, arena, &receipt);
    chat_decode_control(payload, arena, &control);
    chat_client_message_id(payload, arena);
    buffer_deinit(&body);
}

static void decode_packet(const struct socketio_codec *codec, struct slice text)
{
    struct socketio_packet packet;
    struct arena arena;
    arena_init(&arena);
    if (codec->decode(text, &packet) == 0 && packet.type == SOCKETIO_EVENT &&
        packet.data_state == SOCKETIO_DATA_VALID) {
        struct json_iterator arguments = socketio_arguments(&packet);
        struct slice argument, payload;
        while (json_next_element(&arguments, &argument)) {
            enum chat_type type;
            if (chat_decode_envelope(argument, &type, &payload).error == 0) {
                decode_payload(payload, &arena);
            }
            decode_payload(argument, &arena);
        }
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    decode_packet(socketio_codec(4), text);
    decode_packet(socketio_codec(5), text);
    return 0;
}
