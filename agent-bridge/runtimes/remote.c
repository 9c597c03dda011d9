#include "agent-bridge/runtimes/remote.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "agent-bridge/runtimes/retry.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/base/secret.h"
#include "proto/base/utf8_repair.h"

enum { BREAKER_POLL_MS = 100 }; /* how often one asks whether the probe of another is over */

static struct remote *remote_of(struct remote_run *run)
{
    return (struct remote *)run->run.runtime;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void free_run(struct remote_run *run)
{
    struct remote *remote = remote_of(run);
    DL_DELETE(remote->runs, run);
    remote->counters.running--;
    if (remote->operations->deinit != NULL) {
        remote->operations->deinit(run);
    }
    buffer_deinit(&run->body);
    buffer_deinit(&run->document);
    answer_deinit(&run->answer);
    sse_reader_deinit(&run->reader);
    free(run);
}

static void judge(struct remote_run *run, bool is_fine)
{
    struct remote *remote = remote_of(run);
    if (is_fine) {
        breaker_succeed(&remote->breaker);
    } else {
        remote->counters.tries_failed++;
        breaker_fail(&remote->breaker, clock_monotonic_ms());
    }
    run->is_judged = true;
}

void remote_cancel(struct runtime_run *self)
{
    struct remote_run *run = (struct remote_run *)self;
    assert(run->state != REMOTE_OVER);
    if (run->exchange != NULL) {
        http_exchange_cancel(run->exchange);
        if (!run->is_judged) {
            breaker_abandon(&remote_of(run)->breaker);
        }
    }
    free_run(run);
}

void remote_fail(struct remote_run *run, int error, const char *why)
{
    if (run->state != REMOTE_OVER) {
        run->state = REMOTE_OVER;
        run->events.failed(run->context, error, why);
    }
}

/* --- tries ------------------------------------------------------------------------------------ */

static void on_head(void *context, const struct http_client_head *head);
static void on_body(void *context, struct slice bytes);
static void on_end(void *context, int error, const char *why);

static const struct http_client_events http_events = {on_head, on_body, on_end};

static int try_now(struct remote_run *run, int64_t now)
{
    struct remote *remote = remote_of(run);
    struct http_client_request request = {.method = run->method,
                                          .url = run->url,
                                          .headers = remote->headers,
                                          .body = buffer_slice(&run->body),
                                          .total_timeout = remote->limits.total_timeout -
                                                           (now - run->started_at)};
    if (request.total_timeout <= 0) {
        return ERROR_TIMEOUT;
    }
    run->exchange = http_client_ask(remote->http, &request, &http_events, run);
    if (run->exchange == NULL) {
        return ERROR_INTERNAL;
    }
    breaker_begin(&remote->breaker, now);
    remote->counters.tries++;
    run->tries++;
    run->state = REMOTE_ASKING;
    run->status = 0;
    run->retry_after = -1;
    run->is_judged = false;
    run->is_stream = false;
    run->received = 0;
    buffer_clear(&run->document);
    return 0;
}

static void wait_until(struct remote_run *run, int64_t now, int64_t due)
{
    run->state = REMOTE_WAITING;
    run->waits_since = now;
    run->due = due;
}

void remote_ask(struct remote_run *run, int64_t after)
{
    run->tries = 0;
    run->is_asked = true;
    run->due = clock_monotonic_ms() + after;
}

/* Others have failed as well, and whoever asked has waited long enough for the next probe. */
static bool is_hopeless(const struct remote_run *run)
{
    const struct remote *remote = (const struct remote *)run->run.runtime;
    return remote->breaker.state == BREAKER_OPEN &&
           remote->breaker.probe_at - run->started_at > remote->limits.wait_timeout;
}

/* A try came to nothing: another one, or the end. */
static void try_failed(struct remote_run *run, int error, const char *why)
{
    struct remote *remote = remote_of(run);
    int64_t now = clock_monotonic_ms();
    bool may_help =
        run->answer.text.length == 0 && retry_may_help(error, run->status) && !is_hopeless(run);
    int64_t pause = !may_help ? -1
                              : retry_pause(run->tries, (unsigned)remote->limits.tries,
                                            run->retry_after, id_random_u64(&remote->random));
    if (pause >= 0) {
        wait_until(run, now, now + pause);
    } else {
        error = error == ERROR_CLOSED ? ERROR_AGENT_FAILED : error;
        remote_fail(run, error != 0 ? error : retry_error_of_status(run->status), why);
    }
}

static void try_refused(struct remote_run *run)
{
    char why[48];
    snprintf(why, sizeof(why), "it answered with status %d", run->status);
    try_failed(run, 0, run->status / 100 == 3 ? "it redirects to another host" : why);
}

/* --- what comes ------------------------------------------------------------------------------- */

static bool is_stream_type(struct slice type)
{
    struct slice name = SLICE_LITERAL("text/event-stream");
    return type.length >= name.length && strncasecmp(type.data, name.data, name.length) == 0;
}

static bool begins_with(struct slice text, const char *beginning)
{
    size_t length = strlen(beginning);
    return text.length >= length && memcmp(text.data, beginning, length) == 0;
}

static void begin_stream(struct remote_run *run)
{
    run->is_stream = true;
    sse_reader_deinit(&run->reader);
    sse_reader_init(&run->reader, REMOTE_EVENT_MAX);
}

static void on_head(void *context, const struct http_client_head *head)
{
    struct remote_run *run = context;
    run->status = head->status;
    run->retry_after = head->retry_after;
    run->is_stream = false;
    if (head->status / 100 == 2 && is_stream_type(head->content_type)) {
        begin_stream(run);
    }
    judge(run, head->status < 500);
}

static void read_stream(struct remote_run *run, struct slice bytes)
{
    struct remote *remote = remote_of(run);
    struct sse_event event;
    int result = 0;
    while (run->state != REMOTE_OVER && !run->is_asked &&
           (result = sse_reader_next(&run->reader, &bytes, &event)) > 0) {
        event.data = utf8_repair(event.data, &remote->scratch);
        result = remote->operations->event(run, &event);
        arena_reset(&remote->scratch);
        if (result != 0) {
            break;
        }
    }
    if (result < 0) {
        remote_fail(run, result == ERROR_TOO_LARGE ? result : ERROR_AGENT_FAILED,
                    result == ERROR_TOO_LARGE ? "the answer is too long"
                                              : "an event of the answer is malformed");
    }
}

static void on_body(void *context, struct slice bytes)
{
    struct remote_run *run = context;
    struct http_exchange *exchange = run->exchange;
    bool is_fine = run->status / 100 == 2;
    /* Some servers stream under another type; no JSON begins like this. */
    if (is_fine && !run->is_stream && run->document.length == 0 &&
        (begins_with(bytes, "data:") || begins_with(bytes, "event:"))) {
        begin_stream(run);
    }
    run->received += bytes.length;
    if (run->received > REMOTE_ANSWER_MAX) {
        remote_fail(run, ERROR_TOO_LARGE, "the answer is too long");
    } else if (run->is_stream) {
        read_stream(run, bytes);
    } else if (!is_fine) {
        size_t room = REMOTE_REFUSAL_MAX - run->document.length;
        buffer_append(&run->document, bytes.data, bytes.length < room ? bytes.length : room);
    } else if (bytes.length > REMOTE_DOCUMENT_MAX - run->document.length) {
        remote_fail(run, ERROR_TOO_LARGE, "the answer is too long");
    } else {
        buffer_append_slice(&run->document, bytes);
    }
    if (run->state == REMOTE_OVER) {
        http_exchange_release(exchange);
        free_run(run);
    }
}

static void read_end(struct remote_run *run)
{
    struct remote *remote = remote_of(run);
    int result = 0;
    if (run->status / 100 != 2) {
        if (!remote->operations->refused(run, run->status)) {
            try_refused(run);
        }
    } else if (run->is_asked) {
        /* The stream said what has to follow. */
    } else if (run->is_stream) {
        result = remote->operations->stream_end(run);
    } else {
        struct slice body = utf8_repair(buffer_slice(&run->document), &remote->scratch);
        result = remote->operations->document(run, body);
    }
    arena_reset(&remote->scratch);
    if (result == ERROR_CLOSED) {
        try_failed(run, result, "the answer broke off");
    } else if (result != 0) {
        remote_fail(run, result == ERROR_TOO_LARGE ? result : ERROR_AGENT_FAILED,
                    result == ERROR_TOO_LARGE ? "the answer is too long"
                                              : "the answer is malformed");
    }
}

static void begin_step(struct remote_run *run)
{
    int64_t now = clock_monotonic_ms();
    if (run->due > now || !breaker_allows(&remote_of(run)->breaker, now)) {
        wait_until(run, now, run->due);
        return;
    }
    int error = try_now(run, now);
    if (error != 0) {
        remote_fail(run, error, "the answer took too long as a whole");
    }
}

static void on_end(void *context, int error, const char *why)
{
    struct remote_run *run = context;
    run->exchange = NULL;
    if (error != 0) {
        if (run->status < 500) {
            judge(run, false);
        }
        try_failed(run, error, why);
    } else {
        read_end(run);
    }
    if (run->state != REMOTE_OVER && run->is_asked) {
        run->is_asked = false;
        begin_step(run);
    }
    if (run->state == REMOTE_OVER) {
        free_run(run);
    }
}

int64_t remote_tick(struct runtime *runtime, int64_t now)
{
    struct remote *remote = (struct remote *)runtime;
    struct remote_run *run, *next;
    int64_t due = -1;
    DL_FOREACH_SAFE (remote->runs, run, next) {
        if (run->state != REMOTE_WAITING) {
            continue;
        }
        if (run->due <= now && !breaker_allows(&remote->breaker, now)) {
            bool is_too_long = now - run->waits_since >= remote->limits.wait_timeout;
            if (is_too_long) {
                remote_fail(run, ERROR_AGENT_UNREACHABLE, "it has failed too often lately");
                free_run(run);
                continue;
            }
            int64_t probe_at = remote->breaker.probe_at;
            run->due = probe_at > now ? probe_at : now + BREAKER_POLL_MS;
        }
        if (run->due <= now) {
            int error = try_now(run, now);
            if (error != 0) {
                remote_fail(run, error, "the answer took too long as a whole");
                free_run(run);
            }
            continue;
        }
        due = due < 0 || run->due < due ? run->due : due;
    }
    return due;
}

/* --- beginnings ------------------------------------------------------------------------------- */

bool remote_has_room(const struct remote *remote, int64_t now)
{
    return remote->counters.running < (size_t)remote->limits.concurrency &&
           breaker_allows(&remote->breaker, now);
}

void *remote_run_new(struct remote *remote, size_t size, const struct runtime_events *events,
                     void *context, int64_t now)
{
    struct remote_run *run = memory_allocate_zeroed(size);
    run->run.runtime = &remote->runtime;
    run->events = *events;
    run->context = context;
    run->started_at = now;
    DL_APPEND(remote->runs, run);
    remote->counters.running++;
    return run;
}

int remote_begin(struct remote_run *run)
{
    int error = try_now(run, run->started_at);
    if (error != 0) {
        free_run(run);
    }
    return error;
}

/* --- the runtime ------------------------------------------------------------------------------ */

/* One line of visible ASCII, without the line end. */
static int read_key(const char *path, struct buffer *out, char *error)
{
    if (!secret_read(path, out, error, RUNTIME_ERROR_SIZE)) {
        return ERROR_SYSTEM;
    }
    while (out->length > 0 && strchr(" \t\r\n", out->data[out->length - 1]) != NULL) {
        out->length--;
    }
    bool is_key = out->length > 0 && out->length <= REMOTE_KEY_MAX;
    for (size_t i = 0; is_key && i < out->length; i++) {
        is_key = out->data[i] > ' ' && out->data[i] <= '~';
    }
    if (!is_key) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s: a key is one line of visible ASCII", path);
    }
    return is_key ? 0 : ERROR_MALFORMED;
}

int remote_check_url(const char *flag, const char *url, char *error)
{
    if (url == NULL) {
        snprintf(error, RUNTIME_ERROR_SIZE, "--%s is missing", flag);
        return ERROR_MALFORMED;
    }
    if (http_client_check_url(url) != 0) {
        snprintf(error, RUNTIME_ERROR_SIZE, "--%s must be an http or https URL", flag);
        return ERROR_MALFORMED;
    }
    return 0;
}

int remote_init(struct remote *remote, const struct runtime_class *class,
                const struct remote_operations *operations, const struct runtime_config *config,
                const char *header, const char *key_file, char *error)
{
    struct buffer line = BUFFER_EMPTY;
    size_t count = 0;
    remote->headers[count++] = "Content-Type: application/json";
    remote->headers[count++] = "Accept: text/event-stream, application/json";
    if (key_file != NULL) {
        struct buffer secret = BUFFER_EMPTY;
        int result = read_key(key_file, &secret, error);
        if (result == 0) {
            buffer_append_string(&line, header);
            buffer_append_slice(&line, buffer_slice(&secret));
            remote->secret_header = memory_copy_string(line.data, line.length);
            remote->headers[count++] = remote->secret_header;
        }
        secret_wipe(&line);
        secret_wipe(&secret);
        if (result != 0) {
            return result;
        }
    }
    remote->runtime.class = class;
    remote->operations = operations;
    remote->limits = config->limits;
    remote->http = config->http;
    id_source_init(&remote->random);
    arena_init(&remote->scratch);
    return 0;
}

void remote_deinit(struct remote *remote)
{
    while (remote->runs != NULL) {
        struct remote_run *run = remote->runs;
        if (run->exchange != NULL) {
            http_exchange_cancel(run->exchange);
        }
        free_run(run);
    }
    arena_deinit(&remote->scratch);
    free(remote->secret_header);
}

const struct runtime_counters *remote_counters(struct runtime *runtime)
{
    struct remote *remote = (struct remote *)runtime;
    remote->counters.openings = remote->breaker.openings;
    remote->counters.is_open = remote->breaker.state != BREAKER_CLOSED;
    return &remote->counters;
}
