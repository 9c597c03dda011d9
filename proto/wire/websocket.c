#include "proto/wire/websocket.h"

#include <stdint.h>

enum {
    FIN = 0x80,
    OPCODE_TEXT = 0x1,
    OPCODE_BINARY = 0x2,
    LENGTH_DIRECT_MAX = 125, /* in the second byte itself */
    LENGTH_16_BITS = 126,    /* two more bytes follow */
    LENGTH_16_BITS_MAX = 65535,
    LENGTH_64_BITS = 127 /* eight more bytes follow */
};

static void write_big_endian(unsigned char *out, uint64_t value, unsigned bytes)
{
    while (bytes > 0) {
        out[--bytes] = (unsigned char)value;
        value >>= 8;
    }
}

size_t websocket_write_header(unsigned char out[WEBSOCKET_HEADER_MAX], bool is_binary,
                              size_t length)
{
    out[0] = is_binary ? FIN | OPCODE_BINARY : FIN | OPCODE_TEXT;
    if (length <= LENGTH_DIRECT_MAX) {
        out[1] = (unsigned char)length;
        return 2;
    }
    if (length <= LENGTH_16_BITS_MAX) {
        out[1] = LENGTH_16_BITS;
        write_big_endian(out + 2, length, 2);
        return 4;
    }
    out[1] = LENGTH_64_BITS;
    write_big_endian(out + 2, length, 8);
    return 10;
}
