#include "router/core/presence_list.h"

#include <utlist.h>

#include "proto/bus/link.h"
#include "router/core/internal.h"
#include "router/core/peers.h"
#include "router/core/presence.h"
#include "router/core/room.h"
#include "router/core/sessions.h"

enum {
    REBUILD_LEAST_MS = 2000,  /* edges need so long to come back, whatever the grace period is, */
    REBUILD_MOST_MS = 10000,  /* and who has not come by then is not waited for */
    LISTS_BACKLOG_DIVISOR = 8 /* of what a link may keep: so much of it may be presence lists */
};

bool presence_is_rebuilding(const struct router *router)
{
    int64_t grace = router->settings.presence_grace;
    int64_t least = grace > REBUILD_LEAST_MS ? grace : REBUILD_LEAST_MS;
    int64_t time = least < REBUILD_MOST_MS ? least : REBUILD_MOST_MS;
    return router->time.now - router->started_at <= time;
}

void presence_list(const struct room *room, size_t offset, size_t limit, size_t bytes_max,
                   struct bus_list_builder *list)
{
    size_t position = 0;
    for (struct member *member = room->members; member != NULL && list->count < limit;
         member = member->hh.next, position++) {
        if (position < offset) {
            continue;
        }
        if (list->bytes.length > bytes_max) {
            return;
        }
        struct bus_member element = {text_slice(&member->entity), text_slice(&member->name),
                                     member_connections(member)};
        bus_list_add(list, BUS_ELEMENT_MEMBER, &element);
    }
}

void presence_owe_list(struct attachment *attachment)
{
    if (!attachment->is_owed_list) {
        attachment->is_owed_list = true;
        DL_APPEND2(attachment->peer->owed, attachment, owed_prev, owed_next);
    }
}

/* Pays what is owed, as fast as the edge takes it. */
static void pay(struct peer *peer)
{
    struct router *router = peer->router;
    size_t backlog = router->settings.link.retained_max / LISTS_BACKLOG_DIVISOR;
    while (!peer->is_dead && peer->owed != NULL && link_retained(&peer->link) < backlog) {
        struct attachment *attachment = peer->owed;
        struct room *room = attachment->room;
        struct bus_list_builder members = {BUFFER_EMPTY, 0};
        attachment->is_owed_list = false;
        DL_DELETE2(peer->owed, attachment, owed_prev, owed_next);
        presence_list(room, 0, (size_t)router->settings.presence_limit, PAGE_BYTES_MAX, &members);
        if (!room->is_crowded && members.count == presence_count(room)) {
            struct bus_message message = {
                .type = BUS_PRESENCE_LIST,
                .presence_list = {text_slice(&room->id), bus_list_of(&members)}};
            peer_send(peer, &message);
        }
        buffer_deinit(&members.bytes);
    }
    if (peer->owed == NULL && !peer->is_settled && !peer->is_dead) {
        struct bus_message message = {.type = BUS_SETTLED, .settled = {stamp_told(router)}};
        peer->is_settled = true;
        peer_send(peer, &message);
    }
}

void presence_pay_lists(struct router *router)
{
    struct peer *peer, *next;
    HASH_ITER (hh, router->peers, peer, next) {
        if (peer->is_synchronised && !presence_is_rebuilding(router)) {
            pay(peer);
        }
    }
}
