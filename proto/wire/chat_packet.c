#include "proto/wire/chat_packet.h"

#include <assert.h>
#include <stdio.h>

#include "proto/base/json.h"
#include "proto/wire/chat_body.h"
#include "proto/wire/chat_event.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void chat_write_broadcast(const struct chat_stamp *stamp, struct slice members, struct slice extra,
                          struct buffer *out)
{
    buffer_append_string(out, "{\"id\":");
    json_write_string(out, stamp->id);
    buffer_append_string(out, ",\"seq\":");
    buffer_append_unsigned(out, stamp->seq);
    buffer_append_string(out, ",\"epoch\":");
    buffer_append_unsigned(out, stamp->epoch);
    buffer_append_string(out, ",\"createdAt\":");
    buffer_append_signed(out, stamp->created_at);
    if (members.length > 0) {
        buffer_append_char(out, ',');
        buffer_append_slice(out, members);
    }
    if (extra.length > 0) {
        buffer_append_char(out, ',');
        buffer_append_slice(out, extra);
    }
    buffer_append_char(out, '}');
}

struct slice chat_offset_suffix(struct slice offset, char out[CHAT_SUFFIX_SIZE])
{
    if (offset.length == 0) {
        return SLICE_EMPTY;
    }
    int length = snprintf(out, CHAT_SUFFIX_SIZE, ",\"%.*s\"", (int)offset.length, offset.data);
    assert(length < CHAT_SUFFIX_SIZE);
    return slice_of(out, (size_t)length);
}

static struct packet *event_packet(struct slice head, struct slice argument, struct slice offset)
{
    char text[CHAT_SUFFIX_SIZE];
    const struct slice parts[] = {head, argument, chat_offset_suffix(offset, text),
                                  SLICE_LITERAL("]")};
    struct packet *packet = packet_new(PACKET_TEXT, parts, COUNT(parts));
    packet->suffix_length = (uint8_t)parts[2].length;
    return packet;
}

struct packet *chat_event_packet(const char *event, struct slice argument, struct slice offset)
{
    char head[64];
    int length = snprintf(head, sizeof(head), "42[\"%s\",", event);
    assert(length < (int)sizeof(head));
    return event_packet(slice_of(head, (size_t)length), argument, offset);
}

struct packet *chat_broadcast_packet(const struct chat_stamp *stamp, struct slice body,
                                     struct slice extra, struct slice offset,
                                     struct buffer *scratch)
{
    struct chat_body parts;
    chat_read_body(body, &parts);
    buffer_clear(scratch);
    chat_write_broadcast(stamp, parts.members, extra, scratch);
    if (parts.count == 0) {
        return event_packet(SLICE_LITERAL("42[\"messageBroadcast\","), buffer_slice(scratch),
                            offset);
    }
    char head[32];
    int length = snprintf(head, sizeof(head), "45%zu-[\"messageBroadcast\",", parts.count);
    struct packet *packet =
        event_packet(slice_of(head, (size_t)length), buffer_slice(scratch), offset);
    packet_attach(packet, parts.binaries, parts.count);
    return packet;
}

struct packet *chat_room_event_packet(struct slice body, struct slice offset)
{
    char event[CHAT_EVENT_NAME_MAX + 1];
    struct slice name = SLICE_LITERAL("roomEvent"), argument = SLICE_LITERAL("{}");
    if (!chat_read_event(body, &name, &argument) || name.length > CHAT_EVENT_NAME_MAX) {
        name = SLICE_LITERAL("roomEvent"); /* nothing that a router of ours says */
        argument = SLICE_LITERAL("{}");
    }
    snprintf(event, sizeof(event), "%.*s", (int)name.length, name.data);
    return chat_event_packet(event, argument, offset);
}
