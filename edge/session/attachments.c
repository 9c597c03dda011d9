#include "edge/session/attachments.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"

struct attachments {
    struct slice text; /* owns */
    size_t max_bytes;
    size_t bytes; /* of the text and the attachments so far */
    unsigned expected;
    unsigned count;
    struct slice list[]; /* owns */
};

static struct slice copy(struct slice bytes)
{
    return slice_of(memory_copy_string(bytes.data, bytes.length), bytes.length);
}

static void release(struct slice bytes)
{
    free((void *)bytes.data);
}

struct attachments *attachments_new(struct slice text, unsigned expected, size_t max_bytes)
{
    struct attachments *self = memory_allocate(sizeof(*self) + expected * sizeof(self->list[0]));

    self->text = copy(text);
    self->max_bytes = max_bytes;
    self->bytes = text.length;
    self->expected = expected;
    self->count = 0;
    return self;
}

void attachments_destroy(struct attachments **attachments)
{
    struct attachments *self = *attachments;

    if (self == NULL) {
        return;
    }
    for (unsigned i = 0; i < self->count; i++) {
        release(self->list[i]);
    }
    release(self->text);
    free(self);
    *attachments = NULL;
}

int attachments_add(struct attachments *attachments, struct slice bytes)
{
    assert(!attachments_is_complete(attachments));
    if (attachments->bytes > attachments->max_bytes ||
        bytes.length > attachments->max_bytes - attachments->bytes) {
        return ERROR_TOO_LARGE;
    }
    attachments->bytes += bytes.length;
    attachments->list[attachments->count++] = copy(bytes);
    return 0;
}

bool attachments_is_complete(const struct attachments *attachments)
{
    return attachments->count == attachments->expected;
}

struct slice attachments_text(const struct attachments *attachments)
{
    return attachments->text;
}

const struct slice *attachments_list(const struct attachments *attachments, size_t *count)
{
    *count = attachments->count;
    return attachments->list;
}
