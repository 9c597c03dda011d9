#include "router/store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { FILE_MODE = 0640, DIRECTORY_MODE = 0750, WHY_SIZE = 256 };
enum { NO_LOG_MODE = -1 }; /* beside SQLite's results, which are positive */

static const char *const statement_sql[STATEMENT_COUNT] = {
#define X(name, sql) sql,
    STORE_SQLITE_READER_STATEMENTS(X) STORE_SQLITE_WRITER_STATEMENTS(X)
#undef X
};

/* So that what was just made in the directory survives power loss too. */
static void sync_directory(const char *directory)
{
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0) {
        return;
    }
    fsync(descriptor);
    close(descriptor);
}

/* Creates the file, and the directory it is in if that is all that is missing. */
static int create_file(const char *path)
{
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    char *copy = memory_copy_string(path, strlen(path));
    char *directory = dirname(copy);
    int file = open(path, flags, FILE_MODE);
    bool is_new_directory = false;

    if (file < 0 && errno == ENOENT && mkdir(directory, DIRECTORY_MODE) == 0) {
        is_new_directory = true;
        file = open(path, flags, FILE_MODE);
    }
    if (file >= 0) {
        sync_directory(directory);
        if (is_new_directory) {
            sync_directory(dirname(directory));
        }
    }
    free(copy);
    return file;
}

/*
 * Opens the file or, when it is missing, creates it. The descriptor is kept until SQLite has closed
 * the file: closing it drops the process's POSIX locks on it, SQLite's own.
 */
static int open_file(const char *path, char *why, size_t why_size)
{
    int file = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (file < 0 && errno == ENOENT) {
        if (store_sqlite_inspect(path, -1, why, why_size) != 0) {
            return -1;
        }
        file = create_file(path);
    }
    if (file < 0) {
        snprintf(why, why_size, "%s", strerror(errno));
    }
    return file;
}

/* Makes self the one writer of a file that is fit for it. */
static int claim_file(struct store_sqlite *self, const char *path, char *why, size_t why_size)
{
    self->lock = open_file(path, why, why_size);
    if (self->lock < 0) {
        return ERROR_STORE;
    }
    if (flock(self->lock, LOCK_EX | LOCK_NB) != 0) {
        snprintf(why, why_size, "%s",
                 errno == EWOULDBLOCK ? "another router is using it" : strerror(errno));
        return ERROR_STORE;
    }
    return 0;
}

int store_sqlite_run(struct store_sqlite *self, enum store_sqlite_statement statement)
{
    sqlite3_step(self->statements[statement]);
    return sqlite3_reset(self->statements[statement]);
}

static int note_log_size(void *context, sqlite3 *database, const char *name, int pages)
{
    struct store_sqlite *self = context;

    (void)database;
    (void)name;
    self->base.log_bytes = (size_t)pages * (size_t)self->page_size;
    return SQLITE_OK;
}

/* Passive: waits for nobody and makes nobody wait. Busy means that another handle is at it. */
static void checkpoint(struct store *store)
{
    struct store_sqlite *self = (struct store_sqlite *)store;
    int pages = 0;
    int folded = 0;
    int rc =
        sqlite3_wal_checkpoint_v2(self->database, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &folded);

    if (rc == SQLITE_OK) {
        self->base.log_bytes = pages > folded ? (size_t)pages * (size_t)self->page_size : 0;
    } else if ((rc & 0xff) != SQLITE_BUSY) {
        log_warn("store_checkpoint_failed", "file=%s code=%d reason=%s", self->path, rc,
                 sqlite3_errmsg(self->database));
    }
}

static int prepare_all(struct store_sqlite *self, bool read_only)
{
    int count = read_only ? STATEMENT_BEGIN_WRITE : STATEMENT_COUNT;

    for (int i = 0; i < count; i++) {
        int rc = sqlite3_prepare_v3(self->database, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &self->statements[i], NULL);

        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

/* query_only still allows checkpoints. */
static int set_up_reader(struct store_sqlite *self, const struct store_settings *settings)
{
    char pragmas[192];

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON;"
             "PRAGMA cache_size = -%d",
             settings->sync_full ? "FULL" : "NORMAL", STORE_SQLITE_READER_CACHE_KIB);
    return sqlite3_exec(self->database, pragmas, NULL, NULL, NULL);
}

static int set_log_mode(sqlite3 *database)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    bool is_set = false;

    if (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(statement, 0);

        is_set = mode != NULL && strcmp(mode, "wal") == 0;
    }
    rc = sqlite3_finalize(statement);
    return rc == SQLITE_OK && !is_set ? NO_LOG_MODE : rc;
}

static int migrate(struct store_sqlite *self, int version)
{
    int rc = store_sqlite_migrate(self->database, store_sqlite_migrations, version,
                                  STORE_SCHEMA_VERSION);

    if (rc != SQLITE_OK) {
        return rc;
    }
    log_info("store_migrated", "file=%s from=%d to=%d", self->path, version, STORE_SCHEMA_VERSION);
    /* The version, into the file itself if nobody is reading: then file(1) tells it too. */
    sqlite3_wal_checkpoint_v2(self->database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

static int set_up_writer(struct store_sqlite *self, const struct store_settings *settings,
                         int version)
{
    char pragmas[256];
    int rc = set_log_mode(self->database);

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = OFF;"
             "PRAGMA journal_size_limit = %d; PRAGMA cache_size = -%d",
             settings->sync_full ? "FULL" : "NORMAL", STORE_SQLITE_LOG_KEPT,
             STORE_SQLITE_WRITER_CACHE_KIB);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(self->database, pragmas, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && version < STORE_SCHEMA_VERSION) {
        rc = migrate(self, version);
    }
    sqlite3_wal_hook(self->database, note_log_size, self);
    return rc;
}

static int set_up(struct store_sqlite *self, const struct store_settings *settings, char *why,
                  size_t why_size)
{
    int version = 0;
    int rc =
        sqlite3_open_v2(self->path, &self->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(self->database, STORE_SQLITE_BUSY_MS);
        if (store_sqlite_identify(self->database, &version, why, why_size) != 0) {
            return ERROR_SCHEMA;
        }
        rc = sqlite3_exec(self->database,
                          "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                          "PRAGMA temp_store = MEMORY",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = settings->read_only ? set_up_reader(self, settings)
                                 : set_up_writer(self, settings, version);
    }
    if (rc == SQLITE_OK) {
        rc = store_sqlite_ask(self->database, "PRAGMA page_size", &self->page_size);
    }
    if (rc == SQLITE_OK) {
        rc = prepare_all(self, settings->read_only);
    }
    if (rc == SQLITE_OK) {
        return 0;
    }
    snprintf(why, why_size, "%s",
             rc == NO_LOG_MODE ? "its file system cannot keep a write-ahead log"
                               : sqlite3_errmsg(self->database));
    return ERROR_STORE;
}

static void store_sqlite_close(struct store *store)
{
    struct store_sqlite *self = (struct store_sqlite *)store;

    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(self->statements[i]);
    }
    sqlite3_close(self->database);
    if (self->lock >= 0) {
        close(self->lock);
    }
    free(self->path);
    free(self);
}

static const char *path_of(const char *url)
{
    return url + sizeof("sqlite:") - 1;
}

static bool store_sqlite_check(const char *url, char *reason, size_t reason_size)
{
    const char *path = path_of(url);

    if (*path == '\0' || strcmp(path, ":memory:") == 0) {
        snprintf(reason, reason_size, "the store needs a file: sqlite:PATH");
        return false;
    }
    return true;
}

static struct store *store_sqlite_open(const struct store_settings *settings, char *reason,
                                       size_t reason_size)
{
    const char *path = path_of(settings->url);
    struct store_sqlite *self;
    char why[WHY_SIZE] = "";
    int result = 0;

    self = memory_allocate_zeroed(sizeof(*self));
    self->base.backend = &store_sqlite_backend;
    self->lock = -1;
    if (!settings->read_only) {
        result = claim_file(self, path, why, sizeof(why));
    }
    /* The real path: that is where SQLite keeps the log of a database reached by a link. */
    if (result == 0 && (self->path = realpath(path, NULL)) == NULL) {
        snprintf(why, sizeof(why), "%s", strerror(errno));
        result = ERROR_STORE;
    }
    if (result == 0 && !settings->read_only) {
        result = store_sqlite_inspect(self->path, self->lock, why, sizeof(why));
    }
    if (result == 0) {
        result = set_up(self, settings, why, sizeof(why));
    }
    if (result == 0) {
        return &self->base;
    }
    snprintf(reason, reason_size, "cannot use the database %s: %s", path, why);
    store_sqlite_close(&self->base);
    return NULL;
}

const struct store_backend store_sqlite_backend = {
    .scheme = "sqlite",
    .check = store_sqlite_check,
    .open = store_sqlite_open,
    .close = store_sqlite_close,
    .load = store_sqlite_load,
    .commit = store_sqlite_commit,
    .query = store_sqlite_query,
    .checkpoint = checkpoint,
};
