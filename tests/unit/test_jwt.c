#include "tests/unit/token_fixture.h"

#include "edge/auth/jwt.h"

enum { NOW_S = 1800000000 };
#define NOW ((int64_t)NOW_S * 1000)

static const struct jwt_settings settings = {.rooms_claim = "rooms", .leeway = 30000};

static struct jwt_keys *keys_of(struct slice text)
{
    char reason[128] = "";
    struct jwt_keys *keys = jwt_keys_new(text, reason, sizeof(reason));
    if (keys == NULL) {
        fail_msg("%s", reason);
    }
    return keys;
}

static void assert_refused(struct slice text)
{
    char reason[128] = "";
    assert_null(jwt_keys_new(text, reason, sizeof(reason)));
    assert_true(reason[0] != '\0');
}

/* The subject of a token of these claims, checked with `use`; empty: refused. */
static const char *subject_under(const struct jwt_settings *use, const char *header,
                                 const char *claims)
{
    static char subject[512];
    struct jwt_keys *keys = keys_of(SLICE_LITERAL(SECRET));
    struct buffer token = BUFFER_EMPTY;
    append_claims(&token, header, claims);
    sign_with_secret(&token, SECRET, strlen(SECRET));
    struct identity *identity = jwt_verify(buffer_slice(&token), keys, use, NOW);
    struct slice text = identity_subject(identity);
    snprintf(subject, sizeof(subject), "%.*s", (int)text.length, text.data);
    identity_destroy(&identity);
    buffer_deinit(&token);
    jwt_keys_destroy(&keys);
    return subject;
}

static const char *subject_of(const char *claims)
{
    return subject_under(&settings, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims);
}

static void a_secret_signs(void **state)
{
    (void)state;
    assert_string_equal(subject_of("{\"sub\":\"ada\"}"), "ada");
    assert_string_equal(subject_of("{\"sub\":\"\"}"), "");
    assert_string_equal(subject_of("{\"sub\":7}"), "");
    assert_string_equal(subject_of("{\"sub\":\"a\\u0000b\"}"), "");
    assert_string_equal(subject_of("{}"), "");
    assert_string_equal(subject_of("[]"), "");
}

static void times_count_with_leeway(void **state)
{
    (void)state;
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"exp\":1800000001}"), "ada");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"exp\":1799999971}"), "ada");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"exp\":1799999970}"), "");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"nbf\":1800000030}"), "ada");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"nbf\":1800000031.5}"), "");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"exp\":\"1900000000\"}"), "");
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"exp\":null}"), "");
}

static void issuer_and_audience_count_when_they_are_named(void **state)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    struct jwt_settings strict = settings;
    (void)state;
    strict.issuer = "us";
    strict.audience = "chat";
    assert_string_equal(
        subject_under(&strict, header, "{\"sub\":\"ada\",\"iss\":\"us\",\"aud\":\"chat\"}"), "ada");
    assert_string_equal(
        subject_under(&strict, header, "{\"sub\":\"ada\",\"iss\":\"us\",\"aud\":[\"x\",\"chat\"]}"),
        "ada");
    assert_string_equal(
        subject_under(&strict, header, "{\"sub\":\"ada\",\"iss\":\"us\",\"aud\":\"mail\"}"), "");
    assert_string_equal(
        subject_under(&strict, header, "{\"sub\":\"ada\",\"iss\":\"them\",\"aud\":\"chat\"}"), "");
    assert_string_equal(subject_under(&strict, header, "{\"sub\":\"ada\"}"), "");
}

static void what_a_header_may_not_say(void **state)
{
    static const char claims[] = "{\"sub\":\"ada\"}";
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"hs256\"}",
        "{}",
        "[]",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":[\"HS256\"]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        assert_string_equal(subject_under(&settings, headers[i], claims), "");
    }
}

static void a_changed_token_is_none(void **state)
{
    struct jwt_keys *keys = keys_of(SLICE_LITERAL(SECRET "\n"));
    struct buffer token = BUFFER_EMPTY;
    struct identity *identity;
    (void)state;
    append_claims(&token, "{\"alg\":\"HS256\"}", "{\"sub\":\"ada\"}");
    sign_with_secret(&token, SECRET, strlen(SECRET));
    for (size_t i = 0; i < token.length; i++) {
        char was = token.data[i];
        /* Of the last character of a part, not every bit counts, and those have to be zero. */
        token.data[i] = was == 'A' ? 'B' : 'A';
        assert_null(jwt_verify(buffer_slice(&token), keys, &settings, NOW));
        token.data[i] = was;
        assert_null(jwt_verify(slice_of(token.data, i), keys, &settings, NOW));
    }
    identity = jwt_verify(buffer_slice(&token), keys, &settings, NOW);
    assert_non_null(identity);
    identity_destroy(&identity);
    buffer_append_char(&token, '=');
    assert_null(jwt_verify(buffer_slice(&token), keys, &settings, NOW));
    buffer_deinit(&token);
    jwt_keys_destroy(&keys);
}

static void assert_verifies(const struct jwt_keys *keys, const char *header, EVP_PKEY *key,
                            bool is_good)
{
    struct buffer token = BUFFER_EMPTY;
    append_claims(&token, header, "{\"sub\":\"ada\"}");
    sign_with_key(&token, key);
    struct identity *identity = jwt_verify(buffer_slice(&token), keys, &settings, NOW);
    assert_int_equal(identity != NULL, is_good);
    identity_destroy(&identity);
    buffer_deinit(&token);
}

static void public_keys_verify_their_own_algorithm(void **state)
{
    static const char rs256[] = "{\"alg\":\"RS256\"}";
    static const char es256[] = "{\"alg\":\"ES256\"}";
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct buffer rsa_pem = BUFFER_EMPTY, curve_pem = BUFFER_EMPTY, confused = BUFFER_EMPTY;
    (void)state;
    write_pem(rsa, &rsa_pem);
    write_pem(curve, &curve_pem);
    struct jwt_keys *with_rsa = keys_of(buffer_slice(&rsa_pem));
    struct jwt_keys *with_curve = keys_of(buffer_slice(&curve_pem));
    assert_verifies(with_rsa, rs256, rsa, true);
    assert_verifies(with_rsa, es256, rsa, false);
    assert_verifies(with_rsa, es256, curve, false);
    assert_verifies(with_curve, es256, curve, true);
    assert_verifies(with_curve, rs256, rsa, false);
    assert_verifies(with_curve, es256, other, false);

    /* The public key taken for a secret. */
    append_claims(&confused, "{\"alg\":\"HS256\"}", "{\"sub\":\"ada\"}");
    sign_with_secret(&confused, rsa_pem.data, rsa_pem.length);
    assert_null(jwt_verify(buffer_slice(&confused), with_rsa, &settings, NOW));

    jwt_keys_destroy(&with_rsa);
    jwt_keys_destroy(&with_curve);
    buffer_deinit(&rsa_pem);
    buffer_deinit(&curve_pem);
    buffer_deinit(&confused);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(other);
}

static void a_set_has_keys_by_id(void **state)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    struct buffer set = BUFFER_EMPTY;
    (void)state;
    buffer_append_string(&set, "{\"keys\":[");
    write_jwk(rsa, "old", &set);
    buffer_append_string(&set, ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},");
    write_jwk(curve, "new", &set);
    buffer_append_string(&set, "]}");
    struct jwt_keys *keys = keys_of(buffer_slice(&set));
    assert_verifies(keys, "{\"alg\":\"RS256\",\"kid\":\"old\"}", rsa, true);
    assert_verifies(keys, "{\"alg\":\"RS256\"}", rsa, true);
    assert_verifies(keys, "{\"alg\":\"RS256\",\"kid\":\"new\"}", rsa, false);
    assert_verifies(keys, "{\"alg\":\"ES256\",\"kid\":\"new\"}", curve, true);
    assert_verifies(keys, "{\"alg\":\"ES256\",\"kid\":\"newer\"}", curve, false);
    assert_verifies(keys, "{\"alg\":\"ES256\",\"kid\":3}", curve, false);
    jwt_keys_destroy(&keys);
    buffer_deinit(&set);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(curve);
}

static void keys_that_are_too_short_or_none(void **state)
{
    EVP_PKEY *rsa = EVP_RSA_gen(1024);
    EVP_PKEY *curve = EVP_EC_gen("P-384");
    struct buffer text = BUFFER_EMPTY;
    (void)state;
    assert_refused(SLICE_EMPTY);
    assert_refused(SLICE_LITERAL("short"));
    assert_refused(SLICE_LITERAL("0123456789abcdef0123456789abcde\n"));
    assert_refused(SLICE_LITERAL("-----BEGIN PUBLIC KEY-----\nnonsense"));
    assert_refused(SLICE_LITERAL("{\"keys\":[]}"));
    assert_refused(SLICE_LITERAL("{\"keys\":{}}"));
    assert_refused(SLICE_LITERAL("{\"keys\":[1]}"));
    assert_refused(SLICE_LITERAL("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}"));
    assert_refused(SLICE_LITERAL("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA\"}]}"));
    assert_refused(SLICE_LITERAL("{\"keys\":[{\"kty\":\"EC\",\"x\":\"AA\",\"y\":\"AA\"}]}"));
    assert_refused(SLICE_LITERAL("{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"}]}"));
    assert_refused(SLICE_LITERAL("{\"keys\""));
    write_pem(rsa, &text);
    assert_refused(buffer_slice(&text));
    buffer_clear(&text);
    write_pem(curve, &text);
    assert_refused(buffer_slice(&text));
    buffer_deinit(&text);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(curve);
}

static void rooms_bound_where_it_may_go(void **state)
{
    struct identity *identity =
        identity_new(SLICE_LITERAL("ada"), SLICE_LITERAL("[\"lobby\",\"caf\\u00e9\"]"));
    (void)state;
    assert_true(identity_may_enter(identity, SLICE_LITERAL("lobby")));
    assert_true(identity_may_enter(identity, SLICE_LITERAL("café")));
    assert_false(identity_may_enter(identity, SLICE_LITERAL("lobby2")));
    assert_true(identity_may_be(identity, SLICE_LITERAL("ada")));
    assert_true(identity_may_be(identity, SLICE_EMPTY));
    assert_false(identity_may_be(identity, SLICE_LITERAL("bob")));
    identity_destroy(&identity);

    identity = identity_new(SLICE_LITERAL("ada"), SLICE_LITERAL("[]"));
    assert_false(identity_may_enter(identity, SLICE_LITERAL("lobby")));
    identity_destroy(&identity);
    assert_true(identity_may_enter(NULL, SLICE_LITERAL("lobby")));
    assert_true(identity_may_be(NULL, SLICE_LITERAL("bob")));
    assert_null(identity_new(SLICE_LITERAL("ada"), SLICE_LITERAL("\"lobby\"")));
    assert_null(identity_new(SLICE_LITERAL("ada"), SLICE_LITERAL("[1]")));
    assert_null(identity_new(SLICE_LITERAL("ada"), SLICE_LITERAL("null")));
    assert_string_equal(subject_of("{\"sub\":\"ada\",\"rooms\":\"lobby\"}"), "");
}

static void only_three_parts_look_like_one(void **state)
{
    (void)state;
    assert_true(jwt_is_likely(SLICE_LITERAL("a.b.c")));
    assert_false(jwt_is_likely(SLICE_LITERAL("a.b")));
    assert_false(jwt_is_likely(SLICE_LITERAL("a.b.")));
    assert_false(jwt_is_likely(SLICE_LITERAL(".b.c")));
    assert_false(jwt_is_likely(SLICE_LITERAL("a.b.c.d")));
    assert_false(jwt_is_likely(SLICE_LITERAL("a.b/.c")));
    assert_false(jwt_is_likely(SLICE_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_signs),
        cmocka_unit_test(times_count_with_leeway),
        cmocka_unit_test(issuer_and_audience_count_when_they_are_named),
        cmocka_unit_test(what_a_header_may_not_say),
        cmocka_unit_test(a_changed_token_is_none),
        cmocka_unit_test(public_keys_verify_their_own_algorithm),
        cmocka_unit_test(a_set_has_keys_by_id),
        cmocka_unit_test(keys_that_are_too_short_or_none),
        cmocka_unit_test(rooms_bound_where_it_may_go),
        cmocka_unit_test(only_three_parts_look_like_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
