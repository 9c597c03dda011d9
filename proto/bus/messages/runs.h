/* Questions to agents: the work of bridges, what viewers see of it, and the record of it. */
#ifndef PROTO_BUS_MESSAGES_RUNS_H
#define PROTO_BUS_MESSAGES_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/slice.h"
#include "proto/bus/list.h"

/* --- elements of lists ------------------------------------------------------------------------ */

/* A job as the record of a run. */
struct bus_run_record {
    uint64_t job;
    struct slice room;
    struct slice question;
    struct slice reply;
    struct slice asker; /* empty when its question is gone */
    uint64_t state;     /* enum job_state of the store */
    int64_t created_at;
    int64_t finished_at; /* 0 while it runs */
    uint64_t attempts;
    struct slice error; /* wire name of why it failed; or empty */
};

/* --- edge to router --------------------------------------------------------------------------- */

/* Somebody outside the room wants to follow a run: id of its question or its reply. */
struct bus_run_attach {
    uint64_t request;
    struct slice room;
    struct slice id;
};
/* Answered by `done`; ERROR_NOT_FOUND: nothing of that id is going on. */
struct bus_run_stop {
    uint64_t request;
    struct slice room;
    struct slice id;
};
/* An edge with runs from before an outage asks which of a room are still going on. */
struct bus_runs_wanted {
    struct slice room;
};
/* Is an agent still to answer that message? `done` says so with 0, or NOT_FOUND. */
struct bus_job_get {
    uint64_t request;
    struct slice room;
    struct slice question; /* message id */
};
/* The newest runs of an agent first. */
struct bus_runs_list {
    uint64_t request;
    struct slice agent;
    uint64_t job;        /* that one only; 0: all that the rest lets through */
    struct slice room;   /* empty: all */
    struct slice status; /* as STORE_QUERY_RUNS takes it; empty: all */
    int64_t after;       /* of their beginning, both bounds inclusive; 0: none */
    int64_t before;
    uint64_t limit;
    uint64_t offset;
};
struct bus_run_delete {
    uint64_t request;
    struct slice agent;
    uint64_t job; /* one that has ended */
};

/* --- router to edge --------------------------------------------------------------------------- */

struct bus_chunk {
    struct slice room;
    struct slice reply; /* id of the message being written */
    struct slice question;
    struct slice agent;
    uint64_t
        index; /* of the attempt's chunks, from 0; with is_reset: of the last one it stands for */
    struct slice text;
    uint64_t attempt;
    uint64_t offset; /* bytes of this attempt's text that come before it */
    bool is_reset;   /* replaces all that was said of this reply before; its offset is 0 */
};

/* One that is answered ends with its reply, a room_message. */
enum bus_run_state { BUS_RUN_STARTED, BUS_RUN_FAILED, BUS_RUN_CANCELLED };
struct bus_run {
    struct slice room;
    uint64_t state; /* enum bus_run_state */
    struct slice agent;
    struct slice agent_name;
    struct slice question;
    struct slice reply;
    struct slice asker;
    struct slice server_id;
    struct slice reason;  /* FAILED: error code */
    struct slice partial; /* FAILED: the text of the reply, as far as it was written */
};
struct bus_run_attached {
    uint64_t request;
    int64_t error;
    bool is_open;  /* it is going on: what comes of it comes to this edge too */
    bool no_agent; /* nobody was there to answer */
    struct slice question;
    struct slice reply; /* when it is over and `id` was the reply's */
    int64_t created_at; /* of the message with that id; of the question when it is open */
    struct slice body;  /* of that reply */
};
/* Answers runs_wanted, when the edge has got all messages that it had missed. */
struct bus_runs {
    struct slice room;
    struct bus_list replies; /* bus_text: ids of the replies to come */
};
/* Somebody who asked is back, and none of its questions is being answered any more. */
struct bus_input {
    struct slice room;
    struct slice entity;
    struct slice agent;
};
struct bus_runs_page {
    uint64_t request;
    int64_t error;
    uint64_t total; /* of those looked at, which are the newest ones */
    bool is_complete;
    struct bus_list runs; /* bus_run_record */
};

/* --- bridge to router ------------------------------------------------------------------------- */

struct bus_work_chunk {
    uint64_t job;
    uint64_t attempt;
    uint64_t index;
    struct slice text;
};
struct bus_work_done {
    uint64_t job;
    uint64_t attempt;
    struct slice body; /* JSON members of the reply's broadcast */
};
struct bus_work_failed {
    uint64_t job;
    uint64_t attempt;
    int64_t error;
};

/* --- router to bridge ------------------------------------------------------------------------- */

struct bus_work {
    uint64_t job;
    uint64_t attempt;
    struct slice room;
    struct slice server_id;
    struct slice agent;
    struct slice question; /* message id */
    struct slice reply;    /* message id of the answer */
    struct slice sender;
    int64_t created_at;
    uint64_t backlog;  /* questions waiting behind this one in the room */
    struct slice body; /* of the question */
};
struct bus_work_cancel {
    uint64_t job;
    uint64_t attempt;
};

#endif
