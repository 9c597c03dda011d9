#include "edge/auth/identity.h"

#include <stdlib.h>

#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"

struct identity {
    char *subject; /* owns */
    char *rooms;   /* owns: the JSON array, NULL: all */
};

static bool is_usable(struct slice subject)
{
    return subject.length > 0 && subject.length <= USER_ID_MAX &&
           memchr(subject.data, '\0', subject.length) == NULL;
}

static bool are_rooms(struct slice rooms)
{
    struct json_iterator elements;
    struct slice element;
    size_t count = 0;

    if (rooms.length == 0) {
        return true;
    }
    if (json_type(rooms) != JSON_ARRAY || rooms.length > IDENTITY_ROOMS_BYTES_MAX) {
        return false;
    }
    elements = json_iterate(rooms);
    while (json_next_element(&elements, &element)) {
        if (json_type(element) != JSON_STRING || ++count > IDENTITY_ROOMS_MAX) {
            return false;
        }
    }
    return true;
}

struct identity *identity_new(struct slice subject, struct slice rooms)
{
    struct identity *identity;

    if (!is_usable(subject) || !are_rooms(rooms)) {
        return NULL;
    }
    identity = memory_allocate_zeroed(sizeof(*identity));
    identity->subject = memory_copy_string(subject.data, subject.length);
    if (rooms.length > 0) {
        identity->rooms = memory_copy_string(rooms.data, rooms.length);
    }
    return identity;
}

struct identity *identity_copy(const struct identity *identity)
{
    return identity == NULL
               ? NULL
               : identity_new(slice_of_string(identity->subject), slice_of_string(identity->rooms));
}

void identity_destroy(struct identity **self)
{
    struct identity *identity = *self;

    *self = NULL;
    if (identity != NULL) {
        free(identity->subject);
        free(identity->rooms);
        free(identity);
    }
}

struct slice identity_subject(const struct identity *identity)
{
    return identity == NULL ? SLICE_EMPTY : slice_of_string(identity->subject);
}

struct slice identity_rooms(const struct identity *identity)
{
    return identity == NULL ? SLICE_EMPTY : slice_of_string(identity->rooms);
}

bool identity_may_be(const struct identity *identity, struct slice entity)
{
    return identity == NULL || entity.length == 0 || slice_is(entity, identity->subject);
}

bool identity_may_enter(const struct identity *identity, struct slice room)
{
    struct json_iterator elements;
    struct slice element;
    struct arena arena;
    bool is_open = identity == NULL || identity->rooms == NULL;

    if (is_open) {
        return true;
    }
    arena_init(&arena);
    elements = json_iterate(slice_of_string(identity->rooms));
    while (!is_open && json_next_element(&elements, &element)) {
        is_open = slice_equals(json_decode_string(element, &arena), room);
    }
    arena_deinit(&arena);
    return is_open;
}
