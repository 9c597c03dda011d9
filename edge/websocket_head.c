#include "edge/websocket_head.h"

#include <string.h>
#include <strings.h>

enum { SUBPROTOCOL_MAX = 128 /* bytes */ };

struct slice websocket_head_value(struct slice head, const char *name)
{
    const char *at = head.data;
    const char *end = head.data + head.length;
    size_t name_length = strlen(name);

    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        const char *value = at + name_length + 1;

        if (line_end == NULL || line_end == at) {
            break;
        }
        if (value <= line_end && at[name_length] == ':' &&
            strncasecmp(at, name, name_length) == 0) {
            while (value < line_end && (*value == ' ' || *value == '\t')) {
                value++;
            }
            while (line_end > value && (line_end[-1] == ' ' || line_end[-1] == '\t')) {
                line_end--;
            }
            return slice_of(value, (size_t)(line_end - value));
        }
        at = line_end + 2;
    }
    return SLICE_EMPTY;
}

struct slice websocket_first_token(struct slice list)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t length = 0;

    while (length < list.length && list.data[length] != '\0' &&
           strchr(allowed, list.data[length]) != NULL) {
        length++;
    }
    if (length > SUBPROTOCOL_MAX ||
        (length < list.length && list.data[length] != ',' && list.data[length] != ' ')) {
        return SLICE_EMPTY;
    }
    return slice_of(list.data, length);
}

void websocket_write_request(struct buffer *out, struct slice key, struct slice early)
{
    buffer_append_string(out, "GET / HTTP/1.1\r\n"
                              "Host: edge\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: ");
    buffer_append_slice(out, key);
    buffer_append_string(out, "\r\n\r\n");
    buffer_append_slice(out, early);
}
