/*
 * What the files of media/ share. Not included outside edge/media.
 *
 *   media.c   the directory, and files on their way out   upload.c   files on their way in
 */
#ifndef EDGE_MEDIA_INTERNAL_H
#define EDGE_MEDIA_INTERNAL_H

#include "edge/media/media.h"
#include "edge/media/media_file.h"
#include "proto/base/arena.h"

struct media {
    struct uv_loop_s *loop; /* borrows */
    struct media_settings settings;
    struct id_source *ids;    /* borrows */
    int places[MEDIA_PLACES]; /* owns: their directories */
    int incoming;             /* owns */
    struct arena arena;       /* of one request */
    struct media_counters counters;
};

/* A file that gets a temporary name. */
struct media_file *media_new_file(struct media *media,
                                  const struct media_file_operations *operations, void *context);
/* {"success":false,"error":{"code","message"}} */
void media_refuse(struct http_exchange *exchange, int status, const char *code,
                  const char *message);

#endif
