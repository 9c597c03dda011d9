#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "proto/base/log.h"
#include "proto/base/options.h"
#include "tests/unit/capture.h"

struct settings {
    bool share_port;
    bool cookies;
    int64_t workers;
    int64_t ping_interval;
    int64_t max_payload;
    const char *www;
    int mode;
    const char *router;
    const char *listen;
};

static const struct option table[] = {
    {"share-port", OPTION_FLAG, offsetof(struct settings, share_port), NULL, 0, 0, NULL,
     "Let several edges listen on one port."},
    {"cookies", OPTION_FLAG, offsetof(struct settings, cookies), "true", 0, 0, NULL,
     "A switch that is on by default."},
    {"workers", OPTION_INTEGER, offsetof(struct settings, workers), "4", -2, 64, NULL, "How many."},
    {"ping-interval", OPTION_DURATION, offsetof(struct settings, ping_interval), "25s", 100,
     3600000, NULL,
     "Time between two heartbeats of a session, that is how long a dead client can go unnoticed "
     "together with the time that it is given to answer."},
    {"max-payload", OPTION_SIZE, offsetof(struct settings, max_payload), "1m", 1024,
     INT64_C(1) << 30, NULL, "Largest payload."},
    {"www", OPTION_STRING, offsetof(struct settings, www), NULL, 0, 0, "DIR", "Files to serve."},
    {"mode", OPTION_CHOICE, offsetof(struct settings, mode), "b", 0, 0, "a|b|long-one", "A mode."},
    {"router", OPTION_ENDPOINT, offsetof(struct settings, router), "tcp://127.0.0.1:7400", 0, 0,
     NULL, "Where the router is."},
    {"listen", OPTION_ADDRESS, offsetof(struct settings, listen), "127.0.0.1:3000", 0, 0, NULL,
     "Where clients connect to."},
};

enum { COUNT = sizeof(table) / sizeof(table[0]) };

static struct settings settings;
static struct options_common common;
static struct capture out;
static struct capture error;

#define PARSE(...) parse((char *[]){"edge", __VA_ARGS__, NULL})

static enum options_result parse(char **argv)
{
    enum options_result result;
    int argc = 0;

    while (argv[argc] != NULL) {
        argc++;
    }
    memset(&settings, 0x55, sizeof(settings));
    memset(&common, 0x55, sizeof(common));
    capture_begin(&out, STDOUT_FILENO);
    capture_begin(&error, STDERR_FILENO);
    result =
        options_parse(table, COUNT, "edge", "Talks to clients.", argc, argv, &settings, &common);
    capture_end(&error);
    capture_end(&out);
    return result;
}

#define ASSERT_FAILS(message, ...)                                                                 \
    do {                                                                                           \
        assert_int_equal(PARSE(__VA_ARGS__), OPTIONS_EXIT_2);                                      \
        assert_string_equal(error.text, "edge: " message "\n");                                    \
        assert_string_equal(out.text, "");                                                         \
    } while (0)

static void nothing_given_leaves_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse((char *[]){"edge", NULL}), OPTIONS_RUN);
    assert_false(settings.share_port);
    assert_true(settings.cookies);
    assert_int_equal(settings.workers, 4);
    assert_int_equal(settings.ping_interval, 25000);
    assert_int_equal(settings.max_payload, 1 << 20);
    assert_null(settings.www);
    assert_int_equal(settings.mode, 1);
    assert_string_equal(settings.router, "tcp://127.0.0.1:7400");
    assert_string_equal(settings.listen, "127.0.0.1:3000");
    assert_false(common.check_config);
    assert_int_equal(common.log_level, LOG_LEVEL_INFO);
    assert_int_equal(common.log_format, LOG_FORMAT_LOGFMT);
    assert_string_equal(error.text, "");
}

static void flags_set_values_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--workers", "-2", "--www=/srv=x", "--mode", "long-one", "--share-port",
                           "--no-cookies", "--listen=:80", "--router", "ipc:///run/r",
                           "--log-level", "debug", "--log-format=json", "--check-config"),
                     OPTIONS_RUN);
    assert_int_equal(settings.workers, -2);
    assert_string_equal(settings.www, "/srv=x");
    assert_int_equal(settings.mode, 2);
    assert_true(settings.share_port);
    assert_false(settings.cookies);
    assert_string_equal(settings.listen, ":80");
    assert_string_equal(settings.router, "ipc:///run/r");
    assert_int_equal(common.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(common.log_format, LOG_FORMAT_JSON);
    assert_true(common.check_config);
}

static void the_last_of_equal_flags_wins(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--workers", "1", "--share-port", "--workers=2", "--share-port=false"),
                     OPTIONS_RUN);
    assert_int_equal(settings.workers, 2);
    assert_false(settings.share_port);
    assert_int_equal(PARSE("--www=", "--no-share-port", "--share-port=ON"), OPTIONS_RUN);
    assert_string_equal(settings.www, "");
    assert_true(settings.share_port);
}

static void the_environment_is_read_and_flags_win(void **state)
{
    (void)state;
    setenv("ELIZAMQ_WORKERS", "7", 1);
    setenv("ELIZAMQ_PING_INTERVAL", "2m", 1);
    setenv("ELIZAMQ_SHARE_PORT", "yes", 1);
    setenv("ELIZAMQ_WWW", "", 1); /* as good as not set */
    setenv("ELIZAMQ_LOG_LEVEL", "warn", 1);
    setenv("ELIZAMQ_UNKNOWN_TO_THIS_PROGRAM", "x", 1);
    assert_int_equal(PARSE("--workers", "8"), OPTIONS_RUN);
    assert_int_equal(settings.workers, 8);
    assert_int_equal(settings.ping_interval, 120000);
    assert_true(settings.share_port);
    assert_null(settings.www);
    assert_int_equal(common.log_level, LOG_LEVEL_WARN);
    setenv("ELIZAMQ_WORKERS", "many", 1);
    ASSERT_FAILS("ELIZAMQ_WORKERS must be a whole number between -2 and 64, not \"many\"",
                 "--workers", "8");
    /* A broken environment does not hide the help. */
    assert_int_equal(PARSE("--help"), OPTIONS_EXIT_0);
    unsetenv("ELIZAMQ_WORKERS");
    unsetenv("ELIZAMQ_PING_INTERVAL");
    unsetenv("ELIZAMQ_SHARE_PORT");
    unsetenv("ELIZAMQ_WWW");
    unsetenv("ELIZAMQ_LOG_LEVEL");
    unsetenv("ELIZAMQ_UNKNOWN_TO_THIS_PROGRAM");
}

static void units_of_durations_and_sizes(void **state)
{
    static const struct {
        char *text;
        int64_t ms;
    } durations[] = {{"100", 100},   {"250ms", 250},  {"30s", 30000},
                     {"5m", 300000}, {"1h", 3600000}, {"1H", 3600000}};
    static const struct {
        char *text;
        int64_t bytes;
    } sizes[] = {{"1024", 1024}, {"64k", 65536}, {"16M", 1 << 24}, {"1g", 1 << 30}};

    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        assert_int_equal(PARSE("--ping-interval", durations[i].text), OPTIONS_RUN);
        assert_int_equal(settings.ping_interval, durations[i].ms);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(PARSE("--max-payload", sizes[i].text), OPTIONS_RUN);
        assert_int_equal(settings.max_payload, sizes[i].bytes);
    }
}

static void numbers_out_of_form_or_bounds_are_refused(void **state)
{
    static char *const wrong_durations[] = {"",
                                            "s",
                                            "99ms",
                                            "61m",
                                            "2h",
                                            "1.5s",
                                            "1 s",
                                            "-1s",
                                            "1d",
                                            "1k",
                                            "+1s",
                                            "0x64",
                                            "1sm",
                                            "9223372036854775807h",
                                            "99999999999999999999"};
    static char *const wrong_sizes[] = {"1023", "1025m", "1kb", "1s", "k", "9007199254740993g"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong_durations) / sizeof(wrong_durations[0]); i++) {
        assert_int_equal(PARSE("--ping-interval", wrong_durations[i]), OPTIONS_EXIT_2);
        assert_non_null(strstr(error.text, "edge: --ping-interval must be a duration between "
                                           "100ms and 1h, such as 250ms, 30s or 5m, not \""));
    }
    for (size_t i = 0; i < sizeof(wrong_sizes) / sizeof(wrong_sizes[0]); i++) {
        assert_int_equal(PARSE("--max-payload", wrong_sizes[i]), OPTIONS_EXIT_2);
        assert_non_null(strstr(error.text, "--max-payload must be a size between 1k and 1g"));
    }
    assert_int_equal(PARSE("--workers", "65"), OPTIONS_EXIT_2);
    assert_int_equal(PARSE("--workers", "-3"), OPTIONS_EXIT_2);
    assert_int_equal(PARSE("--workers", "1k"), OPTIONS_EXIT_2);
}

static void endpoints_are_checked(void **state)
{
    static char *const right[] = {"tcp://127.0.0.1:7400",
                                  "tcp://router.local:1",
                                  "tcp://*:7400",
                                  "tcp://[::1]:65535",
                                  "tcp://*:*",
                                  "tcp://10.0.0.1:*",
                                  "ipc:///run/x.sock",
                                  "ipc://@abstract"};
    static char *const wrong[] = {"",           "tcp://",         "tcp://host", "tcp://:7400",
                                  "tcp://h:",   "tcp://h:65536",  "tcp://h:1x", "tcp://::1:7400",
                                  "tcp://[]:1", "tcp://a b:1",    "ipc://",     "127.0.0.1:7400",
                                  "udp://h:1",  "tcp://h:1/path", "inproc://x", "tcp://h:000001"};
    char long_path[200] = "ipc://";

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(PARSE("--router", right[i]), OPTIONS_RUN);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(PARSE("--router", wrong[i]), OPTIONS_EXIT_2);
    }
    memset(long_path + 6, 'x', 150);
    assert_int_equal(PARSE("--router", long_path), OPTIONS_EXIT_2);
    ASSERT_FAILS("--router must be an endpoint, tcp://host:port or ipc://path, not \"x\"",
                 "--router", "x");
}

static void addresses_are_checked(void **state)
{
    static char *const right[] = {"127.0.0.1:3000", ":3000", "[::1]:0", "localhost:65535",
                                  "0.0.0.0:80"};
    static char *const wrong[] = {"",           "3000",    "host",      "host:", ":",   "::1:80",
                                  "host:99999", "host:-1", "tcp://h:1", "h:1 ",  "*:80"};

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(PARSE("--listen", right[i]), OPTIONS_RUN);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(PARSE("--listen", wrong[i]), OPTIONS_EXIT_2);
    }
    ASSERT_FAILS("--listen must be an address, host:port, [v6]:port or :port, not \"x\"",
                 "--listen=x");
}

static void bad_usage_is_one_clear_line(void **state)
{
    (void)state;
    ASSERT_FAILS("unknown option --wrong (see --help)", "--wrong");
    ASSERT_FAILS("unknown option --wrong (see --help)", "--wrong=1");
    ASSERT_FAILS("unknown option --no-workers (see --help)", "--no-workers");
    ASSERT_FAILS("unknown option --no-cookies (see --help)", "--no-cookies=1");
    ASSERT_FAILS("unknown option --work (see --help)", "--work", "1");
    ASSERT_FAILS("unexpected argument \"file\" (see --help)", "file");
    ASSERT_FAILS("unexpected argument \"-x\" (see --help)", "-x");
    ASSERT_FAILS("unexpected argument \"--\" (see --help)", "--");
    ASSERT_FAILS("unexpected argument \"\" (see --help)", "");
    ASSERT_FAILS("unexpected argument \"true\" (see --help)", "--share-port", "true");
    ASSERT_FAILS("--workers needs a value", "--workers");
    ASSERT_FAILS("--workers needs a value", "--workers", "--share-port");
    ASSERT_FAILS("--share-port must be true or false, not \"maybe\"", "--share-port=maybe");
    ASSERT_FAILS("--mode must be one of a, b, long-one, not \"long\"", "--mode", "long");
    ASSERT_FAILS("--mode must be one of a, b, long-one, not \"a|b\"", "--mode", "a|b");
    ASSERT_FAILS("--mode must be one of a, b, long-one, not \"\"", "--mode", "");
    ASSERT_FAILS("--log-level must be one of error, warn, info, debug, not \"loud\"", "--log-level",
                 "loud");
    ASSERT_FAILS("unexpected argument \"a?b\" (see --help)", "a\nb");
}

/* White space of any length as one space, so that line breaks do not matter. */
static const char *squeezed(const char *text)
{
    static char result[CAPTURE_MAX];
    size_t length = 0;

    for (; *text != '\0'; text++) {
        if (*text != '\n' && *text != ' ') {
            result[length++] = *text;
        } else if (length > 0 && result[length - 1] != ' ') {
            result[length++] = ' ';
        }
    }
    result[length] = '\0';
    return result;
}

static void help_tells_everything_within_100_columns(void **state)
{
    static const char *const parts[] = {
        "Usage: edge",
        "Talks to clients.",
        "--share-port ",
        "--ping-interval DURATION ",
        "[100ms to 1h; default 25s; ELIZAMQ_PING_INTERVAL]",
        "--max-payload SIZE",
        "1k to 1g; default 1m; ELIZAMQ_MAX_PAYLOAD]",
        "--www DIR",
        "[ELIZAMQ_WWW]",
        "--mode a|b|long-one",
        "default b; ELIZAMQ_MODE]",
        "--listen HOST:PORT",
        "--check-config",
        "--log-level error|warn|info|debug",
        "--log-format logfmt|json",
        "--version",
        "-h, --help",
    };

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(PARSE("--wrong", i == 0 ? "--help" : "-h"), OPTIONS_EXIT_0);
        assert_string_equal(error.text, "");
        for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
            if (strstr(squeezed(out.text), parts[j]) == NULL) {
                fail_msg("not in the help: %s", parts[j]);
            }
        }
        for (char *line = strtok(out.text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            assert_true(strlen(line) <= 100);
            assert_int_not_equal(line[strlen(line) - 1], ' ');
        }
    }
}

static void version_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--version", "--wrong"), OPTIONS_EXIT_0);
    assert_memory_equal(out.text, "edge ", 5);
    assert_ptr_equal(strchr(out.text, '\n'), out.text + strlen(out.text) - 1);
}

static void fail_prints_and_gives_the_status(void **state)
{
    int status;

    (void)state;
    capture_begin(&error, STDERR_FILENO);
    status = options_fail("router", "cannot open %s", "x\ty");
    capture_end(&error);
    assert_int_equal(status, 2);
    assert_string_equal(error.text, "router: cannot open x?y\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_leaves_the_defaults),
        cmocka_unit_test(flags_set_values_in_both_forms),
        cmocka_unit_test(the_last_of_equal_flags_wins),
        cmocka_unit_test(the_environment_is_read_and_flags_win),
        cmocka_unit_test(units_of_durations_and_sizes),
        cmocka_unit_test(numbers_out_of_form_or_bounds_are_refused),
        cmocka_unit_test(endpoints_are_checked),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(bad_usage_is_one_clear_line),
        cmocka_unit_test(help_tells_everything_within_100_columns),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(fail_prints_and_gives_the_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
