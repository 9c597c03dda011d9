/*
 * Questions to the store and the pages that answer them. Pure. A query is copied, asked on the
 * reader thread, and comes back as a page that owns its bytes.
 */
#ifndef ROUTER_STORE_QUERY_H
#define ROUTER_STORE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "router/store/record.h"

enum store_query_type {
    STORE_QUERY_AFTER_SEQ, /* messages of a room with seq > after_seq, ascending, at most limit */
    STORE_QUERY_AFTER_ID,  /* the same, after the message with that id; found says if it is there */
    STORE_QUERY_AFTER_TIME, /* the same, with created_at > after_ms */
    STORE_QUERY_AFTER_POSITION, /* the same, with position > after_seq */
    STORE_QUERY_HISTORY,    /* newest first: created_at < before_ms (0: no bound) and > after_ms (0:
                               none), at most limit; with after_ms the oldest ones after it */
    STORE_QUERY_MESSAGE,    /* the message with that id, in any room */
    STORE_QUERY_PARTICIPANTS, /* ids of a room's list, in order of being added; limit 0: all */
    STORE_QUERY_SESSION /* that session and its memberships; found says if it is there */
};

/*
 * A page also ends, with complete false, once its bodies are over this; it has at least one message
 * then, so that whoever pages on gets everything.
 */
enum { STORE_PAGE_BYTES_MAX = 8 * 1024 * 1024 };

struct store_query {
    enum store_query_type type;
    uint64_t token; /* the core's; comes back in the page */
    uint64_t room;  /* number */
    uint64_t after_seq;
    int64_t before_ms;
    int64_t after_ms;
    size_t limit;
    char id[USER_ID_MAX + 1]; /* NUL-terminated message id */
};

struct store_page {
    uint64_t token;
    enum store_query_type type;
    int error; /* 0, or ERROR_STORE: the rest is then empty */
    bool found;
    bool complete;                   /* nothing more matches beyond limit */
    struct message_record *messages; /* in the page's arena */
    size_t count;
    struct slice *ids; /* STORE_QUERY_PARTICIPANTS */
    size_t id_count;
    struct session_record session; /* STORE_QUERY_SESSION */
    struct membership_record *memberships;
    size_t membership_count;
    struct arena arena;
};

struct store_page *store_page_new(const struct store_query *query);
void store_page_destroy(struct store_page **page);

#endif
