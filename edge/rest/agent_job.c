#include "edge/rest/agent_job.h"

#include <string.h>

#include "proto/base/json.h"

static const char *const names[AGENT_JOB_STATUSES] = {"pending", "processing", "completed",
                                                      "failed", "timeout"};

const char *agent_job_status_name(enum agent_job_status status)
{
    return names[status];
}

enum agent_job_status agent_job_status_of(struct slice name)
{
    for (int status = 0; status < AGENT_JOB_STATUSES; status++) {
        if (slice_is(name, names[status])) {
            return (enum agent_job_status)status;
        }
    }
    return AGENT_JOB_STATUSES;
}

bool agent_job_is_over(const struct agent_job *job)
{
    return job->status > AGENT_JOB_PROCESSING;
}

bool agent_job_is_answer(const struct agent_job *job, struct slice sender, struct slice text)
{
    static const char note[] = "Executing action:";
    bool is_note =
        text.length >= sizeof(note) - 1 && memcmp(text.data, note, sizeof(note) - 1) == 0;
    return !is_note && slice_equals(sender, job->agent);
}

static void finish(struct agent_job *job, enum agent_job_status status, int64_t at)
{
    if (!agent_job_is_over(job)) {
        job->status = status;
        job->finished_at = at;
    }
}

void agent_job_answered(struct agent_job *job, int64_t at)
{
    if (at <= job->expires_at) {
        finish(job, AGENT_JOB_COMPLETED, at);
    } else {
        finish(job, AGENT_JOB_TIMED_OUT, job->expires_at);
    }
}

void agent_job_unanswered(struct agent_job *job, bool is_expected, int64_t now)
{
    if (now > job->expires_at) {
        finish(job, AGENT_JOB_TIMED_OUT, job->expires_at);
    } else if (!is_expected) {
        finish(job, AGENT_JOB_FAILED, now);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

void agent_job_write(const struct agent_job *job, struct buffer *out)
{
    buffer_append_char(out, '{');
    json_write_string_member(out, "channelId", job->channel);
    json_write_string_member(out, "agentId", job->agent);
    json_write_string_member(out, "userId", job->user);
    json_write_string_member(out, "messageId", job->question);
    json_write_raw_member(out, "metadata",
                          job->metadata.length > 0 ? job->metadata : SLICE_LITERAL("{}"));
    json_write_signed_member(out, "createdAt", job->created_at);
    json_write_signed_member(out, "expiresAt", job->expires_at);
    json_write_string_member(out, "status", slice_of_string(names[job->status]));
    json_write_signed_member(out, "finishedAt", job->finished_at);
    buffer_append_char(out, '}');
}

bool agent_job_read(struct slice body, struct arena *arena, struct agent_job *job)
{
    struct slice channel = SLICE_EMPTY, agent = SLICE_EMPTY, user = SLICE_EMPTY;
    struct slice question = SLICE_EMPTY, created = SLICE_EMPTY, expires = SLICE_EMPTY;
    struct slice status = SLICE_EMPTY, finished = SLICE_EMPTY;
    *job = (struct agent_job){.channel = SLICE_EMPTY};
    const struct json_field fields[] = {
        {"channelId", &channel},  {"agentId", &agent},       {"userId", &user},
        {"messageId", &question}, {"createdAt", &created},   {"expiresAt", &expires},
        {"status", &status},      {"finishedAt", &finished}, {"metadata", &job->metadata}};
    if (json_type(body) != JSON_OBJECT) {
        return false;
    }
    json_collect(body, fields, sizeof(fields) / sizeof(fields[0]));
    job->channel = json_decode_string(channel, arena);
    job->agent = json_decode_string(agent, arena);
    job->user = json_decode_string(user, arena);
    job->question = json_decode_string(question, arena);
    job->status = agent_job_status_of(json_decode_string(status, arena));
    return job->channel.length > 0 && job->status != AGENT_JOB_STATUSES &&
           json_to_integer(created, &job->created_at) &&
           json_to_integer(expires, &job->expires_at) &&
           json_to_integer(finished, &job->finished_at);
}
