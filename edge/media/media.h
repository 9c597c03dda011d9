/*
 * Files that people and agents attach to messages: uploads into the media directory, and their way
 * out again. Edges share the directory. No database knows of files: who has an address, 120 random
 * bits of it, may read.
 *
 *     DIR/uploads/agents/ID/FILE   DIR/uploads/channels/ID/FILE   DIR/generated/ID/FILE
 *     DIR/.incoming/…              unfinished; what an edge left behind is removed after an hour
 *
 * Implements: the uploads and the /media addresses of ElizaOS 1.7.
 */
#ifndef EDGE_MEDIA_MEDIA_H
#define EDGE_MEDIA_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/http/cors.h"
#include "edge/http/http.h"
#include "edge/media/media_path.h"
#include "proto/base/id.h"

struct media;
struct uv_loop_s;

struct media_settings {
    const char *directory;   /* NULL: there are no uploads */
    int64_t upload_max;      /* bytes of a file */
    int64_t uploads_max;     /* under way at once */
    int64_t upload_deadline; /* ms for a whole body */
    const struct cors *cors; /* borrows */
};

struct media_counters {
    uint64_t uploaded, refused, served;
    uint64_t abandoned; /* uploads whose client left, or did not finish in time */
    uint64_t failed;    /* by the disk */
    size_t uploading;   /* now */
};

/* Could media_new() make or use that directory? Touches nothing; false: a reason. */
bool media_directory_is_usable(const char *directory, char *reason, size_t reason_size);
/* NULL and a reason when the directory cannot be made or used. */
struct media *media_new(struct uv_loop_s *loop, const struct media_settings *settings,
                        struct id_source *ids, char *reason, size_t reason_size);
/* When the loop has run for the last time. */
void media_destroy(struct media **media);

/* Bytes of an upload's body at most: the file, and what a form needs around it. */
size_t media_body_max(const struct media *media);
/*
 * Answers an upload: `file` of a form becomes a file of the place. id: whose, an agent or a
 * channel. media NULL: 503.
 */
void media_upload(struct media *media, struct http_exchange *exchange,
                  const struct http_request *request, enum media_place place, struct slice id,
                  int64_t wall_ms);
/* Answers a request for an address below /media. False: it is none. */
bool media_serve(struct media *media, struct http_exchange *exchange,
                 const struct http_request *request);
const struct media_counters *media_counters(const struct media *media);

#endif
