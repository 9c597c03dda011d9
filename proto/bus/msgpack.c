#include "proto/bus/msgpack.h"

#include <msgpack.h>

static int append(void *data, const char *bytes, size_t length)
{
    buffer_append(data, bytes, length);
    return 0;
}

static msgpack_packer packer_on(struct buffer *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, append);
    return packer;
}

void msgpack_write_array(struct buffer *out, uint32_t count)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_array(&packer, count);
}

void msgpack_write_unsigned(struct buffer *out, uint64_t value)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_uint64(&packer, value);
}

void msgpack_write_signed(struct buffer *out, int64_t value)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_int64(&packer, value);
}

void msgpack_write_boolean(struct buffer *out, bool value)
{
    msgpack_packer packer = packer_on(out);
    if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
}

void msgpack_write_text(struct buffer *out, struct slice text)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_str(&packer, text.length);
    buffer_append_slice(out, text);
}

void msgpack_write_binary(struct buffer *out, struct slice bytes)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_bin(&packer, bytes.length);
    buffer_append_slice(out, bytes);
}

struct msgpack_reader msgpack_reader_of(struct slice bytes)
{
    const unsigned char *start = (const unsigned char *)bytes.data;
    return (struct msgpack_reader){start, start == NULL ? NULL : start + bytes.length, false};
}

static bool fail(struct msgpack_reader *reader)
{
    reader->failed = true;
    return false;
}

static bool take_byte(struct msgpack_reader *reader, unsigned char *byte)
{
    if (reader->failed || reader->at == reader->end) {
        return fail(reader);
    }
    *byte = *reader->at++;
    return true;
}

/* A big-endian number of `width` bytes. */
static bool take_number(struct msgpack_reader *reader, size_t width, uint64_t *value)
{
    if (reader->failed || (size_t)(reader->end - reader->at) < width) {
        return fail(reader);
    }
    uint64_t number = 0;
    for (size_t i = 0; i < width; i++) {
        number = number << 8 | reader->at[i];
    }
    reader->at += width;
    *value = number;
    return true;
}

bool msgpack_read_array(struct msgpack_reader *reader, uint32_t *count)
{
    unsigned char head;
    uint64_t number;
    if (!take_byte(reader, &head)) {
        return false;
    }
    if ((head & 0xf0) == 0x90) {
        number = head & 0x0fu;
    } else if (head == 0xdc || head == 0xdd) {
        if (!take_number(reader, head == 0xdc ? 2 : 4, &number)) {
            return false;
        }
    } else {
        return fail(reader);
    }
    /* Each element takes a byte at least: a larger claim is a lie. */
    if (number > (uint64_t)(reader->end - reader->at)) {
        return fail(reader);
    }
    *count = (uint32_t)number;
    return true;
}

bool msgpack_read_unsigned(struct msgpack_reader *reader, uint64_t *value)
{
    unsigned char head;
    if (!take_byte(reader, &head)) {
        return false;
    }
    if (head < 0x80) {
        *value = head;
        return true;
    }
    if (head >= 0xcc && head <= 0xcf) {
        return take_number(reader, (size_t)1 << (head - 0xcc), value);
    }
    return fail(reader);
}

bool msgpack_read_signed(struct msgpack_reader *reader, int64_t *value)
{
    if (reader->failed || reader->at == reader->end) {
        return fail(reader);
    }
    unsigned char head = *reader->at;
    uint64_t number;
    if (head >= 0xe0) {
        reader->at++;
        *value = (int64_t)head - 256;
        return true;
    }
    if (head >= 0xd0 && head <= 0xd3) {
        size_t width = (size_t)1 << (head - 0xd0);
        reader->at++;
        if (!take_number(reader, width, &number)) {
            return false;
        }
        unsigned shift = (unsigned)(64 - 8 * width);
        *value = (int64_t)(number << shift) >> shift;
        return true;
    }
    if (!msgpack_read_unsigned(reader, &number) || number > INT64_MAX) {
        return fail(reader);
    }
    *value = (int64_t)number;
    return true;
}

bool msgpack_read_boolean(struct msgpack_reader *reader, bool *value)
{
    unsigned char head;
    if (!take_byte(reader, &head) || (head != 0xc2 && head != 0xc3)) {
        return fail(reader);
    }
    *value = head == 0xc3;
    return true;
}

static bool take_bytes(struct msgpack_reader *reader, uint64_t length, size_t most,
                       struct slice *out)
{
    if (reader->failed || length > most || length > (uint64_t)(reader->end - reader->at)) {
        return fail(reader);
    }
    *out = slice_of((const char *)reader->at, (size_t)length);
    reader->at += length;
    return true;
}

bool msgpack_read_text(struct msgpack_reader *reader, size_t most, struct slice *text)
{
    unsigned char head;
    uint64_t length;
    if (!take_byte(reader, &head)) {
        return false;
    }
    if ((head & 0xe0) == 0xa0) {
        length = head & 0x1fu;
    } else if (head < 0xd9 || head > 0xdb) {
        return fail(reader);
    } else if (!take_number(reader, (size_t)1 << (head - 0xd9), &length)) {
        return false;
    }
    return take_bytes(reader, length, most, text);
}

bool msgpack_read_binary(struct msgpack_reader *reader, size_t most, struct slice *bytes)
{
    unsigned char head;
    uint64_t length;
    if (!take_byte(reader, &head)) {
        return false;
    }
    if (head < 0xc4 || head > 0xc6) {
        return fail(reader);
    }
    return take_number(reader, (size_t)1 << (head - 0xc4), &length) &&
           take_bytes(reader, length, most, bytes);
}
