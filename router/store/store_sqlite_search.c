#include <ctype.h>
#include <string.h>

#include "proto/base/buffer.h"
#include "proto/base/json.h"
#include "router/store/store_sqlite_row.h"

/*
 * Search reads messages from the newest on and looks into their texts, STORE_SEARCH_ROWS_MAX at
 * most: tens of milliseconds of the reading thread. An index of words would cost every commit more
 * than all searches of a chat together.
 */

struct search {
    struct store_sqlite *store; /* borrows */
    const struct store_query *query;
    struct slice words;
    struct buffer object;
    struct arena arena;
};

static bool begins_with(const char *at, struct slice words)
{
    for (size_t i = 0; i < words.length; i++) {
        if (tolower((unsigned char)at[i]) != tolower((unsigned char)words.data[i])) {
            return false;
        }
    }
    return true;
}

/* Case counts for ASCII only. */
static bool contains(struct slice text, struct slice words)
{
    for (size_t i = 0; i + words.length <= text.length; i++) {
        if (begins_with(text.data + i, words)) {
            return true;
        }
    }
    return false;
}

static bool has_words(struct search *search, struct slice body)
{
    const char *end = body.length == 0 ? NULL : memchr(body.data, '\0', body.length);
    struct slice members = end == NULL ? body : slice_of(body.data, (size_t)(end - body.data));
    struct slice text;

    if (search->words.length == 0) {
        return true;
    }
    buffer_clear(&search->object);
    buffer_append_char(&search->object, '{');
    buffer_append_slice(&search->object, members);
    buffer_append_char(&search->object, '}');
    arena_reset(&search->arena);
    text = json_get(buffer_slice(&search->object), "text");
    return json_type(text) == JSON_STRING &&
           contains(json_decode_string(text, &search->arena), search->words);
}

/* Of any room: is it the viewer's, and not cleared and still to be swept? */
static bool is_shown(struct search *search, const struct message_record *message)
{
    int64_t kept = 0;
    bool is_for = false;

    return search->query->room != 0 ||
           (sqlite_page_is_for_viewer(search->store, search->query, message->room, &is_for) ==
                SQLITE_OK &&
            is_for && store_sqlite_first_kept(search->store, message->room, &kept) == SQLITE_OK &&
            message->seq >= (uint64_t)kept);
}

static bool is_match(struct search *search, const struct message_record *message)
{
    const struct store_query *query = search->query;

    return message->kind != MESSAGE_KIND_EVENT &&
           (query->owner[0] == '\0' || slice_is(message->sender, query->owner)) &&
           (query->before_ms == 0 || message->created_at < query->before_ms) &&
           (query->after_ms == 0 || message->created_at > query->after_ms) &&
           has_words(search, message->body) && is_shown(search, message);
}

static int scan(struct search *search, struct sqlite_row *row, struct store_page *page)
{
    size_t capacity = 0;
    size_t skipped = 0;
    size_t bytes = 0;
    size_t seen = 0;
    int rc = SQLITE_OK;

    page->complete = true;
    while (sqlite_row_next(row, &rc)) {
        struct message_record message = sqlite_row_message(row, true);

        if (page->count == search->query->limit || bytes > STORE_PAGE_BYTES_MAX ||
            ++seen > STORE_SEARCH_ROWS_MAX) {
            page->complete = false;
            return sqlite_row_stop(row);
        }
        if (search->query->after_ms != 0 && message.created_at <= search->query->after_ms) {
            return sqlite_row_stop(row); /* and so are those before it */
        }
        if (is_match(search, &message) && ++skipped > search->query->skip) {
            bytes += message.body.length;
            sqlite_page_add_message(page, &message, &capacity);
        }
    }
    return rc;
}

int store_sqlite_search(struct store_sqlite *self, const struct store_query *query, int64_t from,
                        struct store_page *page)
{
    struct sqlite_row row =
        sqlite_row_of(self, query->room == 0 ? STATEMENT_NEWEST_OF_ALL : STATEMENT_NEWEST_SHOWN);
    struct search search = {.store = self,
                            .query = query,
                            .words = slice_of_string(query->text),
                            .object = BUFFER_EMPTY};
    int rc;

    if (query->room != 0) {
        sqlite3_bind_int64(row.statement, 1, (int64_t)query->room);
        sqlite3_bind_int64(row.statement, 2, from);
        sqlite3_bind_int64(row.statement, 3, INT64_MAX);
    }
    arena_init(&search.arena);
    rc = scan(&search, &row, page);
    arena_deinit(&search.arena);
    buffer_deinit(&search.object);
    return rc;
}
