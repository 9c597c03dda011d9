#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/engineio_options.h"

static struct engineio_options defaults(void)
{
    return (struct engineio_options){
        .path = "/socket.io",
        .transports = "polling,websocket",
        .http_compression = 1024,
        .cors = {.credentials = true, .methods = "GET,POST"},
    };
}

static void assert_refused(struct engineio_options options, const char *flag)
{
    struct engineio_http_settings settings;
    char reason[200];

    assert_false(engineio_options_resolve(&options, &settings, reason, sizeof(reason)));
    assert_memory_equal(reason, flag, strlen(flag));
}

static void defaults_resolve(void **state)
{
    struct engineio_options options = defaults();
    struct engineio_http_settings settings;
    char reason[200];

    (void)state;
    assert_true(engineio_options_resolve(&options, &settings, reason, sizeof(reason)));
    assert_string_equal(settings.path, "/socket.io/");
    assert_true(settings.serves_polling);
    assert_true(settings.serves_websocket);
    assert_null(settings.cookie);
    assert_int_equal(settings.http_compression, 1024);
}

static void others_resolve(void **state)
{
    struct engineio_options options = defaults();
    struct engineio_http_settings settings;
    char reason[200];

    (void)state;
    options.path = "/chat/";
    options.transports = "websocket";
    options.cookie = "io";
    options.cors.origins = "https://a.example,http://b.example:8080";
    options.trusted_proxy = "10.0.0.0/8";
    assert_true(engineio_options_resolve(&options, &settings, reason, sizeof(reason)));
    assert_string_equal(settings.path, "/chat/");
    assert_false(settings.serves_polling);
    assert_true(settings.serves_websocket);
    assert_int_equal(settings.trusted_proxies->count, 1);
}

static void texts_that_do_not_fit_are_refused_by_name(void **state)
{
    static const char *const paths[] = {"", "chat", "/a b", "/a?b", "/%20"};
    static const char *const lists[] = {"", "polling,", "webtransport", "polling;websocket"};
    static const char *const origins[] = {"",     "example.org", "https://a/", "https://",
                                          "://a", "https://a,",  "*,https://a"};
    struct engineio_options options;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        options = defaults();
        options.path = paths[i];
        assert_refused(options, "--path");
    }
    for (size_t i = 0; i < 4; i++) {
        options = defaults();
        options.transports = lists[i];
        assert_refused(options, "--transports");
    }
    for (size_t i = 0; i < 7; i++) {
        options = defaults();
        options.cors.origins = origins[i];
        assert_refused(options, "--cors-origin");
    }
    options = defaults();
    options.cookie = "a=b";
    assert_refused(options, "--cookie");
    options = defaults();
    options.trusted_proxy = "everybody";
    assert_refused(options, "--trusted-proxy");
    options = defaults();
    options.per_message_deflate = true;
    assert_refused(options, "--per-message-deflate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_resolve),
        cmocka_unit_test(others_resolve),
        cmocka_unit_test(texts_that_do_not_fit_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
