#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "router/store/store_sqlite_row.h"

/* What an agent did: its jobs by the index on (agent, number), newest first. */

/* --- runs ------------------------------------------------------------------------------------- */

static bool has_status(const struct job_record *job, const char *status)
{
    bool is_timeout = slice_is(job->error, error_code(ERROR_TIMEOUT));

    if (strcmp(status, "started") == 0) {
        return job->state == JOB_OPEN;
    }
    if (strcmp(status, "completed") == 0) {
        return job->state == JOB_DONE;
    }
    if (strcmp(status, "timeout") == 0) {
        return job->state == JOB_FAILED && is_timeout;
    }
    return job->state == JOB_CANCELLED || (job->state == JOB_FAILED && !is_timeout);
}

/* What decides whether it is asked for. */
static struct job_record job_of(struct sqlite_row *row)
{
    return (struct job_record){.number = sqlite_row_number(row, 0),
                               .room = sqlite_row_number(row, 1),
                               .state = (enum job_state)sqlite_row_number(row, 2),
                               .created_at = sqlite_row_time(row, 3),
                               .error = sqlite_row_bytes(row, 4)};
}

static bool is_filtered(const struct store_query *query)
{
    return query->room != 0 || query->after_ms != 0 || query->before_ms != 0 ||
           query->text[0] != '\0' || query->viewer[0] != '\0';
}

static bool fits(const struct store_query *query, const struct job_record *job)
{
    return (query->room == 0 || job->room == query->room) &&
           (query->before_ms == 0 || job->created_at <= query->before_ms) &&
           (query->text[0] == '\0' || has_status(job, query->text));
}

/* The room's id and who asked; question: as it is in the row. */
static int read_place(struct store_sqlite *self, const struct sqlite_row *job, uint64_t room,
                      struct store_page *page, struct run_record *run)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_RUN_PLACE);
    int rc = SQLITE_OK;

    sqlite3_bind_value(row.statement, 1, sqlite3_column_value(job->statement, 5));
    sqlite3_bind_int64(row.statement, 2, (int64_t)room);
    if (sqlite_row_next(&row, &rc)) {
        run->room_id = arena_copy(&page->arena, sqlite_row_id(&row, 0));
        run->asker = arena_copy(&page->arena, sqlite_row_id(&row, 1));
        rc = sqlite_row_stop(&row);
    }
    return rc;
}

static int add_run(struct store_sqlite *self, struct sqlite_row *row, const struct job_record *job,
                   struct store_page *page, size_t *capacity)
{
    struct run_record *own;

    page->runs =
        sqlite_page_grow(&page->arena, page->runs, page->run_count, capacity, sizeof(*page->runs));
    own = &page->runs[page->run_count++];
    *own = (struct run_record){.job = *job};
    own->job.question = arena_copy(&page->arena, sqlite_row_id(row, 5));
    own->job.reply = arena_copy(&page->arena, sqlite_row_id(row, 6));
    own->job.finished_at = sqlite_row_time(row, 7);
    own->job.attempts = sqlite_row_number(row, 8);
    own->job.error = arena_copy(&page->arena, job->error);
    return read_place(self, row, job->room, page, own);
}

/* Of those before `number`, when all of them are asked for and `seen` have been looked at. */
static int count_runs(struct store_sqlite *self, const struct store_query *query, uint64_t number,
                      size_t seen, struct store_page *page)
{
    sqlite3_stmt *statement = self->statements[STATEMENT_RUN_COUNT];
    unsigned char packed[PACKED_ID_LENGTH];
    int64_t most = (int64_t)(STORE_RUNS_SEEN_MAX - seen);
    int64_t count = 0;
    int64_t unused = 0;
    bool found;
    int rc;

    sqlite_page_bind_id(statement, query->id, packed);
    sqlite3_bind_int64(statement, 2, (int64_t)number);
    sqlite3_bind_int64(statement, 3, most + 1);
    rc = sqlite_row_first(statement, &found, &count, &unused);
    page->complete = count <= most;
    page->total += (uint64_t)(count <= most ? count : most);
    return rc;
}

int store_sqlite_read_runs(struct store_sqlite *self, const struct store_query *query,
                           struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_RUNS);
    unsigned char packed[PACKED_ID_LENGTH];
    size_t capacity = 0;
    size_t seen = 0;
    bool is_one = query->after_number != 0;
    bool is_for = true;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite_page_bind_id(row.statement, query->id, packed);
    sqlite3_bind_int64(row.statement, 2, is_one ? (int64_t)query->after_number + 1 : INT64_MAX);
    while (rc == SQLITE_OK && sqlite_row_next(&row, &rc)) {
        struct job_record job = job_of(&row);

        if ((is_one && job.number != query->after_number) || job.created_at < query->after_ms) {
            return sqlite_row_stop(&row);
        }
        if (seen++ == STORE_RUNS_SEEN_MAX) {
            page->complete = false;
            return sqlite_row_stop(&row);
        }
        rc = sqlite_page_is_for_viewer(self, query, job.room, &is_for);
        if (rc == SQLITE_OK && (!is_for || (!is_one && !fits(query, &job)))) {
            continue;
        }
        if (rc == SQLITE_OK && page->total++ >= query->skip && page->run_count < query->limit) {
            rc = add_run(self, &row, &job, page, &capacity);
        }
        if (rc != SQLITE_OK || is_one) {
            sqlite_row_stop(&row);
            return rc;
        }
        if (!is_filtered(query) && page->run_count == query->limit) {
            sqlite_row_stop(&row);
            return count_runs(self, query, job.number, seen, page);
        }
    }
    return rc;
}

/* --- questions and replies -------------------------------------------------------------------- */

/* A page in the making, and what is shown of the room at hand: question and reply share one. */
struct collecting {
    const struct store_query *query;
    struct store_page *page;
    size_t capacity;
    size_t bytes;
    uint64_t room; /* 0: none yet */
    int64_t kept;  /* of it: from that seq on; nothing of one that is not for the viewer */
};

static int note_room(struct store_sqlite *self, struct collecting *collecting, uint64_t room)
{
    bool is_for = true;
    int rc;

    if (collecting->room == room) {
        return SQLITE_OK;
    }
    collecting->room = room;
    collecting->kept = INT64_MAX;
    rc = sqlite_page_is_for_viewer(self, collecting->query, room, &is_for);
    return rc == SQLITE_OK && is_for ? store_sqlite_first_kept(self, room, &collecting->kept) : rc;
}

/* Adds the message whose id that column of the job is, if it is there and not cleared. */
static int add_message(struct store_sqlite *self, const struct sqlite_row *job, int column,
                       struct collecting *collecting)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_MESSAGE);
    int64_t before = collecting->query->before_ms;
    int rc = SQLITE_OK;

    sqlite3_bind_value(row.statement, 1, sqlite3_column_value(job->statement, column));
    if (sqlite_row_next(&row, &rc)) {
        struct message_record message = sqlite_row_message(&row, true);

        rc = note_room(self, collecting, message.room);
        if (rc == SQLITE_OK && message.seq >= (uint64_t)collecting->kept &&
            (before == 0 || message.created_at < before)) {
            collecting->bytes += message.body.length;
            sqlite_page_add_message(collecting->page, &message, &collecting->capacity);
        }
        sqlite_row_stop(&row);
    }
    return rc;
}

static int newer_first(const void *left, const void *right)
{
    const struct message_record *a = left;
    const struct message_record *b = right;

    if (a->created_at != b->created_at) {
        return a->created_at > b->created_at ? -1 : 1;
    }
    return (a->position < b->position) - (a->position > b->position);
}

int store_sqlite_read_agent_history(struct store_sqlite *self, const struct store_query *query,
                                    struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_JOBS_OF_AGENT);
    struct collecting collecting = {.query = query, .page = page};
    unsigned char packed[PACKED_ID_LENGTH];
    size_t seen = 0;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite_page_bind_id(row.statement, query->id, packed);
    while (rc == SQLITE_OK && sqlite_row_next(&row, &rc)) {
        if (page->count >= query->limit || collecting.bytes > STORE_PAGE_BYTES_MAX ||
            seen++ == STORE_RUNS_SEEN_MAX) {
            page->complete = false;
            sqlite_row_stop(&row);
            break;
        }
        if (query->before_ms != 0 && sqlite_row_time(&row, 2) >= query->before_ms) {
            continue; /* its reply came later still */
        }
        rc = add_message(self, &row, 1, &collecting);
        if (rc == SQLITE_OK) {
            rc = add_message(self, &row, 0, &collecting);
        }
        if (rc != SQLITE_OK) {
            sqlite_row_stop(&row);
        }
    }
    if (page->count > 1) {
        qsort(page->messages, page->count, sizeof(*page->messages), newer_first);
    }
    page->count = page->count > query->limit ? query->limit : page->count;
    return rc;
}
