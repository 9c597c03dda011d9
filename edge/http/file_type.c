#include "edge/http/file_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct file_type file_types[] = {
    {"html", "text/html; charset=utf-8", true},
    {"htm", "text/html; charset=utf-8", true},
    {"js", "text/javascript; charset=utf-8", false},
    {"mjs", "text/javascript; charset=utf-8", false},
    {"css", "text/css; charset=utf-8", false},
    {"json", "application/json; charset=utf-8", false},
    {"map", "application/json; charset=utf-8", false},
    {"webmanifest", "application/manifest+json", false},
    {"svg", "image/svg+xml", false},
    {"png", "image/png", false},
    {"jpg", "image/jpeg", false},
    {"jpeg", "image/jpeg", false},
    {"gif", "image/gif", false},
    {"webp", "image/webp", false},
    {"avif", "image/avif", false},
    {"ico", "image/x-icon", false},
    {"woff2", "font/woff2", false},
    {"woff", "font/woff", false},
    {"ttf", "font/ttf", false},
    {"otf", "font/otf", false},
    {"txt", "text/plain; charset=utf-8", false},
    {"md", "text/markdown; charset=utf-8", false},
    {"xml", "application/xml; charset=utf-8", false},
    {"csv", "text/csv; charset=utf-8", false},
    {"pdf", "application/pdf", false},
    {"wasm", "application/wasm", false},
    {"mp3", "audio/mpeg", false},
    {"ogg", "audio/ogg", false},
    {"wav", "audio/wav", false},
    {"mp4", "video/mp4", false},
    {"webm", "video/webm", false},
    {"zip", "application/zip", false},
    {"gz", "application/gzip", false},
};

static const struct file_type unknown_type = {"", "application/octet-stream", false};

const struct file_type *file_type_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (dot != NULL) {
        for (size_t i = 0; i < sizeof(file_types) / sizeof(file_types[0]); i++) {
            if (strcasecmp(dot + 1, file_types[i].extension) == 0) {
                return &file_types[i];
            }
        }
    }
    return &unknown_type;
}
