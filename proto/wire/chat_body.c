#include "proto/wire/chat_body.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/base64.h"
#include "proto/base/json.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/placeholder.h"

/* Between the members, in which JSON allows no such byte, and the binary values. */
enum { APPENDIX_MARK = '\0', LENGTH_BYTES = 4 };

bool chat_read_event(struct slice body, struct slice *name, struct slice *argument)
{
    const char *space = body.length == 0 ? NULL : memchr(body.data, ' ', body.length);
    if (space == NULL || space == body.data) {
        return false;
    }
    size_t length = (size_t)(space - body.data);
    *name = slice_of(body.data, length);
    *argument = slice_of(space + 1, body.length - length - 1);
    return argument->length > 0 && argument->data[0] == '{';
}

struct slice chat_body_members(struct slice body)
{
    const char *mark = body.length == 0 ? NULL : memchr(body.data, APPENDIX_MARK, body.length);
    return mark == NULL ? body : slice_of(body.data, (size_t)(mark - body.data));
}

static size_t read_length(const char *at)
{
    size_t length = 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        length = length << 8 | (unsigned char)at[i];
    }
    return length;
}

void chat_read_body(struct slice body, struct chat_body *out)
{
    out->members = chat_body_members(body);
    out->count = 0;
    if (out->members.length == body.length) {
        return;
    }
    const char *at = out->members.data + out->members.length + 1;
    const char *end = body.data + body.length;
    while (out->count < CHAT_BINARIES_MAX && end - at >= LENGTH_BYTES) {
        size_t length = read_length(at);
        at += LENGTH_BYTES;
        if (length > (size_t)(end - at)) {
            return;
        }
        out->binaries[out->count++] = slice_of(at, length);
        at += length;
    }
}

static bool show(void *context, uint64_t number, struct buffer *out)
{
    const struct chat_body *body = context;
    if (number >= body->count) {
        return false;
    }
    buffer_append_string(out, "{\"type\":\"Buffer\",\"base64\":\"");
    base64_encode(body->binaries[number], out);
    buffer_append_string(out, "\"}");
    return true;
}

static void append_object(struct slice members, struct buffer *out)
{
    buffer_append_char(out, '{');
    buffer_append_slice(out, members);
    buffer_append_char(out, '}');
}

void chat_show_body(struct slice body, struct buffer *out)
{
    struct chat_body parts;
    size_t start = out->length;
    chat_read_body(body, &parts);
    if (parts.count > 0) {
        struct buffer object = BUFFER_EMPTY;
        append_object(parts.members, &object);
        int error = placeholders_replace(buffer_slice(&object), show, &parts, out);
        buffer_deinit(&object);
        if (error == 0) {
            return;
        }
        out->length = start;
    }
    append_object(parts.members, out);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The binary values that a body names, in the order of their new numbers. */
struct chosen {
    const struct chat_send *send;
    struct slice list[CHAT_BINARIES_MAX];
    size_t count;
};

static bool choose(void *context, uint64_t number, struct buffer *out)
{
    struct chosen *chosen = context;
    if (number >= chosen->send->binary_count || chosen->count == CHAT_BINARIES_MAX) {
        return false;
    }
    placeholder_append(out, chosen->count);
    chosen->list[chosen->count++] = chosen->send->binaries[number];
    return true;
}

static bool leave_out(void *context, uint64_t number, struct buffer *out)
{
    (void)context;
    (void)number;
    buffer_append_string(out, "null");
    return true;
}

void chat_write_plain_metadata(const struct chat_send *send, struct buffer *out)
{
    if (send->binary_count == 0) {
        buffer_append_slice(out, send->raw_metadata);
    } else {
        (void)placeholders_replace(send->raw_metadata, leave_out, NULL, out);
    }
}

static void write_with_binaries(struct buffer *out, const char *name, struct slice json,
                                struct chosen *chosen)
{
    size_t start = out->length;
    json_write_key(out, name);
    if (placeholders_replace(json, choose, chosen, out) != 0) {
        out->length = start; /* more names than values: the sockets have refused that before */
    }
}

/* A member as it came, unless binary values may be named in it. */
static void write_raw(struct buffer *out, const char *name, struct slice json,
                      struct chosen *chosen)
{
    if (json.length > 0 && chosen->send->binary_count == 0) {
        json_write_raw_member(out, name, json);
    } else if (json.length > 0) {
        write_with_binaries(out, name, json, chosen);
    }
}

static void write_binaries(struct buffer *out, const struct slice *binaries, size_t count)
{
    if (count > 0) {
        buffer_append_char(out, APPENDIX_MARK);
    }
    for (size_t i = 0; i < count; i++) {
        assert(binaries[i].length <= UINT32_MAX);
        for (int shift = 24; shift >= 0; shift -= 8) {
            buffer_append_char(out, (char)(binaries[i].length >> shift & 0xff));
        }
        buffer_append_slice(out, binaries[i]);
    }
}

void chat_write_body(const struct chat_send *send, struct slice sender, struct buffer *out)
{
    buffer_append_string(out, "\"senderId\":");
    json_write_string(out, sender);
    json_write_string_member(out, "senderName", send->sender_name);
    json_write_string_member(out, "text", send->text);
    json_write_string_member(out, "roomId", send->room);
    json_write_string_member(out, "channelId", send->room);
    json_write_string_member(out, "serverId", send->server_id);
    json_write_string_member(out, "messageServerId", send->server_id);
    json_write_string_member(out, "source", send->source);
    if (send->in_reply_to.length > 0) {
        json_write_string_member(out, "inReplyTo", send->in_reply_to);
    }
    struct chosen chosen;
    chosen.send = send;
    chosen.count = 0;
    write_raw(out, "attachments", send->raw_attachments, &chosen);
    write_raw(out, "metadata", send->raw_metadata, &chosen);
    write_binaries(out, chosen.list, chosen.count);
}
