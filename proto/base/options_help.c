#include "proto/base/options_help.h"

#include <assert.h>
#include <string.h>

#include "proto/base/option_value.h"

enum { COLUMNS = 96, TEXT_COLUMN = 32 };

#define VARIABLE_PREFIX "ELIZAMQ_"

void option_variable(const char *flag, char out[OPTION_VARIABLE_SIZE])
{
    size_t length = strlen(VARIABLE_PREFIX);

    assert(length + strlen(flag) < OPTION_VARIABLE_SIZE);
    memcpy(out, VARIABLE_PREFIX, length);
    for (; *flag != '\0'; flag++) {
        bool is_lower = *flag >= 'a' && *flag <= 'z';

        out[length++] = *flag == '-' ? '_' : is_lower ? (char)(*flag - 'a' + 'A') : *flag;
    }
    out[length] = '\0';
}

static void pad_to(struct buffer *out, size_t *column, size_t wanted)
{
    for (; *column < wanted; (*column)++) {
        buffer_append_char(out, ' ');
    }
}

/* Appends words from `column` on, and breaks before COLUMNS to a line that begins at `indent`. */
static void wrap(struct buffer *out, const char *text, size_t column, size_t indent)
{
    bool is_first = true;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (!is_first && column + 1 + word > COLUMNS) {
            buffer_append_char(out, '\n');
            column = 0;
            is_first = true;
        }
        if (!is_first) {
            buffer_append_char(out, ' ');
            column++;
        }
        pad_to(out, &column, indent);
        buffer_append(out, text, word);
        column += word;
        is_first = false;
        text += word;
        text += strspn(text, " ");
    }
    buffer_append_char(out, '\n');
}

static const char *value_name(const struct option *option)
{
    if (option->choices != NULL) {
        return option->choices;
    }
    switch (option->type) {
    case OPTION_FLAG:
        return NULL;
    case OPTION_INTEGER:
        return "N";
    case OPTION_DURATION:
        return "DURATION";
    case OPTION_SIZE:
        return "SIZE";
    case OPTION_ENDPOINT:
        return "ENDPOINT";
    case OPTION_ADDRESS:
        return "HOST:PORT";
    case OPTION_RATE:
        return "COUNT/TIME";
    case OPTION_STRING:
    case OPTION_CHOICE:
        break;
    }
    return "TEXT";
}

/* What the table knows beside the sentence: bounds, default and variable. */
static void append_facts(const struct option *option, struct buffer *text)
{
    char variable[OPTION_VARIABLE_SIZE];

    option_variable(option->flag, variable);
    buffer_append_string(text, " [");
    if (option_is_number(option->type)) {
        option_value_format(option->type, option->minimum, text);
        buffer_append_string(text, " to ");
        option_value_format(option->type, option->maximum, text);
        buffer_append_string(text, "; ");
    }
    if (option->default_text != NULL) {
        buffer_append_format(text, "default %s; ", option->default_text);
    }
    buffer_append_format(text, "%s]", variable);
}

static void append_option(const struct option *option, struct buffer *out)
{
    struct buffer text = BUFFER_EMPTY;
    const char *value = value_name(option);
    size_t start = out->length;
    size_t column;

    buffer_append_format(out, "  --%s", option->flag);
    if (value != NULL && option->type != OPTION_FLAG) {
        buffer_append_format(out, " %s", value);
    }
    column = out->length - start;
    if (column + 2 > TEXT_COLUMN) {
        buffer_append_char(out, '\n');
        column = 0;
    }
    pad_to(out, &column, TEXT_COLUMN);

    buffer_append_string(&text, option->help);
    append_facts(option, &text);
    buffer_append_char(&text, '\0');
    wrap(out, text.data, column, TEXT_COLUMN);
    buffer_deinit(&text);
}

void options_help_begin(const char *program, const char *summary, struct buffer *out)
{
    buffer_append_format(out, "Usage: %s [--option value]...\n\n", program);
    wrap(out, summary, 0, 0);
    buffer_append_char(out, '\n');
}

void options_help_table(const struct option *table, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        append_option(&table[i], out);
    }
}

static void append_plain(const char *flag, const char *help, struct buffer *out)
{
    size_t column = 2 + strlen(flag);

    buffer_append_format(out, "  %s", flag);
    pad_to(out, &column, TEXT_COLUMN);
    wrap(out, help, column, TEXT_COLUMN);
}

void options_help_end(struct buffer *out)
{
    append_plain("--version", "Print the version and exit.", out);
    append_plain("-h, --help", "Print this text and exit.", out);
    buffer_append_char(out, '\n');
    wrap(out,
         "The variable named with an option sets it too; the command line wins. Values may also be "
         "joined with '=', and a switch is turned off with --no-NAME.",
         0, 0);
}
