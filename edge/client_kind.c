#include "edge/client_kind.h"

#include <string.h>
#include <strings.h>

/* Beginnings of User-Agent, in any case. */
static const struct {
    const char *prefix;
    const char *reason; /* for the reader */
} strict_clients[] = {
    {"python", "a handler of python-socketio has the arguments it names, another one is an error"},
    {"dart/", "socket_io_client for Dart hands several arguments over as a list instead of one"},
};

enum { TIME_DIGITS_MIN = 9 };

static size_t count_digits(struct slice text, size_t at)
{
    size_t start = at;

    while (at < text.length && text.data[at] >= '0' && text.data[at] <= '9') {
        at++;
    }
    return at - start;
}

/*
 * python-socketio over WebSocket has no User-Agent, but says the time in seconds, with a fraction.
 */
static bool is_python_time(struct slice t)
{
    size_t whole = count_digits(t, 0);

    return whole >= TIME_DIGITS_MIN && whole + 1 < t.length && t.data[whole] == '.' &&
           whole + 1 + count_digits(t, whole + 1) == t.length;
}

bool client_takes_offsets(struct slice user_agent, struct slice t)
{
    for (size_t i = 0; i < sizeof(strict_clients) / sizeof(strict_clients[0]); i++) {
        size_t length = strlen(strict_clients[i].prefix);

        if (user_agent.length >= length &&
            strncasecmp(user_agent.data, strict_clients[i].prefix, length) == 0) {
            return false;
        }
    }
    return !is_python_time(t);
}
