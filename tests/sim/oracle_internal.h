/*
 * Between the oracle's files.
 *
 *   oracle.c           what is stored, and the end     oracle_stream.c     replies as they are
 * written oracle_told.c      joins, messages, acks           oracle_presence.c   who is where
 *   oracle_recovery.c  sockets that go on           oracle_history.c    what is read
 */
#ifndef TESTS_SIM_ORACLE_INTERNAL_H
#define TESTS_SIM_ORACLE_INTERNAL_H

#include "tests/sim/oracle.h"

/* How late a viewer may learn of what happened: chokes, pauses. */
enum { VIEW_LAG_MS = 6000 };

/* What the oracle writes behind a stored message. */
struct note {
    struct slice sender;
    struct slice text;
    struct letter *letter;                 /* NULL: an agent's */
    const struct stored_message *question; /* of a reply */
    unsigned jobs;                         /* by agent, one bit each */
    unsigned replies;                      /* likewise */
};

static inline const struct note *note_of(const struct stored_message *message)
{
    return message->notes;
}

static inline bool has_faults(const struct oracle *oracle)
{
    return oracle->world->profile->fault_every > 0;
}

/* Does an answer follow from its question alone? */
static inline bool is_foretold(const struct oracle *oracle)
{
    return !oracle->is_eliza && oracle->world->profile->agent_diverges == 0;
}

static inline struct stored_room *room_at(const struct oracle *oracle, unsigned room)
{
    return memory_store_room(oracle->store, slice_of_string(room_name(room)));
}

/* Messages of a room with a seq above `after`, up to `through`; those deleted are among them. */
static inline size_t count_between(const struct stored_room *room, uint64_t after, uint64_t through)
{
    return room == NULL ? 0 : memory_store_after(room, through) - memory_store_after(room, after);
}

/* Only those that are there still. */
static inline size_t count_lasting(const struct stored_room *room, uint64_t after, uint64_t through)
{
    size_t count = 0;
    size_t until = room == NULL ? 0 : memory_store_after(room, through);
    for (size_t at = room == NULL ? 0 : memory_store_after(room, after); at < until; at++) {
        count += memory_store_shows(room->messages[at]);
    }
    return count;
}

int oracle_agent_of(const struct oracle *oracle, struct slice id); /* -1: none of ours */

/* The letter of this client that a message is, or answers; NULL: neither. */
struct letter *oracle_own_letter(const struct oracle *oracle, const struct client *client,
                                 const struct stored_message *message);

/* A message of a room that a recovered client had asked for: from here on it has all of them. */
void oracle_begin_at(struct client *client, unsigned room, const struct stored_message *message);

/* The final reply came: what was streamed of it was its text. */
void oracle_check_assembly(struct oracle *oracle, struct client *client, unsigned room,
                           const struct told_message *told);

#endif
