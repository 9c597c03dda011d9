/*
 * Fuzzes the Engine.IO payload and packet decoders; a packet that decodes survives being encoded
 * again.
 */
#include <stdint.h>

#include "proto/wire/engineio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_all(const struct engineio_codec *codec, struct slice text)
{
    struct engineio_packet packet;
    struct arena arena;
    struct buffer again = BUFFER_EMPTY;
    arena_init(&arena);
    struct engineio_payload payload = engineio_payload_of(text);
    while (codec->next(&payload, 100, &arena, &packet) == 1) {
        codec->append(&again, packet.data, packet.is_binary && !codec->binary_has_type);
    }
    codec->decode(text, false, &arena, &packet);
    if (codec->decode(text, true, &arena, &packet) == 0) {
        codec->append(&again, text, true);
        if (codec->append_binary != NULL) {
            codec->append_binary(&again, text, true);
        }
    }
    buffer_deinit(&again);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};

    decode_all(engineio_codec(3), text);
    decode_all(engineio_codec(4), text);
    return 0;
}
