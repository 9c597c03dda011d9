/*
 * The store's threads, so that no commit and no history read ever stalls routing: one czmq actor
 * that commits batches in order, one that answers queries, and one that folds the log back into the
 * database meanwhile. The router's loop submits and is told by completions; it never waits.
 *
 * Signals stay the program's: czmq's own handlers are switched off here, and the threads block all
 * signals.
 */
#ifndef ROUTER_STORE_STORE_THREAD_H
#define ROUTER_STORE_STORE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/base/metrics.h"
#include "router/store/store.h"

struct store_thread;
struct uv_loop_s;

struct store_completion {
    void *context;
    /* A batch was committed (result 0) or rolled back whole (ERROR_STORE). The callee owns it
     * again. */
    void (*committed)(void *context, struct store_batch *batch, int result);
    /* A query was answered. The callee owns the page. */
    void (*answered)(void *context, struct store_page *page);
};

/*
 * Takes over `writer` (already loaded from) and opens a reader of its own. Completions come on
 * `loop`'s thread: batches in the order of their commits, pages in the order of their queries. NULL
 * and a reason when that fails; the writer is then still the caller's.
 */
struct store_thread *store_thread_new(struct uv_loop_s *loop, struct store *writer,
                                      const struct store_settings *settings,
                                      struct store_completion completion, char *reason,
                                      size_t reason_size);
void store_thread_commit(struct store_thread *thread, struct store_batch *batch); /* owns it now */
void store_thread_query(struct store_thread *thread, const struct store_query *query); /* copies */
bool store_thread_is_idle(const struct store_thread *thread); /* nothing submitted is unanswered */
/*
 * Waits for what was submitted (completions are not called any more), checkpoints, closes. May be
 * called in a completion. The loop must run once more to let go of the handles.
 */
void store_thread_destroy(struct store_thread **thread);

/* For metrics. Seconds; CPU seconds are those of the thread. */
struct store_thread_figures {
    uint64_t batches, operations, failures, queries, checkpoints;
    uint64_t waiting;   /* batches and queries submitted and not yet begun */
    uint64_t log_bytes; /* length of the log */
    struct histogram commit_seconds;
    double commit_seconds_last;
    double checkpoint_seconds_total, checkpoint_seconds_last;
    double writer_cpu_seconds, reader_cpu_seconds, checkpoint_cpu_seconds;
};
void store_thread_figures(const struct store_thread *thread, struct store_thread_figures *out);

#endif
