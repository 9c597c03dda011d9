/* The text of --help, made from the option tables. Used by options.c only. */
#ifndef PROTO_BASE_OPTIONS_HELP_H
#define PROTO_BASE_OPTIONS_HELP_H

#include "proto/base/buffer.h"
#include "proto/base/options.h"

enum { OPTION_VARIABLE_SIZE = 64 };

/* The environment variable of a flag: ELIZAMQ_PEER_BIND for peer-bind. */
void option_variable(const char *flag, char out[OPTION_VARIABLE_SIZE]);

void options_help_begin(const char *program, const char *summary, struct buffer *out);
void options_help_table(const struct option *table, size_t count, struct buffer *out);
void options_help_end(struct buffer *out);

#endif
