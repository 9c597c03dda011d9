#include "agent-bridge/character_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/error.h"
#include "proto/base/json.h"

enum { FILE_MODE = 0640 };

static int fail(char *reason, int error, const char *text)
{
    snprintf(reason, RUNTIME_ERROR_SIZE, "%s", text);
    return error;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool write_all(int file, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        size_t count = written < 0 ? 0 : (size_t)written;
        bytes = slice_of(bytes.data + count, bytes.length - count);
    }
    return fsync(file) == 0;
}

/* path: with its NUL. */
static int replace_file(const char *path, struct slice bytes, char *reason)
{
    struct buffer beside = BUFFER_EMPTY;
    buffer_append_format(&beside, "%s.new", path);
    buffer_append_char(&beside, '\0');
    int file = open(beside.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    bool is_written = file >= 0 && write_all(file, bytes);
    if (file >= 0) {
        is_written = close(file) == 0 && is_written;
    }
    is_written = is_written && rename(beside.data, path) == 0;
    int error = is_written ? 0 : fail(reason, ERROR_SYSTEM, strerror(errno));
    if (!is_written && file >= 0) {
        unlink(beside.data);
    }
    buffer_deinit(&beside);
    return error;
}

/* --- what a character becomes ----------------------------------------------------------------- */

/* Of what the API shows of an agent, what is no part of its character. */
static bool is_shown_only(struct slice key)
{
    static const char *const names[] = {"id",        "status",    "enabled",
                                        "server_id", "createdAt", "updatedAt"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

static struct slice member_of(struct slice object, struct slice name)
{
    struct json_iterator members = json_iterate(object);
    struct slice key, value;
    while (json_next_member(&members, &key, &value)) {
        if (slice_equals(key, name)) {
            return value;
        }
    }
    return SLICE_EMPTY;
}

static void write_member(struct buffer *out, struct slice key, struct slice value)
{
    if (out->data[out->length - 1] != '{') {
        buffer_append_char(out, ',');
    }
    buffer_append_char(out, '"');
    buffer_append_slice(out, key);
    buffer_append_string(out, "\":");
    buffer_append_slice(out, value);
}

/* Secrets are shown as none: none means those that are there. */
static bool means_nothing(struct slice key, struct slice value)
{
    struct json_iterator members = json_iterate(value);
    struct slice first, unused;
    return slice_is(key, "secrets") && json_type(value) == JSON_OBJECT &&
           !json_next_member(&members, &first, &unused);
}

/* The members of one, with those of the other in place of its own, and added. */
static void write_settings(struct buffer *out, struct slice before, struct slice after)
{
    struct json_iterator members = json_iterate(before);
    struct slice key, value;
    buffer_append_char(out, '{');
    while (json_next_member(&members, &key, &value)) {
        struct slice other = member_of(after, key);
        bool is_kept = other.length == 0 || means_nothing(key, other);
        write_member(out, key, is_kept ? value : other);
    }
    members = json_iterate(after);
    while (json_next_member(&members, &key, &value)) {
        if (member_of(before, key).length == 0) {
            write_member(out, key, value);
        }
    }
    buffer_append_char(out, '}');
}

static void write_changed(struct buffer *out, struct slice id, struct slice before,
                          struct slice after)
{
    struct json_iterator members = json_iterate(before);
    struct slice key, value;
    buffer_append_char(out, '{');
    json_write_string_member(out, "id", id);
    while (json_next_member(&members, &key, &value)) {
        struct slice other = is_shown_only(key) ? SLICE_EMPTY : member_of(after, key);
        bool is_settings = slice_is(key, "settings") && json_type(value) == JSON_OBJECT &&
                           json_type(other) == JSON_OBJECT;
        if (is_settings) {
            struct buffer settings = BUFFER_EMPTY;
            write_settings(&settings, value, other);
            write_member(out, key, buffer_slice(&settings));
            buffer_deinit(&settings);
        } else if (!slice_is(key, "id")) {
            write_member(out, key, other.length > 0 ? other : value);
        }
    }
    members = json_iterate(after);
    while (json_next_member(&members, &key, &value)) {
        if (!is_shown_only(key) && member_of(before, key).length == 0) {
            write_member(out, key, value);
        }
    }
    buffer_append_string(out, "}\n");
}

static int write_character(const struct character_files *self, const char *path, struct slice id,
                           struct slice before, struct slice after, char *reason)
{
    struct buffer json = BUFFER_EMPTY;
    int error = 0;
    write_changed(&json, id, before, after);
    if (!agent_files_check(self->files, buffer_slice(&json), reason)) {
        error = ERROR_MALFORMED;
    } else {
        error = replace_file(path, buffer_slice(&json), reason);
    }
    buffer_deinit(&json);
    return error;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int make(const struct character_files *self, const struct bus_character_change *change,
                char *reason)
{
    struct slice character;
    struct buffer path = BUFFER_EMPTY;
    if (agents_find(self->agents, change->agent) != NULL) {
        return fail(reason, ERROR_CONFLICT, "An agent with that ID is there already");
    }
    if (!uuid_is_valid(change->agent) ||
        json_scan(change->details, JSON_MAX_DEPTH, &character) != 0 ||
        json_type(character) != JSON_OBJECT) {
        return fail(reason, ERROR_MALFORMED, "That is no character");
    }
    buffer_append_format(&path, "%s/%.*s.json", self->files->path, (int)change->agent.length,
                         change->agent.data);
    buffer_append_char(&path, '\0');
    int error = access(path.data, F_OK) == 0
                    ? fail(reason, ERROR_CONFLICT, "A file of that ID is there already")
                    : write_character(self, path.data, change->agent, SLICE_LITERAL("{}"),
                                      character, reason);
    buffer_deinit(&path);
    return error;
}

/* Reads the one character that is in the agent's file. */
static int read_own(const struct agent *agent, struct buffer *text, struct slice *character,
                    char *reason)
{
    const char *source = agent_source(agent);
    if (source == NULL) {
        return fail(reason, ERROR_FORBIDDEN, "The agent has no file");
    }
    if (!agent_files_read(source, text, reason)) {
        return ERROR_SYSTEM;
    }
    if (json_scan(buffer_slice(text), JSON_MAX_DEPTH, character) != 0 ||
        json_type(*character) != JSON_OBJECT) {
        return fail(reason, ERROR_FORBIDDEN, "The agent's file holds more than its character");
    }
    return 0;
}

static int alter(const struct character_files *self, const struct agent *agent,
                 const struct bus_character_change *change, char *reason)
{
    struct buffer text = BUFFER_EMPTY;
    struct slice before, after;
    int error = read_own(agent, &text, &before, reason);
    if (error == 0 && (json_scan(change->details, JSON_MAX_DEPTH, &after) != 0 ||
                       json_type(after) != JSON_OBJECT)) {
        error = fail(reason, ERROR_MALFORMED, "That is no character");
    }
    if (error == 0) {
        error = write_character(self, agent_source(agent), agent->id, before, after, reason);
    }
    buffer_deinit(&text);
    return error;
}

static int delete (const struct character_files *self, const struct agent *agent, char *reason)
{
    struct buffer text = BUFFER_EMPTY;
    struct slice character;
    int error = agents_count(self->agents) > 1
                    ? read_own(agent, &text, &character, reason)
                    : fail(reason, ERROR_FORBIDDEN, "A bridge keeps its last agent");
    if (error == 0 && unlink(agent_source(agent)) != 0) {
        error = fail(reason, ERROR_SYSTEM, strerror(errno));
    }
    buffer_deinit(&text);
    return error;
}

int character_files_apply(const struct character_files *self,
                          const struct bus_character_change *change, char *reason)
{
    struct stat status;
    const struct agent *agent = agents_find(self->agents, change->agent);
    bool is_directory = self->files->path != NULL && stat(self->files->path, &status) == 0 &&
                        S_ISDIR(status.st_mode);
    if (!self->is_writable || !is_directory) {
        return fail(reason, ERROR_FORBIDDEN,
                    "Agents are characters in files here (see --agents-writable)");
    }
    if (change->action == BUS_AGENT_IS_MADE) {
        return make(self, change, reason);
    }
    if (agent == NULL) {
        return fail(reason, ERROR_NOT_FOUND, "Agent not found");
    }
    return change->action == BUS_AGENT_IS_CHANGED ? alter(self, agent, change, reason)
                                                  : delete (self, agent, reason);
}
