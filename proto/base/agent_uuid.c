#include "proto/base/agent_uuid.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>
#include "proto/base/id.h"

static_assert(UUID_TEXT_SIZE == 37, "the size in agent_uuid_from_name()'s signature");

enum { SHA1_LENGTH = 20, CHUNK_LENGTH = 240 };

/* What encodeURIComponent() leaves alone (ECMA-262: uriUnescaped without the reserved marks). */
static bool is_unescaped(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != '\0' && strchr("-_.!~*'()", c) != NULL;
}

static void hash_escaped(const char *name, size_t length, unsigned char digest[SHA1_LENGTH])
{
    static const char digits[] = "0123456789ABCDEF";
    char chunk[CHUNK_LENGTH];
    size_t used = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = context != NULL && EVP_DigestInit_ex(context, EVP_sha1(), NULL);

    for (size_t i = 0; i < length && ok; i++) {
        unsigned char c = (unsigned char)name[i];

        if (used + 3 > sizeof(chunk)) {
            ok = EVP_DigestUpdate(context, chunk, used);
            used = 0;
        }
        if (is_unescaped(c)) {
            chunk[used++] = (char)c;
        } else {
            chunk[used++] = '%';
            chunk[used++] = digits[c >> 4];
            chunk[used++] = digits[c & 15];
        }
    }
    ok = ok && EVP_DigestUpdate(context, chunk, used) && EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    /* Fails only without memory or without SHA-1 in libcrypto: no agent could have an identity. */
    assert(ok);
}

void agent_uuid_from_name(const char *name, size_t length, char out[37])
{
    unsigned char b[SHA1_LENGTH];

    if (uuid_is_valid(slice_of(name, length))) {
        memcpy(out, name, UUID_TEXT_LENGTH);
        out[UUID_TEXT_LENGTH] = '\0';
        return;
    }
    hash_escaped(name, length, b);
    b[6] = b[6] & 0x0f;
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, UUID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}
