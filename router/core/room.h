/*
 * Rooms: their rows, who takes part in them, and the edges that have members.
 */
#ifndef ROUTER_CORE_ROOM_H
#define ROUTER_CORE_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/hash.h"
#include "router/core/internal.h"
#include "router/core/text.h"

struct agent;
struct bus_message;
struct exodus;
struct member;
struct peer;
struct presence;
struct room_record;
struct work_queue;

enum { PARTICIPANTS_MAX = 10000 }; /* of a room */

/* An edge that has members of a room. */
struct attachment {
    struct room *room;
    struct peer *peer;
    struct presence *presences;
    uint64_t sent_through;                    /* while catching up: the last seq this edge has */
    bool is_catching_up;                      /* gets no live messages yet, see replay.h */
    struct attachment *prev, *next;           /* room->attachments */
    struct attachment *peer_prev, *peer_next; /* peer->attachments */
    bool is_asking;    /* what is running; to be told when it has caught up */
    bool is_owed_list; /* in peer->owed */
    struct attachment *owed_prev, *owed_next;
};

struct participant {
    struct text id;
    UT_hash_handle hh; /* room->participants, by id, in order of being added */
};

struct room {
    struct text id;
    uint64_t number;
    uint64_t epoch;
    uint64_t assigned;           /* last sequence number given */
    uint64_t published;          /* last one broadcast */
    int64_t last_at;             /* created_at of the last message: never falls */
    uint64_t published_position; /* nothing was broadcast after it */
    uint64_t changed_at;         /* stamp of the last change of presence that was announced */
    struct text server_id;
    struct text name;
    struct text type;
    struct text source_type;
    struct text metadata;
    int64_t created_at;
    int64_t updated_at;
    int64_t deleted_at;  /* 0: it is there; else only its line of numbers is */
    uint64_t clearing;   /* seq of the event that clears it, while that is being committed */
    int64_t deleting_at; /* 0, or that event deletes it, too: nothing new until then */
    const struct agent *answers; /* of those without a list: the agent that is noted */
    uint64_t agent_answers;      /* of agents to agents since a person spoke */
    bool agents_stopped;         /* by a limit, since a person spoke */
    uint64_t row_batch; /* the first with a row of it that has not failed; 0: it has no row */
    bool is_stored;     /* its row as it is now is committed, or in a batch */
    bool has_participants;
    struct participant *participants; /* with --data-isolation: of rooms without a list, too */
    bool has_lost_list;               /* a commit of them failed, see access.c */
    struct member *members;
    struct attachment *attachments;
    struct work_queue *queues; /* by agent */
    uint32_t joining;          /* joins that wait for the store */
    bool is_crowded;           /* too large for events of single members, see presence.c */
    struct exodus *exodus;     /* while members leave */
    bool is_idle;              /* in router->idle_rooms */
    struct room *next_idle;
    UT_hash_handle hh;        /* router->rooms, by id */
    UT_hash_handle by_number; /* router->rooms_by_number */
};

struct room *room_find(struct router *router, struct slice id);
struct room *room_by_number(struct router *router, uint64_t number);
/* Finds or makes; NULL when rooms_max is reached. */
struct room *room_obtain(struct router *router, struct slice id, struct slice server_id,
                         struct slice type, struct slice metadata);
struct room *room_new(struct router *router, const struct room_record *record);
uint64_t room_new_epoch(struct router *router); /* of a line of messages that begins */
void room_destroy(struct router *router, struct room *room);
void room_store(struct router *router, struct room *room); /* puts its row into the open batch */
/* False: it is on the list already. */
bool room_add_participant(struct room *room, struct slice id);
bool room_has_participant(const struct room *room, struct slice id);
bool room_remove_participant(struct room *room, struct slice id); /* false: it is not on the list */
void room_forget_participants(struct room *room);
void room_changed(struct router *router, struct room *room); /* its row goes to the store anew */
/*
 * An event of that seq, in the open batch, takes all that was said before; or the room. The row and
 * what is seen of it change with the commit: until then a room that is being deleted takes nothing.
 */
void room_begin_clearing(struct router *router, struct room *room, uint64_t seq, bool is_deletion);
/* That event is committed, or has failed; no-op when it is another one that clears. */
void room_end_clearing(struct room *room, uint64_t seq, int result);
/* Something is said in it: one that was deleted begins a new life. */
void room_revive(struct router *router, struct room *room);
/* Somebody speaks in a room without a list: the store notes who, so that REST can tell. */
void room_note_participant(struct router *router, struct room *room, struct slice id);
/* Somebody left: a room that nobody is in and nothing was ever said in need not be kept. */
void room_consider(struct router *router, struct room *room);
void rooms_reap(struct router *router);
struct attachment *room_attachment(struct room *room, const struct peer *peer);
struct attachment *room_attach(struct room *room, struct peer *peer);
void room_detach(struct attachment *attachment); /* has no presences any more */
/* To every edge that has members, but those catching up when it is a room message. */
void room_publish(struct router *router, struct room *room, const struct bus_message *message,
                  const struct peer *also);

#endif
