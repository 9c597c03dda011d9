/*
 * The log of a simulated process goes into its world's story, under the virtual clock. An error is
 * a violation, unless the profile makes such errors. Takes the place of proto/base/log.c.
 */
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/log.h"

/* What log_event() is not told: it is a process's one log. */
static struct world *current;

void log_set_world(struct world *world)
{
    current = world;
}

static bool is_expected(const struct world *world, const char *event)
{
    return world->profile->store_failures > 0 && strcmp(event, "commit_failed") == 0;
}

void log_configure(const char *program, enum log_level level, enum log_format format)
{
    (void)program;
    (void)level;
    (void)format;
}

void log_event(struct log_site *site, enum log_level level, const char *event, const char *format,
               ...)
{
    char text[512];
    va_list arguments;
    (void)site;
    if (current == NULL || (!current->is_verbose && level != LOG_LEVEL_ERROR)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    world_tell(current, "%s %s", event, text);
    if (level == LOG_LEVEL_ERROR && !is_expected(current, event)) {
        world_fail(current, "logged", "%s: %s %s", current->actor, event, text);
    }
}
