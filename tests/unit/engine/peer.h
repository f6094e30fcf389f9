/* The other end of a connection, for tests: plain sockets. All functions fail the test themselves. */
#ifndef BATON_TESTS_ENGINE_PEER_H
#define BATON_TESTS_ENGINE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connects to 127.0.0.1 or ::1; returns a blocking descriptor, or -errno. */
int peer_connect(bool six, uint16_t port);
/* Listens on an unused port of 127.0.0.1 (or ::1). */
int peer_listen(bool six, int backlog, uint16_t *ret_port);
/* Sends all of it. */
void peer_send(int fd, const void *data, size_t len);
/* Reads exactly `len` bytes. */
void peer_read(int fd, void *buffer, size_t len);
/* Waits for the other side's end: nothing more comes, and no reset. */
void peer_read_end(int fd);
/* Reads what is there without waiting: bytes, 0 at the end, -EAGAIN, or another -errno. */
long peer_read_some(int fd, void *buffer, size_t len);
/* A port on which nobody listens. */
uint16_t peer_unused_port(bool six);
/* Closes with a reset. */
void peer_reset(int fd);

#endif
