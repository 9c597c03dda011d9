#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/rest/agent_session.h"
#include "proto/base/json.h"

enum { MINUTE = 60000, NOW = 1000000 };

static const struct agent_session_settings settings = {.timeout = 30 * MINUTE,
                                                       .timeout_min = 5 * MINUTE,
                                                       .timeout_max = 1440 * MINUTE,
                                                       .duration = 720 * MINUTE,
                                                       .warning = 5 * MINUTE,
                                                       .kept = 60 * MINUTE};

static struct agent_session session_at(int64_t now)
{
    struct agent_session session;
    agent_session_init(&session, &settings);
    session.channel = SLICE_LITERAL("channel");
    session.agent = SLICE_LITERAL("agent");
    session.user = SLICE_LITERAL("user \"1\"");
    session.created_at = now;
    agent_session_begin(&session, now);
    return session;
}

static enum agent_session_fault configure(struct agent_session *session, const char *json)
{
    struct arena arena;
    arena_init(&arena);
    enum agent_session_fault fault =
        agent_session_configure(session, &settings, slice_of_string(json), &arena);
    arena_deinit(&arena);
    return fault;
}

static void a_session_ends_when_nothing_is_said_for_long(void **state)
{
    (void)state;
    struct agent_session session = session_at(NOW);
    assert_false(agent_session_is_near_end(&session, NOW));
    assert_true(agent_session_is_near_end(&session, NOW + 25 * MINUTE));
    assert_false(agent_session_is_expired(&session, NOW + 30 * MINUTE - 1));
    assert_true(agent_session_is_expired(&session, NOW + 30 * MINUTE));
    assert_false(agent_session_is_near_end(&session, NOW + 30 * MINUTE));
    assert_true(agent_session_renew(&session, NOW + 20 * MINUTE));
    assert_int_equal(session.renewals, 1);
    assert_false(agent_session_is_expired(&session, NOW + 50 * MINUTE - 1));
}

static void its_longest_duration_is_never_passed(void **state)
{
    (void)state;
    struct agent_session session = session_at(NOW);
    assert_int_equal(configure(&session, "{\"maxDurationMinutes\":40}"), AGENT_SESSION_FITS);
    assert_true(agent_session_renew(&session, NOW + 20 * MINUTE));
    assert_int_equal(session.expires_at, NOW + 40 * MINUTE);
    assert_false(agent_session_renew(&session, NOW + 40 * MINUTE));
    assert_int_equal(session.renewals, 1);
}

static void timeouts_are_put_into_their_range(void **state)
{
    (void)state;
    struct agent_session session = session_at(NOW);
    assert_int_equal(configure(&session, "{\"timeoutMinutes\":1,\"maxDurationMinutes\":-1}"),
                     AGENT_SESSION_OUT_OF_RANGE);
    assert_int_equal(session.timeout, 5 * MINUTE);
    assert_int_equal(session.duration, 5 * MINUTE);
    assert_int_equal(configure(&session, "{\"timeoutMinutes\":1e300,\"maxDurationMinutes\":1e99,"
                                         "\"warningThresholdMinutes\":1e18}"),
                     AGENT_SESSION_OUT_OF_RANGE);
    assert_int_equal(session.timeout, 1440 * MINUTE);
    assert_int_equal(session.duration, 2880 * MINUTE);
    assert_true(session.warning > 0);
    assert_int_equal(configure(&session, "{\"timeoutMinutes\":\"7.5\",\"autoRenew\":false}"),
                     AGENT_SESSION_FITS);
    assert_int_equal(session.timeout, 450000);
    assert_false(session.renews_itself);
    assert_int_equal(configure(&session, ""), AGENT_SESSION_FITS);
    assert_int_equal(configure(&session, "null"), AGENT_SESSION_FITS);
    assert_int_equal(session.timeout, 450000);
}

static void what_is_no_configuration_changes_nothing(void **state)
{
    (void)state;
    static const char *const none[] = {"1",
                                       "[]",
                                       "\"x\"",
                                       "{\"timeoutMinutes\":true}",
                                       "{\"timeoutMinutes\":\"\"}",
                                       "{\"timeoutMinutes\":\"NaN\"}",
                                       "{\"timeoutMinutes\":9,\"maxDurationMinutes\":{}}",
                                       "{\"timeoutMinutes\":9,\"autoRenew\":\"yes\"}"};
    struct agent_session session = session_at(NOW);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(configure(&session, none[i]), AGENT_SESSION_NO_CONFIG);
        assert_int_equal(session.timeout, 30 * MINUTE);
    }
}

static void an_agent_has_timeouts_of_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        int64_t timeout, duration, warning; /* minutes */
        bool renews_itself;
    } cases[] = {
        {"{\"SESSION_TIMEOUT_MINUTES\":\"60\",\"SESSION_MAX_DURATION_MINUTES\":90}", 60, 90, 5,
         true},
        {"{\"SESSION_TIMEOUT_MINUTES\":1,\"SESSION_WARNING_THRESHOLD_MINUTES\":0}", 5, 720, 1,
         true},
        {"{\"SESSION_TIMEOUT_MINUTES\":1e300,\"SESSION_MAX_DURATION_MINUTES\":1e300,"
         "\"SESSION_WARNING_THRESHOLD_MINUTES\":1e300}",
         1440, 2880, 1440, true},
        {"{\"SESSION_AUTO_RENEW\":\"false\",\"SESSION_TIMEOUT_MINUTES\":\"soon\"}", 30, 720, 5,
         false},
        {"{\"SESSION_AUTO_RENEW\":false,\"SESSION_MAX_DURATION_MINUTES\":{}}", 30, 720, 5, false},
        {"{\"SESSION_AUTO_RENEW\":\"true\",\"SESSION_WARNING_THRESHOLD_MINUTES\":null}", 30, 720, 5,
         true},
        {"{\"SESSION_AUTO_RENEW\":7}", 30, 720, 5, true},
        {"[]", 30, 720, 5, true},
        {"", 30, 720, 5, true},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct agent_session session = session_at(NOW);
        agent_session_take_settings(&session, &settings, slice_of_string(cases[i].settings),
                                    &arena);
        assert_int_equal(session.timeout, cases[i].timeout * MINUTE);
        assert_int_equal(session.duration, cases[i].duration * MINUTE);
        assert_int_equal(session.warning, cases[i].warning * MINUTE);
        assert_int_equal(session.renews_itself, cases[i].renews_itself);
        assert_int_equal(configure(&session, "{\"timeoutMinutes\":7}"), AGENT_SESSION_FITS);
        assert_int_equal(session.timeout, 7 * MINUTE); /* whoever makes it wants another */
        assert_int_equal(session.warning, cases[i].warning * MINUTE);
    }
    arena_deinit(&arena);
}

static void a_record_brings_it_back(void **state)
{
    (void)state;
    struct agent_session session = session_at(NOW), again;
    struct buffer body = BUFFER_EMPTY;
    struct arena arena;
    struct slice value;
    arena_init(&arena);
    configure(&session, "{\"timeoutMinutes\":7.25,\"warningThresholdMinutes\":0.001}");
    session.metadata = SLICE_LITERAL("{\"a\":[1]}");
    session.renewals = 3;
    agent_session_write(&session, &body);
    assert_int_equal(json_scan(buffer_slice(&body), JSON_MAX_DEPTH, &value), 0);
    assert_true(agent_session_read(value, &arena, &again));
    assert_true(slice_equals(again.channel, session.channel));
    assert_true(slice_equals(again.agent, session.agent));
    assert_true(slice_equals(again.user, session.user));
    assert_true(slice_equals(again.metadata, session.metadata));
    assert_int_equal(again.timeout, session.timeout);
    assert_int_equal(again.duration, session.duration);
    assert_int_equal(again.warning, session.warning);
    assert_int_equal(again.created_at, session.created_at);
    assert_int_equal(again.last_activity, session.last_activity);
    assert_int_equal(again.expires_at, session.expires_at);
    assert_int_equal(again.renewals, 3);
    assert_true(again.renews_itself);
    assert_false(agent_session_read(SLICE_LITERAL("{}"), &arena, &again));
    assert_false(agent_session_read(SLICE_LITERAL("[]"), &arena, &again));
    assert_false(agent_session_read(SLICE_EMPTY, &arena, &again));
    buffer_deinit(&body);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_when_nothing_is_said_for_long),
        cmocka_unit_test(its_longest_duration_is_never_passed),
        cmocka_unit_test(timeouts_are_put_into_their_range),
        cmocka_unit_test(what_is_no_configuration_changes_nothing),
        cmocka_unit_test(an_agent_has_timeouts_of_its_own),
        cmocka_unit_test(a_record_brings_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
