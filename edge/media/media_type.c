#include "edge/media/media_type.h"

#include <string.h>
#include <strings.h>

/* Of several rows with one extension the first names it when it is served. */
static const struct media_type types[] = {
    {"image/jpeg", "image/jpeg", "image", "jpg", MEDIA_JPEG},
    {"image/png", "image/png", "image", "png", MEDIA_PNG},
    {"image/gif", "image/gif", "image", "gif", MEDIA_GIF},
    {"image/webp", "image/webp", "image", "webp", MEDIA_WEBP},
    {"video/mp4", "video/mp4", "video", "mp4", MEDIA_ISO_BASE},
    {"video/webm", "video/webm", "video", "webm", MEDIA_MATROSKA},
    {"application/pdf", "application/pdf", "document", "pdf", MEDIA_PDF},
    {"text/plain", "text/plain; charset=utf-8", "document", "txt", MEDIA_TEXT},
    {"audio/mpeg", "audio/mpeg", "audio", "mp3", MEDIA_MPEG_AUDIO},
    {"audio/mp3", "audio/mpeg", "audio", "mp3", MEDIA_MPEG_AUDIO},
    {"audio/wav", "audio/wav", "audio", "wav", MEDIA_WAVE},
    {"audio/x-wav", "audio/wav", "audio", "wav", MEDIA_WAVE},
    {"audio/wave", "audio/wav", "audio", "wav", MEDIA_WAVE},
    {"audio/ogg", "audio/ogg", "audio", "ogg", MEDIA_OGG},
    {"audio/webm", "audio/webm", "audio", "weba", MEDIA_MATROSKA},
    {"audio/mp4", "audio/mp4", "audio", "m4a", MEDIA_ISO_BASE},
    {"audio/aac", "audio/aac", "audio", "aac", MEDIA_ADTS},
    {"audio/flac", "audio/flac", "audio", "flac", MEDIA_FLAC},
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

struct signature {
    enum media_format format;
    size_t offset;
    struct slice bytes;
};

static const struct signature signatures[] = {
    {MEDIA_JPEG, 0, SLICE_LITERAL("\xff\xd8\xff")},
    {MEDIA_PNG, 0, SLICE_LITERAL("\x89PNG\r\n\x1a\n")},
    {MEDIA_GIF, 0, SLICE_LITERAL("GIF87a")},
    {MEDIA_GIF, 0, SLICE_LITERAL("GIF89a")},
    {MEDIA_WEBP, 8, SLICE_LITERAL("WEBPVP")},
    {MEDIA_WAVE, 8, SLICE_LITERAL("WAVE")},
    {MEDIA_ISO_BASE, 4, SLICE_LITERAL("ftyp")},
    {MEDIA_MATROSKA, 0, SLICE_LITERAL("\x1a\x45\xdf\xa3")},
    {MEDIA_PDF, 0, SLICE_LITERAL("%PDF-")},
    {MEDIA_OGG, 0, SLICE_LITERAL("OggS")},
    {MEDIA_FLAC, 0, SLICE_LITERAL("fLaC")},
    {MEDIA_MPEG_AUDIO, 0, SLICE_LITERAL("ID3")},
};

const struct media_type *media_type_of(struct slice content_type)
{
    size_t length = 0;

    while (length < content_type.length && strchr("; \t", content_type.data[length]) == NULL) {
        length++;
    }
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (length == strlen(types[i].declared) &&
            strncasecmp(content_type.data, types[i].declared, length) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

const struct media_type *media_type_of_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < TYPE_COUNT; i++) {
        if (strcmp(dot + 1, types[i].extension) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

/* A frame of MPEG audio or of ADTS begins with eleven or twelve bits and its layer: 0 is ADTS. */
static enum media_format sniff_frame(struct slice bytes)
{
    unsigned char second;

    if (bytes.length < 2 || (unsigned char)bytes.data[0] != 0xff) {
        return MEDIA_UNKNOWN;
    }
    second = (unsigned char)bytes.data[1];
    if ((second & 0xf6) == 0xf0) {
        return MEDIA_ADTS;
    }
    return (second & 0xe0) == 0xe0 && (second & 0x06) != 0 ? MEDIA_MPEG_AUDIO : MEDIA_UNKNOWN;
}

/* Text has none of the bytes that only data has (WHATWG's "binary data byte"). */
static bool is_text(struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = (unsigned char)bytes.data[i];

        if (c < ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != 0x1b) {
            return false;
        }
    }
    return true;
}

enum media_format media_sniff(struct slice bytes)
{
    if (bytes.length > MEDIA_SNIFF_LENGTH) {
        bytes.length = MEDIA_SNIFF_LENGTH;
    }
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        const struct signature *signature = &signatures[i];

        if (bytes.length >= signature->offset + signature->bytes.length &&
            memcmp(bytes.data + signature->offset, signature->bytes.data,
                   signature->bytes.length) == 0) {
            return signature->format;
        }
    }
    enum media_format format = sniff_frame(bytes);
    return format == MEDIA_UNKNOWN && is_text(bytes) ? MEDIA_TEXT : format;
}

bool media_type_is_image(const struct media_type *type)
{
    return strcmp(type->kind, "image") == 0;
}
