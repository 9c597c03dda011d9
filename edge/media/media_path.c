#include "edge/media/media_path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "edge/http/http.h"
#include "proto/base/agent_uuid.h"

static const char *const directories[MEDIA_PLACES] = {
    [MEDIA_AGENTS] = "uploads/agents",
    [MEDIA_CHANNELS] = "uploads/channels",
    [MEDIA_GENERATED] = "generated",
};

const char *media_place_directory(enum media_place place)
{
    return directories[place];
}

static bool is_name(struct slice text)
{
    if (text.length == 0 || text.length > MEDIA_NAME_MAX || text.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool take_name(struct slice text, char out[MEDIA_NAME_MAX + 1])
{
    if (!is_name(text)) {
        return false;
    }
    memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return true;
}

static bool take_place(const struct slice *segments, int count, enum media_place *place)
{
    if (count == 2 && slice_is(segments[0], "media") && slice_is(segments[1], "generated")) {
        *place = MEDIA_GENERATED;
        return true;
    }
    if (count != 3 || !slice_is(segments[0], "media") || !slice_is(segments[1], "uploads")) {
        return false;
    }
    *place = slice_is(segments[2], "agents") ? MEDIA_AGENTS : MEDIA_CHANNELS;
    return *place == MEDIA_AGENTS || slice_is(segments[2], "channels");
}

bool media_path_parse(struct slice address, struct arena *arena, struct media_path *path)
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];
    int count = address.length > MEDIA_PATH_MAX ? -1 : http_path_split(address, arena, segments);

    return count >= 4 && take_place(segments, count - 2, &path->place) &&
           take_name(segments[count - 2], path->directory) &&
           take_name(segments[count - 1], path->file) && address.data[address.length - 1] != '/';
}

void media_path_write(const struct media_path *path, struct buffer *out)
{
    buffer_append_format(out, "/media/%s/%s/%s", directories[path->place], path->directory,
                         path->file);
}

void media_path_make(struct media_path *path, enum media_place place, struct slice id,
                     int64_t wall_ms, struct id_source *ids)
{
    char chance[MEDIA_RANDOM_LENGTH + 1];

    path->place = place;
    if (!take_name(id, path->directory)) {
        agent_uuid_from_name(id.data, id.length, path->directory);
    }
    id_random_text(ids, chance, MEDIA_RANDOM_LENGTH);
    snprintf(path->file, sizeof(path->file), "%" PRId64 "-%s", wall_ms, chance);
}

void media_path_add_extension(struct media_path *path, const char *extension)
{
    size_t length = strlen(path->file);

    snprintf(path->file + length, sizeof(path->file) - length, ".%s", extension);
}
