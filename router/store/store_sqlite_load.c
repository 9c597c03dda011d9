#include "proto/base/error.h"
#include "proto/base/log.h"
#include "router/store/store_sqlite_row.h"

static int load_rooms(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_ROOMS);
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        struct room_record room = sqlite_row_room(&row);
        int64_t last_seq = 0;
        bool found;

        rc = sqlite_row_last_message(self, room.number, &found, &last_seq, &room.last_at);
        if (rc != SQLITE_OK) {
            sqlite_row_stop(&row);
            return rc;
        }
        room.last_seq = (uint64_t)last_seq;
        loader->room(loader->context, &room);
    }
    return rc;
}

static int load_participants(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row =
        sqlite_row_of(self, loader->wants_all_participants ? STATEMENT_ALL_PARTICIPANTS
                                                           : STATEMENT_LISTED_PARTICIPANTS);
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        loader->participant(loader->context, sqlite_row_number(&row, 0), sqlite_row_id(&row, 1));
    }
    return rc;
}

static int load_agents(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_AGENTS);
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        struct agent_record agent = {
            .id = sqlite_row_id(&row, 0),
            .name = sqlite_row_bytes(&row, 1),
            .details = sqlite_row_bytes(&row, 2),
            .state = (enum agent_state)sqlite_row_number(&row, 3),
            .created_at = sqlite_row_time(&row, 4),
            .updated_at = sqlite_row_time(&row, 5),
        };

        loader->agent(loader->context, &agent);
    }
    return rc;
}

static int load_open_jobs(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_OPEN_JOBS);
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        struct job_record job = {
            .number = sqlite_row_number(&row, 0),
            .room = sqlite_row_number(&row, 1),
            .question_seq = sqlite_row_number(&row, 2),
            .question = sqlite_row_id(&row, 3),
            .agent = sqlite_row_id(&row, 4),
            .reply = sqlite_row_id(&row, 5),
            .asker_edge = sqlite_row_bytes(&row, 6),
            .state = (enum job_state)sqlite_row_number(&row, 7),
            .created_at = sqlite_row_time(&row, 8),
            .finished_at = sqlite_row_time(&row, 9),
        };

        loader->open_job(loader->context, &job);
    }
    return rc;
}

/* Arrival order is the order of time, so the recent ones are at the end of the table. */
static int load_recent(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_NEWEST_TIMES);
    int64_t oldest = INT64_MAX;
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        if (sqlite_row_time(&row, 1) <= loader->recent_since) {
            rc = sqlite_row_stop(&row);
            break;
        }
        oldest = sqlite_row_time(&row, 0);
    }
    if (rc != SQLITE_OK || oldest == INT64_MAX) {
        return rc;
    }
    row = sqlite_row_of(self, STATEMENT_MESSAGES_FROM);
    rc = sqlite3_bind_int64(row.statement, 1, oldest);
    while (rc == SQLITE_OK && sqlite_row_next(&row, &rc)) {
        struct message_record message = sqlite_row_message(&row, false);

        loader->recent(loader->context, &message);
    }
    return rc;
}

static int load_gone(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_GONE);
    int rc = sqlite3_bind_int64(row.statement, 1, loader->recent_since);

    while (rc == SQLITE_OK && sqlite_row_next(&row, &rc)) {
        struct message_record message = sqlite_row_message(&row, false);

        loader->recent(loader->context, &message);
    }
    return rc;
}

static int load_last_numbers(struct store_sqlite *self, struct store_loader *loader)
{
    int64_t room = 0;
    int64_t job = 0;
    bool found;
    int rc = sqlite_row_first(self->statements[STATEMENT_LAST_NUMBERS], &found, &room, &job);

    loader->last_room = (uint64_t)room;
    loader->last_job = (uint64_t)job;
    if (rc == SQLITE_OK) {
        int64_t number = 0;
        int64_t position = 0;

        rc = sqlite_row_first(self->statements[STATEMENT_NEWEST_POSITION], &found, &number,
                              &position);
        loader->last_position = found ? (uint64_t)position : 0;
    }
    if (rc == SQLITE_OK) {
        int64_t clears = 0;
        int64_t expires = 0;

        rc = sqlite_row_first(self->statements[STATEMENT_NEEDS_SWEEP], &found, &clears, &expires);
        loader->needs_sweep = clears + expires > 0;
    }
    return rc;
}

static int load_secret(struct store_sqlite *self, struct store_loader *loader)
{
    struct sqlite_row row = sqlite_row_of(self, STATEMENT_SECRET);
    int rc = SQLITE_OK;

    while (sqlite_row_next(&row, &rc)) {
        loader->secret(loader->context, sqlite_row_bytes(&row, 0));
    }
    return rc;
}

int store_sqlite_load(struct store *store, struct store_loader *loader)
{
    struct store_sqlite *self = (struct store_sqlite *)store;
    int rc = store_sqlite_run(self, STATEMENT_BEGIN_READ);

    if (rc == SQLITE_OK) {
        rc = load_rooms(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_participants(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_agents(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_open_jobs(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_recent(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_gone(self, loader);
    }
    if (rc == SQLITE_OK) {
        rc = load_last_numbers(self, loader);
    }
    if (rc == SQLITE_OK && loader->secret != NULL) {
        rc = load_secret(self, loader);
    }
    if (rc != SQLITE_OK) {
        log_error("store_load_failed", "file=%s code=%d reason=%s", self->path, rc,
                  sqlite3_errmsg(self->database));
    }
    if (sqlite3_get_autocommit(self->database) == 0) {
        store_sqlite_run(self, STATEMENT_END);
    }
    return rc == SQLITE_OK ? 0 : ERROR_STORE;
}
