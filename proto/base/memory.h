/*
 * Allocation that does not fail. Every size is bounded by a named limit before it gets here, so
 * running out of memory means that the host is out of it: the process says so in one line and
 * aborts, its peers take over (design: any process may be killed at any time). No caller checks.
 */
#ifndef PROTO_BASE_MEMORY_H
#define PROTO_BASE_MEMORY_H

#include <stddef.h>

void *memory_allocate(size_t size);        /* uninitialised */
void *memory_allocate_zeroed(size_t size); /* zeroed */
void *memory_reallocate(void *old, size_t size);
char *memory_copy_string(const char *data, size_t length); /* NUL-terminated copy */

#endif
