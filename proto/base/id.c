#include "proto/base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "proto/base/hex.h"

enum {
    UUID_SIZE = 16,
    UUID_TIME_SIZE = 6, /* 48 bits of milliseconds, in versions 7 and 8 here */
    TEXT_CHUNK = 64
};

void id_source_init(struct id_source *source)
{
    memset(source, 0, sizeof(*source));
}

/* Without random bits there are no unguessable ids, and so no reason to go on. */
static void system_random(void *bytes, size_t length)
{
    unsigned char *at = bytes;

    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);

        if (got < 0) {
            static const char line[] = "elizamq: getrandom failed\n";

            if (errno == EINTR) {
                continue;
            }
            got = write(STDERR_FILENO, line, sizeof(line) - 1);
            abort();
        }
        at += got;
        length -= (size_t)got;
    }
}

void id_random_bytes(struct id_source *source, void *bytes, size_t length)
{
    if (source->fill != NULL) {
        source->fill(source->context, bytes, length);
        return;
    }
    if (length > sizeof(source->pool)) {
        system_random(bytes, length);
        return;
    }
    if (source->available < length) {
        system_random(source->pool, sizeof(source->pool));
        source->available = sizeof(source->pool);
    }
    source->available -= length;
    memcpy(bytes, source->pool + source->available, length);
    /* What was handed out is not kept: a later leak of the pool says nothing about it. */
    explicit_bzero(source->pool + source->available, length);
}

void id_random_text(struct id_source *source, char *out, size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[TEXT_CHUNK];

    out[length] = '\0';
    while (length > 0) {
        size_t count = length < sizeof(bytes) ? length : sizeof(bytes);

        id_random_bytes(source, bytes, count);
        for (size_t i = 0; i < count; i++) {
            *out++ = alphabet[bytes[i] & 63];
        }
        length -= count;
    }
}

uint64_t id_random_u64(struct id_source *source)
{
    uint64_t value;

    id_random_bytes(source, &value, sizeof(value));
    return value;
}

/* Sets version and variant (RFC 9562 §4) and writes the text form. */
static void uuid_write(unsigned char bytes[UUID_SIZE], unsigned version, char out[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | (version << 4));
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void uuid_random(struct id_source *source, char out[UUID_TEXT_SIZE])
{
    unsigned char bytes[UUID_SIZE];

    id_random_bytes(source, bytes, sizeof(bytes));
    uuid_write(bytes, 4, out);
}

void uuid_by_time(struct id_source *source, int64_t wall_ms, char out[UUID_TEXT_SIZE])
{
    unsigned char bytes[UUID_SIZE];
    uint64_t time = (uint64_t)wall_ms;

    for (size_t i = UUID_TIME_SIZE; i > 0; i--) {
        bytes[i - 1] = (unsigned char)time;
        time >>= 8;
    }
    id_random_bytes(source, bytes + UUID_TIME_SIZE, sizeof(bytes) - UUID_TIME_SIZE);
    uuid_write(bytes, 7, out);
}

bool uuid_is_valid(struct slice text)
{
    if (text.length != UUID_TEXT_LENGTH) {
        return false;
    }
    for (size_t i = 0; i < UUID_TEXT_LENGTH; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text.data[i] != '-' : hex_value(text.data[i]) < 0) {
            return false;
        }
    }
    return true;
}

void uuid_of_reply(struct slice question, struct slice agent, char out[UUID_TEXT_SIZE])
{
    static const char purpose[] = "elizamq reply"; /* the same pair means nothing elsewhere */
    unsigned char input[sizeof(purpose) + 2 * SHA256_DIGEST_LENGTH];
    unsigned char hash[SHA256_DIGEST_LENGTH];

    /* Hashed one by one first: parts of fixed length cannot run into each other. */
    memcpy(input, purpose, sizeof(purpose));
    SHA256((const unsigned char *)question.data, question.length, input + sizeof(purpose));
    SHA256((const unsigned char *)agent.data, agent.length,
           input + sizeof(purpose) + SHA256_DIGEST_LENGTH);
    SHA256(input, sizeof(input), hash);

    if (uuid_is_valid(question)) {
        const char *at = question.data;

        for (size_t i = 0; i < UUID_TIME_SIZE; i++) {
            if (*at == '-') {
                at++;
            }
            hash[i] = (unsigned char)(hex_value(at[0]) << 4 | hex_value(at[1]));
            at += 2;
        }
    }
    uuid_write(hash, 8, out);
}
