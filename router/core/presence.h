/*
 * Who is in a room: joins and leaves, and the grace period of those whose connections are gone.
 */
#ifndef ROUTER_CORE_PRESENCE_H
#define ROUTER_CORE_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/hash.h"
#include "proto/base/heap.h"
#include "proto/bus/message.h"
#include "router/core/text.h"

struct attachment;
struct peer;
struct room;
struct router;
struct unanswered_join;

/* An entity on one edge in one room. */
struct presence {
    struct member *member;
    struct attachment *attachment;
    uint64_t connections;
    struct presence *prev, *next; /* attachment->presences */
    struct presence *sibling;     /* member->presences: the same entity on other edges */
};

/* An entity in a room: one, however many tabs and edges. */
struct member {
    struct heap_entry leaving; /* set while it has no connection left and the grace period runs */
    bool is_participant;       /* it has sent something, and that is noted */
    struct room *room;
    struct text entity;
    struct text name;
    int64_t last_life; /* latest sign of life of the connections that it has lost */
    struct presence *presences;
    UT_hash_handle hh; /* room->members, by entity */
};

/* A join that is let in. */
struct admission {
    uint64_t request;
    uint64_t trace;
    struct slice entity;
    struct slice name;
    bool replay_complete;
    struct bus_list replay;
};

void presence_receive_sync(struct peer *peer, const struct bus_room_sync *sync);
void presence_receive_join(struct peer *peer, const struct bus_message *message);
void presence_receive_leave(struct peer *peer, const struct bus_leave *leave);
/* A join that was found good; its answer ends *unanswered, which is taken over. */
void presence_begin_join(struct peer *peer, struct room *room, const struct bus_message *message,
                         struct unanswered_join **unanswered);
void presence_refuse_join(struct peer *peer, const struct bus_message *message, int error);
/* Records the member and answers the join. */
void presence_admit(struct peer *peer, struct room *room, const struct admission *admission);
/* Not by its own doing: it leaves at once, whatever connections it has. */
void presence_expel(struct router *router, struct room *room, struct slice entity);
void presence_drop_edge(struct peer *peer, int64_t last_life);
void presence_tick(struct router *router);
size_t presence_count(const struct room *room);
void member_destroy(struct router *router, struct member *member);
uint64_t member_connections(const struct member *member);
bool presence_has_entity(const struct attachment *attachment, struct slice entity);

#endif
