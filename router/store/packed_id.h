/*
 * Ids as the store keeps them: a UUID in canonical lower-case text as its 16 bytes, anything else
 * as the text it is. Saves more than half of a message's columns and indexes, since most ids are
 * UUIDs that we minted; nobody outside the store sees it. Pure.
 */
#ifndef ROUTER_STORE_PACKED_ID_H
#define ROUTER_STORE_PACKED_ID_H

#include <stdbool.h>
#include "proto/base/id.h"
#include "proto/base/slice.h"

enum { PACKED_ID_LENGTH = 16 };

/* False, and out undefined, when text is not a UUID that packed_id_to_text() would write again. */
bool packed_id_from_text(struct slice text, unsigned char out[PACKED_ID_LENGTH]);
/* Writes UUID_TEXT_LENGTH characters and no NUL. */
void packed_id_to_text(const unsigned char bytes[PACKED_ID_LENGTH], char out[UUID_TEXT_LENGTH]);

#endif
