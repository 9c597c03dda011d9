#include "proto/wire/socketio_msgpack.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/json.h"
#include "proto/base/json_text.h"
#include "proto/base/memory.h"
#include "proto/base/msgpack.h"
#include "proto/wire/placeholder.h"

/*
 * JSON to MessagePack in two passes over the text: the first counts what is in each container,
 * which MessagePack says before it, the second writes.
 */

enum { NO_CONTAINER = UINT32_MAX };

/* How many elements or members an array or object has: MessagePack says it before them. */
struct container {
    uint32_t count;
    uint32_t parent;
};

struct packing {
    struct slice json;
    const struct packet *attachments; /* whose they are */
    struct container *containers;     /* owns: in the order of their beginnings */
    uint32_t count;
    uint32_t capacity;
    struct buffer *out;
};

static bool take_placeholder(const struct packing *packing, const char **at, uint64_t *number)
{
    const char *end = packing->json.data + packing->json.length;
    const char *place = *at;

    if (packing->attachments->attachment_count == 0 || !placeholder_take(&place, end, number) ||
        *number >= packing->attachments->attachment_count) {
        return false;
    }
    *at = place;
    return true;
}

static uint32_t open_container(struct packing *packing, uint32_t parent)
{
    if (packing->count == packing->capacity) {
        packing->capacity = packing->capacity == 0 ? 64 : packing->capacity * 2;
        packing->containers = memory_reallocate(packing->containers,
                                                packing->capacity * sizeof(*packing->containers));
    }
    packing->containers[packing->count] = (struct container){0, parent};
    return packing->count++;
}

/* Everything in a container counts once, the keys of an object with their colons. */
static void count_containers(struct packing *packing)
{
    const char *at = packing->json.data;
    const char *end = at + packing->json.length;
    uint32_t current = NO_CONTAINER;
    uint64_t number;

    while (at < end) {
        uint32_t around = current;
        int things = 1; /* that this adds to what is around it */

        if (*at == '{' && take_placeholder(packing, &at, &number)) {
            /* One thing, and behind it already. */
        } else if (*at == '{' || *at == '[') {
            current = open_container(packing, current);
            at++;
        } else if (*at == '}' || *at == ']') {
            current = packing->containers[current].parent;
            things = 0;
            at++;
        } else if (*at == '"') {
            at = json_text_string_end(at, end);
        } else if (*at == ':') {
            things = -1; /* what was counted before it was a key */
            at++;
        } else if (*at == ',' || json_text_is_space(*at)) {
            things = 0;
            at++;
        } else {
            at = json_text_scalar_end(at, end);
        }
        if (around != NO_CONTAINER) {
            packing->containers[around].count += (uint32_t)things;
        }
    }
}

/*
 * Whole numbers as such while 64 bits hold them, the rest as doubles: all that JavaScript can tell.
 */
static void pack_number(struct buffer *out, struct slice text)
{
    int64_t number;
    double real;

    if (json_to_integer(text, &number)) {
        msgpack_write_signed(out, number);
        return;
    }
    if (!json_to_double(text, &real)) {
        real = *text.data == '-' ? -HUGE_VAL : HUGE_VAL; /* 1e999, as JavaScript reads it */
    }
    msgpack_write_double(out, real);
}

static void pack_scalar(struct buffer *out, struct slice text)
{
    switch (json_type(text)) {
    case JSON_NULL:
        msgpack_write_nil(out);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        msgpack_write_boolean(out, *text.data == 't');
        break;
    default:
        pack_number(out, text);
        break;
    }
}

static void pack_values(struct packing *packing)
{
    const char *at = packing->json.data;
    const char *end = at + packing->json.length;
    const struct container *container = packing->containers;
    struct buffer *out = packing->out;
    struct arena arena;
    uint64_t number;

    arena_init(&arena);
    while (at < end) {
        const char *start = at;

        if (*at == '{' && take_placeholder(packing, &at, &number)) {
            msgpack_write_binary(out, packet_payload(packing->attachments->attachments[number]));
        } else if (*at == '{') {
            msgpack_write_map(out, container++->count);
            at++;
        } else if (*at == '[') {
            msgpack_write_array(out, container++->count);
            at++;
        } else if (*at == '"') {
            at = json_text_string_end(at, end);
            msgpack_write_text(out,
                               json_decode_string(slice_of(start, (size_t)(at - start)), &arena));
        } else if (*at == ',' || *at == ':' || *at == '}' || *at == ']' ||
                   json_text_is_space(*at)) {
            at++;
        } else {
            at = json_text_scalar_end(at, end);
            pack_scalar(out, slice_of(start, (size_t)(at - start)));
        }
    }
    arena_deinit(&arena);
}

static void pack_key(struct buffer *out, const char *key)
{
    msgpack_write_text(out, slice_of_string(key));
}

static struct packet *pack(const struct packet *packet)
{
    struct slice text = packet_payload(packet);
    struct packing packing = {.attachments = packet};
    struct buffer out = BUFFER_EMPTY;
    struct socketio_packet head;
    struct slice packed;
    struct packet *result;
    int error;

    assert(packet->kind == PACKET_TEXT && text.length > 0 && *text.data == '4');
    error = socketio_decode_head(slice_of(text.data + 1, text.length - 1), &head, &packing.json);
    assert(error == 0);
    (void)error;
    packing.out = &out;
    msgpack_write_map(&out, 2u + (packing.json.length > 0) + head.has_ack_id);
    pack_key(&out, "type");
    msgpack_write_unsigned(&out, socketio_plain_type(head.type));
    pack_key(&out, "nsp");
    msgpack_write_text(&out, head.name_space);
    if (packing.json.length > 0) {
        pack_key(&out, "data");
        count_containers(&packing);
        pack_values(&packing);
        free(packing.containers);
    }
    if (head.has_ack_id) {
        pack_key(&out, "id");
        msgpack_write_unsigned(&out, head.ack_id);
    }
    packed = buffer_slice(&out);
    result = packet_new(PACKET_BINARY, &packed, 1);
    result->is_volatile = packet->is_volatile;
    buffer_deinit(&out);
    return result;
}

struct packet *socketio_msgpack_packet(struct packet *packet)
{
    if (packet->packed == NULL) {
        packet->packed = pack(packet);
    }
    return packet->packed;
}

void socketio_msgpack_write_refusal(struct slice name_space, const char *message,
                                    struct buffer *out)
{
    msgpack_write_map(out, 3);
    pack_key(out, "type");
    msgpack_write_unsigned(out, SOCKETIO_CONNECT_ERROR);
    pack_key(out, "nsp");
    msgpack_write_text(out, name_space);
    pack_key(out, "data");
    msgpack_write_map(out, 1);
    pack_key(out, "message");
    msgpack_write_text(out, slice_of_string(message));
}
