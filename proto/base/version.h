/* The version that --version, the metrics and the handshakes between processes name. */
#ifndef PROTO_BASE_VERSION_H
#define PROTO_BASE_VERSION_H

#ifndef ELIZAMQ_VERSION /* given by the Makefile */
#define ELIZAMQ_VERSION "0.0.0-dev"
#endif

#endif
