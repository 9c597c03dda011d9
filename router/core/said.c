#include "router/core/said.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/id.h"
#include "proto/base/memory.h"
#include "router/core/internal.h"

enum { SAID_MAX = 20000 };

struct said {
    struct agent *agent;       /* borrows */
    char id[UUID_TEXT_LENGTH]; /* of the message */
    UT_hash_handle hh;         /* router->said, oldest first */
};

static void forget(struct router *router, struct said *said)
{
    HASH_DELETE(hh, router->said, said);
    free(said);
}

void said_note(struct router *router, struct slice id, struct agent *agent)
{
    if (agent == NULL || id.length != UUID_TEXT_LENGTH || said_by(router, id) != NULL) {
        return;
    }
    if (HASH_COUNT(router->said) >= SAID_MAX) {
        forget(router, router->said);
    }
    struct said *said = memory_allocate_zeroed(sizeof(*said));
    said->agent = agent;
    memcpy(said->id, id.data, UUID_TEXT_LENGTH);
    HASH_ADD(hh, router->said, id, UUID_TEXT_LENGTH, said);
}

struct agent *said_by(struct router *router, struct slice id)
{
    struct said *said = NULL;
    if (id.length == UUID_TEXT_LENGTH) {
        HASH_FIND(hh, router->said, id.data, UUID_TEXT_LENGTH, said);
    }
    return said == NULL ? NULL : said->agent;
}

void said_destroy(struct router *router)
{
    while (router->said != NULL) {
        forget(router, router->said);
    }
}
