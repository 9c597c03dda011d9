#include "proto/base/option_value.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "proto/base/slice.h"

enum { PORT_MAX = 65535, PORT_DIGITS_MAX = 5 };

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Largest first; a bare number is of the unit with factor 1. */
static const struct unit duration_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}};
static const struct unit plain_units[] = {{"", 1}};

struct units {
    const struct unit *first;
    size_t count;
};

static struct units units_of(enum option_type type)
{
    if (type == OPTION_DURATION) {
        return (struct units){duration_units, sizeof(duration_units) / sizeof(duration_units[0])};
    }
    if (type == OPTION_SIZE) {
        return (struct units){size_units, sizeof(size_units) / sizeof(size_units[0])};
    }
    return (struct units){plain_units, 1};
}

bool option_is_number(enum option_type type)
{
    return type == OPTION_INTEGER || type == OPTION_DURATION || type == OPTION_SIZE;
}

static void *field_of(const struct option *option, void *target)
{
    return (char *)target + option->offset;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_number(enum option_type type, const char *text, int64_t *out)
{
    struct units units = units_of(type);
    bool is_negative = *text == '-';
    int64_t value = 0;

    if (is_negative) {
        text++;
    }
    if (!is_digit(*text)) {
        return false;
    }
    for (; is_digit(*text); text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value)) {
            return false;
        }
    }
    if (is_negative) {
        value = -value;
    }
    if (*text == '\0') {
        *out = value;
        return true;
    }
    for (size_t i = 0; i < units.count; i++) {
        if (strcasecmp(text, units.first[i].suffix) == 0) {
            return !__builtin_mul_overflow(value, units.first[i].factor, out);
        }
    }
    return false;
}

void option_value_format(enum option_type type, int64_t value, struct buffer *out)
{
    struct units units = units_of(type);

    for (size_t i = 0; i < units.count; i++) {
        if (units.first[i].factor > 1 && (value == 0 || value % units.first[i].factor != 0)) {
            continue;
        }
        buffer_append_signed(out, value / units.first[i].factor);
        buffer_append_string(out, units.first[i].suffix);
        return;
    }
}

static bool parse_flag(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse_choice(const char *choices, const char *text, int *out)
{
    size_t length = strlen(text);
    int index = 0;

    for (const char *at = choices;; index++) {
        size_t choice = strcspn(at, "|");

        if (choice == length && memcmp(at, text, length) == 0) {
            *out = index;
            return true;
        }
        if (at[choice] == '\0') {
            return false;
        }
        at += choice + 1;
    }
}

static bool is_port(const char *text)
{
    int port = 0;
    int digits = 0;

    for (; is_digit(*text) && digits < PORT_DIGITS_MAX; text++, digits++) {
        port = port * 10 + (*text - '0');
    }
    return *text == '\0' && digits > 0 && port <= PORT_MAX;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(const char *text, size_t length)
{
    bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';

    if (is_bracketed) {
        text++;
        length -= 2;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_mark =
            is_bracketed ? c == ':' || c == '.' || c == '%' : c == '.' || c == '-' || c == '_';

        if (!is_letter && !is_digit(c) && !is_mark) {
            return false;
        }
    }
    return length > 0;
}

static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');

    return colon != NULL && is_port(colon + 1) &&
           (colon == text || is_host(text, (size_t)(colon - text)));
}

/* Host and port may be `*` where one binds; libzmq picks a port for it. */
static bool is_endpoint(const char *text)
{
    const char *colon;

    if (strncmp(text, "ipc://", 6) == 0) {
        size_t length = strlen(text + 6);

        return length > 0 && length < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    }
    if (strncmp(text, "tcp://", 6) != 0) {
        return false;
    }
    text += 6;
    colon = strrchr(text, ':');
    if (colon == NULL || (strcmp(colon + 1, "*") != 0 && !is_port(colon + 1))) {
        return false;
    }
    return strncmp(text, "*:", 2) == 0 || is_host(text, (size_t)(colon - text));
}

static bool parse_rate(const char *text, struct rate *rate)
{
    const char *slash = strchr(text, '/');
    int64_t count = 0;

    if (strcasecmp(text, "off") == 0) {
        *rate = (struct rate){0, 0};
        return true;
    }
    for (; is_digit(*text) && count < RATE_COUNT_MAX; text++) {
        count = count * 10 + (*text - '0');
    }
    rate->count = count;
    return slash != NULL && text == slash && count > 0 && count <= RATE_COUNT_MAX &&
           parse_number(OPTION_DURATION, slash + 1, &rate->window) &&
           rate->window >= RATE_WINDOW_MIN && rate->window <= RATE_WINDOW_MAX;
}

static void complain_number(const struct option *option, struct buffer *complaint)
{
    const char *kind = option->type == OPTION_DURATION ? "a duration"
                       : option->type == OPTION_SIZE   ? "a size"
                                                       : "a whole number";
    const char *example = option->type == OPTION_DURATION ? ", such as 250ms, 30s or 5m"
                          : option->type == OPTION_SIZE   ? ", such as 64k or 16m"
                                                          : "";

    buffer_append_format(complaint, "must be %s between ", kind);
    option_value_format(option->type, option->minimum, complaint);
    buffer_append_string(complaint, " and ");
    option_value_format(option->type, option->maximum, complaint);
    buffer_append_string(complaint, example);
}

static void complain_choice(const char *choices, struct buffer *complaint)
{
    buffer_append_string(complaint, "must be one of ");
    for (const char *at = choices; *at != '\0'; at++) {
        if (*at == '|') {
            buffer_append_string(complaint, ", ");
        } else {
            buffer_append_char(complaint, *at);
        }
    }
}

bool option_value_parse(const struct option *option, const char *text, void *target,
                        struct buffer *complaint)
{
    void *field = field_of(option, target);
    int64_t number;

    switch (option->type) {
    case OPTION_FLAG:
        if (parse_flag(text, field)) {
            return true;
        }
        buffer_append_string(complaint, "must be true or false");
        return false;
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        if (parse_number(option->type, text, &number) && number >= option->minimum &&
            number <= option->maximum) {
            *(int64_t *)field = number;
            return true;
        }
        complain_number(option, complaint);
        return false;
    case OPTION_CHOICE:
        if (parse_choice(option->choices, text, field)) {
            return true;
        }
        complain_choice(option->choices, complaint);
        return false;
    case OPTION_ENDPOINT:
        if (is_endpoint(text)) {
            break;
        }
        buffer_append_string(complaint, "must be an endpoint, tcp://host:port or ipc://path");
        return false;
    case OPTION_ADDRESS:
        if (is_address(text)) {
            break;
        }
        buffer_append_string(complaint, "must be an address, host:port, [v6]:port or :port");
        return false;
    case OPTION_RATE:
        if (parse_rate(text, field)) {
            return true;
        }
        buffer_append_string(complaint, "must be a rate, such as 1000/15m or 50/1s, or off");
        return false;
    case OPTION_STRING:
        break;
    }
    *(const char **)field = text;
    return true;
}

void option_value_clear(const struct option *option, void *target)
{
    void *field = field_of(option, target);

    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)field = false;
        break;
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        *(int64_t *)field = 0;
        break;
    case OPTION_CHOICE:
        *(int *)field = 0;
        break;
    case OPTION_RATE:
        *(struct rate *)field = (struct rate){0, 0};
        break;
    case OPTION_STRING:
    case OPTION_ENDPOINT:
    case OPTION_ADDRESS:
        *(const char **)field = NULL;
        break;
    }
}
