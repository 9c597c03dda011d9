#include "proto/base/hash.h"

#include <string.h>
#include <sys/random.h>

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one and three rounds. */

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void mix(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

/* The one secret of the process: made before main(), only read afterwards. */
static uint64_t process_key[2];

__attribute__((constructor)) static void make_key(void)
{
    if (getrandom(process_key, sizeof(process_key), 0) != (ssize_t)sizeof(process_key)) {
        __builtin_trap(); /* without it the tables could be aimed at */
    }
}

uint32_t hash_with_key(const uint64_t key[2], const void *data, size_t length)
{
    const unsigned char *at = data;
    struct state s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                      key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word;
    size_t left = length;
    for (; left >= sizeof(word); left -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        s.v3 ^= word;
        mix(&s);
        s.v0 ^= word;
    }
    word = (uint64_t)length << 56;
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    s.v3 ^= word;
    mix(&s);
    s.v0 ^= word;
    s.v2 ^= 0xff;
    mix(&s);
    mix(&s);
    mix(&s);
    uint64_t hash = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return (uint32_t)(hash ^ hash >> 32);
}

uint32_t hash_keyed(const void *data, size_t length)
{
    return hash_with_key(process_key, data, length);
}
