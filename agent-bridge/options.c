#include "agent-bridge/options.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/memory.h"
#include "proto/base/options.h"

#define AT(member) offsetof(struct bridge_options, member)
static const struct option option_table[] = {
    {"router", OPTION_ENDPOINT, AT(router), "tcp://127.0.0.1:7401", 0, 0, "ENDPOINT",
     "the router's --bind-bridges"},
    {"runtime", OPTION_STRING, AT(runtime), "eliza", 0, 0, "NAME",
     "who answers (eliza, openai, elizaos, http), unless a character says so itself"},
    {"agent-name", OPTION_STRING, AT(agent_name), "Eliza", 0, 0, "NAME",
     "what the agent is called"},
    {"agent-id", OPTION_STRING, AT(agent_id), NULL, 0, 0, "UUID",
     "who the agent is (default: derived from its name, as ElizaOS does it)"},
    {"agents", OPTION_STRING, AT(agents), NULL, 0, 0, "PATH",
     "character file, or a directory of *.json; read again on SIGHUP"},
    {"agents-writable", OPTION_FLAG, AT(agents_writable), "false", 0, 0, NULL,
     "agents may be made, changed and deleted over REST, in the directory of --agents"},
    {"http", OPTION_ADDRESS, AT(http), "127.0.0.1:7403", 0, 0, "ADDRESS",
     "listener of /healthz, /readyz and /metrics"},
    {"credit", OPTION_INTEGER, AT(core.jobs.credit), "64", 1, 4096, "JOBS",
     "questions this bridge works on at once"},
    {"agent-concurrency", OPTION_INTEGER, AT(core.jobs.agent_concurrency), "64", 1, 4096, "RUNS",
     "questions one agent works on at once"},
    {"runtime-concurrency", OPTION_INTEGER, AT(limits.concurrency), "256", 1, 4096, "RUNS",
     "questions one runtime is asked at once, over HTTP"},
    {"runtime-wait", OPTION_DURATION, AT(core.jobs.wait_timeout), "30s", 100, 3600000, "TIME",
     "a question that its runtime has no room for fails after this"},
    {"runtime-tries", OPTION_INTEGER, AT(limits.tries), "3", 1, 10, "TRIES",
     "of one request to a runtime, before its first text"},
    {"runtime-connect-timeout", OPTION_DURATION, AT(http_client.connect_timeout), "5s", 10, 300000,
     "TIME", "to connect to a runtime"},
    {"runtime-first-byte-timeout", OPTION_DURATION, AT(http_client.first_byte_timeout), "30s", 10,
     3600000, "TIME", "until a runtime begins to answer"},
    {"runtime-idle-timeout", OPTION_DURATION, AT(http_client.idle_timeout), "30s", 10, 3600000,
     "TIME", "silence within a runtime's answer"},
    {"runtime-total-timeout", OPTION_DURATION, AT(limits.total_timeout), "300s", 10, 86400000,
     "TIME", "a runtime's answer as a whole, with all tries"},
    {"runtime-ca-file", OPTION_STRING, AT(http_client.ca_file), NULL, 0, 0, "FILE",
     "certificates that a runtime's is checked against (default: the system's)"},
    {"bus-timeout", OPTION_DURATION, AT(bus_timeout), "3s", 500, 60000, "TIME",
     "silence of the router after which this bridge is not ready"},
    {"bus-buffer", OPTION_SIZE, AT(bus_buffer), "64m", BRIDGE_RETAINED_MIN, 1 << 30, "BYTES",
     "unacknowledged bytes kept for the router"},
    {"drain-timeout", OPTION_DURATION, AT(drain_timeout), "30s", 100, 86400000, "TIME",
     "SIGTERM: what runs has this long to finish"},
    {"extract", OPTION_STRING, AT(extract), NULL, 0, 0, "NAME",
     "no bridge: puts JSON lines through a stream extractor (see README)"},
};
enum { OPTION_COUNT = sizeof(option_table) / sizeof(option_table[0]) };

/*
 * One block of memory holds struct bridge_options and, behind it, the options struct of every
 * runtime, so that one table fills them all. Where that of `class` begins; NULL: the size of the
 * block.
 */
static size_t class_options_offset(const struct runtime_class *class)
{
    const size_t alignment = alignof(max_align_t);
    const struct runtime_class *other;
    size_t end = sizeof(struct bridge_options);
    for (size_t i = 0;; i++) {
        size_t offset = (end + alignment - 1) / alignment * alignment;
        other = runtime_class_at(i);
        if (other == class) {
            return offset;
        }
        end = offset + other->options_size;
    }
}

static size_t add_to_table(struct option *table, size_t count, const struct option *more,
                           size_t more_count, size_t offset)
{
    for (size_t i = 0; i < more_count; i++) {
        table[count + i] = more[i];
        table[count + i].offset += offset;
    }
    return count + more_count;
}

static enum options_result parse(int argc, char **argv, struct bridge_options *options,
                                 struct options_common *common)
{
    const struct runtime_class *class;
    size_t total = OPTION_COUNT;
    for (size_t i = 0; (class = runtime_class_at(i)) != NULL; i++) {
        total += class->option_count;
    }
    struct option *table = memory_allocate(total * sizeof(*table));
    size_t count = add_to_table(table, 0, option_table, OPTION_COUNT, 0);
    for (size_t i = 0; (class = runtime_class_at(i)) != NULL; i++) {
        count = add_to_table(table, count, class->options, class->option_count,
                             class_options_offset(class));
    }
    enum options_result result =
        options_parse(table, count, "agent-bridge",
                      "The agent-bridge of an elizamq cluster: puts questions to an agent runtime.",
                      argc, argv, options, common);
    free(table);
    return result;
}

int bridge_options_read(int argc, char **argv, struct bridge_options **out, bool *done)
{
    struct options_common common;
    struct bridge_options *options = memory_allocate_zeroed(class_options_offset(NULL));
    enum options_result result = parse(argc, argv, options, &common);
    *out = options;
    *done = result != OPTIONS_RUN;
    if (*done) {
        return result == OPTIONS_EXIT_0 ? 0 : 2;
    }
    options->check_config = common.check_config;
    options->limits.wait_timeout = options->core.jobs.wait_timeout;
    options->core.link = (struct link_settings){.heartbeat = 500,
                                                .timeout = options->bus_timeout,
                                                .retained_max = (size_t)options->bus_buffer,
                                                .frame_max = BUS_FRAME_MAX};
    log_configure("agent-bridge", (enum log_level)common.log_level,
                  (enum log_format)common.log_format);
    return 0;
}

const void *bridge_options_of_class(const struct bridge_options *options,
                                    const struct runtime_class *class)
{
    return (const char *)options + class_options_offset(class);
}
