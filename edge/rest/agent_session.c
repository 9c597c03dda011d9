#include "edge/rest/agent_session.h"

#include <math.h>

#include "proto/base/clock.h"
#include "proto/base/json.h"

static const int64_t minute = 60 * 1000;

/* --- timeouts --------------------------------------------------------------------------------- */

struct config {
    struct slice timeout, duration, warning, renews;
};

static struct config config_of(struct slice raw)
{
    struct config config = {SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    const struct json_field fields[] = {{"timeoutMinutes", &config.timeout},
                                        {"maxDurationMinutes", &config.duration},
                                        {"warningThresholdMinutes", &config.warning},
                                        {"autoRenew", &config.renews}};
    if (json_type(raw) == JSON_OBJECT) {
        json_collect(raw, fields, sizeof(fields) / sizeof(fields[0]));
    }
    return config;
}

/* Minutes, also fractions of one, as a number or its text. False: something else is there. */
static bool take_minutes(struct slice value, struct arena *arena, int64_t *ms)
{
    static const double most = 1e9; /* far beyond every limit, and within what can be multiplied */
    double number;
    if (json_type(value) <= JSON_NULL) {
        return true;
    }
    if (json_type(value) == JSON_STRING &&
        json_scan(json_decode_string(value, arena), 0, &value) != 0) {
        return false;
    }
    if (json_type(value) != JSON_NUMBER || !json_to_double(value, &number)) {
        return false;
    }
    number = number < 0 ? 0 : number > most ? most : number;
    *ms = (int64_t)llround(number * (double)minute);
    return true;
}

static int64_t between(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void agent_session_init(struct agent_session *session,
                        const struct agent_session_settings *settings)
{
    *session = (struct agent_session){.timeout = settings->timeout,
                                      .duration = settings->duration,
                                      .warning = settings->warning,
                                      .renews_itself = true};
}

enum agent_session_fault agent_session_configure(struct agent_session *session,
                                                 const struct agent_session_settings *settings,
                                                 struct slice raw_config, struct arena *arena)
{
    struct config config = config_of(raw_config);
    int64_t timeout = session->timeout, duration = session->duration, warning = session->warning;
    bool renews = session->renews_itself;
    if ((json_type(raw_config) > JSON_NULL && json_type(raw_config) != JSON_OBJECT) ||
        !take_minutes(config.timeout, arena, &timeout) ||
        !take_minutes(config.duration, arena, &duration) ||
        !take_minutes(config.warning, arena, &warning) ||
        (json_type(config.renews) > JSON_NULL && !json_to_boolean(config.renews, &renews))) {
        return AGENT_SESSION_NO_CONFIG;
    }
    session->renews_itself = renews;
    session->timeout = between(timeout, settings->timeout_min, settings->timeout_max);
    session->duration = between(duration, session->timeout, 2 * settings->timeout_max);
    session->warning = warning;
    return session->timeout == timeout ? AGENT_SESSION_FITS : AGENT_SESSION_OUT_OF_RANGE;
}

/* What is there, and within these bounds; else as it was. */
static void take_setting(struct slice value, int64_t least, int64_t most, struct arena *arena,
                         int64_t *ms)
{
    int64_t taken = *ms;
    if (json_type(value) > JSON_NULL && take_minutes(value, arena, &taken)) {
        *ms = between(taken, least, most);
    }
}

void agent_session_take_settings(struct agent_session *session,
                                 const struct agent_session_settings *settings,
                                 struct slice raw_settings, struct arena *arena)
{
    struct slice timeout = SLICE_EMPTY, duration = SLICE_EMPTY, warning = SLICE_EMPTY;
    struct slice renews = SLICE_EMPTY;
    const struct json_field fields[] = {{"SESSION_TIMEOUT_MINUTES", &timeout},
                                        {"SESSION_MAX_DURATION_MINUTES", &duration},
                                        {"SESSION_WARNING_THRESHOLD_MINUTES", &warning},
                                        {"SESSION_AUTO_RENEW", &renews}};
    if (json_type(raw_settings) != JSON_OBJECT) {
        return;
    }
    json_collect(raw_settings, fields, sizeof(fields) / sizeof(fields[0]));
    take_setting(timeout, settings->timeout_min, settings->timeout_max, arena, &session->timeout);
    take_setting(duration, session->timeout, 2 * settings->timeout_max, arena, &session->duration);
    take_setting(warning, minute, settings->timeout_max, arena, &session->warning);
    if (json_type(renews) == JSON_STRING) {
        renews = json_decode_string(renews, arena);
        session->renews_itself =
            slice_is(renews, "true") || (session->renews_itself && !slice_is(renews, "false"));
    } else {
        json_to_boolean(renews, &session->renews_itself);
    }
}

static int64_t end_of(const struct agent_session *session)
{
    return session->created_at + session->duration;
}

void agent_session_begin(struct agent_session *session, int64_t now)
{
    int64_t next = now + session->timeout;
    session->last_activity = now;
    session->expires_at = next < end_of(session) ? next : end_of(session);
}

bool agent_session_renew(struct agent_session *session, int64_t now)
{
    if (now >= end_of(session)) {
        return false;
    }
    agent_session_begin(session, now);
    session->renewals++;
    return true;
}

bool agent_session_is_expired(const struct agent_session *session, int64_t now)
{
    return now >= session->expires_at;
}

bool agent_session_is_near_end(const struct agent_session *session, int64_t now)
{
    int64_t left = session->expires_at - now;
    return left > 0 && left <= session->warning;
}

/* --- records ---------------------------------------------------------------------------------- */

static void write_minutes(struct buffer *out, const char *name, int64_t ms)
{
    json_write_key(out, name);
    json_write_double(out, (double)ms / (double)minute);
}

void agent_session_write_config(const struct agent_session *session, struct buffer *out)
{
    json_write_key(out, "timeoutConfig");
    buffer_append_char(out, '{');
    write_minutes(out, "timeoutMinutes", session->timeout);
    json_write_boolean_member(out, "autoRenew", session->renews_itself);
    write_minutes(out, "maxDurationMinutes", session->duration);
    write_minutes(out, "warningThresholdMinutes", session->warning);
    buffer_append_char(out, '}');
}

static struct slice metadata_of(const struct agent_session *session)
{
    return session->metadata.length > 0 ? session->metadata : SLICE_LITERAL("{}");
}

void agent_session_write(const struct agent_session *session, struct buffer *out)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "channelId", session->channel);
    json_write_string_member(out, "agentId", session->agent);
    json_write_string_member(out, "userId", session->user);
    json_write_raw_member(out, "metadata", metadata_of(session));
    agent_session_write_config(session, out);
    json_write_signed_member(out, "createdAt", session->created_at);
    json_write_signed_member(out, "lastActivity", session->last_activity);
    json_write_signed_member(out, "expiresAt", session->expires_at);
    json_write_signed_member(out, "renewalCount", session->renewals);
    json_write_unsigned_member(out, "change", session->change);
    buffer_append_char(out, '}');
}

static bool read_config(struct agent_session *session, struct slice raw, struct arena *arena)
{
    struct config config = config_of(raw);
    return take_minutes(config.timeout, arena, &session->timeout) &&
           take_minutes(config.duration, arena, &session->duration) &&
           take_minutes(config.warning, arena, &session->warning) &&
           json_to_boolean(config.renews, &session->renews_itself);
}

bool agent_session_read(struct slice body, struct arena *arena, struct agent_session *session)
{
    struct slice channel = SLICE_EMPTY, agent = SLICE_EMPTY, user = SLICE_EMPTY;
    struct slice created = SLICE_EMPTY, activity = SLICE_EMPTY, expires = SLICE_EMPTY;
    struct slice renewals = SLICE_EMPTY, config = SLICE_EMPTY;
    *session = (struct agent_session){.channel = SLICE_EMPTY};
    const struct json_field fields[] = {
        {"channelId", &channel},    {"agentId", &agent},         {"userId", &user},
        {"timeoutConfig", &config}, {"createdAt", &created},     {"lastActivity", &activity},
        {"expiresAt", &expires},    {"renewalCount", &renewals}, {"metadata", &session->metadata}};
    if (json_type(body) != JSON_OBJECT) {
        return false;
    }
    json_collect(body, fields, sizeof(fields) / sizeof(fields[0]));
    session->channel = json_decode_string(channel, arena);
    session->agent = json_decode_string(agent, arena);
    session->user = json_decode_string(user, arena);
    return session->channel.length > 0 && read_config(session, config, arena) &&
           json_to_integer(created, &session->created_at) &&
           json_to_integer(activity, &session->last_activity) &&
           json_to_integer(expires, &session->expires_at) &&
           json_to_integer(renewals, &session->renewals);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void write_time(struct buffer *out, const char *name, int64_t time)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(time, text);
    json_write_string_member(out, name, slice_of_string(text));
}

void agent_session_write_info(const struct agent_session *session, struct slice id, int64_t now,
                              struct buffer *out)
{
    int64_t left = session->expires_at - now;
    json_write_string_member(out, "sessionId", id);
    json_write_string_member(out, "channelId", session->channel);
    json_write_string_member(out, "agentId", session->agent);
    json_write_string_member(out, "userId", session->user);
    write_time(out, "createdAt", session->created_at);
    write_time(out, "lastActivity", session->last_activity);
    json_write_raw_member(out, "metadata", metadata_of(session));
    write_time(out, "expiresAt", session->expires_at);
    agent_session_write_config(session, out);
    json_write_signed_member(out, "renewalCount", session->renewals);
    json_write_signed_member(out, "timeRemaining", left > 0 ? left : 0);
    json_write_boolean_member(out, "isNearExpiration", agent_session_is_near_end(session, now));
}

void agent_session_write_status(const struct agent_session *session, bool was_renewed, int64_t now,
                                struct buffer *out)
{
    buffer_append_char(out, '{');
    write_time(out, "expiresAt", session->expires_at);
    json_write_signed_member(out, "renewalCount", session->renewals);
    json_write_boolean_member(out, "wasRenewed", was_renewed);
    json_write_boolean_member(out, "isNearExpiration", agent_session_is_near_end(session, now));
    buffer_append_char(out, '}');
}
