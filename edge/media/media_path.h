/*
 * Where a file of the media directory is, as an address (/media/uploads/channels/ID/FILE) and as
 * names on the disk. Pure. Names are made of A-Z a-z 0-9 . _ - and do not begin with a dot, so no
 * address leads out of its place, whatever it says.
 */
#ifndef EDGE_MEDIA_MEDIA_PATH_H
#define EDGE_MEDIA_MEDIA_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/id.h"
#include "proto/base/slice.h"

enum {
    MEDIA_NAME_MAX = 128,     /* bytes of a directory's or a file's name */
    MEDIA_RANDOM_LENGTH = 20, /* characters of a file's name: 120 bits, nobody guesses them */
    MEDIA_PATH_MAX = 512      /* bytes of an address */
};

enum media_place { MEDIA_AGENTS, MEDIA_CHANNELS, MEDIA_GENERATED, MEDIA_PLACES };

struct media_path {
    enum media_place place;
    char directory[MEDIA_NAME_MAX + 1];
    char file[MEDIA_NAME_MAX + 1];
};

/* The place's directory below the media directory. */
const char *media_place_directory(enum media_place place);
/* Of an address, still percent-encoded. False: it cannot be one of a file. */
bool media_path_parse(struct slice address, struct arena *arena, struct media_path *path);
void media_path_write(const struct media_path *path, struct buffer *out);
/*
 * A new file for an upload: its directory named by the id of the agent or channel if that is a
 * name, else by a UUID made of it; the file by time and chance.
 */
void media_path_make(struct media_path *path, enum media_place place, struct slice id,
                     int64_t wall_ms, struct id_source *ids);
/* And by its type, once that is known. */
void media_path_add_extension(struct media_path *path, const char *extension);

#endif
