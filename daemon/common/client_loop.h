/* Runs one ZooKeeper client (election/client) on a libuv loop: resolves, dials, reads, writes, keeps its timer. It
 * decides nothing. The clock it steps the client with is CLOCK_BOOTTIME, read before each step, so that `sent_ms` of a
 * result is what a lease may be counted from (safety.md 2.2, 2.3). Loop thread only.
 *
 * The addresses of a name are tried one after the other, each with an equal share of the time that is left. The process
 * ignores SIGPIPE. */
#ifndef BATON_COMMON_CLIENT_LOOP_H
#define BATON_COMMON_CLIENT_LOOP_H

#include "election/client/client.h"

#include <uv.h>

/* A dial, name resolution included, that takes longer has failed; sooner where the client gives up sooner. */
#define CLIENT_LOOP_DIAL_MS 2000
/* What the kernel has not taken; a connection with more is given up. */
#define CLIENT_LOOP_BACKLOG_BYTES (64u << 20)
/* Addresses of one name that are tried. */
#define CLIENT_LOOP_ADDRESSES_MAX 8
/* How long a connection that is done with may take to pass on its last words. */
#define CLIENT_LOOP_LINGER_MS 1000

struct client_loop;

/* Takes the client: client_loop_free() frees it. -errno of libuv; the client is then still the caller's. */
int client_loop_new(uv_loop_t *loop, struct client *client, struct client_loop **ret);
struct client *client_loop_client(struct client_loop *l);
/* client_start(), client_close() with the present time. They, and client_loop_flush(), may also be called in the
 * client's callbacks: it is carried out when the event ends. */
void client_loop_start(struct client_loop *l);
void client_loop_close(struct client_loop *l, uint64_t wait_ms);
/* To be called after requests were made outside the client's own callbacks: they go out now. */
void client_loop_flush(struct client_loop *l);
/* Closes the connection without a word and frees the client, whose callbacks are called a last time. Takes NULL. Not to
 * be called inside one of them. The handles go with the loop's next turns. */
void client_loop_free(struct client_loop *l);

#endif
