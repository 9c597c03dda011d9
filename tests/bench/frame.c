#include "tests/bench/frame.h"

#include <string.h>

enum {
    FIN = 0x80,
    RESERVED = 0x70,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    MASK_SIZE = 4,
};

/* One mask for every frame: a server has the same work with it as with a random one. */
static const uint8_t mask[MASK_SIZE] = {0x37, 0xfa, 0x21, 0x3d};

static void apply_mask(uint8_t *out, const uint8_t *in, size_t length, const uint8_t *key)
{
    for (size_t i = 0; i < length; i++) {
        out[i] = in[i] ^ key[i % MASK_SIZE];
    }
}

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

enum frame_status frame_read(struct frame *frame, uint8_t *bytes, size_t length)
{
    frame->size = 0;
    if (length < 2) {
        return FRAME_INCOMPLETE;
    }
    if ((bytes[0] & (FIN | RESERVED)) != FIN) {
        return FRAME_INVALID;
    }
    size_t extended = (bytes[1] & LENGTH) == LENGTH_64   ? 8
                      : (bytes[1] & LENGTH) == LENGTH_16 ? 2
                                                         : 0;
    bool masked = (bytes[1] & MASKED) != 0;
    size_t header = 2 + extended + (masked ? MASK_SIZE : 0);
    if (length < header) {
        return FRAME_INCOMPLETE;
    }
    uint64_t payload = extended ? big_endian(bytes + 2, extended) : bytes[1] & LENGTH;
    if (payload > FRAME_PAYLOAD_MAX) {
        return FRAME_INVALID;
    }
    frame->opcode = bytes[0] & OPCODE;
    frame->payload = bytes + header;
    frame->length = (size_t)payload;
    frame->size = header + (size_t)payload;
    if (length < frame->size) {
        return FRAME_INCOMPLETE;
    }
    if (masked) {
        apply_mask(frame->payload, frame->payload, frame->length, bytes + header - MASK_SIZE);
    }
    return FRAME_COMPLETE;
}

size_t frame_write_header(uint8_t *out, enum frame_opcode opcode, size_t length)
{
    out[0] = (uint8_t)(FIN | opcode);
    if (length < LENGTH_16) {
        out[1] = (uint8_t)length;
        return 2;
    }
    size_t extended = length <= UINT16_MAX ? 2 : 8;
    out[1] = extended == 2 ? LENGTH_16 : LENGTH_64;
    for (size_t i = 0; i < extended; i++) {
        out[2 + i] = (uint8_t)((uint64_t)length >> 8 * (extended - 1 - i));
    }
    return 2 + extended;
}

size_t frame_write_masked(uint8_t *out, enum frame_opcode opcode, const char *payload,
                          size_t length)
{
    size_t header = frame_write_header(out, opcode, length);
    out[1] |= MASKED;
    memcpy(out + header, mask, MASK_SIZE);
    header += MASK_SIZE;
    apply_mask(out + header, (const uint8_t *)payload, length, mask);
    return header + length;
}
