/*
 * Binary attachments of one Socket.IO packet, while they come in: the text that announced them,
 * and their bytes in order. Bounded in number by the codec and in bytes here.
 *
 * Implements: Socket.IO protocol, revision 5, "Packet encoding": BINARY_EVENT, BINARY_ACK.
 */
#ifndef EDGE_SESSION_ATTACHMENTS_H
#define EDGE_SESSION_ATTACHMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

struct attachments;

/* For a packet that announced `expected` of them; copies its text. */
struct attachments *attachments_new(struct slice text, unsigned expected, size_t max_bytes);
void attachments_destroy(struct attachments **attachments);

/* Copies the next one. 0, or ERROR_TOO_LARGE when text and attachments together pass max_bytes. */
int attachments_add(struct attachments *attachments, struct slice bytes);
bool attachments_is_complete(const struct attachments *attachments);
struct slice attachments_text(const struct attachments *attachments);
/* Those received, in order: `count` slices, valid as long as the attachments are. */
const struct slice *attachments_list(const struct attachments *attachments, size_t *count);

#endif
