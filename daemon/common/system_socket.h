/* The two sockets on which systemd listens to services: that of the service manager (sd_notify(3)) and journald's
 * (sd_journal_send(3)). Both take one datagram for one message and have a documented form
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). libsystemd would do as much, but brings five more libraries into every
 * process, and a megabyte of its memory. */
#ifndef BATON_COMMON_SYSTEM_SOCKET_H
#define BATON_COMMON_SYSTEM_SOCKET_H

#include <stddef.h>

/* Bytes of one message; a longer one is not sent. */
#define SYSTEM_NOTIFY_BYTES_MAX  2048
#define SYSTEM_JOURNAL_BYTES_MAX 8192

/* Tells the service manager: "READY=1", "STATUS=…". Returns 1, 0 if nobody wants to hear it ($NOTIFY_SOCKET is not
 * set), or -errno. */
int system_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One entry for journald, of "KEY=value" each. Does not wait for room: nobody waits for a log. Returns 0 or -errno. */
int system_journal_send(const char *const *fields, size_t count);

#endif
