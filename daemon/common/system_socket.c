/* See system_socket.h. */
#include "daemon/common/system_socket.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* `path` begins with '@' for a name in the abstract namespace. */
static int send_datagram(const char *path, const char *data, size_t len, int flags)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const size_t path_len = strlen(path);
        if (path_len < 2 || path_len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
                return -EINVAL;
        memcpy(to.sun_path, path, path_len);
        if (path[0] == '@')
                to.sun_path[0] = '\0';
        const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len + (path[0] == '/'));
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        const ssize_t n = sendto(fd, data, len, flags | MSG_NOSIGNAL, (const struct sockaddr *)(const void *)&to, size);
        const int r = n < 0 ? -errno : 0;
        (void)close(fd); /* the message is gone, or is not */
        return r;
}

int system_notify(const char *format, ...)
{
        const char *path = getenv("NOTIFY_SOCKET");
        char text[SYSTEM_NOTIFY_BYTES_MAX];
        va_list ap;
        if (!path || !*path)
                return 0;
        va_start(ap, format);
        const int len = vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        if (len < 0 || (size_t)len >= sizeof text)
                return -EMSGSIZE;
        const int r = send_datagram(path, text, (size_t)len, 0);
        return r < 0 ? r : 1;
}

/* ---- the journal ---- */

struct entry {
        char bytes[SYSTEM_JOURNAL_BYTES_MAX];
        size_t len;
        bool full;
};

static void put(struct entry *e, const void *data, size_t len)
{
        if (len > sizeof e->bytes - e->len) {
                e->full = true;
                return;
        }
        memcpy(e->bytes + e->len, data, len);
        e->len += len;
}

/* A line; a value that has lines of its own goes with its length before it. */
static void put_field(struct entry *e, const char *field)
{
        const char *value = strchr(field, '=');
        if (value && strchr(value, '\n')) {
                const uint64_t len = htole64(strlen(value + 1));
                put(e, field, (size_t)(value - field));
                put(e, "\n", 1);
                put(e, &len, sizeof len);
                field = value + 1;
        }
        put(e, field, strlen(field));
        put(e, "\n", 1);
}

int system_journal_send(const char *const *fields, size_t count)
{
        struct entry e;
        e.len = 0;
        e.full = false;
        for (size_t i = 0; i < count; i++)
                put_field(&e, fields[i]);
        return e.full ? -EMSGSIZE : send_datagram(JOURNAL_SOCKET, e.bytes, e.len, MSG_DONTWAIT);
}
