#include "agent-bridge/runtimes/eliza_pattern.h"

enum { NUMBER_MAX = 99 };

/* Cuts the next piece up to a separator off `rest`; false when nothing is left. */
static bool next_piece(struct slice *rest, char separator, struct slice *piece)
{
    const char *end;

    if (rest->length == 0) {
        return false;
    }
    end = memchr(rest->data, separator, rest->length);
    if (end == NULL) {
        *piece = *rest;
        *rest = SLICE_EMPTY;
    } else {
        *piece = slice_of(rest->data, (size_t)(end - rest->data));
        *rest = slice_of(end + 1, rest->length - piece->length - 1);
    }
    return true;
}

static bool is_number(struct slice text)
{
    return text.data[0] >= '0' && text.data[0] <= '9';
}

static const char *compile_number(struct eliza_element *element, struct slice text)
{
    size_t number = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return "a number has a letter in it";
        }
        number = number * 10 + (size_t)(text.data[i] - '0');
        if (number > NUMBER_MAX) {
            return "a number is too large";
        }
    }
    element->kind = number == 0 ? ELIZA_ANY_NUMBER : ELIZA_EXACT_NUMBER;
    element->number = number;
    return NULL;
}

static const char *compile_alternatives(struct eliza_element *element,
                                        struct eliza_vocabulary *vocabulary, struct arena *arena,
                                        struct slice text)
{
    const struct eliza_entry *words[ELIZA_ALTERNATIVES_MAX];
    size_t count = 0;
    struct slice piece;

    element->kind = ELIZA_ONE_OF;
    if (text.data[text.length - 1] == '|') {
        return "an alternative is empty";
    }
    while (next_piece(&text, '|', &piece)) {
        if (piece.length == 0 || slice_is(piece, "/")) {
            return "an alternative is empty";
        }
        if (piece.data[0] == '/') {
            uint64_t bit =
                eliza_vocabulary_class(vocabulary, slice_of(piece.data + 1, piece.length - 1));

            if (bit == 0) {
                return "a class is not defined";
            }
            element->classes |= bit;
            continue;
        }
        if (count == ELIZA_ALTERNATIVES_MAX) {
            return "too many alternatives";
        }
        words[count] = eliza_vocabulary_add(vocabulary, arena, piece);
        if (words[count++] == NULL) {
            return "a word is too long, or the script has too many";
        }
    }
    element->words = arena_allocate(arena, count * sizeof(words[0]) + 1);
    memcpy(element->words, words, count * sizeof(words[0]));
    element->word_count = count;
    return NULL;
}

const char *eliza_pattern_compile(struct eliza_pattern *pattern,
                                  struct eliza_vocabulary *vocabulary, struct arena *arena,
                                  struct slice source)
{
    struct eliza_element elements[ELIZA_ELEMENTS_MAX] = {0};
    struct slice rest = source;
    struct slice piece;
    const char *problem;

    memset(pattern, 0, sizeof(*pattern));
    pattern->source = source;
    while (next_piece(&rest, ' ', &piece)) {
        if (piece.length == 0) {
            continue;
        }
        if (pattern->count == ELIZA_ELEMENTS_MAX) {
            return "too many elements";
        }
        problem = is_number(piece)
                      ? compile_number(&elements[pattern->count], piece)
                      : compile_alternatives(&elements[pattern->count], vocabulary, arena, piece);
        if (problem != NULL) {
            return problem;
        }
        pattern->count++;
    }
    if (pattern->count == 0) {
        return "it is empty";
    }
    pattern->elements = arena_allocate(arena, pattern->count * sizeof(elements[0]));
    memcpy(pattern->elements, elements, pattern->count * sizeof(elements[0]));
    return NULL;
}

static bool is_one_of(const struct eliza_element *element, const struct eliza_entry *entry)
{
    if (entry == NULL) {
        return false;
    }
    if ((entry->classes & element->classes) != 0) {
        return true;
    }
    for (size_t i = 0; i < element->word_count; i++) {
        if (element->words[i] == entry) {
            return true;
        }
    }
    return false;
}

/* How many words an element of fixed width takes at the head of what is left; 0: none fits. */
static size_t width_at(const struct eliza_element *element, const struct eliza_word *words,
                       size_t left)
{
    if (element->kind == ELIZA_EXACT_NUMBER) {
        return element->number <= left ? element->number : 0;
    }
    return left > 0 && is_one_of(element, words[0].entry) ? 1 : 0;
}

bool eliza_pattern_match(const struct eliza_pattern *pattern, const struct eliza_word *words,
                         size_t count, struct eliza_span spans[ELIZA_ELEMENTS_MAX])
{
    size_t element = 0;
    size_t at = 0;
    size_t any = SIZE_MAX; /* the last ELIZA_ANY_NUMBER passed: the only one worth growing */

    for (;;) {
        size_t width = 0;

        if (element == pattern->count) {
            if (at == count) {
                return true;
            }
        } else if (pattern->elements[element].kind == ELIZA_ANY_NUMBER) {
            any = element;
            spans[element++] = (struct eliza_span){at, 0};
            continue;
        } else {
            width = width_at(&pattern->elements[element], words + at, count - at);
        }
        if (width > 0) {
            spans[element++] = (struct eliza_span){at, width};
            at += width;
            continue;
        }
        if (any == SIZE_MAX || spans[any].start + spans[any].count == count) {
            return false;
        }
        spans[any].count++;
        at = spans[any].start + spans[any].count;
        element = any + 1;
    }
}
