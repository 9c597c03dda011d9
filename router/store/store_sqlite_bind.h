/*
 * Filling the parameters of the SQLite backend's statements.
 */
#ifndef ROUTER_STORE_STORE_SQLITE_BIND_H
#define ROUTER_STORE_STORE_SQLITE_BIND_H

#include <assert.h>
#include "router/store/store_sqlite.h"

enum { ID_COLUMNS_MAX = 4 };

/* Fills a statement's parameters from the left; remembers the first failure. */
struct binder {
    sqlite3_stmt *statement;
    int column;
    int rc;
    int ids;
    unsigned char packed[ID_COLUMNS_MAX][PACKED_ID_LENGTH];
};

static inline void bind_begin(struct binder *binder, struct store_sqlite *self,
                              enum store_sqlite_statement statement)
{
    binder->statement = self->statements[statement];
    binder->column = 0;
    binder->rc = SQLITE_OK;
    binder->ids = 0;
}

static inline void bind_note(struct binder *binder, int rc)
{
    if (binder->rc == SQLITE_OK) {
        binder->rc = rc;
    }
}

static inline void bind_integer(struct binder *binder, int64_t value)
{
    bind_note(binder, sqlite3_bind_int64(binder->statement, ++binder->column, value));
}

/* Nothing is copied: what is bound lives until bind_run(). An empty slice is NULL. */
static inline void bind_text(struct binder *binder, struct slice text)
{
    int column = ++binder->column;

    bind_note(binder, text.length == 0
                          ? sqlite3_bind_null(binder->statement, column)
                          : sqlite3_bind_text64(binder->statement, column, text.data, text.length,
                                                SQLITE_STATIC, SQLITE_UTF8));
}

static inline void bind_bytes(struct binder *binder, struct slice bytes)
{
    int column = ++binder->column;

    bind_note(binder, bytes.length == 0 ? sqlite3_bind_null(binder->statement, column)
                                        : sqlite3_bind_blob64(binder->statement, column, bytes.data,
                                                              bytes.length, SQLITE_STATIC));
}

static inline void bind_id(struct binder *binder, struct slice id)
{
    unsigned char *packed = binder->packed[binder->ids];

    assert(binder->ids < ID_COLUMNS_MAX);
    if (!packed_id_from_text(id, packed)) {
        bind_text(binder, id);
        return;
    }
    binder->ids++;
    bind_bytes(binder, slice_of((const char *)packed, PACKED_ID_LENGTH));
}

static inline int bind_run(struct binder *binder)
{
    if (binder->rc == SQLITE_OK) {
        sqlite3_step(binder->statement);
        binder->rc = sqlite3_reset(binder->statement);
    }
    return binder->rc;
}

#endif
