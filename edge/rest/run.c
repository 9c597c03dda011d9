#include "edge/rest/internal.h"

/*
 * A REST caller that waits for an agent: `stream` gets the run as SSE, `sync` its end. The caller's
 * leaving never cancels the run: the reply is stored and broadcast like any other.
 */

enum {
    LOOKUP_PAGE = 1000, /* messages of history read at once in search of a reply */
    LOOKUP_PAUSE_MS = 500,
    GIVE_UP_MS = 5000,          /* then it may have been given meanwhile */
    LOOKUP_NONE = 0,            /* lookup_at: nothing to look up, or a page is under way */
    STREAM_BACKLOG = 16 * 1024, /* bytes that wait for a caller from which on it is behind */
};

struct rest_run {
    struct chat_watch watch; /* first: found back from it */
    struct rest *rest;
    struct http_exchange *exchange;
    struct uplink_owner lookup; /* the search for the reply in the room's history, see below */
    char *room;                 /* owns */
    char *viewer;               /* owns: who asked */
    int64_t lookup_after;       /* wall ms: history is read from here on */
    int64_t lookup_at;          /* ms: when to read on, or LOOKUP_NONE */
    uint64_t links;             /* to the router, opened when it began */
    bool is_stream;
    struct event_stream events; /* of a stream */
    bool is_behind;             /* chunks are kept back until its caller takes what waits */
    char reply[UUID_TEXT_SIZE]; /* of the agent that is followed; empty: the first one */
    struct buffer question;     /* the userMessage object */
    struct buffer members;      /* what else goes into a sync caller's answer */
    int64_t give_up_at;         /* a repeated question that no open job is known for */
    int64_t deadline;           /* then 504, or the stream's end */
    int64_t comment_at;         /* stream: then a comment, so that proxies do not cut it */
    struct rest_run *prev, *next;
};

/* Leaves the lists; the exchange is answered or gone. */
static void run_end(struct rest_run *run)
{
    struct rest *rest = run->rest;
    chat_unwatch(rest->chat, &run->watch);
    uplink_forget_owner(rest->uplink, &run->lookup);
    DL_DELETE(rest->runs, run);
    rest->counters.waiting--;
    buffer_deinit(&run->question);
    buffer_deinit(&run->members);
    free(run->room);
    free(run->viewer);
    free(run);
}

static void on_client_gone(struct http_exchange *exchange, void *context)
{
    (void)exchange;
    run_end(context);
}

static void stream_end(struct rest_run *run, const char *event, struct slice data)
{
    if (events_write(&run->events, event, data)) {
        struct http_exchange *exchange = run->exchange;
        http_exchange_on_closed(exchange, NULL, NULL);
        run_end(run);
        http_stream_end(exchange);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void finish_sync(struct rest_run *run, int status, struct slice json)
{
    struct http_exchange *exchange = run->exchange;
    struct rest *rest = run->rest;
    http_exchange_on_closed(exchange, NULL, NULL);
    rest_answer(rest, exchange, status, json);
    run_end(run);
}

/* The text of the final message is what its chunks say, should any have been missed. */
static bool settle(struct rest_run *run, struct slice reply, struct slice response)
{
    struct arena arena;
    arena_init(&arena);
    struct slice value = json_get(response, "text");
    struct slice text =
        json_type(value) == JSON_STRING ? json_decode_string(value, &arena) : SLICE_EMPTY;
    bool goes_on = events_settle(&run->events, reply, text);
    arena_deinit(&arena);
    return goes_on;
}

static void succeed(struct rest_run *run, struct slice response)
{
    if (run->is_stream) {
        stream_end(run, "done", response);
        return;
    }
    struct buffer out = BUFFER_EMPTY;
    buffer_append_string(&out, "{\"success\":true");
    json_write_raw_member(&out, "userMessage", buffer_slice(&run->question));
    json_write_raw_member(&out, "agentResponse", response);
    buffer_append_slice(&out, buffer_slice(&run->members));
    json_write_key(&out, "data");
    buffer_append_char(&out, '{');
    json_write_raw_member(&out, "userMessage", buffer_slice(&run->question));
    json_write_raw_member(&out, "agentResponse", response);
    buffer_append_slice(&out, buffer_slice(&run->members));
    buffer_append_string(&out, "}}");
    finish_sync(run, 201, buffer_slice(&out));
    buffer_deinit(&out);
}

/* reply and partial: of a run that failed; or empty. */
static void fail_run(struct rest_run *run, int error, const char *text, struct slice reply,
                     struct slice partial)
{
    struct buffer out = BUFFER_EMPTY;
    if (run->is_stream) {
        buffer_append_char(&out, '{');
        json_write_string_member(&out, "error", slice_of_string(text));
        json_write_string_member(&out, "code", slice_of_string(error_code(error)));
        if (reply.length > 0) {
            json_write_string_member(&out, "messageId", reply);
            json_write_string_member(&out, "partialText", partial);
        }
        buffer_append_char(&out, '}');
        stream_end(run, "error", buffer_slice(&out));
    } else {
        struct http_exchange *exchange = run->exchange;
        struct rest *rest = run->rest;
        http_exchange_on_closed(exchange, NULL, NULL);
        run_end(run);
        rest_refuse(rest, exchange, error, text);
    }
    buffer_deinit(&out);
}

static void fail(struct rest_run *run, int error, const char *text)
{
    fail_run(run, error, text, SLICE_EMPTY, SLICE_EMPTY);
}

static void answer_with(struct rest_run *run, struct slice reply, struct slice question,
                        struct slice body)
{
    struct buffer response = BUFFER_EMPTY;
    rest_write_agent_response(&response, reply, question, body);
    if (!run->is_stream || settle(run, reply, buffer_slice(&response))) {
        succeed(run, buffer_slice(&response));
    }
    buffer_deinit(&response);
}

/* Several agents may answer one question: a caller follows one of them. */
static bool is_followed(struct rest_run *run, struct slice reply)
{
    if (run->reply[0] == '\0' && reply.length == UUID_TEXT_LENGTH) {
        memcpy(run->reply, reply.data, UUID_TEXT_LENGTH);
    }
    return slice_is(reply, run->reply);
}

static void on_run(struct rest_run *run, const struct bus_run *event)
{
    int error = error_of_code(event->reason);
    if (!is_followed(run, event->reply)) {
        return;
    }
    if (event->state == BUS_RUN_FAILED) {
        fail_run(run, error, error_text(error), event->reply, event->partial);
    } else if (event->state == BUS_RUN_CANCELLED) {
        succeed(run, SLICE_LITERAL("{\"text\":\"\",\"actions\":[],\"cancelled\":true}"));
    }
}

/* As for sockets (edge/chat/lag.c): what a slow caller has not got comes in one piece. */
static void on_chunk(struct rest_run *run, const struct bus_chunk *chunk)
{
    if (!run->is_stream || !is_followed(run, chunk->reply)) {
        return;
    }
    run->is_behind = run->is_behind || http_stream_is_behind(run->exchange, STREAM_BACKLOG);
    if (!run->is_behind) {
        events_chunk(&run->events, chunk);
    }
}

/* False: the caller is gone. */
static bool catch_up(struct rest_run *run)
{
    struct bus_chunk chunk;
    if (!run->is_behind) {
        return true;
    }
    run->is_behind = false;
    return !chat_so_far(run->rest->chat, &run->watch, slice_of_string(run->room),
                        slice_of_string(run->reply), &chunk) ||
           events_chunk(&run->events, &chunk);
}

static void on_event(struct chat_watch *watch, const struct bus_message *event)
{
    struct rest_run *run = (struct rest_run *)watch;
    const struct bus_room_message *reply = &event->room_message;
    switch (event->type) {
    case BUS_CHUNK:
        on_chunk(run, &event->chunk);
        break;
    case BUS_ROOM_MESSAGE:
        if (is_followed(run, reply->id) && catch_up(run)) {
            answer_with(run, reply->id, reply->in_reply_to, reply->body);
        }
        break;
    case BUS_RUN:
        on_run(run, &event->run);
        break;
    case BUS_EXPELLED:
        if (slice_is(event->expelled.room, run->room) &&
            slice_is(event->expelled.entity, run->viewer)) {
            fail(run, ERROR_ACCESS, error_text(ERROR_ACCESS));
        }
        break;
    default:
        break;
    }
}

/* --- replies that do not come by themselves: of a question that was asked before, maybe by way of
 * another edge, and those given while the router was out of reach
 * ----------------------------------- */

static void look_up_reply(struct rest_run *run, int64_t now);

/* Newest first. Goes on behind the newest one, together with what shares its millisecond. */
static void on_lookup(void *context, const struct uplink_outcome *outcome)
{
    struct rest_run *run = context;
    if (outcome->is_forgotten) {
        return; /* the run has ended */
    }
    int64_t newest = 0;
    if (outcome->answer != NULL) {
        struct slice question = slice_of(run->watch.question, UUID_TEXT_LENGTH);
        struct msgpack_reader reader = bus_list_read(&outcome->answer->history_page.messages);
        struct bus_stored_message message;
        while (bus_list_next(&reader, BUS_ELEMENT_STORED, &message)) {
            if (slice_equals(message.in_reply_to, question) && is_followed(run, message.id)) {
                answer_with(run, message.id, question, message.body);
                return;
            }
            newest = message.created_at > newest ? message.created_at : newest;
        }
    }
    if (newest - 1 > run->lookup_after) {
        run->lookup_after = newest - 1;
        look_up_reply(run, outcome->now);
    } else if (outcome->now >= run->give_up_at) {
        fail(run, ERROR_NO_AGENT, "The message has no answer, and nobody is writing one");
    } else {
        run->lookup_at = outcome->now + LOOKUP_PAUSE_MS;
    }
}

static void look_up_reply(struct rest_run *run, int64_t now)
{
    struct bus_message message = {.type = BUS_HISTORY,
                                  .viewer = slice_of_string(run->viewer),
                                  .history = {.room = slice_of_string(run->room),
                                              .limit = LOOKUP_PAGE,
                                              .after = run->lookup_after}};
    int error = uplink_request(run->rest->uplink, &message, &message.history.request, on_lookup,
                               run, &run->lookup, now);
    run->lookup_at = error == 0 ? LOOKUP_NONE : now + LOOKUP_PAUSE_MS;
}

/* Is it time to look, for the first time or again? */
static bool is_lookup_due(struct rest_run *run, int64_t now)
{
    uint64_t links = uplink_counters(run->rest->uplink)->links_opened;
    if (links != run->links) {
        run->links = links; /* what was said in between did not come here */
        return run->lookup.count == 0;
    }
    return run->lookup_at != LOOKUP_NONE && now >= run->lookup_at;
}

/* --- the beginning ---------------------------------------------------------------------------- */

static struct rest_run *run_new(struct rest *rest, struct http_exchange *exchange, bool is_stream,
                                struct slice room, struct slice viewer, int64_t asked_at,
                                int64_t now)
{
    struct rest_run *run = memory_allocate_zeroed(sizeof(*run));
    run->watch.event = on_event;
    run->rest = rest;
    run->exchange = exchange;
    run->is_stream = is_stream;
    run->deadline = now + (is_stream ? rest->settings.stream_timeout : rest->settings.sync_timeout);
    run->comment_at = now + rest->settings.stream_comment;
    run->room = memory_copy_string(room.data, room.length);
    run->viewer = memory_copy_string(viewer.data, viewer.length);
    run->lookup_after = asked_at - 1;
    run->links = uplink_counters(rest->uplink)->links_opened;
    DL_APPEND(rest->runs, run);
    rest->counters.waiting++;
    *(is_stream ? &rest->counters.streams : &rest->counters.syncs) += 1;
    http_exchange_on_closed(exchange, on_client_gone, run);
    return run;
}

void rest_run_begin(const struct rest_wait *wait, const struct bus_send *send,
                    const struct bus_send_done *done, struct slice members, int64_t now)
{
    struct rest *rest = wait->rest;
    struct http_exchange *exchange = wait->exchange;
    struct rest_run *run = run_new(rest, exchange, wait->mode == REST_STREAM, send->room,
                                   slice_of_string(wait->viewer), done->created_at, now);
    run->give_up_at = done->jobs > 0 ? INT64_MAX : now + GIVE_UP_MS;
    rest_write_user_message(&run->question, send, done);
    buffer_append_slice(&run->members, members);
    chat_watch(rest->chat, &run->watch, done->message_id);
    if (run->is_stream) {
        events_begin(&run->events, exchange, SLICE_EMPTY);
        if (!events_write(&run->events, "user_message", buffer_slice(&run->question))) {
            return;
        }
    }
    if (done->is_duplicate) {
        look_up_reply(run, now);
        chat_catch_up(rest->chat, &run->watch, send->room); /* last: it may end the run */
    }
}

void rest_run_attach(struct rest *rest, struct http_exchange *exchange, struct slice room,
                     struct slice viewer, const struct bus_run_attached *attached,
                     struct slice last_event_id, int64_t now)
{
    struct rest_run *run = run_new(rest, exchange, true, room, viewer, attached->created_at, now);
    run->give_up_at = attached->is_open ? INT64_MAX : now + GIVE_UP_MS;
    memcpy(run->reply, attached->reply.data, attached->reply.length);
    events_begin(&run->events, exchange, last_event_id);
    if (attached->body.length > 0) {
        answer_with(run, attached->reply, attached->question, attached->body);
        return;
    }
    chat_watch(rest->chat, &run->watch, attached->question);
    if (!attached->is_open) {
        look_up_reply(run, now);
    }
    chat_catch_up(rest->chat, &run->watch, room);
}

void rest_runs_tick(struct rest *rest, int64_t now)
{
    struct rest_run *run, *next;
    DL_FOREACH_SAFE (rest->runs, run, next) {
        if (now >= run->deadline) {
            rest->counters.timeouts++;
            fail(run, ERROR_TIMEOUT, "The agent has not answered in time; its reply will follow");
        } else if (run->is_stream && now >= run->comment_at) {
            run->comment_at = now + rest->settings.stream_comment;
            events_comment(&run->events);
        } else if (is_lookup_due(run, now)) {
            look_up_reply(run, now);
        } else if (run->is_behind && !http_stream_is_behind(run->exchange, STREAM_BACKLOG / 4)) {
            catch_up(run);
        }
    }
}

void rest_runs_destroy(struct rest *rest)
{
    while (rest->runs != NULL) {
        struct rest_run *run = rest->runs;
        http_exchange_on_closed(run->exchange, NULL, NULL);
        run_end(run);
    }
}
