/*
 * The Range header of a request for a file: one range of bytes. Pure.
 *
 * Implements: RFC 9110 §14.1.2, §14.2.
 */
#ifndef EDGE_HTTP_RANGE_H
#define EDGE_HTTP_RANGE_H

#include <stdint.h>
#include "proto/base/slice.h"

enum { HTTP_RANGE_DIGITS_MAX = 18 };

enum http_range_verdict {
    HTTP_RANGE_NONE,         /* the whole file: no header, several ranges, or not understood */
    HTTP_RANGE_PART,         /* 206 */
    HTTP_RANGE_UNSATISFIABLE /* 416 */
};

/* first and length are set for HTTP_RANGE_PART only. */
enum http_range_verdict http_range_parse(struct slice header, uint64_t size, uint64_t *first,
                                         uint64_t *length);

#endif
