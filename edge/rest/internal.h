/*
 * What the files of rest/ share. Not included outside edge/rest.
 *
 *   rest.c      routes, CORS, errors     messages.c  POST and GET …/messages
 *   run.c       waiting for an agent     channels.c  POST /channels, GET …/presence
 */
#ifndef EDGE_REST_INTERNAL_H
#define EDGE_REST_INTERNAL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "edge/rest/rest.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/sse.h"

enum rest_mode { REST_WEBSOCKET, REST_STREAM, REST_SYNC };

struct rest_run;

struct rest {
    struct rest_settings settings;
    struct chat *chat;     /* borrows */
    struct uplink *uplink; /* borrows */
    struct id_source *ids; /* borrows */
    struct arena arena;    /* of one request */
    struct buffer scratch; /* of one answer */
    struct rest_run *runs; /* in order of their deadlines' making */
    struct rest_counters counters;
};

/* A request on its way through a handler. */
struct rest_call {
    struct rest *rest;
    struct http_exchange *exchange;
    const struct http_request *request;
    const struct identity *identity; /* NULL: bound by nothing */
    struct slice channel; /* decoded :channel of the path, or empty */
    struct slice body;    /* POST: the JSON value */
    int64_t now;
};

/* A request that waits for the router; ends with its exchange or its answer. */
struct rest_wait {
    struct rest *rest;
    struct http_exchange *exchange; /* NULL: the client left */
    struct uplink_owner owner;
    enum rest_mode mode;
};

/* rest.c */
void rest_answer(struct rest *rest, struct http_exchange *exchange, int status, struct slice json);
/*
 * Does what the request says of rooms and people keep to its token? For members of the body, under
 * all of their names; false: refused already. dispatch() has asked for the path and the body.
 */
bool rest_keeps_to_identity(const struct rest_call *call, struct slice object);
/* {"success":false,"error":{"code","message"}}; message NULL: the error's own sentence. */
void rest_refuse(struct rest *rest, struct http_exchange *exchange, int error, const char *message);
/* A number of the query, capped; false when it is there and not a number from 0 up. */
bool rest_take_count(const struct rest_call *call, const char *name, int64_t fallback, int64_t most,
                     uint64_t *count);
struct rest_wait *rest_wait_new(const struct rest_call *call, enum rest_mode mode);
void rest_wait_destroy(struct rest_wait *wait);

/* messages.c */
void rest_post_message(const struct rest_call *call);
void rest_get_messages(const struct rest_call *call);
void rest_write_user_message(struct buffer *out, const struct bus_send *send,
                             const struct bus_send_done *done);
void rest_write_agent_response(struct buffer *out, struct slice reply_id, struct slice question,
                               struct slice body);

/* run.c: takes the exchange over and answers it when the agent has. */
void rest_run_begin(struct rest *rest, struct http_exchange *exchange, enum rest_mode mode,
                    const struct bus_send *send, const struct bus_send_done *done, int64_t now);
void rest_runs_tick(struct rest *rest, int64_t now);
void rest_runs_destroy(struct rest *rest);

/* channels.c */
void rest_post_channel(const struct rest_call *call);
void rest_get_presence(const struct rest_call *call);

#endif
