/*
 * The agents of --agents: one character a file; a directory means all *.json in it, by name. A file
 * may also hold a list of characters.
 *
 * At the start a file that is broken is fatal. At a reload it is named in the log and skipped, and
 * the agents that came from it before stay as they were.
 */
#ifndef AGENT_BRIDGE_AGENT_FILES_H
#define AGENT_BRIDGE_AGENT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include "agent-bridge/agents.h"

enum { AGENT_FILE_MAX = 64 * 1024 * 1024 }; /* bytes of a list */

struct agent_files {
    const char *path;
    const char *default_runtime;
    void *context;
    /* Finds or makes the runtime of that name; NULL: error[RUNTIME_ERROR_SIZE] says why not. */
    struct runtime *(*runtime)(void *context, struct slice name, char *error);
};

/*
 * Adds them to `agents`. former: at a reload the agents so far, else NULL. False: reason says what
 * is wrong, in one line.
 */
bool agent_files_load(const struct agent_files *files, struct agents *agents,
                      const struct agents *former, char *reason, size_t size);

/* The whole file, at most AGENT_FILE_MAX; error[RUNTIME_ERROR_SIZE] says why not. */
bool agent_files_read(const char *path, struct buffer *out, char *error);
/* Would that be a character that can be offered? */
bool agent_files_check(const struct agent_files *files, struct slice json, char *error);

#endif
