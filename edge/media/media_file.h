/*
 * A file on its way into the media directory: written to a temporary name, synchronised, and given
 * its name only when it is whole. What could block, the disk, is done by libuv's thread pool, one
 * step at a time, so that a slow disk slows its uploads and nobody else.
 */
#ifndef EDGE_MEDIA_MEDIA_FILE_H
#define EDGE_MEDIA_MEDIA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "edge/media/media_path.h"
#include "proto/base/slice.h"

enum { MEDIA_FILE_WAITING_MAX = 256 * 1024 /* bytes waiting for the disk, then a pause is due */ };

struct media_file;
struct uv_loop_s;

struct media_file_operations {
    /* What waited is written: go on. */
    void (*ready)(void *context);
    /* The end: 0, or errno of what failed; after that nothing more is called. The file stays the
     * caller's to destroy. */
    void (*finished)(void *context, int error);
};

/* incoming: descriptor of the directory for temporary names; borrowed until the end, as all. */
struct media_file *media_file_new(struct uv_loop_s *loop, int incoming, const char *temporary_name,
                                  const struct media_file_operations *operations, void *context);
/*
 * Queues bytes. False: enough is waiting now, ready() will say when to go on. What fails is said by
 * finished(), at once and before the end.
 */
bool media_file_write(struct media_file *file, struct slice bytes);
/* It is whole. place: descriptor of the place's directory. modified: NULL: now. */
void media_file_finish(struct media_file *file, int place, const struct media_path *path,
                       const struct timespec *modified);
/*
 * Ends it in any state; without finished() before, the file is removed. Nothing is called any more,
 * though the pool may still be at work with what it has.
 */
void media_file_destroy(struct media_file **file);

#endif
