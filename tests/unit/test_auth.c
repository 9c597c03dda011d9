#include "tests/unit/token_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge/auth/auth.h"

enum { NOW = 1000 };

/* A file with this text; removed by the next call, or at the end. */
static const char *file_with(const char *text)
{
    static char path[64];
    FILE *file;
    if (path[0] == '\0') {
        snprintf(path, sizeof(path), "/tmp/elizamq-test-auth-%ld", (long)getpid());
    }
    file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

static struct auth *auth_with(const struct auth_settings *settings)
{
    char reason[256] = "";
    struct auth *auth = auth_new(settings, reason, sizeof(reason));
    if (auth == NULL) {
        fail_msg("%s", reason);
    }
    return auth;
}

static enum auth_result check(const struct auth *auth, const char *first, const char *second,
                              struct auth_holder *holder)
{
    struct credentials shown = {.count = 0};
    credentials_add(&shown, slice_of_string(first));
    credentials_add(&shown, slice_of_string(second));
    return auth_check(auth, &shown, NOW, holder);
}

static void without_keys_everybody_is_let_in(void **state)
{
    struct auth_settings settings = {.api_keys = {NULL, "", NULL}};
    struct auth *auth = auth_with(&settings);
    struct auth_holder holder;
    (void)state;
    assert_false(auth_is_required(auth));
    assert_int_equal(check(auth, "anything", NULL, &holder), AUTH_ACCEPTED);
    assert_null(holder.identity);
    auth_destroy(&auth);
}

static void any_key_is_good_and_nothing_else(void **state)
{
    struct auth_settings settings = {.api_key_file = file_with("new-key\n\n  old-key \r\n"),
                                     .api_keys = {"given", NULL, NULL}};
    struct auth *auth = auth_with(&settings);
    struct auth_holder first, second;
    (void)state;
    assert_true(auth_is_required(auth));
    assert_int_equal(check(auth, "new-key", NULL, &first), AUTH_ACCEPTED);
    assert_int_equal(check(auth, "wrong", "old-key", &second), AUTH_ACCEPTED);
    assert_memory_not_equal(first.digest, second.digest, AUTH_HOLDER_BYTES);
    assert_int_equal(check(auth, "given", NULL, &first), AUTH_ACCEPTED);
    assert_int_equal(check(auth, NULL, NULL, &first), AUTH_KEY_WANTED);
    assert_int_equal(check(auth, "new-ke", "new-key ", &first), AUTH_KEY_WANTED);
    assert_int_equal(check(auth, "new-key\nold-key", NULL, &first), AUTH_KEY_WANTED);
    auth_destroy(&auth);
}

static void a_file_is_read_again(void **state)
{
    struct auth_settings settings = {.api_key_file = file_with("before\n")};
    struct auth *auth = auth_with(&settings);
    struct auth_holder holder;
    char reason[256] = "";
    (void)state;
    file_with("after\n");
    assert_int_equal(check(auth, "after", NULL, &holder), AUTH_KEY_WANTED);
    assert_true(auth_reload(auth, reason, sizeof(reason)));
    assert_int_equal(check(auth, "after", NULL, &holder), AUTH_ACCEPTED);
    assert_int_equal(check(auth, "before", NULL, &holder), AUTH_KEY_WANTED);

    file_with(" \n");
    assert_false(auth_reload(auth, reason, sizeof(reason)));
    assert_non_null(strstr(reason, "no key"));
    assert_int_equal(check(auth, "after", NULL, &holder), AUTH_ACCEPTED);
    unlink(settings.api_key_file);
    assert_false(auth_reload(auth, reason, sizeof(reason)));
    assert_int_equal(check(auth, "after", NULL, &holder), AUTH_ACCEPTED);
    auth_destroy(&auth);
}

static void a_token_says_who(void **state)
{
    struct auth_settings settings = {.api_keys = {"key", NULL, NULL},
                                     .jwt_key_file = file_with(SECRET),
                                     .jwt = {.rooms_claim = "rooms"}};
    struct auth *auth = auth_with(&settings);
    struct buffer token = BUFFER_EMPTY;
    struct auth_holder holder, again;
    (void)state;
    append_claims(&token, "{\"alg\":\"HS256\"}", "{\"sub\":\"ada\"}");
    sign_with_secret(&token, SECRET, strlen(SECRET));
    buffer_append_char(&token, '\0');

    assert_int_equal(check(auth, token.data, NULL, &holder), AUTH_ACCEPTED);
    assert_true(slice_is(identity_subject(holder.identity), "ada"));
    identity_destroy(&holder.identity);
    /* A key beside it does not free its holder. */
    assert_int_equal(check(auth, "key", token.data, &again), AUTH_ACCEPTED);
    assert_true(slice_is(identity_subject(again.identity), "ada"));
    assert_memory_equal(holder.digest, again.digest, AUTH_HOLDER_BYTES);
    identity_destroy(&again.identity);
    assert_int_equal(check(auth, token.data, token.data, &holder), AUTH_ACCEPTED);
    identity_destroy(&holder.identity);

    assert_int_equal(check(auth, "key", NULL, &holder), AUTH_ACCEPTED);
    assert_null(holder.identity);
    token.data[0] = 'x';
    assert_int_equal(check(auth, "key", token.data, &holder), AUTH_BAD_TOKEN);
    assert_int_equal(check(auth, "secret", NULL, &holder), AUTH_KEY_WANTED);
    unlink(settings.jwt_key_file);
    buffer_deinit(&token);
    auth_destroy(&auth);
}

static void files_that_cannot_be_used_are_named(void **state)
{
    struct auth_settings settings = {.api_key_file = "/nowhere/keys"};
    char reason[256] = "";
    (void)state;
    assert_null(auth_new(&settings, reason, sizeof(reason)));
    assert_non_null(strstr(reason, "/nowhere/keys"));
    settings = (struct auth_settings){.jwt_key_file = file_with("too short")};
    assert_null(auth_new(&settings, reason, sizeof(reason)));
    assert_non_null(strstr(reason, settings.jwt_key_file));
    assert_null(strstr(reason, "too short"));
    unlink(settings.jwt_key_file);
}

static void what_headers_showed_is_read_again(void **state)
{
    struct credentials shown = {.count = 0}, again = {.count = 0};
    struct buffer lines = BUFFER_EMPTY;
    (void)state;
    credentials_write(&shown, &lines);
    assert_int_equal(lines.length, 0);
    credentials_add(&shown, SLICE_LITERAL("a key"));
    credentials_add(&shown, SLICE_LITERAL("a.b.c"));
    credentials_write(&shown, &lines);
    credentials_read(&again, buffer_slice(&lines));
    assert_int_equal(again.count, 2);
    assert_true(slice_is(again.texts[0], "a key"));
    assert_true(slice_is(again.texts[1], "a.b.c"));
    buffer_deinit(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_everybody_is_let_in),
        cmocka_unit_test(any_key_is_good_and_nothing_else),
        cmocka_unit_test(a_file_is_read_again),
        cmocka_unit_test(a_token_says_who),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(what_headers_showed_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
