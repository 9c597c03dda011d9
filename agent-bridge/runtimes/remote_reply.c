#include "agent-bridge/runtimes/remote.h"

#include "proto/base/error.h"
#include "proto/base/json.h"

/* What a run says, and how it ends well: the rest is remote.c's. */

static struct remote *remote_of(struct remote_run *run)
{
    return (struct remote *)run->run.runtime;
}

static void say_text(struct remote_run *run, struct slice text)
{
    while (text.length > 0) {
        run->events.chunk(run->context, answer_next_piece(&text));
    }
}

int remote_say(struct remote_run *run, struct slice value)
{
    struct slice added;
    int error = answer_add(&run->answer, value, &remote_of(run)->scratch, &added);
    if (error == 0) {
        say_text(run, added);
    }
    return error;
}

void remote_done(struct remote_run *run, const struct runtime_reply *reply)
{
    struct runtime_reply whole = *reply;
    struct slice added;
    if (run->state == REMOTE_OVER) {
        return;
    }
    if (answer_finish(&run->answer, &added) != 0) {
        remote_fail(run, ERROR_TOO_LARGE, "the answer is too long");
        return;
    }
    say_text(run, added);
    whole.text = buffer_slice(&run->answer.text);
    if (whole.text.length == 0) {
        remote_fail(run, ERROR_AGENT_FAILED, "the answer is empty");
        return;
    }
    run->state = REMOTE_OVER;
    run->events.done(run->context, &whole);
}

static bool declines(struct slice actions)
{
    struct slice action;
    if (json_type(actions) != JSON_ARRAY) {
        return false;
    }
    struct json_iterator iterator = json_iterate(actions);
    while (json_next_element(&iterator, &action)) {
        if (json_string_is(action, "IGNORE") || json_string_is(action, "NONE")) {
            return true;
        }
    }
    return false;
}

static struct slice decode(struct slice value, struct arena *scratch)
{
    return json_type(value) == JSON_STRING ? json_decode_string(value, scratch) : SLICE_EMPTY;
}

void remote_done_as_told(struct remote_run *run, struct slice object)
{
    struct arena *scratch = &remote_of(run)->scratch;
    struct slice text = SLICE_EMPTY, thought = SLICE_EMPTY, actions = SLICE_EMPTY;
    struct slice metadata = SLICE_EMPTY, name = SLICE_EMPTY, added;
    const struct json_field fields[] = {{"text", &text},
                                        {"thought", &thought},
                                        {"actions", &actions},
                                        {"metadata", &metadata},
                                        {"agentName", &name}};
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    if (run->state == REMOTE_OVER) {
        return;
    }
    if (answer_complete(&run->answer, decode(text, scratch), &added) != 0) {
        remote_fail(run, ERROR_TOO_LARGE, "the answer is too long");
        return;
    }
    say_text(run, added);
    if (run->answer.text.length == 0 && declines(actions)) {
        remote_fail(run, ERROR_AGENT_REFUSED, "the agent does not want to answer");
        return;
    }
    struct runtime_reply reply = {
        .agent_name = decode(name, scratch),
        .thought = decode(thought, scratch),
        .actions = json_type(actions) == JSON_ARRAY ? actions : SLICE_EMPTY,
        .metadata = json_type(metadata) == JSON_OBJECT ? metadata : SLICE_EMPTY};
    remote_done(run, &reply);
}

int remote_read_object(struct slice json, struct slice *object)
{
    return json_scan(json, JSON_MAX_DEPTH, object) == 0 && json_type(*object) == JSON_OBJECT
               ? 0
               : ERROR_MALFORMED;
}

int remote_event_as_told(struct remote_run *run, const struct sse_event *event)
{
    struct slice object;
    if (remote_read_object(event->data, &object) != 0) {
        return ERROR_MALFORMED;
    }
    if (slice_is(event->name, "chunk")) {
        struct slice chunk = json_get(object, "chunk");
        return json_type(chunk) == JSON_STRING ? remote_say(run, chunk) : ERROR_MALFORMED;
    }
    if (slice_is(event->name, "done")) {
        remote_done_as_told(run, object);
    } else if (slice_is(event->name, "error")) {
        remote_fail(run, ERROR_AGENT_FAILED, "it reports an error");
    }
    return 0;
}
