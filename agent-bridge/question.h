/*
 * What a runtime is told of a message, out of its opaque body (proto/wire/chat_body.h). Pure.
 */
#ifndef AGENT_BRIDGE_QUESTION_H
#define AGENT_BRIDGE_QUESTION_H

#include "proto/base/arena.h"
#include "proto/base/buffer.h"
#include "proto/base/slice.h"

/*
 * The text and the sender's name, each empty when it is none. They borrow from scratch, which is
 * appended to, and from the arena. 0, or why the body cannot be read.
 */
int question_read(struct slice body, struct buffer *scratch, struct arena *arena,
                  struct slice *text, struct slice *sender_name);

#endif
