#include "agent-bridge/runtimes/eliza_text.h"

#include "proto/base/utf8.h"

/* What a character is to the reader. */
enum mark {
    MARK_LETTER, /* anything without a meaning of its own */
    MARK_SPACE,
    MARK_LINE,       /* ends a sentence too: people end a line instead of writing a stop */
    MARK_QUOTE,      /* quotes and brackets: passed over */
    MARK_UNDERSCORE, /* emphasis around a word, a letter inside it */
    MARK_APOSTROPHE,
    MARK_HYPHEN, /* a dash, unless it joins two letters or is the sign of a number */
    MARK_POINT,  /* a stop, or inside a word: 3.14, example.com */
    MARK_STOP,
    MARK_COMMA, /* ends a clause, or stands inside a number: 1,000 and 12:30 */
    MARK_CLAUSE
};

static const struct {
    char bytes[4];
    unsigned char length;
    unsigned char mark;
} typographic[] = {
    {"\u00a0", 2, MARK_SPACE},                                 /* no-break space */
    {"\u202f", 3, MARK_SPACE},                                 /* narrow no-break space */
    {"\u200b", 3, MARK_SPACE},                                 /* zero-width space */
    {"\u3000", 3, MARK_SPACE},                                 /* ideographic space */
    {"\ufeff", 3, MARK_SPACE},                                 /* byte order mark */
    {"\u2028", 3, MARK_LINE},                                  /* line separator */
    {"\u2029", 3, MARK_LINE},                                  /* paragraph separator */
    {"\u2018", 3, MARK_QUOTE},                                 /* left single quote */
    {"\u2019", 3, MARK_APOSTROPHE},                            /* right single quote */
    {"\u201c", 3, MARK_QUOTE},                                 /* left double quote */
    {"\u201d", 3, MARK_QUOTE},                                 /* right double quote */
    {"\u201e", 3, MARK_QUOTE},                                 /* low double quote */
    {"\u00ab", 2, MARK_QUOTE},                                 /* guillemets */
    {"\u00bb", 2, MARK_QUOTE},      {"\u00a1", 2, MARK_QUOTE}, /* Spanish opening marks */
    {"\u00bf", 2, MARK_QUOTE},      {"\u2026", 3, MARK_STOP},  /* ellipsis */
    {"\u3002", 3, MARK_STOP},                                  /* ideographic full stop */
    {"\uff01", 3, MARK_STOP},                                  /* full-width ! */
    {"\uff1f", 3, MARK_STOP},                                  /* full-width ? */
    {"\u2013", 3, MARK_COMMA},                                 /* en dash */
    {"\u2014", 3, MARK_CLAUSE},                                /* em dash */
    {"\u3001", 3, MARK_CLAUSE},                                /* ideographic comma */
    {"\uff0c", 3, MARK_CLAUSE},                                /* full-width , */
    {"\uff1a", 3, MARK_CLAUSE},                                /* full-width : */
    {"\uff1b", 3, MARK_CLAUSE},                                /* full-width ; */
};

static enum mark mark_of_ascii(unsigned char c)
{
    switch (c) {
    case '\n':
    case '\r':
        return MARK_LINE;
    case '"':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
    case '<':
    case '>':
    case '*':
    case '~':
    case '`':
        return MARK_QUOTE;
    case '_':
        return MARK_UNDERSCORE;
    case '\'':
        return MARK_APOSTROPHE;
    case '-':
        return MARK_HYPHEN;
    case '.':
        return MARK_POINT;
    case '!':
    case '?':
        return MARK_STOP;
    case ',':
    case ':':
        return MARK_COMMA;
    case ';':
        return MARK_CLAUSE;
    default:
        return c <= ' ' || c == 0x7f ? MARK_SPACE : MARK_LETTER;
    }
}

/* The mark at `at` and its length; what lies at the end of the text counts as a space. */
static enum mark mark_at(const char *at, const char *end, size_t *length)
{
    unsigned char first;

    *length = 1;
    if (at >= end) {
        return MARK_SPACE;
    }
    first = (unsigned char)*at;
    if (first < 0x80) {
        return mark_of_ascii(first);
    }
    if (first != 0xc2 && first != 0xe2 && first != 0xe3 && first != 0xef) {
        return MARK_LETTER; /* none of the table begins so */
    }
    for (size_t i = 0; i < sizeof(typographic) / sizeof(typographic[0]); i++) {
        size_t wanted = typographic[i].length;

        if ((size_t)(end - at) >= wanted && memcmp(at, typographic[i].bytes, wanted) == 0) {
            *length = wanted;
            return (enum mark)typographic[i].mark;
        }
    }
    return MARK_LETTER;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Does the mark at `at`, inside a word so far, belong to the word? There is a byte before it. */
static bool is_inside_word(enum mark mark, const char *at, size_t length, const char *end)
{
    const char *after = at + length;
    size_t ignored;

    switch (mark) {
    case MARK_LETTER:
        return true;
    case MARK_APOSTROPHE:
        return true; /* at the end of the word it is trimmed later */
    case MARK_HYPHEN:
    case MARK_UNDERSCORE:
        return mark_at(after, end, &ignored) == MARK_LETTER;
    case MARK_POINT:
        if (mark_at(after, end, &ignored) != MARK_LETTER) {
            return false;
        }
        return !(is_small(at[-1]) && is_capital(*after)); /* "so sad.My boss": a space is missing */
    case MARK_COMMA:
        return after < end && is_digit(at[-1]) && is_digit(*after);
    default:
        return false;
    }
}

void eliza_scanner_init(struct eliza_scanner *scanner, struct slice text)
{
    scanner->at = text.data;
    scanner->end = text.length == 0 ? text.data : text.data + text.length;
}

/* An apostrophe at the end is a closing quote, except in "my parents' house". */
static size_t trim_apostrophes(const char *start, size_t length, bool is_quoted)
{
    size_t wanted = length;

    for (;;) {
        if (wanted > 1 && start[wanted - 1] == '\'') {
            wanted -= 1;
        } else if (wanted > 3 && memcmp(start + wanted - 3, "\u2019", 3) == 0) {
            wanted -= 3;
        } else {
            break;
        }
    }
    if (wanted < length && !is_quoted && (start[wanted - 1] == 's' || start[wanted - 1] == 'S')) {
        return length;
    }
    return wanted;
}

enum eliza_token eliza_scanner_next(struct eliza_scanner *scanner, struct slice *word)
{
    const char *end = scanner->end;
    const char *at = scanner->at;
    const char *start;
    bool is_quoted = false;
    size_t length;

    for (; at < end; at += length) {
        enum mark mark = mark_at(at, end, &length);

        if (mark == MARK_LETTER) {
            break;
        }
        if (mark == MARK_HYPHEN && end - at > 1 && is_digit(at[1])) {
            break;
        }
        is_quoted = mark == MARK_APOSTROPHE;
        if (mark == MARK_POINT || mark == MARK_STOP || mark == MARK_LINE) {
            scanner->at = at + length;
            return ELIZA_TOKEN_STOP;
        }
        if (mark == MARK_COMMA || mark == MARK_CLAUSE || mark == MARK_HYPHEN) {
            scanner->at = at + length;
            return ELIZA_TOKEN_CLAUSE;
        }
    }
    start = at;
    if (at == end) {
        scanner->at = end;
        return ELIZA_TOKEN_END;
    }
    for (at += length; at < end; at += length) {
        enum mark mark = mark_at(at, end, &length);

        if (!is_inside_word(mark, at, length, end)) {
            break;
        }
    }
    scanner->at = at;
    *word = slice_of(start, trim_apostrophes(start, (size_t)(at - start), is_quoted));
    *word = eliza_cut(*word, ELIZA_WORD_MAX);
    return ELIZA_TOKEN_WORD;
}

size_t eliza_fold(struct slice word, char out[ELIZA_FOLD_MAX])
{
    size_t length = 0;

    for (size_t i = 0; i < word.length; i++) {
        char c = word.data[i];

        if (length == ELIZA_FOLD_MAX) {
            return 0;
        }
        if (word.length - i >= 3 && memcmp(word.data + i, "\u2019", 3) == 0) {
            c = '\'';
            i += 2;
        }
        out[length++] = (char)(is_capital(c) ? c - 'A' + 'a' : c);
    }
    return length;
}

struct slice eliza_cut(struct slice text, size_t maximum)
{
    size_t length = maximum;

    if (text.length <= maximum) {
        return text;
    }
    for (size_t back = 0; back < 4 && back < maximum; back++) {
        if (!utf8_is_continuation((unsigned char)text.data[maximum - back])) {
            length = maximum - back;
            break;
        }
    }
    return slice_of(text.data, length);
}

bool eliza_has_letter(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (is_small(c) || is_capital(c) || is_digit(c) || (unsigned char)c >= 0x80) {
            return true;
        }
    }
    return false;
}
