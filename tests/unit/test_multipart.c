/*
 * A form is taken apart the same way however it arrives, and what could be read in two ways is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "edge/media/multipart.h"
#include "proto/base/buffer.h"

#define TYPE "multipart/form-data; boundary=xyz"

/* What a form says, written down; input comes in pieces of `step` bytes. */
static void read_form(const char *type, struct slice form, size_t step, struct buffer *log)
{
    struct multipart multipart;

    buffer_clear(log);
    assert_true(multipart_init(&multipart, slice_of_string(type)));
    for (size_t at = 0; at < form.length; at += step) {
        size_t length = form.length - at < step ? form.length - at : step;
        struct slice input = slice_of(form.data + at, length);
        enum multipart_event event;

        while ((event = multipart_next(&multipart, &input)) != MULTIPART_MORE) {
            switch (event) {
            case MULTIPART_PART:
                buffer_append_string(log, multipart.part.is_file ? "<file " : "<field ");
                buffer_append_slice(log, multipart.part.name);
                buffer_append_char(log, '|');
                buffer_append_slice(log, multipart.part.filename);
                buffer_append_char(log, '|');
                buffer_append_slice(log, multipart.part.content_type);
                buffer_append_char(log, '>');
                break;
            case MULTIPART_DATA:
                buffer_append_slice(log, multipart.data);
                break;
            case MULTIPART_PART_END:
                buffer_append_string(log, "</>");
                break;
            case MULTIPART_END:
                buffer_append_string(log, "END");
                break;
            default:
                buffer_append_string(log, "MALFORMED");
                return;
            }
        }
    }
}

static void assert_form(const char *form, const char *expected)
{
    struct buffer log = BUFFER_EMPTY;

    for (size_t step = 1; step < 40; step++) {
        read_form(TYPE, slice_of_string(form), step, &log);
        buffer_append_char(&log, '\0');
        assert_string_equal(log.data, expected);
    }
    buffer_deinit(&log);
}

#define FILE_HEAD                                                                                  \
    "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\n"             \
    "Content-Type: image/png\r\n\r\n"

static void parts_come_out_as_they_went_in(void **state)
{
    (void)state;
    assert_form("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" FILE_HEAD
                "data\r\n--xyz--\r\n",
                "<field a||>1</><file file|a b.png|image/png>data</>END");
    assert_form(FILE_HEAD "\r\n--xyz--", "<file file|a b.png|image/png></>END");
    assert_form("--xyz--", "END");
}

static void what_looks_like_a_boundary_is_data(void **state)
{
    (void)state;
    assert_form(FILE_HEAD "\r\n--xy\r\n-\r\r\n\r\n--xyy--xyz\r\n--xyz--",
                "<file file|a b.png|image/png>\r\n--xy\r\n-\r\r\n\r\n--xyy--xyz</>END");
    assert_form(FILE_HEAD "--xyz--\r\n--xyz--", "<file file|a b.png|image/png>--xyz--</>END");
}

static void bytes_of_any_value_pass(void **state)
{
    (void)state;
    char form[600] = FILE_HEAD;
    size_t length = strlen(form);
    struct buffer log = BUFFER_EMPTY;

    for (int i = 0; i < 256; i++) {
        form[length++] = (char)i;
    }
    memcpy(form + length, "\r\n--xyz--", 9);
    read_form(TYPE, slice_of(form, length + 9), 7, &log);
    assert_int_equal(log.length, strlen("<file file|a b.png|image/png>") + 256 + strlen("</>END"));
    buffer_deinit(&log);
}

static void header_lines_are_read_as_browsers_write_them(void **state)
{
    (void)state;
    assert_form("--xyz\r\ncontent-disposition:form-data;name=file;filename=\"q%22\\\"x\"\r\n"
                "X-Other: y\r\nContent-Transfer-Encoding: binary\r\n\r\nd\r\n--xyz--",
                "<file file|q%22\\\"x|>d</>END");
}

static void what_is_not_clear_is_refused(void **state)
{
    static const char *const forms[] = {
        "preamble\r\n--xyz\r\n",
        "\r\n--xyz\r\n",
        "--xyz \r\n",
        "--xyz\n",
        "--xyz-\r\n",
        "--xyz\r\n\r\n",
        "--xyz\r\nContent-Type: a/b\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data\r\n\r\n",
        "--xyz\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\" x\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n folded\r\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\"\n\r\n",
        "--xyz\r\nContent-Disposition: form-data; name=\"a\x01\"\r\n\r\n",
        ("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n"
         "Content-Disposition: form-data; name=\"b\"\r\n\r\n"),
        ("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\n"),
        "--xyz\r\nContent-Disposition : form-data; name=\"a\"\r\n\r\n",
    };
    struct buffer log = BUFFER_EMPTY;

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        for (size_t step = 1; step < 100; step += 33) {
            read_form(TYPE, slice_of_string(forms[i]), step, &log);
            assert_true(slice_is(buffer_slice(&log), "MALFORMED"));
        }
    }
    buffer_deinit(&log);
}

static void header_lines_and_parts_are_bounded(void **state)
{
    struct buffer form = BUFFER_EMPTY, log = BUFFER_EMPTY;

    (void)state;
    buffer_append_string(&form, "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\nX: ");
    for (int i = 0; i < MULTIPART_HEADERS_MAX; i++) {
        buffer_append_char(&form, 'x');
    }
    read_form(TYPE, buffer_slice(&form), 1000, &log);
    assert_true(slice_is(buffer_slice(&log), "MALFORMED"));

    buffer_clear(&form);
    for (int i = 0; i <= MULTIPART_PARTS_MAX; i++) {
        buffer_append_string(&form, i == 0 ? "--xyz\r\n" : "\r\n--xyz\r\n");
        buffer_append_string(&form, "Content-Disposition: form-data; name=\"a\"\r\n\r\n");
    }
    read_form(TYPE, buffer_slice(&form), 1000, &log);
    assert_non_null(memmem(log.data, log.length, "MALFORMED", 9));
    buffer_deinit(&form);
    buffer_deinit(&log);
}

static void a_boundary_is_one_of_a_form(void **state)
{
    static const char *const good[] = {
        "multipart/form-data; boundary=x",
        "Multipart/Form-Data;boundary=\"a b'()+_,-./:=?c\"",
        "multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ("multipart/form-data; boundary="
         "1234567890123456789012345678901234567890123456789012345678901234567890"),
    };
    static const char *const bad[] = {
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"x",
        "multipart/form-data; boundary=\"x \"",
        "multipart/form-data; boundary=\"a\r\nb\"",
        "multipart/form-data; boundary=\"a{b\"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-datax; boundary=a",
        "multipart/mixed; boundary=a",
        ("multipart/form-data; boundary="
         "12345678901234567890123456789012345678901234567890123456789012345678901"),
    };
    struct multipart multipart;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(multipart_init(&multipart, slice_of_string(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(multipart_init(&multipart, slice_of_string(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_out_as_they_went_in),
        cmocka_unit_test(what_looks_like_a_boundary_is_data),
        cmocka_unit_test(bytes_of_any_value_pass),
        cmocka_unit_test(header_lines_are_read_as_browsers_write_them),
        cmocka_unit_test(what_is_not_clear_is_refused),
        cmocka_unit_test(header_lines_and_parts_are_bounded),
        cmocka_unit_test(a_boundary_is_one_of_a_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
