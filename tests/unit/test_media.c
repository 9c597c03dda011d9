/*
 * Addresses of files name nothing but files of their places, and files are what their first bytes
 * say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "edge/media/media_path.h"
#include "edge/media/media_type.h"

static void assert_address(const char *address, bool is_one)
{
    struct arena arena;
    struct media_path path;
    struct buffer out = BUFFER_EMPTY;

    arena_init(&arena);
    assert_int_equal(media_path_parse(slice_of_string(address), &arena, &path), is_one);
    if (is_one) {
        media_path_write(&path, &out);
        assert_true(slice_is(buffer_slice(&out), address));
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static void an_address_names_a_file_of_its_place(void **state)
{
    (void)state;
    assert_address("/media/uploads/agents/0a-b/1-x_Y.png", true);
    assert_address("/media/uploads/channels/c/1.txt", true);
    assert_address("/media/generated/c/1.txt", true);
}

static void no_address_leads_elsewhere(void **state)
{
    static const char *const addresses[] = {
        "/media/uploads/agents/a",        "/media/uploads/agents/a/b/c",
        "/media/uploads/agents/../b",     "/media/uploads/agents/a/..",
        "/media/uploads/agents/a/%2e%2e", "/media/uploads/agents/a/.hidden",
        "/media/uploads/agents/a/b%2fc",  "/media/uploads/agents/a/b%00",
        "/media/uploads/agents/a/b/",     "/media/uploads/agents//b",
        "/media/uploads/others/a/b",      "/media/.incoming/a/b",
        "/media/uploads/.incoming/a/b",   "/media/generated/a",
        "/media/uploads/channels/a/b\\c", "/media/uploads/channels/a/b%0d%0ac",
        "/media/uploads/generated/a/b",   "/mediax/generated/a/b",
    };
    char longest[300] = "/media/generated/a/";

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_address(addresses[i], false);
    }
    memset(longest + strlen(longest), 'x', MEDIA_NAME_MAX);
    assert_address(longest, true);
    longest[strlen(longest)] = 'x';
    assert_address(longest, false);
}

static void any_id_has_a_directory(void **state)
{
    struct id_source ids;
    struct media_path path;
    struct buffer out = BUFFER_EMPTY;

    (void)state;
    id_source_init(&ids);
    media_path_make(&path, MEDIA_CHANNELS, SLICE_LITERAL("room-1"), 17, &ids);
    assert_string_equal(path.directory, "room-1");
    media_path_add_extension(&path, "png");
    assert_int_equal(strlen(path.file), strlen("17-.png") + MEDIA_RANDOM_LENGTH);
    media_path_make(&path, MEDIA_CHANNELS, SLICE_LITERAL("../../etc"), 17, &ids);
    assert_int_equal(strlen(path.directory), UUID_TEXT_LENGTH);
    assert_true(uuid_is_valid(slice_of_string(path.directory)));
    media_path_make(&path, MEDIA_CHANNELS, SLICE_LITERAL(".incoming"), 17, &ids);
    assert_true(uuid_is_valid(slice_of_string(path.directory)));
    buffer_deinit(&out);
}

static void files_are_told_by_their_first_bytes(void **state)
{
    static const struct {
        struct slice bytes;
        enum media_format format;
    } files[] = {
        {SLICE_LITERAL("\x89PNG\r\n\x1a\n...."), MEDIA_PNG},
        {SLICE_LITERAL("\xff\xd8\xff\xe0"), MEDIA_JPEG},
        {SLICE_LITERAL("GIF89a"), MEDIA_GIF},
        {SLICE_LITERAL("RIFF....WEBPVP8 "), MEDIA_WEBP},
        {SLICE_LITERAL("RIFF....WAVEfmt "), MEDIA_WAVE},
        {SLICE_LITERAL("....ftypisom"), MEDIA_ISO_BASE},
        {SLICE_LITERAL("\x1a\x45\xdf\xa3"), MEDIA_MATROSKA},
        {SLICE_LITERAL("%PDF-1.7"), MEDIA_PDF},
        {SLICE_LITERAL("OggS"), MEDIA_OGG},
        {SLICE_LITERAL("fLaC"), MEDIA_FLAC},
        {SLICE_LITERAL("ID3\x04"), MEDIA_MPEG_AUDIO},
        {SLICE_LITERAL("\xff\xfb\x90\x64"), MEDIA_MPEG_AUDIO},
        {SLICE_LITERAL("\xff\xf1\x50\x80"), MEDIA_ADTS},
        {SLICE_LITERAL("hello \xc3\xa4\n"), MEDIA_TEXT},
        {SLICE_LITERAL(""), MEDIA_TEXT},
        {SLICE_LITERAL("MZ\x90\x00\x03"), MEDIA_UNKNOWN},
        {SLICE_LITERAL("\xff"), MEDIA_TEXT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_int_equal(media_sniff(files[i].bytes), files[i].format);
    }
}

static void types_are_those_that_may_be_uploaded(void **state)
{
    (void)state;
    assert_string_equal(media_type_of(SLICE_LITERAL("Image/PNG"))->extension, "png");
    assert_string_equal(media_type_of(SLICE_LITERAL("text/plain;charset=utf-8"))->kind, "document");
    assert_string_equal(media_type_of(SLICE_LITERAL("audio/x-wav"))->served, "audio/wav");
    assert_null(media_type_of(SLICE_LITERAL("image/svg+xml")));
    assert_null(media_type_of(SLICE_LITERAL("text/html")));
    assert_null(media_type_of(SLICE_EMPTY));
    assert_string_equal(media_type_of_name("1-x.mp3")->served, "audio/mpeg");
    assert_null(media_type_of_name("1-x.html"));
    assert_null(media_type_of_name("png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_names_a_file_of_its_place),
        cmocka_unit_test(no_address_leads_elsewhere),
        cmocka_unit_test(any_id_has_a_directory),
        cmocka_unit_test(files_are_told_by_their_first_bytes),
        cmocka_unit_test(types_are_those_that_may_be_uploaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
