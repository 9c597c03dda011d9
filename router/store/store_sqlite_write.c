#include <assert.h>

#include "proto/base/error.h"
#include "proto/base/log.h"
#include "router/store/store_sqlite_bind.h"

static int put_room(struct store_sqlite *self, const struct room_record *room)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_PUT_ROOM);
    bind_integer(&binder, (int64_t)room->number);
    bind_id(&binder, room->id);
    bind_integer(&binder, (int64_t)room->epoch);
    bind_id(&binder, room->server_id);
    bind_text(&binder, room->name);
    bind_text(&binder, room->type);
    bind_text(&binder, room->source_type);
    bind_text(&binder, room->metadata);
    bind_integer(&binder, room->has_participants);
    bind_integer(&binder, room->created_at);
    bind_integer(&binder, room->updated_at);
    bind_integer(&binder, room->deleted_at);
    return bind_run(&binder);
}

/* Runs the statement, which adds or removes, for each of them. */
static int each_participant(struct store_sqlite *self, enum store_sqlite_statement statement,
                            const struct store_operation *operation)
{
    for (size_t i = 0; i < operation->participants.count; i++) {
        struct binder binder;
        int rc;

        bind_begin(&binder, self, statement);
        bind_integer(&binder, (int64_t)operation->participants.room);
        bind_id(&binder, operation->participants.ids[i]);
        rc = bind_run(&binder);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

static int set_participants(struct store_sqlite *self, const struct store_operation *operation)
{
    struct binder binder;
    int rc;

    bind_begin(&binder, self, STATEMENT_DELETE_PARTICIPANTS);
    bind_integer(&binder, (int64_t)operation->participants.room);
    rc = bind_run(&binder);
    return rc == SQLITE_OK ? each_participant(self, STATEMENT_ADD_PARTICIPANT, operation) : rc;
}

static int add_message(struct store_sqlite *self, const struct message_record *message)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_ADD_MESSAGE);
    bind_integer(&binder, (int64_t)message->room);
    bind_integer(&binder, (int64_t)message->seq);
    bind_id(&binder, message->id);
    bind_integer(&binder, message->kind);
    bind_id(&binder, message->sender);
    bind_id(&binder, message->client_message_id);
    bind_id(&binder, message->in_reply_to);
    bind_integer(&binder, message->created_at);
    bind_integer(&binder, (int64_t)message->position);
    bind_bytes(&binder, message->body);
    return bind_run(&binder);
}

static int add_job(struct store_sqlite *self, const struct job_record *job)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_ADD_JOB);
    bind_integer(&binder, (int64_t)job->number);
    bind_integer(&binder, (int64_t)job->room);
    bind_integer(&binder, (int64_t)job->question_seq);
    bind_id(&binder, job->question);
    bind_id(&binder, job->agent);
    bind_id(&binder, job->reply);
    bind_text(&binder, job->asker_edge);
    bind_integer(&binder, job->state);
    bind_integer(&binder, job->created_at);
    bind_integer(&binder, job->finished_at);
    return bind_run(&binder);
}

static int finish_job(struct store_sqlite *self, const struct job_record *job)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_FINISH_JOB);
    bind_integer(&binder, job->state);
    bind_integer(&binder, job->finished_at);
    bind_integer(&binder, (int64_t)job->attempts);
    bind_text(&binder, job->error);
    bind_integer(&binder, (int64_t)job->number);
    return bind_run(&binder);
}

static int delete_job(struct store_sqlite *self, const struct job_record *job)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_DELETE_JOB);
    bind_integer(&binder, (int64_t)job->number);
    bind_id(&binder, job->agent);
    return bind_run(&binder);
}

static int put_agent(struct store_sqlite *self, const struct agent_record *agent)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_PUT_AGENT);
    bind_id(&binder, agent->id);
    bind_text(&binder, agent->name);
    bind_text(&binder, agent->details);
    bind_integer(&binder, agent->state);
    bind_integer(&binder, agent->created_at);
    bind_integer(&binder, agent->updated_at);
    return bind_run(&binder);
}

static int put_secret(struct store_sqlite *self, struct slice secret)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_PUT_SECRET);
    bind_bytes(&binder, secret);
    return bind_run(&binder);
}

/* --- sessions --------------------------------------------------------------------------------- */

static int open_session(struct store_sqlite *self, const struct session_record *session)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_OPEN_SESSION);
    bind_text(&binder, session->id);
    bind_id(&binder, session->entity);
    bind_text(&binder, session->edge);
    return bind_run(&binder);
}

static int add_membership(struct store_sqlite *self, const struct membership_record *membership)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_ADD_MEMBERSHIP);
    bind_text(&binder, membership->session);
    bind_id(&binder, membership->room);
    bind_id(&binder, membership->entity);
    bind_text(&binder, membership->name);
    bind_integer(&binder, (int64_t)membership->position);
    bind_integer(&binder, (int64_t)membership->stamp);
    bind_integer(&binder, membership->was_replayed);
    return bind_run(&binder);
}

static int drop_membership(struct store_sqlite *self, const struct store_operation *operation)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_DROP_MEMBERSHIP);
    bind_text(&binder, operation->session.id);
    bind_id(&binder, operation->left);
    bind_text(&binder, operation->session.edge);
    return bind_run(&binder);
}

static int end_session(struct store_sqlite *self, const struct session_record *session)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_END_SESSION);
    bind_integer(&binder, session->ended_at);
    bind_text(&binder, session->id);
    bind_text(&binder, session->edge);
    return bind_run(&binder);
}

static int drop_session(struct store_sqlite *self, const struct session_record *session)
{
    struct binder binder;
    int rc;

    bind_begin(&binder, self, STATEMENT_DROP_SESSION);
    bind_text(&binder, session->id);
    bind_text(&binder, session->edge);
    rc = bind_run(&binder);
    if (rc == SQLITE_OK) {
        bind_begin(&binder, self, STATEMENT_DROP_MEMBERSHIPS);
        bind_text(&binder, session->id);
        rc = bind_run(&binder);
    }
    return rc;
}

static int claim_session(struct store_sqlite *self, const struct store_operation *operation)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_CLAIM_SESSION);
    bind_text(&binder, operation->session.id);
    bind_text(&binder, operation->session.edge);
    bind_integer(&binder, operation->oldest);
    bind_id(&binder, operation->session.entity);
    return bind_run(&binder);
}

static int lose_edge(struct store_sqlite *self, const struct session_record *session)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_LOSE_EDGE);
    bind_text(&binder, session->edge);
    bind_integer(&binder, session->ended_at);
    return bind_run(&binder);
}

static int find_edge(struct store_sqlite *self, const struct session_record *session)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_FIND_EDGE);
    bind_text(&binder, session->edge);
    return bind_run(&binder);
}

/* Both statements mean the same sessions: nothing comes between them. */
static int sweep_sessions(struct store_sqlite *self, const struct store_operation *operation)
{
    static const enum store_sqlite_statement statements[] = {STATEMENT_SWEEP_MEMBERSHIPS,
                                                             STATEMENT_SWEEP_SESSIONS};
    int rc = SQLITE_OK;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && rc == SQLITE_OK; i++) {
        struct binder binder;

        bind_begin(&binder, self, statements[i]);
        bind_integer(&binder, operation->oldest);
        bind_integer(&binder, (int64_t)operation->limit);
        rc = bind_run(&binder);
    }
    return rc;
}

/* --- messages that change, and what goes by and by -------------------------------------------- */

static int replace_message(struct store_sqlite *self, const struct message_record *change)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_REPLACE_MESSAGE);
    bind_bytes(&binder, change->body);
    bind_id(&binder, change->id);
    bind_integer(&binder, (int64_t)change->room);
    return bind_run(&binder);
}

static int delete_message(struct store_sqlite *self, const struct message_record *change)
{
    static const enum store_sqlite_statement statements[] = {STATEMENT_KEEP_KEY,
                                                             STATEMENT_DELETE_MESSAGE};
    int rc = SQLITE_OK;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && rc == SQLITE_OK; i++) {
        struct binder binder;

        bind_begin(&binder, self, statements[i]);
        bind_id(&binder, change->id);
        bind_integer(&binder, (int64_t)change->room);
        rc = bind_run(&binder);
    }
    return rc;
}

/* Queries leave the messages out from now on; sweeps remove their rows piece by piece. */
static int clear_room(struct store_sqlite *self, const struct message_record *change)
{
    struct binder binder;

    bind_begin(&binder, self, STATEMENT_CLEAR_ROOM);
    bind_integer(&binder, (int64_t)change->room);
    bind_integer(&binder, (int64_t)change->seq);
    return bind_run(&binder);
}

static int run_with(struct store_sqlite *self, enum store_sqlite_statement statement, int64_t value)
{
    struct binder binder;

    bind_begin(&binder, self, statement);
    bind_integer(&binder, value);
    return bind_run(&binder);
}

/* The keys that are kept are those of the rows that go: nothing comes between the two. */
static int sweep(struct store_sqlite *self, int64_t now, int64_t recent_since)
{
    int rc = run_with(self, STATEMENT_SWEEP_RECORDS, now);

    if (rc == SQLITE_OK) {
        rc = run_with(self, STATEMENT_KEEP_CLEARED_KEYS, recent_since);
    }
    if (rc == SQLITE_OK) {
        rc = store_sqlite_run(self, STATEMENT_SWEEP_MESSAGES);
    }
    if (rc == SQLITE_OK) {
        rc = run_with(self, STATEMENT_SWEEP_KEYS, recent_since);
    }
    return rc == SQLITE_OK ? store_sqlite_run(self, STATEMENT_SWEEP_CLEARED) : rc;
}

static int apply(struct store_sqlite *self, const struct store_operation *operation)
{
    switch (operation->type) {
    case STORE_PUT_ROOM:
        return put_room(self, &operation->room);
    case STORE_SET_PARTICIPANTS:
        return set_participants(self, operation);
    case STORE_ADD_PARTICIPANT:
        return each_participant(self, STATEMENT_ADD_PARTICIPANT, operation);
    case STORE_REMOVE_PARTICIPANT:
        return each_participant(self, STATEMENT_REMOVE_PARTICIPANT, operation);
    case STORE_ADD_MESSAGE:
        return add_message(self, &operation->message);
    case STORE_ADD_JOB:
        return add_job(self, &operation->job);
    case STORE_FINISH_JOB:
        return finish_job(self, &operation->job);
    case STORE_DELETE_JOB:
        return delete_job(self, &operation->job);
    case STORE_PUT_AGENT:
        return put_agent(self, &operation->agent);
    case STORE_PUT_SECRET:
        return put_secret(self, operation->secret);
    case STORE_OPEN_SESSION:
        return open_session(self, &operation->session);
    case STORE_ADD_MEMBERSHIP:
        return add_membership(self, &operation->membership);
    case STORE_DROP_MEMBERSHIP:
        return drop_membership(self, operation);
    case STORE_END_SESSION:
        return end_session(self, &operation->session);
    case STORE_DROP_SESSION:
        return drop_session(self, &operation->session);
    case STORE_CLAIM_SESSION:
        return claim_session(self, operation);
    case STORE_LOSE_EDGE:
        return lose_edge(self, &operation->session);
    case STORE_FIND_EDGE:
        return find_edge(self, &operation->session);
    case STORE_SWEEP_SESSIONS:
        return sweep_sessions(self, operation);
    case STORE_REPLACE_MESSAGE:
        return replace_message(self, &operation->message);
    case STORE_DELETE_MESSAGE:
        return delete_message(self, &operation->message);
    case STORE_CLEAR_ROOM:
        return clear_room(self, &operation->message);
    case STORE_PUT_RECORD:
        return store_sqlite_put_record(self, operation);
    case STORE_DELETE_RECORD:
        return store_sqlite_delete_record(self, operation);
    case STORE_SWEEP:
        return sweep(self, operation->sweep.now, operation->sweep.recent_since);
    }
    return SQLITE_MISUSE;
}

/*
 * All of the batch or nothing. A record that breaks a constraint (which only a fault of ours can
 * make) fails its batch too: operations of one batch belong together in ways that only the core
 * knows, so leaving out one of them here could acknowledge what is not stored, or keep a job
 * without its question. The culprit is named in `refused` instead, so that it need not fail others
 * again.
 */
int store_sqlite_commit(struct store *store, const struct store_batch *batch)
{
    struct store_sqlite *self = (struct store_sqlite *)store;
    int rc;

    assert(self->lock >= 0); /* a writer's handle */
    store->refused = NULL;
    if (batch->first == NULL) {
        return 0;
    }
    rc = store_sqlite_run(self, STATEMENT_BEGIN_WRITE);
    for (const struct store_operation *at = batch->first; at != NULL && rc == SQLITE_OK;
         at = at->next) {
        rc = apply(self, at);
        if ((rc & 0xff) == SQLITE_CONSTRAINT) {
            store->refused = at;
        }
    }
    if (rc == SQLITE_OK) {
        rc = store_sqlite_run(self, STATEMENT_END);
    }
    if (rc == SQLITE_OK) {
        return 0;
    }
    log_error("store_commit_failed", "file=%s batch=%llu operations=%zu code=%d reason=%s",
              self->path, (unsigned long long)batch->number, batch->operations, rc,
              sqlite3_errmsg(self->database));
    /* A full disk and the like roll back by themselves. */
    if (sqlite3_get_autocommit(self->database) == 0) {
        store_sqlite_run(self, STATEMENT_ROLLBACK);
    }
    return ERROR_STORE;
}
