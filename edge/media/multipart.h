/*
 * multipart/form-data, taken apart as it comes. Pure; keeps nothing but the header lines of the
 * part in hand, so that files of any size pass through. Strict: no preamble, no folded lines, no
 * padding behind a boundary, one Content-Disposition per part, lines end in CRLF.
 *
 * Implements: RFC 7578, RFC 2046 §5.1.
 */
#ifndef EDGE_MEDIA_MULTIPART_H
#define EDGE_MEDIA_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum {
    MULTIPART_BOUNDARY_MAX = 70,  /* RFC 2046 §5.1.1 */
    MULTIPART_HEADERS_MAX = 4096, /* bytes of one part's header lines */
    MULTIPART_PARTS_MAX = 32      /* of one body */
};

enum multipart_event {
    MULTIPART_MORE,     /* all input is used */
    MULTIPART_PART,     /* a part begins: `part` */
    MULTIPART_DATA,     /* bytes of it: `data` */
    MULTIPART_PART_END, /* it ends */
    MULTIPART_END,      /* the last boundary; what follows is thrown away */
    MULTIPART_MALFORMED /* the rest cannot be read */
};

/* What a part's header lines say; borrowed until its end. */
struct multipart_part {
    struct slice name;
    struct slice filename; /* as sent */
    struct slice content_type;
    bool is_file; /* there is a filename, if an empty one */
};

struct multipart {
    char delimiter[MULTIPART_BOUNDARY_MAX + 4]; /* CRLF, two dashes, the boundary */
    size_t delimiter_length;
    size_t matched; /* bytes of the delimiter that were the last ones seen */
    unsigned state;
    unsigned parts;
    size_t header_length;
    struct multipart_part part;
    struct slice data;
    char headers[MULTIPART_HEADERS_MAX];
};

/* From a Content-Type header. False: it is another type, or its boundary cannot be one. */
bool multipart_init(struct multipart *multipart, struct slice content_type);
/* Takes of *input what the next event needs. Data borrows from the input, or from multipart. */
enum multipart_event multipart_next(struct multipart *multipart, struct slice *input);

#endif
