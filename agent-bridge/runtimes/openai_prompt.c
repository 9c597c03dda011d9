#include "agent-bridge/runtimes/openai_prompt.h"

#include "agent-bridge/character.h"
#include "proto/base/json.h"

static size_t tokens_of(size_t bytes)
{
    return (bytes + OPENAI_BYTES_PER_TOKEN - 1) / OPENAI_BYTES_PER_TOKEN +
           OPENAI_TOKENS_PER_MESSAGE;
}

static void append_section(struct buffer *out, const char *title, struct slice text)
{
    if (text.length > 0) {
        buffer_append_format(out, "\n\n%s\n", title);
        buffer_append_slice(out, text);
    }
}

static void write_system(const struct runtime_request *request, struct buffer *out)
{
    const struct character *character = request->character;
    if (character != NULL && character->system.length > 0) {
        buffer_append_slice(out, character->system);
    } else {
        buffer_append_string(out, "You are ");
        buffer_append_slice(out, request->agent_name);
        buffer_append_string(out, ", talking to people in a chat room.");
    }
    if (character != NULL) {
        append_section(out, "About you:", character->bio);
        append_section(out, "You are:", character->adjectives);
        append_section(out, "You know about:", character->topics);
        append_section(out, "How you write:", character->style);
    }
}

/* Whether people have to be told apart: somebody else than the asker has spoken. */
static bool is_group(const struct runtime_request *request)
{
    for (size_t i = 0; i < request->history_count; i++) {
        const struct runtime_turn *turn = &request->history[i];
        if (!turn->is_own && !slice_equals(turn->sender_id, request->sender_id)) {
            return true;
        }
    }
    return false;
}

static void begin_message(struct buffer *out, const char *role)
{
    buffer_append_string(out, out->data[out->length - 1] == '[' ? "{\"role\":\"" : ",{\"role\":\"");
    buffer_append_string(out, role);
    buffer_append_string(out, "\",\"content\":");
}

static void write_speech(struct buffer *out, struct buffer *scratch, bool is_group_talk,
                         struct slice name, struct slice text)
{
    begin_message(out, "user");
    if (is_group_talk && name.length > 0) {
        buffer_clear(scratch);
        buffer_append_slice(scratch, name);
        buffer_append_string(scratch, ": ");
        buffer_append_slice(scratch, text);
        text = buffer_slice(scratch);
    }
    json_write_string(out, text);
    buffer_append_char(out, '}');
}

static size_t turn_tokens(const struct runtime_turn *turn)
{
    return tokens_of(turn->text.length + (turn->is_own ? 0 : turn->sender_name.length + 2));
}

/* The first message of the history from which on all of it fits. */
static size_t first_turn(const struct runtime_request *request, size_t budget, size_t *tokens)
{
    size_t first = request->history_count;
    while (first > 0 && *tokens + turn_tokens(&request->history[first - 1]) <= budget) {
        first--;
        *tokens += turn_tokens(&request->history[first]);
    }
    return first;
}

static void write_settings(const struct openai_prompt_settings *settings, struct buffer *out)
{
    json_write_boolean_member(out, "stream", true);
    if (settings->temperature != NULL) {
        json_write_raw_member(out, "temperature", slice_of_string(settings->temperature));
    }
    if (settings->max_tokens > 0) {
        json_write_signed_member(out, "max_tokens", settings->max_tokens);
    }
}

void openai_prompt_write(const struct openai_prompt_settings *settings,
                         const struct runtime_request *request, struct buffer *out,
                         struct openai_prompt_summary *summary)
{
    struct buffer system = BUFFER_EMPTY, scratch = BUFFER_EMPTY;
    bool is_group_talk = is_group(request);
    size_t budget = (size_t)(settings->context_tokens > settings->max_tokens
                                 ? settings->context_tokens - settings->max_tokens
                                 : 0);
    struct slice examples = request->character == NULL ? SLICE_EMPTY : request->character->examples;
    write_system(request, &system);
    size_t tokens = tokens_of(system.length) +
                    tokens_of(request->text.length + request->sender_name.length + 2);
    size_t first = first_turn(request, budget, &tokens);
    summary->has_examples =
        examples.length > 0 && first == 0 && tokens + tokens_of(examples.length) <= budget;
    if (summary->has_examples) {
        append_section(&system, "Examples of how you talk:", examples);
        tokens += tokens_of(examples.length);
    }

    buffer_append_char(out, '{');
    json_write_string_member(out, "model", settings->model);
    json_write_key(out, "messages");
    buffer_append_char(out, '[');
    begin_message(out, "system");
    json_write_string(out, buffer_slice(&system));
    buffer_append_char(out, '}');
    for (size_t i = first; i < request->history_count; i++) {
        const struct runtime_turn *turn = &request->history[i];
        if (turn->is_own) {
            begin_message(out, "assistant");
            json_write_string(out, turn->text);
            buffer_append_char(out, '}');
        } else {
            write_speech(out, &scratch, is_group_talk, turn->sender_name, turn->text);
        }
    }
    write_speech(out, &scratch, is_group_talk, request->sender_name, request->text);
    buffer_append_char(out, ']');
    write_settings(settings, out);
    summary->messages = request->history_count - first + 2;
    summary->left_out = first;
    summary->tokens = tokens;
    buffer_deinit(&system);
    buffer_deinit(&scratch);
}
