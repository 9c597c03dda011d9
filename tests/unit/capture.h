/* What a piece of a test writes to stdout or stderr, for looking at it. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPTURE_MAX = 64 * 1024 };

struct capture {
    int fd;    /* the captured one */
    int saved; /* where it pointed */
    FILE *file;
    char text[CAPTURE_MAX]; /* NUL-terminated, after capture_end() */
};

static inline void capture_begin(struct capture *capture, int fd)
{
    fflush(NULL);
    capture->fd = fd;
    capture->saved = dup(fd);
    capture->file = tmpfile();
    if (capture->saved < 0 || capture->file == NULL || dup2(fileno(capture->file), fd) < 0)
        abort();
}

static inline void capture_end(struct capture *capture)
{
    size_t length;

    fflush(NULL);
    if (dup2(capture->saved, capture->fd) < 0)
        abort();
    close(capture->saved);
    rewind(capture->file);
    length = fread(capture->text, 1, sizeof(capture->text) - 1, capture->file);
    capture->text[length] = '\0';
    fclose(capture->file);
}

#endif
