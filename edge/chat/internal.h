/*
 * What the files of chat/ share. Not included outside edge/chat.
 *
 *   chat.c     state, rooms and memberships     connection.c  connect, disconnect, the event table
 *   join.c     joining and leaving              send.c        messages
 *   signal.c   typing, thinking, control, ack   deliver.c     bus messages to client events
 *   watch.c    runs followed from outside       presence.c    who is there, as sockets were told
 *   access.c   who is let in, and where         offset.c      how far this edge's sockets have come
 *   stream.c   replies that are being written   recover.c     sockets that go on as former ones
 *   rejoin.c   back into the rooms of an entity
 *   kept.c     sockets that can be recovered    missed.c      what one that is recovered has missed
 *   handover.c   sockets that move between edges  lag.c      viewers that are behind
 *   logs.c     who watches the cluster's log     render.c      events as clients see them
 *   expel.c    who takes part in a room no more
 */
#ifndef EDGE_CHAT_INTERNAL_H
#define EDGE_CHAT_INTERNAL_H

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include "edge/auth/rate_limit.h"
#include "edge/chat/chat.h"
#include "edge/chat/render.h"
#include "proto/base/arena.h"
#include "proto/base/error.h"
#include "proto/base/hash.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/chat_packet.h"
#include "proto/wire/recovery.h"

struct chat_room;
struct chat_member;
struct join_wait;
struct stream;
struct lag;

/* The chat's side of a socket. */
struct chat_socket {
    struct chat *chat;
    struct socket *socket;
    struct uplink_owner requests;
    struct chat_member *memberships;
    uint32_t membership_count;
    bool is_kept;                  /* the router keeps what is needed to recover it */
    bool is_named;                 /* its client said who it is */
    struct join_wait *joins;       /* its own that are not answered yet, see join.c */
    struct follow *follows;        /* questions asked in rooms it is not in */
    struct lag *lags;              /* owns: streams that it is behind with */
    uint32_t arriving;             /* rooms that its former edge serves still, see handover.c */
    char *entity;                  /* owns: who this socket is unless an event says otherwise */
    struct identity *identity;     /* owns: whom it may speak as, and where; NULL: not bound */
    struct rate_window events;     /* of settings.socket_rate */
    struct recovery *recovery;     /* owns; NULL: it is not being recovered */
    struct log_subscription *logs; /* owns; NULL: it does not watch the log */
};

/* A socket in a room. */
struct chat_member {
    struct chat_socket *owner;
    struct chat_room *room;
    uint64_t joined_seq;             /* it gets what came after */
    uint32_t position;               /* in room->members */
    bool is_sampled;                 /* it was told of a part of those who are there */
    char *entity;                    /* owns */
    char *name;                      /* owns; NULL: none given */
    struct chat_member *prev, *next; /* owner->memberships */
};

struct chat_room {
    char *id;        /* owns */
    char *server_id; /* owns */
    uint64_t epoch;
    uint64_t last_seq;            /* the newest message handed to the room's sockets */
    struct chat_member **members; /* owns the array; an order without meaning */
    uint32_t count;
    uint32_t capacity;
    bool is_crowded;        /* it was when it was first joined: `present` says nothing */
    uint32_t present_count; /* entities in `present` */
    struct buffer present;  /* who is there, as its sockets were told, see presence.c */
    UT_hash_handle hh;
};

/*
 * A socket that asked outside its rooms gets its own answers nevertheless. Clients often send first
 * and join right after: for FOLLOW_HOLD_MS the answers are held, so that a join is answered first.
 */
struct follow {
    struct chat_watch watch; /* first: found back from it */
    struct chat_socket *socket;
    char *room;           /* owns */
    char *viewer;         /* owns: who asked */
    uint32_t answers;     /* still to come */
    int64_t hold_until;   /* 0: not holding any more */
    struct packet **held; /* owns the array and one reference each */
    uint32_t held_count;
    struct follow *prev, *next;           /* socket->follows */
    struct follow *held_prev, *held_next; /* chat->holding, by hold_until */
};

/* Sockets with an id that is not their session's: those that were recovered. */
struct recovered_socket {
    char id[SESSION_ID_LENGTH + 1];
    struct chat_socket *socket;
    UT_hash_handle hh;
};

struct watched {
    char question[UUID_TEXT_SIZE];
    struct chat_watch *watches;
    UT_hash_handle hh;
};

struct chat {
    struct chat_settings settings;
    struct id_source *ids;
    struct uplink *uplink; /* borrows */
    int64_t (*wall)(void *context);
    void *wall_context;
    struct chat_room *rooms;
    struct watched *watched;
    struct follow *holding;
    struct stream *streams;           /* owns, oldest first */
    struct stream_room *stream_rooms; /* owns: the same by room */
    size_t stream_bytes;              /* of their texts */
    struct lag *lags;                 /* of all sockets, longest first */
    struct arena arena;               /* of one event */
    struct buffer scratch;            /* of one rendering */
    struct buffer argument;           /* of one rendering */
    struct session_table *sessions;   /* borrows; NULL: none yet */
    struct recovery *recoveries;      /* borrows: of its sockets, oldest first */
    struct recovered_socket *recovered;
    struct buffer lost; /* ids of kept sockets that ended while there was no router */
    struct recovery_keys keys;
    bool has_keys;               /* the cluster recovers sockets */
    bool has_closed_rooms;       /* the router lets participants in and nobody else */
    bool is_caught_up;           /* room messages come in order of their positions */
    struct recovery_point point; /* how far all sockets of this edge have come */
    bool is_offset_made;         /* `offset` says the point */
    char offset[RECOVERY_OFFSET_LENGTH + 1];
    struct log_subscription *log_subscriptions; /* borrows: of its sockets */
    size_t log_subscribers;
    struct chat_counters counters;
};

/* An event of a client on its way through a handler. */
struct chat_call {
    struct chat *chat;
    struct chat_socket *from;
    struct slice payload; /* raw JSON */
    bool has_ack_id;
    uint64_t ack_id;
    int64_t now;
};

/* chat.c */
struct chat_room *room_lookup(struct chat *chat, struct slice id);
struct chat_room *room_make(struct chat *chat, struct slice id, struct slice server_id,
                            uint64_t epoch, uint64_t last_seq);
/* Another line of sequence numbers: nobody on this edge has anything of it yet. */
void room_enter_epoch(struct chat_room *room, uint64_t epoch);
struct chat_member *member_of(const struct chat_socket *socket, struct slice room);
struct chat_member *member_add(struct chat_room *room, struct chat_socket *socket,
                               struct slice entity, struct slice name);
void member_remove(struct chat_member *member); /* frees an empty room too */
struct slice chat_text(const char *text);       /* slice of an owned text, empty for NULL */

/* connection.c */
/* It is a new socket, whatever it was before. */
void chat_connect(struct chat_socket *from, int64_t now);
/* Who a socket is, from here on; copies entity, owns identity. */
struct chat_socket *chat_socket_new(struct chat *chat, struct socket *socket, struct slice entity,
                                    struct identity *identity);
void call_refuse(const struct chat_call *call, struct chat_fault fault,
                 struct slice client_message_id, int64_t retry_after);
/* Answers the ack, when one was asked for, with this JSON value. */
void socket_answer(struct chat_socket *socket, bool has_ack_id, uint64_t ack_id, struct slice json);
void socket_emit_event(struct chat_socket *socket, const char *event, struct slice argument);

/* access.c */
/*
 * Lets a socket in by what it shows, or says why not (a text for its CONNECT_ERROR). *identity is
 * the caller's, NULL when nothing binds the socket.
 */
const char *chat_admit(const struct chat *chat, struct socket *socket, struct slice auth,
                       struct arena *arena, struct identity **identity);
/*
 * May the socket do this in that room, and as that entity (empty: as itself)? field: what the
 * entity is called in this event.
 */
struct chat_fault chat_access(const struct chat_socket *from, struct slice room,
                              struct slice entity, const char *field);
/*
 * Whose doing an event is, for the router: of a socket that is bound by a token or has said who it
 * is that one's, of another one theirs whom the event names (empty: nobody), else the guest's.
 */
struct slice chat_viewer(const struct chat_socket *from, struct slice named);

/* join.c */
void chat_handle_join(const struct chat_call *call);
void chat_leave_all(struct chat_socket *socket, bool is_explicit, int64_t silence, int64_t now);
/* False: nobody waits for it any more, and it was taken back. */
bool join_is_awaited(struct chat *chat, const struct uplink_outcome *outcome);
/* Has its client asked to be there, and has not been answered? */
bool join_is_under_way(const struct chat_socket *from, struct slice room);
/* May it be in this room, too? Those it has asked to be in count like those it is in. */
bool join_is_within_limit(const struct chat_socket *from, struct slice room);
/* The socket is in the room from now on. */
struct chat_member *join_record(struct chat_socket *from, const struct bus_joined *joined,
                                const struct bus_join *join);
/* room_joined for a socket that has joined by other means; one reference. */
struct packet *render_room_joined(struct chat_socket *from, const struct bus_joined *joined);
/* The same for all who are in the room: who is there is known now; one reference. */
struct packet *render_room_list(struct chat *chat, const struct chat_room *room,
                                const struct bus_list *members);
/* Renders a message that somebody missed; one reference. mark: `"replay":true`, or empty. */
struct packet *render_missed(struct chat *chat, const struct bus_stored_message *message,
                             uint64_t epoch, struct slice entity, struct slice mark,
                             struct slice offset);

/* handover.c: the upcalls of socket.h for sockets that move between edges */
enum session_rest chat_rest(void *context, const struct socket *socket);
bool chat_may_arrive(void *context);
void chat_hand_over(void *context, const struct socket *socket, struct buffer *state, int64_t now);
int chat_take_over(void *context, struct socket *socket, struct slice state, int64_t now);
void chat_listen(void *context, struct socket *socket);
bool chat_settle(void *context, struct socket *socket, struct slice state);

/* Answered as if its client had asked. */
void join_on_behalf(struct chat_socket *from, const struct bus_join *join, int64_t now);

/* expel.c: an EXPELLED of the router */
void chat_expel(struct chat *chat, const struct bus_message *message, int64_t now);

/* rejoin.c */
void chat_rejoin(struct chat_socket *from, int64_t now);

/* send.c */
void chat_handle_send(const struct chat_call *call, bool asks_agent);
/*
 * Gives a message of this edge's own to its sender; that socket, or NULL when nobody waits for it.
 */
struct chat_socket *send_echo(struct chat *chat, const struct bus_room_message *message);

/* signal.c */
void chat_handle_typing(const struct chat_call *call);
void chat_handle_thinking(const struct chat_call *call);
void chat_handle_control(const struct chat_call *call);
void chat_handle_receipt(const struct chat_call *call);

/* offset.c */
/* Moves on; never back. */
void offset_reach_position(struct chat *chat, uint64_t position);
void offset_reach_stamp(struct chat *chat, uint64_t stamp);
void offset_set_settled(struct chat *chat, bool is_settled);
/* What packets made now carry: of a room's message, and of anything else. May be empty. */
struct slice offset_of_message(struct chat *chat);
struct slice offset_of_event(struct chat *chat);

/* kept.c */
/* Tells the router, or keeps it in mind while there is none. */
void session_ended(struct chat *chat, struct slice socket_id, bool is_explicit, int64_t now);
void sessions_say_lost(struct chat *chat);
/* Its join there was given up, and may be recorded nevertheless: it is not to be recovered there.
 */
void session_leave(struct chat_socket *from, struct slice room, int64_t now);
void recovered_remember(struct chat_socket *from); /* its id is not that of its session */
struct chat_socket *recovered_find(struct chat *chat, struct slice id);
void recovered_forget(struct chat_socket *from);

/* recover.c */
/* A client asks to go on; false: it does not ask in a way that could be granted. */
bool recover_begin(struct chat_socket *from, struct slice pid, struct slice offset, int64_t now);
void recover_cancel(struct chat_socket *from, int64_t silence, int64_t now); /* client gone */
void recover_break(struct chat_socket *from, int64_t now); /* it cannot go on after all */
void recover_continue(struct chat *chat, int64_t now);     /* the edge has caught up */
void recover_restart(struct chat *chat, int64_t now);      /* the link is new: none goes on */
void recover_tick(struct chat *chat, int64_t now);
/* Has the router been asked for that socket by one that is to go on as it? */
bool recover_has_asked(const struct chat *chat, struct slice socket_id);
/* That socket goes on elsewhere: whoever has it here, or was about to, is closed. */
void recover_taken(struct chat *chat, struct slice socket_id, int64_t now);
/* A packet for a socket; one that is being recovered gets it after what it has missed. */
void chat_emit(struct chat_socket *socket, struct packet *packet);
/* The same for a room's message or event. */
void chat_emit_message(struct chat_socket *socket, struct packet *packet, uint64_t position);

/* logs.c */
void chat_handle_subscribe_logs(const struct chat_call *call);
void chat_handle_unsubscribe_logs(const struct chat_call *call);
void chat_handle_log_filters(const struct chat_call *call);
void logs_unsubscribe(struct chat_socket *socket);
void logs_synchronise(struct chat *chat); /* the router is new: it is told again */
void logs_deliver(struct chat *chat, const struct bus_log_lines *lines);

/* deliver.c */
/* userJoined or userLeft, to all but the sockets of that entity. */
void room_announce(struct chat *chat, struct chat_room *room, const struct bus_presence *presence);
/* A socket has joined: it gets what is being written there, so far. */
void deliver_so_far(struct chat_socket *socket, struct slice room);

/* presence.c */
/* A join was answered; to be called before its socket is in the room. */
void presence_joined(struct chat *chat, struct chat_room *room, const struct bus_joined *joined);
void presence_change(struct chat *chat, struct chat_room *room,
                     const struct bus_presence *presence);
void presence_reconcile(struct chat *chat, struct chat_room *room,
                        const struct bus_presence_list *list);
/* Walks those who are known to be there, but are not on a list whose members are all known. */
struct presence_others {
    const struct chat_room *room;
    struct buffer listed;
    size_t at;
    size_t listed_at;
    bool is_none;
};
struct presence_others presence_others_of(const struct chat_room *room,
                                          const struct bus_list *list);
bool presence_others_next(struct presence_others *others, struct slice *entity);
void presence_others_end(struct presence_others *others);

/* lag.c */
/* A chunk for a room; those of its sockets that are behind get it later, with others. */
void lag_broadcast(struct chat *chat, struct chat_room *room, struct stream *stream,
                   const struct bus_chunk *chunk);
void lag_forget(struct chat_socket *socket, const struct stream *stream); /* it gets all anew */
void lags_settle(struct stream *stream); /* its end follows: everybody gets the rest */
void lags_forget_socket(struct chat_socket *socket);
void lags_tick(struct chat *chat);

/* stream.c */
/* Is a reply being written in that room, as far as its sockets here have seen? */
bool stream_goes_on(struct chat *chat, struct slice room);
/* A reply that is being written. */
struct stream {
    char reply[UUID_TEXT_SIZE];
    char question[UUID_TEXT_SIZE];
    struct stream_room *room;        /* borrows */
    char *server_id, *agent, *asker; /* own; all but agent are there once it is started */
    bool is_started;                 /* its sockets were told so */
    uint64_t attempt;
    uint64_t index;     /* of the last chunk passed on */
    struct buffer text; /* of this attempt, as it was passed on */
    struct lag *lags;   /* of viewers that do not have all of it */
    struct stream *room_prev, *room_next;
    UT_hash_handle hh; /* chat->streams, by reply */
};
/* A run begins. False: that was known, as after an outage. */
bool stream_start(struct chat *chat, const struct bus_run *run);
/* What of this chunk is to be passed on; NULL: nothing. */
struct stream *stream_take(struct chat *chat, struct bus_chunk *chunk);
/* The text so far as one chunk; valid until the stream changes. */
struct bus_chunk stream_so_far(const struct stream *stream);
struct stream *streams_of_room(struct chat *chat, struct slice room); /* linked by room_next */
/* One that the router does not count as running any more; NULL: none. */
struct stream *streams_first_over(struct chat *chat, const struct bus_runs *runs);
/* Nobody is in the room any more: what comes of it comes only for those who watch. */
void streams_leave(struct chat *chat, struct slice room);
void streams_ask(struct chat *chat); /* the router which of them still go on */
bool stream_is_known(struct chat *chat, struct slice reply); /* and its end is not */
void stream_settle(struct chat *chat, struct slice reply);   /* its end follows */
void stream_end(struct chat *chat, struct slice reply);
void streams_destroy(struct chat *chat);

/* watch.c */
bool chat_is_watched(struct chat *chat, struct slice question);
void watch_announce(struct chat *chat, struct slice question, const struct bus_message *event);
void watch_announce_all(struct chat *chat, const struct bus_message *event);
void chat_follow(struct chat_socket *socket, struct slice room, struct slice viewer,
                 struct slice question, uint64_t answers, int64_t now);
void chat_unfollow_all(struct chat_socket *socket);
/* Does it get, or has it got, the pieces of the answer as a follower? */
bool chat_follows(const struct chat_socket *socket, struct slice question);
/* The socket has joined: what was held comes now, unless a replay has brought it already. */
void chat_follow_joined(struct chat_socket *socket, struct slice room, bool was_replayed);

#endif
