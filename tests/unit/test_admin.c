/* The listener and its clients share one loop here; every wait has a deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>
#include "proto/base/admin.h"
#include "proto/base/clock.h"

enum { WAIT_MS = 3000, ANSWER_MAX = 16384 };

struct scene {
    uv_loop_t loop;
    struct admin *admin;
    char address[32];
    int port;
    bool is_ready;
};

static bool scene_is_ready(void *context, const char **reason)
{
    struct scene *scene = context;

    *reason = "no_router";
    return scene->is_ready;
}

static void scene_metrics(void *context, struct buffer *out)
{
    (void)context;
    buffer_append_string(out, "a_total 1\n");
}

static struct admin_source scene_source(struct scene *scene)
{
    return (struct admin_source){scene, scene_is_ready, scene_metrics};
}

/* A port that was free just now. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char reason[200];

    uv_loop_init(&scene->loop);
    scene->is_ready = true;
    for (int attempt = 0; attempt < 10 && scene->admin == NULL; attempt++) {
        scene->port = free_port();
        snprintf(scene->address, sizeof(scene->address), "127.0.0.1:%d", scene->port);
        scene->admin =
            admin_new(&scene->loop, scene->address, scene_source(scene), reason, sizeof(reason));
    }
    *state = scene;
    return scene->admin == NULL;
}

/* The loop must run empty: a handle that was never closed would show here. */
static int teardown(void **state)
{
    struct scene *scene = *state;

    admin_destroy(&scene->admin);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&scene->loop) != 0) {
        return 1;
    }
    free(scene);
    return 0;
}

static int client_open(const struct scene *scene)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)scene->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        assert_int_equal(errno, EINPROGRESS);
    }
    return fd;
}

static void client_send(const struct scene *scene, int fd, const char *data, size_t length)
{
    int64_t deadline = clock_monotonic_ms() + WAIT_MS;

    (void)scene;
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

        assert_true(sent > 0 || errno == EAGAIN || errno == ENOTCONN);
        assert_true(clock_monotonic_ms() < deadline);
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        }
    }
}

/* Runs the loop until the listener has closed its half; the answer, NUL-terminated. */
static const char *client_read(struct scene *scene, int fd)
{
    static char answer[ANSWER_MAX];
    int64_t deadline = clock_monotonic_ms() + WAIT_MS;
    size_t length = 0;

    for (;;) {
        ssize_t got = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);

        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            break;
        }
        if (got > 0) {
            length += (size_t)got;
        } else {
            assert_int_equal(errno, EAGAIN);
        }
        assert_true(clock_monotonic_ms() < deadline);
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    answer[length] = '\0';
    return answer;
}

static const char *ask(struct scene *scene, const char *request)
{
    int fd = client_open(scene);
    const char *answer;

    client_send(scene, fd, request, strlen(request));
    answer = client_read(scene, fd);
    close(fd);
    return answer;
}

static void assert_answer(const char *answer, const char *head, const char *body)
{
    const char *end = strstr(answer, "\r\n\r\n");

    assert_memory_equal(answer, head, strlen(head));
    assert_non_null(end);
    assert_string_equal(end + 4, body);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "\r\nDate: "));
}

static void the_three_paths_are_answered(void **state)
{
    struct scene *scene = *state;

    assert_answer(ask(scene, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK\r\n",
                  "ok\n");
    assert_answer(ask(scene, "GET /readyz?verbose HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n",
                  "ready\n");
    assert_answer(ask(scene, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
                  "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                  "Content-Length: 10\r\n",
                  "a_total 1\n");
    scene->is_ready = false;
    assert_answer(ask(scene, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"),
                  "HTTP/1.1 503 Service Unavailable\r\n", "not ready: no_router\n");
    assert_answer(ask(scene, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK\r\n",
                  "");
}

static void everything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "nonsense\r\n\r\n",
        "\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET healthz HTTP/1.1\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/2.0\r\n\r\n",
        "GET /healthz HTTP/1.1 \r\n\r\n",
        "G\x01T /healthz HTTP/1.1\r\n\r\n",
        "get /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: x\r\n\r\n",
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_answer(ask(scene, bad[i]), "HTTP/1.1 400 Bad Request\r\n", "Bad Request\n");
    }
    assert_answer(ask(scene, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found\r\n",
                  "Not Found\n");
    assert_answer(ask(scene, "GET /healthz/ HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found\r\n",
                  "Not Found\n");
    assert_answer(ask(scene, "POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
                  "HTTP/1.1 405 Method Not Allowed\r\n", "Method Not Allowed\n");
    assert_non_null(
        strstr(ask(scene, "DELETE /metrics HTTP/1.1\r\n\r\n"), "\r\nAllow: GET, HEAD\r\n"));
}

static void a_head_over_the_limit_is_refused(void **state)
{
    struct scene *scene = *state;
    char request[ADMIN_HEAD_MAX + 1];
    int fd = client_open(scene);

    memset(request, 'x', sizeof(request));
    memcpy(request, "GET /healthz HTTP/1.1\r\nX: ", 26);
    client_send(scene, fd, request, ADMIN_HEAD_MAX);
    assert_answer(client_read(scene, fd), "HTTP/1.1 400 Bad Request\r\n", "Bad Request\n");
    close(fd);

    memcpy(request + ADMIN_HEAD_MAX - 4, "\r\n\r\n", 5);
    assert_answer(ask(scene, request), "HTTP/1.1 200 OK\r\n", "ok\n");
}

static void a_head_may_come_byte_by_byte(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nand more";
    struct scene *scene = *state;
    int fd = client_open(scene);

    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        client_send(scene, fd, request + i, 1);
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    assert_answer(client_read(scene, fd), "HTTP/1.1 200 OK\r\n", "ok\n");
    close(fd);
}

static void too_many_connections_are_closed_at_once(void **state)
{
    struct scene *scene = *state;
    int clients[ADMIN_CONNECTIONS_MAX];
    int fd;

    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        clients[i] = client_open(scene);
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    fd = client_open(scene);
    assert_string_equal(client_read(scene, fd), "");
    close(fd);
    /* The others are as good as before, and their places are free again once they leave. */
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        client_send(scene, clients[i], "GET /healthz HTTP/1.1\r\n\r\n", 25);
        assert_answer(client_read(scene, clients[i]), "HTTP/1.1 200 OK\r\n", "ok\n");
        close(clients[i]);
    }
    for (int i = 0; i < 10; i++) {
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    assert_answer(ask(scene, "GET /healthz HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 OK\r\n", "ok\n");
}

static void fire_timer(uv_handle_t *handle, void *fired)
{
    if (handle->type != UV_TIMER || !uv_is_active(handle)) {
        return;
    }
    assert_true(uv_timer_get_due_in((uv_timer_t *)handle) <= ADMIN_DEADLINE_MS);
    uv_timer_start((uv_timer_t *)handle, ((uv_timer_t *)handle)->timer_cb, 0, 0);
    *(bool *)fired = true;
}

/* The deadline is made to come now instead of being waited for. */
static void a_client_that_says_nothing_is_closed(void **state)
{
    struct scene *scene = *state;
    int64_t deadline = clock_monotonic_ms() + WAIT_MS;
    bool is_fired = false;
    int fd = client_open(scene);

    client_send(scene, fd, "GET /hea", 8);
    while (!is_fired) {
        assert_true(clock_monotonic_ms() < deadline);
        uv_run(&scene->loop, UV_RUN_NOWAIT);
        uv_walk(&scene->loop, fire_timer, &is_fired);
    }
    assert_string_equal(client_read(scene, fd), "");
    close(fd);
}

/* Teardown sees to it that the loop runs empty, a sanitizer that nothing is lost. */
static void destroying_closes_what_is_open(void **state)
{
    struct scene *scene = *state;
    int silent = client_open(scene);
    int answered = client_open(scene);

    client_send(scene, answered, "GET /healthz HTTP/1.1\r\n\r\n", 25);
    for (int i = 0; i < 5; i++) {
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    }
    admin_destroy(&scene->admin);
    assert_null(scene->admin);
    assert_string_equal(client_read(scene, silent), "");
    close(silent);
    close(answered);
    admin_destroy(&scene->admin);
}

static void what_cannot_be_bound_says_why(void **state)
{
    struct scene *scene = *state;
    char reason[200] = "";
    char expected[200];

    assert_null(
        admin_new(&scene->loop, scene->address, scene_source(scene), reason, sizeof(reason)));
    snprintf(expected, sizeof(expected), "cannot listen on %s: Address already in use",
             scene->address);
    assert_string_equal(reason, expected);
    assert_null(admin_new(&scene->loop, "nonsense", scene_source(scene), reason, sizeof(reason)));
    assert_string_equal(reason, "cannot listen on nonsense: not host:port");
    assert_null(
        admin_new(&scene->loop, "127.0.0.1:http", scene_source(scene), reason, sizeof(reason)));
    assert_null(
        admin_new(&scene->loop, "192.0.2.1:1", scene_source(scene), reason, sizeof(reason)));
    assert_non_null(strstr(reason, "cannot listen on 192.0.2.1:1: "));
}

static void names_and_families_are_resolved(void **state)
{
    static const char *const addresses[] = {":0", "localhost:0", "0.0.0.0:0"};
    struct scene *scene = *state;
    char reason[200];

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct admin *admin =
            admin_new(&scene->loop, addresses[i], scene_source(scene), reason, sizeof(reason));

        assert_non_null(admin);
        admin_destroy(&admin);
    }
}

static void another_server_may_answer_the_same_paths(void **state)
{
    struct scene *scene = *state;
    const struct admin_source source = scene_source(scene);
    struct buffer body = BUFFER_EMPTY;
    const char *type;
    int status;

    assert_true(admin_answer(&source, SLICE_LITERAL("/healthz"), &status, &type, &body));
    assert_int_equal(status, 200);
    assert_string_equal(type, "text/plain; charset=utf-8");
    assert_true(slice_is(buffer_slice(&body), "ok\n"));
    buffer_clear(&body);
    assert_false(admin_answer(&source, SLICE_LITERAL("/api"), &status, &type, &body));
    assert_false(admin_answer(&source, SLICE_EMPTY, &status, &type, &body));
    assert_int_equal(body.length, 0);
    buffer_deinit(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_three_paths_are_answered),
        TEST(everything_else_is_refused),
        TEST(a_head_over_the_limit_is_refused),
        TEST(a_head_may_come_byte_by_byte),
        TEST(too_many_connections_are_closed_at_once),
        TEST(a_client_that_says_nothing_is_closed),
        TEST(destroying_closes_what_is_open),
        TEST(what_cannot_be_bound_says_why),
        TEST(names_and_families_are_resolved),
        TEST(another_server_may_answer_the_same_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
