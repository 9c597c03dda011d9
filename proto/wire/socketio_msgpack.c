#include "proto/wire/socketio_msgpack.h"

#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/json_text.h"
#include "proto/base/msgpack.h"
#include "proto/base/utf8.h"
#include "proto/wire/placeholder.h"

/* --- MessagePack to JSON ---------------------------------------------------------------------- */

/* What the reference writes as extensions of type 0. */
enum { EXTENSION_REFERENCE = 0, UNDEFINED_LENGTH = 1, DATE_LENGTH = 8 };

struct unpacking {
    struct msgpack_reader reader;
    struct buffer *text;
    struct socketio_binaries *binaries;
    size_t most;
    int revision;
    bool is_too_deep;
};

static int write_binary(struct unpacking *unpacking, struct slice bytes)
{
    struct socketio_binaries *binaries = unpacking->binaries;

    if (binaries->count == SOCKETIO_BINARIES_MAX) {
        return ERROR_MALFORMED;
    }
    placeholder_append(unpacking->text, binaries->count);
    binaries->list[binaries->count++] = bytes;
    return 0;
}

static int64_t big_endian_signed(struct slice bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes.length; i++) {
        number = number << 8 | (unsigned char)bytes.data[i];
    }
    return (int64_t)number;
}

/*
 * Of type 0 by length: undefined, a date, or the bytes of an ArrayBuffer; others as [type, bytes].
 */
static int write_extension(struct unpacking *unpacking, const struct msgpack_item *item,
                           bool is_fixed)
{
    struct buffer *text = unpacking->text;
    char date[CLOCK_ISO_SIZE];
    int error;

    if (item->extension != EXTENSION_REFERENCE) {
        buffer_append_char(text, '[');
        buffer_append_signed(text, item->extension);
        buffer_append_char(text, ',');
        error = write_binary(unpacking, item->bytes);
        buffer_append_char(text, ']');
        return error;
    }
    if (is_fixed && item->bytes.length == UNDEFINED_LENGTH) {
        buffer_append_string(text, "null");
        return 0;
    }
    if (is_fixed && item->bytes.length == DATE_LENGTH) {
        clock_format_iso(big_endian_signed(item->bytes), date);
        json_write_string(text, slice_of_string(date));
        return 0;
    }
    return write_binary(unpacking, item->bytes);
}

/* The lengths of fixext are in its first byte; other extensions of the same length are no dates. */
static bool is_fixed_extension(const unsigned char *at)
{
    return *at >= 0xd4 && *at <= 0xd8;
}

static bool is_undefined(const struct msgpack_reader *reader)
{
    return reader->end - reader->at >= 3 && reader->at[0] == 0xd4 && reader->at[1] == 0;
}

/* Passes over items and all they hold, without recursion. */
static int skip_items(struct msgpack_reader *reader, uint64_t items)
{
    struct msgpack_item item;

    for (; items > 0; items--) {
        if (!msgpack_read_item(reader, &item)) {
            return ERROR_MALFORMED;
        }
        if (item.kind == MSGPACK_ARRAY) {
            items += item.count;
        } else if (item.kind == MSGPACK_MAP) {
            items += (uint64_t)item.count * 2;
        }
    }
    return 0;
}

static int write_value(struct unpacking *unpacking, unsigned depth);

static int write_array(struct unpacking *unpacking, uint32_t count, unsigned depth)
{
    int error = 0;

    buffer_append_char(unpacking->text, '[');
    for (uint32_t i = 0; i < count && error == 0; i++) {
        if (i > 0) {
            buffer_append_char(unpacking->text, ',');
        }
        error = write_value(unpacking, depth);
    }
    buffer_append_char(unpacking->text, ']');
    return error;
}

static int write_map(struct unpacking *unpacking, uint32_t count, unsigned depth)
{
    struct msgpack_reader *reader = &unpacking->reader;
    struct buffer *text = unpacking->text;
    bool is_first = true;
    struct slice key;
    int error = 0;

    buffer_append_char(text, '{');
    for (uint32_t i = 0; i < count && error == 0; i++) {
        if (!msgpack_read_text(reader, SIZE_MAX, &key)) {
            return ERROR_MALFORMED;
        }
        if (is_undefined(reader)) {
            reader->at += 3;
            continue;
        }
        if (!is_first) {
            buffer_append_char(text, ',');
        }
        is_first = false;
        json_write_string(text, key);
        buffer_append_char(text, ':');
        error = write_value(unpacking, depth);
    }
    buffer_append_char(text, '}');
    return error;
}

/* Deeper than the limit the structure is still checked; null stands for what is there. */
static int write_container(struct unpacking *unpacking, const struct msgpack_item *item,
                           unsigned depth)
{
    bool is_map = item->kind == MSGPACK_MAP;

    if (depth > SOCKETIO_EVENT_DEPTH) {
        unpacking->is_too_deep = true;
        buffer_append_string(unpacking->text, "null");
        return skip_items(&unpacking->reader, (uint64_t)item->count * (is_map ? 2 : 1));
    }
    return is_map ? write_map(unpacking, item->count, depth)
                  : write_array(unpacking, item->count, depth);
}

/* depth: of a container that begins here. */
static int write_value(struct unpacking *unpacking, unsigned depth)
{
    const unsigned char *start = unpacking->reader.at;
    struct buffer *text = unpacking->text;
    struct msgpack_item item;

    if (!msgpack_read_item(&unpacking->reader, &item)) {
        return ERROR_MALFORMED;
    }
    switch (item.kind) {
    case MSGPACK_NIL:
        buffer_append_string(text, "null");
        break;
    case MSGPACK_BOOLEAN:
        buffer_append_string(text, item.is_true ? "true" : "false");
        break;
    case MSGPACK_UNSIGNED:
        buffer_append_unsigned(text, item.number);
        break;
    case MSGPACK_SIGNED:
        buffer_append_signed(text, item.signed_number);
        break;
    case MSGPACK_DOUBLE:
        json_write_double(text, item.real);
        break;
    case MSGPACK_TEXT:
        json_write_string(text, item.bytes);
        break;
    case MSGPACK_BINARY:
        return write_binary(unpacking, item.bytes);
    case MSGPACK_EXTENSION:
        return write_extension(unpacking, &item, is_fixed_extension(start));
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        return write_container(unpacking, &item, depth + 1);
    }
    return text->length > unpacking->most ? ERROR_TOO_LARGE : 0;
}

/* --- the packet around it --------------------------------------------------------------------- */

static bool take_type(struct unpacking *unpacking, struct socketio_packet *out)
{
    unsigned last = unpacking->revision == 4 ? SOCKETIO_BINARY_ACK : SOCKETIO_CONNECT_ERROR;
    uint64_t type;

    if (!msgpack_read_unsigned(&unpacking->reader, &type) || type > last) {
        return false;
    }
    out->type = socketio_plain_type((enum socketio_type)type);
    return true;
}

static bool take_ack_id(struct msgpack_reader *reader, struct socketio_packet *out)
{
    out->has_ack_id = msgpack_read_unsigned(reader, &out->ack_id);
    return out->has_ack_id && out->ack_id < UINT64_C(1) << 53;
}

/* Any text: it may be sent back in a refusal. */
static bool take_namespace(struct msgpack_reader *reader, struct socketio_packet *out)
{
    return msgpack_read_text(reader, SOCKETIO_NAMESPACE_MAX, &out->name_space) &&
           utf8_is_valid(out->name_space);
}

static int take_members(struct unpacking *unpacking, uint32_t count, struct socketio_packet *out)
{
    struct msgpack_reader *reader = &unpacking->reader;
    bool has_type = false;
    bool has_namespace = false;
    struct slice key;
    int error = 0;

    for (; count > 0 && error == 0; count--) {
        bool is_good = true;

        if (!msgpack_read_text(reader, SIZE_MAX, &key)) {
            return ERROR_MALFORMED;
        }
        if (is_undefined(reader)) {
            error = skip_items(reader, 1);
        } else if (slice_is(key, "type")) {
            is_good = has_type = take_type(unpacking, out);
        } else if (slice_is(key, "nsp")) {
            is_good = has_namespace = take_namespace(reader, out);
        } else if (slice_is(key, "id")) {
            is_good = take_ack_id(reader, out);
        } else if (slice_is(key, "data")) {
            buffer_clear(unpacking->text);
            unpacking->binaries->count = 0;
            error = write_value(unpacking, 0);
        } else {
            error = skip_items(reader, 1); /* "options", for one */
        }
        if (!is_good) {
            return ERROR_MALFORMED;
        }
    }
    if (error == 0 && (!has_type || !has_namespace || reader->at != reader->end)) {
        error = ERROR_MALFORMED;
    }
    return error;
}

int socketio_msgpack_decode(struct slice message, int revision, size_t most, struct buffer *text,
                            struct socketio_binaries *binaries, struct socketio_packet *out)
{
    struct unpacking unpacking = {.reader = msgpack_reader_of(message),
                                  .text = text,
                                  .binaries = binaries,
                                  .most = most,
                                  .revision = revision};
    struct msgpack_item item;
    int error;

    buffer_clear(text);
    binaries->count = 0;
    *out = (struct socketio_packet){.has_ack_id = false};
    if (!msgpack_read_item(&unpacking.reader, &item) || item.kind != MSGPACK_MAP) {
        return ERROR_MALFORMED;
    }
    error = take_members(&unpacking, item.count, out);
    if (error == 0 && text->length > most) {
        error = ERROR_TOO_LARGE;
    }
    if (error == 0) {
        error = socketio_decode_payload(buffer_slice(text), out);
    }
    if (error == 0 && text->length == 0 &&
        (out->type == SOCKETIO_EVENT || out->type == SOCKETIO_ACK)) {
        error = ERROR_MALFORMED; /* this parser wants the array */
    }
    if (unpacking.is_too_deep) {
        out->data_state = SOCKETIO_DATA_TOO_DEEP;
    }
    out->attachments = binaries->count;
    return error;
}

bool socketio_msgpack_is_namespace(struct slice name_space)
{
    return socketio_is_namespace(name_space) &&
           memchr(name_space.data, ',', name_space.length) == NULL;
}
