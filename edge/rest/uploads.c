#include "edge/rest/internal.h"

#include "edge/media/media.h"

void rest_post_channel_media(const struct rest_call *call)
{
    media_upload(call->rest->media, call->exchange, call->request, MEDIA_CHANNELS, call->channel,
                 rest_wall(call->rest));
}

void rest_post_agent_media(const struct rest_call *call)
{
    if (!uuid_is_valid(call->id)) {
        rest_refuse(call->rest, call->exchange, ERROR_MALFORMED, "Invalid agent ID format");
        return;
    }
    media_upload(call->rest->media, call->exchange, call->request, MEDIA_AGENTS, call->id,
                 rest_wall(call->rest));
}

bool rest_is_upload(const struct http_request *request)
{
    static const char end[] = "/upload-media";
    const size_t length = sizeof(end) - 1;
    const struct slice path = request->path;

    return request->method == HTTP_POST_METHOD && path.length > length &&
           memcmp(path.data + path.length - length, end, length) == 0;
}
