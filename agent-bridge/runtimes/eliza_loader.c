#include "agent-bridge/runtimes/eliza_loader.h"

#include <stdarg.h>
#include <stdio.h>
#include "agent-bridge/runtimes/eliza_text.h"
#include "proto/base/utf8.h"

enum { SHOWN_MAX = 40 }; /* bytes of a name shown in an error */

bool eliza_loader_fail(struct eliza_loader *loader, const char *format, ...)
{
    int length = snprintf(loader->error, loader->error_size, "%s%s", loader->place,
                          loader->place_length == 0 ? "" : ": ");
    va_list arguments;

    if (length >= 0 && (size_t)length < loader->error_size) {
        va_start(arguments, format);
        vsnprintf(loader->error + length, loader->error_size - (size_t)length, format, arguments);
        va_end(arguments);
    }
    for (char *c = loader->error; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?'; /* a name in the script may contain anything; the error is one line */
        }
    }
    return false;
}

size_t eliza_loader_enter(struct eliza_loader *loader, const char *format, ...)
{
    size_t before = loader->place_length;
    size_t left = sizeof(loader->place) - before;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(loader->place + before, left, format, arguments);
    va_end(arguments);
    if (length > 0) {
        loader->place_length += (size_t)length < left ? (size_t)length : left - 1;
    }
    return before;
}

size_t eliza_loader_enter_name(struct eliza_loader *loader, struct slice name)
{
    name = eliza_cut(name, SHOWN_MAX);
    return eliza_loader_enter(loader, " \"%.*s\"", (int)name.length, name.data);
}

void eliza_loader_leave(struct eliza_loader *loader, size_t place_length)
{
    loader->place_length = place_length;
    loader->place[place_length] = '\0';
}

static bool fail_at(struct eliza_loader *loader, struct slice text, size_t offset,
                    const char *problem)
{
    size_t line = 1;
    size_t column = 1;

    for (size_t i = 0; i < offset && i < text.length; i++) {
        column++;
        if (text.data[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return eliza_loader_fail(loader, "line %zu, column %zu: %s", line, column, problem);
}

bool eliza_loader_parse(struct eliza_loader *loader, struct slice text, cJSON **tree)
{
    const char *end = text.data;
    size_t offset;

    for (size_t i = 0, length; i < text.length; i += length) {
        length = utf8_length((const unsigned char *)text.data + i,
                             (const unsigned char *)text.data + text.length);
        if (length == 0) {
            return fail_at(loader, text, i, "not valid UTF-8");
        }
    }
    *tree = cJSON_ParseWithLengthOpts(text.data, text.length, &end, false);
    offset = end == NULL ? 0 : (size_t)(end - text.data);
    if (*tree == NULL) {
        return fail_at(loader, text, offset, "not valid JSON");
    }
    while (offset < text.length && memchr(" \t\r\n", text.data[offset], 4) != NULL) {
        offset++;
    }
    if (offset < text.length) {
        return fail_at(loader, text, offset, "something follows the script's object");
    }
    return true;
}

bool eliza_loader_object(struct eliza_loader *loader, const cJSON *item, const char *const *names)
{
    const cJSON *member;

    if (!cJSON_IsObject(item)) {
        return eliza_loader_fail(loader, "must be an object");
    }
    cJSON_ArrayForEach(member, item)
    {
        size_t i = 0;

        while (names[i] != NULL && strcmp(names[i], member->string) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            struct slice name = eliza_cut(slice_of_string(member->string), SHOWN_MAX);

            return eliza_loader_fail(loader, "has no use for a \"%.*s\"", (int)name.length,
                                     name.data);
        }
        if (cJSON_GetObjectItemCaseSensitive(item, names[i]) != member) {
            return eliza_loader_fail(loader, "has \"%s\" twice", names[i]);
        }
    }
    return true;
}

bool eliza_loader_list(struct eliza_loader *loader, const cJSON *item, size_t minimum,
                       size_t maximum)
{
    size_t size;

    if (!cJSON_IsArray(item)) {
        return eliza_loader_fail(loader, "must be a list");
    }
    size = (size_t)cJSON_GetArraySize(item);
    if (size >= minimum && size <= maximum) {
        return true;
    }
    if (minimum == maximum) {
        return eliza_loader_fail(loader, "must have %zu elements, not %zu", minimum, size);
    }
    return eliza_loader_fail(loader, "must have %zu to %zu elements, not %zu", minimum, maximum,
                             size);
}

bool eliza_loader_text(struct eliza_loader *loader, const cJSON *item, struct slice *text)
{
    if (!cJSON_IsString(item)) {
        return eliza_loader_fail(loader, "must be a string");
    }
    *text = slice_of_string(item->valuestring);
    if (text->length == 0) {
        return eliza_loader_fail(loader, "must not be empty");
    }
    for (size_t i = 0; i < text->length; i++) {
        if ((unsigned char)text->data[i] < ' ' || text->data[i] == 0x7f) {
            return eliza_loader_fail(loader, "has a control character");
        }
    }
    *text = arena_copy(&loader->script->arena, *text);
    return true;
}

bool eliza_loader_words(struct eliza_loader *loader, struct slice text, struct eliza_word words[],
                        size_t *count, size_t maximum)
{
    struct eliza_scanner scanner;
    enum eliza_token token;

    *count = 0;
    eliza_scanner_init(&scanner, text);
    for (;;) {
        struct eliza_word word = {0};

        token = eliza_scanner_next(&scanner, &word.text);
        if (token == ELIZA_TOKEN_END && *count > 0) {
            return true;
        }
        if (token != ELIZA_TOKEN_WORD) {
            return eliza_loader_fail(loader, "must be words without punctuation");
        }
        if (*count == maximum) {
            return eliza_loader_fail(loader, "must have at most %zu words", maximum);
        }
        word.entry =
            eliza_vocabulary_add(&loader->script->vocabulary, &loader->script->arena, word.text);
        if (word.entry == NULL) {
            return eliza_loader_fail(loader, "a word is too long, or the script has too many");
        }
        words[(*count)++] = word;
    }
}

bool eliza_loader_word(struct eliza_loader *loader, const cJSON *item, struct slice *text,
                       struct eliza_entry **entry)
{
    struct eliza_word word;
    size_t count;

    if (!eliza_loader_text(loader, item, text) ||
        !eliza_loader_words(loader, *text, &word, &count, 1)) {
        return false;
    }
    *text = word.text;
    *entry = eliza_vocabulary_add(&loader->script->vocabulary, &loader->script->arena, word.text);
    return true;
}

bool eliza_loader_phrase(struct eliza_loader *loader, const cJSON *item, struct eliza_word **words,
                         size_t *count)
{
    struct eliza_word found[ELIZA_PHRASE_WORDS];
    struct slice text;
    size_t size;

    if (!eliza_loader_text(loader, item, &text) ||
        !eliza_loader_words(loader, text, found, count, ELIZA_PHRASE_WORDS)) {
        return false;
    }
    size = *count * sizeof(found[0]);
    *words = memcpy(arena_allocate(&loader->script->arena, size), found, size);
    return true;
}

bool eliza_loader_substitution(struct eliza_loader *loader, struct eliza_entry *entry,
                               const cJSON *item)
{
    if (entry->becomes != NULL) {
        return eliza_loader_fail(loader, "the word has a substitution already");
    }
    return eliza_loader_phrase(loader, item, &entry->becomes, &entry->becomes_count);
}

bool eliza_loader_integer(struct eliza_loader *loader, const cJSON *item, int minimum, int maximum,
                          int *value)
{
    if (!cJSON_IsNumber(item) || item->valuedouble < minimum || item->valuedouble > maximum ||
        item->valuedouble != (double)item->valueint) {
        return eliza_loader_fail(loader, "must be a whole number from %d to %d", minimum, maximum);
    }
    *value = item->valueint;
    return true;
}
