#include "proto/base/msgpack.h"

#include <msgpack.h>
#include <string.h>

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

void msgpack_write_map(struct buffer *out, uint32_t count)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_map(&packer, count);
}

void msgpack_write_nil(struct buffer *out)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_nil(&packer);
}

void msgpack_write_double(struct buffer *out, double value)
{
    msgpack_packer packer = packer_on(out);
    msgpack_pack_double(&packer, value);
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

/* --- any item --------------------------------------------------------------------------------- */

static bool read_real(struct msgpack_reader *reader, unsigned char head, double *real)
{
    uint64_t bits;
    if (!take_number(reader, head == 0xca ? 4 : 8, &bits)) {
        return false;
    }
    if (head == 0xca) {
        uint32_t short_bits = (uint32_t)bits;
        float value;
        memcpy(&value, &short_bits, sizeof(value));
        *real = (double)value;
    } else {
        memcpy(real, &bits, sizeof(*real));
    }
    return true;
}

static bool read_extension(struct msgpack_reader *reader, unsigned char head,
                           struct msgpack_item *item)
{
    uint64_t length = (uint64_t)1 << (head & 3u); /* fixext 1, 2, 4, 8 */
    unsigned char type;
    if (head == 0xd8) {
        length = 16;
    } else if (head < 0xd4 && !take_number(reader, (size_t)1 << (head - 0xc7), &length)) {
        return false;
    }
    if (!take_byte(reader, &type)) {
        return false;
    }
    item->extension = (int8_t)type;
    return take_bytes(reader, length, SIZE_MAX, &item->bytes);
}

static bool read_map(struct msgpack_reader *reader, unsigned char head, uint32_t *count)
{
    uint64_t number = head & 0x0fu;
    if (head >= 0xde && !take_number(reader, head == 0xde ? 2 : 4, &number)) {
        return false;
    }
    /* As for arrays: a pair takes two bytes at least. */
    if (number > (uint64_t)(reader->end - reader->at) / 2) {
        return fail(reader);
    }
    *count = (uint32_t)number;
    return true;
}

static enum msgpack_kind kind_of(unsigned char head)
{
    if (head < 0x80 || (head >= 0xcc && head <= 0xcf)) {
        return MSGPACK_UNSIGNED;
    }
    if (head >= 0xe0 || (head >= 0xd0 && head <= 0xd3)) {
        return MSGPACK_SIGNED;
    }
    if (head < 0x90 || head >= 0xde) {
        return MSGPACK_MAP;
    }
    if (head < 0xa0 || head >= 0xdc) {
        return MSGPACK_ARRAY;
    }
    if (head < 0xc0 || head >= 0xd9) {
        return MSGPACK_TEXT;
    }
    if (head >= 0xc4 && head <= 0xc6) {
        return MSGPACK_BINARY;
    }
    if (head == 0xca || head == 0xcb) {
        return MSGPACK_DOUBLE;
    }
    if (head == 0xc2 || head == 0xc3) {
        return MSGPACK_BOOLEAN;
    }
    return head >= 0xc7 ? MSGPACK_EXTENSION : MSGPACK_NIL;
}

bool msgpack_read_item(struct msgpack_reader *reader, struct msgpack_item *item)
{
    if (reader->failed || reader->at == reader->end) {
        return fail(reader);
    }
    unsigned char head = *reader->at;
    item->kind = kind_of(head);
    switch (item->kind) {
    case MSGPACK_NIL:
        reader->at++;
        return head == 0xc0 || fail(reader); /* 0xc1 is never used */
    case MSGPACK_BOOLEAN:
        return msgpack_read_boolean(reader, &item->is_true);
    case MSGPACK_UNSIGNED:
        return msgpack_read_unsigned(reader, &item->number);
    case MSGPACK_SIGNED:
        if (!msgpack_read_signed(reader, &item->signed_number)) {
            return false;
        }
        if (item->signed_number >= 0) {
            item->kind = MSGPACK_UNSIGNED;
            item->number = (uint64_t)item->signed_number;
        }
        return true;
    case MSGPACK_TEXT:
        return msgpack_read_text(reader, SIZE_MAX, &item->bytes);
    case MSGPACK_BINARY:
        return msgpack_read_binary(reader, SIZE_MAX, &item->bytes);
    case MSGPACK_ARRAY:
        return msgpack_read_array(reader, &item->count);
    case MSGPACK_DOUBLE:
        reader->at++;
        return read_real(reader, head, &item->real);
    case MSGPACK_EXTENSION:
        reader->at++;
        return read_extension(reader, head, item);
    case MSGPACK_MAP:
        reader->at++;
        return read_map(reader, head, &item->count);
    }
    return false;
}
