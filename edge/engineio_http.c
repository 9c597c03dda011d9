#include "edge/engineio_http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "edge/auth/guard.h"
#include "edge/client_kind.h"
#include "edge/jsonp.h"
#include "proto/base/buffer.h"
#include "proto/base/clock.h"
#include "proto/base/form.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/base/secret.h"
#include "proto/wire/engineio.h"

enum {
    REVISION_OF_OLD_CLIENTS = 3,   /* they send EIO=3, or none */
    WEBSOCKET_KEY_LENGTH = 24,     /* base64 of 16 bytes, RFC 6455 §4.1 */
    ANSWER_KEPT_BYTES = 64 * 1024, /* of each buffer for answers, between two uses */
};

#define CONTENT_TYPE_SCRIPT "text/javascript; charset=UTF-8"

/* The query's parameters that count. */
struct parameters {
    enum { TRANSPORT_UNKNOWN, TRANSPORT_POLLING, TRANSPORT_WEBSOCKET } transport;
    int revision;
    bool wants_base64;
    bool speaks_msgpack;
    struct jsonp jsonp;
    struct slice sid; /* empty: a handshake */
};

/* An exchange of the session layer, or of the relay, and the HTTP exchange that it answers. */
struct http_poll {
    struct poll_exchange exchange; /* first */
    struct http_exchange *http;
    struct engineio_http *engine; /* borrows */
    struct jsonp jsonp;
    enum content_coding coding; /* that the client accepts */
    bool is_relayed;
};

void engineio_http_init(struct engineio_http *self, struct session_table *sessions,
                        struct websocket_server *websockets, const char *incarnation,
                        const struct engineio_http_settings *settings)
{
    memset(self, 0, sizeof(*self));
    self->settings = *settings;
    self->sessions = sessions;
    self->websockets = websockets;
    assert(strlen(incarnation) == INCARNATION_LENGTH);
    memcpy(self->incarnation, incarnation, INCARNATION_LENGTH);
    self->compressor = compressor_new();
    arena_init(&self->arena);
}

void engineio_http_set_relay(struct engineio_http *self, const struct relay_operations *relay,
                             void *context)
{
    self->relay = relay;
    self->relay_context = context;
}

void engineio_http_deinit(struct engineio_http *self)
{
    arena_deinit(&self->arena);
    buffer_deinit(&self->auth);
    secret_wipe(&self->credentials);
    buffer_deinit(&self->script);
    buffer_deinit(&self->coded);
    compressor_destroy(&self->compressor);
}

bool engineio_http_serves(const struct engineio_http *self, struct slice path)
{
    return slice_is(path, self->settings.path);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_status(struct http_exchange *http, int status, enum engineio_error error)
{
    struct buffer body = BUFFER_EMPTY;

    engineio_write_error(error, &body);
    http_respond(http, status, "application/json", buffer_slice(&body));
    buffer_deinit(&body);
}

/* A refused upgrade is told in plain words, as socket.io does. */
static void answer_error(struct http_exchange *http, const struct http_request *request,
                         enum engineio_error error)
{
    int status = error == ENGINEIO_ERROR_FORBIDDEN ? 403 : 400;

    if (request->wants_websocket) {
        http_respond(http, status, "text/html", slice_of_string(engineio_error_message(error)));
    } else {
        answer_status(http, status, error);
    }
}

/* There is no room for another session. */
static void answer_full(struct http_exchange *http)
{
    answer_status(http, 503, ENGINEIO_ERROR_FORBIDDEN);
}

static void add_cookie(const struct engineio_http *engine, struct http_exchange *http,
                       const char *sid)
{
    struct buffer cookie = BUFFER_EMPTY;

    buffer_append_format(&cookie, "%s=%s; Path=/; HttpOnly; SameSite=Lax", engine->settings.cookie,
                         sid);
    http_add_header(http, "Set-Cookie", buffer_slice(&cookie));
    buffer_deinit(&cookie);
}

/* What a poll is told: as it is, or in the coats that its client asked for. */
static void respond(struct engineio_http *engine, const struct http_poll *poll,
                    const char *content_type, struct slice body)
{
    int64_t threshold = engine->settings.http_compression;

    if (poll->jsonp.is_asked && strncmp(content_type, "text/plain", 10) == 0) {
        buffer_shrink(&engine->script, ANSWER_KEPT_BYTES);
        jsonp_wrap(&poll->jsonp, body, &engine->script);
        body = buffer_slice(&engine->script);
        content_type = CONTENT_TYPE_SCRIPT;
    }
    if (threshold > 0 && poll->coding != CODING_NONE && body.length >= (size_t)threshold) {
        buffer_shrink(&engine->coded, ANSWER_KEPT_BYTES);
        compressor_run(engine->compressor, poll->coding, body, &engine->coded);
        body = buffer_slice(&engine->coded);
        http_add_header(poll->http, "Content-Encoding",
                        slice_of_string(content_coding_name(poll->coding)));
    }
    http_respond(poll->http, 200, content_type, body);
}

static void poll_answer(struct poll_exchange *exchange, int status, const char *content_type,
                        struct slice body)
{
    struct http_poll *self = (struct http_poll *)(void *)exchange;
    struct engineio_http *engine = self->engine;
    struct http_poll poll = *self;

    free(self);
    if (poll.exchange.opened != NULL && engine->settings.cookie != NULL) {
        add_cookie(engine, poll.http, poll.exchange.opened);
    }
    if (status == 200 && content_type != NULL) {
        respond(engine, &poll, content_type, body);
    } else {
        http_respond(poll.http, status, content_type, body);
    }
}

static void poll_closed(struct http_exchange *http, void *context)
{
    struct http_poll *self = context;
    struct engineio_http *engine = self->engine;

    (void)http;
    if (self->is_relayed) {
        engine->relay->gone(engine->relay_context, &self->exchange);
    } else {
        session_exchange_gone(engine->sessions, &self->exchange, clock_monotonic_ms());
    }
    free(self);
}

static struct http_poll *poll_new(struct engineio_http *engine, struct http_exchange *http,
                                  const struct http_request *request,
                                  const struct parameters *parameters)
{
    struct http_poll *self = memory_allocate_zeroed(sizeof(*self));

    self->exchange.answer = poll_answer;
    self->http = http;
    self->engine = engine;
    self->jsonp = parameters->jsonp;
    self->coding = content_coding_accepted(http_request_header(request, "Accept-Encoding"));
    http_exchange_on_closed(http, poll_closed, self);
    return self;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void read_transport(const struct engineio_http *self, struct slice value,
                           struct parameters *parameters)
{
    parameters->transport = TRANSPORT_UNKNOWN;
    if (slice_is(value, "polling") && self->settings.serves_polling) {
        parameters->transport = TRANSPORT_POLLING;
    } else if (slice_is(value, "websocket") && self->websockets != NULL &&
               self->settings.serves_websocket) {
        parameters->transport = TRANSPORT_WEBSOCKET;
    }
}

/* Of a parameter that is there twice the last one counts. */
static void read_parameters(struct engineio_http *self, struct slice query,
                            struct parameters *parameters)
{
    struct slice name;
    struct slice value;

    *parameters = (struct parameters){.revision = REVISION_OF_OLD_CLIENTS};
    while (form_next(&query, &self->arena, &name, &value)) {
        if (slice_is(name, "transport")) {
            read_transport(self, value, parameters);
        } else if (slice_is(name, "EIO")) {
            parameters->revision = slice_is(value, "4") ? 4 : REVISION_OF_OLD_CLIENTS;
        } else if (slice_is(name, "sid")) {
            parameters->sid = value;
        } else if (slice_is(name, "b64")) {
            parameters->wants_base64 = value.length > 0;
        } else if (slice_is(name, "j")) {
            parameters->jsonp = jsonp_of(value);
        } else if (slice_is(name, "parser")) {
            parameters->speaks_msgpack = slice_is(value, "msgpack");
        }
    }
    parameters->wants_base64 |= parameters->jsonp.is_asked;
}

static bool is_foreign(const struct engineio_http *self, struct slice sid)
{
    return sid.length == SESSION_ID_LENGTH &&
           memcmp(sid.data, self->incarnation, INCARNATION_LENGTH) != 0;
}

/* RFC 6455 §4.2.1; what the server of http.h checked is left out. */
static bool is_good_upgrade(const struct http_request *request)
{
    return request->method == HTTP_GET_METHOD &&
           slice_is(http_request_header(request, "Sec-WebSocket-Version"), "13") &&
           http_request_header(request, "Sec-WebSocket-Key").length == WEBSOCKET_KEY_LENGTH;
}

/* --- upgrades --------------------------------------------------------------------------------- */

struct adoption {
    struct websocket_server *websockets;
    const struct session_opening *opening;
    struct slice sid;
};

static void adopt(void *context, int descriptor, struct slice head)
{
    const struct adoption *adoption = context;

    websocket_server_adopt(adoption->websockets, descriptor, head, adoption->opening,
                           adoption->sid);
}

/* Valid until the arena's and the buffer's next use. */
static struct session_opening opening_of(struct engineio_http *self,
                                         const struct http_request *request,
                                         const struct parameters *parameters)
{
    char address[FORWARDED_ADDRESS_SIZE];
    struct slice t = SLICE_EMPTY;

    http_query_get(request->query, "t", &self->arena, &t);
    struct session_opening opening = {
        .revision = parameters->revision,
        .takes_offsets = client_takes_offsets(http_request_header(request, "User-Agent"), t),
        .wants_base64 = parameters->wants_base64,
        .speaks_msgpack = parameters->speaks_msgpack,
    };

    log_debug("session_opening", "address=%s revision=%d transport=%s",
              trusted_proxies_client(self->settings.trusted_proxies, request->remote_address,
                                     http_request_header(request, "X-Forwarded-For"), address),
              parameters->revision,
              parameters->transport == TRANSPORT_POLLING ? "polling" : "websocket");

    if (self->settings.takes_credentials) {
        struct credentials shown = {.count = 0};
        credentials_add_headers(&shown, request);
        buffer_clear(&self->credentials);
        credentials_write(&shown, &self->credentials);
        opening.credentials = buffer_slice(&self->credentials);
    }
    if (parameters->revision == REVISION_OF_OLD_CLIENTS) {
        buffer_clear(&self->auth);
        form_write_json(request->query, &self->arena, &self->auth);
        opening.auth = buffer_slice(&self->auth);
    }
    return opening;
}

static void handle_upgrade(struct engineio_http *self, struct http_exchange *http,
                           const struct http_request *request, const struct parameters *parameters)
{
    struct session_opening opening;
    struct adoption adoption = {self->websockets, &opening, parameters->sid};

    if (!is_good_upgrade(request)) {
        http_add_header(http, "Sec-WebSocket-Version", SLICE_LITERAL("13"));
        answer_error(http, request, ENGINEIO_ERROR_BAD_REQUEST);
    } else if (!cors_allows(self->settings.cors, request)) {
        answer_error(http, request, ENGINEIO_ERROR_FORBIDDEN);
    } else {
        opening = opening_of(self, request, parameters);
        http_exchange_detach(http, adopt, &adoption);
    }
}

/* --- polling ---------------------------------------------------------------------------------- */

static struct slice body_of(struct engineio_http *self, const struct http_request *request,
                            const struct parameters *parameters)
{
    return parameters->jsonp.is_asked ? jsonp_unwrap(request->body, &self->arena) : request->body;
}

static void handle_relay(struct engineio_http *self, struct http_exchange *http,
                         const struct http_request *request, const struct parameters *parameters)
{
    struct relay_request relayed = {request->method, parameters->revision, parameters->sid,
                                    body_of(self, request, parameters)};
    struct http_poll *poll;

    if (self->relay == NULL) {
        answer_error(http, request, ENGINEIO_ERROR_UNKNOWN_SID);
        return;
    }
    poll = poll_new(self, http, request, parameters);
    poll->is_relayed = true;
    if (!self->relay->relay(self->relay_context, &relayed, &poll->exchange)) {
        free(poll);
        answer_error(http, request, ENGINEIO_ERROR_UNKNOWN_SID);
    }
}

static bool is_octets(const struct http_request *request)
{
    return slice_is(http_request_header(request, "Content-Type"), "application/octet-stream");
}

/* Does it begin as a binary payload of revision 3 does? */
static bool is_binary(struct slice body)
{
    return body.length > 0 && (unsigned char)body.data[0] <= 1;
}

static void handle_session(struct engineio_http *self, struct http_exchange *http,
                           const struct http_request *request, const struct parameters *parameters,
                           struct session *session, int64_t now)
{
    struct poll_exchange *exchange = &poll_new(self, http, request, parameters)->exchange;

    if (request->method == HTTP_GET_METHOD) {
        session_poll(self->sessions, session, exchange, now);
        return;
    }
    if (is_octets(request) &&
        (session_revision(session) != REVISION_OF_OLD_CLIENTS || !is_binary(request->body))) {
        session_post(self->sessions, session, SLICE_EMPTY, exchange, now); /* malformed */
        return;
    }
    session_post(self->sessions, session, body_of(self, request, parameters), exchange, now);
}

static bool can_move(const struct engineio_http *self, struct slice sid)
{
    return is_foreign(self, sid) && self->relay != NULL && self->relay->can_move != NULL &&
           self->relay->can_move(self->relay_context, sid);
}

/* A request that names a session. */
static void handle_sid(struct engineio_http *self, struct http_exchange *http,
                       const struct http_request *request, const struct parameters *parameters,
                       int64_t now)
{
    bool is_upgrade = request->wants_websocket && parameters->transport == TRANSPORT_WEBSOCKET;
    bool is_polling_method =
        request->method == HTTP_GET_METHOD || request->method == HTTP_POST_METHOD;
    struct session *session = session_find(self->sessions, parameters->sid);

    if (session == NULL && is_foreign(self, parameters->sid) &&
        parameters->transport == TRANSPORT_POLLING && is_polling_method) {
        handle_relay(self, http, request, parameters);
    } else if (session == NULL && is_upgrade && can_move(self, parameters->sid)) {
        handle_upgrade(self, http, request, parameters);
    } else if (session == NULL) {
        answer_error(http, request, ENGINEIO_ERROR_UNKNOWN_SID);
    } else if (parameters->revision != session_revision(session) || !is_polling_method) {
        answer_error(http, request, ENGINEIO_ERROR_BAD_REQUEST);
    } else if (is_upgrade) {
        handle_upgrade(self, http, request, parameters);
    } else if (parameters->transport != TRANSPORT_POLLING) {
        answer_error(http, request, ENGINEIO_ERROR_BAD_REQUEST);
    } else {
        handle_session(self, http, request, parameters, session, now);
    }
}

static void handle_handshake(struct engineio_http *self, struct http_exchange *http,
                             const struct http_request *request,
                             const struct parameters *parameters, int64_t now)
{
    bool is_websocket = parameters->transport == TRANSPORT_WEBSOCKET;
    struct session_opening opening;

    if (request->method != HTTP_GET_METHOD) {
        answer_error(http, request, ENGINEIO_ERROR_BAD_HANDSHAKE_METHOD);
    } else if (is_websocket != request->wants_websocket) {
        answer_error(http, request, ENGINEIO_ERROR_BAD_REQUEST);
    } else if (!session_table_serves(self->sessions, parameters->revision)) {
        answer_error(http, request, ENGINEIO_ERROR_UNSUPPORTED_VERSION);
    } else if (session_table_is_full(self->sessions)) {
        answer_full(http);
    } else if (is_websocket) {
        handle_upgrade(self, http, request, parameters);
    } else {
        opening = opening_of(self, request, parameters);
        session_open_polling(self->sessions, &opening,
                             &poll_new(self, http, request, parameters)->exchange, now);
    }
}

void engineio_http_handle(struct engineio_http *self, struct http_exchange *http,
                          const struct http_request *request, int64_t now)
{
    struct parameters parameters;

    arena_reset(&self->arena);
    cors_add_headers(self->settings.cors, http, request);
    if (request->method == HTTP_OPTIONS_METHOD) {
        cors_answer_preflight(self->settings.cors, http, request);
        return;
    }
    http_add_header(http, "Cache-Control", SLICE_LITERAL("no-store"));
    read_parameters(self, request->query, &parameters);
    if (parameters.transport == TRANSPORT_UNKNOWN) {
        answer_error(http, request, ENGINEIO_ERROR_UNKNOWN_TRANSPORT);
    } else if (parameters.sid.length > 0) {
        handle_sid(self, http, request, &parameters, now);
    } else {
        handle_handshake(self, http, request, &parameters, now);
    }
}

/* Has a head that announces a body which will be taken? */
static bool announces_body(const struct engineio_http *self, const struct http_request *head)
{
    struct slice length = http_request_header(head, "Content-Length");
    size_t max_body = (size_t)self->settings.max_http_buffer_size;
    size_t bytes = 0;

    for (size_t i = 0; i < length.length && bytes <= max_body; i++) {
        bytes = bytes * 10 + (size_t)(length.data[i] - '0');
    }
    return head->method == HTTP_POST_METHOD && length.length > 0 && bytes <= max_body;
}

size_t engineio_http_body_limit(struct engineio_http *self, const struct http_request *head,
                                int64_t now)
{
    struct parameters parameters;
    struct session *session;

    if (!announces_body(self, head)) {
        return (size_t)self->settings.max_http_buffer_size;
    }
    arena_reset(&self->arena);
    read_parameters(self, head->query, &parameters);
    session = session_find(self->sessions, parameters.sid);
    if (session != NULL && parameters.transport == TRANSPORT_POLLING &&
        parameters.revision == session_revision(session)) {
        session_post_begin(self->sessions, session, now);
    }
    return (size_t)self->settings.max_http_buffer_size;
}

void engineio_http_too_large(struct engineio_http *self, struct http_exchange *http,
                             const struct http_request *head)
{
    cors_add_headers(self->settings.cors, http, head);
    http_respond(http, 413, NULL, SLICE_EMPTY);
}

void engineio_relayed_request(struct session_table *sessions, const struct relay_request *request,
                              struct poll_exchange *exchange, int64_t now)
{
    struct session *session = session_find(sessions, request->sid);
    struct buffer body = BUFFER_EMPTY;

    exchange->session = NULL;
    if (session != NULL && request->revision == session_revision(session)) {
        if (request->method == HTTP_GET_METHOD) {
            session_poll(sessions, session, exchange, now);
        } else {
            session_post(sessions, session, request->body, exchange, now);
        }
        return;
    }
    engineio_write_error(session == NULL ? ENGINEIO_ERROR_UNKNOWN_SID : ENGINEIO_ERROR_BAD_REQUEST,
                         &body);
    exchange->answer(exchange, 400, "application/json", buffer_slice(&body));
    buffer_deinit(&body);
}
