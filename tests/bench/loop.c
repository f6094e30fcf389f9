/* The loop of load.h. */
#include "tests/bench/load.h"

#include "election/base/alloc.h"
#include "tests/bench/fail.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Sockets handled in one turn; the others come in the next. */
#define EVENTS_MAX 512
/* Nothing has come for so long: the server is stuck, and the run ends. */
#define SILENCE_SECONDS_MAX 60
#define SECOND_NS           UINT64_C(1000000000)

uint64_t now_ns(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

void load_init(struct load *l, const struct load_options *o)
{
        *l = (struct load){.o = o, .random = 88172645463325252u, .verified = json_object()};
        histogram_init(&l->latency);
        l->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (l->epoll < 0)
                bench_fail("epoll: %s", strerror(errno));
        l->conns = mem_alloc(o->connections * sizeof *l->conns);
        l->dirty = mem_alloc(o->connections * sizeof(struct conn *));
        for (uint32_t i = 0; i < o->connections; i++)
                conn_init(&l->conns[i], i, o->outstanding);
        l->keys = mem_zalloc(o->keys * sizeof *l->keys);
        l->value = mem_alloc(o->value_bytes);
        for (uint32_t i = 0; i < o->value_bytes; i++)
                l->value[i] = (uint8_t)(i * 31 + 7);
}

void load_done(struct load *l)
{
        for (uint32_t i = 0; i < l->o->connections; i++)
                conn_done(&l->conns[i]);
        mem_free(l->conns);
        mem_free(l->dirty);
        mem_free(l->keys);
        mem_free(l->value);
        mem_free(l->seqs);
        json_decref(l->verified);
        (void)close(l->epoll);
}

static void await(struct load *l, struct conn *c, int how, uint32_t events)
{
        struct epoll_event e = {.events = events, .data.ptr = c};
        if (epoll_ctl(l->epoll, how, c->fd, &e) < 0)
                bench_fail("epoll, connection %u: %s", c->index, strerror(errno));
}

void load_open(struct load *l, struct conn *c)
{
        conn_open(c, &l->o->servers[c->index % l->o->servers_count], (int32_t)l->o->timeout_ms, now_ns());
        await(l, c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* A connection that stands in the list of dirty ones may be closed: flushing passes it over. */
void load_drop(struct load *l, struct conn *c)
{
        if (c->state == CONN_READY)
                l->ready--;
        conn_abort(c);
}

void load_touch(struct load *l, struct conn *c)
{
        if (c->dirty || c->awaits_out)
                return;
        c->dirty = true;
        l->dirty[l->dirty_count++] = c;
}

static void flush(struct load *l, struct conn *c)
{
        bool out = conn_flush(c);
        if (out == c->awaits_out) {
                c->awaits_out = !out;
                await(l, c, EPOLL_CTL_MOD, out ? EPOLLIN : EPOLLIN | EPOLLOUT);
        }
}

static void flush_all(struct load *l)
{
        for (uint32_t i = 0; i < l->dirty_count; i++) {
                struct conn *c = l->dirty[i];
                c->dirty = false;
                if (c->state != CONN_CLOSED)
                        flush(l, c);
        }
        l->dirty_count = 0;
}

static void on_frame(void *context, struct conn *c, struct jute_reader *frame)
{
        struct load *l = context;
        struct jute_reply_header head;
        jute_get_reply_header(frame, &head);
        if (frame->error)
                bench_fail("connection %u: a reply without a header", c->index);
        if (head.xid == -2) /* of a ping */
                return;
        if (head.xid == -1) {
                struct jute_watcher_event event;
                jute_get_watcher_event(frame, &event);
                if (frame->error || !l->on_event)
                        bench_fail("connection %u: a notification that nobody awaits", c->index);
                l->on_event(l, c, &event);
                return;
        }
        struct conn_request what = conn_match(c, head.xid);
        request_check(l, c, &what, &head, frame);
        if (l->on_reply)
                l->on_reply(l, c, &what);
}

static void on_socket(struct load *l, struct conn *c, uint32_t events)
{
        if (c->state == CONN_CLOSED)
                return; /* closed earlier in this turn */
        if (c->state == CONN_CONNECTING) {
                conn_greet(c);
                await(l, c, EPOLL_CTL_MOD, EPOLLIN);
                load_touch(l, c);
                return;
        }
        if (events & EPOLLOUT)
                flush(l, c);
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        if (conn_read(c, on_frame, l)) {
                l->ready++;
                l->granted_ms = c->timeout_ms;
                if (l->on_ready)
                        l->on_ready(l, c);
        }
}

void load_turn(struct load *l, uint64_t until_ns)
{
        struct epoll_event events[EVENTS_MAX];
        flush_all(l);
        uint64_t now = now_ns(), wait = until_ns > now ? until_ns - now : 0;
        if (wait > SECOND_NS)
                wait = SECOND_NS;
        struct timespec t = {.tv_sec = (time_t)(wait / SECOND_NS), .tv_nsec = (long)(wait % SECOND_NS)};
        int n = epoll_pwait2(l->epoll, events, EVENTS_MAX, &t, NULL);
        if (n < 0 && errno != EINTR)
                bench_fail("epoll: %s", strerror(errno));
        for (int i = 0; i < n; i++)
                on_socket(l, events[i].data.ptr, events[i].events);
        flush_all(l);
}

uint32_t load_ping_all(struct load *l)
{
        uint32_t pinged = 0;
        l->pinged_ns = now_ns();
        for (uint32_t i = 0; i < l->o->connections; i++) {
                if (l->conns[i].state != CONN_READY)
                        continue;
                conn_ping(&l->conns[i]);
                load_touch(l, &l->conns[i]);
                pinged++;
        }
        return pinged;
}

uint64_t load_ping_ns(const struct load *l)
{
        return (uint64_t)(l->granted_ms > 0 ? l->granted_ms : (int32_t)l->o->timeout_ms) * 1000000 / 3;
}

void load_check_progress(struct load *l, uint64_t since_ns, const char *what)
{
        uint64_t now = now_ns(), silent = now > since_ns ? now - since_ns : 0;
        if (silent > SILENCE_SECONDS_MAX * SECOND_NS)
                bench_fail("%s: nothing has come for %d seconds", what, SILENCE_SECONDS_MAX);
        if (silent < load_ping_ns(l) || now - l->pinged_ns < load_ping_ns(l))
                return;
        if (load_ping_all(l) > 0)
                l->stalls++;
}

/* ---- opening them all ---- */

struct opening {
        uint32_t next; /* connection to be opened */
        uint64_t last_ns;
};

static void opened(struct load *l, struct conn *c)
{
        struct opening *o = l->context;
        o->last_ns = now_ns();
        histogram_add(&l->latency, o->last_ns - c->opened_ns);
        if (o->next < l->o->connections)
                load_open(l, &l->conns[o->next++]);
}

void load_open_all(struct load *l, uint32_t at_once)
{
        struct opening o = {.last_ns = now_ns()};
        l->context = &o;
        l->on_ready = opened;
        l->on_reply = NULL;
        l->on_event = NULL;
        while (o.next < at_once && o.next < l->o->connections)
                load_open(l, &l->conns[o.next++]);
        while (l->ready < l->o->connections) {
                load_turn(l, now_ns() + SECOND_NS);
                load_check_progress(l, o.last_ns, "opening connections");
        }
        l->on_ready = NULL;
        l->context = NULL;
}
