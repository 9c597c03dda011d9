/*
 * Secrets from files: what a --…-file option names. A key in a file shows in no list of processes
 * and in no environment, and may change while the program runs.
 */
#ifndef PROTO_BASE_SECRET_H
#define PROTO_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/buffer.h"

enum { SECRET_FILE_MAX = 256 * 1024 };

/*
 * Appends the file's bytes. False, with a reason that names the file, when it cannot be read, is
 * empty or larger than SECRET_FILE_MAX. Wipe what was read with secret_wipe().
 */
bool secret_read(const char *path, struct buffer *out, char *reason, size_t reason_size);
/* Overwrites what the buffer holds, and frees it. */
void secret_wipe(struct buffer *secret);

#endif
