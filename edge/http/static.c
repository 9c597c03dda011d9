#include "edge/http/static.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "edge/http/file_answer.h"
#include "edge/http/file_type.h"
#include "proto/base/arena.h"
#include "proto/base/memory.h"

enum { CACHING_SIZE = 64 };

struct static_site {
    struct arena arena; /* for the request in hand */
    int root;           /* owns: the directory's descriptor */
    bool falls_back;
    int64_t max_age;
};

/* A file about to be served. */
struct found {
    int descriptor; /* owns */
    struct stat status;
    const char *name;
};

struct static_site *static_site_new(const struct static_site_settings *settings, char *reason,
                                    size_t reason_size)
{
    int root = open(settings->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0) {
        snprintf(reason, reason_size, "%s: %s", settings->root, strerror(errno));
        return NULL;
    }
    struct static_site *site = memory_allocate_zeroed(sizeof(*site));
    arena_init(&site->arena);
    site->root = root;
    site->falls_back = settings->falls_back;
    site->max_age = settings->max_age;
    return site;
}

void static_site_destroy(struct static_site **self)
{
    struct static_site *site = *self;

    if (site == NULL) {
        return;
    }
    *self = NULL;
    arena_deinit(&site->arena);
    close(site->root);
    free(site);
}

/*
 * Where openat2() is missing or forbidden (old container runtimes): step by step, and then no
 * symbolic link at all is followed.
 */
static int open_by_steps(int root, char *path, int flags)
{
    int at = dup(root);
    char *name = path;

    while (at >= 0) {
        char *slash = strchr(name, '/');
        int next;

        if (slash != NULL) {
            *slash = '\0';
        }
        next = openat(at, name,
                      O_NOFOLLOW | (slash == NULL ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC));
        close(at);
        at = next;
        if (slash == NULL) {
            break;
        }
        *slash = '/';
        name = slash + 1;
    }
    return at;
}

/* Opens a path below the root; whatever links it goes through, it cannot leave it. */
static int open_beneath(int root, char *path)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its other end. */
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct open_how how = {.flags = (uint64_t)flags,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long descriptor = syscall(SYS_openat2, root, path, &how, sizeof(how));

    if (descriptor >= 0 || (errno != ENOSYS && errno != EPERM)) {
        return (int)descriptor;
    }
    return open_by_steps(root, path, flags);
}

static bool is_servable_name(struct slice name)
{
    if (name.length == 0 || memchr(name.data, '/', name.length) != NULL) {
        return false;
    }
    return name.data[0] != '.' || slice_is(name, ".well-known");
}

/* The decoded path below the root, "." for the root itself. False when it cannot be served. */
static bool path_of(struct static_site *site, struct slice path, char out[STATIC_PATH_MAX])
{
    struct slice segments[HTTP_PATH_SEGMENTS_MAX];
    int count = http_path_split(path, &site->arena, segments);
    size_t length = 0;

    for (int i = 0; i < count; i++) {
        if (!is_servable_name(segments[i]) || length + segments[i].length + 2 > STATIC_PATH_MAX) {
            return false;
        }
        if (i > 0) {
            out[length++] = '/';
        }
        memcpy(out + length, segments[i].data, segments[i].length);
        length += segments[i].length;
    }
    if (count == 0) {
        out[length++] = '.';
    }
    out[length] = '\0';
    return count >= 0;
}

enum finding { FOUND_NOTHING, FOUND_FILE, FOUND_DIRECTORY };

static enum finding find(struct static_site *site, char *path, struct found *found)
{
    found->descriptor = open_beneath(site->root, path);
    found->name = path;
    if (found->descriptor < 0) {
        return FOUND_NOTHING;
    }
    if (fstat(found->descriptor, &found->status) == 0) {
        if (S_ISREG(found->status.st_mode)) {
            return FOUND_FILE;
        }
        if (S_ISDIR(found->status.st_mode)) {
            close(found->descriptor);
            return FOUND_DIRECTORY;
        }
    }
    close(found->descriptor);
    return FOUND_NOTHING;
}

/* Answers with the file, whose descriptor it takes. */
static void serve_file(const struct static_site *site, struct http_exchange *exchange,
                       const struct http_request *request, const struct found *found)
{
    const struct file_type *type = file_type_of(found->name);
    char caching[CACHING_SIZE] = "no-cache";

    if (!http_reads(exchange, request)) {
        close(found->descriptor);
        return;
    }
    if (!type->is_page) {
        snprintf(caching, sizeof(caching), "public, max-age=%" PRId64, site->max_age);
    }
    http_add_header(exchange, "Cache-Control", slice_of_string(caching));
    http_answer_file(exchange, request, type->content_type, found->descriptor, &found->status);
}

static bool ends_with_slash(struct slice path)
{
    return path.data[path.length - 1] == '/';
}

/* "/docs" of a directory becomes "/docs/", so that the page's relative links lead somewhere. */
static void redirect(struct static_site *site, struct http_exchange *exchange,
                     const struct http_request *request)
{
    const struct slice query = request->query;
    size_t length = 0;
    char *location = arena_allocate(&site->arena, request->path.length + query.length + 2);

    memcpy(location, request->path.data, request->path.length);
    length += request->path.length;
    location[length++] = '/';
    if (query.length > 0) {
        location[length++] = '?';
        memcpy(location + length, query.data, query.length);
        length += query.length;
    }
    http_add_header(exchange, "Location", slice_of(location, length));
    http_respond(exchange, 301, NULL, SLICE_EMPTY);
}

static bool has_extension(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strchr(slash == NULL ? path : slash, '.') != NULL;
}

static enum finding find_index(struct static_site *site, char path[STATIC_PATH_MAX],
                               struct found *found)
{
    static const char name[] = "/index.html";
    size_t length = strlen(path);

    if (length + sizeof(name) > STATIC_PATH_MAX) {
        return FOUND_NOTHING;
    }
    memcpy(path + length, name, sizeof(name));
    enum finding finding = find(site, path, found);
    if (finding != FOUND_FILE) {
        path[length] = '\0';
    }
    return finding;
}

bool static_site_serve(struct static_site *site, struct http_exchange *exchange,
                       const struct http_request *request)
{
    const bool reads = request->method == HTTP_GET_METHOD || request->method == HTTP_HEAD_METHOD;
    char path[STATIC_PATH_MAX];
    struct found found;

    arena_reset(&site->arena);
    if (!path_of(site, request->path, path)) {
        return false;
    }
    enum finding finding = find(site, path, &found);
    if (finding == FOUND_FILE && ends_with_slash(request->path)) {
        close(found.descriptor);
        finding = FOUND_NOTHING;
    }
    if (finding == FOUND_DIRECTORY) {
        finding = find_index(site, path, &found);
        if (finding == FOUND_FILE && !ends_with_slash(request->path)) {
            close(found.descriptor);
            redirect(site, exchange, request);
            return true;
        }
    }
    if (finding != FOUND_FILE && site->falls_back && reads && !has_extension(path)) {
        snprintf(path, sizeof(path), "index.html");
        finding = find(site, path, &found);
    }
    if (finding != FOUND_FILE) {
        return false;
    }
    serve_file(site, exchange, request, &found);
    return true;
}

bool static_site_serve_client(struct static_site *site, struct slice prefix,
                              struct http_exchange *exchange, const struct http_request *request)
{
    static const char *const names[] = {
        "socket.io.js",         "socket.io.js.map",         "socket.io.min.js",
        "socket.io.min.js.map", "socket.io.msgpack.min.js", "socket.io.msgpack.min.js.map",
        "socket.io.esm.min.js", "socket.io.esm.min.js.map",
    };
    const struct slice path = request->path;
    char name[STATIC_PATH_MAX];
    struct found found;

    if (path.length <= prefix.length || memcmp(path.data, prefix.data, prefix.length) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!slice_is(slice_of(path.data + prefix.length, path.length - prefix.length), names[i])) {
            continue;
        }
        snprintf(name, sizeof(name), "%s", names[i]);
        if (find(site, name, &found) != FOUND_FILE) {
            return false;
        }
        serve_file(site, exchange, request, &found);
        return true;
    }
    return false;
}
