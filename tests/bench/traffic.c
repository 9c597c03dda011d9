#include "tests/bench/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text begins "bench/00012/00000345/": room and number, then filling. */
enum {
    ROOM_DIGITS = 5,
    NUMBER_DIGITS = 8,
    SENT_CAPACITY_FIRST = 64,
};

static const char label[] = "bench/";
enum {
    LABEL_LENGTH = sizeof label - 1,
    MARK_LENGTH = LABEL_LENGTH + ROOM_DIGITS + 1 + NUMBER_DIGITS
};

int traffic_init(struct traffic *self, uint32_t room_count, uint32_t members)
{
    memset(self, 0, sizeof *self);
    self->room_count = room_count;
    self->members = members;
    self->rooms = calloc(room_count, sizeof *self->rooms);
    self->receivers = calloc((size_t)room_count * members, sizeof *self->receivers);
    if (!self->rooms || !self->receivers) {
        traffic_deinit(self);
        return -1;
    }
    return 0;
}

void traffic_deinit(struct traffic *self)
{
    for (uint32_t i = 0; self->rooms && i < self->room_count; i++) {
        free(self->rooms[i].sent);
    }
    for (size_t i = 0; self->receivers && i < (size_t)self->room_count * self->members; i++) {
        free(self->receivers[i].ahead);
    }
    free(self->rooms);
    free(self->receivers);
    self->rooms = NULL;
    self->receivers = NULL;
}

int64_t traffic_send(struct traffic *self, uint32_t room_number, int64_t at, char *text)
{
    struct traffic_room *room = &self->rooms[room_number];
    if (room->sent_count == room->sent_capacity) {
        uint32_t capacity = room->sent_capacity ? room->sent_capacity * 2 : SENT_CAPACITY_FIRST;
        struct traffic_sending *sent = realloc(room->sent, capacity * sizeof *sent);
        if (!sent) {
            return -1;
        }
        room->sent = sent;
        room->sent_capacity = capacity;
    }
    uint32_t number = room->sent_count++;
    room->sent[number] = (struct traffic_sending){.at = at};
    room->in_flight++;
    self->in_flight++;
    self->sent++;
    int length = snprintf(text, TRAFFIC_TEXT_LENGTH + 1, "%s%0*u/%0*u/", label, ROOM_DIGITS,
                          room_number, NUMBER_DIGITS, number);
    memset(text + length, 'x', (size_t)(TRAFFIC_TEXT_LENGTH - length));
    text[TRAFFIC_TEXT_LENGTH] = '\0';
    return number;
}

/* Reads exactly `digits` decimal digits; returns -1 when there are others. */
static int64_t read_number(const char *text, size_t digits)
{
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Takes `number` out of what the receiver got early; returns whether it was there. */
static bool take_ahead(struct traffic_receiver *receiver, uint32_t number)
{
    for (uint32_t i = 0; i < receiver->ahead_count; i++) {
        if (receiver->ahead[i] == number) {
            receiver->ahead[i] = receiver->ahead[--receiver->ahead_count];
            return true;
        }
    }
    return false;
}

/* Notes that the receiver has the message; returns false when it had it already. */
static bool receive(struct traffic *self, struct traffic_receiver *receiver, uint32_t number)
{
    if (number == receiver->next) {
        do {
            receiver->next++;
        } while (receiver->ahead_count > 0 && take_ahead(receiver, receiver->next));
        return true;
    }
    if (number < receiver->next) {
        return false;
    }
    for (uint32_t i = 0; i < receiver->ahead_count; i++) {
        if (receiver->ahead[i] == number) {
            return false;
        }
    }
    self->reordered++;
    uint32_t *ahead = realloc(receiver->ahead, (receiver->ahead_count + 1) * sizeof *ahead);
    if (!ahead) {
        abort();
    }
    receiver->ahead = ahead;
    receiver->ahead[receiver->ahead_count++] = number;
    return true;
}

bool traffic_deliver(struct traffic *self, uint32_t client, const char *packet, size_t length,
                     int64_t now)
{
    const char *mark = memmem(packet, length, label, LABEL_LENGTH);
    if (!mark || (size_t)(packet + length - mark) < MARK_LENGTH) {
        self->stray++;
        return false;
    }
    int64_t room_number = read_number(mark + LABEL_LENGTH, ROOM_DIGITS);
    int64_t number = read_number(mark + LABEL_LENGTH + ROOM_DIGITS + 1, NUMBER_DIGITS);
    if (room_number != client / self->members || number < 0 ||
        number >= self->rooms[room_number].sent_count) {
        self->stray++;
        return false;
    }
    if (!receive(self, &self->receivers[client], (uint32_t)number)) {
        self->doubled++;
        return false;
    }
    struct traffic_room *room = &self->rooms[room_number];
    struct traffic_sending *sending = &room->sent[number];
    self->delivered++;
    if (self->measuring) {
        histogram_add(&self->latency, now - sending->at);
    }
    if (++sending->deliveries < self->members) {
        return false;
    }
    room->in_flight--;
    self->in_flight--;
    return true;
}

uint64_t traffic_missing(const struct traffic *self)
{
    return self->sent * self->members - self->delivered;
}
