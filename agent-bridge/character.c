#include "agent-bridge/character.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/error.h"
#include "proto/base/id.h"
#include "proto/base/json.h"
#include "proto/base/memory.h"

/* --- pieces ----------------------------------------------------------------------------------- */

static struct slice text_of(struct character *self, struct slice value)
{
    if (json_type(value) != JSON_STRING) {
        return SLICE_EMPTY;
    }
    return arena_copy(&self->arena, json_decode_string(value, &self->arena));
}

static void append_entry(struct character *self, struct slice value, const char *separator,
                         struct buffer *out)
{
    struct slice text = text_of(self, value);
    if (text.length > 0 && out->length > 0) {
        buffer_append_string(out, separator);
    }
    buffer_append_slice(out, text);
}

/* A text, or a list of them. */
static void append_list(struct character *self, struct slice value, const char *separator,
                        struct buffer *out)
{
    if (json_type(value) != JSON_ARRAY) {
        append_entry(self, value, separator, out);
        return;
    }
    struct json_iterator iterator = json_iterate(value);
    struct slice element;
    while (json_next_element(&iterator, &element)) {
        append_entry(self, element, separator, out);
    }
}

static struct slice list_of(struct character *self, struct slice value, const char *separator)
{
    struct buffer out = BUFFER_EMPTY;
    append_list(self, value, separator, &out);
    struct slice copy = arena_copy(&self->arena, buffer_slice(&out));
    buffer_deinit(&out);
    return copy;
}

static struct slice style_of(struct character *self, struct slice style)
{
    struct buffer out = BUFFER_EMPTY;
    if (json_type(style) == JSON_OBJECT) {
        append_list(self, json_get(style, "all"), "\n", &out);
        append_list(self, json_get(style, "chat"), "\n", &out);
    }
    struct slice copy = arena_copy(&self->arena, buffer_slice(&out));
    buffer_deinit(&out);
    return copy;
}

/* --- message examples ------------------------------------------------------------------------- */

/* {{user1}} and {{name1}} stand for anybody. */
static struct slice speaker_of(struct character *self, struct slice speech)
{
    struct slice name = text_of(self, json_get(speech, "name"));
    if (name.length == 0) {
        name = text_of(self, json_get(speech, "user"));
    }
    bool is_placeholder = name.length > 2 && name.data[0] == '{' && name.data[1] == '{';
    return name.length == 0 || is_placeholder ? SLICE_LITERAL("User") : name;
}

static void append_dialogue(struct character *self, struct slice dialogue, struct buffer *out)
{
    struct json_iterator iterator = json_iterate(dialogue);
    struct slice speech;
    if (out->length > 0) {
        buffer_append_char(out, '\n');
    }
    while (json_next_element(&iterator, &speech)) {
        struct slice content = SLICE_EMPTY;
        if (json_type(speech) == JSON_OBJECT) {
            content = json_get(speech, "content");
        }
        struct slice text = json_type(content) == JSON_OBJECT
                                ? text_of(self, json_get(content, "text"))
                                : text_of(self, content);
        if (text.length > 0) {
            buffer_append_slice(out, speaker_of(self, speech));
            buffer_append_string(out, ": ");
            buffer_append_slice(out, text);
            buffer_append_char(out, '\n');
        }
    }
}

static struct slice examples_of(struct character *self, struct slice value)
{
    struct buffer out = BUFFER_EMPTY;
    if (json_type(value) == JSON_ARRAY) {
        struct json_iterator iterator = json_iterate(value);
        struct slice dialogue;
        while (json_next_element(&iterator, &dialogue)) {
            if (json_type(dialogue) == JSON_ARRAY) {
                append_dialogue(self, dialogue, &out);
            }
        }
    }
    struct slice copy = arena_copy(&self->arena, buffer_slice(&out));
    buffer_deinit(&out);
    return copy;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool key_is(struct character *self, struct slice key, const char *name)
{
    /* Raw keys may be escaped; what hides a secret so is hidden all the same. */
    char *quoted = arena_allocate(&self->arena, key.length + 2);
    quoted[0] = '"';
    memcpy(quoted + 1, key.data, key.length);
    quoted[key.length + 1] = '"';
    return json_string_is(slice_of(quoted, key.length + 2), name);
}

static void append_members(struct character *self, struct slice object, bool is_top,
                           struct buffer *out)
{
    struct json_iterator iterator = json_iterate(object);
    struct slice key, value;
    bool is_first = true;
    buffer_append_char(out, '{');
    while (json_next_member(&iterator, &key, &value)) {
        if (key_is(self, key, "secrets")) {
            continue;
        }
        buffer_append_string(out, is_first ? "\"" : ",\"");
        buffer_append_slice(out, key);
        buffer_append_string(out, "\":");
        if (is_top && json_type(value) == JSON_OBJECT && key_is(self, key, "settings")) {
            append_members(self, value, false, out);
        } else {
            buffer_append_slice(out, value);
        }
        is_first = false;
    }
    buffer_append_char(out, '}');
}

static void read_settings(struct character *self, struct slice settings)
{
    struct slice own = SLICE_EMPTY, runtime = SLICE_EMPTY, model = SLICE_EMPTY;
    struct slice extract = SLICE_EMPTY, reply = SLICE_EMPTY, remote_id = SLICE_EMPTY;
    struct slice reply_to_agents = SLICE_EMPTY;
    const struct json_field fields[] = {{"runtime", &runtime},
                                        {"model", &model},
                                        {"extract", &extract},
                                        {"reply", &reply},
                                        {"replyToAgents", &reply_to_agents},
                                        {"agentId", &remote_id}};
    if (json_type(settings) == JSON_OBJECT) {
        own = json_get(settings, "elizamq");
    }
    if (json_type(own) == JSON_OBJECT) {
        json_collect(own, fields, sizeof(fields) / sizeof(fields[0]));
    }
    self->runtime = text_of(self, runtime);
    self->model = text_of(self, model);
    self->extract = text_of(self, extract);
    self->reply = text_of(self, reply);
    self->reply_to_agents = text_of(self, reply_to_agents);
    self->remote_id = text_of(self, remote_id);
}

static bool is_policy(struct slice reply)
{
    return reply.length == 0 || slice_is(reply, "always") || slice_is(reply, "mention") ||
           slice_is(reply, "never");
}

static const char *read_members(struct character *self, struct slice object)
{
    struct slice name = SLICE_EMPTY, id = SLICE_EMPTY, system = SLICE_EMPTY, bio = SLICE_EMPTY;
    struct slice adjectives = SLICE_EMPTY, topics = SLICE_EMPTY, style = SLICE_EMPTY;
    struct slice examples = SLICE_EMPTY, settings = SLICE_EMPTY;
    const struct json_field fields[] = {{"name", &name},
                                        {"id", &id},
                                        {"system", &system},
                                        {"bio", &bio},
                                        {"style", &style},
                                        {"adjectives", &adjectives},
                                        {"topics", &topics},
                                        {"settings", &settings},
                                        {"messageExamples", &examples}};
    json_collect(object, fields, sizeof(fields) / sizeof(fields[0]));
    self->name = text_of(self, name);
    self->id = text_of(self, id);
    self->system = text_of(self, system);
    self->bio = list_of(self, bio, "\n");
    self->adjectives = list_of(self, adjectives, ", ");
    self->topics = list_of(self, topics, ", ");
    self->style = style_of(self, style);
    self->examples = examples_of(self, examples);
    read_settings(self, settings);
    if (self->name.length == 0) {
        return "it has no name";
    }
    if (json_type(id) != JSON_NONE && json_type(id) != JSON_NULL && !uuid_is_valid(self->id)) {
        return "its id is no UUID";
    }
    if (self->remote_id.length > 0 && !uuid_is_valid(self->remote_id)) {
        return "its settings.elizamq.agentId is no UUID";
    }
    if (!is_policy(self->reply)) {
        return "its settings.elizamq.reply is none of always, mention, never";
    }
    if (!is_policy(self->reply_to_agents)) {
        return "its settings.elizamq.replyToAgents is none of always, mention, never";
    }
    return NULL;
}

static size_t faulty_line(struct slice json)
{
    size_t line = 1;
    for (size_t i = json_fault(json); i > 0; i--) {
        line += json.data[i - 1] == '\n';
    }
    return line;
}

struct character *character_read(struct slice json, char *error)
{
    struct slice object;
    if (json.length > CHARACTER_MAX) {
        snprintf(error, CHARACTER_ERROR_SIZE, "it is larger than %d KiB", CHARACTER_MAX / 1024);
        return NULL;
    }
    int result = json_scan(json, JSON_MAX_DEPTH, &object);
    if (result == ERROR_MALFORMED && json.length > 0) {
        snprintf(error, CHARACTER_ERROR_SIZE, "it is no JSON from line %zu on", faulty_line(json));
        return NULL;
    }
    if (result != 0 || json_type(object) != JSON_OBJECT) {
        snprintf(error, CHARACTER_ERROR_SIZE, "it is no JSON object");
        return NULL;
    }
    struct character *self = memory_allocate_zeroed(sizeof(*self));
    arena_init(&self->arena);
    const char *problem = read_members(self, object);
    if (problem != NULL) {
        snprintf(error, CHARACTER_ERROR_SIZE, "%s", problem);
        character_destroy(&self);
        return NULL;
    }
    struct buffer out = BUFFER_EMPTY;
    append_members(self, object, true, &out);
    self->details = arena_copy(&self->arena, buffer_slice(&out));
    buffer_deinit(&out);
    return self;
}

void character_destroy(struct character **self)
{
    struct character *character = *self;
    *self = NULL;
    if (character != NULL) {
        arena_deinit(&character->arena);
        free(character);
    }
}
