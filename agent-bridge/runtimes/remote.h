/*
 * What the runtimes that ask over HTTP have in common: tries and back-off, the breaker, the limit
 * of requests at once, timeouts, event streams and whole documents, and the text as it grows. A
 * runtime adds what it asks and how it reads an answer (struct remote_operations).
 *
 *     run() ──> asking ──> event()* | document()  ──> remote_done() | remote_fail()
 *                 ↑  └──> waiting for another try (only before the first text)
 *                 └────── remote_ask(): a further step, e.g. a session first
 *
 * What comes is made UTF-8 here (bytes that are none become U+FFFD) before anybody reads it.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_REMOTE_H
#define AGENT_BRIDGE_RUNTIMES_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent-bridge/http_client.h"
#include "agent-bridge/runtimes/answer.h"
#include "agent-bridge/runtimes/breaker.h"
#include "agent-bridge/runtimes/runtime.h"
#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/wire/sse_reader.h"

enum {
    REMOTE_DOCUMENT_MAX = 8 * 1024 * 1024, /* bytes of an answer that is no stream */
    REMOTE_REFUSAL_MAX = 64 * 1024,        /* of one whose status is no 2xx: the rest is not kept */
    REMOTE_EVENT_MAX = 2 * 1024 * 1024,    /* of one event of a stream */
    REMOTE_ANSWER_MAX = 256 * 1024 * 1024, /* of any answer, with what is in it to no purpose */
    REMOTE_KEY_MAX = 8 * 1024,             /* of a key */
    REMOTE_HEADERS_MAX = 4,
};

struct remote_run;

/* Each returns 0, or ERROR_*, with which the run fails unless it is over. */
struct remote_operations {
    /* Of a stream (status 2xx). */
    int (*event)(struct remote_run *run, const struct sse_event *event);
    /* The stream is over, the run is not. */
    int (*stream_end)(struct remote_run *run);
    /* The whole of an answer with status 2xx that is no stream. */
    int (*document)(struct remote_run *run, struct slice body);
    /* Another status. True: the runtime knew what to do (it called one of the functions below). */
    bool (*refused)(struct remote_run *run, int status);
    /* Frees what the runtime's own struct owns, not the struct; NULL: nothing. */
    void (*deinit)(struct remote_run *run);
};

struct remote { /* first member of the runtime's struct */
    struct runtime runtime;
    const struct remote_operations *operations;
    struct runtime_limits limits;
    struct http_client *http; /* borrows */
    struct breaker breaker;
    struct remote_run *runs; /* owns */
    struct id_source random;
    struct arena scratch; /* of one event or document */
    char *secret_header;  /* owns; NULL: none */
    const char *headers[REMOTE_HEADERS_MAX + 1];
    struct runtime_counters counters;
};

enum remote_state {
    REMOTE_ASKING,  /* a request is under way */
    REMOTE_WAITING, /* until `due` */
    REMOTE_OVER     /* done or failed was said; freed when libcurl is off the stack */
};

struct remote_run { /* first member of the run's struct */
    struct runtime_run run;
    struct runtime_events events;
    void *context;
    /* The request: set before remote_begin() and remote_ask(), kept for repetitions. */
    const char *method;
    const char *url; /* stays as long as the run */
    struct buffer body;
    struct answer answer;

    enum remote_state state;
    struct http_exchange *exchange; /* while asking */
    struct sse_reader reader;
    struct buffer document;
    size_t received; /* bytes of this try's answer */
    bool is_stream;
    bool is_judged; /* the breaker knows how this try ended */
    bool is_asked;  /* remote_ask(): a step follows when this answer has ended */
    int status;
    int64_t retry_after;
    unsigned tries; /* of this step */
    int64_t started_at;
    int64_t waits_since;
    int64_t due;
    struct remote_run *prev, *next;
};

/* --- a runtime -------------------------------------------------------------------------------- */

/*
 * header: what stands before the key, "Authorization: Bearer "; key_file NULL: no key. 0, or
 * ERROR_* and one line in error[RUNTIME_ERROR_SIZE].
 */
int remote_init(struct remote *remote, const struct runtime_class *class,
                const struct remote_operations *operations, const struct runtime_config *config,
                const char *header, const char *key_file, char *error);
void remote_deinit(struct remote *remote);
/* 0, or ERROR_MALFORMED and one line. flag: as on the command line, without dashes. */
int remote_check_url(const char *flag, const char *url, char *error);

/* For struct runtime_class. */
void remote_cancel(struct runtime_run *run);
int64_t remote_tick(struct runtime *runtime, int64_t now);
const struct runtime_counters *remote_counters(struct runtime *runtime);

/* --- a run ------------------------------------------------------------------------------------ */

/* Whether one may begin now; asked before its request is written. */
bool remote_has_room(const struct remote *remote, int64_t now);
/* A run of `size` bytes, zeroed behind the common part. */
void *remote_run_new(struct remote *remote, size_t size, const struct runtime_events *events,
                     void *context, int64_t now);
/* Sends its first request. 0, or ERROR_*: then the run is freed. */
int remote_begin(struct remote_run *run);

/* Within an operation: */

/* Another request follows, as method, url and body now say, `after` ms from now. */
void remote_ask(struct remote_run *run, int64_t after);
/* The next piece of the answer: a JSON string. */
int remote_say(struct remote_run *run, struct slice value);
/* The answer is complete; its text is what was said. */
void remote_done(struct remote_run *run, const struct runtime_reply *reply);
/*
 * Likewise, as ElizaOS writes it: {text, thought, actions, metadata, agentName}, all optional. One
 * that says no text and whose action is IGNORE or NONE is an agent that does not want to answer.
 */
void remote_done_as_told(struct remote_run *run, struct slice object);
/* 0 and the only value of a text, which is an object; or ERROR_MALFORMED. */
int remote_read_object(struct slice json, struct slice *object);
/* An event of a stream in the same words: chunk, done, error; others (user_message) say nothing. */
int remote_event_as_told(struct remote_run *run, const struct sse_event *event);
/* why: a static text, for the log. */
void remote_fail(struct remote_run *run, int error, const char *why);

#endif
