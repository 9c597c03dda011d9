#include "proto/wire/engineio_v3.h"

#include "proto/base/base64.h"
#include "proto/base/error.h"
#include "proto/base/utf8.h"

enum {
    BASE64_MARK = 'b',
    BINARY_TEXT = 0, /* what a packet in a binary payload begins with */
    BINARY_BYTES = 1,
    BINARY_LENGTH_END = 255,
    LENGTH_DIGITS_MAX = 9,
    UTF16_ONE_UNIT_BYTES = 3, /* a longer UTF-8 character takes two UTF-16 units */
};

/* --- from a client ---------------------------------------------------------------------------- */

static int decode_typed_bytes(struct slice bytes, struct engineio_packet *out)
{
    if (bytes.length == 0 || (unsigned char)bytes.data[0] > ENGINEIO_NOOP) {
        return ERROR_MALFORMED;
    }
    out->type = (enum engineio_type)bytes.data[0];
    out->is_binary = true;
    out->data = slice_of(bytes.data + 1, bytes.length - 1);
    return 0;
}

static int decode_packet(struct slice text, struct arena *arena, struct engineio_packet *out)
{
    int error;

    if (text.length == 0 || text.data[0] != BASE64_MARK) {
        return engineio_decode_text(text, out);
    }
    error = engineio_decode_text(slice_of(text.data + 1, text.length - 1), out);
    if (error != 0) {
        return error;
    }
    out->is_binary = true;
    return base64_decode(out->data, arena, &out->data);
}

static int v3_decode(struct slice message, bool is_binary, struct arena *arena,
                     struct engineio_packet *out)
{
    return is_binary ? decode_typed_bytes(message, out) : decode_packet(message, arena, out);
}

/* Moves *at behind decimal digits and the mark that ends them. */
static bool take_length(const char **at, const char *end, char zero, char mark, size_t *length)
{
    int digits = 0;

    *length = 0;
    while (*at < end && **at != mark) {
        char digit = (char)(**at - zero);

        if (digit < 0 || digit > 9 || ++digits > LENGTH_DIGITS_MAX) {
            return false;
        }
        *length = *length * 10 + (size_t)digit;
        (*at)++;
    }
    if (*at == end || digits == 0) {
        return false;
    }
    (*at)++;
    return true;
}

/* Moves *at behind that many UTF-16 units. */
static bool take_units(const char **at, const char *end, size_t units)
{
    while (units > 0 && *at < end) {
        size_t bytes = utf8_length((const unsigned char *)*at, (const unsigned char *)end);
        size_t taken = bytes > UTF16_ONE_UNIT_BYTES ? 2 : 1;

        if (bytes == 0 || taken > units) {
            return false;
        }
        units -= taken;
        *at += bytes;
    }
    return units == 0;
}

/* The bytes that the characters of `text` stand for, or nothing when they are not all bytes. */
static struct slice narrow(struct slice text, struct arena *arena)
{
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte > 0xc3) { /* beyond U+00FF */
            return SLICE_EMPTY;
        }
        if (byte >= 0xc0) {
            byte = (unsigned char)((byte & 3) << 6 | (text.data[++i] & 0x3f));
        }
        out[length++] = (char)byte;
    }
    return slice_of(out, length);
}

static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] > 0x7f) {
            return false;
        }
    }
    return true;
}

static struct slice undo_second_encoding(struct slice text, struct arena *arena)
{
    struct slice bytes;

    if (is_ascii(text)) {
        return text;
    }
    bytes = narrow(text, arena);
    return bytes.length > 0 && utf8_is_valid(bytes) ? bytes : text;
}

static int next_of_text(struct engineio_payload *payload, struct arena *arena,
                        struct engineio_packet *out)
{
    const char *start;
    struct slice text;
    size_t units;

    if (!take_length(&payload->at, payload->end, '0', ':', &units)) {
        return ERROR_MALFORMED;
    }
    start = payload->at;
    if (!take_units(&payload->at, payload->end, units)) {
        return ERROR_MALFORMED;
    }
    text = slice_of(start, (size_t)(payload->at - start));
    return decode_packet(undo_second_encoding(text, arena), arena, out);
}

static int next_of_bytes(struct engineio_payload *payload, struct arena *arena,
                         struct engineio_packet *out)
{
    char kind = *payload->at++;
    struct slice bytes;
    size_t length;

    if ((kind != BINARY_TEXT && kind != BINARY_BYTES) ||
        !take_length(&payload->at, payload->end, 0, (char)BINARY_LENGTH_END, &length) ||
        length > (size_t)(payload->end - payload->at)) {
        return ERROR_MALFORMED;
    }
    bytes = slice_of(payload->at, length);
    payload->at += length;
    return kind == BINARY_BYTES ? decode_typed_bytes(bytes, out) : decode_packet(bytes, arena, out);
}

/* Old servers and clients write "0:" for a payload of nothing. */
static void skip_empty(struct engineio_payload *payload)
{
    while (!payload->is_binary && payload->end - payload->at >= 2 && payload->at[0] == '0' &&
           payload->at[1] == ':') {
        payload->at += 2;
    }
}

static int v3_next(struct engineio_payload *payload, size_t max_packets, struct arena *arena,
                   struct engineio_packet *out)
{
    const char *start = payload->at;
    int error;

    skip_empty(payload);
    if (payload->at == payload->end) {
        return payload->packets > 0 || payload->at > start ? 0 : ERROR_MALFORMED;
    }
    if (payload->packets == max_packets) {
        return ERROR_TOO_LARGE;
    }
    error =
        payload->is_binary ? next_of_bytes(payload, arena, out) : next_of_text(payload, arena, out);
    if (error != 0) {
        return error;
    }
    payload->packets++;
    return 1;
}

/* --- to a client ------------------------------------------------------------------------------ */

static void append_escaped_unit(struct buffer *out, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    char *at = buffer_reserve(out, 6);

    at[0] = '\\';
    at[1] = 'u';
    for (unsigned i = 0; i < 4; i++) {
        at[2 + i] = hex[unit >> (12 - 4 * i) & 15];
    }
    out->length += 6;
}

/* `at`: one well-formed character of two to four bytes. */
static void append_escaped(struct buffer *out, const unsigned char *at, size_t length)
{
    unsigned code = length == 2 ? at[0] & 0x1fu : length == 3 ? at[0] & 0x0fu : at[0] & 0x07u;

    for (size_t i = 1; i < length; i++) {
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code > 0xffff) {
        append_escaped_unit(out, 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + (code & 0x3ff);
    }
    append_escaped_unit(out, code);
}

/*
 * Writes JSON text with its characters escaped, and counts its UTF-16 units. Before the first
 * string stands a namespace, where escapes would mean themselves.
 */
static size_t append_as_ascii(struct buffer *out, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    bool is_json = false;
    size_t units = 0;

    while (at < end) {
        size_t length = *at < 0x80 ? 1 : utf8_length(at, end);

        if (length == 0) {
            length = 1; /* no text of ours: it is sent as it is */
        }
        if (is_json && length > 1) {
            size_t before = out->length;

            append_escaped(out, at, length);
            units += out->length - before;
        } else {
            is_json = is_json || *at == '"';
            buffer_append(out, at, length);
            units += length > UTF16_ONE_UNIT_BYTES ? 2 : 1;
        }
        at += length;
    }
    return units;
}

static void v3_append(struct buffer *payload, struct slice packet, bool is_binary)
{
    struct buffer text = BUFFER_EMPTY;
    size_t units;

    if (!is_binary && is_ascii(packet)) {
        buffer_append_unsigned(payload, packet.length);
        buffer_append_char(payload, ':');
        buffer_append_slice(payload, packet);
        return;
    }
    if (is_binary) {
        buffer_append_char(&text, BASE64_MARK);
        buffer_append_char(&text, (char)('0' + packet.data[0]));
        base64_encode(slice_of(packet.data + 1, packet.length - 1), &text);
        units = text.length;
    } else {
        units = append_as_ascii(&text, packet);
    }
    buffer_append_unsigned(payload, units);
    buffer_append_char(payload, ':');
    buffer_append_slice(payload, buffer_slice(&text));
    buffer_deinit(&text);
}

static void v3_append_binary(struct buffer *payload, struct slice packet, bool is_binary)
{
    size_t start;

    buffer_append_char(payload, is_binary ? BINARY_BYTES : BINARY_TEXT);
    start = payload->length;
    buffer_append_unsigned(payload, packet.length);
    for (size_t i = start; i < payload->length; i++) {
        payload->data[i] = (char)(payload->data[i] - '0');
    }
    buffer_append_char(payload, (char)BINARY_LENGTH_END);
    buffer_append_slice(payload, packet);
}

void engineio_write_base64_message(struct slice bytes, struct buffer *out)
{
    buffer_append_char(out, BASE64_MARK);
    buffer_append_char(out, '0' + ENGINEIO_MESSAGE);
    base64_encode(bytes, out);
}

const struct engineio_codec engineio_v3 = {
    .revision = 3,
    .server_pings = false,
    .binary_has_type = true,
    .decode = v3_decode,
    .next = v3_next,
    .append = v3_append,
    .append_binary = v3_append_binary,
};
