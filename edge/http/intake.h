/*
 * From bytes to requests: what a connection read is cut into heads and bodies here, and whole
 * requests are given to the handler. A request that lies in one read is looked at where it is;
 * only one that arrives in pieces is copied.
 */
#ifndef EDGE_HTTP_INTAKE_H
#define EDGE_HTTP_INTAKE_H

#include "edge/http/connection.h"
#include "proto/base/slice.h"

/*
 * Works through input until it is used up, a request is in work, an answer does not go out, or
 * HTTP_REQUESTS_PER_TURN were answered; what is left then goes to the stash. The connection may be
 * closed afterwards; its memory stays until the loop's next turn. The caller settles it.
 */
void http_intake(struct http_connection *connection, struct slice input);
/* Answers with an error and ends the connection; for what no handler gets to see. */
void http_intake_refuse(struct http_connection *connection, int status);
/* Frees the partial request, if there is one. */
void http_intake_drop(struct http_connection *connection);

#endif
