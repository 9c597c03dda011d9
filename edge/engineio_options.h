/*
 * The options of Socket.IO that are more than a number, from their text to the settings of
 * engineio_http.h: transports, path, cookie, CORS, proxies.
 */
#ifndef EDGE_ENGINEIO_OPTIONS_H
#define EDGE_ENGINEIO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "edge/engineio_http.h"

enum { ENGINEIO_PATH_MAX = 256 };

struct engineio_options {
    /* As given. */
    const char *path;       /* "/socket.io"; a '/' at its end is added when it is missing */
    const char *transports; /* "polling", "websocket", or both joined by a comma */
    const char *cookie;
    const char *trusted_proxy;
    int64_t http_compression;
    bool per_message_deflate;
    struct cors cors;
    /* As resolved: what the settings borrow. */
    char full_path[ENGINEIO_PATH_MAX];
    struct trusted_proxies trusted_proxies;
};

/*
 * Fills everything but max_http_buffer_size. The settings borrow from the options. False and a
 * reason, which names the flag, when a text does not fit.
 */
bool engineio_options_resolve(struct engineio_options *options,
                              struct engineio_http_settings *settings, char *reason,
                              size_t reason_size);

#endif
