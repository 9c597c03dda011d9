#include "proto/base/packet.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"
#include "proto/wire/websocket.h"

struct packet *packet_new(enum packet_kind kind, const struct slice *parts, size_t count)
{
    unsigned char header[WEBSOCKET_HEADER_MAX];
    size_t header_length;
    size_t payload_length = 0;
    struct packet *packet;
    char *at;

    for (size_t i = 0; i < count; i++) {
        payload_length += parts[i].length;
    }
    assert(payload_length <= UINT32_MAX);
    header_length = websocket_write_header(header, kind == PACKET_BINARY, payload_length);

    packet = memory_allocate(sizeof(*packet) + header_length + payload_length);
    packet->attachments = NULL;
    packet->packed = NULL;
    packet->plain = NULL;
    packet->references = 1;
    packet->payload_length = (uint32_t)payload_length;
    packet->header_length = (uint8_t)header_length;
    packet->kind = (uint8_t)kind;
    packet->is_volatile = false;
    packet->attachment_count = 0;
    packet->suffix_length = 0;
    memcpy(packet->bytes, header, header_length);
    at = packet->bytes + header_length;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].length == 0) {
            continue;
        }
        memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length;
    }
    return packet;
}

void packet_attach(struct packet *packet, const struct slice *attachments, size_t count)
{
    assert(packet->attachments == NULL && count <= UINT8_MAX);
    if (count == 0) {
        return;
    }
    packet->attachments = memory_allocate(count * sizeof(*packet->attachments));
    for (size_t i = 0; i < count; i++) {
        packet->attachments[i] = packet_new(PACKET_BINARY, &attachments[i], 1);
    }
    packet->attachment_count = (uint8_t)count;
}

struct packet *packet_with_suffix(const struct packet *packet, struct slice suffix)
{
    struct slice payload = packet_payload(packet);
    struct slice parts[3] = {payload, suffix, {payload.data + payload.length - 1, 1}};
    struct packet *other;

    assert(packet->kind == PACKET_TEXT && payload.length > packet->suffix_length);
    assert(suffix.length <= UINT8_MAX);
    parts[0].length -= 1u + packet->suffix_length;
    other = packet_new(PACKET_TEXT, parts, 3);
    other->is_volatile = packet->is_volatile;
    other->suffix_length = (uint8_t)suffix.length;
    if (packet->attachment_count > 0) {
        other->attachments = memory_allocate(packet->attachment_count * sizeof(struct packet *));
        other->attachment_count = packet->attachment_count;
        for (unsigned i = 0; i < packet->attachment_count; i++) {
            other->attachments[i] = packet_share(packet->attachments[i]);
        }
    }
    return other;
}

struct packet *packet_plain(struct packet *packet)
{
    if (packet->suffix_length == 0) {
        return packet;
    }
    if (packet->plain == NULL) {
        packet->plain = packet_with_suffix(packet, SLICE_EMPTY);
    }
    return packet->plain;
}

/* What hangs on a few packets only; neither kind has anything on it in turn. */
static void release_forms(struct packet *packet)
{
    for (unsigned i = 0; i < packet->attachment_count; i++) {
        packet_release(&packet->attachments[i]);
    }
    free(packet->attachments);
    packet_release(&packet->packed);
    packet_release(&packet->plain);
}

struct packet *packet_share(struct packet *packet)
{
    assert(packet->references > 0 && packet->references < UINT32_MAX);
    packet->references++;
    return packet;
}

void packet_release(struct packet **packet)
{
    struct packet *self = *packet;

    *packet = NULL;
    if (self == NULL) {
        return;
    }
    assert(self->references > 0);
    if (--self->references > 0) {
        return;
    }
    if (self->attachments != NULL || self->packed != NULL || self->plain != NULL) {
        release_forms(self);
    }
    free(self);
}
