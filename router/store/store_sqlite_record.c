#include <string.h>

#include "proto/base/error.h"
#include "router/store/store_sqlite_bind.h"
#include "router/store/store_sqlite_row.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* What is there under a record's name. */
struct existing {
    bool found;
    int64_t number;
    uint64_t revision;
    int64_t created_at;
    int64_t expires_at;
    bool is_same; /* owner and body are those of the record that is put */
};

static int find_record(struct store_sqlite *self, const struct named_record *record,
                       struct existing *out)
{
    struct binder binder;
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_FIND_RECORD);

    *out = (struct existing){.found = false};
    bind_begin(&binder, self, STATEMENT_FIND_RECORD);
    bind_text(&binder, record->collection);
    bind_id(&binder, record->id);
    if (binder.rc != SQLITE_OK) {
        return binder.rc;
    }
    if (!sqlite_row_next(&row, &binder.rc)) {
        return binder.rc;
    }
    *out = (struct existing){.found = true,
                             .number = sqlite_row_time(&row, 0),
                             .revision = sqlite_row_number(&row, 1),
                             .created_at = sqlite_row_time(&row, 2),
                             .expires_at = sqlite_row_time(&row, 3),
                             .is_same = slice_equals(sqlite_row_id(&row, 4), record->owner) &&
                                        slice_equals(sqlite_row_bytes(&row, 5), record->body)};
    return sqlite_row_stop(&row);
}

static int delete_numbered(struct store_sqlite *self, int64_t number)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_DELETE_RECORD);
    bind_integer(&binder, number);
    return bind_run(&binder);
}

static int count_records(struct store_sqlite *self, struct slice collection, int64_t *count)
{
    struct binder binder;
    int64_t unused = 0;
    bool found;

    *count = 0;
    bind_begin(&binder, self, STATEMENT_RECORD_COUNT);
    bind_text(&binder, collection);
    return binder.rc == SQLITE_OK ? sqlite_row_first(binder.statement, &found, count, &unused)
                                  : binder.rc;
}

static int add_record(struct store_sqlite *self, const struct named_record *record,
                      struct record_outcome *outcome)
{
    struct binder binder;
    int64_t count = 0;
    int rc = count_records(self, record->collection, &count);

    if (rc != SQLITE_OK) {
        return rc;
    }
    if (count >= RECORDS_MAX) {
        outcome->error = ERROR_LIMIT;
        return SQLITE_OK;
    }
    bind_begin(&binder, self, STATEMENT_ADD_RECORD);
    bind_text(&binder, record->collection);
    bind_id(&binder, record->id);
    bind_id(&binder, record->owner);
    bind_bytes(&binder, record->body);
    bind_integer(&binder, record->updated_at);
    bind_integer(&binder, record->updated_at);
    bind_integer(&binder, record->expires_at);
    rc = bind_run(&binder);
    *outcome =
        (struct record_outcome){.number = (uint64_t)sqlite3_last_insert_rowid(self->database),
                                .revision = 1,
                                .created_at = record->updated_at};
    return rc;
}

static int replace_record(struct store_sqlite *self, const struct named_record *record,
                          const struct existing *existing, struct record_outcome *outcome)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_REPLACE_RECORD);
    bind_id(&binder, record->owner);
    bind_bytes(&binder, record->body);
    bind_integer(&binder, record->updated_at);
    bind_integer(&binder, record->expires_at);
    bind_integer(&binder, existing->number);
    *outcome = (struct record_outcome){.number = (uint64_t)existing->number,
                                       .revision = existing->revision + 1,
                                       .created_at = existing->created_at};
    return bind_run(&binder);
}

static bool is_expired(const struct existing *existing, int64_t now)
{
    return existing->found && existing->expires_at != 0 && existing->expires_at <= now;
}

int store_sqlite_put_record(struct store_sqlite *self, const struct store_operation *operation)
{
    const struct named_record *record = &operation->put.record;
    struct record_outcome *outcome = operation->put.outcome;
    uint64_t expected = operation->put.expected;
    struct existing existing;
    int rc = find_record(self, record, &existing);

    if (rc == SQLITE_OK && is_expired(&existing, record->updated_at)) {
        rc = delete_numbered(self, existing.number);
        existing.found = false;
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    *outcome = (struct record_outcome){.error = ERROR_CONFLICT,
                                       .number = (uint64_t)existing.number,
                                       .revision = existing.revision,
                                       .created_at = existing.created_at};
    if (!existing.found) {
        bool may_be_new = expected == RECORD_REVISION_NONE || expected == RECORD_REVISION_ANY;

        outcome->error = ERROR_NOT_FOUND;
        return may_be_new ? add_record(self, record, outcome) : SQLITE_OK;
    }
    if (expected == RECORD_REVISION_ANY || expected == existing.revision) {
        return replace_record(self, record, &existing, outcome);
    }
    if (existing.is_same && existing.revision == expected + 1) {
        outcome->error = 0; /* this very request, once more */
    }
    return SQLITE_OK;
}

int store_sqlite_delete_record(struct store_sqlite *self, const struct store_operation *operation)
{
    struct record_outcome *outcome = operation->put.outcome;
    struct existing existing;
    int rc = find_record(self, &operation->put.record, &existing);

    outcome->error = existing.found ? 0 : ERROR_NOT_FOUND;
    return rc == SQLITE_OK && existing.found ? delete_numbered(self, existing.number) : rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void add_to_page(struct store_page *page, const struct named_record *record,
                        size_t *capacity)
{
    struct named_record *own;

    page->records = sqlite_page_grow(&page->arena, page->records, page->record_count, capacity,
                                     sizeof(*page->records));
    own = &page->records[page->record_count++];
    *own = *record;
    own->collection = arena_copy(&page->arena, record->collection);
    own->id = arena_copy(&page->arena, record->id);
    own->owner = arena_copy(&page->arena, record->owner);
    own->body = arena_copy(&page->arena, record->body);
}

static int read_rows(struct store_sqlite *self, enum store_sqlite_statement statement, size_t limit,
                     struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, statement);
    size_t capacity = 0;
    size_t bytes = 0;
    int rc = SQLITE_OK;

    page->complete = true;
    while (sqlite_row_next(&row, &rc)) {
        struct named_record record;

        if (page->record_count == limit || bytes > STORE_PAGE_BYTES_MAX) {
            page->complete = false;
            return sqlite_row_stop(&row);
        }
        record = sqlite_row_record(&row);
        bytes += record.body.length;
        add_to_page(page, &record, &capacity);
    }
    return rc;
}

int store_sqlite_read_record(struct store_sqlite *self, const struct store_query *query,
                             struct store_page *page)
{
    struct binder binder;
    int rc;

    bind_begin(&binder, self, STATEMENT_RECORD);
    bind_text(&binder, slice_of_string(query->collection));
    bind_id(&binder, slice_of_string(query->id));
    bind_integer(&binder, query->now_ms);
    rc = binder.rc == SQLITE_OK ? read_rows(self, STATEMENT_RECORD, 1, page) : binder.rc;
    page->found = page->record_count == 1;
    return rc;
}

int store_sqlite_read_records(struct store_sqlite *self, const struct store_query *query,
                              struct store_page *page)
{
    static const enum store_sqlite_statement statements[2][2] = {
        {STATEMENT_RECORDS_UP, STATEMENT_RECORDS_DOWN}, {STATEMENT_OWNED_UP, STATEMENT_OWNED_DOWN}};
    bool has_owner = query->owner[0] != '\0';
    enum store_sqlite_statement statement = statements[has_owner][query->is_descending];
    int64_t from =
        query->after_number == 0 && query->is_descending ? INT64_MAX : (int64_t)query->after_number;
    struct binder binder;
    int64_t total = 0;
    int rc;

    page->found = true;
    bind_begin(&binder, self, statement);
    bind_text(&binder, slice_of_string(query->collection));
    bind_integer(&binder, from);
    bind_integer(&binder, query->now_ms);
    if (has_owner) {
        bind_id(&binder, slice_of_string(query->owner));
    }
    rc = binder.rc == SQLITE_OK ? read_rows(self, statement, query->limit, page) : binder.rc;
    if (rc == SQLITE_OK) {
        rc = count_records(self, slice_of_string(query->collection), &total);
    }
    page->total = (uint64_t)total;
    return rc;
}
