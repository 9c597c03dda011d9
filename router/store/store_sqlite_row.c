#include "router/store/store_sqlite_row.h"

#include <assert.h>

struct sqlite_row sqlite_row_of(struct store_sqlite *store, enum store_sqlite_statement statement)
{
    return (struct sqlite_row){.statement = store->statements[statement]};
}

bool sqlite_row_next(struct sqlite_row *row, int *rc)
{
    row->ids = 0;
    if (sqlite3_step(row->statement) == SQLITE_ROW) {
        return true;
    }
    *rc = sqlite3_reset(row->statement);
    return false;
}

int sqlite_row_stop(struct sqlite_row *row)
{
    return sqlite3_reset(row->statement);
}

uint64_t sqlite_row_number(const struct sqlite_row *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row->statement, column);
}

int64_t sqlite_row_time(const struct sqlite_row *row, int column)
{
    return sqlite3_column_int64(row->statement, column);
}

struct slice sqlite_row_bytes(const struct sqlite_row *row, int column)
{
    const char *data = sqlite3_column_blob(row->statement, column);
    int length = sqlite3_column_bytes(row->statement, column);

    return data == NULL ? SLICE_EMPTY : slice_of(data, (size_t)length);
}

struct slice sqlite_row_id(struct sqlite_row *row, int column)
{
    struct slice bytes = sqlite_row_bytes(row, column);
    char *text;

    if (bytes.length != PACKED_ID_LENGTH ||
        sqlite3_column_type(row->statement, column) != SQLITE_BLOB) {
        return bytes;
    }
    assert(row->ids < STORE_SQLITE_ROW_IDS_MAX);
    text = row->unpacked[row->ids++];
    packed_id_to_text((const unsigned char *)bytes.data, text);
    return slice_of(text, UUID_TEXT_LENGTH);
}

struct message_record sqlite_row_message(struct sqlite_row *row, bool has_body)
{
    return (struct message_record){
        .room = sqlite_row_number(row, 0),
        .seq = sqlite_row_number(row, 1),
        .id = sqlite_row_id(row, 2),
        .kind = (enum message_kind)sqlite_row_number(row, 3),
        .sender = sqlite_row_id(row, 4),
        .client_message_id = sqlite_row_id(row, 5),
        .in_reply_to = sqlite_row_id(row, 6),
        .created_at = sqlite_row_time(row, 7),
        .position = sqlite_row_number(row, 8),
        .body = has_body ? sqlite_row_bytes(row, 9) : SLICE_EMPTY,
    };
}

struct room_record sqlite_row_room(struct sqlite_row *row)
{
    return (struct room_record){
        .number = sqlite_row_number(row, 0),
        .id = sqlite_row_id(row, 1),
        .epoch = sqlite_row_number(row, 2),
        .server_id = sqlite_row_id(row, 3),
        .name = sqlite_row_bytes(row, 4),
        .type = sqlite_row_bytes(row, 5),
        .source_type = sqlite_row_bytes(row, 6),
        .metadata = sqlite_row_bytes(row, 7),
        .has_participants = sqlite_row_number(row, 8) != 0,
        .created_at = sqlite_row_time(row, 9),
        .updated_at = sqlite_row_time(row, 10),
        .deleted_at = sqlite_row_time(row, 11),
    };
}

struct named_record sqlite_row_record(struct sqlite_row *row)
{
    return (struct named_record){
        .collection = sqlite_row_bytes(row, 0),
        .id = sqlite_row_id(row, 1),
        .owner = sqlite_row_id(row, 2),
        .body = sqlite_row_bytes(row, 3),
        .number = sqlite_row_number(row, 4),
        .revision = sqlite_row_number(row, 5),
        .created_at = sqlite_row_time(row, 6),
        .updated_at = sqlite_row_time(row, 7),
        .expires_at = sqlite_row_time(row, 8),
    };
}

int sqlite_row_first(sqlite3_stmt *statement, bool *found, int64_t *first, int64_t *second)
{
    *found = sqlite3_step(statement) == SQLITE_ROW;
    if (*found) {
        *first = sqlite3_column_int64(statement, 0);
        *second = sqlite3_column_int64(statement, 1);
    }
    return sqlite3_reset(statement);
}

int sqlite_row_last_message(struct store_sqlite *store, uint64_t room, bool *found, int64_t *seq,
                            int64_t *created_at)
{
    sqlite3_stmt *statement = store->statements[STATEMENT_LAST_SEQ];

    sqlite3_bind_int64(statement, 1, (int64_t)room);
    return sqlite_row_first(statement, found, seq, created_at);
}
