/* What the log says of a router that is not heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "proto/bus/silence.h"
#include "tests/unit/capture.h"

enum { TIMEOUT = 3000 };

static const struct link_settings settings = {.timeout = TIMEOUT};
static struct capture capture;

/* The names of the events that the log gets by looking at the link then. */
static void assert_logged(struct silence *silence, const struct link *link, int64_t now,
                          const char *expected)
{
    capture_begin(&capture, STDERR_FILENO);
    silence_watch(silence, link, now);
    capture_end(&capture);
    const char *at = strstr(capture.text, "event=");
    if (expected == NULL) {
        assert_string_equal(capture.text, "");
    } else {
        assert_non_null(at);
        assert_memory_equal(at + strlen("event="), expected, strlen(expected));
        assert_null(strstr(at + 1, "event="));
    }
}

static void a_router_that_never_answers_is_told_once(void **state)
{
    struct silence silence = {0};
    struct link link = {.settings = &settings, .state = LINK_OPENING};
    (void)state;
    assert_logged(&silence, &link, 10, NULL);
    assert_logged(&silence, &link, 9 + TIMEOUT, NULL);
    link.state = LINK_CLOSED; /* between two openings */
    assert_logged(&silence, &link, 10 + TIMEOUT, "router_unreachable");
    link.state = LINK_OPENING;
    assert_logged(&silence, &link, 10 + 10 * TIMEOUT, NULL);
}

static void every_loss_is_waited_for_anew(void **state)
{
    struct silence silence = {0};
    struct link link = {.settings = &settings, .state = LINK_OPENING};
    (void)state;
    assert_logged(&silence, &link, 0, NULL);
    link.state = LINK_OPEN;
    link.heard_at = 100;
    assert_logged(&silence, &link, 100, NULL);
    link.state = LINK_CLOSED;
    assert_logged(&silence, &link, 10 * TIMEOUT, NULL);
    assert_logged(&silence, &link, 11 * TIMEOUT, "router_unreachable");
}

static void a_refusal_is_told_once_until_a_link_opens(void **state)
{
    struct silence silence = {0};
    struct link link = {.settings = &settings, .state = LINK_OPENING};
    (void)state;
    assert_logged(&silence, &link, 0, NULL);
    capture_begin(&capture, STDERR_FILENO);
    silence_refused(&silence, "is it the right one?");
    capture_end(&capture);
    assert_non_null(strstr(capture.text, "event=hello_refused hint=\"is it the right one?\"\n"));
    capture_begin(&capture, STDERR_FILENO);
    silence_refused(&silence, "is it the right one?");
    capture_end(&capture);
    assert_string_equal(capture.text, "");
    assert_logged(&silence, &link, 2 * TIMEOUT, NULL); /* it was heard, after all */
    link.state = LINK_OPEN;
    link.heard_at = 2 * TIMEOUT;
    assert_logged(&silence, &link, 2 * TIMEOUT, NULL);
    link.state = LINK_CLOSED;
    assert_logged(&silence, &link, 3 * TIMEOUT, NULL);
    assert_logged(&silence, &link, 4 * TIMEOUT, "router_unreachable");
}

static void a_router_that_falls_silent_is_told_and_when_it_is_heard(void **state)
{
    struct silence silence = {0};
    struct link link = {.settings = &settings, .state = LINK_OPEN};
    (void)state;
    assert_logged(&silence, &link, TIMEOUT - 1, NULL);
    assert_logged(&silence, &link, TIMEOUT, "router_silent");
    assert_logged(&silence, &link, 2 * TIMEOUT, NULL);
    link.heard_at = 2 * TIMEOUT;
    assert_logged(&silence, &link, 2 * TIMEOUT + 1, "router_heard");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_that_never_answers_is_told_once),
        cmocka_unit_test(every_loss_is_waited_for_anew),
        cmocka_unit_test(a_refusal_is_told_once_until_a_link_opens),
        cmocka_unit_test(a_router_that_falls_silent_is_told_and_when_it_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
