/*
 * What an agent-bridge is told on its command line and by ELIZAMQ_*: its own options and those of
 * every runtime, from one table.
 */
#ifndef AGENT_BRIDGE_OPTIONS_H
#define AGENT_BRIDGE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "agent-bridge/http_client.h"
#include "agent-bridge/work.h"

struct bridge_options {
    const char *router;
    const char *runtime;
    const char *agent_name;
    const char *agent_id;
    const char *agents; /* file or directory; NULL: the one agent of the two above */
    bool agents_writable;
    const char *http;
    const char *extract;
    struct bridge_settings core;
    struct runtime_limits limits;
    struct http_client_settings http_client;
    int64_t bus_timeout;
    int64_t bus_buffer;
    int64_t drain_timeout;
    bool check_config;
};

/*
 * Reads them; *options is the caller's to free(), *done says that there is nothing more to do.
 * Returns the exit status for that case. Configures the log, too.
 */
int bridge_options_read(int argc, char **argv, struct bridge_options **options, bool *done);

/* The options struct of a runtime, within the same block. */
const void *bridge_options_of_class(const struct bridge_options *options,
                                    const struct runtime_class *class);

#endif
