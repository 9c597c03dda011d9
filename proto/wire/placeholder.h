/*
 * Binary values inside JSON. The JSON parser of Socket.IO writes {"_placeholder":true,"num":N}
 * where the Nth attachment of the packet belongs; so do the bodies of messages on the bus and in
 * the store. A client may write the two members in any order and spacing, and whatever else into
 * the object; here it has one form, the canonical one, as soon as it has passed
 * placeholders_replace().
 *
 * Without attachments the object is an object like any other: nobody looks for it.
 *
 * Implements: Socket.IO protocol, revision 5, "Packet encoding": BINARY_EVENT, BINARY_ACK.
 */
#ifndef PROTO_WIRE_PLACEHOLDER_H
#define PROTO_WIRE_PLACEHOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* Appends what is to stand for attachment `number`; false refuses the number. */
typedef bool placeholder_write(void *context, uint64_t number, struct buffer *out);

/*
 * Appends the JSON value with every placeholder replaced by what `write` appends. The value has
 * passed json_scan(); time is linear in its length, however deep it nests. 0, or ERROR_MALFORMED
 * when `write` refused a number or a placeholder has none.
 */
int placeholders_replace(struct slice json, placeholder_write *write, void *context,
                         struct buffer *out);

/* Appends the canonical form. */
void placeholder_append(struct buffer *out, uint64_t number);
/* Is there a canonical placeholder at `at`? Then moves *at behind it. */
bool placeholder_take(const char **at, const char *end, uint64_t *number);

#endif
