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

#include "edge/http/file_type.h"
#include "edge/http/range.h"
#include "proto/base/arena.h"
#include "proto/base/memory.h"

enum {
    TAG_SIZE = 64,
    DATE_SIZE = 80, /* 30 in fact, but the compiler does not know how long a year is */
    RANGE_SIZE = 80
};

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

/* IMF-fixdate; strftime() would use the locale's names. */
static void format_date(time_t time, char out[DATE_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm parts = {0};

    gmtime_r(&time, &parts);
    snprintf(out, DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
             parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
             parts.tm_sec);
}

static void format_tag(const struct stat *status, char out[TAG_SIZE])
{
    snprintf(out, TAG_SIZE, "W/\"%" PRIx64 "-%" PRIx64 "%08lx\"", (uint64_t)status->st_size,
             (uint64_t)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec);
}

/* Is the tag in the list of If-None-Match? Compared weakly, without the W/. */
static bool tag_matches(struct slice list, const char *tag)
{
    struct slice opaque = slice_of_string(tag + 2);

    if (slice_is(list, "*")) {
        return true;
    }
    return list.length >= opaque.length &&
           memmem(list.data, list.length, opaque.data, opaque.length) != NULL;
}

static bool is_unchanged(const struct http_request *request, const char *tag, const char *date)
{
    struct slice tags = http_request_header(request, "If-None-Match");

    if (tags.length > 0) {
        return tag_matches(tags, tag);
    }
    return slice_is(http_request_header(request, "If-Modified-Since"), date);
}

/* The part of the file that is wanted: all of it, unless one satisfiable range is. */
static enum http_range_verdict range_of(const struct http_request *request, const char *date,
                                        uint64_t size, uint64_t *first, uint64_t *length)
{
    struct slice condition = http_request_header(request, "If-Range");

    *first = 0;
    *length = size;
    /* A weak tag never matches here (RFC 9110 §13.1.5), so the date is all that can. */
    if (request->method != HTTP_GET_METHOD ||
        (condition.length > 0 && !slice_is(condition, date))) {
        return HTTP_RANGE_NONE;
    }
    return http_range_parse(http_request_header(request, "Range"), size, first, length);
}

static void add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    http_add_header(exchange, name, slice_of_string(value));
}

static void answer_range_error(struct http_exchange *exchange, uint64_t size)
{
    char value[RANGE_SIZE];

    snprintf(value, sizeof(value), "bytes */%" PRIu64, size);
    add_header(exchange, "Content-Range", value);
    http_respond(exchange, 416, NULL, SLICE_EMPTY);
}

/* Answers with the file, whose descriptor it takes. */
static void serve_file(const struct static_site *site, struct http_exchange *exchange,
                       const struct http_request *request, const struct found *found)
{
    const uint64_t size = (uint64_t)found->status.st_size;
    const struct file_type *type = file_type_of(found->name);
    char tag[TAG_SIZE];
    char date[DATE_SIZE];
    char value[RANGE_SIZE];
    uint64_t first;
    uint64_t length;
    int status = 200;

    if (request->method != HTTP_GET_METHOD && request->method != HTTP_HEAD_METHOD) {
        close(found->descriptor);
        add_header(exchange, "Allow", "GET, HEAD");
        http_respond(exchange, 405, NULL, SLICE_EMPTY);
        return;
    }
    format_tag(&found->status, tag);
    format_date(found->status.st_mtim.tv_sec, date);
    if (type->is_page) {
        snprintf(value, sizeof(value), "no-cache");
    } else {
        snprintf(value, sizeof(value), "public, max-age=%" PRId64, site->max_age);
    }
    add_header(exchange, "Cache-Control", value);
    add_header(exchange, "ETag", tag);
    add_header(exchange, "Last-Modified", date);
    add_header(exchange, "Accept-Ranges", "bytes");
    if (is_unchanged(request, tag, date)) {
        close(found->descriptor);
        http_respond(exchange, 304, NULL, SLICE_EMPTY);
        return;
    }
    switch (range_of(request, date, size, &first, &length)) {
    case HTTP_RANGE_NONE:
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        close(found->descriptor);
        answer_range_error(exchange, size);
        return;
    case HTTP_RANGE_PART:
        status = 206;
        snprintf(value, sizeof(value), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
                 first + length - 1, size);
        add_header(exchange, "Content-Range", value);
        break;
    }
    http_respond_file(exchange, status, type->content_type, found->descriptor, (int64_t)first,
                      length);
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
