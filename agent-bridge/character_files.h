/*
 * Characters that are made, changed and deleted over REST, in the directory of --agents, if
 * --agents-writable allows it. A file is replaced as a whole (written beside, then renamed), so
 * that a reload sees one character or the other. Files that hold a list of characters are left
 * alone.
 */
#ifndef AGENT_BRIDGE_CHARACTER_FILES_H
#define AGENT_BRIDGE_CHARACTER_FILES_H

#include <stdbool.h>
#include "agent-bridge/agent_files.h"
#include "proto/bus/message.h"

/* Borrows both. */
struct character_files {
    const struct agent_files *files;
    const struct agents *agents; /* as they are loaded */
    bool is_writable;
};

/*
 * 0, and the agents are to be loaded again; else an error whose reason[RUNTIME_ERROR_SIZE] is a
 * sentence for people: FORBIDDEN where nothing may be changed, CONFLICT, NOT_FOUND, MALFORMED for
 * what is no character, SYSTEM.
 */
int character_files_apply(const struct character_files *self,
                          const struct bus_character_change *change, char *reason);

#endif
