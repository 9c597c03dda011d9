#include "proto/wire/recovery.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "proto/base/hash.h"

enum { MAC_LENGTH = 16, NUMBER_BYTES = 7, CHECK_BYTES = 4 };
enum { POINT_BYTES = 2 * NUMBER_BYTES, OFFSET_BYTES = POINT_BYTES + CHECK_BYTES };

#define UNSETTLED (UINT64_C(1) << 55)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void keyed_digest(const unsigned char *key, size_t key_length, struct slice text,
                         unsigned char out[32])
{
    unsigned length = 0;

    HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text.data, text.length, out,
         &length);
    assert(length == 32);
}

void recovery_keys_init(struct recovery_keys *keys, struct slice secret)
{
    const unsigned char *key = (const unsigned char *)secret.data;
    unsigned char digest[32];

    keyed_digest(key, secret.length, SLICE_LITERAL("elizamq pid"), keys->pid);
    keyed_digest(key, secret.length, SLICE_LITERAL("elizamq offset"), digest);
    memcpy(keys->offset, digest, sizeof(keys->offset));
}

/* --- base64url without padding ---------------------------------------------------------------- */

/* Writes (8 * length + 5) / 6 characters. */
static void write_bytes(const unsigned char *bytes, size_t length, char *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6) {
            *out++ = alphabet[bits >> (held - 6) & 63];
        }
    }
    if (held > 0) {
        *out = alphabet[bits << (6 - held) & 63];
    }
}

static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);

    return at == NULL ? -1 : (int)(at - alphabet);
}

/* Whole bytes only: text of a multiple of four characters. */
static bool read_bytes(struct slice text, unsigned char *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < text.length; i++) {
        int value = value_of(text.data[i]);

        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (unsigned char)(bits >> held);
        }
    }
    return true;
}

/* --- private ids ------------------------------------------------------------------------------ */

void recovery_write_pid(const struct recovery_keys *keys, struct slice socket_id,
                        char out[RECOVERY_PID_LENGTH + 1])
{
    unsigned char digest[32];

    assert(socket_id.length == SESSION_ID_LENGTH);
    keyed_digest(keys->pid, sizeof(keys->pid), socket_id, digest);
    memcpy(out, socket_id.data, SESSION_ID_LENGTH);
    write_bytes(digest, MAC_LENGTH, out + SESSION_ID_LENGTH);
    out[RECOVERY_PID_LENGTH] = '\0';
}

bool recovery_read_pid(const struct recovery_keys *keys, struct slice pid, struct slice *socket_id)
{
    char expected[RECOVERY_PID_LENGTH + 1];

    if (pid.length != RECOVERY_PID_LENGTH) {
        return false;
    }
    *socket_id = slice_of(pid.data, SESSION_ID_LENGTH);
    recovery_write_pid(keys, *socket_id, expected);
    return CRYPTO_memcmp(expected, pid.data, RECOVERY_PID_LENGTH) == 0;
}

/* --- offsets ---------------------------------------------------------------------------------- */

static void write_number(unsigned char *out, uint64_t number)
{
    for (unsigned i = NUMBER_BYTES; i > 0; i--) {
        out[i - 1] = (unsigned char)number;
        number >>= 8;
    }
}

static uint64_t read_number(const unsigned char *bytes)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < NUMBER_BYTES; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static void write_check(const struct recovery_keys *keys, const unsigned char *point,
                        unsigned char out[CHECK_BYTES])
{
    uint32_t check = hash_with_key(keys->offset, point, POINT_BYTES);

    memcpy(out, &check, CHECK_BYTES);
}

void recovery_write_offset(const struct recovery_keys *keys, const struct recovery_point *point,
                           char out[RECOVERY_OFFSET_LENGTH + 1])
{
    unsigned char bytes[OFFSET_BYTES];

    write_number(bytes, point->position);
    write_number(bytes + NUMBER_BYTES, point->stamp | (point->is_unsettled ? UNSETTLED : 0));
    write_check(keys, bytes, bytes + POINT_BYTES);
    write_bytes(bytes, sizeof(bytes), out);
    out[RECOVERY_OFFSET_LENGTH] = '\0';
}

bool recovery_read_offset(const struct recovery_keys *keys, struct slice offset,
                          struct recovery_point *point)
{
    unsigned char bytes[OFFSET_BYTES];
    unsigned char check[CHECK_BYTES];

    static_assert(OFFSET_BYTES * 4 == RECOVERY_OFFSET_LENGTH * 3, "no bits are left over");
    if (offset.length != RECOVERY_OFFSET_LENGTH || !read_bytes(offset, bytes)) {
        return false;
    }
    write_check(keys, bytes, check);
    point->position = read_number(bytes);
    point->stamp = read_number(bytes + NUMBER_BYTES);
    point->is_unsettled = (point->stamp & UNSETTLED) != 0;
    point->stamp &= ~UNSETTLED;
    return memcmp(check, bytes + POINT_BYTES, CHECK_BYTES) == 0;
}
