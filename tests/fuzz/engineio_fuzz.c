/*
 * Fuzzes the Engine.IO payload and packet decoders; a packet that decodes survives being encoded again.
 */
#include <stdint.h>

#include "proto/wire/engineio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct engineio_codec *codec = engineio_codec(4);
    struct slice text = {(const char *)data, size};
    struct engineio_packet packet;
    struct arena arena;
    struct buffer again = BUFFER_EMPTY;
    arena_init(&arena);
    struct engineio_payload payload = engineio_payload_of(text);
    while (codec->next(&payload, 100, &arena, &packet) == 1) {
        codec->append(&again, packet.data, packet.is_binary);
    }
    codec->decode(text, false, &packet);
    codec->decode(text, true, &packet);
    buffer_deinit(&again);
    arena_deinit(&arena);
    return 0;
}
