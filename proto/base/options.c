#include "proto/base/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/option_value.h"
#include "proto/base/options_help.h"
#include "proto/base/version.h"

enum { LINE_MAX_BYTES = 512, VALUE_SHOWN_MAX = 80, EXIT_BAD_USAGE = 2 };

static const struct option common_table[] = {
    {"check-config", OPTION_FLAG, offsetof(struct options_common, check_config), NULL, 0, 0, NULL,
     "Check the configuration, say so, and exit."},
    {"log-level", OPTION_CHOICE, offsetof(struct options_common, log_level), "info", 0, 0,
     "error|warn|info|debug", "Least important events to log."},
    {"log-format", OPTION_CHOICE, offsetof(struct options_common, log_format), "logfmt", 0, 0,
     "logfmt|json", "Form of the log lines on stderr."},
};

enum { COMMON_COUNT = sizeof(common_table) / sizeof(common_table[0]) };

/* A table together with the struct that it fills. */
struct section {
    const struct option *table;
    size_t count;
    void *target;
};

enum { SECTION_COUNT = 2 };

struct parser {
    const char *program;
    struct section sections[SECTION_COUNT];
    int argc;
    char **argv;
    int at; /* index of the argument being looked at */
};

int options_fail(const char *program, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    /* One line, whatever the arguments held. */
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    fprintf(stderr, "%s: %s\n", program, line);
    return EXIT_BAD_USAGE;
}

/* `where` names the flag or the variable. */
static bool take_value(const struct parser *parser, const struct section *section,
                       const struct option *option, const char *where, const char *text)
{
    struct buffer complaint = BUFFER_EMPTY;
    bool is_taken = option_value_parse(option, text, section->target, &complaint);

    if (!is_taken) {
        options_fail(parser->program, "%s %.*s, not \"%.*s\"", where, (int)complaint.length,
                     complaint.data, VALUE_SHOWN_MAX, text);
    }
    buffer_deinit(&complaint);
    return is_taken;
}

static void take_defaults(const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct option *option = &section->table[i];
        struct buffer complaint = BUFFER_EMPTY;

        option_value_clear(option, section->target);
        if (option->default_text != NULL) {
            bool is_valid =
                option_value_parse(option, option->default_text, section->target, &complaint);

            assert(is_valid);
            (void)is_valid;
        }
        buffer_deinit(&complaint);
    }
}

/* A variable that is set but empty counts as not set, which is what compose files produce. */
static bool take_environment(const struct parser *parser, const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        char name[OPTION_VARIABLE_SIZE];
        const char *text;

        option_variable(section->table[i].flag, name);
        text = getenv(name);
        if (text != NULL && *text != '\0' &&
            !take_value(parser, section, &section->table[i], name, text)) {
            return false;
        }
    }
    return true;
}

static const struct option *find_option(const struct parser *parser, const char *name,
                                        size_t length, const struct section **section)
{
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        *section = &parser->sections[i];
        for (size_t j = 0; j < (*section)->count; j++) {
            const struct option *option = &(*section)->table[j];

            if (strlen(option->flag) == length && memcmp(option->flag, name, length) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

static bool take_flag(struct parser *parser)
{
    const char *argument = parser->argv[parser->at];
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct section *section;
    const struct option *option = find_option(parser, name, length, &section);
    char where[LINE_MAX_BYTES];

    if (option == NULL && value == NULL && strncmp(name, "no-", 3) == 0) {
        option = find_option(parser, name + 3, length - 3, &section);
        if (option != NULL && option->type != OPTION_FLAG) {
            option = NULL;
        }
        value = "false";
    }
    snprintf(where, sizeof(where), "--%.*s",
             (int)(length < VALUE_SHOWN_MAX ? length : VALUE_SHOWN_MAX), name);
    if (option == NULL) {
        options_fail(parser->program, "unknown option %s (see --help)", where);
        return false;
    }
    if (value == NULL && option->type == OPTION_FLAG) {
        value = "true";
    }
    if (value == NULL) {
        /* What looks like the next flag is one: a value that begins with -- is given with '='. */
        if (parser->at + 1 == parser->argc || strncmp(parser->argv[parser->at + 1], "--", 2) == 0) {
            options_fail(parser->program, "%s needs a value", where);
            return false;
        }
        value = parser->argv[++parser->at];
    }
    return take_value(parser, section, option, where, value);
}

static bool take_arguments(struct parser *parser)
{
    for (parser->at = 1; parser->at < parser->argc; parser->at++) {
        const char *argument = parser->argv[parser->at];

        if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
            options_fail(parser->program, "unexpected argument \"%.*s\" (see --help)",
                         VALUE_SHOWN_MAX, argument);
            return false;
        }
        if (!take_flag(parser)) {
            return false;
        }
    }
    return true;
}

/* Asked for before anything else is looked at, so that a broken environment hides no help. */
static bool is_given(int argc, char **argv, const char *flag, const char *short_flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0 ||
            (short_flag != NULL && strcmp(argv[i], short_flag) == 0)) {
            return true;
        }
    }
    return false;
}

enum options_result options_parse(const struct option *table, size_t count, const char *program,
                                  const char *summary, int argc, char **argv, void *target,
                                  struct options_common *common)
{
    struct parser parser = {
        .program = program,
        .sections = {{table, count, target}, {common_table, COMMON_COUNT, common}},
        .argc = argc,
        .argv = argv,
    };

    for (size_t i = 0; i < SECTION_COUNT; i++) {
        take_defaults(&parser.sections[i]);
    }
    if (is_given(argc, argv, "--help", "-h")) {
        struct buffer text = BUFFER_EMPTY;

        options_help_begin(program, summary, &text);
        for (size_t i = 0; i < SECTION_COUNT; i++) {
            options_help_table(parser.sections[i].table, parser.sections[i].count, &text);
        }
        options_help_end(&text);
        fwrite(text.data, 1, text.length, stdout);
        buffer_deinit(&text);
        return OPTIONS_EXIT_0;
    }
    if (is_given(argc, argv, "--version", NULL)) {
        printf("%s %s\n", program, ELIZAMQ_VERSION);
        return OPTIONS_EXIT_0;
    }
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!take_environment(&parser, &parser.sections[i])) {
            return OPTIONS_EXIT_2;
        }
    }
    return take_arguments(&parser) ? OPTIONS_RUN : OPTIONS_EXIT_2;
}
