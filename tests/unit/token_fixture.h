/*
 * Tokens as an issuer makes them, and keys of every kind to sign them with.
 */
#ifndef TESTS_UNIT_TOKEN_FIXTURE_H
#define TESTS_UNIT_TOKEN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "proto/base/base64.h"
#include "proto/base/buffer.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static inline void append_url(struct buffer *out, const void *bytes, size_t length)
{
    struct buffer text = BUFFER_EMPTY;
    base64_encode(slice_of(bytes, length), &text);
    for (size_t i = 0; i < text.length && text.data[i] != '='; i++) {
        char c = text.data[i];
        buffer_append_char(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    buffer_deinit(&text);
}

static inline void append_claims(struct buffer *out, const char *header, const char *claims)
{
    append_url(out, header, strlen(header));
    buffer_append_char(out, '.');
    append_url(out, claims, strlen(claims));
}

static inline void sign_with_secret(struct buffer *token, const char *secret, size_t length)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_length;
    HMAC(EVP_sha256(), secret, (int)length, (const unsigned char *)token->data, token->length, mac,
         &mac_length);
    buffer_append_char(token, '.');
    append_url(token, mac, mac_length);
}

static inline void sign_with_key(struct buffer *token, EVP_PKEY *key)
{
    unsigned char signature[1024], pair[64];
    size_t length = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &length, (const unsigned char *)token->data,
                                    token->length),
                     1);
    EVP_MD_CTX_free(context);
    buffer_append_char(token, '.');
    if (EVP_PKEY_is_a(key, "EC")) {
        const unsigned char *at = signature;
        ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &at, (long)length);
        BN_bn2binpad(ECDSA_SIG_get0_r(parts), pair, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(parts), pair + 32, 32);
        ECDSA_SIG_free(parts);
        append_url(token, pair, sizeof(pair));
    } else {
        append_url(token, signature, length);
    }
}

static inline void write_pem(EVP_PKEY *key, struct buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_PUBKEY(bio, key);
    long length = BIO_get_mem_data(bio, &text);
    buffer_append(out, text, (size_t)length);
    BIO_free(bio);
}

static inline void append_number(struct buffer *out, EVP_PKEY *key, const char *name)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    int length = BN_bn2bin(number, bytes);
    BN_free(number);
    append_url(out, bytes, (size_t)length);
}

/* The key as an element of a set. */
static inline void write_jwk(EVP_PKEY *key, const char *id, struct buffer *out)
{
    buffer_append_format(out, "{\"kid\":\"%s\",\"use\":\"sig\",", id);
    if (EVP_PKEY_is_a(key, "EC")) {
        unsigned char point[65];
        size_t length;
        assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof(point), &length),
                         1);
        buffer_append_string(out, "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
        append_url(out, point + 1, 32);
        buffer_append_string(out, "\",\"y\":\"");
        append_url(out, point + 33, 32);
    } else {
        buffer_append_string(out, "\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"");
        append_number(out, key, OSSL_PKEY_PARAM_RSA_E);
        buffer_append_string(out, "\",\"n\":\"");
        append_number(out, key, OSSL_PKEY_PARAM_RSA_N);
    }
    buffer_append_string(out, "\"}");
}

#endif
