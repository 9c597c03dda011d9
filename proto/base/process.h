/*
 * What every process of the cluster does the same way: one libuv loop, signals, a tick, and a flush
 * at the end of each loop turn. process.c and admin.c are the only files of proto/base that know
 * libuv.
 *
 * SIGTERM: stop() with hard = false (finish, commit, tell peers). SIGINT, or a second SIGTERM: hard
 * = true (commit, leave within 2 s). SIGPIPE is ignored.
 */
#ifndef PROTO_BASE_PROCESS_H
#define PROTO_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { PROCESS_TICK_MS = 50, PROCESS_HARD_STOP_MS = 1500 };

struct process_handler {
    void *context;                /* borrows */
    void (*tick)(void *context);  /* every PROCESS_TICK_MS */
    void (*flush)(void *context); /* after the events of a loop turn, before it blocks */
    void (*stop)(void *context, bool hard);
    void (*reload)(void *context); /* SIGHUP; NULL: that is not caught */
};

struct process {
    uv_loop_t loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_signal_t hangup;
    uv_timer_t tick;
    uv_prepare_t flush;
    struct process_handler handler;
    unsigned terminations;
};

/* Raises the open-files limit to its maximum, prepares the loop, and catches the signals. */
void process_init(struct process *process);
/* Runs until process_finish(). Start it after the bus sockets exist, so that it flushes before they
 * look. */
void process_run(struct process *process, struct process_handler handler);
/* Ends process_run(): the handles of this struct are closed, then the loop runs out. */
void process_finish(struct process *process);
/* Also when it never ran. Everything else on the loop is closed before. */
void process_deinit(struct process *process);

/* Directory with the files that ship with the programs: beside the executable when built, under
 * ../share/elizamq when installed. False: neither is there. */
bool process_share_directory(char *out, size_t size);

#endif
