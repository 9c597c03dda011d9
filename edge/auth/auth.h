/*
 * Who may use this edge: keys (ElizaOS's ELIZA_SERVER_AUTH_TOKEN and SERVER_API_KEY, any of them
 * good for REST and sockets alike) and tokens. A client shows what it has, in headers or in the
 * auth of its CONNECT. A key lets it in; a token lets it in as its subject. Without either
 * configured everybody is let in.
 */
#ifndef EDGE_AUTH_AUTH_H
#define EDGE_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/auth/identity.h"
#include "edge/auth/jwt.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

enum { AUTH_KEYS_MAX = 64, AUTH_GIVEN_KEYS_MAX = 3, CREDENTIALS_MAX = 4, AUTH_HOLDER_BYTES = 32 };

/* Texts are borrowed for as long as the auth lives: files are read again. */
struct auth_settings {
    const char *api_key_file;                  /* keys, one a line; NULL: none */
    const char *api_keys[AUTH_GIVEN_KEYS_MAX]; /* NULL or empty: not given */
    const char *jwt_key_file;                  /* see jwt_keys.h; NULL: no tokens */
    struct jwt_settings jwt;
};

/* What a client shows; texts are borrowed, empty ones do not count. */
struct credentials {
    struct slice texts[CREDENTIALS_MAX];
    size_t count;
};
void credentials_add(struct credentials *credentials, struct slice text);
/* One line each, for who keeps what headers showed; values of headers hold no line's end. */
void credentials_write(const struct credentials *credentials, struct buffer *out);
void credentials_read(struct credentials *credentials, struct slice lines);

enum auth_result {
    AUTH_ACCEPTED,
    AUTH_KEY_WANTED, /* no key, or none of ours */
    AUTH_BAD_TOKEN   /* one that is malformed, foreign, expired or not valid yet */
};

/* Who was accepted. */
struct auth_holder {
    struct identity *identity;               /* the caller's; NULL: bound by nothing */
    unsigned char digest[AUTH_HOLDER_BYTES]; /* of the key or the subject; zeros: neither */
};

struct auth;

/* NULL and a reason, which holds no secret, when a file cannot be used. */
struct auth *auth_new(const struct auth_settings *settings, char *reason, size_t reason_size);
void auth_destroy(struct auth **auth);
/* Reads the files again. False and a reason: everything stays as it was. */
bool auth_reload(struct auth *auth, char *reason, size_t reason_size);

bool auth_is_required(const struct auth *auth);
/* wall: ms since 1970. Keys are compared in constant time. */
enum auth_result auth_check(const struct auth *auth, const struct credentials *credentials,
                            int64_t wall, struct auth_holder *holder);

#endif
