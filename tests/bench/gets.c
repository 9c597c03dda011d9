/*
 * GETs of one path over keep-alive connections, each with one request in flight; prints one line of
 * JSON. Exit status: 0 when every answer was 200, 1 when not, 2 on bad usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/answer.h"
#include "tests/bench/stats.h"

enum {
    CLIENTS_MAX = 1000,
    REQUEST_MAX = 1024,
    ANSWER_MAX = 65536,
    EVENTS_MAX = 256,
    ERROR_SIZE = 256,
    STALL_MS = 10000, /* nothing comes for so long */
};

static const char usage[] =
    "usage: gets --port PORT --path PATH [--pids PID[,PID...]] [--clients N] [--warmup SECONDS]"
    " [--seconds SECONDS]\n";

struct client {
    int fd;
    int64_t sent_at;
    size_t length;
    char answer[ANSWER_MAX]; /* what has come of it */
};

struct run {
    struct client *clients; /* owns `count` of them */
    uint32_t count;
    int epoll;
    char request[REQUEST_MAX];
    size_t request_length;
    bool measures;
    uint64_t done;
    struct histogram latency;
    char error[ERROR_SIZE];
};

static int fail(struct run *self, const char *reason)
{
    if (self->error[0] == '\0') {
        snprintf(self->error, sizeof self->error, "%s", reason);
    }
    return -1;
}

static int send_request(struct run *self, struct client *client)
{
    client->length = 0;
    client->sent_at = clock_now();
    ssize_t sent = send(client->fd, self->request, self->request_length, MSG_NOSIGNAL);
    return sent == (ssize_t)self->request_length ? 0 : fail(self, "a connection takes nothing");
}

static int open_client(struct run *self, struct client *client, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        return fail(self, "a connection cannot be opened");
    }
    return send_request(self, client);
}

/* Takes what has come; asks again when that is the whole answer. */
static int receive(struct run *self, struct client *client)
{
    struct answer answer;
    ssize_t got = recv(client->fd, client->answer + client->length, ANSWER_MAX - client->length, 0);
    if (got <= 0) {
        return fail(self, "a connection was closed");
    }
    client->length += (size_t)got;
    switch (answer_read(client->answer, client->length, &answer)) {
    case ANSWER_INCOMPLETE:
        return client->length < ANSWER_MAX ? 0 : fail(self, "an answer is too long");
    case ANSWER_REFUSED:
        return fail(self, "an answer is not 200, or has no length");
    case ANSWER_WHOLE:
        break;
    }
    self->done++;
    if (self->measures) {
        histogram_add(&self->latency, clock_now() - client->sent_at);
    }
    return send_request(self, client);
}

static int run_until(struct run *self, int64_t end)
{
    struct epoll_event events[EVENTS_MAX];
    while (clock_now() < end) {
        int count = epoll_wait(self->epoll, events, EVENTS_MAX, STALL_MS);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return fail(self, "answers have stopped");
        }
        for (int i = 0; i < count; i++) {
            if (receive(self, events[i].data.ptr) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

struct options {
    uint32_t port, clients;
    double warmup, seconds;
    const char *path;
    struct processes server;
};

static int64_t to_ns(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

static void run(struct run *self, const struct options *options)
{
    for (; self->count < options->clients; self->count++) {
        if (open_client(self, &self->clients[self->count], (uint16_t)options->port) != 0) {
            self->count++;
            return;
        }
    }
    if (run_until(self, clock_now() + to_ns(options->warmup)) != 0) {
        return;
    }
    uint64_t done = self->done;
    double server = processes_cpu_seconds(&options->server), own = own_cpu_seconds();
    int64_t begin = clock_now();
    self->measures = true;
    run_until(self, begin + to_ns(options->seconds));
    double server_end = processes_cpu_seconds(&options->server);
    if (server < 0 || server_end < 0) {
        fail(self, "a server process is gone");
    }
    printf("{\"scenario\":\"gets\",\"error\":\"%s\",\"seconds\":%.6f,\"gets\":%llu"
           ",\"server_cpu_seconds\":%.3f,\"generator_cpu_seconds\":%.3f"
           ",\"latency_ms\":{\"p50\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f}}\n",
           self->error, (double)(clock_now() - begin) / 1e9,
           (unsigned long long)(self->done - done), server_end - server, own_cpu_seconds() - own,
           (double)histogram_quantile(&self->latency, 0.5) / 1e6,
           (double)histogram_quantile(&self->latency, 0.99) / 1e6,
           (double)histogram_quantile(&self->latency, 0.999) / 1e6,
           (double)self->latency.max / 1e6);
}

static int read_number(const char *text, double least, double most, double *value)
{
    char *end = NULL;
    *value = strtod(text, &end);
    return end == text || *end || !(*value >= least && *value <= most) ? -1 : 0;
}

enum option_name {
    OPTION_PORT = 1,
    OPTION_PATH,
    OPTION_PIDS,
    OPTION_CLIENTS,
    OPTION_WARMUP,
    OPTION_SECONDS
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, OPTION_PORT},
    {"path", required_argument, NULL, OPTION_PATH},
    {"pids", required_argument, NULL, OPTION_PIDS},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {NULL, 0, NULL, 0},
};

static int read_options(struct options *options, int argc, char **argv)
{
    int name;
    double number = 0;
    while ((name = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        int result = -1;
        switch (name) {
        case OPTION_PORT:
            result = read_number(optarg, 1, UINT16_MAX, &number);
            options->port = (uint32_t)number;
            break;
        case OPTION_PATH:
            options->path = optarg;
            result = strlen(optarg) < REQUEST_MAX / 2 ? 0 : -1;
            break;
        case OPTION_PIDS:
            result = processes_parse(&options->server, optarg);
            break;
        case OPTION_CLIENTS:
            result = read_number(optarg, 1, CLIENTS_MAX, &number);
            options->clients = (uint32_t)number;
            break;
        case OPTION_WARMUP:
            result = read_number(optarg, 0, 60, &options->warmup);
            break;
        case OPTION_SECONDS:
            result = read_number(optarg, 0, 60, &options->seconds);
            break;
        default:
            break;
        }
        if (result != 0) {
            return -1;
        }
    }
    return optind == argc && options->port != 0 && options->path != NULL ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct run self;
    struct options options = {.clients = 32, .warmup = 0.5, .seconds = 2};
    if (read_options(&options, argc, argv) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    self.request_length = (size_t)snprintf(
        self.request, sizeof self.request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n", options.path);
    self.clients = calloc(options.clients, sizeof *self.clients);
    self.epoll = epoll_create1(0);
    if (!self.clients || self.epoll < 0) {
        fputs("gets: out of memory or descriptors\n", stderr);
        return 2;
    }
    run(&self, &options);
    if (!self.measures) {
        printf("{\"scenario\":\"gets\",\"error\":\"%s\"}\n", self.error);
    }
    for (uint32_t i = 0; i < self.count; i++) {
        close(self.clients[i].fd);
    }
    close(self.epoll);
    free(self.clients);
    return self.error[0] == '\0' ? 0 : 1;
}
