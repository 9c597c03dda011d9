#include "proto/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *memory)
{
    static const char line[] = "elizamq: out of memory\n";

    if (memory == NULL) {
        ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);
        (void)written;
        abort();
    }
    return memory;
}

/* malloc(0) may be NULL, which is not a failure. */
static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *memory_allocate(size_t size)
{
    return checked(malloc(at_least_one(size)));
}

void *memory_allocate_zeroed(size_t size)
{
    return checked(calloc(1, at_least_one(size)));
}

void *memory_reallocate(void *old, size_t size)
{
    return checked(realloc(old, at_least_one(size)));
}

char *memory_copy_string(const char *data, size_t length)
{
    char *copy = memory_allocate(length + 1);

    if (length > 0) {
        memcpy(copy, data, length);
    }
    copy[length] = '\0';
    return copy;
}
