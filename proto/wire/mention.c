#include "proto/wire/mention.h"

#include <string.h>
#include <strings.h>

/* Letters, digits, and all that is no ASCII. */
static bool is_word(char byte)
{
    unsigned char c = (unsigned char)byte;
    return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

void mentions_find(struct mentions *mentions, struct slice text)
{
    mentions->text = text;
    mentions->count = 0;
    size_t at = 0;
    while (at < text.length && mentions->count < MENTIONS_MAX) {
        const char *found = memchr(text.data + at, '@', text.length - at);
        if (found == NULL) {
            break;
        }
        size_t begin = (size_t)(found - text.data);
        at = begin + 1;
        if (begin == 0 || !is_word(text.data[begin - 1])) {
            mentions->longest[mentions->count] = 0;
            mentions->at[mentions->count++] = at;
        }
    }
}

static bool fits(const struct mentions *mentions, size_t i, struct slice name)
{
    size_t begin = mentions->at[i];
    size_t rest = mentions->text.length - begin;
    return name.length > 0 && name.length <= rest &&
           strncasecmp(mentions->text.data + begin, name.data, name.length) == 0 &&
           (name.length == rest || !is_word(mentions->text.data[begin + name.length]));
}

void mentions_offer(struct mentions *mentions, struct slice name)
{
    for (size_t i = 0; i < mentions->count; i++) {
        if (name.length > mentions->longest[i] && fits(mentions, i, name)) {
            mentions->longest[i] = name.length;
        }
    }
}

bool mentions_mean(const struct mentions *mentions, struct slice name)
{
    for (size_t i = 0; i < mentions->count; i++) {
        if (name.length == mentions->longest[i] && fits(mentions, i, name)) {
            return true;
        }
    }
    return false;
}
