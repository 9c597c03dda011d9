/*
 * The types of files that may be uploaded, and what a file's first bytes say of it. Pure.
 *
 * Implements: the list of ElizaOS 1.7; signatures as in the WHATWG's MIME Sniffing Standard.
 */
#ifndef EDGE_MEDIA_MEDIA_TYPE_H
#define EDGE_MEDIA_MEDIA_TYPE_H

#include <stdbool.h>
#include "proto/base/slice.h"

enum { MEDIA_SNIFF_LENGTH = 512 /* bytes that are enough to tell */ };

/* What the types are told apart by. */
enum media_format {
    MEDIA_JPEG,
    MEDIA_PNG,
    MEDIA_GIF,
    MEDIA_WEBP,
    MEDIA_ISO_BASE, /* MP4 */
    MEDIA_MATROSKA, /* WebM */
    MEDIA_PDF,
    MEDIA_MPEG_AUDIO,
    MEDIA_WAVE,
    MEDIA_OGG,
    MEDIA_ADTS, /* AAC */
    MEDIA_FLAC,
    MEDIA_TEXT,
    MEDIA_UNKNOWN
};

struct media_type {
    const char *declared;  /* as a client calls it */
    const char *served;    /* as we do */
    const char *kind;      /* image, audio, video or document, for messages' attachments */
    const char *extension; /* without the dot */
    enum media_format format;
};

/* Of a Content-Type, whose parameters are left out of account; NULL: may not be uploaded. */
const struct media_type *media_type_of(struct slice content_type);
/* Of a file's name; NULL: none that could be uploaded. */
const struct media_type *media_type_of_name(const char *name);
/* What the first bytes of a file are, MEDIA_SNIFF_LENGTH of them or all that there are. */
enum media_format media_sniff(struct slice bytes);
bool media_type_is_image(const struct media_type *type);

#endif
