/*
 * Revision 3 of Engine.IO, for engineio.c, which hands it out.
 *
 * Implements: Engine.IO protocol, revision 3, "Encoding": packets, payloads in their text and their
 * binary form, base64 ("b64").
 */
#ifndef PROTO_WIRE_ENGINEIO_V3_H
#define PROTO_WIRE_ENGINEIO_V3_H

#include "proto/wire/engineio.h"

/*
 * Lengths in a text payload count UTF-16 units, as JavaScript does. Clients 1.x encode what they
 * poll in UTF-8 twice, and expect to decode it twice; nothing in their requests tells them from
 * 2.x, which does neither. Therefore:
 * - A packet from a client whose characters are all bytes, and as bytes well-formed UTF-8 that is
 *   more than ASCII, was encoded twice and is decoded once more.
 * - To a client a text payload is all ASCII, which reads the same either way: characters inside
 *   JSON strings are written as \uXXXX.
 */
extern const struct engineio_codec engineio_v3;

/* A packet of text, the same in both revisions. 0 or ERROR_MALFORMED. */
int engineio_decode_text(struct slice message, struct engineio_packet *out);

#endif
