/* What the processes of the cluster log, for those who ask over REST. */
#ifndef PROTO_BUS_MESSAGES_LOGS_H
#define PROTO_BUS_MESSAGES_LOGS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

/* A line that a process has logged. */
struct bus_log_line {
    int64_t at;     /* wall ms */
    uint64_t level; /* as ElizaOS numbers them: 20 debug, 30 info, 40 warn, 50 error */
    struct slice program;
    struct slice process; /* incarnation */
    struct slice agent;   /* name of the agent it is about; or empty */
    struct slice event;
    struct slice pairs; /* logfmt */
};

/* --- every process to router, router to edge -------------------------------------------------- */

/* Lines of the sender, to the router; from there to edges that want them. */
struct bus_log_lines {
    struct bus_list lines; /* bus_log_line, oldest first */
};

/* --- edge to router --------------------------------------------------------------------------- */

struct bus_logs_watch {
    bool is_on;
};
/* What is kept of them, and, with `clears`, nothing any more. */
struct bus_logs_get {
    uint64_t request;
    int64_t since;      /* 0: all */
    uint64_t level;     /* that one only; 0: all */
    struct slice agent; /* empty: all */
    uint64_t limit;
    bool clears;
};

/* --- router to edge --------------------------------------------------------------------------- */

struct bus_logs_page {
    uint64_t request;
    int64_t error;
    uint64_t total;        /* that are kept */
    struct bus_list lines; /* bus_log_line, oldest first */
};

#endif
