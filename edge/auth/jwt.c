#include "edge/auth/jwt.h"

#include "proto/base/arena.h"
#include "proto/base/base64.h"
#include "proto/base/json.h"

enum { CLAIMS_DEPTH_MAX = 16 };

/* The parts of a token, as they came. */
struct parts {
    struct slice header, payload, signature;
    struct slice signed_text; /* the first two, with the dot between them */
};

static bool is_url_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Cuts off what is before the next dot, or the end. */
static struct slice cut(struct slice *rest)
{
    size_t length = 0;
    struct slice part;

    while (length < rest->length && is_url_character(rest->data[length])) {
        length++;
    }
    part = slice_of(rest->data, length);
    *rest = slice_of(rest->data + length, rest->length - length);
    return part;
}

static bool split(struct slice token, struct parts *parts)
{
    struct slice rest = token;

    if (token.length == 0 || token.length > JWT_BYTES_MAX) {
        return false;
    }
    parts->header = cut(&rest);
    if (parts->header.length == 0 || rest.length == 0 || rest.data[0] != '.') {
        return false;
    }
    rest = slice_of(rest.data + 1, rest.length - 1);
    parts->payload = cut(&rest);
    if (parts->payload.length == 0 || rest.length == 0 || rest.data[0] != '.') {
        return false;
    }
    parts->signed_text = slice_of(token.data, token.length - rest.length);
    rest = slice_of(rest.data + 1, rest.length - 1);
    parts->signature = cut(&rest);
    return parts->signature.length > 0 && rest.length == 0;
}

bool jwt_is_likely(struct slice text)
{
    struct parts parts;

    return split(text, &parts);
}

static bool take_object(struct slice part, struct arena *arena, struct slice *object)
{
    struct slice text;

    return base64_decode_url(part, arena, &text) == 0 &&
           json_scan(text, CLAIMS_DEPTH_MAX, object) == 0 && json_type(*object) == JSON_OBJECT;
}

/* Absent: empty. False: there, and no text. */
static bool take_text(struct slice object, const char *name, struct arena *arena, struct slice *out)
{
    struct slice value = json_get(object, name);

    *out = SLICE_EMPTY;
    if (value.length == 0) {
        return true;
    }
    *out = json_type(value) == JSON_STRING ? json_decode_string(value, arena) : SLICE_EMPTY;
    return out->length > 0;
}

static bool is_signed(const struct parts *parts, const struct jwt_keys *keys, struct arena *arena)
{
    struct slice header, algorithm, key_id, signature;

    return take_object(parts->header, arena, &header) && json_get(header, "crit").length == 0 &&
           take_text(header, "alg", arena, &algorithm) &&
           take_text(header, "kid", arena, &key_id) &&
           base64_decode_url(parts->signature, arena, &signature) == 0 &&
           jwt_keys_verify(keys, algorithm, key_id, parts->signed_text, signature);
}

/* Seconds since 1970, perhaps with a fraction; absent: as good as `fallback`. */
static bool take_time(struct slice claims, const char *name, double fallback, double *seconds)
{
    struct slice value = json_get(claims, name);

    *seconds = fallback;
    return value.length == 0 || json_to_double(value, seconds);
}

static bool is_in_time(struct slice claims, int64_t leeway, int64_t wall)
{
    double now = (double)wall / 1000;
    double slack = (double)leeway / 1000;
    double expires, begins;

    return take_time(claims, "exp", now + 1, &expires) && take_time(claims, "nbf", now, &begins) &&
           now < expires + slack && now >= begins - slack;
}

/* aud is a text, or an array of them. */
static bool is_for(struct slice claims, const char *audience)
{
    struct slice value = json_get(claims, "aud");
    struct json_iterator elements;
    struct slice element;

    if (audience == NULL || json_string_is(value, audience)) {
        return true;
    }
    if (json_type(value) != JSON_ARRAY) {
        return false;
    }
    elements = json_iterate(value);
    while (json_next_element(&elements, &element)) {
        if (json_string_is(element, audience)) {
            return true;
        }
    }
    return false;
}

struct identity *jwt_verify(struct slice token, const struct jwt_keys *keys,
                            const struct jwt_settings *settings, int64_t wall)
{
    struct identity *identity = NULL;
    struct slice claims, subject;
    struct parts parts;
    struct arena arena;

    if (!split(token, &parts)) {
        return NULL;
    }
    arena_init(&arena);
    if (is_signed(&parts, keys, &arena) && take_object(parts.payload, &arena, &claims) &&
        is_in_time(claims, settings->leeway, wall) && is_for(claims, settings->audience) &&
        (settings->issuer == NULL || json_string_is(json_get(claims, "iss"), settings->issuer)) &&
        take_text(claims, "sub", &arena, &subject)) {
        identity = identity_new(subject, json_get(claims, settings->rooms_claim));
    }
    arena_deinit(&arena);
    return identity;
}
