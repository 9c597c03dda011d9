/*
 * Options: one table per program drives flags, environment, defaults, bounds and --help.
 *
 * A flag `--peer-bind ADDR` (or --peer-bind=ADDR) also reads ELIZAMQ_PEER_BIND; the flag wins.
 * Unknown flags are an error; ELIZAMQ_* variables a program does not know are ignored. Common to
 * all programs, and added here: --help, --version, --check-config, --log-level, --log-format.
 */
#ifndef PROTO_BASE_OPTIONS_H
#define PROTO_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,     /* bool; in the environment 1/true/yes/on or 0/false/no/off */
    OPTION_INTEGER,  /* int64_t with bounds */
    OPTION_DURATION, /* int64_t milliseconds with bounds; written 250ms, 30s, 5m, 2h or plain ms */
    OPTION_SIZE,     /* int64_t bytes with bounds; written 1000000, 64k, 16m, 1g (powers of 1024) */
    OPTION_STRING,   /* const char *; borrows argv or the environment */
    OPTION_CHOICE,   /* int: index into the choices "a|b|c" */
    OPTION_ENDPOINT, /* const char *: a ZeroMQ endpoint, tcp://host:port or ipc://path */
    OPTION_ADDRESS,  /* const char *: host:port, [v6]:port or :port */
    OPTION_RATE,     /* struct rate; written 1000/15m, or off */
};

/* So many in such a time; count 0: as many as they like. */
struct rate {
    int64_t count;
    int64_t window; /* ms */
};
enum { RATE_COUNT_MAX = 1000000000, RATE_WINDOW_MIN = 100, RATE_WINDOW_MAX = 86400000 };

struct option {
    const char *flag; /* without the dashes */
    enum option_type type;
    size_t offset;            /* into the program's options struct */
    const char *default_text; /* parsed like a given value; NULL: not set */
    int64_t minimum;          /* numbers only */
    int64_t maximum;
    const char *choices; /* OPTION_CHOICE: "logfmt|json"; else the value's name in --help */
    const char *help;    /* one line */
};

enum options_result {
    OPTIONS_RUN,    /* go on */
    OPTIONS_EXIT_0, /* --help or --version was printed */
    OPTIONS_EXIT_2  /* one clear line is on stderr */
};

struct options_common {
    bool check_config; /* the caller validates the rest, prints "configuration ok" and exits 0 */
    int log_level;     /* enum log_level */
    int log_format;    /* enum log_format */
};

/* Fills `target` from defaults, environment, then argv. `summary` is --help's first paragraph. */
enum options_result options_parse(const struct option *table, size_t count, const char *program,
                                  const char *summary, int argc, char **argv, void *target,
                                  struct options_common *common);

/* "bad usage" line on stderr: "PROGRAM: …". Returns 2, the exit status. */
int options_fail(const char *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
