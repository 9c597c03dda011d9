/*
 * A batch: what one transaction writes, in order. Filled by the router's core (which never waits),
 * committed by the store's writer thread, handed back with the result. Pure.
 */
#ifndef ROUTER_STORE_BATCH_H
#define ROUTER_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "router/store/record.h"

enum store_operation_type {
    STORE_PUT_ROOM,         /* insert, or replace all but number, id, epoch and created_at */
    STORE_SET_PARTICIPANTS, /* replace a room's list */
    STORE_ADD_PARTICIPANT,  /* add one, if not there */
    STORE_REMOVE_PARTICIPANT,
    STORE_ADD_MESSAGE,
    STORE_ADD_JOB,
    STORE_FINISH_JOB, /* how and when job.number ended */
    STORE_DELETE_JOB, /* job.number of job.agent, if it is not open */
    STORE_PUT_AGENT,
    STORE_PUT_SECRET,      /* the cluster's, once */
    STORE_OPEN_SESSION,    /* insert, or take over for its edge */
    STORE_ADD_MEMBERSHIP,  /* insert, or replace entity and name */
    STORE_DROP_MEMBERSHIP, /* of a session of that edge */
    STORE_END_SESSION,     /* of that edge: lost at ended_at */
    STORE_DROP_SESSION,    /* of that edge, or of any if it is empty: with its memberships */
    STORE_CLAIM_SESSION,   /* for another edge; not if it ended before `oldest`, or is of
                              another entity than the one given */
    STORE_LOSE_EDGE,       /* all sessions of an edge, or of all if it is empty, end for now */
    STORE_FIND_EDGE,       /* those that ended so live on */
    STORE_SWEEP_SESSIONS,  /* drop `limit` of those that ended before `oldest` */
    STORE_REPLACE_MESSAGE, /* the body of message.id in message.room, if it is there */
    STORE_DELETE_MESSAGE,  /* message.id of message.room, if it is there; never an event */
    STORE_CLEAR_ROOM,      /* messages up to message.seq of message.room are gone */
    STORE_PUT_RECORD,
    STORE_DELETE_RECORD,
    STORE_SWEEP /* a bounded number of rows: records that have expired, what was cleared */
};

/* What a commit says of a record's operation. One that fails does not fail its batch. */
struct record_outcome {
    int error; /* 0; CONFLICT: another revision is there; NOT_FOUND; LIMIT */
    uint64_t number;
    uint64_t revision;
    int64_t created_at;
};

struct store_operation {
    enum store_operation_type type;
    struct store_operation *next;
    union {
        struct room_record room;
        struct {
            uint64_t room;
            const struct slice *ids;
            size_t count;
        } participants; /* SET: all of them; ADD, REMOVE: one */
        struct message_record message;
        struct job_record job;
        struct agent_record agent;
        struct slice secret;
        struct membership_record membership;
        struct {
            struct session_record session;
            int64_t oldest;
            size_t limit;
            struct slice left; /* DROP_MEMBERSHIP: the room */
        };
        struct {
            struct named_record record;
            uint64_t expected;              /* revision, or RECORD_REVISION_* */
            struct record_outcome *outcome; /* in the batch's arena, written by the commit */
        } put;                              /* PUT_RECORD; DELETE_RECORD: collection and id */
        struct {
            int64_t now;          /* wall ms */
            int64_t recent_since; /* likewise: see store_batch_sweep() */
        } sweep;
    };
};

struct store_batch {
    uint64_t number;               /* set by the core, rises */
    struct store_operation *first; /* in the batch's arena */
    struct store_operation *last;
    size_t operations;
    size_t messages;
    size_t bytes; /* of copied payloads, to bound a batch */
    /*
     * Set by the store when the commit failed because this operation broke a constraint (a message
     * id, or a room's seq, that is there already): a batch without it would not. NULL: any other
     * failure, where the same batch may succeed later.
     */
    const struct store_operation *refused;
    struct arena arena;
};

struct store_batch *store_batch_new(uint64_t number);
void store_batch_destroy(struct store_batch **batch);

/* Each copies the record and its bytes into the batch. */
void store_batch_put_room(struct store_batch *batch, const struct room_record *room);
void store_batch_set_participants(struct store_batch *batch, uint64_t room, const struct slice *ids,
                                  size_t count);
void store_batch_add_participant(struct store_batch *batch, uint64_t room, struct slice id);
void store_batch_remove_participant(struct store_batch *batch, uint64_t room, struct slice id);
/*
 * Returns the copy, which lives as long as the batch: the core broadcasts from it when committed.
 */
const struct message_record *store_batch_add_message(struct store_batch *batch,
                                                     const struct message_record *message);
void store_batch_add_job(struct store_batch *batch, const struct job_record *job);
/* Of `job`: number, state, finished_at, attempts and error. */
void store_batch_finish_job(struct store_batch *batch, const struct job_record *job);
void store_batch_delete_job(struct store_batch *batch, uint64_t job, struct slice agent);
void store_batch_put_agent(struct store_batch *batch, const struct agent_record *agent);
void store_batch_replace_message(struct store_batch *batch, uint64_t room, struct slice id,
                                 struct slice body);
void store_batch_delete_message(struct store_batch *batch, uint64_t room, struct slice id);
void store_batch_clear_room(struct store_batch *batch, uint64_t room, uint64_t through_seq);
/*
 * The outcome is valid once the batch is committed, as long as the batch. Putting what is there
 * already, byte for byte and one revision further, succeeds: a request may be repeated.
 */
const struct record_outcome *store_batch_put_record(struct store_batch *batch,
                                                    const struct named_record *record,
                                                    uint64_t expected);
const struct record_outcome *store_batch_delete_record(struct store_batch *batch,
                                                       struct slice collection, struct slice id);
/*
 * Of a message that was deleted, or whose row a sweep removes, the store keeps the key of a repeat
 * (room, sender, client_message_id) as long as it is younger than recent_since: see store_loader.
 */
void store_batch_sweep(struct store_batch *batch, int64_t now, int64_t recent_since);

void store_batch_put_secret(struct store_batch *batch, struct slice secret);
void store_batch_open_session(struct store_batch *batch, const struct session_record *session);
void store_batch_add_membership(struct store_batch *batch,
                                const struct membership_record *membership);
void store_batch_drop_membership(struct store_batch *batch, struct slice id, struct slice edge,
                                 struct slice room);
void store_batch_end_session(struct store_batch *batch, struct slice id, struct slice edge,
                             int64_t ended_at);
void store_batch_drop_session(struct store_batch *batch, struct slice id, struct slice edge);
/* entity: whose it has to be, or empty. */
void store_batch_claim_session(struct store_batch *batch, struct slice id, struct slice edge,
                               struct slice entity, int64_t oldest);
void store_batch_lose_edge(struct store_batch *batch, struct slice edge, int64_t ended_at);
void store_batch_find_edge(struct store_batch *batch, struct slice edge);
void store_batch_sweep_sessions(struct store_batch *batch, int64_t oldest, size_t limit);

#endif
