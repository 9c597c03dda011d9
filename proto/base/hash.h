/*
 * uthash with a keyed hash function. Clients name rooms, entities and messages, so a hash that they
 * could compute would let them choose names that all fall into one chain. Include this instead of
 * <uthash.h>.
 */
#ifndef PROTO_BASE_HASH_H
#define PROTO_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3 under a random key of this process, folded to 32 bits. */
uint32_t hash_keyed(const void *data, size_t length);
/* The same under a key that several processes share. */
uint32_t hash_with_key(const uint64_t key[2], const void *data, size_t length);

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = hash_keyed((keyptr), (size_t)(keylen)))
#include <uthash.h>

/* Most tables are small and many, one for each room: they start so, and double as they grow. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

#endif
