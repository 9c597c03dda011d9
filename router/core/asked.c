#include "router/core/asked.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/base/id.h"
#include "proto/base/memory.h"
#include "proto/bus/message.h"
#include "router/core/agents.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/room.h"
#include "router/core/work.h"

enum {
    ASKED_KEPT_MS = 10 * 60 * 1000,
    ASKED_MAX = 100000, /* beyond: the oldest go first */
};

struct asked {
    int64_t at; /* wall ms */
    struct text agent;
    UT_hash_handle hh; /* router->asked, in the order of `at` */
    char key[];        /* number of the room, entity */
};

static size_t write_key(char *key, const struct room *room, struct slice entity)
{
    memcpy(key, &room->number, sizeof(room->number));
    memcpy(key + sizeof(room->number), entity.data, entity.length);
    return sizeof(room->number) + entity.length;
}

static struct asked *find(struct router *router, const struct room *room, struct slice entity)
{
    struct asked *asked = NULL;
    char key[sizeof(room->number) + USER_ID_MAX];
    if (entity.length > 0 && entity.length <= USER_ID_MAX) {
        size_t length = write_key(key, room, entity);
        HASH_FIND(hh, router->asked, key, length, asked);
    }
    return asked;
}

static void forget(struct router *router, struct asked *asked)
{
    HASH_DELETE(hh, router->asked, asked);
    free(asked->agent.data);
    free(asked);
}

void asked_note(struct router *router, const struct room *room, struct slice entity,
                struct slice agent, int64_t at)
{
    struct asked *asked = find(router, room, entity);
    if (asked != NULL && asked->at > at) {
        return;
    }
    if (asked != NULL) {
        forget(router, asked);
    }
    if (entity.length == 0 || entity.length > USER_ID_MAX) {
        return;
    }
    if (HASH_COUNT(router->asked) >= ASKED_MAX) {
        forget(router, router->asked);
    }
    asked = memory_allocate_zeroed(sizeof(*asked) + sizeof(room->number) + entity.length);
    asked->at = at;
    asked->agent = text_copy(agent);
    size_t length = write_key(asked->key, room, entity);
    HASH_ADD_KEYPTR(hh, router->asked, asked->key, length, asked);
}

static bool has_open_question(const struct room *room, struct slice entity)
{
    const struct work_queue *queue;
    LL_FOREACH (room->queues, queue) {
        const struct job *job;
        DL_FOREACH (queue->jobs, job) {
            /* After a restart it is not known who asked before the question has been read. */
            if (job->asker.length == 0 || slice_equals(text_slice(&job->asker), entity)) {
                return true;
            }
        }
    }
    return false;
}

/* After a restart it is not known who was asked. */
static struct slice agent_of(const struct router *router, const struct asked *asked)
{
    bool is_known = asked->agent.length > 0 || router->agents == NULL;
    return text_slice(is_known ? &asked->agent : &router->agents->id);
}

static void greet(struct peer *edge, const struct room *room, struct slice entity,
                  const struct asked *asked)
{
    if (asked != NULL && !has_open_question(room, entity)) {
        struct bus_message message = {.type = BUS_INPUT,
                                      .input = {.room = text_slice(&room->id),
                                                .entity = entity,
                                                .agent = agent_of(edge->router, asked)}};
        peer_send(edge, &message);
    }
}

void asked_greet(struct peer *edge, const struct room *room, struct slice entity)
{
    greet(edge, room, entity, find(edge->router, room, entity));
}

void asked_greet_synchronised(struct peer *edge, const struct room *room, struct slice entity)
{
    const struct asked *asked = find(edge->router, room, entity);
    if (asked != NULL && asked->agent.length > 0) {
        greet(edge, room, entity, asked);
    }
}

void asked_tick(struct router *router)
{
    while (router->asked != NULL && router->asked->at < router->time.wall - ASKED_KEPT_MS) {
        forget(router, router->asked);
    }
}

void asked_destroy(struct router *router)
{
    while (router->asked != NULL) {
        forget(router, router->asked);
    }
}
