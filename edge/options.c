#include "edge/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/http/static.h"
#include "proto/base/log.h"
#include "proto/base/options.h"

#define AT(member) offsetof(struct edge_options, member)
#define DAY 86400000
#define GIB (1 << 30)
static const struct option option_table[] = {
    {"listen", OPTION_ADDRESS, AT(http.listen), "127.0.0.1:3000", 0, 0, "ADDRESS",
     "where clients connect"},
    {"share-port", OPTION_FLAG, AT(http.share_port), "false", 0, 0, NULL,
     "let several edges listen on the same address"},
    {"router", OPTION_ENDPOINT, AT(router), "tcp://127.0.0.1:7400", 0, 0, "ENDPOINT",
     "the router's --bind-edges"},
    {"peer-bind", OPTION_ENDPOINT, AT(peer_bind), "tcp://127.0.0.1:7410", 0, 0, "ENDPOINT",
     "where other edges connect, for requests that landed on the wrong one"},
    {"peer-advertise", OPTION_ENDPOINT, AT(peer_advertise), NULL, 0, 0, "ENDPOINT",
     "how other edges reach --peer-bind (default: found out)"},
    {"www", OPTION_STRING, AT(www), NULL, 0, 0, "DIR",
     "serve this site instead of the chat page; unknown paths get its index.html"},
    {"name", OPTION_STRING, AT(name), NULL, 0, 0, "NAME",
     "what clients are told this edge is called (default: edge- and its incarnation)"},
    {"ping-interval", OPTION_DURATION, AT(session.ping_interval), "25s", 100, DAY, "TIME",
     "Engine.IO heartbeat"},
    {"ping-timeout", OPTION_DURATION, AT(session.ping_timeout), "20s", 100, DAY, "TIME",
     "how long a client may take to answer it"},
    {"upgrade-timeout", OPTION_DURATION, AT(session.upgrade_timeout), "10s", 100, DAY, "TIME",
     "how long an upgrade to WebSocket may take"},
    {"connect-timeout", OPTION_DURATION, AT(session.connect_timeout), "45s", 100, DAY, "TIME",
     "how long a session may exist without a Socket.IO CONNECT"},
    {"max-http-buffer-size", OPTION_SIZE, AT(session.max_http_buffer_size), "1000000", 1000,
     2000000, "BYTES", "largest message of a client, announced as maxPayload"},
    {"allow-upgrades", OPTION_FLAG, AT(session.allow_upgrades), "true", 0, 0, NULL,
     "let polling sessions upgrade to WebSocket"},
    {"allow-eio3", OPTION_FLAG, AT(session.allow_eio3), "true", 0, 0, NULL,
     "serve clients 1.x and 2.x (Engine.IO 3) too"},
    {"path", OPTION_STRING, AT(engineio.path), "/socket.io", 0, 0, "PATH",
     "where Socket.IO and its client bundle are"},
    {"transports", OPTION_STRING, AT(engineio.transports), "polling,websocket", 0, 0, "LIST",
     "transports that clients may use"},
    {"http-compression", OPTION_SIZE, AT(engineio.http_compression), "1024", 0, GIB, "BYTES",
     "answers to polls from this size on are compressed; 0: none"},
    {"per-message-deflate", OPTION_FLAG, AT(engineio.per_message_deflate), "false", 0, 0, NULL,
     "compression of WebSocket messages: not served"},
    {"cookie", OPTION_STRING, AT(engineio.cookie), NULL, 0, 0, "NAME",
     "give polling clients the session's id in this cookie too (default: none)"},
    {"cors-origin", OPTION_STRING, AT(engineio.cors.origins), NULL, 0, 0, "LIST",
     "scheme://host[:port],… whose pages may connect, or * (default: every origin, by name)"},
    {"cors-credentials", OPTION_FLAG, AT(engineio.cors.credentials), "true", 0, 0, NULL,
     "let those pages send credentials"},
    {"cors-methods", OPTION_STRING, AT(engineio.cors.methods), "GET,POST", 0, 0, "LIST",
     "methods that a preflight to --path is told"},
    {"cors-headers", OPTION_STRING, AT(engineio.cors.headers), NULL, 0, 0, "LIST",
     "headers that it is told (default: those it asks for)"},
    {"trusted-proxy", OPTION_STRING, AT(engineio.trusted_proxy), NULL, 0, 0, "LIST",
     "addresses or networks whose X-Forwarded-For is believed"},
    {"api-key-file", OPTION_STRING, AT(auth.api_key_file), NULL, 0, 0, "FILE",
     "keys, one a line: /api and sockets want one of them; SIGHUP reads it again (one key may also "
     "be in ELIZAMQ_API_KEY, ELIZA_SERVER_AUTH_TOKEN or SERVER_API_KEY)"},
    {"jwt-key-file", OPTION_STRING, AT(auth.jwt_key_file), NULL, 0, 0, "FILE",
     "public key (PEM), set of keys (JWKS) or secret that tokens are checked with: their subject "
     "is "
     "who a client is; SIGHUP reads it again"},
    {"jwt-rooms-claim", OPTION_STRING, AT(auth.jwt.rooms_claim), "rooms", 0, 0, "NAME",
     "claim with the array of rooms that a token opens; in a token without it: all"},
    {"jwt-issuer", OPTION_STRING, AT(auth.jwt.issuer), NULL, 0, 0, "TEXT",
     "what a token's iss has to be"},
    {"jwt-audience", OPTION_STRING, AT(auth.jwt.audience), NULL, 0, 0, "TEXT",
     "what a token's aud has to be or to hold"},
    {"jwt-leeway", OPTION_DURATION, AT(auth.jwt.leeway), "30s", 0, 3600000, "TIME",
     "how far clocks may be apart"},
    {"api-rate-limit", OPTION_RATE, AT(api_rate), "1000/15m", 0, 0, NULL,
     "requests of one address to /api on this edge; beyond: 429"},
    {"key-rate-limit", OPTION_RATE, AT(key_rate), "off", 0, 0, NULL,
     "requests with one key, or of one token's subject, to /api on this edge; beyond: 429"},
    {"upload-rate-limit", OPTION_RATE, AT(upload_rate), "50/15m", 0, 0, NULL,
     "uploads of one address to this edge; beyond: 429"},
    {"media-dir", OPTION_STRING, AT(media.directory), NULL, 0, 0, "DIR",
     "where uploads are kept, and served from under /media; edges share it (default: no uploads)"},
    {"upload-max", OPTION_SIZE, AT(media.upload_max), "50m", 1, GIB, "BYTES",
     "largest upload; beyond: 413"},
    {"upload-deadline", OPTION_DURATION, AT(media.upload_deadline), "5m", 1000, 1800000, "TIME",
     "for a whole upload; beyond: 408"},
    {"uploads-max", OPTION_INTEGER, AT(media.uploads_max), "64", 1, 100000, "COUNT",
     "uploads at once; beyond: overloaded"},
    {"socket-rate-limit", OPTION_RATE, AT(chat.socket_rate), "off", 0, 0, NULL,
     "events of one socket; beyond: rate_limited"},
    {"sessions-max", OPTION_INTEGER, AT(session.sessions_max), "100000", 1, 10000000, "COUNT",
     "sessions on this edge at most"},
    {"outbox-max", OPTION_SIZE, AT(session.outbox_max_bytes), "4m", 65536, GIB, "BYTES",
     "waiting for one client; beyond, it is cut when it takes nothing for 10 s, and in any case "
     "when four times as much waits"},
    {"outbox-age", OPTION_DURATION, AT(session.outbox_max_age), "60s", 1000, DAY, "TIME",
     "how old what waits for one client may be"},
    {"payload-packets-max", OPTION_INTEGER, AT(session.payload_packets_max), "10000", 1, 1000000,
     "COUNT", "packets in one polling payload"},
    {"rejoin-entity", OPTION_FLAG, AT(chat.rejoin_entity), "false", 0, 0, NULL,
     "put a client that could not be recovered into the rooms its entityId was in last"},
    {"rooms-per-socket-max", OPTION_INTEGER, AT(chat.rooms_per_socket_max), "1000", 1, 1000000,
     "COUNT", "rooms one socket may be in"},
    {"requests-per-socket-max", OPTION_INTEGER, AT(chat.requests_per_socket_max), "1000", 1,
     1000000, "COUNT", "events of one socket waiting for the router; beyond: overloaded"},
    {"requests-max", OPTION_INTEGER, AT(uplink.requests_max), "200000", 1, 10000000, "COUNT",
     "requests waiting for the router; beyond: overloaded"},
    {"request-bytes-max", OPTION_SIZE, AT(uplink.request_bytes_max), "64m", 65536, GIB, "BYTES",
     "of those requests; beyond: overloaded"},
    {"request-deadline", OPTION_DURATION, AT(uplink.request_deadline), "5s", 100, DAY, "TIME",
     "how long the router may take; beyond: overloaded"},
    {"sync-timeout", OPTION_DURATION, AT(rest.sync_timeout), "25s", 100, DAY, "TIME",
     "how long a sync REST caller waits for the agent; beyond: 504"},
    {"stream-timeout", OPTION_DURATION, AT(rest.stream_timeout), "5m", 100, DAY, "TIME",
     "how long an SSE stream waits for the agent's end"},
    {"stream-comment", OPTION_DURATION, AT(rest.stream_comment), "15s", 100, DAY, "TIME",
     "keep-alive comments of a silent SSE stream"},
    {"runs-max", OPTION_INTEGER, AT(rest.runs_max), "10000", 1, 1000000, "COUNT",
     "REST callers waiting for an agent at most; beyond: overloaded"},
    {"api-session-timeout", OPTION_DURATION, AT(rest.session.timeout), "30m", 100, 7 * DAY, "TIME",
     "without activity, then a session of the Sessions API ends, unless it or its agent wants "
     "another "
     "(also, as in ElizaOS, SESSION_DEFAULT_TIMEOUT_MINUTES)"},
    {"api-session-timeout-min", OPTION_DURATION, AT(rest.session.timeout_min), "5m", 100, 7 * DAY,
     "TIME", "the least that a session may ask for (SESSION_MIN_TIMEOUT_MINUTES)"},
    {"api-session-timeout-max", OPTION_DURATION, AT(rest.session.timeout_max), "24h", 100, 7 * DAY,
     "TIME", "the most that a session may ask for (SESSION_MAX_TIMEOUT_MINUTES)"},
    {"api-session-duration", OPTION_DURATION, AT(rest.session.duration), "12h", 100, 14 * DAY,
     "TIME",
     "how long a session lasts at most, unless it asks for more (SESSION_MAX_DURATION_MINUTES)"},
    {"api-session-warning", OPTION_DURATION, AT(rest.session.warning), "5m", 0, 7 * DAY, "TIME",
     "so long before its end a session is said to be near it (SESSION_WARNING_THRESHOLD_MINUTES)"},
    {"api-session-kept", OPTION_DURATION, AT(rest.session.kept), "1h", 100, 7 * DAY, "TIME",
     "how long a session that has ended is 410 and not 404"},
    {"http-connections-max", OPTION_INTEGER, AT(http.connections_max), "100000", 1, 10000000,
     "COUNT", "HTTP connections at once, WebSockets not counted"},
    {"http-head-max", OPTION_SIZE, AT(http.head_max), "8k", 1024, 65536, "BYTES",
     "largest request head; beyond: 431"},
    {"http-head-deadline", OPTION_DURATION, AT(http.head_deadline), "10s", 100, DAY, "TIME",
     "for a whole request head"},
    {"http-body-deadline", OPTION_DURATION, AT(http.body_deadline), "30s", 100, DAY, "TIME",
     "for a whole request body"},
    {"http-bodies-max", OPTION_SIZE, AT(http.bodies_max), "256m", 65536, 64LL * GIB, "BYTES",
     "of all request bodies that are not whole yet, uploads not counted; beyond: 503"},
    {"http-idle-timeout", OPTION_DURATION, AT(http.idle_timeout), "30s", 100, DAY, "TIME",
     "between requests of a connection"},
    {"http-write-deadline", OPTION_DURATION, AT(http.write_deadline), "20s", 100, DAY, "TIME",
     "without progress of an answer"},
    {"http-stream-backlog", OPTION_SIZE, AT(http.stream_backlog_max), "1m", 4096, GIB, "BYTES",
     "waiting for one SSE client at most; beyond, it is cut"},
    {"send-buffer", OPTION_SIZE, AT(send_buffer), "128k", 4096, GIB, "BYTES",
     "SO_SNDBUF of a WebSocket: what the kernel may hide of a slow consumer"},
    {"relays-max", OPTION_INTEGER, AT(relays_max), "100000", 1, 10000000, "COUNT",
     "polls passed on to other edges at once; and sessions on their way between edges"},
    {"bus-timeout", OPTION_DURATION, AT(bus_timeout), "3s", 500, 60000, "TIME",
     "silence of the router after which this edge is not ready"},
    {"bus-buffer", OPTION_SIZE, AT(bus_buffer), "64m", 1 << 20, GIB, "BYTES",
     "unacknowledged bytes kept for the router"},
    {"isolation-timeout", OPTION_DURATION, AT(isolation_timeout), "30s", 0, DAY, "TIME",
     "away from the router for so long, clients are closed to find another edge; 0: never"},
    {"drain-timeout", OPTION_DURATION, AT(drain_timeout), "30s", 100, DAY, "TIME",
     "SIGTERM: hard stop after this time"},
};

/* --- ElizaOS's own variables --------------------------------------------------------------------
 */

/* In minutes. A flag or a variable of ours comes first. */
static const struct {
    const char *theirs;
    const char *ours;
} session_variables[] = {
    {"SESSION_DEFAULT_TIMEOUT_MINUTES", "ELIZAMQ_API_SESSION_TIMEOUT"},
    {"SESSION_MIN_TIMEOUT_MINUTES", "ELIZAMQ_API_SESSION_TIMEOUT_MIN"},
    {"SESSION_MAX_TIMEOUT_MINUTES", "ELIZAMQ_API_SESSION_TIMEOUT_MAX"},
    {"SESSION_MAX_DURATION_MINUTES", "ELIZAMQ_API_SESSION_DURATION"},
    {"SESSION_WARNING_THRESHOLD_MINUTES", "ELIZAMQ_API_SESSION_WARNING"},
};
enum { MINUTES_DIGITS_MAX = 9 };

static bool is_set(const char *variable)
{
    const char *text = getenv(variable);
    return text != NULL && *text != '\0';
}

/* Returns the name of one that is no number, or NULL. */
static const char *take_session_variables(void)
{
    const char *fault = NULL;
    for (size_t i = 0; i < sizeof(session_variables) / sizeof(session_variables[0]); i++) {
        const char *theirs = session_variables[i].theirs;
        char value[MINUTES_DIGITS_MAX + 2];
        if (!is_set(theirs) || is_set(session_variables[i].ours)) {
            continue;
        }
        size_t length = strlen(getenv(theirs));
        if (length > MINUTES_DIGITS_MAX || strspn(getenv(theirs), "0123456789") != length) {
            fault = theirs;
            continue;
        }
        snprintf(value, sizeof(value), "%sm", getenv(theirs));
        setenv(session_variables[i].ours, value, 1);
    }
    return fault;
}

/* Files that are looked at before anything is opened. */
static bool check_files(const struct edge_options *options, char *reason, size_t size)
{
    struct auth *auth = auth_new(&options->auth, reason, size);
    bool is_fine = auth != NULL;
    auth_destroy(&auth);
    if (is_fine && options->www != NULL) {
        const struct static_site_settings settings = {.root = options->www, .falls_back = true};
        struct static_site *site = static_site_new(&settings, reason, size);
        is_fine = site != NULL;
        static_site_destroy(&site);
    }
    if (is_fine && options->media.directory != NULL) {
        is_fine = media_directory_is_usable(options->media.directory, reason, size);
    }
    return is_fine;
}

int edge_options_read(struct edge_options *options, int argc, char **argv, bool *done)
{
    struct options_common common;
    char reason[512];
    const char *fault = take_session_variables();
    enum options_result result =
        options_parse(option_table, sizeof(option_table) / sizeof(option_table[0]), "edge",
                      "An edge of an elizamq cluster: speaks Socket.IO, REST and SSE to clients.",
                      argc, argv, options, &common);
    *done = true; /* until nothing is wrong */
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_EXIT_0 ? 0 : 2;
    }
    if (fault != NULL) {
        return options_fail("edge", "%s is not a whole number of minutes", fault);
    }
    const struct agent_session_settings *session = &options->rest.session;
    if (session->timeout < session->timeout_min || session->timeout > session->timeout_max) {
        return options_fail("edge", "--api-session-timeout is not between --api-session-timeout-min"
                                    " and --api-session-timeout-max");
    }
    options->uplink.link = (struct link_settings){.heartbeat = 500,
                                                  .timeout = options->bus_timeout,
                                                  .retained_max = (size_t)options->bus_buffer,
                                                  .frame_max = BUS_FRAME_MAX};
    if (!engineio_options_resolve(&options->engineio, &options->engineio_http, reason,
                                  sizeof(reason))) {
        return options_fail("edge", "%s", reason);
    }
    options->auth.api_keys[0] = getenv("ELIZAMQ_API_KEY");
    options->auth.api_keys[1] = getenv("ELIZA_SERVER_AUTH_TOKEN");
    options->auth.api_keys[2] = getenv("SERVER_API_KEY");
    options->engineio_http.max_http_buffer_size = options->session.max_http_buffer_size;
    options->session.allow_upgrades &= options->engineio_http.serves_websocket;
    options->rest.cors = &options->engineio.cors;
    options->media.cors = &options->engineio.cors;
    log_configure("edge", (enum log_level)common.log_level, (enum log_format)common.log_format);
    *done = common.check_config;
    if (common.check_config) {
        if (!check_files(options, reason, sizeof(reason))) {
            return options_fail("edge", "%s", reason);
        }
        printf("configuration ok\n");
    }
    return 0;
}
