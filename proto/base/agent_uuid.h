/*
 * The UUID of an agent that has a name but no id of its own: the one ElizaOS 1.x derives, so that
 * an agent keeps its identity when it moves between the two.
 *
 * A name that is itself a UUID is its own id, letter case kept. Otherwise: the first 16 bytes of
 * SHA-1 over the name as JavaScript's encodeURIComponent() writes it, with the version bits set to
 * 0 and the variant bits to RFC 4122's. Any length is taken; names are UTF-8.
 */
#ifndef PROTO_BASE_AGENT_UUID_H
#define PROTO_BASE_AGENT_UUID_H

#include <stddef.h>

/* Writes 36 characters and a NUL. */
void agent_uuid_from_name(const char *name, size_t length, char out[37]);

#endif
