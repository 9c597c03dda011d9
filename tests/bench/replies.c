#include "tests/bench/replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char label[] = "talk/";
enum {
    LABEL_LENGTH = sizeof label - 1,
    NUMBER_DIGITS = REPLIES_QUESTION_LENGTH - LABEL_LENGTH,
    TIME_DIGITS = REPLIES_TOKEN_LENGTH - 1,
    TEXT_CAPACITY_FIRST = 1024,
};

/* --- texts ------------------------------------------------------------------------------------ */

static int append(struct replies_text *self, const char *bytes, size_t length)
{
    if (length > self->capacity - self->length) {
        size_t capacity = self->capacity ? self->capacity : TEXT_CAPACITY_FIRST;
        while (length > capacity - self->length) {
            capacity *= 2;
        }
        char *grown = realloc(self->bytes, capacity);
        if (!grown) {
            return -1;
        }
        self->bytes = grown;
        self->capacity = capacity;
    }
    memcpy(self->bytes + self->length, bytes, length);
    self->length += length;
    return 0;
}

static bool equals(const struct replies_text *self, const char *bytes, size_t length)
{
    return self->length == length && (length == 0 || memcmp(self->bytes, bytes, length) == 0);
}

/* The inside of the string member `key` ("\"chunk\":\"") of a packet, or NULL. Nothing that is
 * written here is escaped in JSON. */
static const char *find_member(const char *packet, size_t length, const char *key,
                               size_t *value_length)
{
    const char *found = memmem(packet, length, key, strlen(key));
    if (!found) {
        return NULL;
    }
    const char *value = found + strlen(key);
    const char *end = memchr(value, '"', (size_t)(packet + length - value));
    *value_length = end ? (size_t)(end - value) : 0;
    return end ? value : NULL;
}

/* --- the book --------------------------------------------------------------------------------- */

int replies_init(struct replies *self, uint32_t count)
{
    memset(self, 0, sizeof *self);
    self->all = count <= REPLIES_MAX ? calloc(count, sizeof *self->all) : NULL;
    self->count = self->all ? count : 0;
    return self->all ? 0 : -1;
}

void replies_deinit(struct replies *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        free(self->all[i].written.bytes);
        free(self->all[i].came.bytes);
    }
    free(self->all);
    self->all = NULL;
    self->count = 0;
}

void replies_question(uint32_t number, char *text)
{
    snprintf(text, REPLIES_QUESTION_LENGTH + 1, "%s%0*u", label, NUMBER_DIGITS,
             number % REPLIES_MAX);
}

int64_t replies_ask(struct replies *self, const char *bytes, size_t length)
{
    const char *found = memmem(bytes, length, label, LABEL_LENGTH);
    if (!found || (size_t)(bytes + length - found) < REPLIES_QUESTION_LENGTH) {
        return -1;
    }
    uint32_t number = 0;
    for (const char *digit = found + LABEL_LENGTH; digit < found + REPLIES_QUESTION_LENGTH;
         digit++) {
        if (*digit < '0' || *digit > '9') {
            return -1;
        }
        number = number * 10 + (uint32_t)(*digit - '0');
    }
    if (number >= self->count || self->all[number].asked) {
        return -1;
    }
    self->all[number].asked = true;
    return number;
}

int replies_write(struct replies *self, uint32_t number, int64_t now, char *token)
{
    char text[REPLIES_TOKEN_LENGTH + 1];
    snprintf(text, sizeof text, "%0*llx ", TIME_DIGITS, (unsigned long long)now);
    memcpy(token, text, REPLIES_TOKEN_LENGTH);
    self->written++;
    return append(&self->all[number].written, token, REPLIES_TOKEN_LENGTH);
}

static int64_t time_of(const char *token)
{
    char digits[TIME_DIGITS + 1];
    memcpy(digits, token, TIME_DIGITS);
    digits[TIME_DIGITS] = '\0';
    return (int64_t)strtoull(digits, NULL, 16);
}

/* Counts the tokens that have become whole. */
static void count_tokens(struct replies *self, struct reply *reply, int64_t now)
{
    while (reply->came.length - reply->counted >= REPLIES_TOKEN_LENGTH) {
        const char *token = reply->came.bytes + reply->counted;
        if (reply->written.length - reply->counted < REPLIES_TOKEN_LENGTH ||
            memcmp(token, reply->written.bytes + reply->counted, REPLIES_TOKEN_LENGTH) != 0) {
            self->stray++;
            return; /* and so is all that follows, once a chunk */
        }
        reply->counted += REPLIES_TOKEN_LENGTH;
        self->came++;
        if (self->measuring) {
            histogram_add(&self->latency, now - time_of(token));
        }
    }
}

int replies_receive(struct replies *self, uint32_t number, const char *packet, size_t length,
                    int64_t now)
{
    struct reply *reply = &self->all[number];
    size_t chunk_length = 0;
    const char *chunk = find_member(packet, length, "\"chunk\":\"", &chunk_length);
    if (!chunk || chunk_length == 0 || reply->ended) {
        self->stray++;
        return 0;
    }
    self->chunks++;
    self->begun += reply->came.length == 0;
    if (append(&reply->came, chunk, chunk_length) != 0) {
        return -1;
    }
    count_tokens(self, reply, now);
    return 0;
}

void replies_end(struct replies *self, uint32_t number, const char *packet, size_t length)
{
    struct reply *reply = &self->all[number];
    size_t text_length = 0;
    if (!memmem(packet, length, "\"inReplyTo\":\"", strlen("\"inReplyTo\":\""))) {
        return;
    }
    if (reply->ended) {
        self->stray++;
        return;
    }
    const char *text = find_member(packet, length, "\"text\":\"", &text_length);
    reply->ended = true;
    self->ended++;
    if (!text || !equals(&reply->written, text, text_length) ||
        !equals(&reply->came, text, text_length)) {
        self->wrong++;
    }
}

uint64_t replies_missing(const struct replies *self)
{
    return self->written - self->came;
}
