#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "edge/http/forwarded.h"
#include "proto/base/error.h"

static void assert_client(const char *trusted, const char *peer, const char *header,
                          const char *client)
{
    struct trusted_proxies proxies;
    char out[FORWARDED_ADDRESS_SIZE];

    assert_int_equal(trusted_proxies_parse(&proxies, trusted), 0);
    assert_string_equal(trusted_proxies_client(&proxies, peer, slice_of_string(header), out),
                        client);
}

static void strangers_are_not_believed(void **state)
{
    (void)state;
    assert_client(NULL, "127.0.0.1", "192.0.2.7", "127.0.0.1");
    assert_client("10.0.0.0/8", "11.0.0.1", "192.0.2.7", "11.0.0.1");
    assert_client("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1");
}

static void a_trusted_proxy_names_its_client(void **state)
{
    (void)state;
    assert_client("127.0.0.1", "127.0.0.1", "192.0.2.7", "192.0.2.7");
    assert_client("10.0.0.0/8,::1", "::1", " 2001:db8::7 ", "2001:db8::7");
    assert_client("0.0.0.0/0", "198.51.100.1", "192.0.2.7", "192.0.2.7");
    assert_client("10.0.0.0/9", "10.127.0.1", "192.0.2.7", "192.0.2.7");
    assert_client("10.0.0.0/9", "10.128.0.1", "192.0.2.7", "10.128.0.1");
    assert_client("10.0.0.1", "::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7");
}

/* Only what trusted proxies wrote counts: a client may send a header of its own. */
static void the_list_is_read_from_its_end(void **state)
{
    (void)state;
    assert_client("10.0.0.0/8", "10.0.0.1", "1.1.1.1, 192.0.2.7, 10.0.0.2", "192.0.2.7");
    assert_client("10.0.0.0/8", "10.0.0.1", "1.1.1.1,192.0.2.7", "192.0.2.7");
    assert_client("10.0.0.0/8", "10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3");
    assert_client("10.0.0.0/8", "10.0.0.1", "192.0.2.7, unknown", "10.0.0.1");
    assert_client("10.0.0.0/8", "10.0.0.1", "192.0.2.7,,", "10.0.0.1");
}

static void other_texts_are_no_networks(void **state)
{
    static const char *const wrong[] = {"",         "x",          "10.0.0.0/", "10.0.0.0/33",
                                        "10.0.0/8", "10.0.0.1,",  "::1/129",   "10.0.0.0/8x",
                                        ",",        "10.0.0.0/-1"};
    struct trusted_proxies proxies;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(trusted_proxies_parse(&proxies, wrong[i]), ERROR_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(a_trusted_proxy_names_its_client),
        cmocka_unit_test(the_list_is_read_from_its_end),
        cmocka_unit_test(other_texts_are_no_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
