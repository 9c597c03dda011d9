#include "edge/http/file_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "edge/http/range.h"
#include "proto/base/clock.h"

enum { TAG_SIZE = 64, RANGE_SIZE = 80 };

static void format_tag(const struct stat *status, char out[TAG_SIZE])
{
    snprintf(out, TAG_SIZE, "W/\"%" PRIx64 "-%" PRIx64 "%08lx\"", (uint64_t)status->st_size,
             (uint64_t)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec);
}

/* Is the tag in the list of If-None-Match? Compared weakly, without the W/. */
static bool tag_matches(struct slice list, const char *tag)
{
    struct slice opaque = slice_of_string(tag + 2);

    if (slice_is(list, "*")) {
        return true;
    }
    return list.length >= opaque.length &&
           memmem(list.data, list.length, opaque.data, opaque.length) != NULL;
}

static bool is_unchanged(const struct http_request *request, const char *tag, const char *date)
{
    struct slice tags = http_request_header(request, "If-None-Match");

    if (tags.length > 0) {
        return tag_matches(tags, tag);
    }
    return slice_is(http_request_header(request, "If-Modified-Since"), date);
}

/* The part of the file that is wanted: all of it, unless one satisfiable range is. */
static enum http_range_verdict range_of(const struct http_request *request, const char *date,
                                        uint64_t size, uint64_t *first, uint64_t *length)
{
    struct slice condition = http_request_header(request, "If-Range");

    *first = 0;
    *length = size;
    /* A weak tag never matches here (RFC 9110 §13.1.5), so the date is all that can. */
    if (request->method != HTTP_GET_METHOD ||
        (condition.length > 0 && !slice_is(condition, date))) {
        return HTTP_RANGE_NONE;
    }
    return http_range_parse(http_request_header(request, "Range"), size, first, length);
}

static void add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    http_add_header(exchange, name, slice_of_string(value));
}

static void answer_range_error(struct http_exchange *exchange, uint64_t size)
{
    char value[RANGE_SIZE];

    snprintf(value, sizeof(value), "bytes */%" PRIu64, size);
    add_header(exchange, "Content-Range", value);
    http_respond(exchange, 416, NULL, SLICE_EMPTY);
}

bool http_reads(struct http_exchange *exchange, const struct http_request *request)
{
    if (request->method == HTTP_GET_METHOD || request->method == HTTP_HEAD_METHOD) {
        return true;
    }
    add_header(exchange, "Allow", "GET, HEAD");
    http_respond(exchange, 405, NULL, SLICE_EMPTY);
    return false;
}

void http_answer_file(struct http_exchange *exchange, const struct http_request *request,
                      const char *content_type, int descriptor, const struct stat *status)
{
    const uint64_t size = (uint64_t)status->st_size;
    char tag[TAG_SIZE];
    char date[CLOCK_HTTP_SIZE];
    char value[RANGE_SIZE];
    uint64_t first;
    uint64_t length;
    int code = 200;

    format_tag(status, tag);
    clock_format_http((int64_t)status->st_mtim.tv_sec * 1000, date);
    add_header(exchange, "ETag", tag);
    add_header(exchange, "Last-Modified", date);
    add_header(exchange, "Accept-Ranges", "bytes");
    if (is_unchanged(request, tag, date)) {
        close(descriptor);
        http_respond(exchange, 304, NULL, SLICE_EMPTY);
        return;
    }
    switch (range_of(request, date, size, &first, &length)) {
    case HTTP_RANGE_NONE:
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        close(descriptor);
        answer_range_error(exchange, size);
        return;
    case HTTP_RANGE_PART:
        code = 206;
        snprintf(value, sizeof(value), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
                 first + length - 1, size);
        add_header(exchange, "Content-Range", value);
        break;
    }
    http_respond_file(exchange, code, content_type, descriptor, (int64_t)first, length);
}
