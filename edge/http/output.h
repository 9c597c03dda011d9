/*
 * What waits to be written to one connection, in order: bytes, then perhaps a piece of a file.
 * Everything is first offered to the socket as it is; only what the socket does not take is kept,
 * so that the common answer is one system call and no copy.
 */
#ifndef EDGE_HTTP_OUTPUT_H
#define EDGE_HTTP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum {
    HTTP_FILE_PIECE = 64 * 1024, /* bytes of a file read at once */
    HTTP_FILE_PIECES_MAX = 4     /* pieces per call, then others have their turn */
};

struct http_output {
    struct buffer bytes; /* owns */
    size_t bytes_sent;   /* of `bytes` */
    int file;            /* owns; -1: none */
    off_t file_offset;
    uint64_t file_left;
};

void http_output_init(struct http_output *output);
void http_output_deinit(struct http_output *output); /* drops what waits */
bool http_output_is_empty(const struct http_output *output);
size_t http_output_backlog(const struct http_output *output); /* bytes waiting, files not counted */

/* Offers head and body to the socket and keeps the rest. 0 or ERROR_CLOSED. */
int http_output_send(struct http_output *output, int descriptor, struct slice head,
                     struct slice body);
/* The same with a piece of a file as the body; takes the file's descriptor in any case. */
int http_output_send_file(struct http_output *output, int descriptor, struct slice head, int file,
                          off_t offset, uint64_t length);
/* Queues bytes for the next flush. */
void http_output_append(struct http_output *output, struct slice bytes);
/* Writes what the socket takes: how many bytes, or ERROR_CLOSED when it is of no use any more. */
ssize_t http_output_flush(struct http_output *output, int descriptor);

#endif
