/*
 * A session of the Sessions API: one user's conversation with one agent in a channel of its own,
 * which ends by itself when nothing is said for long. Kept as a record; what time and requests make
 * of it is decided here. Pure.
 *
 * Implements: the timeouts of ElizaOS 1.7's Sessions API.
 */
#ifndef EDGE_REST_AGENT_SESSION_H
#define EDGE_REST_AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/* All in ms. */
struct agent_session_settings {
    int64_t timeout; /* without activity, unless the session says otherwise within the next two */
    int64_t timeout_min;
    int64_t timeout_max;
    int64_t duration; /* whatever happens; a session may ask for up to twice timeout_max */
    int64_t warning;  /* so long before its end it is said to be near */
    int64_t kept;     /* how long an expired one can still be told from one that never was */
};

/* Times are wall ms, lengths of time ms. Texts borrow from what it was read from. */
struct agent_session {
    struct slice channel;
    struct slice agent;
    struct slice user;
    struct slice metadata; /* raw JSON object, or empty */
    int64_t timeout;
    int64_t duration;
    int64_t warning;
    bool renews_itself; /* with what is said in it */
    int64_t created_at;
    int64_t last_activity;
    int64_t expires_at;
    int64_t renewals;
    uint64_t change; /* random: two requests that do the same do not write the same */
};

enum agent_session_fault {
    AGENT_SESSION_FITS,
    AGENT_SESSION_OUT_OF_RANGE, /* the timeout; it was put right */
    AGENT_SESSION_NO_CONFIG     /* a value of a wrong type; nothing was changed */
};

/* Without a time yet: see agent_session_begin(). */
void agent_session_init(struct agent_session *session,
                        const struct agent_session_settings *settings);
/*
 * Takes over what a character says of its sessions in its raw settings: ElizaOS's
 * SESSION_TIMEOUT_MINUTES, SESSION_MAX_DURATION_MINUTES, SESSION_WARNING_THRESHOLD_MINUTES and
 * SESSION_AUTO_RENEW. Values out of range are put right, those that are none leave what is there.
 */
void agent_session_take_settings(struct agent_session *session,
                                 const struct agent_session_settings *settings,
                                 struct slice raw_settings, struct arena *arena);
/* Takes what a raw timeoutConfig says over; what it leaves out stays. */
enum agent_session_fault agent_session_configure(struct agent_session *session,
                                                 const struct agent_session_settings *settings,
                                                 struct slice raw_config, struct arena *arena);
/* Its time begins anew, now. */
void agent_session_begin(struct agent_session *session, int64_t now);
/* The same, counted; false: it has lasted as long as it may. */
bool agent_session_renew(struct agent_session *session, int64_t now);
bool agent_session_is_expired(const struct agent_session *session, int64_t now);
bool agent_session_is_near_end(const struct agent_session *session, int64_t now);

/* As a record's body, and back. False: it is none. */
void agent_session_write(const struct agent_session *session, struct buffer *out);
bool agent_session_read(struct slice body, struct arena *arena, struct agent_session *session);

/* The members of a session's JSON object, without the braces. */
void agent_session_write_info(const struct agent_session *session, struct slice id, int64_t now,
                              struct buffer *out);
/* The member timeoutConfig of such an object. */
void agent_session_write_config(const struct agent_session *session, struct buffer *out);
/* {expiresAt, renewalCount, wasRenewed, isNearExpiration} */
void agent_session_write_status(const struct agent_session *session, bool was_renewed, int64_t now,
                                struct buffer *out);

#endif
