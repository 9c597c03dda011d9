/*
 * Fields between structs and bytes, as their layout says. For proto/bus alone: message.h and list.h
 * are what others use.
 */
#ifndef PROTO_BUS_CODEC_H
#define PROTO_BUS_CODEC_H

#include <stdbool.h>
#include "proto/base/buffer.h"
#include "proto/base/msgpack.h"
#include "proto/bus/layout.h"

/* base: of the struct. What we encode ourselves is within bounds: asserted. */
void bus_write_fields(struct buffer *out, const struct layout *layout, const void *base);
/* False: a field is missing, of another kind, or over its bound. */
bool bus_read_fields(struct msgpack_reader *reader, const struct layout *layout, void *base);

#endif
