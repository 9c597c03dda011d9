#include "proto/bus/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

enum {
    REFUSAL_INTERVAL_MS = 60000, /* between lines of the log that say the same */
    HELLO_INTERVAL_MS = 250,     /* HELLO is repeated this often until WELCOME */
    RESEND_INTERVAL_MS = 50,     /* at most one RESEND per gap and interval */
    ACKNOWLEDGE_EVERY = 64,      /* frames, so that the peer's retained frames stay few */
    BODY_TARGET = 64 * 1024,     /* a turn's messages become frames of about this size */
    BACKWARD_MAX = 3             /* RESENDs of what was acknowledged, until that is believed */
};

struct link_frame {
    struct link_frame *next;
    uint64_t sequence;
    size_t length;
    char body[];
};

void link_header_encode(struct buffer *out, const struct link_header *header)
{
    msgpack_write_array(out, 5);
    msgpack_write_unsigned(out, header->version);
    msgpack_write_unsigned(out, header->kind);
    msgpack_write_unsigned(out, header->link);
    msgpack_write_unsigned(out, header->sequence);
    msgpack_write_unsigned(out, header->acknowledge);
}

int link_header_decode(struct msgpack_reader *reader, struct link_header *header)
{
    uint32_t count;
    if (!msgpack_read_array(reader, &count) || count < 1 ||
        !msgpack_read_unsigned(reader, &header->version)) {
        return ERROR_BUS_MALFORMED;
    }
    if (header->version != BUS_VERSION) {
        return ERROR_BUS_VERSION;
    }
    if (count != 5 || !msgpack_read_unsigned(reader, &header->kind) ||
        !msgpack_read_unsigned(reader, &header->link) ||
        !msgpack_read_unsigned(reader, &header->sequence) ||
        !msgpack_read_unsigned(reader, &header->acknowledge) || header->kind > LINK_GOODBYE) {
        return ERROR_BUS_MALFORMED;
    }
    return 0;
}

bool link_refusal_is_news(struct link_refusal *last, int error, int64_t now)
{
    if (error == last->error && now < last->quiet_until) {
        return false;
    }
    *last = (struct link_refusal){error, now + REFUSAL_INTERVAL_MS};
    return true;
}

static bool transmit(struct link *link, enum link_kind kind, uint64_t sequence, struct slice body,
                     int64_t now)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct link_header header = {BUS_VERSION, kind, link->id, sequence, link->received};
    link_header_encode(&bytes, &header);
    bool taken = link->operations->transmit(link->context, link, buffer_slice(&bytes), body);
    buffer_deinit(&bytes);
    if (taken) {
        link->sent_at = now;
        link->acknowledged = link->received;
        link->frames_sent++;
    }
    return taken;
}

static void transmit_hello(struct link *link, enum link_kind kind, int64_t now)
{
    struct buffer body = BUFFER_EMPTY;
    struct bus_message message = {.type = BUS_HELLO, .hello = link->self};
    bus_encode(&body, &message);
    transmit(link, kind, 0, buffer_slice(&body), now);
    link->sent_at = now;
    buffer_deinit(&body);
}

/* Forgets everything queued and numbered: the next link starts from 1. */
static void forget(struct link *link)
{
    while (link->oldest != NULL) {
        struct link_frame *frame = link->oldest;
        link->oldest = frame->next;
        free(frame);
    }
    link->newest = NULL;
    link->unsent = NULL;
    link->retained = 0;
    link->last_sequence = 0;
    link->sent_sequence = 0;
    link->received = 0;
    link->acknowledged = 0;
    link->is_confirmed = link->connects;
    link->backward = 0;
    buffer_shrink(&link->open, BODY_TARGET);
}

static void enter_closed(struct link *link, int error, int64_t now)
{
    if (link->state == LINK_CLOSED) {
        return;
    }
    link->state = LINK_CLOSED;
    forget(link);
    if (link->operations->closed != NULL) {
        link->operations->closed(link->context, link, error, now);
    }
}

static void give_up(struct link *link, int error, int64_t now)
{
    transmit(link, LINK_RESET, 0, SLICE_EMPTY, now);
    enter_closed(link, error, now);
}

void link_init(struct link *link, const struct link_settings *settings,
               const struct link_operations *operations, void *context, bool connects,
               const struct bus_hello *self, int64_t now)
{
    *link = (struct link){.operations = operations,
                          .context = context,
                          .settings = settings,
                          .connects = connects,
                          .is_confirmed = connects,
                          .self = *self,
                          .heard_at = now,
                          .sent_at = now};
}

void link_deinit(struct link *link)
{
    forget(link);
    buffer_deinit(&link->open);
    link->state = LINK_CLOSED;
}

void link_open(struct link *link, uint64_t id, int64_t now)
{
    forget(link);
    link->id = id;
    link->state = LINK_OPENING;
    transmit_hello(link, LINK_HELLO, now);
}

void link_accept(struct link *link, uint64_t id, int64_t now)
{
    if (link->state == LINK_CLOSED) {
        link->id = id;
        link->state = LINK_OPEN;
    }
    link->heard_at = now;
    transmit_hello(link, LINK_WELCOME, now);
}

void link_close(struct link *link, int64_t now)
{
    if (link->state != LINK_CLOSED) {
        link_flush(link, now);
        transmit(link, LINK_GOODBYE, link->last_sequence, SLICE_EMPTY, now);
        enter_closed(link, 0, now);
    }
}

bool link_is_alive(const struct link *link, int64_t now)
{
    return link->state == LINK_OPEN && now - link->heard_at < link->settings->timeout;
}

/* Turns the queued messages into the next frame. */
static void seal(struct link *link)
{
    if (link->open.length == 0) {
        return;
    }
    struct link_frame *frame = memory_allocate(sizeof(*frame) + link->open.length);
    frame->next = NULL;
    frame->sequence = ++link->last_sequence;
    frame->length = link->open.length;
    memcpy(frame->body, link->open.data, link->open.length);
    if (link->newest == NULL) {
        link->oldest = frame;
    } else {
        link->newest->next = frame;
    }
    link->newest = frame;
    if (link->unsent == NULL) {
        link->unsent = frame;
    }
    buffer_shrink(&link->open, BODY_TARGET);
}

int link_send_encoded(struct link *link, struct slice message)
{
    if (link->state != LINK_OPEN) {
        return ERROR_CLOSED;
    }
    bool has_room = link->retained <= link->settings->retained_max &&
                    message.length <= link->settings->retained_max - link->retained;
    if (!has_room && !link->is_unbounded) {
        link->refused++;
        return ERROR_OVERLOADED;
    }
    if (link->open.length > 0 && link->open.length + message.length > BODY_TARGET) {
        seal(link);
    }
    buffer_append_slice(&link->open, message);
    link->retained += message.length;
    return 0;
}

int link_send(struct link *link, const struct bus_message *message)
{
    struct buffer bytes = BUFFER_EMPTY;
    bus_encode(&bytes, message);
    int error = link_send_encoded(link, buffer_slice(&bytes));
    buffer_deinit(&bytes);
    return error;
}

void link_flush(struct link *link, int64_t now)
{
    if (link->state != LINK_OPEN || !link->is_confirmed) {
        return;
    }
    seal(link);
    while (link->unsent != NULL) {
        struct link_frame *frame = link->unsent;
        if (!transmit(link, LINK_DATA, frame->sequence, slice_of(frame->body, frame->length),
                      now)) {
            link->frames_held++;
            return;
        }
        if (frame->sequence <= link->sent_sequence) {
            link->frames_resent++;
        } else {
            link->sent_sequence = frame->sequence;
        }
        link->unsent = frame->next;
    }
}

static void acknowledge(struct link *link, uint64_t sequence)
{
    while (link->oldest != NULL && link->oldest->sequence <= sequence) {
        struct link_frame *frame = link->oldest;
        if (link->unsent == frame) {
            link->unsent = frame->next;
        }
        link->oldest = frame->next;
        link->retained -= frame->length;
        free(frame);
    }
    if (link->oldest == NULL) {
        link->newest = NULL;
    }
}

static void ask_resend(struct link *link, int64_t now)
{
    if (now < link->resend_at) {
        return;
    }
    link->resend_at = now + RESEND_INTERVAL_MS;
    link->gaps++;
    transmit(link, LINK_RESEND, link->received + 1, SLICE_EMPTY, now);
}

static void receive_data(struct link *link, uint64_t sequence, struct msgpack_reader *body,
                         int64_t now)
{
    if (sequence <= link->received) {
        link->frames_repeated++;
        return;
    }
    if (sequence != link->received + 1) {
        ask_resend(link, now);
        return;
    }
    link->received = sequence;
    link->frames_received++;
    uint64_t id = link->id;
    while (body->at < body->end) {
        struct bus_message message;
        if (bus_decode(body, &message) != 0 || message.type == BUS_HELLO) {
            give_up(link, ERROR_BUS_MALFORMED, now);
            return;
        }
        link->operations->deliver(link->context, link, &message, now);
        if (link->state != LINK_OPEN || link->id != id) {
            return; /* the owner closed the link while handling it */
        }
    }
    if (link->received - link->acknowledged >= ACKNOWLEDGE_EVERY) {
        transmit(link, LINK_HEARTBEAT, link->sent_sequence, SLICE_EMPTY, now);
    }
}

static void receive_welcome(struct link *link, struct msgpack_reader *body, int64_t now)
{
    struct bus_message message;
    if (bus_decode(body, &message) != 0 || message.type != BUS_HELLO) {
        enter_closed(link, ERROR_BUS_MALFORMED, now);
        return;
    }
    char peer[INCARNATION_LENGTH + 1];
    snprintf(peer, sizeof(peer), "%.*s", (int)message.hello.incarnation.length,
             message.hello.incarnation.data);
    if (link->state == LINK_OPEN && strcmp(peer, link->peer) == 0) {
        return; /* it had heard HELLO twice */
    }
    if (link->state == LINK_OPEN) {
        enter_closed(link, ERROR_CLOSED, now); /* another one took an old HELLO for a new link */
        return;
    }
    memcpy(link->peer, peer, sizeof(link->peer));
    link->state = LINK_OPEN;
    transmit(link, LINK_HEARTBEAT, 0, SLICE_EMPTY, now); /* which the peer waits for */
    link->operations->opened(link->context, link, &message.hello, now);
}

/* Of what the peer has ever acknowledged, the last. */
static uint64_t acknowledged_by_peer(const struct link *link)
{
    return link->oldest != NULL ? link->oldest->sequence - 1 : link->last_sequence;
}

/*
 * A peer that asks for what it has acknowledged has lost what it knew of this link, or never knew
 * it: it has started meanwhile, took an old HELLO for a new link, and its WELCOME was lost.
 */
static void count_backward(struct link *link, const struct link_header *header)
{
    if (header->acknowledge >= acknowledged_by_peer(link)) {
        link->backward = 0;
    } else if (header->kind == LINK_RESEND) {
        link->backward++; /* a single one may have been overtaken */
    }
}

void link_receive(struct link *link, const struct link_header *header, struct msgpack_reader *body,
                  int64_t now)
{
    if (header->link != link->id || link->state == LINK_CLOSED) {
        return;
    }
    link->heard_at = now;
    if (header->kind == LINK_RESET) {
        bool is_refused = link->state == LINK_OPENING && header->sequence == 0;
        enter_closed(link, is_refused ? ERROR_BUS_REFUSED : ERROR_CLOSED, now);
        return;
    }
    if (header->kind == LINK_GOODBYE) {
        enter_closed(link, 0, now);
        return;
    }
    if (header->kind == LINK_WELCOME && link->connects) {
        receive_welcome(link, body, now);
        return;
    }
    if (link->state != LINK_OPEN || header->kind == LINK_HELLO || header->kind == LINK_WELCOME) {
        return;
    }
    if (header->acknowledge > link->sent_sequence) {
        if (!link->connects) {
            give_up(link, ERROR_CLOSED, now); /* another one said that, on a link of its own */
        }
        return;
    }
    count_backward(link, header);
    if (link->backward >= BACKWARD_MAX) {
        give_up(link, ERROR_CLOSED, now);
        return;
    }
    link->is_confirmed = true;
    acknowledge(link, header->acknowledge);
    switch (header->kind) {
    case LINK_DATA:
        receive_data(link, header->sequence, body, now);
        break;
    case LINK_HEARTBEAT:
        if (header->sequence > link->received) {
            ask_resend(link, now);
        }
        break;
    case LINK_RESEND:
        if (link->oldest != NULL && header->sequence <= link->sent_sequence) {
            link->unsent = link->oldest;
            link_flush(link, now);
        }
        break;
    default:
        break;
    }
}

void link_tick(struct link *link, int64_t now)
{
    if (link->state == LINK_OPENING && now - link->sent_at >= HELLO_INTERVAL_MS) {
        transmit_hello(link, LINK_HELLO, now);
    } else if (link->state == LINK_OPEN) {
        link_flush(link, now);
        if (now - link->sent_at >= link->settings->heartbeat ||
            link->received != link->acknowledged) {
            transmit(link, LINK_HEARTBEAT, link->sent_sequence, SLICE_EMPTY, now);
        }
    }
}
