#include "proto/base/json_text.h"

#include "proto/base/hex.h"

enum { REPLACEMENT = 0xfffd, HEXADECIMAL_DIGITS = 4 };

/* The four digits behind \u, or -1 when they are not there. */
static int32_t code_unit(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < HEXADECIMAL_DIGITS) {
        return -1;
    }
    for (int i = 0; i < HEXADECIMAL_DIGITS; i++) {
        int digit = hex_value(at[i]);

        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

static size_t write_utf8(int32_t code, char out[JSON_TEXT_ESCAPE_MAX])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/*
 * The character behind \u, of one code unit or of a surrogate pair; a plain u without digits, so
 * that not even text that was never validated decodes to more bytes than it has.
 */
static int32_t unicode_escape(const char **at, const char *end)
{
    int32_t high = code_unit(*at, end);
    int32_t low;

    if (high < 0) {
        return 'u';
    }
    *at += HEXADECIMAL_DIGITS;
    if (high < 0xd800 || high > 0xdfff) {
        return high;
    }
    if (high > 0xdbff || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return REPLACEMENT;
    }
    low = code_unit(*at + 2, end);
    if (low < 0xdc00 || low > 0xdfff) {
        return REPLACEMENT;
    }
    *at += 2 + HEXADECIMAL_DIGITS;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

size_t json_text_next(const char **at, const char *end, char out[JSON_TEXT_ESCAPE_MAX])
{
    char c = *(*at)++;

    if (c == '\\' && *at < end) {
        c = *(*at)++;
        switch (c) {
        case 'u':
            return write_utf8(unicode_escape(at, end), out);
        case 'b':
            c = '\b';
            break;
        case 'f':
            c = '\f';
            break;
        case 'n':
            c = '\n';
            break;
        case 'r':
            c = '\r';
            break;
        case 't':
            c = '\t';
            break;
        default: /* quote, backslash and slash stand for themselves */
            break;
        }
    }
    out[0] = c;
    return 1;
}
