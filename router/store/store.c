#include "router/store/store.h"

#include <stdio.h>
#include <string.h>

#include "router/store/store_sqlite.h"

static const struct store_backend *const backends[] = {
    &store_sqlite_backend,
};

enum { SCHEME_MAX = 32 };

/* Length of the scheme in front of ':', 0 when url has none. */
static size_t scheme_length(const char *url)
{
    size_t length = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+-");

    return url[length] == ':' && length <= SCHEME_MAX ? length : 0;
}

/* The reason names the scheme only: what follows it may hold a password. */
static const struct store_backend *find_backend(const char *url, char *reason, size_t reason_size)
{
    size_t length = scheme_length(url);

    if (length == 0) {
        snprintf(reason, reason_size, "the store must be given as a URL such as sqlite:PATH");
        return NULL;
    }
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (slice_is(slice_of(url, length), backends[i]->scheme)) {
            return backends[i];
        }
    }
    snprintf(reason, reason_size, "the store backend \"%.*s\" is not built in this version",
             (int)length, url);
    return NULL;
}

bool store_is_known(const char *url, char *reason, size_t reason_size)
{
    const struct store_backend *backend = find_backend(url, reason, reason_size);

    return backend != NULL && backend->check(url, reason, reason_size);
}

struct store *store_open(const struct store_settings *settings, char *reason, size_t reason_size)
{
    const struct store_backend *backend = find_backend(settings->url, reason, reason_size);

    if (backend == NULL || !backend->check(settings->url, reason, reason_size)) {
        return NULL;
    }
    return backend->open(settings, reason, reason_size);
}

void store_close(struct store **store)
{
    if (*store == NULL) {
        return;
    }
    (*store)->backend->close(*store);
    *store = NULL;
}
