#include "edge/http/forwarded.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/error.h"

enum { MAPPED_BITS = 96, ALL_BITS = 128 };

/* Returns how many bits of an address of that family there are, 0 when it is none. */
static unsigned parse_address(struct slice text, unsigned char address[16])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char copy[FORWARDED_ADDRESS_SIZE];

    if (text.length == 0 || text.length >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    if (inet_pton(AF_INET, copy, address + sizeof(mapped)) == 1) {
        memcpy(address, mapped, sizeof(mapped));
        return ALL_BITS - MAPPED_BITS;
    }
    return inet_pton(AF_INET6, copy, address) == 1 ? ALL_BITS : 0;
}

static bool parse_network(struct slice text, struct trusted_network *network)
{
    const char *slash = memchr(text.data, '/', text.length);
    size_t length = slash == NULL ? text.length : (size_t)(slash - text.data);
    unsigned family_bits = parse_address(slice_of(text.data, length), network->address);
    unsigned bits = 0;

    if (family_bits == 0) {
        return false;
    }
    network->bits = ALL_BITS;
    if (slash == NULL) {
        return true;
    }
    if (length + 1 == text.length) {
        return false;
    }
    for (size_t i = length + 1; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        bits = bits * 10 + (unsigned)(text.data[i] - '0');
        if (bits > family_bits) {
            return false;
        }
    }
    network->bits = ALL_BITS - family_bits + bits;
    return true;
}

int trusted_proxies_parse(struct trusted_proxies *proxies, const char *text)
{
    proxies->count = 0;
    if (text == NULL) {
        return 0;
    }
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");

        if (proxies->count == TRUSTED_PROXIES_MAX ||
            !parse_network(slice_of(at, length), &proxies->networks[proxies->count])) {
            return ERROR_MALFORMED;
        }
        proxies->count++;
        at += length;
        if (*at == '\0') {
            return 0;
        }
    }
}

static bool is_within(const unsigned char address[16], const struct trusted_network *network)
{
    unsigned bytes = network->bits / 8;
    unsigned rest = network->bits % 8;

    return memcmp(address, network->address, bytes) == 0 &&
           (rest == 0 || ((address[bytes] ^ network->address[bytes]) >> (8 - rest)) == 0);
}

static bool is_trusted(const struct trusted_proxies *proxies, struct slice text)
{
    unsigned char address[16];

    if (parse_address(text, address) == 0) {
        return false;
    }
    for (size_t i = 0; i < proxies->count; i++) {
        if (is_within(address, &proxies->networks[i])) {
            return true;
        }
    }
    return false;
}

/* Takes the last element off a list, without the white space around it. */
static struct slice take_last(struct slice *list)
{
    const char *comma = list->length == 0 ? NULL : memrchr(list->data, ',', list->length);
    size_t start = comma == NULL ? 0 : (size_t)(comma + 1 - list->data);
    struct slice last = slice_of(list->data + start, list->length - start);

    list->length = comma == NULL ? 0 : start - 1;
    while (last.length > 0 && (*last.data == ' ' || *last.data == '\t')) {
        last = slice_of(last.data + 1, last.length - 1);
    }
    while (last.length > 0 && strchr(" \t", last.data[last.length - 1]) != NULL) {
        last.length--;
    }
    return last;
}

const char *trusted_proxies_client(const struct trusted_proxies *proxies, const char *peer,
                                   struct slice forwarded_for, char out[FORWARDED_ADDRESS_SIZE])
{
    struct slice client = slice_of_string(peer);
    unsigned char address[16];

    while (forwarded_for.length > 0 && is_trusted(proxies, client)) {
        struct slice before = take_last(&forwarded_for);

        if (parse_address(before, address) == 0) {
            break; /* not an address: the proxy that wrote it is all that is known */
        }
        client = before;
    }
    if (client.data == peer) {
        return peer;
    }
    memcpy(out, client.data, client.length);
    out[client.length] = '\0';
    return out;
}
