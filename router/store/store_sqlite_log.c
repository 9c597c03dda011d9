#include "router/store/store_sqlite_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/memory.h"

enum {
    GROUP_SIZE = 64 * 1024, /* bytes; SQLite's unix VFS takes less than 128 KiB in one write */
    FRAME_HEADER_SIZE = 24,
    FRAME_COMMIT_AT = 4, /* pages in the database if the frame commits, else 0 */
    FRAME_COMMIT_SIZE = 4,
    NOWHERE = -1
};

struct store_sqlite_log {
    sqlite3_io_methods methods;     /* first: the file's pMethods, by which we are found again */
    const sqlite3_io_methods *real; /* borrows */
    char *group;                    /* owns; what waits to be written */
    size_t length;
    sqlite3_int64 start;       /* offset of group[0] */
    sqlite3_int64 end;         /* where the next frame continues */
    sqlite3_int64 committed;   /* where the last commit ended */
    sqlite3_int64 commit_page; /* the page behind the last frame header, if that commits */
};

static struct store_sqlite_log *log_of(sqlite3_file *file)
{
    return (struct store_sqlite_log *)file->pMethods;
}

static int flush(struct store_sqlite_log *self, sqlite3_file *file)
{
    size_t length = self->length;
    int rc;

    if (length == 0)
        return SQLITE_OK;
    self->length = 0;
    rc = self->real->xWrite(file, self->group, (int)length, self->start);
    if (rc != SQLITE_OK)
        self->end = NOWHERE; /* SQLite gives the transaction up and starts over */
    return rc;
}

static bool commits(const char *frame_header)
{
    static const char no_commit[FRAME_COMMIT_SIZE];

    return memcmp(frame_header + FRAME_COMMIT_AT, no_commit, FRAME_COMMIT_SIZE) != 0;
}

/* Adds to the group what continues it. */
static int append(struct store_sqlite_log *self, sqlite3_file *file, const void *data, int size)
{
    if (self->length + (size_t)size > GROUP_SIZE) {
        int rc = flush(self, file);

        if (rc != SQLITE_OK)
            return rc;
    }
    if (self->length == 0)
        self->start = self->end;
    memcpy(self->group + self->length, data, (size_t)size);
    self->length += (size_t)size;
    self->end += size;
    return SQLITE_OK;
}

static int write_through(struct store_sqlite_log *self, sqlite3_file *file, const void *data,
                         int size, sqlite3_int64 offset)
{
    int rc = flush(self, file);

    return rc == SQLITE_OK ? self->real->xWrite(file, data, size, offset) : rc;
}

static int log_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct store_sqlite_log *self = log_of(file);
    bool is_commit = offset == self->commit_page;
    int rc;

    if (offset != self->end && (offset == 0 || offset == self->committed)) {
        self->length = 0; /* of a transaction that was rolled back */
        self->end = offset;
    }
    if (offset == 0)
        self->committed = NOWHERE;
    if (size == FRAME_HEADER_SIZE)
        self->commit_page = commits(data) ? offset + size : NOWHERE;
    if (offset == self->end && size <= GROUP_SIZE)
        rc = append(self, file, data, size);
    else
        rc = write_through(self, file, data, size, offset);
    if (rc == SQLITE_OK && is_commit) {
        rc = flush(self, file);
        if (rc == SQLITE_OK)
            self->committed = self->end = offset + size;
    }
    return rc;
}

static int log_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    struct store_sqlite_log *self = log_of(file);
    int rc = flush(self, file);

    return rc == SQLITE_OK ? self->real->xRead(file, out, size, offset) : rc;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct store_sqlite_log *self = log_of(file);
    int rc = flush(self, file);

    return rc == SQLITE_OK ? self->real->xTruncate(file, size) : rc;
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct store_sqlite_log *self = log_of(file);
    int rc = flush(self, file);

    return rc == SQLITE_OK ? self->real->xSync(file, flags) : rc;
}

static int log_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct store_sqlite_log *self = log_of(file);
    int rc = flush(self, file);

    return rc == SQLITE_OK ? self->real->xFileSize(file, size) : rc;
}

static int log_close(sqlite3_file *file)
{
    struct store_sqlite_log *self = log_of(file);

    self->length = 0; /* at most of a transaction that was rolled back */
    file->pMethods = self->real;
    return self->real->xClose(file);
}

struct store_sqlite_log *store_sqlite_log_attach(sqlite3 *database)
{
    struct store_sqlite_log *self;
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);

    if (rc != SQLITE_OK || file == NULL || file->pMethods == NULL)
        return NULL;
    /* Else SQLite pads a commit with frames behind the one that commits. */
    if ((file->pMethods->xDeviceCharacteristics(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) == 0)
        return NULL;
    self = memory_allocate_zeroed(sizeof(*self));
    self->real = file->pMethods;
    self->methods = *self->real;
    self->methods.xClose = log_close;
    self->methods.xRead = log_read;
    self->methods.xWrite = log_write;
    self->methods.xTruncate = log_truncate;
    self->methods.xSync = log_sync;
    self->methods.xFileSize = log_file_size;
    self->group = memory_allocate(GROUP_SIZE);
    self->end = NOWHERE;
    self->committed = NOWHERE;
    self->commit_page = NOWHERE;
    file->pMethods = &self->methods;
    return self;
}

void store_sqlite_log_destroy(struct store_sqlite_log **log)
{
    if (*log == NULL)
        return;
    free((*log)->group);
    free(*log);
    *log = NULL;
}
