#include "proto/wire/engineio.h"

#include <string.h>

#include "proto/base/base64.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/wire/engineio_v3.h"

enum { SEPARATOR = 0x1e, BASE64_MARK = 'b' };

const char *engineio_error_message(enum engineio_error error)
{
    switch (error) {
    case ENGINEIO_ERROR_UNKNOWN_TRANSPORT:
        return "Transport unknown";
    case ENGINEIO_ERROR_UNKNOWN_SID:
        return "Session ID unknown";
    case ENGINEIO_ERROR_BAD_HANDSHAKE_METHOD:
        return "Bad handshake method";
    case ENGINEIO_ERROR_BAD_REQUEST:
        return "Bad request";
    case ENGINEIO_ERROR_FORBIDDEN:
        return "Forbidden";
    case ENGINEIO_ERROR_UNSUPPORTED_VERSION:
        return "Unsupported protocol version";
    }
    return "Bad request";
}

void engineio_write_error(enum engineio_error error, struct buffer *out)
{
    buffer_append_char(out, '{');
    json_write_unsigned_member(out, "code", error);
    json_write_string_member(out, "message", slice_of_string(engineio_error_message(error)));
    buffer_append_char(out, '}');
}

int engineio_decode_text(struct slice message, struct engineio_packet *out)
{
    if (message.length == 0 || message.data[0] < '0' + ENGINEIO_OPEN ||
        message.data[0] > '0' + ENGINEIO_NOOP) {
        return ERROR_MALFORMED;
    }
    out->type = (enum engineio_type)(message.data[0] - '0');
    out->is_binary = false;
    out->data = slice_of(message.data + 1, message.length - 1);
    return 0;
}

static int v4_decode(struct slice message, bool is_binary, struct arena *arena,
                     struct engineio_packet *out)
{
    (void)arena;
    if (!is_binary) {
        return engineio_decode_text(message, out);
    }
    *out = (struct engineio_packet){ENGINEIO_MESSAGE, true, message};
    return 0;
}

/* `at` rests on the separator before the next packet, so that one at the very end is noticed. */
static int v4_next(struct engineio_payload *payload, size_t max_packets, struct arena *arena,
                   struct engineio_packet *out)
{
    const char *start = payload->at;
    const char *separator;
    struct slice packet;
    int error;

    if (payload->packets > 0) {
        if (start == payload->end) {
            return 0;
        }
        start++;
    }
    if (start == payload->end) {
        return ERROR_MALFORMED;
    }
    if (payload->packets == max_packets) {
        return ERROR_TOO_LARGE;
    }

    separator = memchr(start, SEPARATOR, (size_t)(payload->end - start));
    payload->at = separator == NULL ? payload->end : separator;
    packet = slice_of(start, (size_t)(payload->at - start));
    if (packet.length > 0 && packet.data[0] == BASE64_MARK) {
        *out = (struct engineio_packet){ENGINEIO_MESSAGE, true, SLICE_EMPTY};
        error = base64_decode(slice_of(packet.data + 1, packet.length - 1), arena, &out->data);
    } else {
        error = engineio_decode_text(packet, out);
    }
    if (error != 0) {
        return error;
    }
    payload->packets++;
    return 1;
}

static void v4_append(struct buffer *payload, struct slice packet, bool is_binary)
{
    if (payload->length > 0) {
        buffer_append_char(payload, SEPARATOR);
    }
    if (is_binary) {
        buffer_append_char(payload, BASE64_MARK);
        base64_encode(packet, payload);
    } else {
        buffer_append_slice(payload, packet);
    }
}

static const struct engineio_codec engineio_v4 = {
    .revision = 4,
    .server_pings = true,
    .decode = v4_decode,
    .next = v4_next,
    .append = v4_append,
};

const struct engineio_codec *engineio_codec(int revision)
{
    switch (revision) {
    case 3:
        return &engineio_v3;
    case 4:
        return &engineio_v4;
    default:
        return NULL;
    }
}

void engineio_write_open(const struct engineio_handshake *handshake, struct buffer *out)
{
    buffer_append_string(out, "0{");
    json_write_string_member(out, "sid", handshake->sid);
    json_write_raw_member(out, "upgrades",
                          handshake->offer_websocket ? SLICE_LITERAL("[\"websocket\"]")
                                                     : SLICE_LITERAL("[]"));
    json_write_signed_member(out, "pingInterval", handshake->ping_interval_ms);
    json_write_signed_member(out, "pingTimeout", handshake->ping_timeout_ms);
    json_write_signed_member(out, "maxPayload", handshake->max_payload);
    buffer_append_char(out, '}');
}
