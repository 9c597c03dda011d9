/*
 * The HTTP long-polling transport of one load generator client: one keep-alive connection, one
 * request at a time. What is to be sent waits for the answer of a parked GET.
 */
#ifndef TESTS_BENCH_POLLING_H
#define TESTS_BENCH_POLLING_H

#include <stddef.h>
#include <stdint.h>

struct client;
struct clients;
struct polling;

struct polling *polling_new(void);
void polling_destroy(struct polling **self);

/* Sends the first GET, which opens the session. */
void polling_open(struct clients *clients, struct client *client);

/* Queues a packet for the next POST. */
void polling_send(struct clients *clients, struct client *client, const char *packet,
                  size_t length);

/* Handles the complete answers at the start of `bytes` and sends the next requests. Returns how
 * many bytes it took. */
size_t polling_receive(struct clients *clients, struct client *client, const char *bytes,
                       size_t length);

#endif
