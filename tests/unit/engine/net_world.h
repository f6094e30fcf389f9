/* One network half with a test in the core's place; plain sockets (peer.h) are the other side. */
#ifndef BATON_TESTS_ENGINE_NET_WORLD_H
#define BATON_TESTS_ENGINE_NET_WORLD_H

#include "daemon/engine/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB (1u << 20)
/* Waiting for something that does not come ends the test after this long. */
#define PATIENCE_MS 20000

struct world {
        uv_loop_t loop;
        struct net *net;
        uv_timer_t pulse; /* the test's own side needs a turn from time to time */
        uint64_t begun_ms;
        bool echo, in_effect;
        size_t answer; /* each byte that is read is answered with this many */
        /* what was told, in order: "+2 " accepted, "!1=0 " dialled, "-2=0 " closed, "s2 " sent */
        char told[4096];
        size_t told_len;
        uint8_t *bytes; /* all that was read, of all connections */
        size_t byte_count, byte_capacity;
        conn_id client; /* the last accepted one */
        char address[64];
        uint16_t remote_port;
        enum port port;
};

/* One turn of the loop, with its end. */
void world_turn(struct world *w);
/* Some turns in which nothing in particular is expected. */
void world_idle(struct world *w);
/* Until `text` stands somewhere in what was told. */
void world_await(struct world *w, const char *text);
/* Until so much was told; it must be exactly `text`. */
void world_expect(struct world *w, const char *text);
/* Until so many bytes were read. */
void world_await_bytes(struct world *w, size_t count);
struct world *world_new(const struct net_limits *limits);
/* Ends the network first: no event may follow. */
void world_free(struct world *w);
/* Listens on an unused port and accepts. Returns the port. */
uint16_t world_listen_on(struct world *w, enum port port, const char *host);
/* Connects and waits until it is accepted. Returns the descriptor. */
int world_join(struct world *w, enum port port);
/* Queues `len` bytes of `c`. */
void world_send_filled(struct world *w, conn_id conn, size_t len, int c);
/* Reads until `len` bytes have come, letting the loop turn. Returns how many bytes differ from `c`. */
size_t world_read_filled(struct world *w, int fd, size_t len, int c);
/* Waits for the end of the stream. Returns 0, or the error that ended it. */
long world_read_end(struct world *w, int fd);

#endif
