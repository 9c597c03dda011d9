/*
 * Reading rows of the SQLite backend: a cursor over one prepared statement.
 */
#ifndef ROUTER_STORE_STORE_SQLITE_ROW_H
#define ROUTER_STORE_STORE_SQLITE_ROW_H

#include <stdbool.h>
#include "router/store/store_sqlite.h"

enum { STORE_SQLITE_ROW_IDS_MAX = 4 };

/* What a row's functions return borrows from the row, until the next sqlite_row_next(). */
struct sqlite_row {
    sqlite3_stmt *statement; /* borrows */
    int ids;
    char unpacked[STORE_SQLITE_ROW_IDS_MAX][UUID_TEXT_LENGTH];
};

struct sqlite_row sqlite_row_of(struct store_sqlite *store, enum store_sqlite_statement statement);
/* False after the last row, with the statement reset and its result in *rc. */
bool sqlite_row_next(struct sqlite_row *row, int *rc);
/* Ends before the last row. */
int sqlite_row_stop(struct sqlite_row *row);

uint64_t sqlite_row_number(const struct sqlite_row *row, int column);
int64_t sqlite_row_time(const struct sqlite_row *row, int column);
struct slice sqlite_row_bytes(const struct sqlite_row *row, int column); /* text or blob */
struct slice sqlite_row_id(struct sqlite_row *row, int column);
/* A row that begins with STORE_SQLITE_MESSAGE_COLUMNS, body left out or not. */
struct message_record sqlite_row_message(struct sqlite_row *row, bool has_body);

/* A row of STORE_SQLITE_ROOM_COLUMNS; what comes from its messages is 0. */
struct room_record sqlite_row_room(struct sqlite_row *row);
/* A row of STORE_SQLITE_RECORD_COLUMNS. */
struct named_record sqlite_row_record(struct sqlite_row *row);

/* The two integers of the first row only; both untouched when *found is false. */
int sqlite_row_first(sqlite3_stmt *statement, bool *found, int64_t *first, int64_t *second);
/* seq and created_at of a room's last message. */
int sqlite_row_last_message(struct store_sqlite *store, uint64_t room, bool *found, int64_t *seq,
                            int64_t *created_at);

/* store_sqlite_query.c: an array of a page with room for one more item than count. */
void *sqlite_page_grow(struct arena *arena, void *items, size_t count, size_t *capacity,
                       size_t size);
/* The first parameter; `packed` lives until the statement is reset. */
void sqlite_page_bind_id(sqlite3_stmt *statement, const char *id,
                         unsigned char packed[PACKED_ID_LENGTH]);
/* Is that room one that the query's viewer may be told of? */
int sqlite_page_is_for_viewer(struct store_sqlite *store, const struct store_query *query,
                              uint64_t room, bool *is_for);
/* Copies a message into the page; capacity: of its array, 0 at first. */
void sqlite_page_add_message(struct store_page *page, const struct message_record *message,
                             size_t *capacity);

#endif
