#include "agent-bridge/extract/internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/error.h"
#include "proto/base/memory.h"
#include "proto/base/utf8.h"

/* --- what the extractors are made of ---------------------------------------------------------- */

size_t tag_find(struct tag *tag, const struct units *held, size_t from)
{
    size_t at = units_find(held, &tag->text, from > tag->clean ? from : tag->clean);
    if (at != UNITS_NONE) {
        tag->clean = at;
    } else if (held->length >= tag->text.length) {
        tag->clean = held->length - tag->text.length + 1;
    }
    return at;
}

static void tag_skip(struct tag *tag, size_t length)
{
    tag->clean = tag->clean > length ? tag->clean - length : 0;
}

void extractor_skip(struct extractor *extractor, size_t length)
{
    units_consume(&extractor->held, length);
    tag_skip(&extractor->open, length);
    tag_skip(&extractor->close, length);
    tag_skip(&extractor->open_actions, length);
    tag_skip(&extractor->close_actions, length);
}

void extractor_trim(struct extractor *extractor, size_t most, size_t kept)
{
    if (extractor->held.length > most) {
        extractor_skip(extractor, extractor->held.length - kept);
    }
}

bool extractor_enter(struct extractor *extractor)
{
    size_t at = tag_find(&extractor->open, &extractor->held, 0);
    if (at == UNITS_NONE) {
        return false;
    }
    extractor_skip(extractor, at + extractor->open.text.length);
    extractor->is_inside = true;
    return true;
}

static void move_out(struct extractor *extractor, size_t length, struct units *out)
{
    units_append(out, extractor->held.data, length);
    extractor_skip(extractor, length);
}

void extractor_show(struct extractor *extractor, struct units *out)
{
    size_t at = tag_find(&extractor->close, &extractor->held, 0);
    if (at != UNITS_NONE) {
        move_out(extractor, at, out);
        extractor_skip(extractor, extractor->close.text.length);
        extractor->is_inside = false;
        extractor->is_done = true;
    } else if (extractor->held.length > EXTRACT_MARGIN) {
        move_out(extractor, extractor->held.length - EXTRACT_MARGIN, out);
    }
}

/* --- passthrough and xml-tag ------------------------------------------------------------------ */

static void pass_through(struct extractor *extractor, struct units *out)
{
    move_out(extractor, extractor->held.length, out);
}

static void show_tag(struct extractor *extractor, struct units *out)
{
    if (!extractor->is_inside) {
        extractor_trim(extractor, EXTRACT_OUTSIDE_MAX, EXTRACT_OUTSIDE_KEPT);
        extractor_enter(extractor);
    }
    if (extractor->is_inside) {
        extractor_show(extractor, out);
    }
}

static const struct extractor_class extractor_passthrough = {.name = "passthrough",
                                                             .advance = pass_through};
static const struct extractor_class extractor_xml_tag = {
    .name = "xml-tag", .has_argument = true, .advance = show_tag};

/* --- the life of an extractor ----------------------------------------------------------------- */

static const struct extractor_class *const classes[] = {
    &extractor_passthrough, &extractor_xml_tag, &extractor_response, &extractor_action_filter};

static bool is_text(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    size_t length = 1;
    while (at < end && (length = utf8_length(at, end)) > 0) {
        at += length;
    }
    return at == end;
}

static void write_tag(struct tag *tag, const char *begin, struct slice name)
{
    units_append_utf8(&tag->text, slice_of_string(begin));
    units_append_utf8(&tag->text, name);
    units_append_character(&tag->text, '>');
}

/* The class that `name` begins with, and what stands behind the colon. */
static const struct extractor_class *find_class(struct slice name, struct slice *argument)
{
    const char *colon = name.length == 0 ? NULL : memchr(name.data, ':', name.length);
    size_t length = colon == NULL ? name.length : (size_t)(colon - name.data);
    *argument = colon == NULL ? SLICE_EMPTY : slice_of(colon + 1, name.length - length - 1);
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        bool is_named = slice_is(slice_of(name.data, length), classes[i]->name);
        if (is_named && classes[i]->has_argument == (colon != NULL)) {
            return classes[i];
        }
    }
    return NULL;
}

struct extractor *extractor_new(struct slice name)
{
    struct slice tag;
    const struct extractor_class *class = find_class(name, &tag);
    bool is_good =
        class != NULL &&
        (!class->has_argument || (tag.length > 0 && is_text(tag) && tag.length <= EXTRACT_TAG_MAX));
    if (!is_good) {
        return NULL;
    }
    struct extractor *extractor = memory_allocate_zeroed(sizeof(*extractor));
    extractor->class = class;
    if (!class->has_argument) {
        tag = SLICE_LITERAL("text");
    }
    write_tag(&extractor->open, "<", tag);
    write_tag(&extractor->close, "</", tag);
    if (class->has_actions) {
        write_tag(&extractor->open_actions, "<", SLICE_LITERAL("actions"));
        write_tag(&extractor->close_actions, "</", SLICE_LITERAL("actions"));
    }
    return extractor;
}

void extractor_destroy(struct extractor **extractor)
{
    struct extractor *self = *extractor;
    if (self != NULL) {
        units_deinit(&self->open.text);
        units_deinit(&self->close.text);
        units_deinit(&self->open_actions.text);
        units_deinit(&self->close_actions.text);
        units_deinit(&self->held);
        free(self);
        *extractor = NULL;
    }
}

int extractor_push(struct extractor *extractor, const uint16_t *chunk, size_t length,
                   struct units *out)
{
    if (extractor->class == &extractor_xml_tag && extractor->is_done) {
        return 0; /* of any size, as in the original */
    }
    if (length > EXTRACT_CHUNK_MAX || length > EXTRACT_HELD_MAX - extractor->held.length) {
        return ERROR_TOO_LARGE;
    }
    units_append(&extractor->held, chunk, length);
    extractor->class->advance(extractor, out);
    return 0;
}

void extractor_flush(struct extractor *extractor, struct units *out)
{
    if (extractor->is_inside) {
        move_out(extractor, extractor->held.length, out);
    }
}

void extractor_reset(struct extractor *extractor)
{
    extractor_skip(extractor, extractor->held.length);
    extractor->blank = 0;
    extractor->decision = EXTRACT_UNDECIDED;
    extractor->is_inside = false;
    extractor->is_done = false;
}

bool extractor_is_done(const struct extractor *extractor)
{
    return extractor->is_done;
}
