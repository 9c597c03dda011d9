/*
 * The two parsers of Socket.IO: what a client says becomes packets of one form, and what it is told
 * takes the form that it reads.
 */
#include "edge/session/internal.h"

#include <assert.h>

#include "proto/base/error.h"
#include "proto/wire/placeholder.h"
#include "proto/wire/socketio_msgpack_v4.h"

/* JSON of a packet of the msgpack parser may be so many times as long as the largest message. */
enum { UNPACKED_FACTOR = 2 };

static const char INVALID_NAMESPACE[] = "Invalid namespace";

/* --- to the client ---------------------------------------------------------------------------- */

/* Old versions of the msgpack parser have some packets as text. */
static bool send_as_text(struct session *session, const struct packet *packet)
{
    struct buffer text = BUFFER_EMPTY;
    bool is_text = session->socketio->revision == 4 &&
                   socketio_msgpack_v4_write(packet_payload(packet), &text);

    if (is_text) {
        struct slice part = buffer_slice(&text);
        struct packet *made = packet_new(PACKET_TEXT, &part, 1);

        session_queue(session, made);
        packet_release(&made);
    }
    buffer_deinit(&text);
    return is_text;
}

void parser_send(struct session *session, struct packet *packet)
{
    assert(packet->attachment_count == 0 || !packet->is_volatile);
    if (!session->takes_offsets) {
        packet = packet_plain(packet);
    }
    if (session->parser == PARSER_MSGPACK && packet->kind == PACKET_TEXT) {
        if (!send_as_text(session, packet)) {
            session_queue(session, socketio_msgpack_packet(packet));
        }
        return;
    }
    session_queue(session, packet);
    for (unsigned i = 0; i < packet->attachment_count; i++) {
        session_queue(session, packet->attachments[i]);
    }
}

void parser_send_scratch(struct session *session)
{
    struct slice text = buffer_slice(&session->table->scratch);
    struct packet *packet = packet_new(PACKET_TEXT, &text, 1);

    parser_send(session, packet);
    packet_release(&packet);
}

/* --- from the client -------------------------------------------------------------------------- */

/* Shows a packet with binary values to the application. */
static void deliver(struct session *session, const struct socketio_packet *packet,
                    const struct slice *attachments, size_t count)
{
    struct session_table *table = session->table;

    table->delivered = attachments;
    table->delivered_count = count;
    socket_receive(session, packet);
    table->delivered = NULL;
    table->delivered_count = 0;
    buffer_shrink(&table->payload, SCRATCH_KEPT_BYTES);
}

static void receive_text(struct session *session, struct slice text)
{
    struct session_table *table = session->table;
    struct socketio_packet packet;

    if (session->attachments != NULL || session->socketio->decode(text, &packet) != 0) {
        session_end_told(session, SESSION_CLOSE_PARSE_ERROR);
    } else if (packet.attachments > 0) {
        session->attachments =
            attachments_new(text, packet.attachments, (size_t)table->settings.max_http_buffer_size);
    } else {
        socket_receive(session, &packet);
    }
}

/* Which attachments a payload has named so far. */
struct naming {
    uint64_t named; /* a bit for each */
    size_t count;
};

/* An attachment stands in one place: a packet could say much with little otherwise. */
static bool name_attachment(void *context, uint64_t number, struct buffer *out)
{
    struct naming *naming = context;

    if (number >= naming->count || (naming->named & UINT64_C(1) << number) != 0) {
        return false;
    }
    naming->named |= UINT64_C(1) << number;
    placeholder_append(out, number);
    return true;
}

/* Appends the payload with canonical placeholders, or refuses it. */
static int name_attachments(struct slice payload, size_t count, struct buffer *out)
{
    struct naming naming = {.named = 0, .count = count};

    static_assert(SOCKETIO_BINARIES_MAX <= 64, "a bit for each");
    return placeholders_replace(payload, name_attachment, &naming, out);
}

/* A packet whose attachments are all there. */
static int complete(struct session *session, const struct attachments *attachments,
                    struct socketio_packet *packet)
{
    struct buffer *payload = &session->table->payload;
    size_t count;
    int error = session->socketio->decode(attachments_text(attachments), packet);

    (void)attachments_list(attachments, &count);
    buffer_clear(payload);
    if (error == 0) {
        error = name_attachments(packet->data, count, payload);
    }
    return error != 0 ? error : socketio_decode_payload(buffer_slice(payload), packet);
}

static void receive_attachment(struct session *session, struct slice bytes)
{
    struct attachments *attachments = session->attachments;
    struct socketio_packet packet;
    const struct slice *list;
    size_t count;

    if (attachments == NULL) {
        session_end_told(session, SESSION_CLOSE_PARSE_ERROR);
        return;
    }
    if (attachments_add(attachments, bytes) != 0) {
        session_end_told(session, SESSION_CLOSE_TOO_LARGE);
        return;
    }
    if (!attachments_is_complete(attachments)) {
        return;
    }
    /* Off the session first: whatever the application does to it, it may look at the packet. */
    session->attachments = NULL;
    list = attachments_list(attachments, &count);
    if (complete(session, attachments, &packet) == 0) {
        deliver(session, &packet, list, count);
    } else {
        session_end_told(session, SESSION_CLOSE_PARSE_ERROR);
    }
    attachments_destroy(&attachments);
}

/* A namespace that only this parser can name is nobody's: there is no other form of its packets. */
static void refuse_nameless(struct session *session, const struct socketio_packet *packet)
{
    struct buffer refusal = BUFFER_EMPTY;
    bool is_old = session->socketio->revision == 4;
    struct packet *answer;
    struct slice bytes;

    session->table->counters.events_refused++;
    if (packet->type != SOCKETIO_CONNECT) {
        session_end_told(session, SESSION_CLOSE_PROTOCOL_ERROR);
        return;
    }
    if (is_old) {
        socketio_msgpack_v4_write_refusal(packet->name_space, INVALID_NAMESPACE, &refusal);
    } else {
        socketio_msgpack_write_refusal(packet->name_space, INVALID_NAMESPACE, &refusal);
    }
    bytes = buffer_slice(&refusal);
    answer = packet_new(is_old ? PACKET_TEXT : PACKET_BINARY, &bytes, 1);
    session_queue(session, answer);
    packet_release(&answer);
    buffer_deinit(&refusal);
}

static void receive_msgpack(struct session *session, struct slice message)
{
    struct session_table *table = session->table;
    size_t most = UNPACKED_FACTOR * (size_t)table->settings.max_http_buffer_size;
    struct socketio_binaries binaries;
    struct socketio_packet packet;
    int error = socketio_msgpack_decode(message, session->socketio->revision, most, &table->payload,
                                        &binaries, &packet);

    /* A map that only looks like a placeholder would be a second name of a binary value. */
    if (error == 0 && binaries.count > 0) {
        error = name_attachments(packet.data, binaries.count, session_scratch(table));
    }
    if (error != 0) {
        session_end_told(session, error == ERROR_TOO_LARGE ? SESSION_CLOSE_TOO_LARGE
                                                           : SESSION_CLOSE_PARSE_ERROR);
    } else if (!socketio_msgpack_is_namespace(packet.name_space)) {
        refuse_nameless(session, &packet);
    } else {
        deliver(session, &packet, binaries.list, binaries.count);
    }
}

static void receive_msgpack_text(struct session *session, struct slice text)
{
    struct socketio_packet packet;

    if (session->socketio->revision != 4 ||
        socketio_msgpack_v4_decode(text, &session->table->arena, &packet) != 0) {
        session_end_told(session, SESSION_CLOSE_PARSE_ERROR);
    } else if (!socketio_msgpack_is_namespace(packet.name_space)) {
        refuse_nameless(session, &packet);
    } else {
        socket_receive(session, &packet);
    }
}

void parser_receive(struct session *session, struct slice message, bool is_binary)
{
    struct session_table *table = session->table;

    if (table->application->message != NULL) {
        table->application->message(table->application_context, session, message, is_binary,
                                    table->now);
        return;
    }
    if (session->parser == PARSER_UNKNOWN) {
        session->parser =
            is_binary && session->socketio->revision >= 5 ? PARSER_MSGPACK : PARSER_JSON;
    }
    if (session->parser == PARSER_MSGPACK && is_binary) {
        receive_msgpack(session, message);
    } else if (session->parser == PARSER_MSGPACK) {
        receive_msgpack_text(session, message);
    } else if (is_binary) {
        receive_attachment(session, message);
    } else {
        receive_text(session, message);
    }
}
