#include "edge/front.h"

#include "edge/http/file_answer.h"

enum { SMALL_BODY_MAX = 64 * 1024 }; /* where no body is expected */

static bool is_api(struct slice path)
{
    return path.length >= 4 && memcmp(path.data, "/api", 4) == 0 &&
           (path.length == 4 || path.data[4] == '/');
}

static bool is_read(const struct http_request *request)
{
    return request->method == HTTP_GET_METHOD || request->method == HTTP_HEAD_METHOD;
}

static bool answer_admin(struct front *front, struct http_exchange *exchange,
                         const struct http_request *request)
{
    int status;
    const char *content_type;
    struct buffer body = BUFFER_EMPTY;
    bool is_ours = admin_answer(&front->admin, request->path, &status, &content_type, &body);
    if (is_ours && http_reads(exchange, request)) {
        http_add_header(exchange, "Cache-Control", SLICE_LITERAL("no-store"));
        http_respond(exchange, status, content_type, buffer_slice(&body));
    }
    buffer_deinit(&body);
    return is_ours;
}

/* Pages of other sites may import the module as they may connect. */
static bool answer_client(struct front *front, struct http_exchange *exchange,
                          const struct http_request *request)
{
    const struct slice path = request->path;
    const struct slice prefix = slice_of_string(front->engineio->settings.path);
    if (front->client == NULL || path.length <= prefix.length ||
        memcmp(path.data, prefix.data, prefix.length) != 0) {
        return false;
    }
    cors_add_headers(front->engineio->settings.cors, exchange, request);
    return static_site_serve_client(front->client, prefix, exchange, request);
}

static void add_security_headers(struct http_exchange *exchange)
{
    http_add_header(exchange, "X-Frame-Options", SLICE_LITERAL("SAMEORIGIN"));
    http_add_header(exchange, "Referrer-Policy", SLICE_LITERAL("no-referrer"));
}

static void handle_api(struct front *front, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct identity *identity;
    int64_t now = front->now();
    if (!guard_admit(front->guard, exchange, request, now, front->wall(), &identity)) {
        return;
    }
    if (!rest_is_upload(request) || guard_admit_upload(front->guard, exchange, request, now)) {
        rest_handle(front->rest, exchange, request, identity, now);
    }
    identity_destroy(&identity);
}

static void on_request(void *context, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct front *front = context;
    if (engineio_http_serves(front->engineio, request->path)) {
        engineio_http_handle(front->engineio, exchange, request, front->now());
        return;
    }
    add_security_headers(exchange);
    if (slice_is(request->path, "/health") && is_read(request)) {
        rest_handle_health(front->rest, exchange, request, front->now());
    } else if (is_api(request->path)) {
        handle_api(front, exchange, request);
    } else if (!answer_admin(front, exchange, request) &&
               !(front->media != NULL && media_serve(front->media, exchange, request)) &&
               !answer_client(front, exchange, request) &&
               !(front->site != NULL && static_site_serve(front->site, exchange, request))) {
        http_respond(exchange, 404, "text/plain; charset=utf-8", SLICE_LITERAL("Not found\n"));
    }
}

static size_t body_limit(void *context, const struct http_request *head)
{
    struct front *front = context;
    if (engineio_http_serves(front->engineio, head->path)) {
        return engineio_http_body_limit(front->engineio, head, front->now());
    }
    if (front->media != NULL && is_api(head->path) && rest_is_upload(head)) {
        return media_body_max(front->media);
    }
    return is_api(head->path) ? REST_BODY_MAX : SMALL_BODY_MAX;
}

static bool streams_body(void *context, const struct http_request *head)
{
    (void)context;
    return is_api(head->path) && rest_is_upload(head);
}

static void too_large(void *context, struct http_exchange *exchange,
                      const struct http_request *head)
{
    struct front *front = context;
    if (engineio_http_serves(front->engineio, head->path)) {
        engineio_http_too_large(front->engineio, exchange, head);
    } else {
        rest_too_large(front->rest, exchange, head);
    }
}

struct http_handler front_handler(struct front *front)
{
    return (struct http_handler){front, on_request, body_limit, streams_body, too_large};
}
