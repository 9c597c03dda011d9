#include "agent-bridge/agent_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent-bridge/extract/extractor.h"
#include "proto/base/error.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

enum { CHUNK = 64 * 1024 };

struct loading {
    const struct agent_files *files;
    struct agents *agents;
    const struct agents *former;
    char problem[RUNTIME_ERROR_SIZE]; /* of the file that is being read */
};

/* --- one character ---------------------------------------------------------------------------- */

static bool is_extractor(struct slice name)
{
    struct extractor *extractor = extractor_new(name);
    bool is_one = extractor != NULL;
    extractor_destroy(&extractor);
    return is_one;
}

static const char *text_of_error(int error)
{
    switch (error) {
    case ERROR_CONFLICT:
        return "another character has its id";
    case ERROR_LIMIT:
        return "there are too many agents";
    case ERROR_TOO_LARGE:
        return "its name or the whole is too long";
    default:
        return "its name is no text";
    }
}

static bool add_character(struct loading *loading, struct slice json, const char *source)
{
    const struct agent_files *files = loading->files;
    struct character *character = character_read(json, loading->problem);
    if (character == NULL) {
        return false;
    }
    struct slice name = character->runtime.length > 0 ? character->runtime
                                                      : slice_of_string(files->default_runtime);
    struct runtime *runtime = NULL;
    bool is_fine = character->extract.length == 0 || is_extractor(character->extract);
    if (!is_fine) {
        snprintf(loading->problem, RUNTIME_ERROR_SIZE,
                 "its settings.elizamq.extract is no extractor");
    } else {
        runtime = files->runtime(files->context, name, loading->problem);
        is_fine = runtime != NULL;
    }
    if (is_fine) {
        int error = agents_add_character(loading->agents, &character, runtime, source);
        is_fine = error == 0;
        if (!is_fine) {
            snprintf(loading->problem, RUNTIME_ERROR_SIZE, "%s", text_of_error(error));
        }
    }
    character_destroy(&character);
    return is_fine;
}

/* --- one file --------------------------------------------------------------------------------- */

bool agent_files_read(const char *path, struct buffer *out, char *error)
{
    FILE *file = fopen(path, "rb");
    size_t got;
    if (file == NULL) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s", strerror(errno));
        return false;
    }
    do {
        got = fread(buffer_reserve(out, CHUNK), 1, CHUNK, file);
        out->length += got;
    } while (got > 0 && out->length <= AGENT_FILE_MAX);
    bool is_read = ferror(file) == 0 && out->length <= AGENT_FILE_MAX;
    if (!is_read) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s",
                 ferror(file) != 0 ? strerror(errno) : "it is too large");
    }
    fclose(file);
    return is_read;
}

static bool add_list(struct loading *loading, struct slice list, const char *path)
{
    struct json_iterator iterator = json_iterate(list);
    struct slice element;
    while (json_next_element(&iterator, &element)) {
        if (!add_character(loading, element, path)) {
            return false;
        }
    }
    return true;
}

static bool add_file(struct loading *loading, const char *path)
{
    struct buffer text = BUFFER_EMPTY;
    struct slice value;
    bool is_fine = agent_files_read(path, &text, loading->problem);
    if (is_fine && json_scan(buffer_slice(&text), JSON_MAX_DEPTH, &value) == 0 &&
        json_type(value) == JSON_ARRAY) {
        is_fine = add_list(loading, value, path);
    } else if (is_fine) {
        is_fine = add_character(loading, buffer_slice(&text), path);
    }
    buffer_deinit(&text);
    return is_fine;
}

/* Those that came from a file that is broken now, as they were. */
static void keep_former(struct loading *loading, const char *path)
{
    for (struct agent *agent = NULL; (agent = agents_next(loading->former, agent)) != NULL;) {
        const char *source = agent_source(agent);
        if (source != NULL && strcmp(source, path) == 0 &&
            agents_find(loading->agents, agent->id) == NULL) {
            add_character(loading, agent->character->details, path);
        }
    }
}

/* False: fatal. */
static bool load_file(struct loading *loading, const char *path, char *reason, size_t size)
{
    if (add_file(loading, path)) {
        return true;
    }
    if (loading->former == NULL) {
        snprintf(reason, size, "%.300s: %.180s", path, loading->problem);
        return false;
    }
    log_error("character_skipped", "file=%s reason=%s", path, loading->problem);
    keep_former(loading, path);
    return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int is_character_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".json") == 0;
}

static bool load_directory(struct loading *loading, const char *path, char *reason, size_t size)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_character_file, alphasort);
    bool is_fine = count >= 0;
    if (!is_fine) {
        snprintf(reason, size, "--agents %.300s: %s", path, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        struct buffer file = BUFFER_EMPTY;
        buffer_append_format(&file, "%s/%s", path, entries[i]->d_name);
        buffer_append_char(&file, '\0');
        is_fine = is_fine && load_file(loading, file.data, reason, size);
        buffer_deinit(&file);
        free(entries[i]);
    }
    free(entries);
    return is_fine;
}

bool agent_files_load(const struct agent_files *files, struct agents *agents,
                      const struct agents *former, char *reason, size_t size)
{
    struct loading loading = {.files = files, .agents = agents, .former = former};
    struct stat status;
    if (stat(files->path, &status) != 0) {
        snprintf(reason, size, "--agents %.300s: %s", files->path, strerror(errno));
        return false;
    }
    bool is_fine = S_ISDIR(status.st_mode) ? load_directory(&loading, files->path, reason, size)
                                           : load_file(&loading, files->path, reason, size);
    if (is_fine && agents_count(agents) == 0) {
        snprintf(reason, size, "--agents %.300s: there is no character in it", files->path);
        return false;
    }
    return is_fine;
}

bool agent_files_check(const struct agent_files *files, struct slice json, char *error)
{
    struct loading loading = {.files = files, .agents = agents_new()};
    bool is_fine = add_character(&loading, json, NULL);
    if (!is_fine) {
        snprintf(error, RUNTIME_ERROR_SIZE, "%s", loading.problem);
    }
    agents_destroy(&loading.agents);
    return is_fine;
}
