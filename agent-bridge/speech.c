#include "agent-bridge/speech.h"

bool speech_init(struct speech *speech, struct slice extractor)
{
    *speech = (struct speech){0};
    if (extractor.length > 0) {
        speech->extractor = extract_stream_new(extractor);
    }
    return extractor.length == 0 || speech->extractor != NULL;
}

void speech_deinit(struct speech *speech)
{
    extract_stream_destroy(&speech->extractor);
    buffer_deinit(&speech->shown);
}

static struct slice shown_since(const struct speech *speech, size_t start)
{
    size_t length = speech->shown.length - start;
    return length == 0 ? SLICE_EMPTY : slice_of(speech->shown.data + start, length);
}

int speech_push(struct speech *speech, struct slice text, struct slice *shown)
{
    size_t start = speech->shown.length;
    *shown = text;
    if (speech->extractor == NULL) {
        return 0;
    }
    int error = extract_stream_push(speech->extractor, text, &speech->shown);
    *shown = shown_since(speech, start);
    return error;
}

struct slice speech_flush(struct speech *speech)
{
    size_t start = speech->shown.length;
    if (speech->extractor == NULL) {
        return SLICE_EMPTY;
    }
    extract_stream_flush(speech->extractor, &speech->shown);
    return shown_since(speech, start);
}

struct slice speech_whole(const struct speech *speech, struct slice text)
{
    return speech->extractor == NULL ? text : buffer_slice(&speech->shown);
}
