/*
 * Whose request it is behind proxies: X-Forwarded-For counts as far as trusted proxies wrote it.
 */
#ifndef EDGE_HTTP_FORWARDED_H
#define EDGE_HTTP_FORWARDED_H

#include <stddef.h>
#include "proto/base/slice.h"

enum {
    TRUSTED_PROXIES_MAX = 32, /* networks */
    FORWARDED_ADDRESS_SIZE = 46,
};

/* An address of either family as 16 bytes (IPv4 mapped), of which `bits` count. */
struct trusted_network {
    unsigned char address[16];
    unsigned bits;
};

struct trusted_proxies {
    struct trusted_network networks[TRUSTED_PROXIES_MAX];
    size_t count;
};

/* Addresses and networks (10.0.0.0/8) joined by commas; NULL: none. 0 or ERROR_MALFORMED. */
int trusted_proxies_parse(struct trusted_proxies *proxies, const char *text);
/*
 * The client's address: the peer's, or, as long as that is a trusted proxy, the one that it wrote
 * down last. Returns `peer` or `out`.
 */
const char *trusted_proxies_client(const struct trusted_proxies *proxies, const char *peer,
                                   struct slice forwarded_for, char out[FORWARDED_ADDRESS_SIZE]);

#endif
