#include "edge/rest/internal.h"

/*
 * Runs: what an agent was asked, and what came of it. They are the jobs of the router; a run's id
 * is its job's number in the dress of a UUID, in front, since pages show the first eight digits.
 * An agent's logs are its runs once more, in the form of log entries.
 */

enum {
    RUNS_DEFAULT = 20,
    RUNS_MAX = 100,
    LOGS_DEFAULT = 50,
    LOGS_MAX = 1000,
    RUN_ID_LOW = 8,  /* hexadecimal digits of the number: its lower 32 bits, a dash, */
    RUN_ID_HIGH = 4, /* and 16 more: job numbers stay far below */
};

/* As the store has them. */
enum { RUN_OPEN, RUN_DONE, RUN_FAILED, RUN_CANCELLED };

#define RUN_ID_REST "-8000-8000-000000000000"
#define LOG_TYPE "run_event"
#define RUN_SOURCE "messageHandler" /* ElizaOS's name for what runs an agent */

static void format_id(uint64_t job, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "%0*" PRIx32 "-%0*" PRIx16 RUN_ID_REST, RUN_ID_LOW, (uint32_t)job,
             RUN_ID_HIGH, (uint16_t)(job >> 32));
}

static uint64_t read_digits(const char *at, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = at[i];
        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* 0: the id of no run. */
static uint64_t job_of(struct slice id)
{
    size_t rest = RUN_ID_LOW + 1 + RUN_ID_HIGH;
    if (!uuid_is_valid(id) || memcmp(id.data + rest, RUN_ID_REST, id.length - rest) != 0) {
        return 0;
    }
    return read_digits(id.data + RUN_ID_LOW + 1, RUN_ID_HIGH) << 32 |
           read_digits(id.data, RUN_ID_LOW);
}

/* Null for what is not there. */
static void write_id(struct buffer *out, const char *name, struct slice id)
{
    if (id.length > 0) {
        json_write_string_member(out, name, id);
    }
}

static struct slice status_of(const struct bus_run_record *run)
{
    switch (run->state) {
    case RUN_OPEN:
        return SLICE_LITERAL("started");
    case RUN_DONE:
        return SLICE_LITERAL("completed");
    default:
        return slice_is(run->error, error_code(ERROR_TIMEOUT)) ? SLICE_LITERAL("timeout")
                                                               : SLICE_LITERAL("error");
    }
}

static struct slice error_of(const struct bus_run_record *run)
{
    return run->state == RUN_CANCELLED ? SLICE_LITERAL("cancelled") : run->error;
}

static void write_times(struct buffer *out, const struct bus_run_record *run)
{
    json_write_signed_member(out, "startedAt", run->created_at);
    if (run->state == RUN_OPEN) {
        json_write_raw_member(out, "endedAt", SLICE_LITERAL("null"));
        json_write_raw_member(out, "durationMs", SLICE_LITERAL("null"));
    } else {
        json_write_signed_member(out, "endedAt", run->finished_at);
        json_write_signed_member(out, "durationMs", run->finished_at - run->created_at);
    }
}

static void write_summary(struct buffer *out, const struct bus_run_record *run)
{
    char id[UUID_TEXT_SIZE];
    bool is_open = run->state == RUN_OPEN;
    format_id(run->job, id);
    buffer_append_char(out, '{');
    json_write_string_member(out, "runId", slice_of_string(id));
    json_write_string_member(out, "status", status_of(run));
    write_times(out, run);
    write_id(out, "messageId", run->question);
    write_id(out, "roomId", run->room);
    write_id(out, "entityId", run->asker);
    json_write_key(out, "metadata");
    buffer_append_char(out, '{');
    write_id(out, "replyId", run->reply);
    write_id(out, "error", error_of(run));
    buffer_append_char(out, '}');
    json_write_key(out, "counts");
    buffer_append_string(out, "{\"actions\":0");
    json_write_unsigned_member(out, "modelCalls", is_open ? 1 : run->attempts);
    json_write_unsigned_member(out, "errors", run->state == RUN_FAILED);
    json_write_unsigned_member(out, "evaluators", 0);
    buffer_append_string(out, "}}");
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct slice query_text(const struct rest_call *call, const char *name)
{
    struct slice value = SLICE_EMPTY;
    bool is_there = http_query_get(call->request->query, name, &call->rest->arena, &value) &&
                    value.length <= USER_ID_MAX;
    return is_there ? value : SLICE_EMPTY;
}

/* False: refused already. */
static bool take_room(const struct rest_call *call, struct bus_runs_list *list)
{
    list->agent = call->id;
    list->room = query_text(call, "roomId");
    if (!rest_has_agent_id(call)) {
        return false;
    }
    if (list->room.length > 0 && !identity_may_enter(call->identity, list->room)) {
        rest_refuse(call->rest, call->exchange, ERROR_ACCESS, NULL);
        return false;
    }
    return true;
}

/* --- GET …/runs ------------------------------------------------------------------------------- */

static void on_runs(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_agent_is_over(wait, outcome)) {
        return;
    }
    const struct bus_runs_page *page = &outcome->answer->runs_page;
    struct msgpack_reader reader = bus_list_read(&page->runs);
    struct bus_run_record run;
    struct buffer *out = rest_begin_data(wait->rest);
    uint64_t passed = outcome->sent->runs_list.offset + page->runs.count;
    buffer_append_string(out, "{\"runs\":[");
    while (bus_list_next(&reader, BUS_ELEMENT_RUN, &run)) {
        if (!rest_may_show(wait, run.room)) {
            continue;
        }
        if (out->data[out->length - 1] != '[') {
            buffer_append_char(out, ',');
        }
        write_summary(out, &run);
    }
    buffer_append_char(out, ']');
    json_write_unsigned_member(out, "total", page->total);
    json_write_boolean_member(out, "hasMore", passed < page->total || !page->is_complete);
    buffer_append_char(out, '}');
    rest_end_data(wait, 200);
}

static bool is_status(struct slice text)
{
    return slice_is(text, "started") || slice_is(text, "completed") || slice_is(text, "timeout") ||
           slice_is(text, "error");
}

static bool take_times(const struct rest_call *call, struct bus_runs_list *list)
{
    uint64_t from, to;
    bool are_valid = rest_take_count(call, "from", 0, INT64_MAX, &from) &&
                     rest_take_count(call, "to", 0, INT64_MAX, &to);
    list->after = are_valid ? (int64_t)from : 0;
    list->before = are_valid ? (int64_t)to : 0;
    return are_valid;
}

void rest_get_runs(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_RUNS_LIST};
    struct bus_runs_list *list = &message.runs_list;
    struct slice status = query_text(call, "status");
    if (!take_room(call, list)) {
        return;
    }
    bool is_any = status.length == 0 || slice_is(status, "all");
    if (!rest_take_count(call, "limit", RUNS_DEFAULT, RUNS_MAX, &list->limit) ||
        !rest_take_count(call, "offset", 0, INT32_MAX, &list->offset) || !take_times(call, list) ||
        (!is_any && !is_status(status))) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED,
                    "Optional: limit, offset, roomId, from, to (milliseconds), status (started, "
                    "completed, timeout, error or all)");
        return;
    }
    list->status = is_any ? SLICE_EMPTY : status;
    rest_ask(call, &message, &list->request, on_runs);
}

/* --- GET …/runs/:run -------------------------------------------------------------------------- */

static void write_event(struct buffer *out, const struct bus_run_record *run, bool is_end)
{
    char id[UUID_TEXT_SIZE];
    format_id(run->job, id);
    buffer_append_char(out, '{');
    json_write_string_member(out, "type",
                             is_end ? SLICE_LITERAL("RUN_ENDED") : SLICE_LITERAL("RUN_STARTED"));
    json_write_signed_member(out, "timestamp", is_end ? run->finished_at : run->created_at);
    json_write_key(out, "data");
    buffer_append_char(out, '{');
    json_write_string_member(out, "runId", slice_of_string(id));
    json_write_string_member(out, "status", is_end ? status_of(run) : SLICE_LITERAL("started"));
    json_write_string_member(out, "source", SLICE_LITERAL(RUN_SOURCE));
    write_id(out, "messageId", run->question);
    write_id(out, "roomId", run->room);
    write_id(out, "entityId", run->asker);
    if (is_end) {
        json_write_signed_member(out, "duration", run->finished_at - run->created_at);
        write_id(out, "error", error_of(run));
    }
    buffer_append_string(out, "}}");
}

static void on_run(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct bus_run_record run;
    if (rest_agent_is_over(wait, outcome)) {
        return;
    }
    struct msgpack_reader reader = bus_list_read(&outcome->answer->runs_page.runs);
    if (!bus_list_next(&reader, BUS_ELEMENT_RUN, &run) || !rest_may_show(wait, run.room)) {
        rest_refuse_as(wait->rest, wait->exchange, 404, "RUN_NOT_FOUND", "Run not found");
        rest_wait_destroy(wait);
        return;
    }
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_string(out, "{\"summary\":");
    write_summary(out, &run);
    buffer_append_string(out, ",\"events\":[");
    write_event(out, &run, false);
    if (run.state != RUN_OPEN) {
        buffer_append_char(out, ',');
        write_event(out, &run, true);
    }
    buffer_append_string(out, "]}");
    rest_end_data(wait, 200);
}

void rest_get_run(const struct rest_call *call)
{
    struct bus_message message = {
        .type = BUS_RUNS_LIST,
        .runs_list = {.agent = call->id, .limit = 1, .job = job_of(call->other)}};
    if (!uuid_is_valid(call->id) || !uuid_is_valid(call->other)) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID",
                       "Invalid agent or run ID format");
    } else if (message.runs_list.job == 0) {
        rest_refuse_as(call->rest, call->exchange, 404, "RUN_NOT_FOUND", "Run not found");
    } else {
        rest_ask(call, &message, &message.runs_list.request, on_run);
    }
}

/* --- …/logs ----------------------------------------------------------------------------------- */

static void write_log(struct buffer *out, const struct bus_run_record *run)
{
    char id[UUID_TEXT_SIZE], created[CLOCK_ISO_SIZE];
    format_id(run->job, id);
    clock_format_iso(run->state == RUN_OPEN ? run->created_at : run->finished_at, created);
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", slice_of_string(id));
    json_write_string_member(out, "createdAt", slice_of_string(created));
    write_id(out, "entityId", run->asker);
    write_id(out, "roomId", run->room);
    json_write_string_member(out, "type", SLICE_LITERAL(LOG_TYPE));
    json_write_key(out, "body");
    buffer_append_char(out, '{');
    json_write_string_member(out, "runId", slice_of_string(id));
    json_write_string_member(out, "status", status_of(run));
    json_write_string_member(out, "source", SLICE_LITERAL(RUN_SOURCE));
    write_id(out, "messageId", run->question);
    write_id(out, "roomId", run->room);
    write_id(out, "entityId", run->asker);
    json_write_signed_member(out, "startTime", run->created_at);
    if (run->state != RUN_OPEN) {
        json_write_signed_member(out, "endTime", run->finished_at);
        json_write_signed_member(out, "duration", run->finished_at - run->created_at);
    }
    write_id(out, "error", error_of(run));
    buffer_append_string(out, "}}");
}

static void on_logs(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_agent_is_over(wait, outcome)) {
        return;
    }
    struct msgpack_reader reader = bus_list_read(&outcome->answer->runs_page.runs);
    struct bus_run_record run;
    struct buffer *out = rest_begin_data(wait->rest);
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_RUN, &run)) {
        if (!rest_may_show(wait, run.room)) {
            continue;
        }
        if (out->data[out->length - 1] != '[') {
            buffer_append_char(out, ',');
        }
        write_log(out, &run);
    }
    buffer_append_char(out, ']');
    rest_end_data(wait, 200);
}

/* Is that one of the texts, which are separated by commas? */
static bool names(struct slice list, const char *text)
{
    while (list.length > 0) {
        const char *comma = memchr(list.data, ',', list.length);
        size_t length = comma == NULL ? list.length : (size_t)(comma - list.data);
        if (slice_is(slice_of(list.data, length), text)) {
            return true;
        }
        size_t passed = length < list.length ? length + 1 : length;
        list = slice_of(list.data + passed, list.length - passed);
    }
    return false;
}

void rest_get_agent_logs(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_RUNS_LIST};
    struct bus_runs_list *list = &message.runs_list;
    struct slice type = query_text(call, "type");
    uint64_t limit;
    if (!take_room(call, list)) {
        return;
    }
    if (!rest_take_count(call, "limit", LOGS_DEFAULT, LOGS_MAX, &limit) ||
        !rest_take_count(call, "count", (int64_t)limit, LOGS_MAX, &list->limit) ||
        !rest_take_count(call, "offset", 0, INT32_MAX, &list->offset)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid count, limit or offset");
        return;
    }
    if ((type.length > 0 && !slice_is(type, LOG_TYPE)) ||
        names(query_text(call, "excludeTypes"), LOG_TYPE)) {
        list->limit = 0; /* there are no others */
    }
    rest_ask(call, &message, &list->request, on_logs);
}

/* Gone is gone, also when it never was. */
static void on_log_deleted(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    if (rest_error_of(outcome) == ERROR_NOT_FOUND || !rest_is_over(wait, outcome, NULL)) {
        rest_wait_answer(wait, 204, SLICE_EMPTY);
    }
}

void rest_delete_agent_log(const struct rest_call *call)
{
    struct bus_message message = {.type = BUS_RUN_DELETE,
                                  .run_delete = {.agent = call->id, .job = job_of(call->other)}};
    if (!rest_is_for_operators(call) || !rest_has_agent_id(call)) {
        return;
    }
    if (!uuid_is_valid(call->other)) {
        rest_refuse_as(call->rest, call->exchange, 400, "INVALID_ID", "Invalid log ID format");
        return;
    }
    rest_ask(call, &message, &message.run_delete.request, on_log_deleted);
}
