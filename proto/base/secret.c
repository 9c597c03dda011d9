#include "proto/base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

bool secret_read(const char *path, struct buffer *out, char *reason, size_t reason_size)
{
    FILE *file = fopen(path, "re");
    const char *complaint = NULL;
    size_t length;

    if (file == NULL) {
        snprintf(reason, reason_size, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    /* Unbuffered: no copy of it stays behind. */
    setvbuf(file, NULL, _IONBF, 0);
    length = fread(buffer_reserve(out, SECRET_FILE_MAX + 1), 1, SECRET_FILE_MAX + 1, file);
    if (ferror(file)) {
        complaint = strerror(errno);
    } else if (length == 0) {
        complaint = "it is empty";
    } else if (length > SECRET_FILE_MAX) {
        complaint = "it is too large for a secret";
    }
    fclose(file);
    out->length += length;
    if (complaint != NULL) {
        secret_wipe(out);
        snprintf(reason, reason_size, "cannot use %s: %s", path, complaint);
    }
    return complaint == NULL;
}

void secret_wipe(struct buffer *secret)
{
    if (secret->data != NULL) {
        OPENSSL_cleanse(secret->data, secret->capacity);
    }
    buffer_deinit(secret);
}
