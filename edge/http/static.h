/*
 * A directory of files as a web site: the built-in page, --www, and the client bundle.
 *
 * Only regular files below the root are served, wherever symbolic links lead; names that begin with
 * a dot are not (except .well-known). GET and HEAD, weak ETag and Last-Modified with their
 * conditions, one byte range; a file is read as the client takes it, and never kept.
 *
 * Implements: RFC 9110 §8.8, §13.1.2, §13.1.3, §13.1.5, §14.
 */
#ifndef EDGE_HTTP_STATIC_H
#define EDGE_HTTP_STATIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/http/http.h"

enum { STATIC_PATH_MAX = 1024 /* bytes of a file's path below the root */ };

struct static_site;

struct static_site_settings {
    const char *root;
    bool falls_back; /* an unknown path without an extension is index.html (single-page sites) */
    int64_t max_age; /* seconds a browser may keep files without asking, HTML excepted */
};

/* NULL and a reason when the root is no directory that can be read. */
struct static_site *static_site_new(const struct static_site_settings *settings, char *reason,
                                    size_t reason_size);
void static_site_destroy(struct static_site **self);

/*
 * Answers a request from the site: the file, a directory's index.html, a redirect to a directory's
 * proper name, 304, 405, 416. False when the site has nothing of that name; nothing was answered
 * then.
 */
bool static_site_serve(struct static_site *site, struct http_exchange *exchange,
                       const struct http_request *request);
/*
 * Answers `GET /socket.io/socket.io.js` and the other files of the Socket.IO client below `prefix`
 * (/socket.io/), whose directory is the site's root. False when the path is none of them, or the
 * file is not there.
 */
bool static_site_serve_client(struct static_site *site, struct slice prefix,
                              struct http_exchange *exchange, const struct http_request *request);

#endif
