/*
 * The oracle: knows what is stored, sees what every client is told, and says what must not be. Each
 * property has the name that a failing run prints.
 *
 *   committed      what is broadcast or acknowledged is in the store, as it was sent
 *   exactly-once   a letter is stored once; a repeat is answered as the first one was
 *   order          a member gets every message of its room after its join, in order, once
 *   replay         a rejoin with `since` gets what it missed, marked, or is told that it does not
 *   history        what is read is what was said and is there still
 *   recovery       who goes on as it was gets all that it missed; who could is not refused
 *   stranger       nobody gets what is not for him
 *   isolation      where rooms are closed, nobody sees or says anything in one whose participant he
 *                  is not
 *   reply          one final reply for every question and agent, under its derived id, in order
 *   chunks         the pieces of a reply behind the last reset are what it says, or its beginning
 *                  for who was cut off; nobody's input stays disabled
 *   presence       views of rooms become true; nobody who merely moved is said to have left
 *   sync           who waits for an answer over HTTP gets the one that is stored, or is told why
 *                  there is none, or that it takes longer
 *   answered       every request is answered once
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/askers.h"
#include "tests/sim/callers.h"
#include "tests/sim/client.h"
#include "tests/sim/memory_store.h"

enum { GAPS_KEPT = 8, AGENTS_MAX_SIM = 2 };

/* A time in which an entity was in a room with no connection. */
struct gap {
    int64_t from;
    int64_t to; /* INT64_MAX: it is there no more */
    int64_t doubt;
    bool is_explicit;
};

struct holding {
    unsigned connections;
    int64_t explicit_at;        /* when one of them was last ended on purpose; 0: never */
    struct gap gaps[GAPS_KEPT]; /* a ring */
    unsigned gap_count;
};

struct oracle {
    struct world *world;
    struct memory_store *store;
    struct client *clients; /* borrows the array */
    size_t client_count;
    struct slice agents[AGENTS_MAX_SIM];
    size_t agent_count;
    bool is_isolated; /* rooms are closed */
    bool is_eliza;    /* answers cannot be foretold, and may change with the attempt */
    int64_t grace;
    int64_t replay_max;
    int64_t recovery_window;
    int64_t job_attempts;          /* bridges that one question may cost */
    int64_t bridge_deaths;         /* until the end */
    const struct actor *router;    /* borrows: a new one has to learn first */
    const struct callers *callers; /* borrows */
    struct askers *askers;         /* borrows */
    struct holding holdings[ROOMS_MAX][ENTITIES_MAX];
    size_t acked, replied, replayed, recovered;
};

void oracle_init(struct oracle *oracle, struct world *world, struct memory_store *store,
                 const struct actor *router);

/* --- what the store does: its call-backs ------------------------------------------------------ */

void oracle_committed(void *oracle, struct stored_message *message);

/* --- what clients are told ------------------------------------------------------------------- */

struct told_join {
    uint64_t seq;
    uint64_t epoch;
    uint64_t member_count;
    uint64_t view; /* entities listed */
    size_t listed;
    bool has_replay;
    size_t replay_count;
    bool is_complete;
};
void oracle_joined(struct oracle *oracle, struct client *client, unsigned room,
                   const struct told_join *told);

/* CONNECT says that it is the socket it was; or that it is another one, after so many packets. */
void oracle_recovered(struct oracle *oracle, struct client *client);
void oracle_not_recovered(struct oracle *oracle, const struct client *client, bool has_early);

struct told_message {
    struct slice id;
    uint64_t seq;
    uint64_t epoch;
    struct slice sender;
    struct slice text;
    struct slice in_reply_to;
    struct slice client_message_id;
    bool is_replay;
};
void oracle_told(struct oracle *oracle, struct client *client, unsigned room,
                 const struct told_message *told);

/* messageUpdated, messageDeleted, channelCleared or channelDeleted: an event of the room in its
 * place among the messages. */
void oracle_told_event(struct oracle *oracle, struct client *client, unsigned room,
                       struct slice id);

/*
 * A page of a room's newest messages, as many as `limit`, asked for at a time of the world: all
 * that was there then and still is, and nothing that was gone.
 */
void oracle_read(struct world *world, struct memory_store *store, struct slice room,
                 int64_t asked_at, uint64_t limit, const struct bus_list *messages);

struct told_ack {
    struct slice id;
    uint64_t seq;
    uint64_t epoch;
    bool is_duplicate;
    bool no_agent;
};
void oracle_acked(struct oracle *oracle, struct letter *letter, const struct told_ack *told);

struct told_chunk {
    struct slice reply;
    struct slice question;
    uint64_t index;
    bool is_reset; /* replaces all before */
    struct slice text;
};
void oracle_chunk(struct oracle *oracle, struct client *client, unsigned room,
                  const struct told_chunk *told);

/* controlMessage: the asker may not write for now, or may again. */
void oracle_controlled(struct oracle *oracle, struct client *client, unsigned room,
                       bool is_disabled);

/* messageComplete: the reply is there, or it failed or was cancelled and never will be. */
void oracle_completed(struct oracle *oracle, const struct client *client, struct slice reply,
                      bool has_succeeded);

void oracle_user_joined(struct oracle *oracle, struct client *client, unsigned room, int entity);
void oracle_user_left(struct oracle *oracle, struct client *client, unsigned room, int entity);

/* --- who is where, in truth ------------------------------------------------------------------- */

void oracle_held(struct oracle *oracle, unsigned room, unsigned entity);
void oracle_released(struct oracle *oracle, unsigned room, unsigned entity, bool is_explicit,
                     int64_t doubt);
/* A user left for good before its join was answered: it may be counted still. */
void oracle_left_early(struct oracle *oracle, unsigned room, unsigned entity);
uint64_t oracle_present(const struct oracle *oracle, unsigned room);
/* The views of all clients are the truth. */
void oracle_check_views(struct oracle *oracle);

/* May he see what is in it, and speak there? */
bool oracle_is_open(const struct oracle *oracle, unsigned room, const char *entity);

/* --- asked by clients, and at the end --------------------------------------------------------- */

bool oracle_is_up_to_date(const struct oracle *oracle, const struct client *client, unsigned room);
/* The message of that seq, when it is there and of that epoch. */
const struct stored_message *oracle_message_at(const struct oracle *oracle, uint64_t epoch,
                                               uint64_t seq, unsigned room);
struct slice oracle_id_of(const struct stored_message *message);
/* Is that what the message says, or said before it was edited? */
bool oracle_is_text_of(const struct stored_message *message, struct slice text);
/* When all is quiet: letters, questions and replies are complete. */
void oracle_check_end(struct oracle *oracle);

#endif
