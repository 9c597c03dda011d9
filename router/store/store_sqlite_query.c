#include <string.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "router/store/store_sqlite_row.h"

enum { FIRST_PAGE_CAPACITY = 16 };

/* Two things by which a room's messages can be found: neither falls within a room. */
struct measure {
    enum store_sqlite_statement last;       /* seq and value of the room's last message */
    enum store_sqlite_statement first_from; /* of the first one from a seq on */
};
static const struct measure by_time = {STATEMENT_LAST_SEQ, STATEMENT_FIRST_SEQ_FROM};
static const struct measure by_position = {STATEMENT_LAST_POSITION, STATEMENT_FIRST_POSITION_FROM};

/*
 * The seq at which the room's messages have reached `value`: all with that much are at or behind
 * it, all others before it. Bisection finds it; sequence numbers may have gaps, so each probe looks
 * for the first message from there on.
 */
static int find(struct store_sqlite *self, const struct measure *measure, uint64_t room,
                int64_t value, int64_t *seq)
{
    sqlite3_stmt *probe = self->statements[measure->first_from];
    int64_t low = 0;
    int64_t high = 0;
    int64_t measured = 0;
    bool found;
    int rc;

    sqlite3_bind_int64(self->statements[measure->last], 1, (int64_t)room);
    rc = sqlite_row_first(self->statements[measure->last], &found, &high, &measured);
    if (rc == SQLITE_OK && found && measured < value) {
        low = ++high;
    }
    sqlite3_bind_int64(probe, 1, (int64_t)room);
    while (rc == SQLITE_OK && low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t at = 0;

        sqlite3_bind_int64(probe, 2, middle);
        rc = sqlite_row_first(probe, &found, &at, &measured);
        if (!found || measured >= value) {
            high = middle;
        } else {
            low = at + 1;
        }
    }
    *seq = low;
    return rc;
}

void *sqlite_page_grow(struct arena *arena, void *items, size_t count, size_t *capacity,
                       size_t size)
{
    size_t more = *capacity == 0 ? FIRST_PAGE_CAPACITY : *capacity * 2;
    void *grown;

    if (count < *capacity) {
        return items;
    }
    grown = arena_allocate(arena, more * size);
    if (count > 0) {
        memcpy(grown, items, count * size);
    }
    *capacity = more;
    return grown;
}

void sqlite_page_add_message(struct store_page *page, const struct message_record *message,
                             size_t *capacity)
{
    struct message_record *own;

    page->messages = sqlite_page_grow(&page->arena, page->messages, page->count, capacity,
                                      sizeof(*page->messages));
    own = &page->messages[page->count++];
    *own = *message;
    own->id = arena_copy(&page->arena, message->id);
    own->sender = arena_copy(&page->arena, message->sender);
    own->client_message_id = arena_copy(&page->arena, message->client_message_id);
    own->in_reply_to = arena_copy(&page->arena, message->in_reply_to);
    own->body = arena_copy(&page->arena, message->body);
}

/* Is there no room for one more, of that time? */
static bool is_full(const struct store_page *page, size_t limit, size_t ties, int64_t created_at)
{
    return page->count >= limit && (page->count == 0 || page->count >= limit + ties ||
                                    page->messages[page->count - 1].created_at != created_at);
}

/*
 * Steps through a statement of messages until limit, the page's bound in bytes, or the end. ties:
 * so many more if they are of the last one's time.
 */
static int read_messages(struct sqlite_row *row, size_t limit, size_t ties, struct store_page *page)
{
    size_t capacity = 0;
    size_t bytes = 0;
    int rc = SQLITE_OK;

    page->complete = true;
    while (sqlite_row_next(row, &rc)) {
        struct message_record message = sqlite_row_message(row, true);

        if (is_full(page, limit, ties, message.created_at) || bytes > STORE_PAGE_BYTES_MAX) {
            page->complete = false;
            return sqlite_row_stop(row);
        }
        bytes += message.body.length;
        sqlite_page_add_message(page, &message, &capacity);
    }
    return rc;
}

int store_sqlite_first_kept(struct store_sqlite *self, uint64_t room, int64_t *seq)
{
    sqlite3_stmt *statement = self->statements[STATEMENT_CLEARED];
    int64_t through = 0;
    int64_t unused = 0;
    bool found;
    int rc;

    sqlite3_bind_int64(statement, 1, (int64_t)room);
    rc = sqlite_row_first(statement, &found, &through, &unused);
    *seq = found ? through + 1 : 0;
    return rc;
}

/* Messages with from <= seq < until that were not cleared, of one end of that range. */
static int read_between(struct store_sqlite *self, enum store_sqlite_statement statement,
                        const struct store_query *query, int64_t from, int64_t until,
                        struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, statement);
    int64_t kept = 0;
    int rc = store_sqlite_first_kept(self, query->room, &kept);

    if (rc != SQLITE_OK) {
        return rc;
    }
    sqlite3_bind_int64(row.statement, 1, (int64_t)query->room);
    sqlite3_bind_int64(row.statement, 2, from > kept ? from : kept);
    sqlite3_bind_int64(row.statement, 3, until);
    return read_messages(&row, query->limit,
                         query->type == STORE_QUERY_HISTORY ? STORE_TIES_MAX : 0, page);
}

static int read_after(struct store_sqlite *self, const struct store_query *query, int64_t seq,
                      struct store_page *page)
{
    page->found = true;
    return read_between(self, STATEMENT_OLDEST_BETWEEN, query, seq, INT64_MAX, page);
}

static void reverse(struct message_record *messages, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct message_record swap = messages[i];

        messages[i] = messages[count - 1 - i];
        messages[count - 1 - i] = swap;
    }
}

static int64_t time_after(int64_t time)
{
    return time == INT64_MAX ? time : time + 1;
}

static int read_history(struct store_sqlite *self, const struct store_query *query,
                        struct store_page *page)
{
    int64_t from = 0;
    int64_t until = INT64_MAX;
    int rc = SQLITE_OK;

    page->found = true;
    if (query->after_ms != 0) {
        rc = find(self, &by_time, query->room, time_after(query->after_ms), &from);
    }
    if (rc == SQLITE_OK && query->before_ms != 0) {
        rc = find(self, &by_time, query->room, query->before_ms, &until);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (query->after_ms == 0) {
        return read_between(self, STATEMENT_NEWEST_SHOWN, query, from, until, page);
    }
    rc = read_between(self, STATEMENT_OLDEST_SHOWN, query, from, until, page);
    reverse(page->messages, page->count);
    return rc;
}

static void bind_id(sqlite3_stmt *statement, int parameter, const char *id,
                    unsigned char packed[PACKED_ID_LENGTH])
{
    if (packed_id_from_text(slice_of_string(id), packed)) {
        sqlite3_bind_blob(statement, parameter, packed, PACKED_ID_LENGTH, SQLITE_STATIC);
    } else {
        sqlite3_bind_text(statement, parameter, id, -1, SQLITE_STATIC);
    }
}

void sqlite_page_bind_id(sqlite3_stmt *statement, const char *id,
                         unsigned char packed[PACKED_ID_LENGTH])
{
    bind_id(statement, 1, id, packed);
}

static int has_participant(struct store_sqlite *self, uint64_t room, const char *id, bool *has)
{
    sqlite3_stmt *statement = self->statements[STATEMENT_IS_PARTICIPANT];
    unsigned char packed[PACKED_ID_LENGTH];
    int64_t number;
    int64_t unused;

    sqlite_page_bind_id(statement, id, packed);
    sqlite3_bind_int64(statement, 2, (int64_t)room);
    return sqlite_row_first(statement, has, &number, &unused);
}

int sqlite_page_is_for_viewer(struct store_sqlite *self, const struct store_query *query,
                              uint64_t room, bool *is_for)
{
    *is_for = true;
    return query->viewer[0] == '\0' ? SQLITE_OK
                                    : has_participant(self, room, query->viewer, is_for);
}

static int read_after_id(struct store_sqlite *self, const struct store_query *query,
                         struct store_page *page)
{
    sqlite3_stmt *statement = self->statements[STATEMENT_SEQ_OF_ID];
    unsigned char packed[PACKED_ID_LENGTH];
    int64_t seq = 0;
    int64_t unused = 0;
    int rc;

    sqlite_page_bind_id(statement, query->id, packed);
    sqlite3_bind_int64(statement, 2, (int64_t)query->room);
    rc = sqlite_row_first(statement, &page->found, &seq, &unused);
    return rc == SQLITE_OK && page->found ? read_after(self, query, seq + 1, page) : rc;
}

static int read_message(struct store_sqlite *self, const struct store_query *query,
                        struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_MESSAGE);
    unsigned char packed[PACKED_ID_LENGTH];
    int rc;

    sqlite_page_bind_id(row.statement, query->id, packed);
    rc = read_messages(&row, 1, 0, page);
    if (rc == SQLITE_OK && page->count == 1) {
        int64_t kept = 0;

        rc = store_sqlite_first_kept(self, page->messages[0].room, &kept);
        page->count = page->messages[0].seq >= (uint64_t)kept;
    }
    page->found = page->count == 1;
    return rc;
}

static int read_id_taken(struct store_sqlite *self, const struct store_query *query,
                         struct store_page *page)
{
    sqlite3_stmt *statement = self->statements[STATEMENT_ID_TAKEN];
    unsigned char packed[PACKED_ID_LENGTH];
    int64_t seq = 0;
    int64_t room = 0;

    sqlite_page_bind_id(statement, query->id, packed);
    return sqlite_row_first(statement, &page->found, &seq, &room);
}

static int read_participants(struct store_sqlite *self, const struct store_query *query,
                             struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_PARTICIPANTS);
    size_t capacity = 0;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite3_bind_int64(row.statement, 1, (int64_t)query->room);
    while (sqlite_row_next(&row, &rc)) {
        if (query->limit > 0 && page->id_count == query->limit) {
            page->complete = false;
            return sqlite_row_stop(&row);
        }
        page->ids = sqlite_page_grow(&page->arena, page->ids, page->id_count, &capacity,
                                     sizeof(*page->ids));
        page->ids[page->id_count++] = arena_copy(&page->arena, sqlite_row_id(&row, 0));
    }
    return rc;
}

static enum store_sqlite_statement statement_of_rooms(const struct store_query *query)
{
    if (query->type == STORE_QUERY_ROOMS_OF) {
        return STATEMENT_ROOMS_OF;
    }
    return query->viewer[0] == '\0' ? STATEMENT_ROOMS_OF_SERVER : STATEMENT_ROOMS_OF_VIEWER;
}

static void add_room(struct store_page *page, struct sqlite_row *row, size_t *capacity)
{
    struct room_record *own;

    page->rooms = sqlite_page_grow(&page->arena, page->rooms, page->room_count, capacity,
                                   sizeof(*page->rooms));
    own = &page->rooms[page->room_count++];
    *own = sqlite_row_room(row);
    page->next = page->type == STORE_QUERY_ROOMS_OF ? sqlite_row_number(row, 12) : own->number;
    own->id = arena_copy(&page->arena, own->id);
    own->server_id = arena_copy(&page->arena, own->server_id);
    own->name = arena_copy(&page->arena, own->name);
    own->type = arena_copy(&page->arena, own->type);
    own->source_type = arena_copy(&page->arena, own->source_type);
    own->metadata = arena_copy(&page->arena, own->metadata);
}

/*
 * Rooms of a server, by their numbers, or of a participant, by when it was noted. Of a participant
 * for a viewer: the viewer's, who is in fewer as a rule, in which the participant is noted, too.
 */
static int read_rooms(struct store_sqlite *self, const struct store_query *query,
                      struct store_page *page)
{
    enum store_sqlite_statement statement = statement_of_rooms(query);
    struct sqlite_row row = sqlite_row_of(self, statement);
    unsigned char packed[PACKED_ID_LENGTH], viewer[PACKED_ID_LENGTH];
    bool is_of_both = statement == STATEMENT_ROOMS_OF && query->viewer[0] != '\0';
    bool is_there = true;
    size_t capacity = 0;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite_page_bind_id(row.statement, is_of_both ? query->viewer : query->id, packed);
    sqlite3_bind_int64(row.statement, 2,
                       query->before_number == 0 ? INT64_MAX : (int64_t)query->before_number);
    if (statement == STATEMENT_ROOMS_OF_VIEWER) {
        bind_id(row.statement, 3, query->viewer, viewer);
    }
    while (sqlite_row_next(&row, &rc)) {
        if (is_of_both) {
            rc = has_participant(self, sqlite_row_number(&row, 0), query->id, &is_there);
        }
        if (rc != SQLITE_OK) {
            sqlite_row_stop(&row);
            return rc;
        }
        if (is_there && page->room_count == query->limit) {
            page->complete = false;
            return sqlite_row_stop(&row);
        }
        if (is_there) {
            add_room(page, &row, &capacity);
        }
    }
    return rc;
}

static int search(struct store_sqlite *self, const struct store_query *query,
                  struct store_page *page)
{
    int64_t kept = 0;
    int rc = query->room == 0 ? SQLITE_OK : store_sqlite_first_kept(self, query->room, &kept);

    page->found = true;
    return rc == SQLITE_OK ? store_sqlite_search(self, query, kept, page) : rc;
}

static int answer(struct store_sqlite *self, const struct store_query *query,
                  struct store_page *page)
{
    int64_t seq = 0;
    int rc;

    switch (query->type) {
    case STORE_QUERY_AFTER_SEQ:
        seq = query->after_seq < INT64_MAX ? (int64_t)query->after_seq + 1 : INT64_MAX;
        return read_after(self, query, seq, page);
    case STORE_QUERY_AFTER_ID:
        return read_after_id(self, query, page);
    case STORE_QUERY_AFTER_TIME:
        rc = find(self, &by_time, query->room, time_after(query->after_ms), &seq);
        return rc == SQLITE_OK ? read_after(self, query, seq, page) : rc;
    case STORE_QUERY_AFTER_POSITION:
        rc = find(self, &by_position, query->room, time_after((int64_t)query->after_seq), &seq);
        return rc == SQLITE_OK ? read_after(self, query, seq, page) : rc;
    case STORE_QUERY_SESSION:
        return store_sqlite_read_session(self, query, page);
    case STORE_QUERY_LAST_SESSION:
        return store_sqlite_read_last_session(self, query, page);
    case STORE_QUERY_HISTORY:
        return read_history(self, query, page);
    case STORE_QUERY_MESSAGE:
        return read_message(self, query, page);
    case STORE_QUERY_ID_TAKEN:
        return read_id_taken(self, query, page);
    case STORE_QUERY_PARTICIPANTS:
        return read_participants(self, query, page);
    case STORE_QUERY_SEARCH:
        return search(self, query, page);
    case STORE_QUERY_RUNS:
        return store_sqlite_read_runs(self, query, page);
    case STORE_QUERY_AGENT_HISTORY:
        return store_sqlite_read_agent_history(self, query, page);
    case STORE_QUERY_ROOMS_OF:
    case STORE_QUERY_ROOMS:
        return read_rooms(self, query, page);
    case STORE_QUERY_RECORD:
        return store_sqlite_read_record(self, query, page);
    case STORE_QUERY_RECORDS:
        return store_sqlite_read_records(self, query, page);
    }
    return SQLITE_MISUSE;
}

/* In one transaction: one snapshot, and one pair of locks instead of one for each statement. */
int store_sqlite_query(struct store *store, const struct store_query *query,
                       struct store_page *page)
{
    struct store_sqlite *self = (struct store_sqlite *)store;
    int rc = store_sqlite_run(self, STATEMENT_BEGIN_READ);

    if (rc == SQLITE_OK) {
        rc = answer(self, query, page);
    }
    if (rc != SQLITE_OK) {
        log_error("store_query_failed", "file=%s type=%d code=%d reason=%s", self->path,
                  (int)query->type, rc, sqlite3_errmsg(self->database));
        arena_reset(&page->arena);
        *page = (struct store_page){
            .token = page->token, .type = page->type, .error = ERROR_STORE, .arena = page->arena};
    }
    if (sqlite3_get_autocommit(self->database) == 0) {
        store_sqlite_run(self, STATEMENT_END);
    }
    return page->error;
}
