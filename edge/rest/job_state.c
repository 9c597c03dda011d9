#include "edge/rest/internal.h"

/*
 * What has become of jobs. It follows from the history of a job's channel: the agent's answer, or,
 * while there is none, whether one is still to come. Whoever finds out that a job is over writes
 * that down in its record. One job, a list of them and their figures are all a walk over records.
 */

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 100,      /* jobs in an answer */
    RECORDS_READ = 1000, /* the newest ones, among which a list or the figures are */
    LOOKUPS_MAX = 100,   /* histories read for the figures; the others count as their records say */
    MESSAGES_READ = 20,  /* of a job's channel: the question, notes of actions, the answer */
    LIST_BYTES_MAX = 8 << 20,
    JOBS_MAX = 1000000 /* what the store takes of a collection */
};

enum walk_kind { WALK_ONE, WALK_LIST, WALK_FIGURES };

struct job_walk {
    enum walk_kind kind;
    enum agent_job_status wanted; /* of a list; AGENT_JOB_STATUSES: any */
    struct msgpack_reader reader; /* of the records, which wait in the note */
    struct bus_record_row row;    /* the one at hand */
    bool is_expected;             /* its answer may still come */
    uint64_t limit;
    uint64_t shown;
    uint64_t lookups;
    uint64_t total;
    uint64_t counts[AGENT_JOB_STATUSES];
    int64_t taken; /* ms, by all that were completed */
};

static void walk_on(struct rest_wait *wait, int64_t now);

/* The next record that is a job; false: that was the last. */
static bool next_job(struct rest_wait *wait, struct agent_job *job)
{
    struct job_walk *walk = wait->walk;
    while (bus_list_next(&walk->reader, BUS_ELEMENT_RECORD, &walk->row)) {
        if (agent_job_read(walk->row.body, &wait->rest->arena, job)) {
            return true;
        }
    }
    return false;
}

/* The job at hand, after an answer. */
static struct agent_job job_of(const struct rest_wait *wait)
{
    struct agent_job job;
    agent_job_read(wait->walk->row.body, &wait->rest->arena, &job);
    return job;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What the channel says of a job. Messages are JSON as history shows them, or empty. */
struct findings {
    struct buffer prompt;
    struct buffer answer;
    int64_t answered_at;
};

static void write_raw(struct buffer *out, const char *name, struct slice value)
{
    json_write_raw_member(out, name, value.length > 0 ? value : SLICE_LITERAL("null"));
}

static void write_result(struct buffer *out, const struct agent_job *job,
                         const struct findings *findings)
{
    struct slice answer = buffer_slice(&findings->answer);
    json_write_key(out, "result");
    buffer_append_string(out, "{\"message\":{");
    write_raw(out, "id", json_get(answer, "id"));
    write_raw(out, "content", json_get(answer, "content"));
    json_write_string_member(out, "authorId", job->agent);
    json_write_signed_member(out, "createdAt", findings->answered_at);
    write_raw(out, "metadata", json_get(answer, "metadata"));
    buffer_append_char(out, '}');
    json_write_signed_member(out, "processingTimeMs", job->finished_at - job->created_at);
    buffer_append_char(out, '}');
}

static void write_job(struct buffer *out, struct slice id, const struct agent_job *job,
                      const struct findings *findings)
{
    struct slice prompt = json_get(buffer_slice(&findings->prompt), "content");
    buffer_append_char(out, '{');
    json_write_string_member(out, "jobId", id);
    json_write_string_member(out, "status", slice_of_string(agent_job_status_name(job->status)));
    json_write_string_member(out, "agentId", job->agent);
    json_write_string_member(out, "userId", job->user);
    json_write_raw_member(out, "prompt", prompt.length > 0 ? prompt : SLICE_LITERAL("\"\""));
    json_write_signed_member(out, "createdAt", job->created_at);
    json_write_signed_member(out, "expiresAt", job->expires_at);
    json_write_raw_member(out, "metadata", job->metadata);
    if (job->status == AGENT_JOB_COMPLETED && findings->answer.length > 0) {
        write_result(out, job, findings);
    }
    if (job->status == AGENT_JOB_FAILED) {
        json_write_string_member(out, "error", slice_of_string(error_text(ERROR_AGENT_FAILED)));
    } else if (job->status == AGENT_JOB_TIMED_OUT) {
        json_write_string_member(out, "error",
                                 SLICE_LITERAL("Job timed out waiting for agent response"));
    }
    buffer_append_char(out, '}');
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)((part * 100 + whole / 2) / whole) / 100;
}

static void write_figures(const struct rest_wait *wait, struct buffer *out)
{
    const struct job_walk *walk = wait->walk;
    uint64_t completed = walk->counts[AGENT_JOB_COMPLETED];
    uint64_t failed = walk->counts[AGENT_JOB_FAILED];
    uint64_t late = walk->counts[AGENT_JOB_TIMED_OUT];
    uint64_t over = completed + failed + late;
    json_write_boolean_member(out, "healthy", true);
    json_write_signed_member(out, "timestamp", rest_wall(wait->rest));
    json_write_unsigned_member(out, "totalJobs", walk->total);
    json_write_key(out, "statusCounts");
    buffer_append_char(out, '{');
    for (int status = 0; status < AGENT_JOB_STATUSES; status++) {
        json_write_unsigned_member(out, agent_job_status_name((enum agent_job_status)status),
                                   walk->counts[status]);
    }
    buffer_append_char(out, '}');
    json_write_key(out, "metrics");
    buffer_append_char(out, '{');
    json_write_signed_member(out, "averageProcessingTimeMs",
                             completed == 0 ? 0 : walk->taken / (int64_t)completed);
    json_write_key(out, "successRate");
    json_write_double(out, share(completed, over));
    json_write_key(out, "failureRate");
    json_write_double(out, share(failed, over));
    json_write_key(out, "timeoutRate");
    json_write_double(out, share(late, over));
    buffer_append_char(out, '}');
    json_write_unsigned_member(out, "maxJobs", JOBS_MAX);
}

static void answer(struct rest_wait *wait)
{
    const struct job_walk *walk = wait->walk;
    struct buffer *out = &wait->rest->scratch;
    if (walk->kind == WALK_ONE) {
        rest_wait_answer(wait, 200, buffer_slice(&wait->list));
        return;
    }
    buffer_clear(out);
    buffer_append_char(out, '{');
    if (walk->kind == WALK_FIGURES) {
        write_figures(wait, out);
    } else {
        buffer_append_string(out, "\"jobs\":[");
        buffer_append_slice(out, buffer_slice(&wait->list));
        buffer_append_char(out, ']');
        json_write_unsigned_member(out, "total", walk->total);
        json_write_unsigned_member(out, "filtered", walk->shown);
    }
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 200, buffer_slice(out));
    buffer_shrink(out, 1 << 16);
}

/* --- one job ---------------------------------------------------------------------------------- */

static void take(struct rest_wait *wait, const struct agent_job *job,
                 const struct findings *findings)
{
    struct job_walk *walk = wait->walk;
    if (walk->kind == WALK_FIGURES) {
        walk->counts[job->status]++;
        walk->taken += job->status == AGENT_JOB_COMPLETED ? job->finished_at - job->created_at : 0;
    } else if (walk->wanted == AGENT_JOB_STATUSES || walk->wanted == job->status) {
        if (walk->shown++ > 0) {
            buffer_append_char(&wait->list, ',');
        }
        write_job(&wait->list, walk->row.id, job, findings);
    }
}

/* Whoever was first has written the same. */
static void on_noted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (wait->exchange == NULL) {
        rest_wait_destroy(wait);
    } else {
        walk_on(wait, outcome->now);
    }
}

static void note_end(struct rest_wait *wait, const struct agent_job *job, int64_t now)
{
    const struct bus_record_row *row = &wait->walk->row;
    struct buffer body = BUFFER_EMPTY;
    agent_job_write(job, &body);
    struct bus_message message = {.type = BUS_RECORD_PUT,
                                  .record_put = {.collection = SLICE_LITERAL(REST_JOBS),
                                                 .id = row->id,
                                                 .owner = job->user,
                                                 .expected = row->revision,
                                                 .expires_at = row->expires_at,
                                                 .body = buffer_slice(&body)}};
    rest_ask_on(wait, &message, &message.record_put.request, on_noted, now);
    buffer_deinit(&body);
}

static void find(struct rest *rest, const struct bus_list *messages, const struct agent_job *job,
                 struct findings *findings)
{
    struct msgpack_reader reader = bus_list_read(messages);
    struct bus_stored_message message;
    while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) { /* newest first */
        struct buffer shown = BUFFER_EMPTY;
        rest_write_message(&shown, &message, (struct rest_place){.epoch = 0});
        struct slice text =
            json_decode_string(json_get(buffer_slice(&shown), "content"), &rest->arena);
        struct buffer *found = slice_equals(message.id, job->question)          ? &findings->prompt
                               : agent_job_is_answer(job, message.sender, text) ? &findings->answer
                                                                                : NULL;
        if (found != NULL) {
            buffer_clear(found);
            buffer_append_slice(found, buffer_slice(&shown));
        }
        if (found == &findings->answer) {
            findings->answered_at = message.created_at;
        }
        buffer_deinit(&shown);
    }
}

static void on_history(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct job_walk *walk = wait->walk;
    struct findings findings = {.answered_at = 0};
    if (rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct agent_job job = job_of(wait);
    find(wait->rest, &outcome->answer->history_page.messages, &job, &findings);
    bool was_over = agent_job_is_over(&job);
    if (findings.answer.length > 0) {
        agent_job_answered(&job, findings.answered_at);
    } else {
        agent_job_unanswered(&job, walk->is_expected, rest_wall(wait->rest));
    }
    take(wait, &job, &findings);
    if (!was_over && agent_job_is_over(&job)) {
        note_end(wait, &job, outcome->now);
    } else {
        walk_on(wait, outcome->now);
    }
    buffer_deinit(&findings.prompt);
    buffer_deinit(&findings.answer);
}

static void ask_for_history(struct rest_wait *wait, const struct agent_job *job, int64_t now)
{
    struct bus_message message = {
        .type = BUS_HISTORY,
        .history = {.room = job->channel, .limit = MESSAGES_READ, .after = job->created_at - 1}};
    rest_ask_on(wait, &message, &message.history.request, on_history, now);
}

/* The history is read after this, so that an answer that is not expected any more is in it. */
static void on_open(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    int error = rest_error_of(outcome);
    if (error != ERROR_NOT_FOUND && rest_is_over(wait, outcome, NULL)) {
        return;
    }
    struct agent_job job = job_of(wait);
    wait->walk->is_expected = error == 0;
    ask_for_history(wait, &job, outcome->now);
}

static void look_at(struct rest_wait *wait, const struct agent_job *job, int64_t now)
{
    struct bus_message message = {.type = BUS_JOB_GET,
                                  .job_get = {.room = job->channel, .question = job->question}};
    wait->walk->lookups++;
    wait->walk->is_expected = false;
    if (agent_job_is_over(job) || rest_wall(wait->rest) > job->expires_at) {
        ask_for_history(wait, job, now);
    } else {
        rest_ask_on(wait, &message, &message.job_get.request, on_open, now);
    }
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Is the record at hand to be looked at, or does it say enough? */
static bool needs_look(const struct rest_wait *wait, const struct agent_job *job)
{
    const struct job_walk *walk = wait->walk;
    if (walk->kind == WALK_FIGURES) {
        return !agent_job_is_over(job) && walk->lookups < LOOKUPS_MAX;
    }
    return identity_may_be(wait->identity, job->user) && rest_may_show(wait, job->channel) &&
           (walk->wanted == AGENT_JOB_STATUSES || walk->wanted == job->status ||
            !agent_job_is_over(job));
}

static void walk_on(struct rest_wait *wait, int64_t now)
{
    static const struct findings nothing = {.answered_at = 0};
    struct job_walk *walk = wait->walk;
    struct arena *arena = &wait->rest->arena;
    struct agent_job job;
    while (walk->shown < walk->limit && wait->list.length < LIST_BYTES_MAX &&
           next_job(wait, &job)) {
        if (needs_look(wait, &job)) {
            look_at(wait, &job, now);
            arena_reset(arena);
            return;
        }
        if (walk->kind == WALK_FIGURES) {
            take(wait, &job, &nothing);
        }
    }
    arena_reset(arena);
    answer(wait);
}

static void walk_begin(struct rest_wait *wait, const struct bus_message *page, int64_t now)
{
    struct bus_message kept;
    bus_encode(&wait->note, page);
    struct msgpack_reader reader = msgpack_reader_of(buffer_slice(&wait->note));
    if (bus_decode(&reader, &kept) != 0) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
        return;
    }
    wait->walk->total = kept.records_page.total;
    wait->walk->reader = bus_list_read(&kept.records_page.records);
    walk_on(wait, now);
}

static void on_list(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (!rest_is_over(wait, outcome, NULL)) {
        walk_begin(wait, outcome->answer, outcome->now);
    }
}

static void on_job(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_list_builder list = {BUFFER_EMPTY, 0};
    struct agent_job job;
    if (rest_is_over(wait, outcome, "Job not found")) {
        return;
    }
    const struct bus_record *record = &outcome->answer->record;
    if (!agent_job_read(record->body, &wait->rest->arena, &job)) {
        rest_wait_refuse(wait, ERROR_INTERNAL, NULL);
    } else if (!identity_may_be(wait->identity, job.user)) {
        rest_wait_refuse(wait, ERROR_IDENTITY, NULL);
    } else if (!rest_may_show(wait, job.channel)) {
        rest_wait_refuse(wait, ERROR_ACCESS, NULL);
    } else {
        struct bus_record_row row = {.id = record->id,
                                     .owner = record->owner,
                                     .number = record->number,
                                     .revision = record->revision,
                                     .created_at = record->created_at,
                                     .updated_at = record->updated_at,
                                     .expires_at = record->expires_at,
                                     .body = record->body};
        bus_list_add(&list, BUS_ELEMENT_RECORD, &row);
        struct bus_message page = {.type = BUS_RECORDS_PAGE,
                                   .records_page = {.total = 1, .records = bus_list_of(&list)}};
        walk_begin(wait, &page, outcome->now);
        buffer_deinit(&list.bytes);
    }
}

static struct job_walk *walk_new(enum walk_kind kind, uint64_t limit, enum agent_job_status wanted)
{
    struct job_walk *walk = memory_allocate_zeroed(sizeof(*walk));
    walk->kind = kind;
    walk->limit = limit;
    walk->wanted = wanted;
    return walk;
}

void rest_get_job(const struct rest_call *call)
{
    struct bus_message message = {
        .type = BUS_RECORD_GET,
        .record_get = {.collection = SLICE_LITERAL(REST_JOBS), .id = call->id}};
    struct rest_wait *wait = rest_ask(call, &message, &message.record_get.request, on_job);
    if (wait != NULL) {
        wait->walk = walk_new(WALK_ONE, 1, AGENT_JOB_STATUSES);
    }
}

/* With a token: the jobs of whom it is for. */
static void ask_for_list(const struct rest_call *call, enum walk_kind kind, uint64_t limit,
                         enum agent_job_status wanted)
{
    struct bus_message message = {.type = BUS_RECORD_LIST,
                                  .record_list = {.collection = SLICE_LITERAL(REST_JOBS),
                                                  .owner = rest_owner(call),
                                                  .limit = RECORDS_READ,
                                                  .is_descending = true}};
    struct rest_wait *wait = rest_ask(call, &message, &message.record_list.request, on_list);
    if (wait != NULL) {
        wait->walk = walk_new(kind, limit, wanted);
    }
}

void rest_get_jobs(const struct rest_call *call)
{
    struct slice status = SLICE_EMPTY;
    uint64_t limit;
    if (!rest_take_count(call, "limit", LIST_DEFAULT, LIST_MAX, &limit) || limit == 0) {
        limit = LIST_DEFAULT;
    }
    http_query_get(call->request->query, "status", &call->rest->arena, &status);
    ask_for_list(call, WALK_LIST, limit, agent_job_status_of(status));
}

void rest_get_jobs_health(const struct rest_call *call)
{
    ask_for_list(call, WALK_FIGURES, UINT64_MAX, AGENT_JOB_STATUSES);
}
