/*
 * What the files of rest/ share. Not included outside edge/rest.
 *
 *   rest.c      requests, CORS, errors        routes.c    which path is whose
 *   fields.c    members under all their names wait.c      questions to the router
 *   messages.c  POST and GET …/messages       message_changes.c  one message, clearing, search
 *   submit.c    agents that run elsewhere     run.c       waiting for an agent
 *   channels.c  channels, channel_people.c who is in them
 *   servers.c   message servers, server_channels.c and server_agents.c what they have
 *   title.c     titles                        sessions.c  sessions, agent_session.h what they are
 *   session_messages.c  what is said in them  session_list.c  all of them
 *   jobs.c      making jobs, agent_job.h what they are
 *   job_state.c what has become of them
 *   events.c    the events of a stream        attach.c    following and stopping a run by its id
 *   uploads.c   files to edge/media
 *   agents.c    agents                        runs.c      what they did
 *   memory.c    what they were told, by room  agent_rooms.c where they are
 *   worlds.c    message servers as worlds
 *   server.c    health, and what is asked of a server     system.c  versions and environment
 *   logs.c      what the cluster's processes log
 */
#ifndef EDGE_REST_INTERNAL_H
#define EDGE_REST_INTERNAL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "edge/rest/agent_job.h"
#include "edge/rest/agent_session.h"
#include "edge/rest/rest.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"
#include "proto/wire/chat_event.h"
#include "proto/wire/chat_packet.h"
#include "proto/wire/sse.h"

enum rest_mode { REST_WEBSOCKET, REST_STREAM, REST_SYNC };

struct rest_run;
struct job_walk;

struct rest {
    struct rest_settings settings;
    struct chat *chat;       /* borrows */
    struct uplink *uplink;   /* borrows */
    struct id_source *ids;   /* borrows */
    struct media *media;     /* borrows; NULL: no uploads */
    struct arena arena;      /* of one request */
    struct buffer scratch;   /* of one answer */
    struct rest_run *runs;   /* in order of their deadlines' making */
    int64_t started_at;      /* ms */
    char timeout_fault[128]; /* what a session's timeout has to be, in words */
    int64_t (*wall)(void *context);
    void *wall_context;
    struct rest_counters counters;
};

/* A request on its way through a handler. */
struct rest_call {
    struct rest *rest;
    struct http_exchange *exchange;
    const struct http_request *request;
    const struct identity *identity; /* NULL: bound by nothing */
    /*
     * Who asks, for the router: the token's subject, else who the header X-Entity-Id says. Else
     * holders of the key are nobody in particular (empty), and from them nothing is hidden; whoever
     * has shown no key is who the body says that it is, or a guest.
     */
    struct slice viewer;
    bool is_guest;
    struct slice channel; /* decoded :channel of the path, or empty */
    struct slice id;      /* the first other id of the path, or empty */
    struct slice other;   /* the second one */
    struct slice body;    /* POST and PATCH: the JSON value */
    int64_t now;
};

/* What a request that takes several questions is about. */
enum rest_step {
    REST_STEP_FIRST,
    REST_STEP_ADD,
    REST_STEP_REMOVE,
    REST_STEP_EDIT,
    REST_STEP_ACTION,
    REST_STEP_MEMORY,
    REST_STEP_OLD, /* in the words of ElizaOS before 1.6 */
    REST_STEP_SEND,
    REST_STEP_MESSAGES,
    REST_STEP_RENEW,
    REST_STEP_HEARTBEAT,
    REST_STEP_TIMEOUT,
    REST_STEP_HEALTH,
    REST_STEP_DEBUG /* as its debug endpoint has it */
};

/* A request that waits for the router; ends with its exchange or its last answer. */
struct rest_wait {
    struct rest *rest;
    struct http_exchange *exchange; /* NULL: the client left */
    struct uplink_owner owner;
    enum rest_mode mode;
    enum rest_step step;
    bool is_second;            /* it has been here before */
    bool was_renewed;          /* the session */
    const char *fault;         /* of the request, said once what it is about is found; or NULL */
    size_t left;               /* of several questions at once: to be answered */
    size_t done;               /* of these: well */
    struct buffer note;        /* what a later step needs */
    struct buffer list;        /* an answer that several questions make */
    struct job_walk *walk;     /* owns; of job_state.c */
    struct identity *identity; /* owns; NULL: bound by nothing */
    char viewer[USER_ID_MAX + 1];
    char channel[USER_ID_MAX + 1]; /* of the path */
    char id[USER_ID_MAX + 1];
};

#define REST_SERVERS "server" /* the collection of message servers */
#define REST_DEFAULT_SERVER "Default Server"
#define REST_SESSIONS "session"
#define REST_JOBS "job"
#define REST_API_VERSION "1.7.2" /* of ElizaOS, whose API this is */

#define REST_CHANNEL_NOT_FOUND "Channel not found"

enum { REST_SEARCH_MAX = 512, REST_METADATA_MAX = 16384 }; /* bytes */

/* rest.c */
void rest_answer(struct rest *rest, struct http_exchange *exchange, int status, struct slice json);
/*
 * Does what the request says of rooms and people keep to its token? For members of the body, under
 * all of their names; false: refused already. dispatch() has asked for the path and the body.
 */
bool rest_keeps_to_identity(const struct rest_call *call, struct slice object);
/* {"success":false,"error":{"code","message"}}; message NULL: the error's own sentence. */
void rest_refuse(struct rest *rest, struct http_exchange *exchange, int error, const char *message);
/* The same under a code of ElizaOS's own. */
void rest_refuse_as(struct rest *rest, struct http_exchange *exchange, int status, const char *code,
                    const char *message);
/*
 * What concerns all users is for holders of the key, not of a user's token; false: refused already.
 */
bool rest_is_for_operators(const struct rest_call *call);
/* A number of the query, capped; false when it is there and not a number from 0 up. */
bool rest_take_count(const struct rest_call *call, const char *name, int64_t fallback, int64_t most,
                     uint64_t *count);
/* The same for what is not in the body: the path, and the header of ElizaOS's page. */
bool rest_keeps_path_to_identity(const struct rest_call *call);
/* A guest is whom the body says that it is. */
void rest_name_guest(struct rest_call *call);
/* Whose records a list is to have, empty: everybody's. */
struct slice rest_owner(const struct rest_call *call);
int64_t rest_wall(const struct rest *rest);

/* routes.c: answers the request whose path below /api these are. */
void rest_dispatch(struct rest_call *call, const struct slice *segments, int count);

/* wait.c */
struct rest_wait *rest_wait_new(const struct rest_call *call, enum rest_mode mode);
void rest_wait_destroy(struct rest_wait *wait);
/*
 * As uplink_request(), which it calls. ERROR_ROUTER_AWAY at once where that would only wait: the
 * caller's balancer knows other edges.
 */
int rest_request(struct rest *rest, struct bus_message *message, uint64_t *number,
                 uplink_answered *answered, void *context, struct uplink_owner *owner, int64_t now);
/* Puts a question of the caller's to the router, whose answer is `answered`'s. NULL, false: refused
 * already. */
struct rest_wait *rest_ask(const struct rest_call *call, struct bus_message *message,
                           uint64_t *number, uplink_answered *answered);
/* The next one; false: the wait is over. */
bool rest_ask_on(struct rest_wait *wait, struct bus_message *message, uint64_t *number,
                 uplink_answered *answered, int64_t now);
int rest_error_of(const struct uplink_outcome *outcome);
/* Is there nobody to go on for, or nothing to go on with? The wait has then ended, refused. */
bool rest_is_over(struct rest_wait *wait, const struct uplink_outcome *outcome,
                  const char *not_found);
/* Each answers, if anybody is there, and ends the wait. */
void rest_wait_refuse(struct rest_wait *wait, int error, const char *message);
void rest_wait_answer(struct rest_wait *wait, int status, struct slice json);
/* {"success":true,"data":… up to the value that the caller appends, and the rest of it. */
struct buffer *rest_begin_data(struct rest *rest);
void rest_end_data(struct rest_wait *wait, int status);
/* May whoever waits see this channel? */
bool rest_may_show(const struct rest_wait *wait, struct slice channel);

/* fields.c */
extern const char *const rest_server_names[];
extern const char *const rest_channel_names[];
extern const char *const rest_author_names[];
extern const char *const rest_content_names[];
/* The first of these members that is there and not null, or empty. */
struct slice rest_field(struct slice object, const char *const *names);
/* Decodes a text; false when it is there and not one of 1 to `most` bytes. */
bool rest_take_text(struct slice value, size_t most, struct arena *arena, struct slice *out);
bool rest_take_id(const struct rest_call *call, const char *const *names, struct slice *id);
bool rest_take_uuid(const struct rest_call *call, const char *const *names, struct slice *id);
bool rest_take_server(const struct rest_call *call, struct slice *id); /* absent: the default */
bool rest_take_content(struct slice value, struct arena *arena, struct slice *text);
struct slice rest_object_of(struct slice value); /* itself, or empty when it is no object */
/* Milliseconds or ISO 8601; absent is 0. */
bool rest_take_time(struct slice value, struct arena *arena, int64_t *time);
/* From 0 up, capped. */
bool rest_take_number(struct slice value, int64_t fallback, int64_t most, uint64_t *number);
/* Appends the members of an object, but those that are named, without the braces. */
void rest_copy_members(struct buffer *out, struct slice object, const char *const *without);
/* Appends those that another object has not, also without the braces. */
void rest_copy_others(struct buffer *out, struct slice object, struct slice other);
/* A comma, unless the array has just begun. */
void rest_begin_element(struct buffer *out);
size_t rest_utf16_length(struct slice text); /* what String.length counts in JavaScript */

/* messages.c */
/* `transport` or `mode`; false: none that there is. */
bool rest_parse_mode(struct slice body, struct arena *arena, enum rest_mode *mode);
void rest_post_message(const struct rest_call *call);
void rest_get_messages(const struct rest_call *call);
/* Members that say that nobody answers, and why; the text for whoever is refused then, or NULL. */
void rest_write_answering(struct buffer *out, const struct bus_send_done *done);
const char *rest_answering_text(const struct bus_send_done *done);
void rest_write_user_message(struct buffer *out, const struct bus_send *send,
                             const struct bus_send_done *done);
/* Where a message stands, as far as it is known. */
struct rest_place {
    struct slice channel;
    struct slice channel_type; /* or empty */
    uint64_t epoch;            /* or 0 */
};
/* A message as history shows it. */
void rest_write_message(struct buffer *out, const struct bus_stored_message *message,
                        struct rest_place place);
void rest_write_agent_response(struct buffer *out, struct slice reply_id, struct slice question,
                               struct slice body);

/* events.c: a run as Server-Sent Events. Each function is false when the stream was cut. */
struct event_stream {
    struct http_exchange *exchange; /* borrows */
    uint64_t attempt;               /* whose text its client has */
    uint64_t offset;                /* bytes of it */
    uint64_t index;                 /* of the last chunk */
};
/* last_event_id: what its client has already; empty, or anything else than an id: nothing. */
void events_begin(struct event_stream *stream, struct http_exchange *exchange,
                  struct slice last_event_id);
bool events_write(struct event_stream *stream, const char *event, struct slice json);
bool events_comment(struct event_stream *stream);
/* Of what its client has already only the rest is written. */
bool events_chunk(struct event_stream *stream, const struct bus_chunk *chunk);
/* Makes the chunks written what the reply says, should any have been missed. text: decoded. */
bool events_settle(struct event_stream *stream, struct slice reply, struct slice text);

/* attach.c */
void rest_get_stream(const struct rest_call *call);
void rest_post_stop(const struct rest_call *call);

/* run.c: each takes the exchange over. Follows a run that was asked for before. */
void rest_run_attach(struct rest *rest, struct http_exchange *exchange, struct slice room,
                     struct slice viewer, const struct bus_run_attached *attached,
                     struct slice last_event_id, int64_t now);
/*
 * Answers when the agent has. members: what goes into the answer besides, each behind a comma.
 */
void rest_run_begin(const struct rest_wait *wait, const struct bus_send *send,
                    const struct bus_send_done *done, struct slice members, int64_t now);
void rest_runs_tick(struct rest *rest, int64_t now);
void rest_runs_destroy(struct rest *rest);

/* channels.c */
void rest_post_channel(const struct rest_call *call);
void rest_get_channel(const struct rest_call *call);
void rest_patch_channel(const struct rest_call *call);
void rest_get_dm_channel(const struct rest_call *call);
void rest_answer_channel(struct rest_wait *wait, int status, const struct bus_channel *channel);
void rest_write_participants(struct buffer *out, const struct bus_channel *channel);
/* With its participants. */
void rest_ask_for_channel(const struct rest_call *call, uplink_answered *answered);

/* channel_people.c */
void rest_get_participants(const struct rest_call *call);
void rest_get_presence(const struct rest_call *call);
void rest_get_channel_agents(const struct rest_call *call);
void rest_post_channel_agent(const struct rest_call *call);
void rest_delete_channel_agent(const struct rest_call *call);

/* message_changes.c */
void rest_get_message(const struct rest_call *call);
void rest_patch_message(const struct rest_call *call);
void rest_patch_action(const struct rest_call *call);
void rest_delete_message(const struct rest_call *call);
void rest_clear_messages(const struct rest_call *call);
/* Tells the room of wait->channel that it is cleared; false: the wait is over. */
bool rest_tell_cleared(struct rest_wait *wait, uplink_answered *answered, int64_t now);
/* The message of call->id, in whichever channel, as an agent's memory. */
void rest_patch_remembered(const struct rest_call *call);
void rest_delete_remembered(const struct rest_call *call);
void rest_delete_channel(const struct rest_call *call);
void rest_search_messages(const struct rest_call *call);
bool rest_first_message(const struct uplink_outcome *outcome, struct bus_stored_message *message);
struct slice rest_channel_of(struct slice body, struct arena *arena); /* of a message */

/* submit.c */
void rest_submit(const struct rest_call *call);
void rest_submit_action(const struct rest_call *call);
void rest_ingest(const struct rest_call *call);
void rest_complete(const struct rest_call *call);

/* uploads.c */
void rest_post_channel_media(const struct rest_call *call);
void rest_post_agent_media(const struct rest_call *call);

/* title.c */
void rest_post_title(const struct rest_call *call);
struct slice rest_title_of(struct slice text);

/* sessions.c */
void rest_post_session(const struct rest_call *call);
void rest_get_session(const struct rest_call *call);
void rest_delete_session(const struct rest_call *call);
void rest_renew_session(const struct rest_call *call);
void rest_heartbeat_session(const struct rest_call *call);
void rest_patch_session_timeout(const struct rest_call *call);
void rest_post_session_message(const struct rest_call *call);
void rest_get_session_messages(const struct rest_call *call);
/* Refuses in the form of the Sessions API; details: raw JSON, or empty. */
void rest_refuse_session(struct rest *rest, struct http_exchange *exchange, int status,
                         const char *code, const char *message, struct slice details);
/* Is there nobody to go on for, or nothing to go on with? Then the wait has ended. */
bool rest_is_session_over(struct rest_wait *wait, const struct uplink_outcome *outcome);

/* session_messages.c: go on with the session at hand. */
void rest_session_send(struct rest_wait *wait, const struct agent_session *session, int64_t now);
void rest_session_messages(struct rest_wait *wait, const struct agent_session *session,
                           int64_t now);
/* What a session's channel and messages have in their metadata, under what a message brought. */
void rest_write_session_metadata(struct buffer *out, const struct agent_session *session,
                                 struct slice id, struct slice given);
/* Begins the wait of …/messages, which page is wanted in its note; or what is wrong with that. */
struct rest_wait *rest_session_page(const struct rest_call *call);

/* jobs.c */
void rest_post_job(const struct rest_call *call);

/* job_state.c */
void rest_get_job(const struct rest_call *call);
void rest_get_jobs(const struct rest_call *call);
void rest_get_jobs_health(const struct rest_call *call);

/* session_list.c */
void rest_get_sessions(const struct rest_call *call);
void rest_get_sessions_health(const struct rest_call *call);
/* agents.c */
void rest_get_agents(const struct rest_call *call);
void rest_get_agent(const struct rest_call *call);
void rest_write_agent(struct buffer *out, const struct bus_agent_state *agent);
void rest_start_agent(const struct rest_call *call);
void rest_stop_agent(const struct rest_call *call);
void rest_get_panels(const struct rest_call *call);
bool rest_agent_is_active(const struct bus_agent_state *agent);
/* rest_is_over() for what asks of an agent that may not be there. */
bool rest_agent_is_over(struct rest_wait *wait, const struct uplink_outcome *outcome);
/* Is :agent of the path a UUID? Else it is refused. */
bool rest_has_agent_id(const struct rest_call *call);

/* agent_changes.c */
void rest_post_agent(const struct rest_call *call);
void rest_patch_agent(const struct rest_call *call);
void rest_delete_agent(const struct rest_call *call);

/* runs.c */
void rest_get_runs(const struct rest_call *call);
void rest_get_run(const struct rest_call *call);
void rest_get_agent_logs(const struct rest_call *call);
void rest_delete_agent_log(const struct rest_call *call);

/* memory.c */
void rest_get_memories(const struct rest_call *call);
void rest_get_room_memories(const struct rest_call *call);
void rest_patch_memory(const struct rest_call *call);
void rest_delete_memory(const struct rest_call *call);
void rest_clear_memories(const struct rest_call *call);
void rest_clear_room_memories(const struct rest_call *call);
void rest_clear_world_memories(const struct rest_call *call);

/* agent_rooms.c */
void rest_get_agent_rooms(const struct rest_call *call);
void rest_get_agent_room(const struct rest_call *call);
void rest_post_agent_room(const struct rest_call *call);

/* worlds.c */
void rest_get_worlds(const struct rest_call *call);
void rest_post_agent_world(const struct rest_call *call);
void rest_patch_agent_world(const struct rest_call *call);
void rest_post_world(const struct rest_call *call);
void rest_delete_world(const struct rest_call *call);

/* logs.c */
void rest_get_logs(const struct rest_call *call);
void rest_clear_logs(const struct rest_call *call);

/* server.c */
void rest_get_ping(const struct rest_call *call);
void rest_get_hello(const struct rest_call *call);
void rest_get_status(const struct rest_call *call);
void rest_get_health(const struct rest_call *call);
void rest_stop_server(const struct rest_call *call);
void rest_post_audio(const struct rest_call *call);

/* system.c */
void rest_get_version(const struct rest_call *call);
void rest_get_config(const struct rest_call *call);
void rest_get_environment(const struct rest_call *call);
void rest_post_environment(const struct rest_call *call);

/* servers.c */
void rest_get_debug_servers(const struct rest_call *call);
void rest_get_current_server(const struct rest_call *call);
void rest_get_servers(const struct rest_call *call);
void rest_get_central_servers(const struct rest_call *call);
void rest_post_server(const struct rest_call *call);
void rest_delete_server(const struct rest_call *call);
bool rest_is_current_server(struct slice id);
void rest_refuse_format(const struct rest_call *call, const char *text);

/* server_channels.c */
void rest_get_server_channels(const struct rest_call *call);
void rest_sync_channels(const struct rest_call *call);

/* server_agents.c */
void rest_get_server_agents(const struct rest_call *call);
void rest_add_server_agent(const struct rest_call *call, struct slice agent);
void rest_post_server_agent(const struct rest_call *call);
void rest_delete_server_agent(const struct rest_call *call);
void rest_get_agent_servers(const struct rest_call *call);

#endif
