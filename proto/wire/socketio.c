#include "proto/wire/socketio.h"

#include <string.h>

#include "proto/base/error.h"
#include "proto/base/utf8.h"

/* The largest number that a JavaScript client counts to exactly. */
#define ACK_ID_MAX ((UINT64_C(1) << 53) - 1)

static bool is_binary_type(enum socketio_type type)
{
    return type == SOCKETIO_BINARY_EVENT || type == SOCKETIO_BINARY_ACK;
}

enum socketio_type socketio_plain_type(enum socketio_type type)
{
    return type == SOCKETIO_BINARY_EVENT ? SOCKETIO_EVENT
           : type == SOCKETIO_BINARY_ACK ? SOCKETIO_ACK
                                         : type;
}

/*
 * Each take_* moves *at behind its part, which may be absent, and returns false when the part is
 * there and wrong.
 */

/* Digits, as far as they go; *count says how many. */
static bool take_number(const char **at, const char *end, uint64_t maximum, uint64_t *number,
                        size_t *count)
{
    *number = 0;
    *count = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, (*count)++) {
        *number = *number * 10 + (uint64_t)(**at - '0');
        if (*number > maximum) {
            return false;
        }
    }
    return true;
}

static bool take_attachments(const char **at, const char *end, struct socketio_packet *out)
{
    uint64_t number;
    size_t digits;

    if (!take_number(at, end, SOCKETIO_ATTACHMENTS_MAX, &number, &digits) || number == 0 ||
        *at == end || **at != '-') {
        return false;
    }
    (*at)++;
    out->attachments = (unsigned)number;
    return true;
}

/* It is sent back in answers, in frames and payloads that text of any other kind would break. */
static bool is_printable_text(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;

    while (at < end) {
        size_t length = utf8_length(at, end);

        if (length == 0 || *at < 0x20) {
            return false;
        }
        at += length;
    }
    return true;
}

static bool take_namespace(const char **at, const char *end, struct socketio_packet *out)
{
    const char *start = *at;
    const char *comma;
    size_t length;

    if (start == end || *start != '/') {
        return true;
    }
    comma = memchr(start, ',', (size_t)(end - start));
    *at = comma == NULL ? end : comma + 1;
    length = (size_t)((comma == NULL ? end : comma) - start);
    out->name_space = slice_of(start, length);
    return true;
}

static bool take_ack_id(const char **at, const char *end, struct socketio_packet *out)
{
    size_t digits;

    if (!take_number(at, end, ACK_ID_MAX, &out->ack_id, &digits)) {
        return false;
    }
    out->has_ack_id = digits > 0;
    return true;
}

/* Names that mean something to the library itself at either end. */
static bool is_reserved_event(struct slice name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (json_string_is(name, reserved[i])) {
            return true;
        }
    }
    return false;
}

static bool take_event(struct socketio_packet *out)
{
    struct json_iterator iterator;
    enum json_type type;

    if (json_type(out->data) != JSON_ARRAY) {
        return false;
    }
    iterator = json_iterate(out->data);
    if (!json_next_element(&iterator, &out->event)) {
        return false;
    }
    out->arguments = out->data;
    type = json_type(out->event);
    return type == JSON_NUMBER || (type == JSON_STRING && !is_reserved_event(out->event));
}

static bool check_data(struct socketio_packet *out)
{
    enum json_type type = json_type(out->data);

    switch (out->type) {
    case SOCKETIO_CONNECT:
        return type == JSON_NONE || type == JSON_OBJECT;
    case SOCKETIO_DISCONNECT:
        return type == JSON_NONE;
    case SOCKETIO_CONNECT_ERROR:
        return type == JSON_NONE || type == JSON_OBJECT || type == JSON_STRING;
    case SOCKETIO_EVENT:
    case SOCKETIO_BINARY_EVENT:
        return type == JSON_NONE || take_event(out);
    case SOCKETIO_ACK:
    case SOCKETIO_BINARY_ACK:
        out->arguments = out->data;
        return type == JSON_NONE || type == JSON_ARRAY;
    }
    return false;
}

int socketio_decode_head(struct slice text, struct socketio_packet *out, struct slice *payload)
{
    const char *at = text.data;
    const char *end;

    if (text.length == 0 || *at < '0' + SOCKETIO_CONNECT || *at > '0' + SOCKETIO_BINARY_ACK) {
        return ERROR_MALFORMED;
    }
    end = at + text.length;
    *out = (struct socketio_packet){.type = (enum socketio_type)(*at++ - '0'),
                                    .name_space = SLICE_LITERAL("/")};
    if ((is_binary_type(out->type) && !take_attachments(&at, end, out)) ||
        !take_namespace(&at, end, out) || !take_ack_id(&at, end, out)) {
        return ERROR_MALFORMED;
    }
    *payload = slice_of(at, (size_t)(end - at));
    return 0;
}

int socketio_decode_payload(struct slice payload, struct socketio_packet *packet)
{
    int error = 0;

    packet->data = SLICE_EMPTY;
    if (payload.length > 0) {
        error = json_scan(payload, SOCKETIO_EVENT_DEPTH, &packet->data);
    }
    if (error == ERROR_TOO_DEEP) {
        packet->data_state = SOCKETIO_DATA_TOO_DEEP;
    } else if (error != 0) {
        return error;
    }
    return check_data(packet) ? 0 : ERROR_MALFORMED;
}

bool socketio_is_namespace(struct slice name_space)
{
    return name_space.length <= SOCKETIO_NAMESPACE_MAX && name_space.length > 0 &&
           name_space.data[0] == '/' && is_printable_text(name_space);
}

static int v5_decode(struct slice text, struct socketio_packet *out)
{
    struct slice payload;
    int error = socketio_decode_head(text, out, &payload);

    if (error == 0 && !socketio_is_namespace(out->name_space)) {
        error = ERROR_MALFORMED;
    }
    return error != 0 ? error : socketio_decode_payload(payload, out);
}

void socketio_split_query(struct socketio_packet *packet)
{
    const char *start = packet->name_space.data;
    size_t length = packet->name_space.length;
    const char *query = length == 0 ? NULL : memchr(start, '?', length);

    if (query != NULL) {
        packet->query = slice_of(query + 1, (size_t)(start + length - query - 1));
        packet->name_space.length = (size_t)(query - start);
    }
}

static int v4_decode(struct slice text, struct socketio_packet *out)
{
    struct slice payload;
    int error = socketio_decode_head(text, out, &payload);

    if (error == 0) {
        socketio_split_query(out);
        error = socketio_is_namespace(out->name_space) ? 0 : ERROR_MALFORMED;
    }
    return error != 0 ? error : socketio_decode_payload(payload, out);
}

struct json_iterator socketio_arguments(const struct socketio_packet *packet)
{
    struct json_iterator iterator = json_iterate(packet->arguments);
    struct slice name;

    if (packet->type == SOCKETIO_EVENT || packet->type == SOCKETIO_BINARY_EVENT) {
        json_next_element(&iterator, &name);
    }
    return iterator;
}

/* The Engine.IO type, the packet's own, and the namespace when it is not the main one. */
static void write_head(struct buffer *out, enum socketio_type type, struct slice name_space)
{
    buffer_append_char(out, '4');
    buffer_append_char(out, (char)('0' + type));
    if (!slice_is(name_space, "/")) {
        buffer_append_slice(out, name_space);
        buffer_append_char(out, ',');
    }
}

static void v5_write_connect(struct buffer *out, struct slice name_space, struct slice sid,
                             struct slice pid)
{
    write_head(out, SOCKETIO_CONNECT, name_space);
    buffer_append_char(out, '{');
    json_write_string_member(out, "sid", sid);
    if (pid.length > 0) {
        json_write_string_member(out, "pid", pid);
    }
    buffer_append_char(out, '}');
}

static void v4_write_connect(struct buffer *out, struct slice name_space, struct slice sid,
                             struct slice pid)
{
    (void)sid;
    (void)pid;
    write_head(out, SOCKETIO_CONNECT, name_space);
}

static void v5_write_connect_error(struct buffer *out, struct slice name_space, const char *message)
{
    write_head(out, SOCKETIO_CONNECT_ERROR, name_space);
    buffer_append_char(out, '{');
    json_write_string_member(out, "message", slice_of_string(message));
    buffer_append_char(out, '}');
}

static void v4_write_connect_error(struct buffer *out, struct slice name_space, const char *message)
{
    write_head(out, SOCKETIO_CONNECT_ERROR, name_space);
    json_write_string(out, slice_of_string(message));
}

static const struct socketio_codec codecs[] = {
    {.revision = 4,
     .decode = v4_decode,
     .asks_for_main = false,
     .write_connect = v4_write_connect,
     .write_connect_error = v4_write_connect_error},
    {.revision = 5,
     .decode = v5_decode,
     .asks_for_main = true,
     .write_connect = v5_write_connect,
     .write_connect_error = v5_write_connect_error},
};

const struct socketio_codec *socketio_codec(int revision)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        if (codecs[i].revision == revision) {
            return &codecs[i];
        }
    }
    return NULL;
}

void socketio_write_disconnect(struct buffer *out, struct slice name_space)
{
    write_head(out, SOCKETIO_DISCONNECT, name_space);
}

void socketio_write_event(struct buffer *out, struct slice name_space, const char *event,
                          struct slice arguments, bool has_ack_id, uint64_t ack_id)
{
    write_head(out, SOCKETIO_EVENT, name_space);
    if (has_ack_id) {
        buffer_append_unsigned(out, ack_id);
    }
    buffer_append_char(out, '[');
    json_write_string(out, slice_of_string(event));
    if (arguments.length > 0) {
        buffer_append_char(out, ',');
        buffer_append_slice(out, arguments);
    }
    buffer_append_char(out, ']');
}

void socketio_write_ack(struct buffer *out, struct slice name_space, uint64_t ack_id,
                        struct slice arguments)
{
    write_head(out, SOCKETIO_ACK, name_space);
    buffer_append_unsigned(out, ack_id);
    buffer_append_char(out, '[');
    buffer_append_slice(out, arguments);
    buffer_append_char(out, ']');
}
