#include "edge/http/head.h"

#include <strings.h>

/* What a byte may be part of. */
enum { IN_TOKEN = 1, IN_TARGET = 2, IN_VALUE = 4, IN_HOST = 8 };
enum {
    NAME = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    MARK = IN_TOKEN | IN_TARGET | IN_VALUE, /* allowed in tokens, not in hosts */
    HOST = IN_TARGET | IN_VALUE | IN_HOST,
    OTHER = IN_TARGET | IN_VALUE,
};

/*
 * Bytes above 127 are let through in targets: browsers encode them, people with curl do not, and
 * nothing about them is in doubt. '#' is not: a fragment is never sent.
 */
static const uint8_t byte_classes[256] = {
    ['\t'] = IN_VALUE,
    [' '] = IN_VALUE,
    ['!'] = NAME,
    ['"'] = OTHER,
    ['#'] = IN_TOKEN | IN_VALUE,
    ['$'] = NAME,
    ['%'] = NAME,
    ['&'] = NAME,
    ['\''] = NAME,
    ['('] = HOST,
    [')'] = HOST,
    ['*'] = NAME,
    ['+'] = NAME,
    [','] = HOST,
    ['-'] = NAME,
    ['.'] = NAME,
    ['/'] = OTHER,
    ['0' ... '9'] = NAME,
    [':'] = HOST,
    [';'] = HOST,
    ['<'] = OTHER,
    ['='] = HOST,
    ['>'] = OTHER,
    ['?'] = OTHER,
    ['@'] = OTHER,
    ['A' ... 'Z'] = NAME,
    ['['] = HOST,
    ['\\'] = OTHER,
    [']'] = HOST,
    ['^'] = MARK,
    ['_'] = NAME,
    ['`'] = MARK,
    ['a' ... 'z'] = NAME,
    ['{'] = OTHER,
    ['|'] = MARK,
    ['}'] = OTHER,
    ['~'] = NAME,
    [128 ... 255] = OTHER,
};

/* What the header lines said that decides about the connection. */
struct findings {
    unsigned hosts;
    bool has_length;
    bool closes;
    bool asks_keep_alive;
    bool asks_upgrade;
    bool offers_websocket;
};

struct cursor {
    const char *at;
    const char *end;
};

static bool has_class(char c, unsigned class)
{
    return (byte_classes[(unsigned char)c] & class) != 0;
}

static struct slice take_run(struct cursor *cursor, unsigned class)
{
    const char *start = cursor->at;

    while (cursor->at < cursor->end && has_class(*cursor->at, class)) {
        cursor->at++;
    }
    return slice_of(start, (size_t)(cursor->at - start));
}

static enum http_head_verdict refuse(struct http_head *head, int status)
{
    head->status = status;
    return HTTP_HEAD_REFUSED;
}

/* The literal text at the cursor, which is moved behind it. */
static enum http_head_verdict expect_text(struct cursor *cursor, struct http_head *head,
                                          const char *text)
{
    for (; *text != '\0'; text++, cursor->at++) {
        if (cursor->at == cursor->end) {
            return HTTP_HEAD_INCOMPLETE;
        }
        if (*cursor->at != *text) {
            return refuse(head, 400);
        }
    }
    return HTTP_HEAD_COMPLETE;
}

static bool equals_ignoring_case(struct slice slice, const char *text)
{
    return slice.length == strlen(text) && strncasecmp(slice.data, text, slice.length) == 0;
}

static struct slice trim(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return slice_of(start, (size_t)(end - start));
}

/* Is `name` an element of the comma-separated list? */
static bool list_contains(struct slice list, const char *name)
{
    const char *start = list.data;

    for (size_t i = 0; i <= list.length; i++) {
        if (i < list.length && list.data[i] != ',') {
            continue;
        }
        if (equals_ignoring_case(trim(start, list.data + i), name)) {
            return true;
        }
        start = list.data + i + 1;
    }
    return false;
}

static enum http_method method_of(struct slice name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET", HTTP_GET_METHOD},         {"POST", HTTP_POST_METHOD},
        {"HEAD", HTTP_HEAD_METHOD},       {"PUT", HTTP_PUT_METHOD},
        {"PATCH", HTTP_PATCH_METHOD},     {"DELETE", HTTP_DELETE_METHOD},
        {"OPTIONS", HTTP_OPTIONS_METHOD},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (slice_is(name, methods[i].name)) {
            return methods[i].method;
        }
    }
    return HTTP_OTHER_METHOD;
}

/* Cuts "http://authority" off an absolute target; false when there is no such thing to cut. */
static bool strip_authority(struct slice *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i]);

        if (target->length <= length || strncasecmp(target->data, schemes[i], length) != 0) {
            continue;
        }
        struct cursor cursor = {target->data + length, target->data + target->length};
        struct slice authority = take_run(&cursor, IN_HOST);
        if (authority.length == 0) {
            return false;
        }
        *target = slice_of(cursor.at, (size_t)(cursor.end - cursor.at));
        return true;
    }
    return false;
}

static bool set_target(struct http_head *head, struct slice target)
{
    if (slice_is(target, "*")) {
        head->path = target;
        head->query = SLICE_EMPTY;
        return head->method == HTTP_OPTIONS_METHOD;
    }
    if (target.data[0] != '/') {
        if (!strip_authority(&target)) {
            return false;
        }
        if (target.length > 0 && target.data[0] != '/' && target.data[0] != '?') {
            return false;
        }
    }
    const char *mark = target.length == 0 ? NULL : memchr(target.data, '?', target.length);
    size_t path_length = mark == NULL ? target.length : (size_t)(mark - target.data);

    head->path = path_length == 0 ? SLICE_LITERAL("/") : slice_of(target.data, path_length);
    head->query = mark == NULL ? SLICE_EMPTY : slice_of(mark + 1, target.length - path_length - 1);
    return true;
}

static enum http_head_verdict check_version(struct cursor *cursor, struct http_head *head)
{
    enum http_head_verdict verdict = expect_text(cursor, head, "HTTP/");

    if (verdict != HTTP_HEAD_COMPLETE) {
        return verdict;
    }
    for (size_t i = 0; i < 3; i++) {
        if (cursor->at + i == cursor->end) {
            return HTTP_HEAD_INCOMPLETE;
        }
        char c = cursor->at[i];
        if (i == 1 ? c != '.' : c < '0' || c > '9') {
            return refuse(head, 400);
        }
    }
    if (cursor->at[0] != '1' || cursor->at[2] > '1') {
        return refuse(head, 505);
    }
    head->minor_version = cursor->at[2] - '0';
    cursor->at += 3;
    return expect_text(cursor, head, "\r\n");
}

static enum http_head_verdict check_request_line(struct cursor *cursor, struct http_head *head)
{
    struct slice method = take_run(cursor, IN_TOKEN);

    if (method.length > HTTP_METHOD_MAX) {
        return refuse(head, 501);
    }
    if (cursor->at == cursor->end) {
        return HTTP_HEAD_INCOMPLETE;
    }
    if (method.length == 0 || *cursor->at++ != ' ') {
        return refuse(head, 400);
    }
    /* What follows a CONNECT is not HTTP. */
    if (slice_is(method, "CONNECT")) {
        return refuse(head, 501);
    }
    head->method = method_of(method);

    struct slice target = take_run(cursor, IN_TARGET);
    if (cursor->at == cursor->end) {
        return HTTP_HEAD_INCOMPLETE;
    }
    if (target.length == 0 || *cursor->at++ != ' ' || !set_target(head, target)) {
        return refuse(head, 400);
    }
    return check_version(cursor, head);
}

static enum http_head_verdict check_content_length(struct http_head *head, struct findings *found,
                                                   struct slice value)
{
    if (found->has_length || head->is_chunked || value.length == 0 ||
        value.length > HTTP_LENGTH_DIGITS_MAX) {
        return refuse(head, 400);
    }
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return refuse(head, 400);
        }
        head->content_length = head->content_length * 10 + (uint64_t)(value.data[i] - '0');
    }
    found->has_length = true;
    return HTTP_HEAD_COMPLETE;
}

static enum http_head_verdict
check_transfer_encoding(struct http_head *head, const struct findings *found, struct slice value)
{
    if (head->is_chunked || found->has_length || head->minor_version == 0 || value.length == 0) {
        return refuse(head, 400);
    }
    if (!equals_ignoring_case(value, "chunked")) {
        return refuse(head, 501);
    }
    head->is_chunked = true;
    return HTTP_HEAD_COMPLETE;
}

static enum http_head_verdict check_host(struct http_head *head, struct findings *found,
                                         struct slice value)
{
    if (found->hosts++ > 0) {
        return refuse(head, 400);
    }
    for (size_t i = 0; i < value.length; i++) {
        if (!has_class(value.data[i], IN_HOST)) {
            return refuse(head, 400);
        }
    }
    return HTTP_HEAD_COMPLETE;
}

/* The few headers that decide about the connection; all others are the handler's. */
static enum http_head_verdict check_meaning(struct http_head *head, struct findings *found,
                                            const struct http_header *header)
{
    const struct slice name = header->name;
    const struct slice value = header->value;

    switch (name.length) {
    case 4:
        if (equals_ignoring_case(name, "Host")) {
            return check_host(head, found, value);
        }
        break;
    case 6:
        if (equals_ignoring_case(name, "Expect") && head->minor_version > 0) {
            if (!equals_ignoring_case(value, "100-continue")) {
                return refuse(head, 417);
            }
            head->expects_continue = true;
        }
        break;
    case 7:
        if (equals_ignoring_case(name, "Upgrade")) {
            found->offers_websocket |= list_contains(value, "websocket");
        }
        break;
    case 10:
        if (equals_ignoring_case(name, "Connection")) {
            found->closes |= list_contains(value, "close");
            found->asks_keep_alive |= list_contains(value, "keep-alive");
            found->asks_upgrade |= list_contains(value, "upgrade");
        }
        break;
    case 14:
        if (equals_ignoring_case(name, "Content-Length")) {
            return check_content_length(head, found, value);
        }
        break;
    case 17:
        if (equals_ignoring_case(name, "Transfer-Encoding")) {
            return check_transfer_encoding(head, found, value);
        }
        break;
    default:
        break;
    }
    return HTTP_HEAD_COMPLETE;
}

static enum http_head_verdict check_header_line(struct cursor *cursor, struct http_head *head,
                                                struct findings *found)
{
    struct http_header header = {.name = take_run(cursor, IN_TOKEN)};

    if (cursor->at == cursor->end) {
        return HTTP_HEAD_INCOMPLETE;
    }
    if (header.name.length == 0 || *cursor->at++ != ':') {
        return refuse(head, 400);
    }
    if (head->header_count == HTTP_HEADERS_MAX) {
        return refuse(head, 431);
    }

    struct slice value = take_run(cursor, IN_VALUE);
    enum http_head_verdict verdict = expect_text(cursor, head, "\r\n");
    if (verdict != HTTP_HEAD_COMPLETE) {
        return verdict;
    }
    header.value = trim(value.data, value.data + value.length);

    head->headers[head->header_count++] = header;
    return check_meaning(head, found, &header);
}

static enum http_head_verdict check_whole(struct http_head *head, const struct findings *found)
{
    bool has_body = head->is_chunked || head->content_length > 0;

    if (head->minor_version == 1 && found->hosts == 0) {
        return refuse(head, 400);
    }
    head->keeps_alive = !found->closes && (head->minor_version == 1 || found->asks_keep_alive);
    /* An upgrade with a body would hand that body over as WebSocket frames. */
    head->wants_websocket = found->asks_upgrade && found->offers_websocket && !has_body &&
                            head->minor_version == 1 && head->method == HTTP_GET_METHOD;
    return HTTP_HEAD_COMPLETE;
}

enum http_head_verdict http_head_check(const char *data, size_t length, struct http_head *head)
{
    struct cursor cursor = {data, data + length};
    struct findings found = {0};
    enum http_head_verdict verdict;

    head->status = 0;
    head->content_length = 0;
    head->header_count = 0;
    head->is_chunked = false;
    head->expects_continue = false;

    /* One empty line before a request is forgiven, as RFC 9112 §2.2 asks: old clients end a body
     * so. */
    if (length > 0 && *data == '\r') {
        verdict = expect_text(&cursor, head, "\r\n");
        if (verdict != HTTP_HEAD_COMPLETE) {
            return verdict;
        }
    }
    verdict = check_request_line(&cursor, head);
    while (verdict == HTTP_HEAD_COMPLETE) {
        if (cursor.at < cursor.end && *cursor.at == '\r') {
            verdict = expect_text(&cursor, head, "\r\n");
            if (verdict != HTTP_HEAD_COMPLETE) {
                return verdict;
            }
            head->length = (size_t)(cursor.at - data);
            return check_whole(head, &found);
        }
        verdict = check_header_line(&cursor, head, &found);
    }
    return verdict;
}
