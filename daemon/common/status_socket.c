/* See status_socket.h. */
#include "daemon/common/status_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int status_socket_path(const char *dir, char *ret, size_t size)
{
        int len = snprintf(ret, size, "%s/%s", dir, STATUS_SOCKET_NAME);
        return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* One that an earlier process has left says ECONNREFUSED, and nothing else does: a living one whose queue is full says
 * EAGAIN. What is no socket is not ours to remove. */
static int remove_stale(int fd, const struct sockaddr_un *address)
{
        struct stat st;
        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
                return -EADDRINUSE;
        if (errno != ECONNREFUSED)
                return errno == EAGAIN ? -EADDRINUSE : -errno;
        return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_as(int fd, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
        /* Not for others from the first moment: a socket file takes the mode of its descriptor, less the umask. */
        if (fchmod(fd, 0660) < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
                return -errno;
        /* Not asked for, it is not tried: the packaged unit's SystemCallFilter= refuses every chown. */
        bool other = uid != (uid_t)-1 || gid != (gid_t)-1;
        if ((other && lchown(address->sun_path, uid, gid) < 0) || chmod(address->sun_path, 0660) < 0)
                return -errno;
        return listen(fd, STATUS_SOCKET_BACKLOG) < 0 ? -errno : 0;
}

static int new_socket(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return fd < 0 ? -errno : fd;
}

int status_socket_listen(const char *dir, uid_t uid, gid_t gid)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int r = status_socket_path(dir, address.sun_path, sizeof address.sun_path);
        if (r < 0)
                return r;
        int probe = new_socket();
        if (probe < 0)
                return probe;
        r = remove_stale(probe, &address);
        (void)close(probe); /* nothing was written */
        if (r < 0)
                return r;
        int fd = new_socket();
        if (fd < 0)
                return fd;
        r = bind_as(fd, &address, uid, gid);
        if (r == 0)
                return fd;
        (void)close(fd);
        return r;
}
