#include "router/store/store_thread.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "proto/base/clock.h"
#include "proto/base/error.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

/*
 * Work crosses to an actor as a pointer on its pipe, whose high-water marks are lifted: the core
 * bounds what is in flight, and the loop must never block here. Results come back on a locked list
 * with a uv_async_t to wake the loop. A pipe's ZMQ_FD would do the same, but is edge-triggered, and
 * needs a poll, a check, a prepare and an idle handle for each actor in order to miss no edge.
 *
 * Checkpoints run on a thread and a handle of their own, since they take tens of milliseconds, most
 * of it in fsync. Measured at 1 500 messages/s: 12 ms p99 of commits with one a second between
 * them, under 2 ms with one a second beside them. But a log that is never idle is never folded back
 * whole, and so would never start anew: once it is over LOG_BYTES_MAX, the writer itself folds back
 * the rest right after the other thread has done most of it.
 */
enum {
    CHECKPOINT_MS = 1000,             /* from the first commit after a checkpoint to the next */
    LOG_BYTES_MAX = 32 * 1024 * 1024, /* bound of the log, as long as nobody keeps reading it */
    LOG_BYTES_WARN = 8 * LOG_BYTES_MAX
};

enum work_type { WORK_COMMIT, WORK_QUERY, WORK_FOLD, WORK_FOLD_REST };

struct work {
    enum work_type type;
    struct work *next;
    struct store_batch *batch; /* owns; WORK_COMMIT */
    struct store_query query;  /* WORK_QUERY */
    struct store_page *page;   /* owns; the answer */
    int result;
};

struct worker {
    struct store_thread *thread;
    struct store *store; /* owns; used by the actor's thread only */
    zactor_t *actor;     /* owns */
};

struct work_list {
    struct work *first;
    struct work *last;
};

/* What the threads share. */
struct shared {
    uv_mutex_t lock;
    struct work_list done;
    struct store_thread_figures figures;
};

/* The loop thread's, but for what the actors reach through `shared` and `wake`. */
struct store_thread {
    struct store_completion completion;
    struct shared *shared; /* owns */
    struct worker writer;
    struct worker reader;
    struct worker folder;
    struct work fold;      /* in flight, or waiting for its timer, while is_folding */
    struct work fold_rest; /* in flight while is_folding_rest */
    bool is_folding;
    bool is_folding_rest;
    size_t in_flight;            /* batches and queries */
    struct work_list delivering; /* taken from shared->done, completions not yet called */
    uv_async_t wake;
    uv_timer_t fold_timer;
    int open_handles;
};

static void list_append(struct work_list *list, struct work *work)
{
    work->next = NULL;
    if (list->last == NULL) {
        list->first = work;
    } else {
        list->last->next = work;
    }
    list->last = work;
}

static struct work *list_take(struct work_list *list)
{
    struct work *work = list->first;

    if (work != NULL) {
        list->first = work->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
    }
    return work;
}

static struct work *work_new(enum work_type type)
{
    struct work *work = memory_allocate_zeroed(sizeof(*work));

    work->type = type;
    return work;
}

static bool is_embedded(const struct work *work)
{
    return work->type == WORK_FOLD || work->type == WORK_FOLD_REST;
}

/* Also destroys what it still owns. */
static void work_destroy(struct work *work)
{
    store_batch_destroy(&work->batch);
    store_page_destroy(&work->page);
    if (!is_embedded(work)) {
        free(work);
    }
}

/* --- on the actors' threads --- */

static void perform(struct store *store, struct work *work)
{
    switch (work->type) {
    case WORK_COMMIT:
        work->result = store->backend->commit(store, work->batch);
        work->batch->refused = store->refused;
        break;
    case WORK_QUERY:
        work->page = store_page_new(&work->query);
        work->result = store->backend->query(store, &work->query, work->page);
        break;
    case WORK_FOLD:
    case WORK_FOLD_REST:
        store->backend->checkpoint(store);
        break;
    }
}

static void count(struct store_thread_figures *figures, const struct work *work,
                  const struct store *store, double seconds, double cpu_seconds)
{
    switch (work->type) {
    case WORK_COMMIT:
        figures->batches++;
        figures->operations += work->batch->operations;
        figures->failures += work->result != 0;
        histogram_observe(&figures->commit_seconds, seconds);
        figures->commit_seconds_last = seconds;
        figures->writer_cpu_seconds = cpu_seconds;
        figures->log_bytes = store->log_bytes;
        break;
    case WORK_QUERY:
        figures->queries++;
        figures->failures += work->result != 0;
        figures->reader_cpu_seconds = cpu_seconds;
        break;
    case WORK_FOLD:
        figures->checkpoints++;
        figures->checkpoint_seconds_total += seconds;
        figures->checkpoint_seconds_last = seconds;
        figures->checkpoint_cpu_seconds = cpu_seconds;
        break;
    case WORK_FOLD_REST:
        figures->writer_cpu_seconds = cpu_seconds;
        figures->log_bytes = store->log_bytes;
        break;
    }
}

static double thread_cpu_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

static void serve(struct worker *worker, struct work *work)
{
    struct shared *shared = worker->thread->shared;
    int64_t started = clock_monotonic_us();
    double seconds;

    uv_mutex_lock(&shared->lock);
    if (!is_embedded(work)) {
        shared->figures.waiting--;
    }
    uv_mutex_unlock(&shared->lock);

    perform(worker->store, work);

    seconds = (double)(clock_monotonic_us() - started) * 1e-6;
    uv_mutex_lock(&shared->lock);
    count(&shared->figures, work, worker->store, seconds, thread_cpu_seconds());
    list_append(&shared->done, work);
    uv_mutex_unlock(&shared->lock);
    uv_async_send(&worker->thread->wake);
}

static void lift_marks(void *socket)
{
    zsock_set_sndhwm(socket, 0);
    zsock_set_rcvhwm(socket, 0);
}

/* A pointer is work; anything else is czmq's $TERM. */
static void worker_run(zsock_t *pipe, void *argument)
{
    struct worker *worker = argument;
    void *socket = zsock_resolve(pipe);

    lift_marks(pipe);
    zsock_signal(pipe, 0);
    for (;;) {
        struct work *work;
        int size = zmq_recv(socket, &work, sizeof(work), 0);

        if (size == (int)sizeof(work)) {
            serve(worker, work);
        } else if (size >= 0 || errno != EINTR) {
            break;
        }
    }
    store_close(&worker->store);
}

/* --- on the loop's thread --- */

/*
 * Without signals: the actor's thread inherits the mask, and the handshakes with it are not cut
 * short, which would leave the actor running on freed memory.
 */
static void worker_start(struct worker *worker, struct store_thread *thread, struct store *store)
{
    sigset_t all, before;

    worker->thread = thread;
    worker->store = store;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    worker->actor = zactor_new(worker_run, worker);
    assert(worker->actor != NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    lift_marks(worker->actor);
}

/* Returns when the actor has done all its work and closed its store. */
static void worker_stop(struct worker *worker)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    zactor_destroy(&worker->actor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void worker_send(struct worker *worker, struct work *work)
{
    int size;

    do {
        size = zmq_send(zsock_resolve(worker->actor), &work, sizeof(work), ZMQ_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    assert(size == (int)sizeof(work));
}

static void submit(struct store_thread *thread, struct worker *worker, struct work *work)
{
    thread->in_flight++;
    uv_mutex_lock(&thread->shared->lock);
    thread->shared->figures.waiting++;
    uv_mutex_unlock(&thread->shared->lock);
    worker_send(worker, work);
}

static void fold(uv_timer_t *timer)
{
    struct store_thread *thread = timer->data;

    worker_send(&thread->folder, &thread->fold);
}

static void fold_later(struct store_thread *thread)
{
    if (thread->is_folding) {
        return;
    }
    thread->is_folding = true;
    uv_timer_start(&thread->fold_timer, fold, CHECKPOINT_MS, 0);
}

static void folded(struct store_thread *thread)
{
    struct store_thread_figures figures;

    thread->is_folding = false;
    store_thread_figures(thread, &figures);
    if (figures.log_bytes > LOG_BYTES_WARN) {
        log_warn("store_log_large", "bytes=%llu hint=%s", (unsigned long long)figures.log_bytes,
                 "a long read by another program keeps the log from starting anew");
    }
    if (figures.log_bytes > LOG_BYTES_MAX && !thread->is_folding_rest) {
        thread->is_folding_rest = true;
        worker_send(&thread->writer, &thread->fold_rest);
    }
}

/* Completions may call anything here, store_thread_destroy() included. */
static void deliver_one(struct store_thread *thread, struct work *work)
{
    struct store_completion completion = thread->completion;
    struct store_batch *batch = work->batch;
    struct store_page *page = work->page;
    enum work_type type = work->type;
    int result = work->result;

    work->batch = NULL;
    work->page = NULL;
    if (!is_embedded(work)) {
        thread->in_flight--;
    }
    work_destroy(work);
    switch (type) {
    case WORK_COMMIT:
        fold_later(thread);
        completion.committed(completion.context, batch, result);
        break;
    case WORK_QUERY:
        completion.answered(completion.context, page);
        break;
    case WORK_FOLD:
        folded(thread);
        break;
    case WORK_FOLD_REST:
        thread->is_folding_rest = false;
        break;
    }
}

static void deliver(uv_async_t *wake)
{
    struct store_thread *thread = wake->data;
    struct work *work;

    uv_mutex_lock(&thread->shared->lock);
    thread->delivering = thread->shared->done;
    thread->shared->done = (struct work_list){NULL, NULL};
    uv_mutex_unlock(&thread->shared->lock);
    while ((work = list_take(&thread->delivering)) != NULL) {
        deliver_one(thread, work);
    }
}

static void discard(struct work_list *list)
{
    struct work *work;

    while ((work = list_take(list)) != NULL) {
        work_destroy(work);
    }
}

static struct store *open_second(const struct store_settings *settings, char *reason,
                                 size_t reason_size)
{
    struct store_settings second = *settings;

    second.read_only = true;
    return store_open(&second, reason, reason_size);
}

struct store_thread *store_thread_new(struct uv_loop_s *loop, struct store *writer,
                                      const struct store_settings *settings,
                                      struct store_completion completion, char *reason,
                                      size_t reason_size)
{
    struct store_thread *thread;
    struct store *reader = open_second(settings, reason, reason_size);
    struct store *folder = reader == NULL ? NULL : open_second(settings, reason, reason_size);

    if (folder == NULL) {
        store_close(&reader);
        return NULL;
    }
    thread = memory_allocate_zeroed(sizeof(*thread));
    thread->completion = completion;
    thread->fold.type = WORK_FOLD;
    thread->fold_rest.type = WORK_FOLD_REST;
    thread->shared = memory_allocate_zeroed(sizeof(*thread->shared));
    if (uv_mutex_init(&thread->shared->lock) != 0 || uv_async_init(loop, &thread->wake, deliver)) {
        snprintf(reason, reason_size, "cannot make the store's threads");
        store_close(&folder);
        store_close(&reader);
        free(thread->shared);
        free(thread);
        return NULL;
    }
    uv_timer_init(loop, &thread->fold_timer);
    thread->wake.data = thread;
    thread->fold_timer.data = thread;
    thread->open_handles = 2;
    zsys_handler_set(NULL);
    worker_start(&thread->reader, thread, reader);
    worker_start(&thread->folder, thread, folder);
    worker_start(&thread->writer, thread, writer);
    return thread;
}

void store_thread_commit(struct store_thread *thread, struct store_batch *batch)
{
    struct work *work = work_new(WORK_COMMIT);

    work->batch = batch;
    submit(thread, &thread->writer, work);
}

void store_thread_query(struct store_thread *thread, const struct store_query *query)
{
    struct work *work = work_new(WORK_QUERY);

    work->query = *query;
    submit(thread, &thread->reader, work);
}

bool store_thread_is_idle(const struct store_thread *thread)
{
    return thread->in_flight == 0;
}

void store_thread_figures(const struct store_thread *thread, struct store_thread_figures *out)
{
    uv_mutex_lock(&thread->shared->lock);
    *out = thread->shared->figures;
    uv_mutex_unlock(&thread->shared->lock);
}

static void closed(uv_handle_t *handle)
{
    struct store_thread *thread = handle->data;

    if (--thread->open_handles > 0) {
        return;
    }
    uv_mutex_destroy(&thread->shared->lock);
    free(thread->shared);
    free(thread);
}

/* The writer last: the last handle to be closed folds the log back and removes it. */
void store_thread_destroy(struct store_thread **thread)
{
    struct store_thread *self = *thread;

    if (self == NULL) {
        return;
    }
    *thread = NULL;
    worker_stop(&self->reader);
    worker_stop(&self->folder);
    worker_stop(&self->writer);
    discard(&self->delivering);
    discard(&self->shared->done);
    uv_close((uv_handle_t *)&self->fold_timer, closed);
    uv_close((uv_handle_t *)&self->wake, closed);
}
