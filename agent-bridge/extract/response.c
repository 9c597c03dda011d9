/*
 * The extractor of whole responses: <actions> decides whether <text> is for people. One that is
 * whole before the actions are, or goes with other actions than REPLY alone, is skipped.
 */
#include "agent-bridge/extract/internal.h"

static uint16_t upper(uint16_t unit)
{
    return unit >= 'a' && unit <= 'z' ? (uint16_t)(unit - 'a' + 'A') : unit;
}

/* Of a list at [at, end), separated by commas: is there one name, and is it REPLY? */
static bool is_direct_reply(const uint16_t *at, const uint16_t *end)
{
    static const char reply[] = "REPLY";
    const size_t length = sizeof(reply) - 1;
    size_t names = 0;
    bool is_reply = true;
    while (at <= end) {
        const uint16_t *comma = at;
        while (comma < end && *comma != ',') {
            comma++;
        }
        const uint16_t *last = comma;
        while (at < last && unit_is_space(*at)) {
            at++;
        }
        while (last > at && unit_is_space(last[-1])) {
            last--;
        }
        names += last > at;
        is_reply = is_reply && (last == at || (size_t)(last - at) == length);
        for (size_t i = 0; i < length && is_reply && last > at; i++) {
            is_reply = upper(at[i]) == reply[i];
        }
        at = comma + 1;
    }
    return names == 1 && is_reply;
}

static void decide(struct extractor *extractor)
{
    const struct units *held = &extractor->held;
    size_t at = tag_find(&extractor->open_actions, held, 0);
    if (at == UNITS_NONE) {
        return;
    }
    at += extractor->open_actions.text.length;
    size_t end = tag_find(&extractor->close_actions, held, at);
    if (end != UNITS_NONE) {
        extractor->decision =
            is_direct_reply(held->data + at, held->data + end) ? EXTRACT_DIRECT : EXTRACT_DELEGATED;
    }
}

/* A text that is not for people goes when it is whole; whichever end comes first ends it. */
static void skip_text(struct extractor *extractor)
{
    if (tag_find(&extractor->open, &extractor->held, 0) == UNITS_NONE) {
        return;
    }
    size_t at = tag_find(&extractor->close, &extractor->held, 0);
    if (at != UNITS_NONE) {
        extractor_skip(extractor, at + extractor->close.text.length);
    }
}

static void show_response(struct extractor *extractor, struct units *out)
{
    if (extractor->decision == EXTRACT_UNDECIDED) {
        decide(extractor);
    }
    if (!extractor->is_inside && extractor->decision == EXTRACT_DIRECT) {
        extractor_enter(extractor);
    } else if (!extractor->is_inside) {
        skip_text(extractor);
    }
    if (extractor->is_inside) {
        extractor_show(extractor, out);
    } else {
        extractor_trim(extractor, EXTRACT_OUTSIDE_MAX, EXTRACT_OUTSIDE_KEPT);
    }
}

const struct extractor_class extractor_response = {
    .name = "response", .has_actions = true, .advance = show_response};
