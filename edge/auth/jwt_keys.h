/*
 * The keys that JSON Web Tokens are checked with. Which algorithm a key is for follows from its
 * kind alone, never from a token: a secret HS256, an RSA key RS256, one of the curve P-256 ES256.
 *
 * Implements: RFC 7517 (sets of keys), RFC 7518 §3.2, §3.3, §3.4, §6.
 */
#ifndef EDGE_AUTH_JWT_KEYS_H
#define EDGE_AUTH_JWT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/slice.h"

enum {
    JWT_KEYS_MAX = 64,
    JWT_SECRET_BYTES_MIN = 32, /* RFC 7518 §3.2: as long as the hash */
    JWT_RSA_BITS_MIN = 2048
};

struct jwt_keys;

/*
 * From the text of a file: a public key in PEM ("-----BEGIN PUBLIC KEY-----", or a certificate), a
 * set of keys in JSON ({"keys":[…]}; kinds that are not served are left out), else a secret. NULL
 * and a reason, without any of the text, when there is no key in it, or one that is too short.
 */
struct jwt_keys *jwt_keys_new(struct slice text, char *reason, size_t reason_size);
void jwt_keys_destroy(struct jwt_keys **keys);

/*
 * Is the signature right? algorithm and key_id: of the token's header, the latter empty when it has
 * none. Only keys of that algorithm are tried, and of that id, where there is one.
 */
bool jwt_keys_verify(const struct jwt_keys *keys, struct slice algorithm, struct slice key_id,
                     struct slice signed_text, struct slice signature);

#endif
