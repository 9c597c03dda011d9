/*
 * An open file as the answer to a GET or HEAD: weak ETag and Last-Modified with their conditions,
 * and one byte range. Which file it is, and how long it may be kept, is the caller's to say.
 *
 * Implements: RFC 9110 §8.8, §13.1.2, §13.1.3, §13.1.5, §14.
 */
#ifndef EDGE_HTTP_FILE_ANSWER_H
#define EDGE_HTTP_FILE_ANSWER_H

#include <sys/stat.h>
#include "edge/http/http.h"

/* status is the descriptor's, a regular file; the descriptor is taken over. */
void http_answer_file(struct http_exchange *exchange, const struct http_request *request,
                      const char *content_type, int descriptor, const struct stat *status);
/* 405 for methods other than these two. False: it was answered. */
bool http_reads(struct http_exchange *exchange, const struct http_request *request);

#endif
