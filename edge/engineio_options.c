#include "edge/engineio_options.h"

#include <stdio.h>
#include <string.h>

static bool refuse(char *reason, size_t reason_size, const char *why)
{
    snprintf(reason, reason_size, "%s", why);
    return false;
}

static bool resolve_path(struct engineio_options *options)
{
    size_t length = strlen(options->path);
    bool is_open = length == 0 || options->path[length - 1] != '/';
    int written = snprintf(options->full_path, sizeof(options->full_path), "%s%s", options->path,
                           is_open ? "/" : "");

    return options->path[0] == '/' && written < ENGINEIO_PATH_MAX &&
           strcspn(options->full_path, " ?#%\t\r\n") == (size_t)written;
}

static bool resolve_transports(const char *text, struct engineio_http_settings *settings)
{
    settings->serves_polling = settings->serves_websocket = false;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");

        if (length == 7 && memcmp(at, "polling", length) == 0) {
            settings->serves_polling = true;
        } else if (length == 9 && memcmp(at, "websocket", length) == 0) {
            settings->serves_websocket = true;
        } else {
            return false;
        }
        at += length;
        if (*at == '\0') {
            return true;
        }
    }
}

/* RFC 9110 §5.6.2: what a token is made of. */
static bool is_token(const char *text)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789!#$%&'*+-.^_`|~";

    return text[0] != '\0' && text[strspn(text, characters)] == '\0';
}

/* "scheme://host" or "*": a path or a '/' behind it would never match. */
static bool are_origins(const char *text)
{
    if (strcmp(text, "*") == 0) {
        return true;
    }
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        const char *slashes = memmem(at, length, "://", 3);

        if (slashes == NULL || slashes == at || slashes + 3 == at + length ||
            memchr(slashes + 3, '/', length - (size_t)(slashes + 3 - at)) != NULL) {
            return false;
        }
        at += length;
        if (*at == '\0') {
            return true;
        }
        at += strspn(at + 1, " ");
    }
}

bool engineio_options_resolve(struct engineio_options *options,
                              struct engineio_http_settings *settings, char *reason,
                              size_t reason_size)
{
    *settings = (struct engineio_http_settings){
        .path = options->full_path,
        .http_compression = options->http_compression,
        .cookie = options->cookie,
        .cors = &options->cors,
        .trusted_proxies = &options->trusted_proxies,
    };
    if (!resolve_path(options)) {
        return refuse(reason, reason_size, "--path: begins with '/', and has no query");
    }
    if (!resolve_transports(options->transports, settings)) {
        return refuse(reason, reason_size, "--transports: polling, websocket, or both");
    }
    if (options->cookie != NULL && !is_token(options->cookie)) {
        return refuse(reason, reason_size, "--cookie: not a cookie's name");
    }
    if (options->cors.origins != NULL && !are_origins(options->cors.origins)) {
        return refuse(reason, reason_size, "--cors-origin: scheme://host[:port],… or *");
    }
    if (trusted_proxies_parse(&options->trusted_proxies, options->trusted_proxy) != 0) {
        return refuse(reason, reason_size, "--trusted-proxy: addresses or networks (10.0.0.0/8)");
    }
    if (options->per_message_deflate) {
        return refuse(reason, reason_size,
                      "--per-message-deflate: not served; each connection would hold a window of "
                      "its own, and each broadcast would be compressed once per receiver");
    }
    return true;
}
