#include "edge/rest/internal.h"

/*
 * All sessions. The newest of them are looked at, one page of the store's; those beyond it are
 * counted, and taken for alive.
 */

enum { LIST_MAX = 1000 };

struct figures {
    uint64_t active, near_end;
    uint64_t last; /* number of the last record looked at */
};

static void write_sessions(struct rest_wait *wait, const struct bus_list *records,
                           struct figures *figures, struct buffer *out)
{
    struct msgpack_reader reader = bus_list_read(records);
    struct bus_record_row row;
    int64_t wall = rest_wall(wait->rest);
    buffer_append_char(out, '[');
    while (bus_list_next(&reader, BUS_ELEMENT_RECORD, &row)) {
        struct agent_session session;
        figures->last = row.number;
        if (!agent_session_read(row.body, &wait->rest->arena, &session) ||
            agent_session_is_expired(&session, wall)) {
            continue;
        }
        figures->active++;
        figures->near_end += agent_session_is_near_end(&session, wall);
        if (!identity_may_be(wait->identity, session.user) ||
            !rest_may_show(wait, session.channel)) {
            continue;
        }
        rest_begin_element(out);
        buffer_append_char(out, '{');
        agent_session_write_info(&session, row.id, wall, out);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
    arena_reset(&wait->rest->arena);
}

static void write_list(struct buffer *out, const struct figures *figures, uint64_t total,
                       struct slice sessions, uint64_t next)
{
    json_write_raw_member(out, "sessions", sessions);
    json_write_unsigned_member(out, "total", figures->active);
    json_write_key(out, "stats");
    buffer_append_char(out, '{');
    json_write_unsigned_member(out, "totalSessions", total);
    json_write_unsigned_member(out, "activeSessions", figures->active);
    json_write_unsigned_member(out, "expiredSessions",
                               total > figures->active ? total - figures->active : 0);
    buffer_append_char(out, '}');
    if (next != 0) {
        json_write_unsigned_member(out, "next", next);
    }
}

static void write_health(struct buffer *out, const struct figures *figures, const struct rest *rest,
                         int64_t now)
{
    char time[CLOCK_ISO_SIZE];
    clock_format_iso(rest_wall(rest), time);
    json_write_string_member(out, "status", SLICE_LITERAL("healthy"));
    json_write_unsigned_member(out, "activeSessions", figures->active);
    json_write_string_member(out, "timestamp", slice_of_string(time));
    json_write_unsigned_member(out, "expiringSoon", figures->near_end);
    json_write_key(out, "uptime");
    json_write_double(out, (double)(now - rest->started_at) / 1000);
}

static void on_list(void *context, const struct uplink_outcome *outcome)
{
    struct rest_wait *wait = context;
    struct figures figures = {.active = 0};
    struct buffer list = BUFFER_EMPTY;
    struct buffer *out = &wait->rest->scratch;
    if (rest_is_session_over(wait, outcome)) {
        return;
    }
    const struct bus_records_page *page = &outcome->answer->records_page;
    const struct bus_record_list *asked = &outcome->sent->record_list;
    uint64_t total = asked->owner.length > 0 ? page->records.count : page->total;
    write_sessions(wait, &page->records, &figures, &list);
    if (asked->after == 0 && !page->is_complete && total > page->records.count) {
        figures.active += total - page->records.count;
    }
    buffer_clear(out);
    buffer_append_char(out, '{');
    if (wait->step == REST_STEP_HEALTH) {
        write_health(out, &figures, wait->rest, outcome->now);
    } else {
        write_list(out, &figures, total, buffer_slice(&list), page->is_complete ? 0 : figures.last);
    }
    buffer_append_char(out, '}');
    rest_wait_answer(wait, 200, buffer_slice(out));
    buffer_deinit(&list);
}

/* Newest first. With a token: the sessions of whom it is for. */
static void ask_for_list(const struct rest_call *call, enum rest_step step)
{
    struct bus_message message = {.type = BUS_RECORD_LIST,
                                  .record_list = {.collection = SLICE_LITERAL(REST_SESSIONS),
                                                  .owner = rest_owner(call),
                                                  .is_descending = true}};
    struct bus_record_list *list = &message.record_list;
    if (!rest_take_count(call, "limit", LIST_MAX, LIST_MAX, &list->limit) || list->limit == 0 ||
        !rest_take_count(call, "before", 0, INT64_MAX, &list->after)) {
        rest_refuse_session(call->rest, call->exchange, 400, "VALIDATION_ERROR",
                            "Invalid limit or before", SLICE_EMPTY);
        return;
    }
    struct rest_wait *wait = rest_ask(call, &message, &list->request, on_list);
    if (wait != NULL) {
        wait->step = step;
    }
}

void rest_get_sessions(const struct rest_call *call)
{
    ask_for_list(call, REST_STEP_FIRST);
}

void rest_get_sessions_health(const struct rest_call *call)
{
    ask_for_list(call, REST_STEP_HEALTH);
}
