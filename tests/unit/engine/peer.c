/* See peer.h. */
#include "tests/unit/engine/peer.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t loopback(bool six, uint16_t port, struct sockaddr_storage *ret)
{
        *ret = (struct sockaddr_storage){0};
        if (six) {
                struct sockaddr_in6 *a = (struct sockaddr_in6 *)ret;
                a->sin6_family = AF_INET6;
                a->sin6_addr = in6addr_loopback;
                a->sin6_port = htons(port);
                return sizeof *a;
        }
        struct sockaddr_in *a = (struct sockaddr_in *)ret;
        a->sin_family = AF_INET;
        a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a->sin_port = htons(port);
        return sizeof *a;
}

int peer_connect(bool six, uint16_t port)
{
        struct sockaddr_storage to;
        socklen_t len = loopback(six, port, &to);
        int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(fd >= 0);
        if (connect(fd, (struct sockaddr *)&to, len) == 0)
                return fd;
        int r = -errno;
        (void)close(fd);
        return r;
}

int peer_listen(bool six, int backlog, uint16_t *ret_port)
{
        struct sockaddr_storage at;
        socklen_t len = loopback(six, 0, &at);
        int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(fd >= 0);
        int r = bind(fd, (struct sockaddr *)&at, len);
        assert(r == 0);
        r = listen(fd, backlog);
        assert(r == 0);
        r = getsockname(fd, (struct sockaddr *)&at, &len);
        assert(r == 0);
        *ret_port = ntohs(six ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
        return fd;
}

uint16_t peer_unused_port(bool six)
{
        uint16_t port = 0;
        (void)close(peer_listen(six, 1, &port));
        return port;
}

void peer_send(int fd, const void *data, size_t len)
{
        const char *at = data;
        while (len > 0) {
                ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
                assert(n > 0);
                at += n;
                len -= (size_t)n;
        }
}

void peer_read(int fd, void *buffer, size_t len)
{
        char *at = buffer;
        while (len > 0) {
                ssize_t n = recv(fd, at, len, 0);
                assert(n > 0);
                at += n;
                len -= (size_t)n;
        }
}

void peer_read_end(int fd)
{
        char more;
        ssize_t n = recv(fd, &more, 1, 0);
        assert(n == 0);
        (void)n;
}

long peer_read_some(int fd, void *buffer, size_t len)
{
        ssize_t n = recv(fd, buffer, len, MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}

void peer_reset(int fd)
{
        const struct linger abort_it = {.l_onoff = 1, .l_linger = 0};
        int r = setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof abort_it);
        assert(r == 0);
        (void)close(fd);
}
