#include "edge/media/media_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "proto/base/buffer.h"
#include "proto/base/memory.h"

enum { DIRECTORY_MODE = 0750, FILE_MODE = 0640 };

enum step { STEP_WRITE, STEP_NAME, STEP_REMOVE };

struct media_file {
    uv_work_t work;
    struct uv_loop_s *loop; /* borrows, as the next four */
    const struct media_file_operations *operations;
    void *context;
    int incoming, place;
    int descriptor; /* owns; -1: not open */
    int error;      /* errno of the first thing that failed */
    char temporary[MEDIA_NAME_MAX + 1];
    struct media_path path;
    struct timespec modified;
    bool has_modified;
    bool is_at_work;       /* the pool has it: only `waiting` and what is asked for may change */
    bool is_asked;         /* ready() is due */
    bool is_whole;         /* finish() was called */
    bool is_there;         /* under its temporary name */
    bool is_named;         /* under its own */
    bool is_destroyed;     /* by its owner; goes when the pool is done */
    struct buffer waiting; /* to be written next */
    struct buffer writing; /* by the pool */
    enum step step;
};

/* --- in the pool ------------------------------------------------------------------------------ */

static int write_all(int descriptor, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(descriptor, bytes.data, bytes.length);

        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            bytes = slice_of(bytes.data + written, bytes.length - (size_t)written);
        }
    }
    return 0;
}

static int write_step(struct media_file *file)
{
    if (file->descriptor < 0) {
        file->descriptor = openat(file->incoming, file->temporary,
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    }
    if (file->descriptor < 0) {
        return errno;
    }
    file->is_there = true;
    return write_all(file->descriptor, buffer_slice(&file->writing));
}

/* What was said to be there is there after a loss of power, too. */
static int name_step(struct media_file *file)
{
    const struct timespec times[2] = {file->modified, file->modified};
    const char *directory = file->path.directory;
    int error = 0;

    if ((file->has_modified && futimens(file->descriptor, times) != 0) ||
        fsync(file->descriptor) != 0) {
        return errno;
    }
    if (mkdirat(file->place, directory, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return errno;
    }
    int to = openat(file->place, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0) {
        return errno;
    }
    if (renameat(file->incoming, file->temporary, to, file->path.file) != 0 || fsync(to) != 0) {
        error = errno;
    }
    close(to);
    return error;
}

static void on_work(uv_work_t *work)
{
    struct media_file *file = work->data;

    switch (file->step) {
    case STEP_WRITE:
        file->error = write_step(file);
        break;
    case STEP_NAME:
        file->error = name_step(file);
        break;
    case STEP_REMOVE:
        unlinkat(file->incoming, file->temporary, 0);
        break;
    }
    if (file->step != STEP_WRITE && file->descriptor >= 0) {
        close(file->descriptor);
        file->descriptor = -1;
    }
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void on_worked(uv_work_t *work, int status);

static void begin(struct media_file *file, enum step step)
{
    assert(!file->is_at_work);
    file->is_at_work = true;
    file->step = step;
    int error = uv_queue_work(file->loop, &file->work, on_work, on_worked);
    assert(error == 0); /* it fails for want of a function to call only */
    (void)error;
}

static void begin_writing(struct media_file *file)
{
    struct buffer written = file->writing;

    file->writing = file->waiting;
    file->waiting = written;
    buffer_clear(&file->waiting);
    begin(file, STEP_WRITE);
}

static void end(struct media_file *file)
{
    buffer_deinit(&file->waiting);
    buffer_deinit(&file->writing);
    free(file);
}

/* Whatever has a temporary name loses it before the memory goes. */
static void discard(struct media_file *file)
{
    if (file->is_there && !file->is_named) {
        begin(file, STEP_REMOVE);
    } else {
        end(file);
    }
}

static void on_worked(uv_work_t *work, int status)
{
    struct media_file *file = work->data;

    (void)status; /* nothing is ever cancelled */
    file->is_at_work = false;
    file->is_named |= file->step == STEP_NAME && file->error == 0;
    if (file->step == STEP_REMOVE) {
        end(file);
    } else if (file->is_destroyed) {
        discard(file);
    } else if (file->error != 0 || file->is_named) {
        file->operations->finished(file->context, file->error);
    } else if (file->waiting.length > 0) {
        begin_writing(file);
        if (file->is_asked) {
            file->is_asked = false;
            file->operations->ready(file->context);
        }
    } else if (file->is_whole) {
        begin(file, STEP_NAME);
    } else if (file->is_asked) {
        file->is_asked = false;
        file->operations->ready(file->context);
    }
}

struct media_file *media_file_new(struct uv_loop_s *loop, int incoming, const char *temporary_name,
                                  const struct media_file_operations *operations, void *context)
{
    struct media_file *file = memory_allocate_zeroed(sizeof(*file));

    file->work.data = file;
    file->loop = loop;
    file->operations = operations;
    file->context = context;
    file->incoming = incoming;
    file->descriptor = -1;
    snprintf(file->temporary, sizeof(file->temporary), "%s", temporary_name);
    return file;
}

bool media_file_write(struct media_file *file, struct slice bytes)
{
    assert(!file->is_whole);
    buffer_append_slice(&file->waiting, bytes);
    if (file->waiting.length < MEDIA_FILE_WAITING_MAX) {
        return true;
    }
    if (!file->is_at_work && file->error == 0) {
        begin_writing(file);
        return true;
    }
    file->is_asked = true;
    return false;
}

void media_file_finish(struct media_file *file, int place, const struct media_path *path,
                       const struct timespec *modified)
{
    file->place = place;
    file->path = *path;
    file->is_whole = true;
    if (modified != NULL) {
        file->modified = *modified;
        file->has_modified = true;
    }
    /* An empty file is written as well: that is what makes it. */
    if (!file->is_at_work && file->error == 0) {
        begin_writing(file);
    }
}

void media_file_destroy(struct media_file **self)
{
    struct media_file *file = *self;

    *self = NULL;
    if (file == NULL) {
        return;
    }
    file->is_destroyed = true;
    if (!file->is_at_work) {
        discard(file);
    }
}
