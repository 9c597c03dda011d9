/*
 * Text of an owner's own: ids and names that come and go with what they belong to.
 */
#ifndef ROUTER_CORE_TEXT_H
#define ROUTER_CORE_TEXT_H

#include <stddef.h>
#include <stdlib.h>
#include "proto/base/memory.h"
#include "proto/base/slice.h"

struct text {
    char *data; /* owns, NUL-terminated */
    size_t length;
};
static inline struct text text_copy(struct slice slice)
{
    return (struct text){memory_copy_string(slice.data, slice.length), slice.length};
}
static inline struct slice text_slice(const struct text *text)
{
    return slice_of(text->data, text->length);
}
static inline void text_replace(struct text *text, struct slice slice)
{
    free(text->data);
    *text = text_copy(slice);
}

#endif
