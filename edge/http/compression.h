/*
 * Content codings for answers: gzip and deflate by zlib, whose header only compression.c includes.
 *
 * Implements: RFC 9110 §8.4, §12.5.3.
 */
#ifndef EDGE_HTTP_COMPRESSION_H
#define EDGE_HTTP_COMPRESSION_H

#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum content_coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE };

/* The one of ours that an Accept-Encoding likes best; gzip when it likes both the same. */
enum content_coding content_coding_accepted(struct slice accept_encoding);
const char *content_coding_name(enum content_coding coding); /* as in Content-Encoding */

/* Keeps its working memory, some 260 KiB, from the first use on. */
struct compressor;
struct compressor *compressor_new(void);
void compressor_destroy(struct compressor **compressor);
/* Appends the coded bytes. */
void compressor_run(struct compressor *compressor, enum content_coding coding, struct slice bytes,
                    struct buffer *out);

#endif
