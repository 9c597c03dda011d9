#include "edge/auth/auth.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "proto/base/memory.h"
#include "proto/base/secret.h"

/* Only digests are kept: they are of one length, and say nothing. */
struct key {
    unsigned char digest[AUTH_HOLDER_BYTES];
};

/* What the files hold. */
struct material {
    struct key keys[AUTH_KEYS_MAX];
    size_t key_count;
    struct jwt_keys *jwt_keys; /* owns; NULL: no tokens */
};

struct auth {
    struct auth_settings settings;
    struct material material;
};

void credentials_add(struct credentials *credentials, struct slice text)
{
    if (text.length > 0 && credentials->count < CREDENTIALS_MAX) {
        credentials->texts[credentials->count++] = text;
    }
}

void credentials_write(const struct credentials *credentials, struct buffer *out)
{
    for (size_t i = 0; i < credentials->count; i++) {
        buffer_append_slice(out, credentials->texts[i]);
        buffer_append_char(out, '\n');
    }
}

void credentials_read(struct credentials *credentials, struct slice lines)
{
    while (lines.length > 0) {
        const char *end = memchr(lines.data, '\n', lines.length);
        size_t length = end == NULL ? lines.length : (size_t)(end - lines.data);

        credentials_add(credentials, slice_of(lines.data, length));
        length += end != NULL;
        lines = slice_of(lines.data + length, lines.length - length);
    }
}

static void digest_of(struct slice text, unsigned char digest[AUTH_HOLDER_BYTES])
{
    EVP_Digest(text.data, text.length, digest, NULL, EVP_sha256(), NULL);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool add_key(struct material *material, struct slice text)
{
    if (material->key_count == AUTH_KEYS_MAX) {
        return false;
    }
    digest_of(text, material->keys[material->key_count++].digest);
    return true;
}

static struct slice trimmed(struct slice line)
{
    while (line.length > 0 && strchr(" \t\r", line.data[line.length - 1]) != NULL) {
        line.length--;
    }
    while (line.length > 0 && strchr(" \t", line.data[0]) != NULL) {
        line = slice_of(line.data + 1, line.length - 1);
    }
    return line;
}

/* One key a line, so that a new one can be good before the old one is not. */
static const char *read_keys(struct material *material, struct slice text)
{
    size_t before = material->key_count;

    while (text.length > 0) {
        const char *end = memchr(text.data, '\n', text.length);
        size_t length = end == NULL ? text.length : (size_t)(end - text.data);
        struct slice line = trimmed(slice_of(text.data, length));

        if (line.length > 0 && !add_key(material, line)) {
            return "more than 64 keys";
        }
        length += end != NULL;
        text = slice_of(text.data + length, text.length - length);
    }
    return material->key_count == before ? "no key in it" : NULL;
}

static bool read_key_file(struct material *material, const char *path, char *reason, size_t size)
{
    struct buffer text = BUFFER_EMPTY;
    const char *complaint;

    if (!secret_read(path, &text, reason, size)) {
        return false;
    }
    complaint = read_keys(material, buffer_slice(&text));
    secret_wipe(&text);
    if (complaint != NULL) {
        snprintf(reason, size, "--api-key-file %s: %s", path, complaint);
    }
    return complaint == NULL;
}

static bool read_jwt_file(struct material *material, const char *path, char *reason, size_t size)
{
    struct buffer text = BUFFER_EMPTY;
    char complaint[128];

    if (!secret_read(path, &text, reason, size)) {
        return false;
    }
    material->jwt_keys = jwt_keys_new(buffer_slice(&text), complaint, sizeof(complaint));
    secret_wipe(&text);
    if (material->jwt_keys == NULL) {
        snprintf(reason, size, "--jwt-key-file %s: %s", path, complaint);
    }
    return material->jwt_keys != NULL;
}

static bool read_material(const struct auth_settings *settings, struct material *material,
                          char *reason, size_t size)
{
    *material = (struct material){.key_count = 0};
    for (size_t i = 0; i < AUTH_GIVEN_KEYS_MAX; i++) {
        struct slice key = slice_of_string(settings->api_keys[i]);

        if (key.length > 0) {
            add_key(material, key);
        }
    }
    return (settings->api_key_file == NULL ||
            read_key_file(material, settings->api_key_file, reason, size)) &&
           (settings->jwt_key_file == NULL ||
            read_jwt_file(material, settings->jwt_key_file, reason, size));
}

struct auth *auth_new(const struct auth_settings *settings, char *reason, size_t reason_size)
{
    struct auth *auth = memory_allocate_zeroed(sizeof(*auth));

    auth->settings = *settings;
    if (!read_material(settings, &auth->material, reason, reason_size)) {
        auth_destroy(&auth);
    }
    return auth;
}

void auth_destroy(struct auth **self)
{
    struct auth *auth = *self;

    *self = NULL;
    if (auth != NULL) {
        jwt_keys_destroy(&auth->material.jwt_keys);
        free(auth);
    }
}

bool auth_reload(struct auth *auth, char *reason, size_t reason_size)
{
    struct material material;

    if (!read_material(&auth->settings, &material, reason, reason_size)) {
        jwt_keys_destroy(&material.jwt_keys);
        return false;
    }
    jwt_keys_destroy(&auth->material.jwt_keys);
    auth->material = material;
    return true;
}

/* --- checking --------------------------------------------------------------------------------- */

bool auth_is_required(const struct auth *auth)
{
    return auth->material.key_count > 0 || auth->material.jwt_keys != NULL;
}

/* Looks at every key, whichever fits. */
static bool is_key(const struct material *material, const unsigned char digest[AUTH_HOLDER_BYTES])
{
    bool is_ours = false;

    for (size_t i = 0; i < material->key_count; i++) {
        is_ours |= CRYPTO_memcmp(material->keys[i].digest, digest, AUTH_HOLDER_BYTES) == 0;
    }
    return is_ours;
}

/* Each token shown has to be good; the first one says who it is. */
static bool take_token(const struct auth *auth, struct slice text, int64_t wall,
                       struct auth_holder *holder)
{
    struct identity *identity =
        jwt_verify(text, auth->material.jwt_keys, &auth->settings.jwt, wall);
    bool is_good = identity != NULL;

    if (is_good && holder->identity == NULL) {
        holder->identity = identity;
        digest_of(identity_subject(identity), holder->digest);
    } else {
        identity_destroy(&identity);
    }
    return is_good;
}

enum auth_result auth_check(const struct auth *auth, const struct credentials *credentials,
                            int64_t wall, struct auth_holder *holder)
{
    const struct material *material = &auth->material;
    bool has_key = false;

    *holder = (struct auth_holder){.identity = NULL};
    if (!auth_is_required(auth)) {
        return AUTH_ACCEPTED;
    }
    for (size_t i = 0; i < credentials->count; i++) {
        struct slice text = credentials->texts[i];
        unsigned char digest[AUTH_HOLDER_BYTES];

        if (material->jwt_keys != NULL && jwt_is_likely(text)) {
            if (!take_token(auth, text, wall, holder)) {
                identity_destroy(&holder->identity);
                return AUTH_BAD_TOKEN;
            }
            continue;
        }
        digest_of(text, digest);
        if (is_key(material, digest)) {
            has_key = true;
            if (holder->identity == NULL) {
                memcpy(holder->digest, digest, sizeof(digest));
            }
        }
    }
    return has_key || holder->identity != NULL ? AUTH_ACCEPTED : AUTH_KEY_WANTED;
}
