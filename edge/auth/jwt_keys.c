#include "edge/auth/jwt_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "proto/base/arena.h"
#include "proto/base/base64.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"

enum { SHA256_BYTES = 32, P256_BYTES = 32, PEM_BYTES_MAX = 65536 };

#define P256_NAME "prime256v1"

enum key_kind { KEY_SECRET, KEY_RSA, KEY_P256 };

static const char *const algorithms[] = {
    [KEY_SECRET] = "HS256", [KEY_RSA] = "RS256", [KEY_P256] = "ES256"};

struct jwt_key {
    enum key_kind kind;
    char *id;       /* owns; NULL: none */
    EVP_PKEY *pkey; /* owns; of KEY_RSA and KEY_P256 */
    char *secret;   /* owns; of KEY_SECRET */
    size_t secret_length;
};

struct jwt_keys {
    struct jwt_key keys[JWT_KEYS_MAX];
    size_t count;
};

/* --- adding keys ------------------------------------------------------------------------------ */

static const char *add_secret(struct jwt_keys *keys, struct slice id, struct slice secret)
{
    struct jwt_key *key = &keys->keys[keys->count];

    if (secret.length < JWT_SECRET_BYTES_MIN) {
        return "a secret for HS256 has 32 bytes at least";
    }
    key->kind = KEY_SECRET;
    key->id = id.length == 0 ? NULL : memory_copy_string(id.data, id.length);
    key->secret = memory_copy_string(secret.data, secret.length);
    key->secret_length = secret.length;
    keys->count++;
    return NULL;
}

static bool is_p256(const EVP_PKEY *pkey)
{
    char name[32];
    size_t length;

    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name(pkey, name, sizeof(name), &length) == 1 &&
           strcmp(name, P256_NAME) == 0;
}

/* Takes the key over. */
static const char *add_pkey(struct jwt_keys *keys, struct slice id, EVP_PKEY *pkey)
{
    struct jwt_key *key = &keys->keys[keys->count];
    const char *complaint = NULL;

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        key->kind = KEY_RSA;
        complaint =
            EVP_PKEY_get_bits(pkey) < JWT_RSA_BITS_MIN ? "an RSA key has 2048 bits at least" : NULL;
    } else if (is_p256(pkey)) {
        key->kind = KEY_P256;
    } else {
        complaint = "a public key is RSA, or of the curve P-256";
    }
    if (complaint != NULL) {
        EVP_PKEY_free(pkey);
        return complaint;
    }
    key->id = id.length == 0 ? NULL : memory_copy_string(id.data, id.length);
    key->pkey = pkey;
    keys->count++;
    return NULL;
}

static EVP_PKEY *read_pem(struct slice text)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.length);
    EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);

    if (pkey == NULL) {
        X509 *certificate;

        (void)BIO_reset(bio);
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate != NULL) {
            pkey = X509_get_pubkey(certificate);
            X509_free(certificate);
        }
    }
    BIO_free(bio);
    return pkey;
}

static const char *add_pem(struct jwt_keys *keys, struct slice text)
{
    EVP_PKEY *pkey = text.length > PEM_BYTES_MAX ? NULL : read_pem(text);

    return pkey == NULL ? "it is no public key in PEM" : add_pkey(keys, SLICE_EMPTY, pkey);
}

/* --- sets of keys ----------------------------------------------------------------------------- */

/* A base64url member; empty when it is none. */
static struct slice take_bytes(struct slice object, const char *name, struct arena *arena)
{
    struct slice value = json_get(object, name);
    struct slice bytes;

    if (json_type(value) != JSON_STRING ||
        base64_decode_url(json_decode_string(value, arena), arena, &bytes) != 0) {
        return SLICE_EMPTY;
    }
    return bytes;
}

static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *pkey = NULL;

    if (context == NULL || parameters == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        pkey = NULL;
    }
    OSSL_PARAM_free(parameters);
    EVP_PKEY_CTX_free(context);
    return pkey;
}

static EVP_PKEY *make_rsa(struct slice modulus, struct slice exponent)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.data, (int)modulus.length, NULL);
    BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.data, (int)exponent.length, NULL);
    EVP_PKEY *pkey = NULL;

    if (modulus.length > 0 && exponent.length > 0 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        pkey = make_pkey("RSA", builder);
    }
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static EVP_PKEY *make_p256(struct slice x, struct slice y)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *pkey = NULL;

    if (x.length == P256_BYTES && y.length == P256_BYTES) {
        memcpy(point + 1, x.data, P256_BYTES);
        memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, P256_NAME, 0) ==
                1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             sizeof(point)) == 1) {
            pkey = make_pkey("EC", builder);
        }
    }
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* Is there a member, and is it something else? */
static bool says_otherwise(struct slice object, const char *name, const char *text)
{
    struct slice value = json_get(object, name);

    return value.length > 0 && !json_string_is(value, text);
}

/* One element of a set; what is for another purpose or of another kind is passed over. */
static const char *add_jwk(struct jwt_keys *keys, struct slice jwk, struct arena *arena)
{
    struct slice type = json_get(jwk, "kty");
    struct slice id = json_get(jwk, "kid");
    EVP_PKEY *pkey;

    id = json_type(id) == JSON_STRING ? json_decode_string(id, arena) : SLICE_EMPTY;
    if (says_otherwise(jwk, "use", "sig")) {
        return NULL;
    }
    if (json_string_is(type, "oct") && !says_otherwise(jwk, "alg", "HS256")) {
        return add_secret(keys, id, take_bytes(jwk, "k", arena));
    }
    if (json_string_is(type, "RSA") && !says_otherwise(jwk, "alg", "RS256")) {
        pkey = make_rsa(take_bytes(jwk, "n", arena), take_bytes(jwk, "e", arena));
    } else if (json_string_is(type, "EC") && !says_otherwise(jwk, "crv", "P-256") &&
               !says_otherwise(jwk, "alg", "ES256")) {
        pkey = make_p256(take_bytes(jwk, "x", arena), take_bytes(jwk, "y", arena));
    } else {
        return NULL;
    }
    return pkey == NULL ? "a key of the set is malformed" : add_pkey(keys, id, pkey);
}

static const char *add_set(struct jwt_keys *keys, struct slice text, struct arena *arena)
{
    const char *complaint = NULL;
    struct slice set, list, jwk;
    struct json_iterator elements;

    if (json_scan(text, JSON_MAX_DEPTH, &set) != 0 ||
        json_type(list = json_get(set, "keys")) != JSON_ARRAY) {
        return "it is no set of keys";
    }
    elements = json_iterate(list);
    while (complaint == NULL && json_next_element(&elements, &jwk)) {
        if (json_type(jwk) != JSON_OBJECT) {
            complaint = "a key of the set is malformed";
        } else if (keys->count == JWT_KEYS_MAX) {
            complaint = "the set has more than 64 keys";
        } else {
            complaint = add_jwk(keys, jwk, arena);
        }
    }
    return complaint == NULL && keys->count == 0 ? "no key of the set is served" : complaint;
}

static struct slice without_white_space(struct slice text)
{
    while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL) {
        text.length--;
    }
    while (text.length > 0 && strchr(" \t\r\n", text.data[0]) != NULL) {
        text = slice_of(text.data + 1, text.length - 1);
    }
    return text;
}

struct jwt_keys *jwt_keys_new(struct slice text, char *reason, size_t reason_size)
{
    static const char pem[] = "-----BEGIN ";
    struct jwt_keys *keys = memory_allocate_zeroed(sizeof(*keys));
    struct slice content = without_white_space(text);
    const char *complaint;
    struct arena arena;

    arena_init(&arena);
    if (content.length >= sizeof(pem) - 1 && memcmp(content.data, pem, sizeof(pem) - 1) == 0) {
        complaint = add_pem(keys, content);
    } else if (content.length > 0 && content.data[0] == '{') {
        complaint = add_set(keys, content, &arena);
    } else {
        complaint = add_secret(keys, SLICE_EMPTY, content);
    }
    arena_deinit(&arena);
    if (complaint != NULL) {
        snprintf(reason, reason_size, "%s", complaint);
        jwt_keys_destroy(&keys);
    }
    return keys;
}

void jwt_keys_destroy(struct jwt_keys **self)
{
    struct jwt_keys *keys = *self;

    *self = NULL;
    if (keys == NULL) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        struct jwt_key *key = &keys->keys[i];

        free(key->id);
        EVP_PKEY_free(key->pkey);
        if (key->secret != NULL) {
            OPENSSL_cleanse(key->secret, key->secret_length);
            free(key->secret);
        }
    }
    free(keys);
}

/* --- signatures ------------------------------------------------------------------------------- */

static bool verify_secret(const struct jwt_key *key, struct slice text, struct slice signature)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    return signature.length == SHA256_BYTES &&
           HMAC(EVP_sha256(), key->secret, (int)key->secret_length,
                (const unsigned char *)text.data, text.length, expected, &length) != NULL &&
           length == SHA256_BYTES && CRYPTO_memcmp(expected, signature.data, SHA256_BYTES) == 0;
}

/* signature: as OpenSSL has it. */
static bool verify_pkey(EVP_PKEY *pkey, struct slice text, const unsigned char *signature,
                        size_t length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_right = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                    EVP_DigestVerify(context, signature, length, (const unsigned char *)text.data,
                                     text.length) == 1;

    EVP_MD_CTX_free(context);
    return is_right;
}

/* The two numbers side by side, where OpenSSL has them in DER. */
static bool verify_p256(EVP_PKEY *pkey, struct slice text, struct slice signature)
{
    const unsigned char *bytes = (const unsigned char *)signature.data;
    unsigned char *der = NULL;
    ECDSA_SIG *pair;
    bool is_right = false;
    int length;

    if (signature.length != 2 * P256_BYTES) {
        return false;
    }
    pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(bytes, P256_BYTES, NULL),
                   BN_bin2bn(bytes + P256_BYTES, P256_BYTES, NULL));
    length = i2d_ECDSA_SIG(pair, &der);
    if (length > 0) {
        is_right = verify_pkey(pkey, text, der, (size_t)length);
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return is_right;
}

static bool verify(const struct jwt_key *key, struct slice text, struct slice signature)
{
    switch (key->kind) {
    case KEY_SECRET:
        return verify_secret(key, text, signature);
    case KEY_RSA:
        return verify_pkey(key->pkey, text, (const unsigned char *)signature.data,
                           signature.length);
    case KEY_P256:
        return verify_p256(key->pkey, text, signature);
    }
    return false;
}

bool jwt_keys_verify(const struct jwt_keys *keys, struct slice algorithm, struct slice key_id,
                     struct slice signed_text, struct slice signature)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwt_key *key = &keys->keys[i];

        if (slice_is(algorithm, algorithms[key->kind]) &&
            (key_id.length == 0 || key->id == NULL || slice_is(key_id, key->id)) &&
            verify(key, signed_text, signature)) {
            return true;
        }
    }
    return false;
}
