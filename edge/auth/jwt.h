/*
 * JSON Web Tokens, signed and compact: checked, and turned into who their holder is.
 *
 * Implements: RFC 7515 §5.2, §7.1 (no `crit`), RFC 7519 §4.1 (sub, exp, nbf, and iss and aud where
 * the settings name them), RFC 8725 (the algorithm is the key's, `none` is none).
 */
#ifndef EDGE_AUTH_JWT_H
#define EDGE_AUTH_JWT_H

#include <stdbool.h>
#include <stdint.h>
#include "edge/auth/identity.h"
#include "edge/auth/jwt_keys.h"
#include "proto/base/slice.h"

enum { JWT_BYTES_MAX = 8192 };

/* Texts are borrowed. */
struct jwt_settings {
    const char *rooms_claim; /* an array of the rooms that are open; absent in a token: all are */
    const char *issuer;      /* NULL: any */
    const char *audience;    /* NULL: any */
    int64_t leeway;          /* ms that clocks may differ */
};

/* Does it look like one: three parts of the URL's alphabet? */
bool jwt_is_likely(struct slice text);
/*
 * The identity that a token proves at this time (ms since 1970), which the caller owns; NULL when
 * anything about it is wrong.
 */
struct identity *jwt_verify(struct slice token, const struct jwt_keys *keys,
                            const struct jwt_settings *settings, int64_t wall);

#endif
