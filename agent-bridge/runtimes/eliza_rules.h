/*
 * Loading the keywords of a script and their rules. Used by eliza_script.c only; see
 * eliza_loader.h for how errors are told.
 */
#ifndef AGENT_BRIDGE_RUNTIMES_ELIZA_RULES_H
#define AGENT_BRIDGE_RUNTIMES_ELIZA_RULES_H

#include "agent-bridge/runtimes/eliza_loader.h"

/* "keywords": two passes, so that a goto may look forward. Classes must be loaded before. */
bool eliza_rules_load_keywords(struct eliza_loader *loader, const cJSON *tree);

/* "memory"; the keywords must be loaded before. */
bool eliza_rules_load_memory(struct eliza_loader *loader, const cJSON *tree);

/*
 * A list of `minimum` to `maximum` templates becomes one rule that fits every clause. They cannot
 * refer to what it matched, so that there is always something to say.
 */
bool eliza_rules_load_templates(struct eliza_loader *loader, const cJSON *tree, const char *name,
                                size_t minimum, size_t maximum, struct eliza_rule *rule);

#endif
