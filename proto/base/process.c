#include "proto/base/process.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_terminate(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    (void)number;
    process->handler.stop(process->handler.context, ++process->terminations > 1);
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    (void)number;
    process->handler.stop(process->handler.context, true);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    (void)number;
    process->handler.reload(process->handler.context);
}

static void on_tick(uv_timer_t *handle)
{
    struct process *process = handle->data;
    process->handler.tick(process->handler.context);
}

static void on_flush(uv_prepare_t *handle)
{
    struct process *process = handle->data;
    process->handler.flush(process->handler.context);
}

void process_init(struct process *process)
{
    struct rlimit limit;
    memset(process, 0, sizeof(*process));
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error like a full disk */
    uv_loop_init(&process->loop);
    uv_signal_init(&process->loop, &process->terminate);
    uv_signal_init(&process->loop, &process->interrupt);
    uv_signal_init(&process->loop, &process->hangup);
    uv_timer_init(&process->loop, &process->tick);
    uv_prepare_init(&process->loop, &process->flush);
    process->terminate.data = process;
    process->interrupt.data = process;
    process->hangup.data = process;
    process->tick.data = process;
    process->flush.data = process;
    /* Caught from now on, handled when the loop runs: a stop while starting is a clean one, too. */
    uv_signal_start(&process->terminate, on_terminate, SIGTERM);
    uv_signal_start(&process->interrupt, on_interrupt, SIGINT);
}

void process_run(struct process *process, struct process_handler handler)
{
    process->handler = handler;
    if (handler.reload != NULL) {
        uv_signal_start(&process->hangup, on_hangup, SIGHUP);
    }
    uv_timer_start(&process->tick, on_tick, PROCESS_TICK_MS, PROCESS_TICK_MS);
    uv_prepare_start(&process->flush, on_flush);
    uv_run(&process->loop, UV_RUN_DEFAULT);
}

void process_finish(struct process *process)
{
    if (!uv_is_closing((uv_handle_t *)&process->tick)) {
        uv_close((uv_handle_t *)&process->terminate, NULL);
        uv_close((uv_handle_t *)&process->interrupt, NULL);
        uv_close((uv_handle_t *)&process->hangup, NULL);
        uv_close((uv_handle_t *)&process->tick, NULL);
        uv_close((uv_handle_t *)&process->flush, NULL);
        /* A signal now comes too late to change anything, and must not kill what is ending. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
    }
}

void process_deinit(struct process *process)
{
    process_finish(process);
    uv_run(&process->loop, UV_RUN_DEFAULT);
    uv_loop_close(&process->loop);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool process_share_directory(char *out, size_t size)
{
    static const char *const places[] = {"share/elizamq", "../share/elizamq"};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int written = snprintf(out, size, "%s/%s", program, places[i]);
        if (written > 0 && (size_t)written < size && is_directory(out)) {
            return true;
        }
    }
    return false;
}
