/*
 * A client: a well-behaved Socket.IO 4 client over WebSocket, at the level of packets, and the user
 * behind it. It joins rooms, sends messages and sends them again under the same messageId until
 * they are acknowledged, answers pings, comes back from lost connections on any edge, as the socket
 * it was or else rejoining with `since`. What it receives it hands to the oracle.
 *
 *   client.c           connections, what is awaited   client_events.c     what the cluster says
 *   client_actions.c   what the user does             client_recovery.c   going on as it was
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "proto/base/arena.h"
#include "proto/base/json.h"
#include "tests/sim/connection.h"

enum {
    ROOMS_MAX = 6,
    ENTITIES_MAX = 64 /* one bit each in an attendance's view */
};

struct oracle;
struct stored_message;

enum client_state { CLIENT_OFFLINE, CLIENT_CONNECTING, CLIENT_CONNECTED };

enum attendance_state {
    ATTENDANCE_OUT,
    ATTENDANCE_ASKED, /* the join is on its way */
    ATTENDANCE_IN     /* room_joined came, on this connection */
};

/* What one client sees of one reply that is being written. */
struct assembly {
    char reply[UUID_TEXT_SIZE];
    struct buffer text;
    uint64_t index; /* of the last piece */
    int64_t since;
    struct assembly *next;
};

/* A client and a room. */
struct attendance {
    enum attendance_state state;
    bool is_wanted;
    bool has_cursor; /* it was in the room before */
    uint64_t epoch;
    uint64_t cursor; /* seq of the newest message it has, in order and without a gap */
    bool asks_since; /* the join on its way does */
    const struct stored_message *since; /* from that message on; NULL: from a seq */
    int64_t join_at;                    /* not before: the next join */
    size_t replay_left;                 /* replayed messages still to come */
    uint64_t floor;                     /* seq of room_joined: what comes live lies above */
    uint64_t view;                      /* entities it believes to be present, one bit each */
    struct assembly *assemblies;        /* owns */
    enum attendance_state former;       /* on the last connection, for the socket that may go on */
    bool was_amid_replay;               /* likewise */
    bool was_refused;                   /* on this connection, the last time that it asked */
    bool may_be_in;                     /* recovered: it had asked, and nobody has told it yet */
    bool is_input_disabled;             /* controlMessage said so last, on whatever connection */
};

/* A message that a user writes, sent once or many times. */
struct letter {
    struct client *author;
    unsigned room;
    unsigned number; /* of its author's */
    bool has_id;     /* a messageId of its own; else it is sent once, and waits by its ack id */
    bool asks_agent;
    bool is_settled; /* acknowledged, or beyond knowing */
    bool is_acked;
    bool is_refused;                 /* the room is closed to its author */
    bool no_agent;                   /* as the first ack said */
    char message_id[UUID_TEXT_SIZE]; /* as the first ack said, like the next two */
    uint64_t seq;
    uint64_t epoch;
    struct stored_message *stored; /* as the oracle saw it committed */
    uint64_t connection;           /* serial of the one it was sent on last */
    unsigned emissions;            /* on it */
    unsigned answers;              /* on it: messageAck and messageError events */
    unsigned all_emissions;
    unsigned echoes;      /* own copies got on it outside the room */
    unsigned answered_by; /* agents whose answers were got on it outside the room, one bit each */
    int64_t send_at;      /* not before: the next emission */
    struct letter *next;
};

enum wait_kind { WAIT_JOIN, WAIT_SEND, WAIT_OTHER };

/* An ack callback that has to come. */
struct wait {
    enum wait_kind kind;
    uint64_t ack_id;
    unsigned room;
    struct letter *letter;
    int64_t since;
    struct wait *next;
};

struct client {
    struct world *world; /* borrows all of these */
    struct oracle *oracle;
    struct actor_edge *edges;
    size_t edge_count;
    struct connection **connections; /* the list of all that ever were */
    unsigned number;
    unsigned entity; /* index; several clients may be one entity */
    char name[16];
    char entity_id[16];
    bool takes_offsets; /* its library knows recovery */
    bool is_auditor;    /* does nothing but look */
    unsigned eagerness; /* of 1 000 thoughts: those that become a message */
    unsigned room_count;

    enum client_state state;
    bool wants_online;
    int64_t online_at; /* not before: the next connection */
    struct connection *connection;
    uint64_t serial; /* of the connection */
    bool is_severed; /* the oracle knows that it ended */
    int64_t opened_at;
    int64_t heard_at; /* last ping or handshake */
    int64_t ping_interval;
    int64_t ping_timeout;
    char pid[64];        /* of the last socket; empty: it cannot go on */
    char offset[32];     /* the last one heard as it; may be empty */
    bool is_forging;     /* one of them was not given by the cluster */
    bool has_left;       /* on purpose, and its edge knows: the last socket is over */
    bool may_have_left;  /* on purpose: it may be */
    bool is_catching_up; /* hears what came before CONNECT */
    struct buffer early; /* heard before CONNECT: a length and the packet, each */
    uint64_t last_ack_id;
    struct wait *waits; /* owns: of this connection */
    struct attendance rooms[ROOMS_MAX];
    struct letter *letters; /* owns: newest first */
    unsigned letter_count;
    struct buffer scratch;
    struct arena arena;
};

void client_init(struct client *client, struct world *world, struct oracle *oracle,
                 struct actor_edge *edges, size_t edge_count, struct connection **connections,
                 unsigned number, unsigned entity);
void client_deinit(struct client *client);

/* --- the user --------------------------------------------------------------------------------- */

void client_begin(struct client *client, int64_t delay); /* comes online, begins to think */
void client_leave(struct client *client, bool politely); /* DISCONNECT, or Engine.IO's close */
void client_come_back(struct client *client, int64_t delay);
void client_cut(struct client *client);
void client_lose(struct client *client);
/* Nothing is left to be answered, sent, joined or received. Says in a word what is. */
bool client_is_settled(const struct client *client, const char **what);

/* --- between its files ------------------------------------------------------------------------ */

void client_emit(struct client *client, uint64_t ack_id, const char *event, struct slice argument);
struct wait *client_wait(struct client *client, enum wait_kind kind);
void client_act(struct client *client);
void client_say_connect(struct client *client);
void client_connected(struct client *client, struct slice auth); /* CONNECT was answered */
bool client_keeps_for_later(struct client *client, struct slice data);
void client_note_offset(struct client *client, struct slice last);
void client_receive_message(struct client *client, struct slice data);
void client_join(struct client *client, unsigned room);
void client_receive_event(struct client *client, struct slice name, struct slice argument);
void client_receive_ack(struct client *client, uint64_t ack_id, struct slice argument);
void client_forget_assemblies(struct attendance *attendance);

/* Names of rooms and entities, and back; -1: none of ours. */
const char *room_name(unsigned room);
int room_of_name(struct slice name);
int entity_of_name(struct slice name);

#endif
