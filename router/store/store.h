/*
 * The store: where acknowledged messages, rooms, agents and open jobs are. A backend is one
 * `struct store_backend` and one line in the table of store.c; only store_sqlite*.c include
 * sqlite3.h.
 *
 * A backend's functions block; they run on threads of their own behind store_thread.h. Different
 * `struct store` handles may be used by different threads at once.
 */
#ifndef ROUTER_STORE_STORE_H
#define ROUTER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "router/store/batch.h"
#include "router/store/query.h"

enum { STORE_SCHEMA_VERSION = 6 };

struct store_settings {
    const char *url; /* sqlite:PATH */
    bool sync_full;  /* survive power loss, not only process death */
    bool read_only;  /* a second handle beside a writer's: never creates, migrates or commits */
};

/* Receives what the router needs in memory at start; called in this order of members. */
struct store_loader {
    void *context;
    void (*room)(void *context, const struct room_record *room);
    void (*participant)(void *context, uint64_t room, struct slice id);
    bool wants_all_participants; /* else those of rooms with a list of their own */
    void (*agent)(void *context, const struct agent_record *agent);
    void (*open_job)(void *context, const struct job_record *job); /* in order of number */
    /*
     * Messages newer than recent_since, oldest first: for idempotence. Then those that are gone
     * since, likewise: of them only what a repeat is known by. Body is empty.
     */
    void (*recent)(void *context, const struct message_record *message);
    void (*secret)(void *context, struct slice secret); /* not called before there is one */
    int64_t recent_since;                               /* wall ms */
    /* Out: the highest numbers ever used. */
    uint64_t last_room;
    uint64_t last_job;
    uint64_t last_position;
    bool needs_sweep; /* something expires, was cleared, or is gone */
};

struct store;

struct store_backend {
    const char *scheme; /* "sqlite" */
    /* Whether a URL of that scheme says where; touches nothing. */
    bool (*check)(const char *url, char *reason, size_t reason_size);
    struct store *(*open)(const struct store_settings *settings, char *reason, size_t reason_size);
    void (*close)(struct store *store);
    int (*load)(struct store *store, struct store_loader *loader);
    int (*commit)(struct store *store, const struct store_batch *batch); /* 0 or ERROR_STORE */
    int (*query)(struct store *store, const struct store_query *query, struct store_page *page);
    /*
     * Folds the log back into the database. Any handle may, also while another one commits; the log
     * starts anew only once all of it is folded back and the next commit comes.
     */
    void (*checkpoint)(struct store *store);
};

/* A backend's handle begins with this. Members are the backend's to set, anyone's to read. */
struct store {
    const struct store_backend *backend;
    /* The operation of the last commit that broke a constraint and so failed it; NULL: none did. */
    const struct store_operation *refused;
    size_t log_bytes; /* length of the log as this handle last saw it, 0 when all is folded back */
};

/* Whether there is a backend that takes that URL; the reason if not. Touches nothing. */
bool store_is_known(const char *url, char *reason, size_t reason_size);
/*
 * Opens, creating or migrating as needed. NULL and one clear line (which file and why) when the
 * path cannot be used, the file is corrupt, or its schema is newer: nothing is changed then.
 */
struct store *store_open(const struct store_settings *settings, char *reason, size_t reason_size);
void store_close(struct store **store);

#endif
