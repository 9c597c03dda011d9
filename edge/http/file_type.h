/*
 * What a file is served as, by its name's extension.
 */
#ifndef EDGE_HTTP_FILE_TYPE_H
#define EDGE_HTTP_FILE_TYPE_H

#include <stdbool.h>

struct file_type {
    const char *extension;
    const char *content_type;
    bool is_page; /* HTML: names other files, so it is never taken from a cache unasked */
};

/* application/octet-stream for what is not in the table. Never NULL. */
const struct file_type *file_type_of(const char *name);

#endif
