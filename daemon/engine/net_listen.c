/* Listening. The sockets are our own, watched by uv_poll: libuv's listener answers a lack of descriptors
 * by accepting and dropping, and can spin on it; here the socket rests instead, and who waits in its
 * backlog is served when descriptors are there again. */
#include "daemon/engine/net_internal.h"

#include "daemon/common/log.h"
#include "election/base/alloc.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const port_names[] = {
        [PORT_ELECTION] = "election",
        [PORT_QUORUM] = "quorum",
        [PORT_CLIENT] = "client",
};
static_assert(sizeof port_names / sizeof *port_names == PORT_MAX, "every port has its name");

/* ---- accepting ---- */

static void rest(struct listener *l, int status);

/* The address of either family. */
union address {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
};

static uint16_t number_of(const union address *a)
{
        return ntohs(a->any.sa_family == AF_INET6 ? a->six.sin6_port : a->four.sin_port);
}

/* Numeric, without port; an IPv4 client of an IPv6 socket is shown as what it is. */
static void describe(const union address *from, char *text, size_t size)
{
        const uint8_t *bytes = from->six.sin6_addr.s6_addr;
        if (from->any.sa_family != AF_INET6)
                (void)inet_ntop(AF_INET, &from->four.sin_addr, text, (socklen_t)size); /* large enough */
        else if (IN6_IS_ADDR_V4MAPPED(&from->six.sin6_addr))
                (void)inet_ntop(AF_INET, bytes + 12, text, (socklen_t)size);
        else
                (void)inet_ntop(AF_INET6, bytes, text, (socklen_t)size);
}

static void accepted(struct listener *l, int fd, const union address *from)
{
        struct net *n = l->net;
        char address[INET6_ADDRSTRLEN] = "";
        struct event e = {.type = EVENT_CONN_ACCEPTED, .accepted = {.port = l->port, .address = address}};
        n->last_accepted += 2;
        struct conn *c = net__conn_new(n, n->last_accepted, l->port, CONN_OPEN);
        int r = uv_tcp_open(&c->tcp, fd);
        if (r < 0) {
                log_warning("a connection on the %s port could not be taken on: %s", port_names[l->port], strerror(-r));
                (void)close(fd); /* nothing was written */
                net__kill(c);
                return;
        }
        describe(from, address, sizeof address);
        e.accepted.remote_port = number_of(from);
        net__tell(c, &e);
        if (c->state != CONN_DEAD)
                net__opened(c);
}

/* Whether the error is about one connection (it has gone again, say) and not about this process. */
static bool concerns_one(int error)
{
        return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
        struct listener *l = poll->data;
        (void)events;
        if (status < 0) {
                rest(l, status);
                return;
        }
        for (size_t i = 0; i < NET_ACCEPT_TURN_MAX && l->fd >= 0; i++) {
                union address from = {.six = {.sin6_family = AF_UNSPEC}};
                socklen_t len = sizeof from;
                int fd = accept4(l->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) {
                        accepted(l, fd, &from);
                } else if (errno == EAGAIN) {
                        return;
                } else if (!concerns_one(errno)) {
                        rest(l, -errno);
                        return;
                }
        }
}

static void watch(struct listener *l)
{
        int r = uv_poll_start(&l->poll, UV_READABLE, on_ready);
        assert(r == 0); /* the descriptor is a socket: uv_poll_init() has tried it */
        (void)r;
}

static void on_rested(uv_timer_t *timer)
{
        struct net *n = timer->data;
        for (size_t i = 0; i < n->listener_count; i++) {
                if (!n->listeners[i]->resting)
                        continue;
                n->listeners[i]->resting = false;
                watch(n->listeners[i]);
        }
}

static void rest(struct listener *l, int status)
{
        log_warning("the %s port accepts nothing for %d ms: %s", port_names[l->port], NET_ACCEPT_PAUSE_MS,
                    strerror(-status));
        l->resting = true;
        (void)uv_poll_stop(&l->poll); /* always 0 */
        if (!uv_is_active((uv_handle_t *)&l->net->rest))
                (void)uv_timer_start(&l->net->rest, on_rested, NET_ACCEPT_PAUSE_MS, 0); /* fails on a closed one only */
}

void net_accept(struct net *n)
{
        for (size_t i = 0; i < n->listener_count && !n->accepting; i++)
                watch(n->listeners[i]);
        n->accepting = true;
}

/* ---- binding ---- */

static int refuse(char *why, size_t why_size, int status, enum port port, const char *host, uint16_t number,
                  const char *reason)
{
        (void)snprintf(why, why_size, "the %s port %s%s%s:%u cannot be opened: %s", port_names[port],
                       strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "", (unsigned)number, reason);
        return status;
}

/* Opens, binds and listens. Returns the descriptor or -errno. */
static int open_socket(const struct sockaddr *address, socklen_t len, int backlog)
{
        const int on = 1;
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* Both: a server that was killed leaves connections in TIME_WAIT; and IPv6 must not take the IPv4
         * wildcard along, it has a socket of its own. */
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
            (address->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
            bind(fd, address, len) < 0 || listen(fd, backlog) < 0) {
                int r = -errno;
                (void)close(fd); /* nothing was written */
                return r;
        }
        return fd;
}

static int add_listener(struct net *n, enum port port, const struct sockaddr *address, socklen_t len)
{
        if (n->listener_count == NET_LISTENERS_MAX)
                return -E2BIG;
        int fd = open_socket(address, len, port == PORT_CLIENT ? n->limits.client_listen_backlog : NET_LISTEN_BACKLOG);
        if (fd < 0)
                return fd;
        struct listener *l = mem_zalloc(sizeof *l);
        int r = uv_poll_init(n->loop, &l->poll, fd);
        if (r < 0) {
                (void)close(fd); /* nothing was written */
                mem_free(l);
                return r;
        }
        l->poll.data = l;
        l->net = n;
        l->fd = fd;
        l->port = port;
        n->listeners[n->listener_count++] = l;
        if (n->accepting)
                watch(l);
        return 0;
}

static int listen_numeric(struct net *n, enum port port, const char *host, uint16_t number)
{
        struct sockaddr_in four;
        struct sockaddr_in6 six;
        if (uv_ip4_addr(host, number, &four) == 0)
                return add_listener(n, port, (const struct sockaddr *)&four, sizeof four);
        if (uv_ip6_addr(host, number, &six) == 0)
                return add_listener(n, port, (const struct sockaddr *)&six, sizeof six);
        return -EINVAL;
}

/* IPv4 must work, or IPv6 on a machine that has nothing else. */
static int listen_wildcard(struct net *n, enum port port, uint16_t number)
{
        int four = listen_numeric(n, port, "0.0.0.0", number);
        if (four < 0 && four != -EAFNOSUPPORT)
                return four;
        if (four == 0 && number == 0)
                number = net_listening_on(n, port);
        int six = listen_numeric(n, port, "::", number);
        if (six == -EAFNOSUPPORT || six == -EADDRNOTAVAIL)
                return four;
        return six;
}

/* Each address that the name has and this machine owns. */
static int listen_name(struct net *n, enum port port, const char *host, uint16_t number)
{
        static const struct addrinfo hints = {
                .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        char service[8];
        struct addrinfo *list = NULL;
        int opened = 0, status = -EADDRNOTAVAIL;
        (void)snprintf(service, sizeof service, "%u", (unsigned)number);
        if (getaddrinfo(host, service, &hints, &list) != 0)
                return -EHOSTUNREACH;
        for (const struct addrinfo *a = list; a; a = a->ai_next) {
                int r = add_listener(n, port, a->ai_addr, a->ai_addrlen);
                if (r == 0)
                        opened++;
                else if (r != -EADDRNOTAVAIL && r != -EAFNOSUPPORT)
                        status = r;
        }
        freeaddrinfo(list);
        return opened > 0 && (status == -EADDRNOTAVAIL) ? 0 : status;
}

int net_listen(struct net *n, enum port port, const char *host, uint16_t number, char *why, size_t why_size)
{
        int r;
        assert((unsigned)port < PORT_MAX);
        if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
                r = listen_wildcard(n, port, number);
        else if ((r = listen_numeric(n, port, host, number)) == -EINVAL)
                r = listen_name(n, port, host, number);
        if (r == -EHOSTUNREACH)
                return refuse(why, why_size, r, port, host, number, "the name cannot be resolved");
        if (r == -EADDRNOTAVAIL)
                return refuse(why, why_size, r, port, host, number, "that is no address of this machine");
        if (r == -EADDRINUSE)
                return refuse(why, why_size, r, port, host, number, "another program listens there");
        if (r < 0)
                return refuse(why, why_size, r, port, host, number, strerror(-r));
        return 0;
}

uint16_t net_listening_on(const struct net *n, enum port port)
{
        for (size_t i = 0; i < n->listener_count; i++) {
                union address address = {.six = {.sin6_family = AF_UNSPEC}};
                socklen_t len = sizeof address;
                if (n->listeners[i]->port == port && getsockname(n->listeners[i]->fd, &address.any, &len) == 0)
                        return number_of(&address);
        }
        return 0;
}

/* ---- the end ---- */

static void on_listener_closed(uv_handle_t *handle)
{
        mem_free(handle->data);
}

void net_unlisten(struct net *n)
{
        while (n->listener_count > 0) {
                struct listener *l = n->listeners[--n->listener_count];
                /* libuv forgets the descriptor in uv_close(), so that it may be closed right after. */
                uv_close((uv_handle_t *)&l->poll, on_listener_closed);
                (void)close(l->fd); /* nothing was written */
                l->fd = -1;
        }
        (void)uv_timer_stop(&n->rest); /* always 0 */
}
