/* See net_world.h. */
#include "tests/unit/engine/net_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/engine/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void tell(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct world *w, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int n = vsnprintf(w->told + w->told_len, sizeof w->told - w->told_len, format, ap);
        va_end(ap);
        assert_true(n > 0 && (size_t)n < sizeof w->told - w->told_len);
        w->told_len += (size_t)n;
}

static void on_bytes(struct world *w, const struct event *e)
{
        if (w->echo) {
                struct blob *b = blob_copy(e->bytes.data, e->bytes.len);
                net_send(w->net, e->conn, b);
                blob_unref(b);
                return;
        }
        for (size_t i = 0; i < e->bytes.len && w->answer > 0; i++) {
                struct blob *b = blob_new(w->answer);
                memset(b->data, e->bytes.data[i], b->len);
                net_send(w->net, e->conn, b);
                blob_unref(b);
        }
        w->bytes = mem_grow(w->bytes, &w->byte_capacity, w->byte_count + e->bytes.len, 1);
        memcpy(w->bytes + w->byte_count, e->bytes.data, e->bytes.len);
        w->byte_count += e->bytes.len;
}

static void on_event(void *ctx, struct event *e)
{
        struct world *w = ctx;
        assert_false(w->in_effect); /* the promise of net.h */
        switch (e->type) {
        case EVENT_CONN_ACCEPTED:
                w->client = e->conn;
                w->port = e->accepted.port;
                w->remote_port = e->accepted.remote_port;
                (void)snprintf(w->address, sizeof w->address, "%s", e->accepted.address);
                tell(w, "+%" PRIu64 " ", e->conn);
                break;
        case EVENT_CONN_DIALLED:
                tell(w, "!%" PRIu64 "=%d ", e->conn, e->status);
                break;
        case EVENT_CONN_CLOSED:
                tell(w, "-%" PRIu64 "=%d ", e->conn, e->status);
                break;
        case EVENT_CONN_SENT:
                tell(w, "s%" PRIu64 " ", e->conn);
                break;
        default:
                on_bytes(w, e);
                break;
        }
}

static void on_pulse(uv_timer_t *timer)
{
        struct world *w = timer->data;
        if (uv_now(&w->loop) - w->begun_ms > PATIENCE_MS)
                fail_msg("waited in vain; told so far: %s", w->told);
}

void world_turn(struct world *w)
{
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        while (net_turn(w->net))
                continue;
}

void world_idle(struct world *w)
{
        for (int i = 0; i < 20; i++)
                world_turn(w);
}

void world_await(struct world *w, const char *text)
{
        while (!strstr(w->told, text))
                world_turn(w);
}

void world_expect(struct world *w, const char *text)
{
        while (w->told_len < strlen(text))
                world_turn(w);
        assert_string_equal(w->told, text);
}

void world_await_bytes(struct world *w, size_t count)
{
        while (w->byte_count < count)
                world_turn(w);
}

struct world *world_new(const struct net_limits *limits)
{
        struct world *w = mem_zalloc(sizeof *w);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        assert_int_equal(uv_timer_init(&w->loop, &w->pulse), 0);
        w->pulse.data = w;
        w->begun_ms = uv_now(&w->loop);
        assert_int_equal(uv_timer_start(&w->pulse, on_pulse, 1, 1), 0);
        w->net = net_new(&w->loop, limits, on_event, w);
        return w;
}

void world_free(struct world *w)
{
        uv_close((uv_handle_t *)&w->pulse, NULL);
        net_finish(w->net);
        w->in_effect = true; /* no event follows */
        assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
        net_free(w->net);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        mem_free(w->bytes);
        mem_free(w);
}

uint16_t world_listen_on(struct world *w, enum port port, const char *host)
{
        char why[256] = "";
        if (net_listen(w->net, port, host, 0, why, sizeof why) < 0)
                fail_msg("%s", why);
        net_accept(w->net);
        return net_listening_on(w->net, port);
}

int world_join(struct world *w, enum port port)
{
        size_t told = w->told_len;
        int fd = peer_connect(false, net_listening_on(w->net, port));
        assert_true(fd >= 0);
        while (w->told_len == told)
                world_turn(w);
        return fd;
}

void world_send_filled(struct world *w, conn_id conn, size_t len, int c)
{
        struct blob *b = blob_new(len);
        memset(b->data, c, len);
        w->in_effect = true;
        net_send(w->net, conn, b);
        w->in_effect = false;
        blob_unref(b);
}

size_t world_read_filled(struct world *w, int fd, size_t len, int c)
{
        static uint8_t buffer[256 * 1024];
        size_t wrong = 0;
        while (len > 0) {
                long n = peer_read_some(fd, buffer, len < sizeof buffer ? len : sizeof buffer);
                if (n == -EAGAIN) {
                        world_turn(w);
                        continue;
                }
                assert_true(n > 0);
                for (long i = 0; i < n; i++)
                        wrong += buffer[i] != c;
                len -= (size_t)n;
        }
        return wrong;
}

long world_read_end(struct world *w, int fd)
{
        char byte;
        long n;
        while ((n = peer_read_some(fd, &byte, 1)) == -EAGAIN)
                world_turn(w);
        return n;
}
