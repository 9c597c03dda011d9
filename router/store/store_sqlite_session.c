#include "router/store/store_sqlite_row.h"

/* Sessions that can be recovered, each with the rooms that it is in. */

static struct slice copy_id(struct store_page *page, struct sqlite_row *row, int column)
{
    return arena_copy(&page->arena, sqlite_row_id(row, column));
}

static int read_memberships(struct store_sqlite *self, struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_MEMBERSHIPS);
    size_t capacity = 0;
    int rc = SQLITE_OK;

    sqlite3_bind_text(row.statement, 1, page->session.id.data, (int)page->session.id.length,
                      SQLITE_STATIC);
    while (sqlite_row_next(&row, &rc)) {
        page->memberships =
            sqlite_page_grow(&page->arena, page->memberships, page->membership_count, &capacity,
                             sizeof(*page->memberships));
        page->memberships[page->membership_count++] = (struct membership_record){
            .session = page->session.id,
            .room = copy_id(page, &row, 1),
            .entity = copy_id(page, &row, 2),
            .name = arena_copy(&page->arena, sqlite_row_bytes(&row, 3)),
            .position = sqlite_row_number(&row, 4),
            .stamp = sqlite_row_number(&row, 5),
            .was_replayed = sqlite_row_number(&row, 6) != 0,
        };
    }
    return rc;
}

/* The session that a statement with a bound parameter finds. */
static int read_session(struct store_sqlite *self, struct sqlite_row row, struct store_page *page)
{
    int rc = SQLITE_OK;

    page->complete = true;
    while (sqlite_row_next(&row, &rc)) {
        page->found = true;
        page->session = (struct session_record){
            .id = arena_copy(&page->arena, sqlite_row_bytes(&row, 0)),
            .entity = copy_id(page, &row, 1),
            .edge = arena_copy(&page->arena, sqlite_row_bytes(&row, 2)),
            .former = arena_copy(&page->arena, sqlite_row_bytes(&row, 3)),
            .ended_at = sqlite_row_time(&row, 4),
        };
    }
    return rc == SQLITE_OK && page->found ? read_memberships(self, page) : rc;
}

int store_sqlite_read_session(struct store_sqlite *self, const struct store_query *query,
                              struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_SESSION);

    sqlite3_bind_text(row.statement, 1, query->id, -1, SQLITE_STATIC);
    return read_session(self, row, page);
}

int store_sqlite_read_last_session(struct store_sqlite *self, const struct store_query *query,
                                   struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_LAST_SESSION);
    unsigned char packed[PACKED_ID_LENGTH];

    sqlite_page_bind_id(row.statement, query->id, packed);
    return read_session(self, row, page);
}
