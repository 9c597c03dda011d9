/*
 * Fuzzes bus frames: header and messages. A message that decodes must encode and decode to the same
 * bytes again.
 */
#include <stdint.h>

#include "proto/bus/link.h"
#include "proto/bus/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msgpack_reader reader = msgpack_reader_of((struct slice){(const char *)data, size});
    struct link_header header;
    struct bus_message message;
    if (link_header_decode(&reader, &header) != 0) {
        reader = msgpack_reader_of((struct slice){(const char *)data, size});
    }
    while (reader.at < reader.end && bus_decode(&reader, &message) == 0) {
        struct buffer once = BUFFER_EMPTY, twice = BUFFER_EMPTY;
        struct bus_message again;
        bus_encode(&once, &message);
        struct msgpack_reader second = msgpack_reader_of(buffer_slice(&once));
        if (bus_decode(&second, &again) != 0) {
            __builtin_trap();
        }
        bus_encode(&twice, &again);
        if (!slice_equals(buffer_slice(&once), buffer_slice(&twice))) {
            __builtin_trap();
        }
        buffer_deinit(&once);
        buffer_deinit(&twice);
    }
    return 0;
}
