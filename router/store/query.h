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
    STORE_QUERY_AFTER_TIME,     /* the same, with created_at > after_ms */
    STORE_QUERY_AFTER_POSITION, /* the same, with position > after_seq */
    STORE_QUERY_HISTORY,  /* newest first: created_at < before_ms (0: no bound) and > after_ms (0:
                             none), at most limit; with after_ms the oldest ones after it. Whoever
                             pages by time misses none: up to STORE_TIES_MAX more come with the
                             last one when they are of its time */
    STORE_QUERY_MESSAGE,  /* the message with that id, in any room */
    STORE_QUERY_ID_TAKEN, /* found: a message or event has that id, shown or not */
    STORE_QUERY_PARTICIPANTS, /* ids of a room's list, in order of being added; limit 0: all */
    STORE_QUERY_SESSION,      /* that session and its memberships; found says if it is there */
    STORE_QUERY_LAST_SESSION, /* the same of the one of the entity `id` that ended last */
    STORE_QUERY_SEARCH,       /* newest first: messages (of room, if not 0) with text in their text,
                                 sender, times and limit as given, the first `skip` left out */
    STORE_QUERY_RUNS, /* jobs of agent `id`, newest first, the first `skip` left out: in `room` (0:
                         any), made from after_ms to before_ms (0: no bound), whose status reads
                         `text` (started, completed, timeout, error; empty: any). after_number: only
                         the job of that number */
    STORE_QUERY_AGENT_HISTORY, /* newest first: questions to agent `id` and its replies, with
                                  created_at < before_ms (0: no bound) */
    STORE_QUERY_ROOMS_OF, /* rooms that participant `id` is noted in, latest noted first, before
                             place before_number (0: all); next is the place to go on before */
    STORE_QUERY_ROOMS,    /* of server `id`, newest first, with number < before_number (0: all) */
    STORE_QUERY_RECORD,   /* the one with that collection and id */
    STORE_QUERY_RECORDS /* of the collection, of `owner` if there is one, in order of creation from
                           after_number on (0: from that end); also how many the collection has */
};

/*
 * A page also ends, with complete false, once its bodies are over this; it has at least one message
 * then, so that whoever pages on gets everything.
 */
enum {
    STORE_PAGE_BYTES_MAX = 8 * 1024 * 1024,
    STORE_TIES_MAX = 1000,
    STORE_SEARCH_ROWS_MAX = 20000, /* looked at by one search; complete tells if that was all */
    STORE_RUNS_SEEN_MAX = 2000,    /* jobs of the agent, likewise: `total` counts among them */
    STORE_SEARCH_TEXT_MAX = 512    /* bytes */
};

struct store_query {
    enum store_query_type type;
    uint64_t token; /* the core's; comes back in the page */
    uint64_t room;  /* number */
    uint64_t after_seq;
    int64_t before_ms;
    int64_t after_ms;
    size_t limit;
    char id[USER_ID_MAX + 1]; /* NUL-terminated id of a message, server or record */
    char collection[RECORD_COLLECTION_MAX + 1];
    char owner[USER_ID_MAX + 1]; /* of records, or sender of messages; empty: any */
    char text[STORE_SEARCH_TEXT_MAX + 1];
    /* Of a query about no room in particular: only rooms that this participant is noted in. Empty:
       any. For SEARCH of all rooms, RUNS, AGENT_HISTORY, ROOMS_OF and ROOMS. */
    char viewer[USER_ID_MAX + 1];
    size_t skip;
    uint64_t before_number;
    uint64_t after_number;
    bool is_descending;
    int64_t now_ms; /* records that have expired by then are not there */
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
    struct room_record *rooms; /* STORE_QUERY_ROOMS */
    size_t room_count;
    struct named_record *records; /* STORE_QUERY_RECORD, STORE_QUERY_RECORDS */
    size_t record_count;
    uint64_t total;          /* STORE_QUERY_RECORDS, STORE_QUERY_RUNS */
    struct run_record *runs; /* STORE_QUERY_RUNS */
    size_t run_count;
    uint64_t next; /* STORE_QUERY_ROOMS_OF */
    struct arena arena;
};

struct store_page *store_page_new(const struct store_query *query);
void store_page_destroy(struct store_page **page);

#endif
