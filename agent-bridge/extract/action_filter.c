/*
 * The extractor of what the handler of an action gets from a model: structured data is for the
 * handler, a <text> in XML and plain text are for people.
 */
#include "agent-bridge/extract/internal.h"

static void decide(struct extractor *extractor)
{
    const struct units *held = &extractor->held;
    while (extractor->blank < held->length && unit_is_space(held->data[extractor->blank])) {
        extractor->blank++;
    }
    if (extractor->blank < held->length) {
        uint16_t first = held->data[extractor->blank];
        extractor->decision = first == '{' || first == '[' ? EXTRACT_JSON
                              : first == '<'               ? EXTRACT_XML
                                                           : EXTRACT_TEXT;
    }
}

static void show_xml(struct extractor *extractor, struct units *out)
{
    if (!extractor->is_inside && !extractor_enter(extractor)) {
        extractor_trim(extractor, EXTRACT_OUTSIDE_KEPT, EXTRACT_OUTSIDE_KEPT);
        return;
    }
    extractor_show(extractor, out);
}

static void show_action(struct extractor *extractor, struct units *out)
{
    if (extractor->decision == EXTRACT_UNDECIDED) {
        decide(extractor);
    }
    if (extractor->decision == EXTRACT_XML) {
        show_xml(extractor, out);
    } else if (extractor->decision == EXTRACT_TEXT) {
        units_append(out, extractor->held.data, extractor->held.length);
        extractor_skip(extractor, extractor->held.length);
    } else if (extractor->decision == EXTRACT_JSON) {
        extractor_skip(extractor, extractor->held.length);
    }
}

const struct extractor_class extractor_action_filter = {.name = "action-filter",
                                                        .advance = show_action};
