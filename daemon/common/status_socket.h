/* The Unix socket of the engine's status call (docs/status.md), bound by whoever may write in its directory: batond
 * for the engine it starts, an engine that nobody supervises for itself. */
#ifndef BATON_COMMON_STATUS_SOCKET_H
#define BATON_COMMON_STATUS_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

/* Its name in runtime_dir. */
#define STATUS_SOCKET_NAME "engine.sock"
/* Connections that wait to be accepted. */
#define STATUS_SOCKET_BACKLOG 16

/* Writes DIR/engine.sock. 0, or -ENAMETOOLONG: an address of a Unix socket has about 100 bytes. */
int status_socket_path(const char *dir, char *ret, size_t size);
/* Makes the socket, removing one that nobody listens on, for this user and group (mode 0660); -1 leaves them as they
 * are. Returns a listening descriptor (close-on-exec, not blocking), -EADDRINUSE where somebody answers, or -errno. */
int status_socket_listen(const char *dir, uid_t uid, gid_t gid);

#endif
