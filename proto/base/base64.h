/* Base64 (RFC 4648 §4), with padding; and, to read, its URL-safe kind without (§5). */
#ifndef PROTO_BASE_BASE64_H
#define PROTO_BASE_BASE64_H

#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

void base64_encode(struct slice bytes, struct buffer *out);
/*
 * Decodes into the arena. 0, or ERROR_MALFORMED for anything that base64_encode() would not have
 * written: other characters, missing padding, bits set beyond the last byte.
 */
int base64_decode(struct slice text, struct arena *arena, struct slice *bytes);
/* The same for the alphabet of URLs, without padding. */
int base64_decode_url(struct slice text, struct arena *arena, struct slice *bytes);

#endif
