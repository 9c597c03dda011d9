/*
 * Idempotence: which (room, sender, messageId) was seen, and what its acknowledgement said. Keys
 * are 128-bit hashes under a random secret, so that nobody can aim at a collision. Entries leave
 * after the window, or, oldest first, when the limit is reached.
 */
#ifndef ROUTER_CORE_DEDUPE_H
#define ROUTER_CORE_DEDUPE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/id.h"
#include "proto/base/slice.h"

struct dedupe;

struct dedupe_key {
    uint64_t high;
    uint64_t low;
};

struct dedupe_entry {
    struct dedupe_key key;
    uint64_t seq;
    uint64_t epoch;
    int64_t created_at;      /* wall ms */
    char id[UUID_TEXT_SIZE]; /* of the first message */
    bool is_committed;       /* false: still with the store */
    uint8_t no_agent;        /* enum bus_answering */
    uint64_t first_job;      /* its jobs have successive numbers; after a restart: the open ones */
    uint32_t jobs;
};

struct dedupe *dedupe_new(struct id_source *ids, int64_t window, int64_t limit);
void dedupe_destroy(struct dedupe **dedupe);
struct dedupe_key dedupe_key_of(const struct dedupe *dedupe, uint64_t room, struct slice sender,
                                struct slice message_id);
/* The entry, or NULL. Valid until the next call that changes the table. */
struct dedupe_entry *dedupe_find(struct dedupe *dedupe, struct dedupe_key key);
/* Adds one that is not there; returns how many old ones had to leave before their time. */
uint64_t dedupe_add(struct dedupe *dedupe, const struct dedupe_entry *entry);
void dedupe_remove(struct dedupe *dedupe, struct dedupe_key key);
/* Lets go of what is older than the window; bounded work per call. */
void dedupe_expire(struct dedupe *dedupe, int64_t wall);
size_t dedupe_count(const struct dedupe *dedupe);

#endif
