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

static struct run_record run_of(struct sqlite_row *row)
{
    return (struct run_record){
        .job = {.number = sqlite_row_number(row, 0),
                .room = sqlite_row_number(row, 1),
                .question = sqlite_row_id(row, 2),
                .reply = sqlite_row_id(row, 3),
                .state = (enum job_state)sqlite_row_number(row, 4),
                .created_at = sqlite_row_time(row, 5),
                .finished_at = sqlite_row_time(row, 6),
                .attempts = sqlite_row_number(row, 7),
                .error = sqlite_row_bytes(row, 8)},
        .room_id = sqlite_row_id(row, 9),
        .asker = sqlite_row_id(row, 10),
    };
}

static bool fits(const struct store_query *query, const struct job_record *job)
{
    return (query->room == 0 || job->room == query->room) &&
           (query->before_ms == 0 || job->created_at <= query->before_ms) &&
           (query->text[0] == '\0' || has_status(job, query->text));
}

static void add_run(struct store_page *page, const struct run_record *run, size_t *capacity)
{
    struct run_record *own;

    page->runs =
        sqlite_page_grow(&page->arena, page->runs, page->run_count, capacity, sizeof(*page->runs));
    own = &page->runs[page->run_count++];
    *own = *run;
    own->job.question = arena_copy(&page->arena, run->job.question);
    own->job.reply = arena_copy(&page->arena, run->job.reply);
    own->job.error = arena_copy(&page->arena, run->job.error);
    own->room_id = arena_copy(&page->arena, run->room_id);
    own->asker = arena_copy(&page->arena, run->asker);
}

int store_sqlite_read_runs(struct store_sqlite *self, const struct store_query *query,
                           struct store_page *page)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_RUNS);
    unsigned char packed[PACKED_ID_LENGTH];
    size_t capacity = 0;
    size_t seen = 0;
    bool is_one = query->after_number != 0;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite_page_bind_id(row.statement, query->id, packed);
    sqlite3_bind_int64(row.statement, 2, is_one ? (int64_t)query->after_number + 1 : INT64_MAX);
    while (sqlite_row_next(&row, &rc)) {
        struct run_record run = run_of(&row);

        if ((is_one && run.job.number != query->after_number) ||
            run.job.created_at < query->after_ms) {
            return sqlite_row_stop(&row);
        }
        if (seen++ == STORE_RUNS_SEEN_MAX) {
            page->complete = false;
            return sqlite_row_stop(&row);
        }
        if (!is_one && !fits(query, &run.job)) {
            continue;
        }
        if (page->total++ >= query->skip && page->run_count < query->limit) {
            add_run(page, &run, &capacity);
        }
        if (is_one) {
            return sqlite_row_stop(&row);
        }
    }
    return rc;
}

/* --- questions and replies -------------------------------------------------------------------- */

/* Adds the message of that id, if it is there and not cleared. */
static int add_message(struct store_sqlite *self, struct slice id, int64_t before,
                       struct store_page *page, size_t *capacity, size_t *bytes)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_MESSAGE);
    char text[USER_ID_MAX + 1];
    unsigned char packed[PACKED_ID_LENGTH];
    int64_t kept = 0;
    int rc = SQLITE_OK;

    if (id.length == 0 || id.length > USER_ID_MAX) {
        return SQLITE_OK;
    }
    memcpy(text, id.data, id.length);
    text[id.length] = '\0';
    sqlite_page_bind_id(row.statement, text, packed);
    if (sqlite_row_next(&row, &rc)) {
        struct message_record message = sqlite_row_message(&row, true);

        rc = store_sqlite_first_kept(self, message.room, &kept);
        if (rc == SQLITE_OK && message.seq >= (uint64_t)kept &&
            (before == 0 || message.created_at < before)) {
            *bytes += message.body.length;
            sqlite_page_add_message(page, &message, capacity);
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
    unsigned char packed[PACKED_ID_LENGTH];
    size_t capacity = 0;
    size_t bytes = 0;
    size_t seen = 0;
    int rc = SQLITE_OK;

    page->found = true;
    page->complete = true;
    sqlite_page_bind_id(row.statement, query->id, packed);
    while (rc == SQLITE_OK && sqlite_row_next(&row, &rc)) {
        if (page->count >= query->limit || bytes > STORE_PAGE_BYTES_MAX ||
            seen++ == STORE_RUNS_SEEN_MAX) {
            page->complete = false;
            sqlite_row_stop(&row);
            break;
        }
        if (query->before_ms != 0 && sqlite_row_time(&row, 2) >= query->before_ms) {
            continue; /* its reply came later still */
        }
        rc = add_message(self, sqlite_row_id(&row, 1), query->before_ms, page, &capacity, &bytes);
        if (rc == SQLITE_OK) {
            rc = add_message(self, sqlite_row_id(&row, 0), query->before_ms, page, &capacity,
                             &bytes);
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
