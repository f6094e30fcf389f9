/* Outgoing connections. A numeric address is connected to at once; a name is resolved by libuv's pool of
 * threads, anew each time, since a member may have moved. The addresses of a name are tried one after the
 * other, each with a fresh handle under the same name.
 *
 * The outcome matters to elections: "refused" says that the machine answers and no server listens there.
 * So ECONNREFUSED is told only when every address said so. */
#include "daemon/engine/net_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void attempt(struct conn *c);

static void note(struct dial *d, int status)
{
        if (d->status == 0 || d->status == -ECONNREFUSED)
                d->status = status;
}

/* A handle that failed to connect cannot be used again: its successor takes over name and all. */
static struct conn *renew(struct conn *old)
{
        struct conn *c = net__conn_new(old->net, old->id, old->port, CONN_DIALLING);
        c->dial = old->dial;
        c->dial->conn = c;
        c->out = old->out;
        c->holds = old->holds;
        c->deadline_ms = old->deadline_ms;
        list_push(&old->waiting, &c->waiting); /* the same place among the deadlines */
        old->dial = NULL;
        old->out = (struct outbox){0};
        net__kill(old);
        return c;
}

/* On loopback, dialling a port that nobody listens on can meet itself: the kernel picks that very port as
 * the local one, and the two ends of a simultaneous open are the same socket. */
static bool met_itself(const uv_tcp_t *tcp)
{
        struct sockaddr_storage local = {0}, remote = {0};
        int local_len = sizeof local, remote_len = sizeof remote;
        return uv_tcp_getsockname(tcp, (struct sockaddr *)&local, &local_len) == 0 &&
               uv_tcp_getpeername(tcp, (struct sockaddr *)&remote, &remote_len) == 0 && local_len == remote_len &&
               memcmp(&local, &remote, (size_t)local_len) == 0;
}

static void connected(struct conn *c)
{
        struct event e = {.type = EVENT_CONN_DIALLED, .status = 0};
        list_remove(&c->waiting);
        mem_free(c->dial);
        c->dial = NULL;
        c->state = CONN_OPEN;
        net__tell(c, &e);
        if (c->state == CONN_DEAD)
                return;
        net__opened(c);
        net__due(c); /* something may have been queued before */
}

static void on_connected(uv_connect_t *req, int status)
{
        struct dial *d = req->data;
        struct conn *c = d->conn;
        if (c->state == CONN_DEAD || c->failed)
                return;
        if (status == 0 && met_itself(&c->tcp))
                status = -ECONNREFUSED;
        if (status == 0) {
                connected(c);
                return;
        }
        note(d, status);
        attempt(c);
}

/* Tries the addresses that are left, until one attempt is under way. */
static void attempt(struct conn *c)
{
        struct dial *d = c->dial;
        while (d->next < d->count) {
                const struct sockaddr *address = (const struct sockaddr *)&d->addresses[d->next];
                if (d->next > 0)
                        c = renew(c);
                d->next++;
                d->connect.data = d;
                int r = uv_tcp_connect(&d->connect, &c->tcp, address, on_connected);
                if (r == 0)
                        return;
                note(d, r);
        }
        net__fail(c, d->status);
}

/* ---- names ---- */

/* Resolver codes are libuv's own; the core knows errno only. */
static int resolver_errno(int status)
{
        switch (status) {
        case UV_EAI_MEMORY:
                return -ENOMEM;
        case UV_EAI_AGAIN:
                return -EAGAIN;
        case UV_ECANCELED:
                return -ECANCELED;
        default:
                return -EHOSTUNREACH;
        }
}

static void set_number(struct sockaddr_storage *address, uint16_t number)
{
        if (address->ss_family == AF_INET6)
                ((struct sockaddr_in6 *)address)->sin6_port = htons(number);
        else
                ((struct sockaddr_in *)address)->sin_port = htons(number);
}

static void take_addresses(struct dial *d, const struct addrinfo *list)
{
        for (; list && d->count < NET_DIAL_ADDRESSES_MAX; list = list->ai_next) {
                if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) ||
                    list->ai_addrlen > sizeof d->addresses[0])
                        continue;
                memcpy(&d->addresses[d->count], list->ai_addr, list->ai_addrlen);
                set_number(&d->addresses[d->count], d->number);
                d->count++;
        }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
        struct dial *d = req->data;
        struct conn *c = d->conn;
        d->resolving = false;
        if (!c) {
                mem_free(d); /* given up meanwhile */
        } else if (!c->failed) {
                if (status == 0)
                        take_addresses(d, list);
                d->status = d->count > 0 ? 0 : (status < 0 ? resolver_errno(status) : -EHOSTUNREACH);
                attempt(c);
        }
        uv_freeaddrinfo(list);
}

static void resolve(struct conn *c, const char *host)
{
        static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        struct dial *d = c->dial;
        d->resolve.data = d;
        d->resolving = true;
        int r = uv_getaddrinfo(c->net->loop, &d->resolve, on_resolved, host, NULL, &hints);
        if (r < 0) {
                d->resolving = false;
                net__fail(c, r == UV_ENOMEM ? -ENOMEM : -EHOSTUNREACH); /* a name that no resolver takes */
        }
}

void net__dial_cancel(struct conn *c)
{
        struct dial *d = c->dial;
        if (!d || !d->resolving)
                return;
        d->conn = NULL;
        c->dial = NULL;
        (void)uv_cancel((uv_req_t *)&d->resolve); /* busy: on_resolved() comes later and finds nobody */
}

void net_dial(struct net *n, conn_id conn, enum port kind, const char *host, uint16_t number)
{
        struct conn *c = net__conn_new(n, conn, kind, CONN_DIALLING);
        struct dial *d = mem_zalloc(sizeof *d);
        d->conn = c;
        d->number = number;
        c->dial = d;
        net__wait(c, &n->dialling, n->limits.dial_timeout_ms);
        if (uv_ip4_addr(host, number, (struct sockaddr_in *)&d->addresses[0]) == 0 ||
            uv_ip6_addr(host, number, (struct sockaddr_in6 *)&d->addresses[0]) == 0) {
                d->count = 1;
                attempt(c);
        } else {
                resolve(c, host);
        }
}
