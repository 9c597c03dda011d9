#include "router/core/dedupe.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/hash.h"
#include "proto/base/memory.h"

enum { EXPIRE_PER_CALL = 5000, SECRET_SIZE = 16 };

struct node {
    struct dedupe_entry entry;
    UT_hash_handle hh; /* also the age list: uthash keeps insertion order */
};

struct dedupe {
    struct node *nodes;
    EVP_MD *digest;   /* owns: looked up once, since that costs more than hashing */
    EVP_MD_CTX *hash; /* owns: scratch */
    unsigned char secret[SECRET_SIZE];
    int64_t window;
    size_t limit;
};

struct dedupe *dedupe_new(struct id_source *ids, int64_t window, int64_t limit)
{
    struct dedupe *dedupe = memory_allocate_zeroed(sizeof(*dedupe));
    id_random_bytes(ids, dedupe->secret, sizeof(dedupe->secret));
    dedupe->digest = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
    dedupe->hash = EVP_MD_CTX_new();
    dedupe->window = window;
    dedupe->limit = (size_t)limit;
    return dedupe;
}

static void drop(struct dedupe *dedupe, struct node *node)
{
    HASH_DEL(dedupe->nodes, node);
    free(node);
}

void dedupe_destroy(struct dedupe **self)
{
    struct dedupe *dedupe = *self;
    *self = NULL;
    if (dedupe == NULL) {
        return;
    }
    struct node *node, *next;
    HASH_ITER (hh, dedupe->nodes, node, next) {
        drop(dedupe, node);
    }
    EVP_MD_CTX_free(dedupe->hash);
    EVP_MD_free(dedupe->digest);
    free(dedupe);
}

struct dedupe_key dedupe_key_of(const struct dedupe *dedupe, uint64_t room, struct slice sender,
                                struct slice message_id)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct dedupe_key key;
    uint64_t sender_length = sender.length;
    EVP_MD_CTX *hash = dedupe->hash;
    /* The lengths are hashed too: ("ab","c") and ("a","bc") are different keys. */
    if (EVP_DigestInit_ex(hash, dedupe->digest, NULL) != 1 ||
        EVP_DigestUpdate(hash, dedupe->secret, sizeof(dedupe->secret)) != 1 ||
        EVP_DigestUpdate(hash, &room, sizeof(room)) != 1 ||
        EVP_DigestUpdate(hash, &sender_length, sizeof(sender_length)) != 1 ||
        EVP_DigestUpdate(hash, sender.data, sender.length) != 1 ||
        EVP_DigestUpdate(hash, message_id.data, message_id.length) != 1 ||
        EVP_DigestFinal_ex(hash, digest, NULL) != 1) {
        abort(); /* libcrypto without a digest: nothing can be promised */
    }
    memcpy(&key, digest, sizeof(key));
    return key;
}

/* A key is a hash already: any of its bits serve the table. */
static unsigned spread(struct dedupe_key key)
{
    return (unsigned)key.low;
}

static struct node *find_node(struct dedupe *dedupe, struct dedupe_key key)
{
    struct node *node;
    HASH_FIND_BYHASHVALUE(hh, dedupe->nodes, &key, sizeof(key), spread(key), node);
    return node;
}

struct dedupe_entry *dedupe_find(struct dedupe *dedupe, struct dedupe_key key)
{
    struct node *node = find_node(dedupe, key);
    return node == NULL ? NULL : &node->entry;
}

uint64_t dedupe_add(struct dedupe *dedupe, const struct dedupe_entry *entry)
{
    uint64_t evicted = 0;
    while (HASH_COUNT(dedupe->nodes) >= dedupe->limit) {
        drop(dedupe, dedupe->nodes);
        evicted++;
    }
    struct node *node = memory_allocate_zeroed(sizeof(*node));
    node->entry = *entry;
    HASH_ADD_BYHASHVALUE(hh, dedupe->nodes, entry.key, sizeof(node->entry.key), spread(entry->key),
                         node);
    return evicted;
}

void dedupe_remove(struct dedupe *dedupe, struct dedupe_key key)
{
    struct node *node = find_node(dedupe, key);
    if (node != NULL) {
        drop(dedupe, node);
    }
}

void dedupe_expire(struct dedupe *dedupe, int64_t wall)
{
    for (int i = 0; i < EXPIRE_PER_CALL && dedupe->nodes != NULL; i++) {
        if (wall - dedupe->nodes->entry.created_at <= dedupe->window) {
            return;
        }
        drop(dedupe, dedupe->nodes);
    }
}

size_t dedupe_count(const struct dedupe *dedupe)
{
    return HASH_COUNT(dedupe->nodes);
}
