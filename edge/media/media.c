#include "edge/media/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "edge/http/file_answer.h"
#include "edge/media/media_type.h"
#include "proto/base/buffer.h"
#include "proto/base/json.h"
#include "proto/base/log.h"
#include "proto/base/memory.h"

#define INCOMING ".incoming" /* unfinished files */

enum {
    DIRECTORY_MODE = 0750,
    LEFT_BEHIND_S = 3600, /* so old, an unfinished file is nobody's: above any upload's deadline */
    TEMPORARY_LENGTH = 24
};

/* --- the directory ---------------------------------------------------------------------------- */

/* Makes a directory and those above it; its descriptor, or -1. */
static int open_directory(int at, const char *path)
{
    char name[PATH_MAX];
    size_t length = strlen(path);

    if (length >= sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (name[i] != '/' && name[i] != '\0') {
            continue;
        }
        name[i] = '\0';
        if (mkdirat(at, name, DIRECTORY_MODE) != 0 && errno != EEXIST) {
            return -1;
        }
        name[i] = path[i];
    }
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Cuts the last name of a path off; what is above a bare name is ".". */
static void cut_last_name(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL) {
        memcpy(path, ".", sizeof("."));
    } else {
        slash[slash == path] = '\0';
    }
}

bool media_directory_is_usable(const char *directory, char *reason, size_t reason_size)
{
    char path[PATH_MAX];
    struct stat status;
    int length = snprintf(path, sizeof(path), "%s/" INCOMING, directory);
    bool is_long = length < 0 || (size_t)length >= sizeof(path);
    int error = is_long ? ENAMETOOLONG : directory[0] == '\0' ? ENOENT : 0;

    /* What is there of it has to be a directory in which the rest can be made. */
    while (error == 0 && stat(path, &status) != 0) {
        error = errno == ENOENT && strcmp(path, ".") != 0 ? 0 : errno;
        cut_last_name(path);
    }
    if (error == 0 && !S_ISDIR(status.st_mode)) {
        error = ENOTDIR;
    } else if (error == 0 && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0) {
        error = errno;
    }
    if (error != 0) {
        snprintf(reason, reason_size, "--media-dir %s: %s", directory, strerror(error));
    }
    return error == 0;
}

/* Another edge may be writing here now: only what is old goes. */
static void sweep(int incoming)
{
    int descriptor = openat(incoming, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = descriptor < 0 ? NULL : fdopendir(descriptor);
    struct dirent *entry;
    struct stat status;
    time_t now = time(NULL);

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (fstatat(incoming, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && status.st_mtim.tv_sec + LEFT_BEHIND_S < now) {
            unlinkat(incoming, entry->d_name, 0);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

static bool open_places(struct media *media)
{
    int root = open_directory(AT_FDCWD, media->settings.directory);
    bool is_open = root >= 0;

    for (int i = 0; i < MEDIA_PLACES && is_open; i++) {
        media->places[i] = open_directory(root, media_place_directory((enum media_place)i));
        is_open = media->places[i] >= 0;
    }
    if (is_open) {
        media->incoming = open_directory(root, INCOMING);
        is_open = media->incoming >= 0 && faccessat(media->incoming, ".", W_OK, 0) == 0;
    }
    int error = errno;
    if (root >= 0) {
        close(root);
    }
    errno = error;
    return is_open;
}

struct media *media_new(struct uv_loop_s *loop, const struct media_settings *settings,
                        struct id_source *ids, char *reason, size_t reason_size)
{
    struct media *media = memory_allocate_zeroed(sizeof(*media));

    media->loop = loop;
    media->settings = *settings;
    media->ids = ids;
    media->incoming = -1;
    for (int i = 0; i < MEDIA_PLACES; i++) {
        media->places[i] = -1;
    }
    arena_init(&media->arena);
    if (!open_places(media)) {
        snprintf(reason, reason_size, "--media-dir %s: %s", settings->directory, strerror(errno));
        media_destroy(&media);
        return NULL;
    }
    sweep(media->incoming);
    return media;
}

static void close_if_open(int descriptor)
{
    if (descriptor >= 0) {
        close(descriptor);
    }
}

void media_destroy(struct media **self)
{
    struct media *media = *self;

    *self = NULL;
    if (media == NULL) {
        return;
    }
    for (int i = 0; i < MEDIA_PLACES; i++) {
        close_if_open(media->places[i]);
    }
    close_if_open(media->incoming);
    arena_deinit(&media->arena);
    free(media);
}

struct media_file *media_new_file(struct media *media,
                                  const struct media_file_operations *operations, void *context)
{
    char name[TEMPORARY_LENGTH + 1];

    id_random_text(media->ids, name, TEMPORARY_LENGTH);
    return media_file_new(media->loop, media->incoming, name, operations, context);
}

const struct media_counters *media_counters(const struct media *media)
{
    return &media->counters;
}

/* --- answers ---------------------------------------------------------------------------------- */

void media_refuse(struct http_exchange *exchange, int status, const char *code, const char *message)
{
    struct buffer out = BUFFER_EMPTY;

    buffer_append_string(&out, "{\"success\":false,\"error\":{");
    json_write_string_member(&out, "code", slice_of_string(code));
    json_write_string_member(&out, "message", slice_of_string(message));
    buffer_append_string(&out, "}}");
    http_respond(exchange, status, "application/json; charset=utf-8", buffer_slice(&out));
    buffer_deinit(&out);
}

/* Without following links. -1: no such regular file. */
static int open_file(const struct media *media, const struct media_path *path, struct stat *status)
{
    int directory = openat(media->places[path->place], path->directory,
                           O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* O_NONBLOCK: opening a FIFO must not wait for its other end. */
    int file = directory < 0 ? -1
                             : openat(directory, path->file,
                                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    close_if_open(directory);
    if (file >= 0 && (fstat(file, status) != 0 || !S_ISREG(status->st_mode))) {
        close(file);
        file = -1;
    }
    return file;
}

/*
 * Whatever somebody has uploaded, a browser shows it as what it was taken for, or saves it; it runs
 * nothing of it. An upload never changes, what agents have made may.
 */
static void add_headers(struct http_exchange *exchange, const struct media_path *path,
                        const struct media_type *type)
{
    struct buffer disposition = BUFFER_EMPTY;

    http_add_header(exchange, "Cache-Control",
                    path->place == MEDIA_GENERATED
                        ? SLICE_LITERAL("no-cache")
                        : SLICE_LITERAL("private, max-age=31536000, immutable"));
    http_add_header(exchange, "Content-Security-Policy",
                    SLICE_LITERAL("default-src 'none'; sandbox"));
    http_add_header(exchange, "Cross-Origin-Resource-Policy", SLICE_LITERAL("cross-origin"));
    if (type == NULL || !media_type_is_image(type)) {
        buffer_append_format(&disposition, "attachment; filename=\"%s\"", path->file);
        http_add_header(exchange, "Content-Disposition", buffer_slice(&disposition));
        buffer_deinit(&disposition);
    }
}

static void answer_file(struct media *media, struct http_exchange *exchange,
                        const struct http_request *request, const struct media_path *path)
{
    const struct media_type *type = media_type_of_name(path->file);
    struct stat status;
    int file = open_file(media, path, &status);

    if (file < 0) {
        media_refuse(exchange, 404, "not_found", "File not found");
        return;
    }
    media->counters.served++;
    add_headers(exchange, path, type);
    http_answer_file(exchange, request, type == NULL ? "application/octet-stream" : type->served,
                     file, &status);
}

static bool is_media(struct slice path)
{
    static const char prefix[] = "/media/";
    const size_t length = sizeof(prefix) - 1;

    return path.length >= length && memcmp(path.data, prefix, length) == 0;
}

bool media_serve(struct media *media, struct http_exchange *exchange,
                 const struct http_request *request)
{
    struct media_path path;

    if (!is_media(request->path)) {
        return false;
    }
    cors_add_headers(media->settings.cors, exchange, request);
    if (!http_reads(exchange, request)) {
        return true;
    }
    if (media_path_parse(request->path, &media->arena, &path)) {
        answer_file(media, exchange, request, &path);
    } else {
        media_refuse(exchange, 404, "not_found", "File not found");
    }
    arena_reset(&media->arena);
    return true;
}
