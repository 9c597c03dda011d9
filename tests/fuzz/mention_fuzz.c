/*
 * Names in texts: the input's first byte is the length of a name, which is looked for in the rest.
 * Whoever is meant stands there behind an '@', as a whole word.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include "proto/wire/mention.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool stands_there(struct slice text, struct slice name)
{
    for (size_t at = 0; at + 1 + name.length <= text.length; at++) {
        if (text.data[at] == '@' && strncasecmp(text.data + at + 1, name.data, name.length) == 0) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mentions mentions;
    if (size < 2 || data[0] == 0 || data[0] >= size - 1) {
        return 0;
    }
    struct slice name = slice_of((const char *)data + 1, data[0]);
    struct slice text = slice_of(name.data + name.length, size - 1 - name.length);
    struct slice beginning = slice_of(name.data, (name.length + 1) / 2);
    mentions_find(&mentions, text);
    assert(mentions.count <= MENTIONS_MAX);
    assert(!mentions_mean(&mentions, name)); /* nobody has been offered */
    mentions_offer(&mentions, beginning);
    mentions_offer(&mentions, name);
    for (size_t i = 0; i < mentions.count; i++) {
        assert(mentions.at[i] <= text.length && text.data[mentions.at[i] - 1] == '@');
        assert(mentions.longest[i] <= text.length - mentions.at[i]);
    }
    if (mentions_mean(&mentions, name)) {
        assert(stands_there(text, name));
    }
    return 0;
}
